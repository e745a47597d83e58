"""What a relay does with bytes, with no sockets and no twin: lines by themselves, and the frames in a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from harness.live.proxy.zmtp import GREETING_BYTES, Frames
from harness.relay.line import CHUNK_MIN, NOTHING, Lateness, Line, Mark, buffers, chunk_bytes
from harness.shaper import Shape, Shaper

MS = 1_000_000
S = 1_000_000_000


class Tape(Line):
    """A line from a number of bytes to a list of what was passed on, and when."""

    def __init__(self, coming: int = 0, *, room: int = 1 << 20, lateness_ns: int = 0, **shape: Any) -> None:
        super().__init__([Shaper(Shape(queue_bytes=0, **shape), lambda: 0.5)], room, Lateness(lateness_ns))
        self.coming = coming
        self.is_over = False
        self.takes = 1 << 30
        self.told: list[Mark] = []
        self.out: list[tuple[int, int]] = []
        self.now = 0

    def receive(self, limit_bytes: int) -> int:
        size = min(limit_bytes, self.coming)
        self.coming -= size
        return size or (0 if self.is_over else NOTHING)

    def deliver(self, size_bytes: int) -> int:
        size = min(size_bytes, self.takes)
        self.takes -= size
        if size:
            self.out.append((self.now, size))
        return size

    def finish(self) -> None:
        self.out.append((self.now, 0))

    def marks(self, size_bytes: int) -> Sequence[Mark]:
        found, self.told = self.told, []
        return found

    def step(self, now_ns: int) -> bool:
        """As a relay does it in a turn."""
        self.now = now_ns
        size = self.read(now_ns)
        if size >= 0:
            self.take(size, now_ns)
        return self.write(now_ns)


def test_what_has_a_delay_is_held_until_it_is_due() -> None:
    line = Tape(100, delay_ns=5 * MS)
    line.step(0)
    assert (line.out, line.held_bytes, line.due_ns) == ([], 100, 5 * MS)
    line.step(5 * MS)
    assert (line.out, line.held_bytes, line.due_ns) == ([(5 * MS, 100)], 0, 0)


def test_a_delay_counts_from_when_the_bytes_came_and_not_from_when_they_were_read() -> None:
    line = Tape(0, delay_ns=5 * MS)
    line.came_ns = 7 * MS
    line.pass_on(10, 9 * MS)
    assert line.due_ns == 12 * MS


def test_how_late_a_relay_wakes_is_taken_off_but_never_more_than_there_is() -> None:
    late, short = Tape(1, delay_ns=5 * MS, lateness_ns=200_000), Tape(1, delay_ns=100_000, lateness_ns=200_000)
    late.step(0)
    short.step(0)
    assert late.due_ns == 4_800_000
    assert short.out == [(0, 1)]


def test_lateness_is_a_running_median_with_a_limit() -> None:
    lateness = Lateness(10**9)
    assert lateness.ns == 300_000
    for sample in [40_000] * 300 + [10**9] * 100:
        lateness.saw(sample)
    assert 40_000 <= lateness.ns <= 300_000
    for _ in range(1000):
        lateness.saw(50_000)
    assert abs(lateness.ns - 50_000) <= 2000


@pytest.mark.parametrize("mbit", [1, 10, 100])
@pytest.mark.parametrize("late_ns", [0, 3 * MS, 12 * MS])
def test_a_rate_is_kept_by_a_relay_that_comes_late(mbit: int, late_ns: int) -> None:
    """It wakes when the link has room again, or so much later; what passes is the same."""
    rate = mbit * 125_000
    line = Tape(1 << 40, rate_bytes_per_s=rate)
    now = 0
    while now < 2 * S:
        line.step(now)
        due = [at for at in (line.due_ns, line.busy_until_ns(now)) if at]
        now = max(now + 1, min(due, default=now) + late_ns) if not line.wants(now) else now + 1000
    assert line.passed == pytest.approx(2 * rate, rel=0.02, abs=2 * chunk_bytes(rate))


def test_an_idle_link_saves_nothing_up() -> None:
    """After a pause of the sender the link has its rate, and no burst."""
    rate = 1_250_000
    line = Tape(rate // 100, rate_bytes_per_s=rate)
    now = 0
    for _ in range(1000):
        line.step(now)
        now += MS
    line.coming = rate
    begun, before = now, line.passed
    for _ in range(100):
        line.step(now)
        line.step(now)
        now += MS
    assert line.passed - before <= rate * (now - begun) // S + 2 * chunk_bytes(rate)


def test_what_it_holds_is_bounded_by_its_room_and_what_the_link_keeps_busy() -> None:
    line = Tape(1 << 30, room=1000, delay_ns=100 * MS, rate_bytes_per_s=100_000)
    for at in range(0, 90 * MS, MS):
        line.step(at)
    assert line.held_bytes <= 1000 + 10_000
    assert line.held_bytes >= CHUNK_MIN


def test_a_sink_that_takes_nothing_more_blocks_it() -> None:
    line = Tape(100)
    line.takes = 60
    line.step(0)
    assert (line.is_blocked, line.passed, line.due_ns) == (True, 60, 0)
    line.takes, line.is_blocked = 100, False
    line.step(1)
    assert line.out == [(0, 60), (1, 40)]


def test_the_end_of_the_stream_comes_behind_all_and_later_when_told_so() -> None:
    line = Tape(10, delay_ns=MS)
    line.slow_close_ns = 7 * MS
    line.step(0)
    line.is_over = True
    line.step(0)
    line.step(MS)
    assert (line.out, line.ended) == ([(MS, 10)], False)
    line.step(8 * MS)
    assert (line.out[-1], line.ended) == ((8 * MS, 0), True)


def test_it_breaks_at_the_byte() -> None:
    line = Tape(100)
    line.break_at = 37
    assert line.step(0)
    assert line.passed == 37


@pytest.mark.parametrize(("where", "passed"), [("between", 60), ("inside", 59)])
def test_a_cut_is_at_the_next_end_of_a_message_that_has_not_passed(where: str, passed: int) -> None:
    line = Tape(100, delay_ns=MS)
    line.told = [Mark(0, 30, "message"), Mark(30, 60, "message"), Mark(60, 90, "message")]
    line.step(0)
    line.takes = 40
    line.step(MS)
    line.cut(where)
    line.takes, line.is_blocked = 100, False
    assert line.step(2 * MS)
    assert line.passed == passed


def test_a_subscription_is_held_back_with_what_is_behind_it() -> None:
    line = Tape(100)
    line.hold("subscribe")
    line.told = [Mark(0, 40, "command"), Mark(40, 40, "subscribe")]
    line.step(0)
    line.coming = 50
    line.step(1)
    assert (line.passed, line.kept, line.coming) == (40, 60, 50)
    line.let_go(5 * MS)
    line.step(5 * MS)
    assert (line.passed, line.kept) == (150, 0)


def test_a_handshake_is_held_back_before_its_first_byte_only() -> None:
    new, old = Tape(64), Tape(64)
    old.step(0)
    for line in (new, old):
        line.hold("handshake")
        line.coming += 10
        line.step(1)
    assert (new.position, old.passed) == (0, 74)
    new.let_go(2)
    new.step(3)
    assert new.passed == 74


def test_buffers_are_small_beside_those_of_the_ends() -> None:
    assert buffers((-1, 8192)) == (1024, 256)
    assert buffers((-1, -1)) == buffers(())
    assert buffers((65_536, 131_072)) == (8192, 2048)


# -- frames -----------------------------------------------------------------------------------------

READY = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\3SUB"
SUBSCRIBE = b"\x04\x0d\x09SUBSCRIBEabc"
MESSAGE = b"\x01\x01a\x02\0\0\0\0\0\0\1\0" + bytes(256)
STREAM = bytes(GREETING_BYTES) + READY + SUBSCRIBE + MESSAGE + b"\0\0"


def expected() -> list[tuple[int, int, str]]:
    ready = GREETING_BYTES + len(READY)
    subscribed = ready + len(SUBSCRIBE)
    whole = subscribed + len(MESSAGE)
    return [
        (GREETING_BYTES, ready, "command"),
        (ready, ready, "subscribe"),
        (ready, subscribed, "command"),
        (subscribed, subscribed + 3, "part"),
        (subscribed + 3, whole, "message"),
        (whole, whole + 2, "message"),
    ]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 1000])
def test_frames_are_found_however_the_stream_is_cut(step: int) -> None:
    frames = Frames()
    found = [mark for at in range(0, len(STREAM), step) for mark in frames.feed(STREAM[at : at + step])]
    assert found == expected()
