"""One direction of one connection, from socket to socket."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import termios
import time
from collections import deque
from collections.abc import Sequence

from harness.live.clock import SO_TIMESTAMPNS
from harness.live.proxy.zmtp import Frames
from harness.relay.line import NOTHING, Lateness, Line, Mark
from harness.relay.pairs import InFlight, in_flight
from harness.relay.route import Route

_RESET = struct.pack("ii", 1, 0)
_PEEKED_BYTES = 1 << 20
_STAMP = struct.Struct("@ll")
_STAMP_SPACE = socket.CMSG_SPACE(_STAMP.size)
_OLDEST_NS = 1_000_000_000
_SIOCOUTQNSD = 0x894B
"""Of Linux: bytes that were written and not sent. What was sent over loopback is in the receiver's kernel."""


def reset(connection: socket.socket) -> None:
    """Close with RST, not with FIN."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()


class SocketLine(Line):
    """Bytes from one socket to another one.

    Args:
        source, sink: both non-blocking.
        route: the way on which they are.
        there: whether from who connected to who bound.
        lateness: see :class:`~harness.relay.line.Line`.
    """

    def __init__(
        self, source: socket.socket, sink: socket.socket, route: Route, *, there: bool, lateness: Lateness
    ) -> None:
        super().__init__(route.shapers(there=there), route.room_bytes, lateness)
        self.source = source
        self.sink = sink
        self._frames = Frames() if route.aware else None
        self._pieces: deque[bytes] = deque()
        self._newest = b""

    def receive(self, limit_bytes: int) -> int:
        """One recvmsg(2), which also says when the kernel got the last of these bytes."""
        try:
            data, stamps, _, _ = self.source.recvmsg(limit_bytes, _STAMP_SPACE)
        except BlockingIOError:
            return NOTHING
        self._newest = data
        if data:
            self._pieces.append(data)
        for _, kind, stamp in stamps:
            if kind == SO_TIMESTAMPNS:
                seconds, ns = _STAMP.unpack_from(stamp)
                age_ns = time.time_ns() - seconds * 1_000_000_000 - ns
                if 0 <= age_ns < _OLDEST_NS:  # else somebody has set the clock
                    self.came_ns = time.monotonic_ns() - age_ns
        return len(data)

    def deliver(self, size_bytes: int) -> int:
        """One send(2), more where the bytes were read in several pieces."""
        pieces = self._pieces
        sent = 0
        while sent < size_bytes:
            piece = pieces[0]
            wanted = size_bytes - sent
            try:
                count = self.sink.send(piece if len(piece) <= wanted else piece[:wanted])
            except BlockingIOError:
                break
            sent += count
            if count == len(piece):
                pieces.popleft()
                continue
            pieces[0] = piece[count:]
            if count < wanted:
                break
        return sent

    def finish(self) -> None:
        """FIN."""
        with contextlib.suppress(OSError):
            self.sink.shutdown(socket.SHUT_WR)

    def marks(self, size_bytes: int) -> Sequence[Mark]:
        """By the bytes themselves."""
        return () if self._frames is None or not size_bytes else self._frames.feed(self._newest)

    def in_flight(self) -> InFlight:
        """What has not arrived, the kernel's buffers included."""
        unread_bytes = _queued(self.source, termios.FIONREAD)
        messages = NOTHING
        if self._frames is not None:
            messages = 0
            if unread_bytes:
                with contextlib.suppress(OSError):
                    unread = self.source.recv(min(unread_bytes, _PEEKED_BYTES), socket.MSG_PEEK)
                    messages = sum(mark.kind == "message" for mark in self._frames.feed(unread))
        return in_flight(self, unread_bytes, _queued(self.sink, _SIOCOUTQNSD), messages)


def _queued(connection: socket.socket, request: int) -> int:
    """Bytes in a kernel buffer: received and not read (FIONREAD), or written and not sent (SIOCOUTQNSD)."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(connection.fileno(), request, b"\0\0\0\0"))[0])
    except (OSError, ValueError):
        return 0
