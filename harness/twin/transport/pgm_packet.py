"""What a sender of pgm puts on the network, and how fast it may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.twin.msg import DATA, Msg

if TYPE_CHECKING:
    from harness.twin.session import Session
    from harness.twin.socket_base import SocketBase

_SECOND_NS: Final = 1_000_000_000
_MS: Final = 1_000_000
_SPM_BYTES: Final = 20 + 8 + 16 + 20
NAK_LIST_MOST: Final = 63
"""Packets that one request or confirmation may name."""


class Packet:
    """One packet of data.

    Attributes:
        number: in the sender's sequence.
        begin: where it begins in the sender's stream of bytes.
        first: where in that stream the first message begins of those that begin in it; -1 for none.
        inside: it ends within a message.
        frames: those that end in it: where they begin, and they themselves.
        size_bytes: with all headers but those of Ethernet.
    """

    __slots__ = ("begin", "first", "frames", "inside", "number", "size_bytes")

    def __init__(self, begin: int, first: int, inside: bool, frames: list[tuple[int, Msg]], size_bytes: int) -> None:
        self.number = -1
        self.begin = begin
        self.first = first
        self.inside = inside
        self.frames = frames
        self.size_bytes = size_bytes


class Bucket:
    """What RATE lets through: as OpenPGM counts, so a sender that was silent may send a second's worth at once.

    Only when a thousandth of the rate is more than a packet it is a thousandth's worth.

    Args:
        rate_kbit: RATE (kbit/s).
        tpdu_bytes: MULTICAST_MAXTPDU.
    """

    __slots__ = ("_free_bytes", "_full_bytes", "_ns", "_rate")

    def __init__(self, rate_kbit: int, tpdu_bytes: int) -> None:
        self._rate = rate_kbit * 1000 // 8
        small = self._rate // 1000 < tpdu_bytes
        self._full_bytes = self._rate if small else self._rate // 1000
        self._free_bytes = self._full_bytes
        self._ns = 0

    def take(self, size_bytes: int, now_ns: int) -> int:
        """0 when a packet may go now, else how long to wait, ns."""
        earned = self._rate * (now_ns - self._ns) // _SECOND_NS
        free = min(self._free_bytes + earned, self._full_bytes)
        if free < size_bytes:
            return max((size_bytes - free) * _SECOND_NS // self._rate, _MS)
        self._free_bytes, self._ns = free - size_bytes, now_ns
        return 0


def report(session: Session, cause: str, msg: Msg, remote: SocketBase | None) -> None:
    """Say that the message that ends with this frame, if it is one, will not arrive."""
    if msg.kind == DATA and not msg.more:
        session.observer.lost(cause, msg, remote)


def request_bytes(numbers: int) -> int:
    """Size of a request or a confirmation (NAK, NCF) that names so many packets, headers of IP and UDP included."""
    return _SPM_BYTES + (0 if numbers == 1 else 4 + 3 + 4 * (numbers - 1))


def window_packets(rate_kbit: int, recovery_ms: int, tpdu_bytes: int) -> int:
    """How many packets can be repeated (F216): RATE for RECOVERY_IVL, one at least."""
    return max(1, rate_kbit // 8 * recovery_ms // tpdu_bytes)
