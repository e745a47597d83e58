"""The kernel's queues of one tcp direction: no byte is made or lost, nothing goes back, nothing stays for ever."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw

from harness.twin.transport.tcp_path import TcpPath
from harness.twin.transport.tcp_segment import NEVER_NS

US = 1_000
MS = 1_000_000

BUFFERS = draw.sampled_from([4608, 8192, 16384, 65536, 131072, 425984])
SIZES = draw.integers(1, 20_000)


@dataclass
class Ends:
    """A sender and a receiver with their count of bytes and their clock."""

    path: TcpPath
    now_ns: int = 0
    accepted: int = 0
    read: int = 0

    def write(self, size: int) -> int:
        taken = self.path.write(size, self.now_ns)
        assert 0 <= taken <= size
        self.accepted += taken
        return taken

    def take(self, size: int) -> int:
        could = self.path.readable
        taken = self.path.read(size, self.now_ns)
        assert 0 <= taken <= size
        assert taken > 0 or not could
        self.read += taken
        assert self.read <= self.accepted, "read before it was written"
        return taken

    def pass_time(self, duration_ns: int) -> None:
        """As an event queue does it: stop at each timer on the way."""
        end = self.now_ns + duration_ns
        while (due := self.path.next_timer_ns) <= end:
            self.now_ns = max(self.now_ns, due)
            self.path.advance(self.now_ns)
            assert self.path.next_timer_ns > self.now_ns, "a timer that is due again at once never ends"
        self.now_ns = end

    def drain(self) -> None:
        """The reader reads and timers run until nothing is left."""
        for _ in range(20_000):
            if not self.take(8192):
                due = self.path.next_timer_ns
                if due >= NEVER_NS:
                    break
                self.pass_time(max(0, due - self.now_ns))
        assert self.read == self.accepted, f"{self.accepted - self.read} bytes never arrive"
        assert not self.path.readable
        assert not self.path.has_unsent


def make(sndbuf: int, rcvbuf: int, grows: bool = False) -> Ends:
    return Ends(TcpPath(sndbuf, rcvbuf, grows=grows))


STEPS = draw.lists(
    draw.one_of(
        draw.tuples(draw.just("write"), SIZES),
        draw.tuples(draw.just("write"), draw.integers(1, 200)),
        draw.tuples(draw.just("read"), SIZES),
        draw.tuples(draw.just("wait"), draw.sampled_from([10 * US, MS, 10 * MS, 50 * MS, 300 * MS])),
    ),
    max_size=150,
)


@given(sndbuf=BUFFERS, rcvbuf=BUFFERS, grows=draw.booleans(), steps=STEPS, warm=draw.booleans())
@settings(derandomize=True, max_examples=250, deadline=None)
def test_every_byte_that_was_accepted_is_read_once(
    sndbuf: int, rcvbuf: int, grows: bool, steps: list[tuple[str, int]], warm: bool
) -> None:
    """Whatever the order of writing, reading and waiting, all arrives when the reader reads on."""
    ends = make(sndbuf, rcvbuf, grows)
    if warm:
        settle(ends)
    for step, amount in steps:
        if step == "write":
            ends.write(amount)
        elif step == "read":
            ends.take(amount)
        else:
            ends.pass_time(amount)
    ends.drain()


def settle(ends: Ends) -> None:
    """So much paced traffic that the estimates settle and the short cut for quiet connections is taken."""
    for _ in range(80):
        assert ends.write(100) == 100
        ends.pass_time(100 * US)
        assert ends.take(8192) == 100
        ends.pass_time(100 * US)


@given(sndbuf=BUFFERS, rcvbuf=BUFFERS, grows=draw.booleans(), sizes=draw.lists(SIZES, min_size=1, max_size=80))
@settings(derandomize=True, max_examples=100, deadline=None)
def test_a_sender_that_tries_again_gets_everything_through(
    sndbuf: int, rcvbuf: int, grows: bool, sizes: list[int]
) -> None:
    """No dead-lock: with a reader that reads and timers that run every write is taken in the end."""
    ends = make(sndbuf, rcvbuf, grows)
    for size in sizes:
        left = size
        for _ in range(10_000):
            left -= ends.write(left)
            if not left:
                break
            ends.take(8192)
            ends.pass_time(MS)
        assert left == 0, "the sender is never let in again"
    ends.drain()
    assert ends.read == sum(sizes)


@given(sndbuf=BUFFERS, rcvbuf=BUFFERS, size=SIZES)
@settings(derandomize=True, max_examples=100, deadline=None)
def test_a_sender_that_waits_for_writable_is_told(sndbuf: int, rcvbuf: int, size: int) -> None:
    """What was filled while nobody read becomes writable when all has been read: a third is free then."""
    ends = make(sndbuf, rcvbuf)
    while ends.write(size) == size:
        pass
    assert not ends.path.writable
    filled = ends.accepted
    ends.drain()
    assert ends.path.writable
    assert ends.read == filled


@given(sndbuf=BUFFERS, rcvbuf=BUFFERS, size=SIZES)
@settings(derandomize=True, max_examples=60, deadline=None)
def test_a_reader_that_never_reads_lets_in_no_more_than_the_buffers(sndbuf: int, rcvbuf: int, size: int) -> None:
    """Bytes and their overhead; the last segment may stand out over either limit."""
    ends = make(sndbuf, rcvbuf)
    for _ in range(400):
        ends.write(size)
        ends.pass_time(10 * MS)
    assert 0 < ends.accepted <= sndbuf + rcvbuf + 2 * 65536


@pytest.mark.parametrize("bursts", [1, 2, 5])
@given(sizes=draw.lists(draw.integers(1, 60_000), min_size=1, max_size=30))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_the_short_cut_for_a_quiet_connection_gives_the_same_bytes(bursts: int, sizes: list[int]) -> None:
    """A connection that has settled does not keep books on a lone write; what is accepted and read is the same."""
    outcomes = []
    for short in (True, False):
        ends = make(131072, 131072)
        settle(ends)
        if not short:
            ends.path._warm = 1_000_000  # not before so many more writes
            ends.path._quiet = False
        assert ends.path._quiet is short
        outcome = []
        for size in sizes:
            taken = [ends.write(size) for _ in range(bursts)]
            ends.pass_time(50 * US)
            got = []
            while amount := ends.take(8192):
                got.append(amount)
            ends.pass_time(50 * US)
            outcome.append((taken, got))
        outcomes.append(outcome)
    assert outcomes[0] == outcomes[1]


def test_a_settled_connection_takes_the_short_cut_again_after_a_rush() -> None:
    ends = make(131072, 131072)
    settle(ends)
    assert ends.path._quiet
    for _ in range(10):
        ends.write(8192)
    assert not ends.path._quiet
    ends.drain()
    ends.pass_time(300 * MS)
    settle(ends)
    assert ends.path._quiet


@pytest.mark.parametrize("sndbuf", [8192, 65536, 425984])
def test_writable_means_that_a_third_is_free(sndbuf: int) -> None:
    """Whereas a write is taken as long as the buffer is not full."""
    ends = make(sndbuf, 4608)
    while ends.path.writable:
        assert ends.write(512) > 0
    more = 0
    while ends.write(512) > 0:
        more += 512
    assert sndbuf / 8 < more <= sndbuf / 3 + 1024


def test_a_window_too_small_for_a_whole_segment_is_used_after_a_while() -> None:
    """Nobody reads and nothing is unacknowledged: the sender's timer sends the part that fits."""
    ends = make(65536, 65536)
    while ends.write(3000) == 3000:
        ends.pass_time(100 * US)
    ends.pass_time(80 * MS)
    waiting = unsent(ends)
    ends.pass_time(80 * MS)
    assert unsent(ends) == waiting
    ends.pass_time(2000 * MS)
    assert unsent(ends) < waiting


def unsent(ends: Ends) -> int:
    return sum(segment.left for segment in ends.path._unsent)


def test_a_large_buffer_holds_more_than_a_small_one() -> None:
    held = []
    for size in (8192, 65536, 425984):
        ends = make(size, size)
        for _ in range(2000):
            ends.write(1000)
            ends.pass_time(MS)
        held.append(ends.accepted)
    assert held[0] < held[1] / 4 < held[2] / 16


def test_many_small_writes_hold_fewer_bytes_than_large_ones() -> None:
    """Each buffer of the kernel has its overhead (F21)."""
    held = []
    for size in (10, 4000):
        ends = make(65536, 65536)
        for _ in range(30_000):
            if not ends.write(size):
                ends.pass_time(300 * MS)
                if not ends.write(size):
                    break
        held.append(ends.accepted)
    assert held[0] < held[1]
