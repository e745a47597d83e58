"""One direction of a stream connection: the two kernels' buffers, and what is in them.

Bytes are counted, never copied: the sender's encoder puts each frame with its end offset into
``frames``, the receiver's decoder takes out those whose end it has read. Whatever is left there is
in a batch, in a kernel buffer or on the wire.

The kernels account memory, not bytes: a write is charged with an overhead, and "writable" comes back
only when the send queue has fallen to a share of its size, while a write itself is accepted as long
as the queue is not full (F21, F206). See :class:`Buffers` for the parameters.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.twin.kernel import Kernel
from harness.twin.msg import Msg

if TYPE_CHECKING:
    from harness.twin.engine import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffers:
    """Parameters of a flow.

    Attributes:
        send_bytes, receive_bytes: sizes of the two queues, in bytes of memory charged.
        send_overhead_bytes, receive_overhead_bytes: memory charged beyond the payload for each
            write that waits in the send queue, and for each segment in the receive queue.
        writable_share: the send queue is writable again at or below this share of its size.
        delay_ns: from the write to the moment at which the receiver can read.
        segment_bytes: the largest piece that travels as one.
    """

    send_bytes: int
    receive_bytes: int
    send_overhead_bytes: int
    receive_overhead_bytes: int
    writable_share: float
    delay_ns: int
    segment_bytes: int


class Flow:
    """Sender's kernel, wire, receiver's kernel."""

    __slots__ = (
        "_arrived",
        "_buffers",
        "_kernel",
        "_receive_used",
        "_send_used",
        "_threshold",
        "_waiting",
        "broken",
        "fin_ns",
        "frames",
        "loaded",
        "read_offset",
        "receiver",
        "sender",
        "wants_out",
    )

    def __init__(self, kernel: Kernel, buffers: Buffers) -> None:
        self._kernel = kernel
        self._buffers = buffers
        self._send_used = 0
        self._receive_used = 0
        self._waiting: deque[int] = deque()
        self._arrived: deque[list[int]] = deque()
        self._threshold = int(buffers.send_bytes * buffers.writable_share)
        self.frames: deque[tuple[int, Msg]] = deque()
        self.loaded = 0
        self.read_offset = 0
        self.sender: Engine | None = None
        self.receiver: Engine | None = None
        self.wants_out = False
        self.fin_ns = -1
        self.broken = False

    # -- the sender's side ---------------------------------------------------------------------

    def load(self, msg: Msg, size: int) -> None:
        """The encoder has begun to put a frame of ``size`` bytes into a batch."""
        self.loaded += size
        self.frames.append((self.loaded, msg))

    def write(self, size: int) -> int:
        """Bytes that the send queue takes now; 0 is "would block"."""
        buffers = self._buffers
        free = buffers.send_bytes - self._send_used
        if free <= 0 or self.broken:
            return size if self.broken else 0
        # The kernel checks for room before each piece, so the last one may overshoot.
        pieces = -(-free // buffers.segment_bytes)
        accepted = min(size, pieces * buffers.segment_bytes)
        for start in range(0, accepted, buffers.segment_bytes):
            piece = min(buffers.segment_bytes, accepted - start)
            self._waiting.append(piece)
            self._send_used += piece + buffers.send_overhead_bytes
        self._transmit()
        return accepted

    def writable(self) -> bool:
        """Whether poll would say so: the send queue has fallen to the threshold."""
        return self._send_used <= self._threshold or self.broken

    def close(self) -> None:
        """The sender has closed: what it has written is still delivered, then comes the end."""
        self.fin_ns = self._kernel.now_ns + self._kernel.lag_ns + self._buffers.delay_ns
        self._announce()

    def _transmit(self) -> None:
        buffers = self._buffers
        kernel = self._kernel
        arrival = kernel.now_ns + kernel.lag_ns + buffers.delay_ns
        waiting = self._waiting
        moved = False
        while waiting:
            charge = waiting[0] + buffers.receive_overhead_bytes
            if self._receive_used and self._receive_used + charge > buffers.receive_bytes:
                break
            piece = waiting.popleft()
            self._send_used -= piece + buffers.send_overhead_bytes
            self._receive_used += charge
            self._arrived.append([arrival, piece])
            moved = True
        if moved:
            self._announce()

    def _announce(self) -> None:
        if self.receiver is not None:
            self.receiver.data_coming()

    # -- the receiver's side -------------------------------------------------------------------

    def readable_ns(self) -> int:
        """When the next byte, or the end, can be read; -1 when neither is under way."""
        if self._arrived:
            return self._arrived[0][0]
        if self.fin_ns >= 0 and not self._waiting:
            return self.fin_ns
        return -1

    def read(self, limit: int) -> int:
        """Read at most ``limit`` bytes that have arrived: their number, 0 for none."""
        now = self._kernel.now_ns
        arrived = self._arrived
        overhead = self._buffers.receive_overhead_bytes
        total = 0
        freed = 0
        while arrived and total < limit and arrived[0][0] <= now:
            segment = arrived[0]
            take = segment[1]
            if take > limit - total:
                take = limit - total
                segment[1] -= take
            else:
                arrived.popleft()
                freed += overhead
            total += take
        if total:
            self.read_offset += total
            self._receive_used -= total + freed
            if self._waiting:
                self._transmit()
                self._wake_sender()
        return total

    def at_end(self) -> bool:
        """Whether everything was read and the sender has closed."""
        return self.fin_ns >= 0 and not self._arrived and not self._waiting

    def _wake_sender(self) -> None:
        if self.wants_out and self._send_used <= self._threshold and self.sender is not None:
            self.wants_out = False
            self.sender.writable_again()

    def under_way(self) -> list[Msg]:
        """Frames that the receiver's decoder has not taken out, oldest first."""
        return [msg for _, msg in self.frames]
