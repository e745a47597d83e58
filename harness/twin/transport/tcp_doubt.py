"""Whether what a tcp sender took for lost was lost: packets that have only changed places are found out.

As in Linux 6.x: time stamps tell that an acknowledgement answers a packet, not its repetition (Eifel, RFC 3522), and
then the window is what it was before. The peer tells of what has come twice (RFC 2883); if that was repeated for
nothing, the next packet that seems to be lost is waited for a quarter of the best round trip longer, until that has not
happened for sixteen recoveries (RFC 8985, section 6.2). Not modelled: a timeout that was needless (F-RTO).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from harness.twin.transport.tcp_flight import Flight

_MS: Final = 1_000_000
_RECOVERIES: Final = 16


class Doubt:
    """What is known of repetitions, in one direction."""

    __slots__ = ("_first_ns", "_kept", "_repeats", "_stepped_ns", "_twice")

    def __init__(self) -> None:
        self._first_ns = -1
        self._repeats = self._twice = 0
        self._stepped_ns = self._kept = 0

    def begin(self, flight: Flight) -> None:
        """A recovery begins."""
        self._first_ns = -1
        if self._kept:
            self._kept -= 1
            if not self._kept:
                flight.patience = 1

    def repeated(self, now_ns: int) -> None:
        """A packet is sent again."""
        self._repeats += 1
        if self._first_ns < 0:
            self._first_ns = now_ns

    def was_needless(self, echo_ns: int, flight: Flight) -> bool:
        """Whether more was acknowledged, in answer to a packet of that time, without any repetition."""
        early = self._first_ns < 0 or echo_ns // _MS < self._first_ns // _MS
        return early and not flight.repairs_are_out

    def came_twice(self, flight: Flight, now_ns: int) -> None:
        """The peer has something twice: by a repetition, unless it is told of more than were sent."""
        self._twice += 1
        if self._twice <= self._repeats and now_ns - self._stepped_ns >= flight.srtt_ns:
            self._stepped_ns = now_ns
            self._kept = _RECOVERIES
            flight.patience += 1
