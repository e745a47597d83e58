"""One direction of one connection over a relay: how much is read, until when it is held, how much is passed on.

Time is passed in, in ns; sizes are bytes. Where bytes come from and go to is a subclass's business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from harness.shaper import Shaper

CHUNK_MIN: Final = 1448
CHUNK_MAX: Final = 65_536
_FREE_RATE: Final = 100_000_000
"""Bytes a second that a link without a rate has room for in its delay."""
_FREE_ROOM: Final = 128 * 1024
"""Buffers and room where neither end bounds its own: little beside what the kernel's autotuned ones hold."""
_CATCH_UP_NS: Final = 20_000_000
"""So late may a relay come back to a link with a rate without loss of time; also the longest burst."""
_MOST_LATENESS_NS: Final = 300_000
_LATENESS_STEP_NS: Final = 2_000
_PER_MS: Final = 1000
_SECOND_NS: Final = 1_000_000_000
_ARRIVED_BYTES: Final = 1 << 20
"""What was passed on before so many bytes has arrived: the relay's kernel buffers hold less."""
NOTHING: Final = -1
"""Of :meth:`Line.receive`: nothing has come. (0 is the end of the stream.)"""

Held = Literal["handshake", "subscribe"]
"""What a relay can hold back: all of a new connection, or its subscriptions and what is behind them."""


class Lateness:
    """How late a relay wakes from the sleeps that it sets itself: a running median, to be taken off what it holds.

    Args:
        first_ns: what was measured before anything passed.

    Attributes:
        ns: the median now; never more than what is a property of a relay, and not of a machine with other things to do.
    """

    __slots__ = ("ns",)

    def __init__(self, first_ns: int) -> None:
        self.ns = min(first_ns, _MOST_LATENESS_NS)

    def saw(self, late_ns: int) -> None:
        """It has woken so late."""
        step = _LATENESS_STEP_NS if late_ns > self.ns else -_LATENESS_STEP_NS
        self.ns = min(_MOST_LATENESS_NS, max(0, self.ns + step))


What = Literal["command", "subscribe", "message", "part"]
"""What a frame is; ``part``: one of a message, and not its last."""


class Mark(NamedTuple):
    """A frame in the stream: where it starts, where it ends (the start again where that is not known), what it is."""

    start: int
    end: int
    kind: What


def chunk_bytes(rate_bytes_per_s: int) -> int:
    """How much is read at once: what the link passes in a millisecond, a tcp segment at least."""
    return max(CHUNK_MIN, min(CHUNK_MAX, rate_bytes_per_s // _PER_MS)) if rate_bytes_per_s else CHUNK_MAX


def buffers(options: Sequence[int]) -> tuple[int, int]:
    """Socket buffers and room of a relay whose ends set these SO_SNDBUF and SO_RCVBUF (0 and less: not set).

    A path with a relay in it has two more kernel buffers and what the relay holds; where the ends bound theirs, the
    relay's have to be small beside them, or the path would take more than without it.
    """
    bounded = [size for size in options if size > 0]
    if not bounded:
        return _FREE_ROOM, _FREE_ROOM
    return max(1024, min(bounded) // 8), max(256, min(bounded) // 32)


class Line(ABC):
    """Bytes that go one way.

    Args:
        shapers: those of the links on the way, in order.
        room_bytes: at most so much is held, besides what the links keep busy by themselves.
        lateness: of the relay, taken off what it holds.

    Attributes:
        is_stalled: nothing is read nor written, both connections stay open.
        is_blocked: the sink takes nothing more for now.
        holds: nothing more is read before it is let go.
        catch: from the next frame of that kind on, all is held back; "" for nothing.
        slow_close_ns: the end of the stream is passed on so much later.
        break_at: the connection is to break when so many bytes have been passed on; -1 is never.
        position, passed: bytes that were read, bytes that were passed on.
        kept: bytes that were read and are held back.
        ended: the end of the stream has been passed on.
        came_ns: when the bytes came that were received last, if the world knows; 0 if it does not.
        ends: positions behind messages that were read and may not have arrived, when frames are followed.
    """

    def __init__(self, shapers: Sequence[Shaper], room_bytes: int, lateness: Lateness) -> None:
        self.is_stalled = self.is_blocked = self.holds = self.ended = False
        self.catch: Held | Literal[""] = ""
        self.slow_close_ns = 0
        self.break_at = -1
        self.position = self.passed = self.kept = self.came_ns = 0
        self.ends: deque[int] = deque()
        self._shapers = shapers
        self._room_bytes = room_bytes
        self._lateness = lateness
        self._queue: deque[tuple[int, int]] = deque()
        self._source_ended = False
        self._late_since_ns = 0

    # -- what a world defines ------------------------------------------------------------------------

    @abstractmethod
    def receive(self, limit_bytes: int) -> int:
        """Take at most so many bytes; 0 at the end of the stream, NOTHING when none are there. Raises OSError."""

    @abstractmethod
    def deliver(self, size_bytes: int) -> int:
        """Pass on the oldest bytes: how many of these were taken. Raises OSError when the connection broke."""

    @abstractmethod
    def finish(self) -> None:
        """Pass on the end of the stream."""

    @abstractmethod
    def marks(self, size_bytes: int) -> Sequence[Mark]:
        """The frames that ended, and subscriptions that began, in the bytes that were read last; none if not aware."""

    # -- reading -------------------------------------------------------------------------------------

    @property
    def held_bytes(self) -> int:
        """Read and not yet passed on."""
        return self.position - self.passed

    @property
    def due_ns(self) -> int:
        """When there is something to write next; 0 when there is nothing, or it cannot be written now."""
        return 0 if self.is_stalled or self.is_blocked or not self._queue else max(1, self._queue[0][0])

    def wants(self, now_ns: int) -> int:
        """How many bytes may be read now; 0 for none."""
        if self.is_stalled or self._source_ended or self.holds:
            return 0
        room, chunk = self._room_bytes, CHUNK_MAX
        for shaper in self._shapers:
            rate = shaper.shape.rate_bytes_per_s
            chunk = min(chunk, chunk_bytes(rate))
            room += (rate or _FREE_RATE) * shaper.shape.delay_ns // _SECOND_NS
        busy_ns = self.busy_until_ns(now_ns)
        if busy_ns:
            self._late_since_ns = busy_ns
            return 0
        return min(chunk, max(0, room - self.held_bytes))

    def busy_until_ns(self, now_ns: int) -> int:
        """When a link on the way has room again, if that is why nothing is read; else 0."""
        latest = 0
        for shaper in self._shapers:
            rate = shaper.shape.rate_bytes_per_s
            if rate:
                excess = shaper.backlog_bytes(now_ns) - chunk_bytes(rate)
                if excess > 0:
                    latest = max(latest, now_ns + excess * _SECOND_NS // rate)
        return latest

    def read(self, now_ns: int) -> int:
        """Take what has come: bytes, 0 at the end of the stream, NOTHING. Raises OSError when the connection broke."""
        wanted = self.wants(now_ns)
        if not wanted:
            return NOTHING
        self.came_ns = 0
        size = self.receive(wanted)
        if size < wanted:
            # It has not waited for the link, so the link has been idle.
            self._late_since_ns = 0
        if size == 0:
            self._source_ended = True
        elif size > 0:
            self.position += size
        return size

    def pass_on(self, size_bytes: int, now_ns: int) -> None:
        """Let the links have it now; 0 is the end of the stream.

        Its time counts from when it came. What has waited for a link with a rate while the relay was late takes the
        time at which the link was free.
        """
        due = max(now_ns - _CATCH_UP_NS, min(now_ns, self.came_ns or now_ns, self._late_since_ns or now_ns))
        for shaper in self._shapers:
            due = shaper.send(due, size_bytes)
        due = max(now_ns, due - self._lateness.ns)
        self._queue.append((due if size_bytes else due + self.slow_close_ns, size_bytes))

    def take(self, size_bytes: int, now_ns: int) -> None:
        """What was read, on its way: all of it, or what is before something that is to be held back."""
        start = self.position - size_bytes
        go = size_bytes
        for mark in self.marks(size_bytes):
            if mark.kind == "message":
                self._ended(mark.end)
            if mark.kind == "subscribe" and self.catch == "subscribe" and not self.holds:
                self.holds = True
                go = max(0, mark.start - start)
        if go or not size_bytes:
            self.pass_on(go, now_ns)
        self.kept += size_bytes - go
        self.came_ns = 0

    def _ended(self, position: int) -> None:
        ends = self.ends
        ends.append(position)
        while ends[0] < self.passed - _ARRIVED_BYTES:
            ends.popleft()

    def hold(self, what: Held) -> None:
        """From now on hold that back: all of a connection that has not begun, or subscriptions."""
        self.catch = what
        if what == "handshake" and not self.position:
            self.holds = True

    def let_go(self, now_ns: int) -> None:
        """Hold nothing back any more."""
        self.catch, self.holds = "", False
        kept, self.kept = self.kept, 0
        if kept:
            self.pass_on(kept, now_ns)

    # -- writing -------------------------------------------------------------------------------------

    def cut(self, where: str) -> None:
        """Break at the next end of a message that has not been passed on, or a byte before it (``inside``)."""
        for end in self.ends:
            if end > self.passed + (where == "inside"):
                self.break_at = end - (where == "inside")
                return

    def write(self, now_ns: int) -> bool:
        """Pass on all that is due; whether the connection is to break now. Raises OSError when it broke by itself."""
        queue = self._queue
        while queue and queue[0][0] <= now_ns and not self.is_stalled and not self.is_blocked:
            due, size = queue[0]
            if not size:
                queue.popleft()
                self.ended = True
                self.finish()
                break
            wanted = size if self.break_at < 0 else min(size, self.break_at - self.passed)
            count = self.deliver(wanted)
            self.passed += count
            self.is_blocked = count < wanted
            if count < size:
                queue[0] = (due, size - count)
            else:
                queue.popleft()
            if self.passed == self.break_at:
                return True
        return False
