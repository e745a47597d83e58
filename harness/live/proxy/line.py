"""One direction of one connection: read, shape, hold until due, write."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections import deque
from collections.abc import Sequence

from harness.live.proxy.zmtp import Frames
from harness.shaper import Shaper

CHUNK_MIN = 1448
CHUNK_MAX = 65_536
_FREE_RATE = 100_000_000
"""Bytes a second that a link without a rate has room for in its delay."""
_MS_PER_S = 1000
_RESET = struct.pack("ii", 1, 0)


def chunk_bytes(rate_bytes_per_s: int) -> int:
    """How much is read at once: what the link passes in a millisecond, a tcp segment at least."""
    return max(CHUNK_MIN, min(CHUNK_MAX, rate_bytes_per_s // _MS_PER_S)) if rate_bytes_per_s else CHUNK_MAX


def reset(connection: socket.socket) -> None:
    """Close with RST, not with FIN."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()


class Line:
    """Bytes that go one way.

    Args:
        source, sink: where they come from and where they go, non-blocking.
        shapers: those of the links on the way, in order.
        room_bytes: at most so much is held, besides what the links keep busy by themselves.
        frames: follows the ZMTP frames, if somebody wants to know of them.

    Attributes:
        is_stalled: nothing is read nor written, both connections stay open.
        held_bytes: read and not yet written.
        ended: the end of the stream has been passed on.
    """

    def __init__(
        self,
        source: socket.socket,
        sink: socket.socket,
        shapers: Sequence[Shaper],
        room_bytes: int,
        frames: Frames | None = None,
    ) -> None:
        self.source = source
        self.sink = sink
        self.frames = frames
        self.is_stalled = False
        self.held_bytes = 0
        self.ended = False
        self.is_blocked = False
        """The sink takes nothing more for now."""
        self._shapers = shapers
        self._room_bytes = room_bytes
        self._queue: deque[tuple[int, bytes]] = deque()
        self._source_ended = False

    @property
    def due_ns(self) -> int:
        """When there is something to write next; 0 when there is nothing, or it cannot be written now."""
        return 0 if self.is_stalled or self.is_blocked or not self._queue else max(1, self._queue[0][0])

    def wants(self, now_ns: int) -> int:
        """How many bytes may be read now; 0 for none."""
        if self.is_stalled or self._source_ended:
            return 0
        room, chunk = self._room_bytes, CHUNK_MAX
        for shaper in self._shapers:
            rate = shaper.shape.rate_bytes_per_s
            if rate:
                chunk = min(chunk, chunk_bytes(rate))
                if shaper.backlog_bytes(now_ns) > chunk:
                    return 0
            room += (rate or _FREE_RATE) * shaper.shape.delay_ns // 1_000_000_000
        return min(chunk, max(0, room - self.held_bytes))

    def busy_until_ns(self, now_ns: int) -> int:
        """When a link on the way has room again, if that is why nothing is read; else 0."""
        latest = 0
        for shaper in self._shapers:
            rate = shaper.shape.rate_bytes_per_s
            if rate:
                excess = shaper.backlog_bytes(now_ns) - chunk_bytes(rate)
                if excess > 0:
                    latest = max(latest, now_ns + excess * 1_000_000_000 // rate)
        return latest

    def read(self, now_ns: int) -> bytes | None:
        """Take what has come; the bytes, b"" at the end of the stream, None when there is nothing.

        Raises OSError when the connection broke.
        """
        wanted = self.wants(now_ns)
        if not wanted:
            return None
        try:
            data = self.source.recv(wanted)
        except BlockingIOError:
            return None
        if not data:
            self._source_ended = True
        return data

    def pass_on(self, data: bytes, now_ns: int) -> None:
        """Let the links have it now; b"" is the end of the stream."""
        due = now_ns
        for shaper in self._shapers:
            due = shaper.send(due, len(data))
        self._queue.append((due, data))
        self.held_bytes += len(data)

    def write(self, now_ns: int) -> None:
        """Pass on all that is due. Raises OSError when the connection broke."""
        queue = self._queue
        while queue and queue[0][0] <= now_ns and not self.is_stalled:
            due, data = queue[0]
            if not data:
                queue.popleft()
                self.ended = True
                with contextlib.suppress(OSError):
                    self.sink.shutdown(socket.SHUT_WR)
                break
            try:
                count = self.sink.send(data)
            except BlockingIOError:
                self.is_blocked = True
                break
            self.held_bytes -= count
            if count < len(data):
                queue[0] = (due, data[count:])
                self.is_blocked = True
                break
            queue.popleft()
