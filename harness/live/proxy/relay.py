"""All connections over all links of a run, in one event loop."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.live.clock import SO_TIMESTAMPNS
from harness.live.proxy.line import SocketLine, reset
from harness.live.timer import Timer
from harness.relay.line import Lateness
from harness.relay.pairs import Pair, Relay
from harness.relay.route import Link, Route

_LOOK_AGAIN_NS = 2_000_000
"""From one look whether somebody listens to the next."""

_LOOK_SHARE = 10
"""At least so many times what a look takes ..."""
_LOOK_AT_LATEST_NS = 20_000_000
"""... but never longer: who connects meanwhile is refused, and comes again in a tenth of a second only."""

_LISTENS = "0A"
_BACKLOG = 128


class SocketPair(Pair[SocketLine]):
    """A connection and its continuation.

    Attributes:
        interest: what the kernel is to tell of either socket, by descriptor.
    """

    def __init__(self, route: Route, near: socket.socket, far: socket.socket, lateness: Lateness) -> None:
        super().__init__(
            route,
            SocketLine(near, far, route, there=True, lateness=lateness),
            SocketLine(far, near, route, there=False, lateness=lateness),
        )
        self.interest = {near.fileno(): 0, far.fileno(): 0}

    @property
    def ends(self) -> tuple[socket.socket, socket.socket]:
        """Towards who connected, and towards who bound."""
        return self.there.source, self.back.source


class SocketRelay(Relay[SocketPair]):
    """The event loop.

    Args:
        report: is told of each connection that breaks: a dict with ``event``, ``route`` (port), and what was in flight.

    Attributes:
        lateness: of this loop, taken off what is held.
    """

    def __init__(self, report: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__()
        self.lateness = Lateness(0)
        self._due_ns = 0
        self._report = report
        self._epoll = select.epoll()
        self._timer = Timer()
        self._epoll.register(self._timer.fd, select.EPOLLIN)
        self._handlers: dict[int, Callable[[int, int], None]] = {}
        self._listeners: dict[Route, socket.socket | None] = {}
        self._look_ns = 0

    def add_reader(self, fd: int, handler: Callable[[], None]) -> None:
        """Call the handler when that descriptor has something to read."""
        self._epoll.register(fd, select.EPOLLIN)
        self._handlers[fd] = lambda _events, _now: handler()

    def add_route(self, route: Route) -> None:
        """Serve this way as well, from when the endpoint listens."""
        self._listeners[route] = None
        self.look()

    def now_ns(self) -> int:
        """Of CLOCK_MONOTONIC."""
        return Timer.now_ns()

    def turn(self) -> None:
        """Wait for something to happen, and deal with it."""
        began = Timer.now_ns()
        self._due_ns = self._next_ns()
        self._timer.set(self._due_ns)
        ready = self._epoll.poll()
        now = Timer.now_ns()
        for fd, events in ready:
            if fd == self._timer.fd:
                self._timer.acknowledge()
                if self._due_ns > began:  # it has slept
                    self.lateness.saw(now - self._due_ns)
                if self._look_ns and self._look_ns <= now:
                    self._look(now)
                for pair in list(self.pairs):
                    self._serve(pair, 0, now)
            elif fd in self._handlers:  # one before it in this list may have closed it
                self._handlers[fd](events, now)

    def lateness_ns(self, wait_ns: int) -> int:
        """How late this loop wakes from a sleep of so long."""
        due = Timer.now_ns() + wait_ns
        self._timer.set(due)
        while (self._timer.fd, select.EPOLLIN) not in self._epoll.poll():
            pass
        late = Timer.now_ns() - due
        self._timer.acknowledge()
        return late

    def _next_ns(self) -> int:
        soonest = self._look_ns
        now = Timer.now_ns()
        for pair in self.pairs:
            for line in pair.lines:
                for due in (line.due_ns, line.busy_until_ns(now)):
                    if due and (not soonest or due < soonest):
                        soonest = due
        return soonest

    # -- who listens ---------------------------------------------------------------------------------

    def look(self) -> None:
        """In the next turn."""
        self._look_ns = 1

    def _look(self, now_ns: int) -> None:
        self._look_ns = 0
        listening = _listening_ports()
        took_ns = Timer.now_ns() - now_ns
        for route, listener in self._listeners.items():
            wanted = route.target in listening and not route.is_closed
            if wanted and listener is None:
                self._listen(route)
            elif not wanted and listener is not None:
                self._deafen(route)
            if not wanted:
                # Where the kernel has many connections a look takes long, and what is to be passed on waits.
                self._look_ns = now_ns + max(_LOOK_AGAIN_NS, min(_LOOK_AT_LATEST_NS, _LOOK_SHARE * took_ns))

    def _listen(self, route: Route) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _set_buffers(listener, route.buffer_bytes)
        listener.bind(("127.0.0.1", route.port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        self._listeners[route] = listener
        self._epoll.register(listener.fileno(), select.EPOLLIN)
        self._handlers[listener.fileno()] = lambda _events, now: self._accept(route, now)

    def _deafen(self, route: Route) -> None:
        listener, self._listeners[route] = self._listeners[route], None
        if listener is not None:
            self._forget(listener)
            listener.close()
        self._look_ns = self._look_ns or Timer.now_ns() + _LOOK_AGAIN_NS

    def _accept(self, route: Route, now_ns: int) -> None:
        listener = self._listeners[route]
        assert listener is not None
        if route.is_silent:
            # Nobody answers: the kernel holds the connection, unaccepted, until the link moves again.
            self._epoll.unregister(listener.fileno())
            return
        near, _ = listener.accept()
        far = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        _set_buffers(far, route.buffer_bytes)
        for end in (near, far):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        code = far.connect_ex(("127.0.0.1", route.target))
        if code not in (0, errno.EINPROGRESS):
            for end in (near, far):
                reset(end)
            self._deafen(route)
            return
        pair = SocketPair(route, near, far, self.lateness)
        self.begin(pair)
        for end in pair.ends:
            self._epoll.register(end.fileno(), 0)
            self._handlers[end.fileno()] = lambda events, now: self._serve(pair, events, now)
        self._serve(pair, 0, now_ns)

    # -- what passes ---------------------------------------------------------------------------------

    def _serve(self, pair: SocketPair, events: int, now_ns: int) -> None:
        if events & select.EPOLLOUT:
            pair.connecting = False
            pair.there.is_blocked = pair.back.is_blocked = False
        if events & select.EPOLLERR and self._is_broken(pair):
            return
        if self.move(pair, now_ns):
            self._update(pair, now_ns)

    def _is_broken(self, pair: SocketPair) -> bool:
        codes = [end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for end in pair.ends]
        if any(codes):
            self.break_off(pair, "broken")
            self._deafen(pair.route)
            self.look()
        return any(codes)

    def _update(self, pair: SocketPair, now_ns: int) -> None:
        """Ask the kernel to tell what matters now, and nothing else."""
        for line, other in ((pair.there, pair.back), (pair.back, pair.there)):
            wanted = 0
            if line.wants(now_ns) and not (line is pair.there and pair.connecting):
                wanted |= select.EPOLLIN
            if other.is_blocked and not other.is_stalled:
                wanted |= select.EPOLLOUT
            if line is pair.back and pair.connecting:
                wanted |= select.EPOLLOUT
            fd = line.source.fileno()
            if pair.interest[fd] != wanted:
                pair.interest[fd] = wanted
                self._epoll.modify(fd, wanted)

    def stir(self) -> None:
        """Move all; accept again where a link moves again."""
        for route, listener in self._listeners.items():
            if listener is not None and not route.is_silent:
                with contextlib.suppress(FileExistsError):
                    self._epoll.register(listener.fileno(), select.EPOLLIN)
        now = Timer.now_ns()
        for pair in list(self.pairs):
            self._serve(pair, 0, now)

    # -- ends ------------------------------------------------------------------------------------------

    def broke(self, pair: SocketPair, why: str) -> None:
        """Tell what was on the way."""
        told = {}
        for name, line in (("there", pair.there), ("back", pair.back)):
            found = line.in_flight()
            told[f"{name}_bytes"], told[f"{name}_messages"] = found.size_bytes, found.messages
        self._report({"event": why, "route": pair.route.port, **told})

    def end(self, pair: SocketPair, *, by_reset: bool) -> None:
        """Close both, or reset them."""
        self.pairs.pop(pair, None)
        for end in pair.ends:
            self._forget(end)
            if by_reset:
                reset(end)
            else:
                end.close()

    def _forget(self, end: socket.socket) -> None:
        self._handlers.pop(end.fileno(), None)
        with contextlib.suppress(OSError, ValueError):
            self._epoll.unregister(end.fileno())

    def refuse(self, link: Link, refuses: bool) -> None:
        """At once, so that nobody gets in between the order and the next turn."""
        super().refuse(link, refuses)
        self._look(Timer.now_ns())


def _set_buffers(connection: socket.socket, size_bytes: int) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size_bytes)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size_bytes)


def _listening_ports() -> dict[int, None]:
    """Ports of this host on which somebody listens (Linux)."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = (line.split() for line in lines)
    return {int(each[1].rpartition(":")[2], 16): None for each in fields if each[3] == _LISTENS}
