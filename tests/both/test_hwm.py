"""High-water marks and credit, over many marks, in both worlds.

Sources: libzmq's pipe (HWM counts complete messages, credit comes back in lumps of the low-water mark), RFC 29 and
RFC 30 (what is dropped, what is kept).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as draw

from .stage import SimStage, Stage, numbers

MARKS = (1, 2, 3, 5, 8, 10, 20, 50, 100, 1000)
SMALL_BUFFER_BYTES = 8192

pytestmark = pytest.mark.timeout(90)
in_simulation = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def lwm(hwm: int) -> int:
    """The credit quantum of a mark: half of it, rounded up."""
    return (hwm + 1) // 2


# -- inproc: one queue a direction, its limit is SNDHWM + RCVHWM (F8) ---------------------------------------------


def inproc_capacity(stage: Stage, sndhwm: int, rcvhwm: int, frames: int = 1) -> dict[str, Any]:
    """Fill a PUSH whose PULL does not read; then the PULL drains."""
    zmq = stage.zmq
    pull, push, _ = stage.pair("inproc", zmq.PULL, zmq.PUSH, {"RCVHWM": rcvhwm}, {"SNDHWM": sndhwm}, settle_s=0.05)
    accepted = stage.fill(push, 3000, lambda i: [b"%d" % i] + [b"part"] * (frames - 1))
    messages = stage.drain(pull, 0.1)
    return {
        "accepted": accepted,
        "in_order": numbers(messages) == list(range(accepted)),
        "frames": sorted({len(message) for message in messages}),
        "after": stage.offer(push, "x"),
    }


def check_inproc_capacity(stage: Stage, sndhwm: int, rcvhwm: int, frames: int = 1) -> None:
    limit = sndhwm + rcvhwm if sndhwm and rcvhwm else 3000
    assert stage.play(inproc_capacity, sndhwm, rcvhwm, frames) == {
        "accepted": limit,
        "in_order": True,
        "frames": [frames],
        "after": "ok",
    }


@pytest.mark.parametrize("hwm", MARKS)
def test_inproc_holds_the_sum_of_both_marks(stage: Stage, hwm: int) -> None:
    check_inproc_capacity(stage, hwm, hwm)


@pytest.mark.parametrize(("sndhwm", "rcvhwm"), [(1, 20), (20, 1), (3, 1000), (1000, 3), (0, 5), (5, 0), (0, 0)])
def test_inproc_sum_of_unequal_marks_and_zero_is_unlimited(stage: Stage, sndhwm: int, rcvhwm: int) -> None:
    check_inproc_capacity(stage, sndhwm, rcvhwm)


@pytest.mark.parametrize("hwm", [1, 5, 50])
def test_a_mark_counts_complete_messages(stage: Stage, hwm: int) -> None:
    """Ten frames a message count once (F5)."""
    check_inproc_capacity(stage, hwm, hwm, frames=10)


@in_simulation
@given(
    sndhwm=draw.integers(min_value=0, max_value=1400),
    rcvhwm=draw.integers(min_value=0, max_value=1400),
    frames=draw.integers(min_value=1, max_value=10),
)
def test_inproc_capacity_of_any_marks_in_simulation(sndhwm: int, rcvhwm: int, frames: int) -> None:
    check_inproc_capacity(SimStage(), sndhwm, rcvhwm, frames)


def connected_before_bound(stage: Stage, sndhwm: int, rcvhwm: int) -> dict[str, Any]:
    """Fill an inproc PUSH whose name nobody has bound yet; then a PULL binds it and the PUSH is filled again."""
    zmq = stage.zmq
    push, pull = stage.socket(zmq.PUSH, SNDHWM=sndhwm), stage.socket(zmq.PULL, RCVHWM=rcvhwm)
    endpoint = stage.endpoint("inproc")
    push.connect(endpoint)
    before = stage.fill(push, 3000)
    pull.bind(endpoint)
    stage.settle(0.05)
    after = stage.fill(push, 3000)
    return {"before": before, "after": after, "received": len(stage.drain(pull, 0.1))}


@pytest.mark.parametrize(("sndhwm", "rcvhwm"), [(1, 1), (5, 8), (20, 3), (1000, 1000)])
def test_inproc_grows_to_the_sum_when_the_name_is_bound(stage: Stage, sndhwm: int, rcvhwm: int) -> None:
    """The connecter's own mark first, the sum from the bind on; what was queued is delivered (F9)."""
    assert stage.play(connected_before_bound, sndhwm, rcvhwm) == {
        "before": sndhwm,
        "after": rcvhwm,
        "received": sndhwm + rcvhwm,
    }


# -- a mark set after bind (F12) ----------------------------------------------------------------------------------


def accepted_by_stalled_peer(
    stage: Stage, sndhwm: int, set_when: str, size_bytes: int = 1000, rcvhwm: int = 1, bind_push: bool = True
) -> int:
    """How many messages a PUSH takes for a tcp peer that never reads, the mark being set at some moment."""
    zmq = stage.zmq
    push = stage.socket(zmq.PUSH, SNDBUF=SMALL_BUFFER_BYTES, RCVBUF=SMALL_BUFFER_BYTES)
    pull = stage.socket(zmq.PULL, SNDBUF=SMALL_BUFFER_BYTES, RCVBUF=SMALL_BUFFER_BYTES, RCVHWM=rcvhwm)
    if set_when == "before bind":
        push.sndhwm = sndhwm
    endpoint = stage.bind(push)
    if set_when == "after bind":
        push.sndhwm = sndhwm
    pull.connect(endpoint)
    stage.settle()
    if set_when == "after connect":
        push.sndhwm = sndhwm
        stage.settle(0.05)
    assert push.sndhwm == sndhwm
    return stage.stuff(push, size_bytes)


@pytest.mark.parametrize("hwm", [1, 10, 100])
@pytest.mark.parametrize("when", ["before bind", "after connect"])
def test_a_mark_set_before_bind_or_on_a_live_pipe_holds(stage: Stage, hwm: int, when: str) -> None:
    """What is accepted is the mark plus whole credits for what left the queue: H + k x L (F12, F36)."""
    accepted = stage.play(accepted_by_stalled_peer, hwm, when)
    assert hwm <= accepted < 1000
    assert (accepted - hwm) % lwm(hwm) == 0


def test_a_mark_set_after_bind_does_not_reach_later_peers(stage: Stage) -> None:
    """The listener copied the options when bind ran: the peer gets the default of 1000 (F12)."""
    assert stage.play(accepted_by_stalled_peer, 10, "after bind") == 1000


def inproc_change(stage: Stage, before: int, after: int, rcvhwm: int) -> int:
    """Fill after SNDHWM was changed on a live inproc pipe."""
    zmq = stage.zmq
    _, push, _ = stage.pair("inproc", zmq.PULL, zmq.PUSH, {"RCVHWM": rcvhwm}, {"SNDHWM": before}, settle_s=0.05)
    push.sndhwm = after
    return stage.fill(push)


@pytest.mark.parametrize(("before", "after", "rcvhwm"), [(1, 5, 1), (1000, 10, 10), (5, 2, 8), (10, 1000, 1000)])
def test_a_change_reaches_a_live_inproc_pipe(stage: Stage, before: int, after: int, rcvhwm: int) -> None:
    """The marks are added up anew (F8, F12)."""
    assert stage.play(inproc_change, before, after, rcvhwm) == after + rcvhwm


def lowered_below_the_queue(stage: Stage) -> dict[str, Any]:
    """20 messages wait when the mark falls to 4 + 4; the reader takes them one by one."""
    zmq = stage.zmq
    pull, push, _ = stage.pair("inproc", zmq.PULL, zmq.PUSH, {"RCVHWM": 4}, {"SNDHWM": 16}, settle_s=0.05)
    accepted = stage.fill(push)
    push.sndhwm = 4
    refused = stage.offer(push, "x")
    got = numbers(stage.drain(pull, 0.1))
    return {
        "accepted": accepted,
        "refused": refused,
        "kept": got == list(range(accepted)),
        "then": stage.fill(push) > 0,
    }


def test_lowering_a_mark_discards_nothing(stage: Stage) -> None:
    """The pipe is full at once and what is queued stays (F13)."""
    assert stage.play(lowered_below_the_queue) == {"accepted": 20, "refused": "EAGAIN", "kept": True, "then": True}


# -- a reader that stops: accepted = H + L x floor(c / L) (F36) -----------------------------------------------------


def accepted_after_reading(stage: Stage, sndhwm: int, rcvhwm: int, read: int) -> int:
    """All that a PUSH takes over inproc when its PULL reads ``read`` messages, one at a time, and stops."""
    zmq = stage.zmq
    pull, push, _ = stage.pair("inproc", zmq.PULL, zmq.PUSH, {"RCVHWM": rcvhwm}, {"SNDHWM": sndhwm}, settle_s=0.05)
    body = b"x"
    accepted = 0
    for turn in range(read + 1):
        while stage.offer(push, body) == "ok":
            accepted += 1
        if turn < read:
            pull.recv()
    return accepted


def check_stopped_reader(stage: Stage, sndhwm: int, rcvhwm: int, read: int) -> None:
    hwm = sndhwm + rcvhwm
    quantum = lwm(hwm)
    assert stage.play(accepted_after_reading, sndhwm, rcvhwm, read) == hwm + quantum * (read // quantum)


@pytest.mark.parametrize("hwm", MARKS)
@pytest.mark.parametrize("read", [0, 1, 7, 23])
def test_a_stopped_reader_has_given_whole_credits_only(stage: Stage, hwm: int, read: int) -> None:
    check_stopped_reader(stage, hwm, hwm, read)


@in_simulation
@given(
    sndhwm=draw.integers(min_value=1, max_value=120),
    rcvhwm=draw.integers(min_value=1, max_value=120),
    read=draw.integers(min_value=0, max_value=300),
)
def test_a_stopped_reader_of_any_marks_in_simulation(sndhwm: int, rcvhwm: int, read: int) -> None:
    check_stopped_reader(SimStage(), sndhwm, rcvhwm, read)


@pytest.mark.parametrize("hwm", MARKS)
def test_a_dead_tcp_reader_leaves_whole_credits(stage: Stage, hwm: int) -> None:
    """Behind the queue lie both engines, the kernel and the peer's queue; still credits are whole (F7, F36)."""
    accepted = stage.play(accepted_by_stalled_peer, hwm, "before bind", 2000, 2)
    assert accepted >= hwm
    assert (accepted - hwm) % lwm(hwm) == 0


def accepted_over(stage: Stage, transport: str, buffer_bytes: int, size_bytes: int) -> int:
    """How many messages a PUSH with mark 1 takes for a peer with mark 1 that never reads."""
    zmq = stage.zmq
    buffers = {"SNDBUF": buffer_bytes, "RCVBUF": buffer_bytes} if buffer_bytes else {}
    _, push, _ = stage.pair(transport, zmq.PULL, zmq.PUSH, {"RCVHWM": 1, **buffers}, {"SNDHWM": 1, **buffers})
    return stage.stuff(push, size_bytes)


@pytest.mark.parametrize(
    ("transport", "buffer_bytes", "size_bytes", "low", "high"),
    [
        ("tcp", 4096, 1000, 12, 20),
        ("tcp", 4096, 10_000, 3, 7),
        ("tcp", 8192, 100, 220, 340),
        ("tcp", 8192, 2000, 14, 23),
        ("tcp", 65_536, 1000, 190, 310),
        ("tcp", 65_536, 10_000, 19, 31),
        ("ipc", 0, 10, 220, 340),
        ("ipc", 0, 1000, 75, 120),
        ("ipc", 0, 2000, 42, 64),
    ],
)
def test_kernel_buffers_lie_between_the_queues(
    stage: Stage, transport: str, buffer_bytes: int, size_bytes: int, low: int, high: int
) -> None:
    """Bytes and an overhead for every small buffer; ipc ignores the options (F21). Linux, to a quarter."""
    assert low <= stage.play(accepted_over, transport, buffer_bytes, size_bytes) <= high


# -- PUB and a slower SUB: the first lost index and the stretches between losses (F34) ------------------------------


def received_by_slow_subscriber(
    stage: Stage, transport: str, sndhwm: int, rcvhwm: int, count: int, size_bytes: int, pace_s: float, work_s: float
) -> list[int]:
    """The numbers that reach a SUB which works longer for a message than the PUB waits between two."""
    zmq = stage.zmq
    buffers = {"SNDBUF": SMALL_BUFFER_BYTES, "RCVBUF": SMALL_BUFFER_BYTES} if transport == "tcp" else {}
    pub, sub, _ = stage.pair(
        transport,
        zmq.PUB,
        zmq.SUB,
        {"SNDHWM": sndhwm, **buffers},
        {"RCVHWM": rcvhwm, "SUBSCRIBE": b"", **buffers},
    )
    stage.hand_over(sub)
    published: list[bool] = []

    def subscribe() -> list[int]:
        got = []
        while sub.poll(300):
            got.append(int(sub.recv()[:8]))
            if not published:
                stage.sleep(work_s)
        sub.close(0)
        return got

    subscriber = stage.spawn(subscribe)
    padding = bytes(size_bytes - 8)
    for number in range(count):
        pub.send(b"%08d" % number + padding)
        stage.sleep(pace_s)
    published.append(True)
    return list(subscriber.join())


def stretches(received: Sequence[int]) -> list[int]:
    """Lengths of the runs of consecutive numbers."""
    cuts = [0, *(i for i, (a, b) in enumerate(pairwise(received), 1) if b != a + 1), len(received)]
    return [b - a for a, b in pairwise(cuts)]


def check_quantum(received: Sequence[int], hwm: int, count: int) -> None:
    """The first run is H + k x L; every later one that a loss ended is a multiple of L."""
    quantum = lwm(hwm)
    assert received[0] == 0, "the subscription was not there in time"
    assert received == sorted(set(received)), "reordered or duplicated"
    runs = stretches(received)
    # A run that the end of the sending cut short says nothing; if the last number was lost, a loss ended it.
    ended_by_loss = runs if received[-1] != count - 1 else runs[:-1]
    assert ended_by_loss, "nothing was lost: this run shows nothing"
    assert ended_by_loss[0] >= hwm
    assert (ended_by_loss[0] - hwm) % quantum == 0, f"first lost index {ended_by_loss[0]} of HWM {hwm}"
    odd = [run for run in ended_by_loss[1:] if run % quantum]
    assert not odd, f"stretches {odd} are no multiples of {quantum}"


QUANTUM: tuple[tuple[int, int], ...] = (
    # (HWM of each side, messages): enough to fill the way to the subscriber and to lose in several bursts.
    (1, 300),
    (2, 300),
    (3, 300),
    (5, 300),
    (8, 400),
    (10, 400),
    (20, 500),
    (50, 700),
    (100, 900),
    (1000, 4000),
)


@pytest.mark.parametrize(
    ("transport", "hwm", "count"),
    [(transport, *row) for transport in ("inproc", "tcp") for row in QUANTUM]
    + [("ipc", *row) for row in QUANTUM if row[0] in (1, 10, 100)],
)
def test_losses_come_in_credit_quanta(stage: Stage, transport: str, hwm: int, count: int) -> None:
    """The first lost index is HWM + k x LWM, stretches between losses are multiples of LWM, both worlds (F34)."""
    size_bytes = 1000 if hwm < 10 else 2000
    got = stage.play(received_by_slow_subscriber, transport, hwm, hwm, count, size_bytes, 0.0002, 0.002)
    check_quantum(got, 2 * hwm if transport == "inproc" else hwm, count)


@in_simulation
@given(
    transport=draw.sampled_from(["inproc", "ipc", "tcp"]),
    sndhwm=draw.integers(min_value=1, max_value=60),
    rcvhwm=draw.integers(min_value=1, max_value=60),
    size_bytes=draw.integers(min_value=1000, max_value=2000),
    pace_us=draw.integers(min_value=20, max_value=400),
    work_us=draw.integers(min_value=1500, max_value=5000),
)
def test_losses_of_any_marks_come_in_credit_quanta_in_simulation(
    transport: str, sndhwm: int, rcvhwm: int, size_bytes: int, pace_us: int, work_us: int
) -> None:
    count = 4 * (sndhwm + rcvhwm) + 200
    arguments = (transport, sndhwm, rcvhwm, count, size_bytes, pace_us / 1e6, work_us / 1e6)
    got = SimStage().play(received_by_slow_subscriber, *arguments)
    check_quantum(got, sndhwm + rcvhwm if transport == "inproc" else sndhwm, count)


@pytest.mark.parametrize(
    "broken",
    [
        lambda hwm: [*range(hwm + 1), hwm + 9],
        lambda hwm: [*range(hwm), *range(hwm + 9, 2 * hwm + 8), 3 * hwm + 9],
        lambda hwm: list(range(100)),
    ],
)
def test_the_quantum_check_bites(broken: Callable[[int], list[int]]) -> None:
    """A first index or a stretch that is one off, or a run without loss, is refused."""
    with pytest.raises(AssertionError):
        check_quantum(broken(10), 10, 100)


def mark_set_before_anybody_binds(stage: Stage) -> list[int]:
    zmq = stage.zmq
    untouched, touched = stage.socket(zmq.PUSH, SNDHWM=2), stage.socket(zmq.PUSH, SNDHWM=2)
    for push in (untouched, touched):
        push.connect(stage.endpoint("inproc"))
    touched.setsockopt(zmq.SNDHWM, 3)
    return [stage.fill(untouched), stage.fill(touched)]


def test_a_mark_that_is_set_before_anybody_binds_counts_with_the_default_of_nobody(stage: Stage) -> None:
    """Over inproc: 2 at connect; once a mark was set, it and the thousand of a receiver that is not there (F9, F14)."""
    assert stage.play(mark_set_before_anybody_binds) == [2, 1003]
