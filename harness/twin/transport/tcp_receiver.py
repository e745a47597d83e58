"""The receiving half of a tcp connection over a link: what has come, what is missing, how much more may come.

The window is half the receive buffer less what the program has not read (Linux reserves the other half for the
overhead of its buffers). A buffer that the kernel sizes grows with what the program reads in a round trip.
Acknowledgements: at once for more than one packet of the size that the peer has been seen to send (536 bytes at least),
for whatever leaves or closes a gap, for the first sixteen packets after silence, and when a program has read all and
a small packet was among it, unless it answers with data of its own; else after 40 ms.
"""

from __future__ import annotations

from typing import Final

from harness.twin.transport.tcp_sender import MSS_BYTES

_MAX_RCVBUF_BYTES: Final = 33_554_432
_QUICK: Final = 16
_SMALL_SEGMENT_BYTES: Final = 536
_START_PACKETS: Final = 10
_SILENCE_NS: Final = 200_000_000


class Receiver:
    """One direction, at the end that receives.

    Args:
        rcvbuf_bytes: in force.
        grows: whether the kernel may make it larger.

    Attributes:
        next: everything before it has come.
        taken: the program has read so far.
        fin_at: where the stream ends, -1 while nobody has said so.
        beyond: ranges that came behind a gap, in order.
        promised: the peer may send up to here.
        echo_ns: when the packet was sent that the next acknowledgement answers (RFC 7323, section 4.3).
        repeated: something has come twice, and the peer is still to be told (RFC 2883).
    """

    __slots__ = (
        "_copied_at",
        "_copied_bytes",
        "_copied_ns",
        "_grows",
        "_last_ns",
        "_quick",
        "_rtt_ns",
        "_segment",
        "_small",
        "_space",
        "_told",
        "_unacknowledged",
        "beyond",
        "echo_ns",
        "fin_at",
        "interactive",
        "next",
        "promised",
        "repeated",
        "taken",
    )

    def __init__(self, rcvbuf_bytes: int, grows: bool) -> None:
        self._space = rcvbuf_bytes // 2
        self._grows = grows
        self._rtt_ns = 0
        self._copied_at, self._copied_ns = 0, 0
        self._copied_bytes = min(self._space, _START_PACKETS * MSS_BYTES)
        self._quick, self._last_ns = _QUICK, 0
        self._unacknowledged = 0
        self._segment = _SMALL_SEGMENT_BYTES
        self._small = 0
        self.interactive = False
        """Data went the other way while an acknowledgement was due: those that follow are not hurried."""
        self.next = self.taken = 0
        self.fin_at = -1
        self._told = self.echo_ns = 0
        self.repeated = False
        self.beyond: list[tuple[int, int]] = []
        self.promised = self._space

    def start(self, rtt_ns: int) -> None:
        """The handshake is done and has taken that long."""
        self._rtt_ns = rtt_ns

    @property
    def readable_bytes(self) -> int:
        """What the program can read; the end of the stream is no byte."""
        return self.next - self.taken - (self.fin_at >= 0 and self.next > self.fin_at)

    @property
    def at_end(self) -> bool:
        """Everything has come and was read, and the peer has closed."""
        return 0 <= self.fin_at <= self.taken

    def arrive(self, start: int, end: int, fin: bool, now_ns: int, sent_ns: int) -> bool:
        """Take what a packet brings that was sent at ``sent_ns``; whether it has to be acknowledged at once."""
        if start <= self._told:
            self.echo_ns = sent_ns
        if fin:
            self.fin_at = end - 1
        if now_ns - self._last_ns > _SILENCE_NS:
            self._quick = _QUICK
        self._last_ns = now_ns
        if end <= self.next or any(first <= start and end <= last for first, last in self.beyond):
            self.repeated = True
            return True
        if end > self.promised + fin:
            return True  # more than was allowed
        hurried = bool(self.beyond) or start > self.next or fin
        if start > self.next:
            self._keep(start, end)
        else:
            self._unacknowledged += end - self.next
            self.next = end
            while self.beyond and self.beyond[0][0] <= self.next:
                self.next = max(self.next, self.beyond.pop(0)[1])
        if end - start < self._segment:
            self._small += 1
        self._segment = max(self._segment, min(end - start, MSS_BYTES))
        return hurried or self._unacknowledged > self._segment or (self._quick > 0 and not self.interactive)

    def _keep(self, start: int, end: int) -> None:
        kept = []
        for range_start, range_end in self.beyond:
            if range_end < start or range_start > end:
                kept.append((range_start, range_end))
            else:
                start, end = min(start, range_start), max(end, range_end)
        kept.append((start, end))
        kept.sort()
        self.beyond = kept

    def read(self, limit_bytes: int, now_ns: int) -> tuple[int, bool]:
        """recv(2): how many bytes, and whether the peer should hear of the room at once."""
        size = min(limit_bytes, self.readable_bytes)
        self.taken += size
        if self._grows and now_ns - self._copied_ns >= self._rtt_ns:
            self._grow(now_ns)
        return size, size > 0 and (self._due_with_reading() or self._opens())

    def _due_with_reading(self) -> bool:
        """More than one packet, or a small one and nothing is left, is acknowledged when it is read."""
        if self._unacknowledged > self._segment:
            return True
        return not self.readable_bytes and self._small > self.interactive

    def _opens(self) -> bool:
        offered = self.promised - self.next
        return 2 * offered <= self._space and self._window() >= max(2 * offered, 1)

    def _window(self) -> int:
        """What may come; nothing rather than little, so that no small packets are asked for."""
        free = self.taken + self._space - self.next
        return free if free >= min(MSS_BYTES, self._space >> 1) else 0

    def _grow(self, now_ns: int) -> None:
        """Room for more than twice what was read in a round trip, so that the sender's window may go on doubling."""
        copied, before = self.taken - self._copied_at, self._copied_bytes
        if copied > before:
            wanted = 2 * copied + 16 * MSS_BYTES
            wanted += 2 * (wanted * (copied - before) // before)
            self._space = max(self._space, min(wanted, _MAX_RCVBUF_BYTES // 2))
            self._copied_bytes = copied
        self._copied_at, self._copied_ns = self.taken, now_ns

    def acknowledging(self) -> int:
        """The peer is told now; up to where it may send, which is never taken back."""
        self._unacknowledged = self._small = 0
        self._told, self.repeated = self.next, False
        if self._quick:
            self._quick -= 1
        self.promised = max(self.promised, self.next + self._window())
        return self.promised
