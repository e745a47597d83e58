"""One sender of pgm as a receiver sees it: its window, what is asked for when, and what became of its packets.

The last is the truth, which the library does not know: each packet that was sent to the receiver is watched until it
was handed on, or cannot be any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from harness.twin.msg import DATA, Msg
from harness.twin.transport.pgm_packet import Packet
from harness.twin.transport.pgm_window import MISSING, State, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.twin.transport.pgm_sender import PgmSender

WAIT_NS: Final = 200_000_000
"""For the confirmation of a request, and then for the packet (nak_rpt_ivl, nak_rdata_ivl)."""
_TRIES: Final = 50
_NOWHERE: Final = 1 << 62

Lose = Callable[[str, Msg], None]


class Source:
    """What a receiver has to do with one sender.

    Args:
        sender: it.
        size: of the window, packets.
        lose: is told the cause and the last frame of each message that is lost.

    Attributes:
        window: its packets.
        pending: the next call looks whether there is something to hand on.
        read_at: the number of the call that handed something on last; 0 when the last one found nothing.
        losses: of the window, as far as they have been told.
    """

    def __init__(self, sender: PgmSender, size: int, lose: Lose) -> None:
        self.sender = sender
        self.window = Window(size, self._gone)
        self.pending = False
        self.read_at = self.losses = 0
        self._lose_message = lose
        self._trail = sender.trail
        self._unsettled: dict[int, Packet] = {}
        self._copies: dict[int, int] = {}  # on the way, or in the kernel's buffer
        self._begins = self._owed_from = -1
        self._following = -1
        self._inside = False
        self._stuck = False

    # -- requests ----------------------------------------------------------------------------------

    def due(self, now_ns: int, back_off: Callable[[], int]) -> Iterator[list[int]]:
        """What is to be asked for now; afterwards what was asked for in vain is to be asked for again, or given up."""
        window = self.window
        asked = self._expired(State.BACK_OFF, now_ns)
        for number in asked:
            window.enter(number, State.WAIT_NCF)
            window.waiting[State.WAIT_NCF][number].due_ns = now_ns + WAIT_NS
        yield asked
        for state in (State.WAIT_NCF, State.WAIT_DATA):
            for number in self._expired(state, now_ns):
                slot = window.waiting[state][number]
                slot.retries[state] += 1
                if slot.retries[state] >= _TRIES:
                    window.give_up(number)
                else:
                    slot.due_ns = back_off()
                    window.enter(number, State.BACK_OFF)

    def _expired(self, state: State, now_ns: int) -> list[int]:
        """Of the numbers in that state; behind one that has time left nobody looks."""
        found = []
        for number, slot in self.window.waiting[state].items():
            if slot.due_ns > now_ns:
                break
            found.append(number)
        return found

    def heads(self) -> Iterator[int]:
        """When there is something to do next, for each state."""
        for state in MISSING:
            first = next(iter(self.window.waiting[state].values()), None)
            if first is not None:
                yield first.due_ns

    # -- to the socket -----------------------------------------------------------------------------

    def frames_of(self, packet: Packet) -> Iterator[Msg]:
        """The frames in a packet that was handed on, as libzmq's decoder finds them; what it does not find is lost."""
        aligned = packet.first == packet.begin and not self._inside
        if packet.number != self._following and self._begins >= 0 and not aligned:
            # Part of a message is missing, and libzmq is told by the next call: until then it reads in the wrong place.
            self._begins = _NOWHERE
        self._following, self._inside = packet.number + 1, packet.inside
        if self._begins < 0 <= packet.first:
            self._begins = packet.first
            if self._owed_from < 0:
                self._owed_from = packet.first
        for start, msg in packet.frames:
            if 0 <= self._begins <= start:
                yield msg
            else:
                self._lose_frame(start, msg)

    def told_of_loss(self) -> None:
        """libzmq throws its decoder away."""
        self._begins = -1
        self._inside = False

    # -- the truth -----------------------------------------------------------------------------------

    @property
    def up_to_date(self) -> bool:
        """Whether nothing is outstanding."""
        return not self._unsettled

    def outstanding(self, handed: Iterable[Packet]) -> list[Msg]:
        """Frames that may still come; ``handed``: packets that the library has handed on and libzmq not taken."""
        return [
            msg
            for packet in (*handed, *self._unsettled.values())
            for start, msg in packet.frames
            if start >= self._owed_from and msg.kind == DATA
        ]

    def expect(self, packet: Packet, trail: int) -> None:
        """A packet was sent; those before ``trail`` are repeated no more."""
        self._unsettled[packet.number] = packet
        if self._stuck:
            self._lose(packet.number)
        self.forget(trail)

    def forget(self, trail: int) -> None:
        """The sender repeats nothing before that number."""
        before, self._trail = self._trail, trail
        for number in range(before, trail):
            self.settle(number)

    def coming(self, number: int, copies: int) -> None:
        """So many copies of that packet are on their way, as the wire knows."""
        if copies:
            self._copies[number] = self._copies.get(number, 0) + copies
        else:
            self.settle(number)

    def arrived(self, number: int) -> None:
        """One of them has been read, or thrown away by the kernel."""
        left = self._copies.get(number, 0) - 1
        if left > 0:
            self._copies[number] = left
        else:
            self._copies.pop(number, None)

    def settle(self, number: int) -> None:
        """Perhaps that packet cannot come any more."""
        if number not in self._unsettled:
            return
        window = self.window
        unknown = not window.defined or number < self._trail
        if (unknown and not self._copies.get(number) and not window.has(number)) or number < window.commit_lead:
            self._lose(number)

    def handed_on(self, packets: Iterable[Packet]) -> None:
        """These were; what is before them in the window, and was not, is lost."""
        for packet in packets:
            self._unsettled.pop(packet.number, None)
        while self._unsettled:
            number = next(iter(self._unsettled))
            if number >= self.window.commit_lead or not self.window.defined:
                return
            self._lose(number)

    def look_whether_stuck(self) -> None:
        """What was handed on is removed in the next call, unless something has looked in vain for more before.

        Then it stays, and if the next packet is lost the window never moves again: OpenPGM does not get out of that.
        """
        window = self.window
        head = window.commit_lead
        stuck = window.blocked and not self.read_at and not self.pending and not self._copies.get(head)
        if stuck and not self._stuck:
            self._stuck = True
            for number in list(self._unsettled):
                self._lose(number)

    def _gone(self, packet: Packet) -> None:
        self.settle(packet.number)

    def _lose(self, number: int) -> None:
        for start, msg in self._unsettled.pop(number).frames:
            self._lose_frame(start, msg)

    def _lose_frame(self, start: int, msg: Msg) -> None:
        """Before it heard the first message begin, the receiver was not there."""
        self._lose_message("datagram" if 0 <= self._owed_from <= start else "no_peer", msg)
