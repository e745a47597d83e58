"""One direction of a stream connection: the two kernels' buffers, and what is in them.

Bytes are counted, never copied: the sender's encoder puts each frame with its end offset into
``frames``, the receiver's decoder takes out those whose end it has read. Whatever is left there is
in a batch, in a kernel buffer or on the wire.

What a buffer accepts is the kernel's business: :class:`TcpFlow` asks a model of Linux's tcp,
:class:`UnixFlow` charges each write of an AF_UNIX socket (F21, F206, F208). In both, "writable"
comes back only when much has been read, while a write itself is accepted as long as the buffer is
not full; libzmq's poller obeys the first, its speculative write meets the second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.twin.kernel import Kernel
from harness.twin.msg import Msg
from harness.twin.transport.tcp_clock import PathClock
from harness.twin.transport.tcp_path import TcpPath

if TYPE_CHECKING:
    from harness.twin.engine import Engine


class Flow:
    """Sender's kernel, wire, receiver's kernel; what both transports share.

    Attributes:
        frames: ``(end_offset, frame)`` of all that the receiver's decoder has not taken, in order.
        loaded, read_offset: bytes that the encoder has put into batches, bytes that were read.
        wants_out: the sender waits until it can write.
        back: the other direction.
        broken: the receiver has closed.
        hung_up: the receiver's poller says HUP or ERR, whether it asked for input or not (F144).
    """

    __slots__ = (
        "_kernel",
        "_written_ns",
        "back",
        "broken",
        "fin_ns",
        "frames",
        "hung_up",
        "loaded",
        "read_offset",
        "receiver",
        "sender",
        "wants_out",
    )

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._written_ns = 0
        self.frames: deque[tuple[int, Msg]] = deque()
        self.loaded = 0
        self.read_offset = 0
        self.sender: Engine | None = None
        self.receiver: Engine | None = None
        self.wants_out = False
        self.fin_ns = -1
        self.back: Flow = self  # set by the engines
        self.broken = False
        self.hung_up = False

    # -- what a transport defines --------------------------------------------------------------

    def _accept(self, size: int, now_ns: int) -> int:
        """Bytes that the sender's kernel takes."""
        raise NotImplementedError

    def _take(self, limit: int, now_ns: int) -> int:
        """Bytes that the receiver's kernel gives."""
        raise NotImplementedError

    def _has_bytes(self) -> bool:
        """Whether the receiver's kernel holds any."""
        raise NotImplementedError

    def _all_through(self) -> bool:
        """Whether the sender's kernel has nothing left to send."""
        raise NotImplementedError

    def writable(self) -> bool:
        """Whether poll would say so."""
        raise NotImplementedError

    # -- the sender's side ---------------------------------------------------------------------

    def load(self, msg: Msg, size: int) -> None:
        """The encoder has begun to put a frame of ``size`` bytes into a batch."""
        self.loaded += size
        self.frames.append((self.loaded, msg))

    def write(self, size: int) -> int:
        """Bytes that are accepted now; 0 is "would block", -1 an error (F142)."""
        if self.broken:
            return self._write_to_nobody(size)
        kernel = self._kernel
        now = kernel.now_ns + kernel.lag_ns
        accepted = self._accept(size, now)
        if accepted:
            self._written_ns = now
            self._announce()
        return accepted

    def close(self) -> None:
        """The sender has closed: what it has written is still delivered, then comes the end."""
        self.fin_ns = self._kernel.now_ns + self._kernel.lag_ns
        self._announce()

    def _write_to_nobody(self, size: int) -> int:
        """The receiver has closed."""
        raise NotImplementedError

    def cut(self) -> int:
        """Nothing more gets through: up to where the receiver's kernel has it."""
        raise NotImplementedError

    def hang_up(self) -> None:
        """The receiver's poller says HUP or ERR from now on; behind what has come there is nothing."""
        if not self.hung_up:
            self.hung_up = True
            self.fin_ns = self._kernel.now_ns + self._kernel.lag_ns
            self._announce()

    def _announce(self) -> None:
        if self.receiver is not None:
            self.receiver.data_coming()

    # -- the receiver's side -------------------------------------------------------------------

    def readable_ns(self) -> int:
        """When the next byte, or the end, can be read; -1 when neither is there."""
        if self._has_bytes():
            return self._written_ns
        if self.fin_ns >= 0 and self._all_through():
            return self.fin_ns
        return -1

    def read(self, limit: int) -> int:
        """Read at most ``limit`` bytes: their number, 0 for none."""
        kernel = self._kernel
        size = self._take(limit, kernel.now_ns + kernel.lag_ns)
        if size:
            self.read_offset += size
            if self.wants_out:
                self._wake_sender()
        return size

    def at_end(self) -> bool:
        """Whether everything was read and the sender has closed."""
        return self.fin_ns >= 0 and not self._has_bytes() and self._all_through()

    def _wake_sender(self) -> None:
        if self.wants_out and self.sender is not None and self.writable():
            self.wants_out = False
            self.sender.writable_again()

    def under_way(self) -> list[Msg]:
        """Frames that the receiver's decoder has not taken out, oldest first."""
        return [msg for _, msg in self.frames]


class TcpFlow(Flow):
    """tcp over loopback: segments, windows, acknowledgements, as Linux keeps its books."""

    __slots__ = ("_clock", "_limit_ns", "_limited", "_path")

    def __init__(self, kernel: Kernel, path: TcpPath, maxrt_ms: int = 0) -> None:
        super().__init__(kernel)
        self._path = path
        self._clock = PathClock(kernel, path, lambda: self.broken, self._timer)
        # TCP_MAXRT: the sender's kernel gives up when its peer takes nothing for so long (F156).
        self._limit_ns = _ASKED_AFTER_NS + maxrt_ms * 1_000_000 if maxrt_ms > 0 else 0
        self._limited = False

    def _accept(self, size: int, now_ns: int) -> int:
        accepted = self._path.write(size, now_ns)
        self._watch_timers()
        return accepted

    def _write_to_nobody(self, size: int) -> int:
        if self.back.hung_up:
            return -1
        # The first write is taken, and answered with RST.
        self.back.hang_up()
        return size

    def cut(self) -> int:
        """Nothing more gets through: up to where the receiver's kernel has it."""
        return self.read_offset + self._path.cut()

    def close(self) -> None:
        """As for any; with unread data of the other direction the end is an RST, and what is unsent is lost (F170)."""
        if self.back._has_bytes():
            self.cut()
            self.hang_up()
        else:
            super().close()

    def _take(self, limit: int, now_ns: int) -> int:
        size = self._path.read(limit, now_ns)
        if self._path.has_unsent:
            self._watch_timers()
        return size

    def _has_bytes(self) -> bool:
        return self._path.readable

    def _all_through(self) -> bool:
        return not self._path.has_unsent

    def writable(self) -> bool:
        """At least a third of the send buffer is free."""
        if self.broken or self._path.writable:
            return True
        self._watch_timers()
        return False

    def _watch_timers(self) -> None:
        if self._limit_ns and not self._limited and self._path.has_unsent:
            self._watch_progress()
        self._clock.watch()

    def _watch_progress(self) -> None:
        read = self.read_offset
        self._limited = True

        def look() -> None:
            self._limited = False
            if self.broken or not self._path.has_unsent:
                return
            if self.read_offset == read:
                # The sender alone hears of it; the receiver finds the end when it has read what it has.
                self.cut()
                self.back.hang_up()
            else:
                self._watch_progress()

        self._kernel.call_at(self._kernel.now_ns + self._limit_ns, look)

    def _timer(self, news: bool) -> None:
        if news:
            self._written_ns = self._kernel.now_ns
            self._announce()
        self._wake_sender()


class UnixFlow(Flow):
    """ipc: each write is charged to the sender until its last byte is read (F208)."""

    __slots__ = ("_capacity", "_charge", "_pieces", "_used", "_written")

    def __init__(self, kernel: Kernel, capacity_bytes: int, charge_bytes: Callable[[int], int]) -> None:
        super().__init__(kernel)
        self._capacity = capacity_bytes
        self._charge = charge_bytes
        self._used = 0
        self._written = 0
        self._pieces: deque[list[int]] = deque()

    def _accept(self, size: int, now_ns: int) -> int:
        accepted = 0
        while accepted < size and self._used < self._capacity:
            piece = min(size - accepted, _UNIX_PIECE_BYTES)
            charge = self._charge(piece)
            self._used += charge
            self._pieces.append([piece, charge])
            accepted += piece
        self._written += accepted
        return accepted

    def _take(self, limit: int, now_ns: int) -> int:
        pieces = self._pieces
        total = 0
        while pieces and total < limit:
            piece = pieces[0]
            if piece[0] > limit - total:
                piece[0] -= limit - total
                return limit
            total += piece[0]
            self._used -= piece[1]
            pieces.popleft()
        return total

    def _write_to_nobody(self, size: int) -> int:
        return -1

    def cut(self) -> int:
        """All that was written is in the receiver's queue."""
        return self._written

    def close(self) -> None:
        """As for any; the receiver's poller says HUP at once, however much is unread (F144)."""
        self.hang_up()

    def _has_bytes(self) -> bool:
        return bool(self._pieces)

    def _all_through(self) -> bool:
        return True

    def writable(self) -> bool:
        """At least three quarters of the buffer are free."""
        return self.broken or 4 * self._used <= self._capacity


_ASKED_AFTER_NS = 204_000_000
"""The clock of TCP_MAXRT starts when the closed window is asked for."""

_UNIX_PIECE_BYTES = 32768
"""A longer write is split into buffers of this size."""
