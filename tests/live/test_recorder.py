"""The calls that run for every message: slow, fast in Python, compiled. All three do the same."""

from __future__ import annotations

import gc
import importlib.machinery
import importlib.util
import resource
import signal
import struct
import sys
import time
import types
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from harness.live import environment, fast, world
from harness.live import node as node_module
from harness.live.control import Control
from harness.live.environment import Machine
from harness.live.node import LiveNode
from harness.node import STAMP, STAMP_BYTES, STAMP_MAGIC
from harness.trace import RECORD_BYTES, Kind, TraceFullError

from .nodes import live_node, records_of
from .runs import MS, pushing, run_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(30)]

ROOT = Path(__file__).resolve().parents[2]
WARNINGS = ("-Wall", "-Wextra", "-Werror")


def load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The calls compiled from the source as it is, without a warning."""
    hook = load("hatch_build", ROOT / "hatch_build.py")
    try:
        hook.tools()
    except hook.CannotCompileError as error:
        pytest.skip(str(error))
    return load("harness.live._fast", hook.build(tmp_path_factory.mktemp("compiled"), WARNINGS))


class Slow(LiveNode):
    """Without the fast calls."""

    def _await_line(self) -> int:
        line_ns = super()._await_line()
        del self.__dict__["send"], self.__dict__["recv"]
        return line_ns


KINDS = ("slow", "python", "compiled")
Make = Callable[..., Any]


@pytest.fixture
def maker(
    control: Control, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[[str], Callable[..., Any]]:
    """For a kind of calls, what makes nodes that have them, and that have passed the start line."""

    def of_kind(kind: str) -> Make:
        # Asked for only here: without a compiler the other kinds are tested all the same.
        monkeypatch.setattr(fast, "_fast", request.getfixturevalue("compiled") if kind == "compiled" else None)

        def make(position: int, context: Any = None, records: int = 1000) -> Any:
            node = live_node(control, position, context, records, Slow if kind == "slow" else LiveNode)
            node.started()
            node.now()
            is_builtin = isinstance(node.send, types.BuiltinMethodType)
            assert ("send" in node.__dict__, is_builtin) == (kind != "slow", kind == "compiled")
            return node

        return make

    control.set_line(time.monotonic_ns())
    return of_kind


@pytest.fixture(params=KINDS)
def make(maker: Callable[[str], Make], request: pytest.FixtureRequest) -> Make:
    return maker(request.param)


@pytest.fixture
def pair() -> Iterator[tuple[Any, Any]]:
    with zmq.Context() as context, context.socket(zmq.PAIR) as left, context.socket(zmq.PAIR) as right:
        left.bind("inproc://pair")
        right.connect("inproc://pair")
        yield left, right


def exchange(sender: Any, receiver: Any, pair: tuple[Any, Any]) -> list[tuple[Any, ...]]:
    """Every way to send and to receive; what the programs see of it."""
    left, right = pair
    seen = []
    left.send(bytes(40))
    for size in (32, 100, 100, 32, 10, 5000):
        for flow in ("one", "two", "one"):
            sender.send(left, flow=flow, size_bytes=size)
            sender.send(left, flow=flow, size_bytes=size, intended_ns=-5)
            sender.send(left, flow=flow, size_bytes=np.int64(size), intended_ns=np.int64(-5), flags=zmq.DONTWAIT)
            sender.send(left, flow=flow, size_bytes=size, prefix=[b"topic", b""])
            sender.send(socket=left, flow="".join(flow), answers=None, prefix=())
    torn = STAMP.pack(STAMP_MAGIC, 0, 0, 1, 2, 3)[:-1]
    for unstamped in ([b""], [b"short"], [torn], [bytes(40)], [b"a", b"", bytes(100)]):
        left.send_multipart(unstamped)
    ways = (lambda: receiver.recv(right), lambda: receiver.recv(right, 0), lambda: receiver.recv(socket=right, flags=0))
    while right.poll(0):
        message = ways[len(seen) % len(ways)]()
        seen.append((message.frames, message.sender, message.flow, message.seq, message.intended_ns, message.sent_ns))
        if message.sender >= 0:
            receiver.send(right, flow="two", size_bytes=64, answers=message)
            sender.recv(left)
    for flags in ((zmq.DONTWAIT,), ()):
        right.setsockopt(zmq.RCVTIMEO, 1)
        with pytest.raises(zmq.Again):
            receiver.recv(right, *flags)
    return seen


def in_order(seen: list[tuple[Any, ...]], records: list[Any]) -> tuple[list[Any], list[Any]]:
    """The same with each time of the clock replaced by its place among all of them."""
    times = np.unique(np.concatenate([each[column] for each in records for column in ("time_ns", "other_ns")]))
    rank = {time_ns: place for place, time_ns in enumerate(times.tolist())}

    def ranked(frame: bytes) -> bytes:
        if frame[:4] != STAMP_MAGIC or len(frame) < STAMP_BYTES:
            return frame
        *whose, intended_ns, sent_ns = STAMP.unpack_from(frame)
        return STAMP.pack(*whose, rank[intended_ns], rank[sent_ns]) + frame[STAMP_BYTES:]

    for each in records:
        for column in ("time_ns", "other_ns"):
            each[column] = np.searchsorted(times, each[column])
    return (
        [([*map(ranked, frames)], *whose, rank[due], rank[sent]) for frames, *whose, due, sent in seen],
        [each.tolist() for each in records],
    )


def test_all_kinds_of_calls_do_the_same(maker: Callable[[str], Make], pair: tuple[Any, Any]) -> None:
    def act(kind: str) -> tuple[list[Any], list[Any]]:
        nodes = [maker(kind)(position) for position in (0, 1)]
        seen = exchange(*nodes, pair)
        return in_order(seen, [records_of(node) for node in nodes])

    slow = act("slow")
    seen, (sent, received) = slow
    assert len(seen) == 6 * 15 + 6
    assert len(sent) == 1 + 2 * 90
    assert len(received) == 1 + 2 * 90 + 6
    assert act("python") == slow
    assert act("compiled") == slow


def test_times_are_those_of_the_clock(make: Make, pair: tuple[Any, Any], control: Control) -> None:
    left, right = pair
    sender, receiver = make(0), make(1)
    moments = [time.monotonic_ns() - control.line_ns]
    for _ in range(3):
        sender.send(left, flow="one")
        moments.append(time.monotonic_ns() - control.line_ns)
    for _ in range(3):
        receiver.recv(right)
        moments.append(time.monotonic_ns() - control.line_ns)
    recorded = np.concatenate([records_of(node)["time_ns"][1:] for node in (sender, receiver)])
    assert all(
        before <= found <= after for before, found, after in zip(moments, recorded.tolist(), moments[1:], strict=False)
    )
    assert len(recorded) == 6


def test_a_refused_send_is_settled_as_rejected(make: Make) -> None:
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        sender = make(0, context)
        for _ in range(3):
            assert sender.send(push, flow="one", flags=zmq.DONTWAIT) is False
    assert records_of(sender)["kind"].tolist() == [Kind.EVENT, *[Kind.REJECTED] * 3]
    assert records_of(sender)["seq"].tolist() == [-1, 0, 1, 2]


def test_a_send_that_fails_otherwise_stays_an_attempt(make: Make) -> None:
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        sender = make(0, context)
    for _ in range(2):
        with pytest.raises(zmq.ZMQError, match=r"not a socket|non-socket"):
            sender.send(push, flow="one")
        with pytest.raises(zmq.ZMQError, match=r"not a socket|non-socket"):
            sender.recv(push)
    assert records_of(sender)["kind"].tolist() == [Kind.EVENT, Kind.ATTEMPT, Kind.ATTEMPT]


def test_a_signal_ends_a_call_that_waits(make: Make) -> None:
    class EndedError(Exception):
        pass

    def end(_signal: int, _frame: Any) -> None:
        raise EndedError

    before = signal.signal(signal.SIGALRM, end)
    try:
        with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            node = make(0, context)
            for call in (lambda: node.send(dealer, flow="one"), lambda: node.recv(dealer)) * 2:
                signal.setitimer(signal.ITIMER_REAL, 0.02)
                with pytest.raises(EndedError):
                    call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert records_of(node)["kind"].tolist() == [Kind.EVENT, Kind.ATTEMPT, Kind.ATTEMPT]
    assert records_of(node)["seq"].tolist() == [-1, 0, 1]


def test_no_record_is_written_beyond_the_limit(make: Make, pair: tuple[Any, Any]) -> None:
    left, right = pair
    sender, receiver = make(0, records=9), make(1, records=5)
    for _ in range(8):
        sender.send(left, flow="one")
    with pytest.raises(TraceFullError):
        sender.send(left, flow="one")
    for _ in range(4):
        receiver.recv(right)
    with pytest.raises(TraceFullError):
        receiver.recv(right)
    assert len(records_of(sender)) == 9
    assert len(records_of(receiver)) == 5


def test_marks_stand_between_messages(make: Make, pair: tuple[Any, Any]) -> None:
    left, _ = pair
    sender = make(0)
    for name in ("a", "b"):
        sender.send(left, flow="one")
        sender.mark(name)
        sender.send(left, flow="one")
    sent, event = Kind.SENT, Kind.EVENT
    assert records_of(sender)["kind"].tolist() == [event, sent, event, sent, sent, event, sent]


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (KeyError, {"flow": "three"}),
        (TypeError, {}),
        (TypeError, {"flow": []}),
        (TypeError, {"flow": "one", "size": 100}),
        (TypeError, {"flow": "one", "size_bytes": "100"}),
        (struct.error, {"flow": "one", "intended_ns": 2**63}),
        (struct.error, {"flow": "one", "intended_ns": 1.5}),
        (TypeError, {"flow": "one", "flags": "none"}),
    ],
)
def test_what_makes_no_sense_is_refused(
    make: Make, pair: tuple[Any, Any], error: type[Exception], named: dict[str, Any]
) -> None:
    sender = make(0)
    for _ in range(2):
        sender.send(pair[0], flow="one")
        with pytest.raises(error):
            sender.send(pair[0], **named)
        for arguments in ((), (pair[0], zmq.DONTWAIT, 1)):
            with pytest.raises(TypeError):
                sender.recv(*arguments)
        with pytest.raises(TypeError):
            sender.recv(pair[0], flag=zmq.DONTWAIT)


def test_nothing_is_kept(make: Make, pair: tuple[Any, Any]) -> None:
    """Memory stays as it is, over every way through the calls; and what they get is let go."""
    left, right = pair
    sender, receiver = make(0), make(1)
    flow, due = "one", 10**12
    outlet = sender._outlets["one"]
    held = (left, right, flow, due, outlet, outlet.key, outlet.row_head, outlet.numbers, None, True, False)

    def rounds(count: int) -> None:
        for number in range(count):
            assert sender.send(left, flow=flow, size_bytes=32, prefix=(b"topic",))
            receiver.recv(right)
            sender.send(left, flow=flow, size_bytes=3000, intended_ns=due)
            sender.send(left, flow="two" if number % 2 else "one", size_bytes=64)
            for _ in range(2):
                receiver.recv(right)
            left.send(bytes(40))
            receiver.recv(right)
            for call in (lambda: receiver.recv(right, zmq.DONTWAIT), lambda: sender.send(left, flow="three")):
                with pytest.raises((zmq.Again, KeyError)):
                    call()
            for node in (sender, receiver):
                node._recorder.end[0] = RECORD_BYTES

    rounds(200)
    gc.collect()
    before = [*map(sys.getrefcount, held)]
    blocks, size_kib = sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rounds(4000)
    gc.collect()
    assert abs(sys.getallocatedblocks() - blocks) < 1000
    assert all(abs(now - then) < 100 for now, then in zip(map(sys.getrefcount, held), before, strict=True))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - size_kib < 4000


@pytest.mark.parametrize("kind", ["python", "compiled"])
def test_what_a_send_has_seen_pass_needs_no_clock(
    kind: str, maker: Callable[[str], Make], pair: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int] = []
    monkeypatch.setattr(node_module, "wait_until", lambda deadline_ns, _spin: waits.append(deadline_ns))
    sender = maker(kind)(0)
    sender.sleep_until(10**18)
    assert len(waits) == 1
    for _ in range(2):
        sender.send(pair[0], flow="one")
    sent_ns = int(records_of(sender)["time_ns"][-1])
    # Whoever looks at the clock from here on finds that it is not yet time.
    monkeypatch.setattr(node_module, "_monotonic_ns", lambda: 0)
    for time_ns in (0, sent_ns, -5):
        sender.sleep_until(time_ns)
    assert len(waits) == 1
    for time_ns in (sent_ns + 1, 2**63):
        sender.sleep_until(time_ns)
    assert len(waits) == 3
    with pytest.raises(TypeError):
        sender.sleep_until("soon")


def test_a_node_can_be_collected(make: Make, pair: tuple[Any, Any]) -> None:
    node = make(0)
    node.send(pair[0], flow="one")
    gone = weakref.ref(node)
    del node
    gc.collect()
    assert gone() is None


def test_only_what_fits_is_used(compiled: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(fast.CHOICE, raising=False)

    def recorder(**changes: Any) -> str:
        fields = {name: getattr(compiled, name) for name in ("Calls", "LAYOUT", "SOURCE")}
        monkeypatch.setattr(fast, "_fast", types.SimpleNamespace(**{**fields, **changes}))
        return fast.recorder()

    assert recorder() == "compiled"
    assert recorder(SOURCE="0" * 64) == "python"
    assert recorder(LAYOUT=(32, 48, 32, 2, 3)) == "python"
    monkeypatch.setenv(fast.CHOICE, "python")
    assert recorder() == "python"
    monkeypatch.delenv(fast.CHOICE)
    monkeypatch.setattr(fast, "SOURCE", tmp_path / "gone.c")
    assert recorder() == "python"
    monkeypatch.setattr(fast, "_fast", None)
    assert fast.recorder() == "python"


def test_a_run_says_which_recorder_it_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fast.CHOICE, "python")
    trace = world.execute(run_of(pushing(count=100), duration_ns=100 * MS))
    assert trace.environment["recorder"] == "python"
    assert trace.records["seq"][trace.records["kind"] == Kind.RECEIVED].tolist() == list(range(100))
    monkeypatch.setattr(environment, "recorder", lambda: "compiled")
    assert Machine().describe(trace.records)["recorder"] == "compiled"
