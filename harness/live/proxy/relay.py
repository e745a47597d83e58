"""All connections over all links of a run, in one event loop."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import select
import socket
import struct
import termios
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.live.proxy.line import Line, reset
from harness.live.proxy.route import Link, Route, shapers, stalls
from harness.live.proxy.zmtp import Frames
from harness.live.timer import Timer
from harness.shaper import Shape

_LOOK_AGAIN_NS = 2_000_000
"""From one look whether somebody listens to the next."""

_LISTENS = "0A"
_BACKLOG = 128


@dataclass(slots=True, eq=False)
class Pair:
    """A connection and its continuation.

    Attributes:
        there: from who connected to who bound; ``back``: the other way.
        cut: where the connection is to be reset: ``between`` messages or ``inside`` one; empty for not at all.
    """

    route: Route
    there: Line
    back: Line
    interest: dict[int, int] = field(default_factory=dict)
    connecting: bool = True
    cut: str = ""


class Relay:
    """The event loop.

    Args:
        report: is told what happened: a dict with ``event``, ``route`` (port), and more.
    """

    def __init__(self, report: Callable[[Mapping[str, Any]], None]) -> None:
        self._report = report
        self._epoll = select.epoll()
        self._timer = Timer()
        self._epoll.register(self._timer.fd, select.EPOLLIN)
        self._handlers: dict[int, Callable[[int, int], None]] = {}
        self._routes: list[Route] = []
        self._pairs: dict[Pair, None] = {}
        self._look_ns = 0

    def add_reader(self, fd: int, handler: Callable[[], None]) -> None:
        """Call the handler when that descriptor has something to read."""
        self._epoll.register(fd, select.EPOLLIN)
        self._handlers[fd] = lambda _events, _now: handler()

    def add_route(self, route: Route) -> None:
        """Serve this way as well, from when the endpoint listens."""
        self._routes.append(route)
        self._look_ns = 1

    def turn(self) -> None:
        """Wait for something to happen, and deal with it."""
        self._timer.set(self._next_ns())
        ready = self._epoll.poll()
        now = Timer.now_ns()
        for fd, events in ready:
            if fd == self._timer.fd:
                self._timer.acknowledge()
                if self._look_ns and self._look_ns <= now:
                    self._look(now)
                for pair in list(self._pairs):
                    self._move(pair, now)
            elif fd in self._handlers:  # one before it in this list may have closed it
                self._handlers[fd](events, now)

    def _next_ns(self) -> int:
        soonest = self._look_ns
        now = Timer.now_ns()
        for pair in self._pairs:
            for line in (pair.there, pair.back):
                for due in (line.due_ns, line.busy_until_ns(now)):
                    if due and (not soonest or due < soonest):
                        soonest = due
        return soonest

    # -- who listens ---------------------------------------------------------------------------------

    def _look(self, now_ns: int) -> None:
        """Listen where, and only where, the endpoint behind does and no link forbids it."""
        self._look_ns = 0
        listening = _listening_ports()
        for route in self._routes:
            wanted = route.target in listening and not any(link.refuses or link.is_down for link in route.links)
            if wanted and route.listener is None:
                self._listen(route)
            elif not wanted and route.listener is not None:
                self._deafen(route)
            if not wanted:
                self._look_ns = now_ns + _LOOK_AGAIN_NS

    def _listen(self, route: Route) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _set_buffers(listener, route.buffer_bytes)
        listener.bind(("127.0.0.1", route.port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        route.listener = listener
        self._epoll.register(listener.fileno(), select.EPOLLIN)
        self._handlers[listener.fileno()] = lambda _events, now: self._accept(route, now)

    def _deafen(self, route: Route) -> None:
        if route.listener is not None:
            self._forget(route.listener)
            route.listener.close()
            route.listener = None
        self._look_ns = self._look_ns or Timer.now_ns() + _LOOK_AGAIN_NS

    def _accept(self, route: Route, now_ns: int) -> None:
        assert route.listener is not None
        if any(link.stalled_up or link.stalled_down for link in route.links):
            # Nobody answers: the kernel holds the connection, unaccepted, until the link moves again.
            self._epoll.unregister(route.listener.fileno())
            return
        near, _ = route.listener.accept()
        far = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        _set_buffers(far, route.buffer_bytes)
        for end in (near, far):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        there = [shaper for link, shaper in shapers(route, "up", "down")]
        back = [shaper for link, shaper in reversed(shapers(route, "down", "up"))]
        frames = (Frames(), Frames()) if route.aware else (None, None)
        pair = Pair(
            route,
            Line(near, far, there, route.room_bytes, frames[0]),
            Line(far, near, back, route.room_bytes, frames[1]),
        )
        code = far.connect_ex(("127.0.0.1", route.target))
        if code not in (0, errno.EINPROGRESS):
            for end in (near, far):
                reset(end)
            self._deafen(route)
            return
        self._pairs[pair] = None
        for end in (near, far):
            pair.interest[end.fileno()] = 0
            self._epoll.register(end.fileno(), 0)
            self._handlers[end.fileno()] = lambda events, now: self._serve(pair, events, now)
        self._report({"event": "accepted", "route": route.port})
        self._serve(pair, 0, now_ns)

    # -- what passes ---------------------------------------------------------------------------------

    def _serve(self, pair: Pair, events: int, now_ns: int) -> None:
        if events & select.EPOLLOUT:
            pair.connecting = False
            pair.there.is_blocked = pair.back.is_blocked = False
        if events & select.EPOLLERR and self._is_broken(pair):
            return
        self._move(pair, now_ns)

    def _is_broken(self, pair: Pair) -> bool:
        codes = [end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for end in (pair.there.source, pair.back.source)]
        if any(codes):
            self._break(pair, "broken")
            self._deafen(pair.route)
            self._look_ns = 1
        return any(codes)

    def _move(self, pair: Pair, now_ns: int) -> None:
        """Read, shape and write as far as it goes."""
        try:
            for line in (pair.there, pair.back):
                if line is pair.there and pair.connecting:
                    continue
                data = line.read(now_ns)
                if data == b"":
                    self._look_ns = 1  # an end that has gone may have gone for good
                if data is not None and self._take(pair, line, data, now_ns):
                    return
                line.write(now_ns)
        except OSError:
            self._break(pair, "broken")
            self._look_ns = 1
            return
        if pair.there.ended and pair.back.ended:
            self._drop(pair)
            for end in (pair.there.source, pair.back.source):
                end.close()
            self._look_ns = 1
            return
        self._update(pair, now_ns)

    def _take(self, pair: Pair, line: Line, data: bytes, now_ns: int) -> bool:
        """Pass on what was read, as far as a cut lets it; whether it cut."""
        if line.frames is None or not data:
            line.pass_on(data, now_ns)
            return False
        start = line.frames.position
        bounds = line.frames.feed(data)
        if pair.cut and line.frames.is_greeted and bounds:
            # Inside is a byte before the end of a message; between is at its end.
            keep = bounds[0] - start - (pair.cut == "inside")
            line.pass_on(data[: max(0, keep)], now_ns)
            line.write(now_ns)
            self._break(pair, "cut")
            return True
        line.pass_on(data, now_ns)
        return False

    def _update(self, pair: Pair, now_ns: int) -> None:
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

    # -- ends ------------------------------------------------------------------------------------------

    def _break(self, pair: Pair, why: str) -> None:
        """Reset both connections; tell what was on the way."""
        in_flight = {}
        for name, line in (("there", pair.there), ("back", pair.back)):
            waiting = line.held_bytes + _queued(line.source, termios.FIONREAD) + _queued(line.sink, termios.TIOCOUTQ)
            in_flight[f"{name}_bytes"] = waiting
            if line.frames is not None:
                in_flight[f"{name}_messages"] = line.frames.messages
        self._report({"event": why, "route": pair.route.port, **in_flight})
        self._drop(pair)
        for end in (pair.there.source, pair.back.source):
            reset(end)

    def _drop(self, pair: Pair) -> None:
        self._pairs.pop(pair, None)
        for end in (pair.there.source, pair.back.source):
            self._forget(end)

    def _forget(self, end: socket.socket) -> None:
        self._handlers.pop(end.fileno(), None)
        with contextlib.suppress(OSError, ValueError):
            self._epoll.unregister(end.fileno())

    # -- faults ----------------------------------------------------------------------------------------

    def impair(self, link: Link, up: Shape | None, down: Shape | None) -> None:
        """From now on the link is such; what is under way keeps its time."""
        if up is not None:
            link.up.reshape(up)
        if down is not None:
            link.down.reshape(down)
        self._stir()

    def stall(self, link: Link, *, up: bool, down: bool) -> None:
        """Let nothing pass in these directions, or (both False) let everything pass again."""
        link.stalled_up, link.stalled_down = up, down
        for pair in self._over(link):
            pair.there.is_stalled = stalls(pair.route, there=True)
            pair.back.is_stalled = stalls(pair.route, there=False)
        for route in self._routes:
            if route.listener is not None and not any(one.stalled_up or one.stalled_down for one in route.links):
                with contextlib.suppress(FileExistsError):
                    self._epoll.register(route.listener.fileno(), select.EPOLLIN)
        self._stir()

    def set_down(self, link: Link, down: bool) -> None:
        """The node has no network, or has it again; connections stand still meanwhile, none is accepted."""
        link.is_down = down
        self.stall(link, up=down, down=down)
        self._look_ns = 1

    def reset(self, link: Link, cut: str = "") -> None:
        """Break all connections over the link; with ``cut`` at the next end of a message, or a byte before it."""
        for pair in self._over(link):
            if cut and pair.there.frames is not None:
                pair.cut = cut
            else:
                self._break(pair, "reset")

    def refuse(self, link: Link, refuses: bool) -> None:
        """Accept no connection over the link, or accept them again."""
        link.refuses = refuses
        self._look(Timer.now_ns())

    def half_close(self, link: Link, *, up: bool) -> None:
        """Pass on an end of stream that nobody sent: the node's own (``up``), or its peers'."""
        for pair in self._over(link):
            line = pair.there if (pair.route.near is link) == up else pair.back
            line.pass_on(b"", Timer.now_ns())
        self._stir()

    def _over(self, link: Link) -> list[Pair]:
        return [pair for pair in self._pairs if link in pair.route.links]

    def _stir(self) -> None:
        now = Timer.now_ns()
        for pair in list(self._pairs):
            self._move(pair, now)


def _set_buffers(connection: socket.socket, size_bytes: int) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size_bytes)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size_bytes)


def _queued(connection: socket.socket, request: int) -> int:
    """Bytes in a kernel buffer: received and not read (FIONREAD), or written and not acknowledged (TIOCOUTQ)."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(connection.fileno(), request, b"\0\0\0\0"))[0])
    except (OSError, ValueError):
        return 0


def _listening_ports() -> dict[int, None]:
    """Ports of this host on which somebody listens (Linux)."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = (line.split() for line in lines)
    return {int(each[1].rpartition(":")[2], 16): None for each in fields if each[3] == _LISTENS}
