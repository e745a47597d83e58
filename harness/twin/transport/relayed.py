"""A connection over a relay: two tcp connections over loopback, and a process between them that passes bytes on.

Each direction has the kernel buffers of the sender and of the relay, then what is in the relay's hands, then the
kernel buffers of the relay and of the receiver. Either end sees the relay's kernel only: its acknowledgements, its
window, its end of the stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from harness.relay.line import NOTHING, Lateness, Line, Mark, What
from harness.relay.pairs import InFlight, Pair, in_flight
from harness.relay.route import Route
from harness.twin.flow import Flow
from harness.twin.msg import DATA, GREETING, SUBSCRIBE, Msg
from harness.twin.transport.tcp_clock import PathClock

if TYPE_CHECKING:
    from harness.twin.costs import Costs
    from harness.twin.engine import Engine
    from harness.twin.kernel import Kernel
    from harness.twin.listener import Listener

_KINDS: Final[dict[int, What]] = {DATA: "message", SUBSCRIBE: "subscribe"}


class RelayedFlow(Flow):
    """One direction as the engines at its two ends see it, and as the relay does.

    Args:
        kernel: its clock.
        costs: of the machine.
        sizes: SNDBUF of the sender, buffers of the relay, RCVBUF of the receiver.
        wake: the relay's process has something to do: bytes have come for it (True), or something else has happened.

    Attributes:
        came_ns: when the last bytes came to the relay's kernel.
        is_reset: there is no connection any more, and both ends have been told.
        is_cut: an end has been closed in a way that the relay hears of as an RST.
        seen: frames that have been written, for a relay that follows them, oldest first.
    """

    __slots__ = (
        "_closed",
        "_costs",
        "_far",
        "_far_clock",
        "_follows",
        "_near",
        "_near_clock",
        "_waits",
        "_wake",
        "came_ns",
        "is_cut",
        "is_reset",
        "seen",
    )

    def __init__(
        self, kernel: Kernel, costs: Costs, sizes: tuple[int, int, int], wake: Callable[[bool], None], *, follows: bool
    ) -> None:
        super().__init__(kernel)
        sndbuf, between, rcvbuf = sizes
        self._costs = costs
        self._near, self._far = costs.tcp_path(sndbuf, between), costs.tcp_path(between, rcvbuf)
        self._near_clock = PathClock(kernel, self._near, lambda: self.is_reset, self._near_news)
        self._far_clock = PathClock(kernel, self._far, lambda: self.is_reset or self.broken, self._far_news)
        self._wake = wake
        self._follows = follows
        self._closed = self._waits = self.is_reset = self.is_cut = False
        self.came_ns = 0
        self.seen: deque[Mark] = deque()

    def _now(self) -> int:
        return self._kernel.now_ns + self._kernel.lag_ns

    # -- the sender's side ---------------------------------------------------------------------

    def load(self, msg: Msg, size: int) -> None:
        """As for any."""
        super().load(msg, size)
        if self._follows and msg.kind != GREETING:
            kind = "part" if msg.kind == DATA and msg.more else _KINDS.get(msg.kind, "command")
            self.seen.append(Mark(self.loaded - size, self.loaded, kind))

    def write(self, size: int) -> int:
        """Bytes that the sender's kernel takes; -1 after an RST."""
        if self.is_reset:
            return -1
        accepted = self._near.write(size, self._now())
        self._near_clock.watch()
        if accepted:
            self.came_ns = self._now()
            self._wake(True)
        return accepted

    def close(self) -> None:
        """The sender has closed: an end for the relay to pass on, or an RST when it has not read all (F170)."""
        if self._closed or self.is_reset:
            return
        self._closed = True
        self.is_cut = self.back._has_bytes()
        self._wake(not self.is_cut)

    def writable(self) -> bool:
        """At least a third of the sender's buffer is free."""
        if self.is_reset or self._near.writable:
            return True
        self._near_clock.watch()
        return False

    def _near_news(self, news: bool) -> None:
        if news:
            self._wake(True)
        self._wake_sender()

    # -- the relay's side ----------------------------------------------------------------------

    @property
    def has_come(self) -> bool:
        """Whether the relay can read, were it only the end of the stream."""
        return self._near.readable or (self._closed and not self._near.has_unsent)

    @property
    def has_room(self) -> bool:
        """Whether poll says so to the relay."""
        return self.broken or self._far.writable

    def give(self, limit: int) -> int:
        """What the relay reads: bytes, 0 at the end of the stream, NOTHING."""
        size = self._near.read(limit, self._now())
        if self._near.has_unsent:
            self._near_clock.watch()
        if size:
            self._kernel.lag_ns += self._costs.relay_read(size)
            self._wake_sender()
            return size
        return 0 if self.has_come else NOTHING

    def pass_on(self, size: int) -> int:
        """What the relay writes: how much the kernel takes. Raises BrokenPipeError when the receiver has closed."""
        if self.broken:
            raise BrokenPipeError
        now = self._now()
        accepted = self._far.write(size, now)
        self._far_clock.watch()
        self._kernel.lag_ns += self._costs.relay_write(accepted)
        self._waits = accepted < size
        if accepted:
            self._written_ns = now
            self._announce()
        return accepted

    def finish(self) -> None:
        """The relay closes its end."""
        self.fin_ns = self._now()
        self._announce()

    def lose(self, line: Line) -> InFlight:
        """Nothing more gets through: what had not arrived."""
        unread = self._near.cut()
        unsent = line.passed - self.cut()
        ahead = sum(kind == "message" and start < line.position + unread for start, _, kind in self.seen)
        return in_flight(line, unread, unsent, ahead if self._follows else NOTHING)

    def abort(self) -> None:
        """The relay resets both its connections."""
        self.is_reset = True
        self.hang_up()
        self._wake_sender()

    # -- the receiver's side -------------------------------------------------------------------

    def cut(self) -> int:
        """Up to where the receiver's kernel has it."""
        return self.read_offset + self._far.cut()

    def _take(self, limit: int, now_ns: int) -> int:
        size = self._far.read(limit, now_ns)
        if self._far.has_unsent:
            self._far_clock.watch()
        self._tell_of_room()
        return size

    def _tell_of_room(self) -> None:
        if self._waits and self._far.writable:
            self._waits = False
            self._wake(False)

    def _has_bytes(self) -> bool:
        return self._far.readable

    def _all_through(self) -> bool:
        return not self._far.has_unsent

    def _far_news(self, news: bool) -> None:
        if news:
            self._written_ns = self._kernel.now_ns
            self._announce()
        self._tell_of_room()


class PathLine(Line):
    """A direction of the relay, between the kernels' books."""

    def __init__(self, flow: RelayedFlow, route: Route, lateness: Lateness, *, there: bool) -> None:
        super().__init__(route.shapers(there=there), route.room_bytes, lateness)
        self.flow = flow
        self._begun = 0

    def receive(self, limit_bytes: int) -> int:
        """From the sender's kernel."""
        self.came_ns = self.flow.came_ns
        return self.flow.give(limit_bytes)

    def deliver(self, size_bytes: int) -> int:
        """To the receiver's kernel."""
        return self.flow.pass_on(size_bytes)

    def finish(self) -> None:
        """An end of the stream."""
        self.flow.finish()

    def marks(self, size_bytes: int) -> Sequence[Mark]:
        """By the frames that the sender has written."""
        found: list[Mark] = []
        seen = self.flow.seen
        while seen and seen[0].start < self.position:
            mark = seen[0]
            if mark.kind == "subscribe" and mark.start >= self._begun:
                found.append(mark)
                self._begun = mark.end
            if mark.end > self.position:
                break
            seen.popleft()
            if mark.kind != "subscribe":
                found.append(mark)
        return found


class PathPair(Pair[PathLine]):
    """A connection over a relay in the twin.

    Attributes:
        listener: to whom it leads.
        engines: of who connects and of who is bound.
    """

    def __init__(
        self,
        route: Route,
        flows: tuple[RelayedFlow, RelayedFlow],
        lateness: Lateness,
        listener: Listener,
        engines: tuple[Engine, Engine],
    ) -> None:
        there, back = (PathLine(flow, route, lateness, there=flow is flows[0]) for flow in flows)
        super().__init__(route, there, back)
        self.listener = listener
        self.engines = engines

    @property
    def is_cut(self) -> bool:
        """Whether an end has sent an RST."""
        return self.there.flow.is_cut or self.back.flow.is_cut
