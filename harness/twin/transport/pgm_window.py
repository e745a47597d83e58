"""What a receiver of pgm knows of one sender: which packets it has, misses and has given up (OpenPGM's receive window).

It follows OpenPGM 5.3 (rxw.c) where that can be seen from outside, oddities included; there is no forward error
correction in libzmq's use of it. Packets that were handed on stay in the window until the next reading, and while they
do the window does not move on: a packet that is too far ahead then is dropped, and nobody is told (F217).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from harness.twin.transport.pgm_packet import Packet


class State(IntEnum):
    """Of a number in the window."""

    BACK_OFF = 0
    """Missing; it will be asked for."""
    WAIT_NCF = 1
    """Asked for; the sender should confirm that."""
    WAIT_DATA = 2
    """Confirmed; it should come."""
    HAVE = 3
    COMMITTED = 4
    """Handed on, and not yet removed."""
    LOST = 5
    """It cannot be had any more."""


MISSING: Final = (State.BACK_OFF, State.WAIT_NCF, State.WAIT_DATA)


class Slot:
    """One number of the window."""

    __slots__ = ("due_ns", "packet", "retries", "state")

    def __init__(self) -> None:
        self.state = State.LOST
        self.due_ns = 0
        self.retries = [0, 0, 0]  # by state
        self.packet: Packet | None = None


class Window:
    """The window.

    Args:
        size: packets that it holds.
        gone: called with a packet that was there, and goes without having been handed on.

    Attributes:
        defined: whether anything has been heard of the sender.
        trail, commit_lead, lead: the oldest number, the next one to hand on, the newest that is known.
        waiting: the missing numbers by state, in the order in which they came into it.
        losses: counts whatever makes OpenPGM report a loss, once or twice a packet.
        event: something has come that may be handed on.
    """

    def __init__(self, size: int, gone: Callable[[Packet], None]) -> None:
        self._size = size
        self._gone = gone
        self._slots: dict[int, Slot] = {}
        self.defined = False
        self._constrained = True
        self._senders_trail = self._first = 0
        self.trail = self.commit_lead = 0
        self.lead = -1
        self.waiting: tuple[dict[int, Slot], ...] = ({}, {}, {})
        self.losses = 0
        self.event = False

    @property
    def committed(self) -> bool:
        """Whether packets that were handed on still take room."""
        return self.trail != self.commit_lead

    @property
    def blocked(self) -> bool:
        """Whether the next number is lost, and cannot be done with for what was handed on before it."""
        head = self._slots.get(self.commit_lead)
        return head is not None and head.state is State.LOST and self.committed

    def has(self, number: int) -> bool:
        """Whether that packet is here, and not handed on."""
        slot = self._slots.get(number)
        return slot is not None and slot.state is State.HAVE

    # -- from the network --------------------------------------------------------------------------

    def add(self, packet: Packet, senders_trail: int, due_ns: int) -> bool:
        """A packet has come; False when it is of no use. Those missing before it are to be asked for at ``due_ns``."""
        number = packet.number
        if self.defined:
            self._update_trail(senders_trail)
        else:
            self._define(number - 1)
        if number < self.commit_lead:
            return False
        if number <= self.lead:
            self.event = True
            return self._insert(packet)
        if number == self.lead + 1:
            self.event = True
            return self._append(packet)
        return self._miss_until(number, due_ns) and self._append(packet)

    def update(self, senders_lead: int, senders_trail: int, due_ns: int) -> bool:
        """The sender says how far its packets go (SPM); whether any are missing that were not known."""
        if not self.defined:
            self._define(senders_lead)
            return False
        self._update_trail(senders_trail)
        return self._update_lead(senders_lead, due_ns)

    def confirm(self, number: int, back_off_ns: int, data_ns: int) -> bool:
        """The sender will repeat that packet (NCF); whether it is waited for. Times as of ``due_ns``."""
        if not self.defined or number < self.commit_lead:
            return False
        if number <= self.lead:
            slot = self._slots[number]
            if slot.state not in MISSING:
                return False
            if slot.state is not State.WAIT_DATA:
                self.enter(number, State.WAIT_DATA)
            slot.due_ns = data_ns
            return True
        self._miss_until(number, back_off_ns)
        if not self._make_room():
            return False
        self._new(State.WAIT_DATA, data_ns)
        return True

    def give_up(self, number: int) -> None:
        """It was asked for in vain too often, or the sender has it no more."""
        self.enter(number, State.LOST)
        self.losses += 1
        self.event = True

    def enter(self, number: int, state: State) -> None:
        """The number is in another state from now on."""
        slot = self._slots[number]
        if slot.state in MISSING:
            del self.waiting[slot.state][number]
        slot.state = state
        if state in MISSING:
            self.waiting[state][number] = slot

    # -- to the socket -----------------------------------------------------------------------------

    def remove_committed(self) -> None:
        """What was handed on before takes no room any more."""
        while self.committed:
            self._remove_trail()

    def read(self, most: int) -> list[Packet]:
        """The packets that are next in order; at a lost one, none, and that one is done with."""
        found: list[Packet] = []
        while len(found) < most and self.has(self.commit_lead):
            slot = self._slots[self.commit_lead]
            slot.state = State.COMMITTED
            assert slot.packet is not None
            found.append(slot.packet)
            self.commit_lead += 1
        head = self._slots.get(self.commit_lead)
        if not found and head is not None and head.state is State.LOST and not self.committed:
            self._remove_trail()
        return found

    # -- inside ------------------------------------------------------------------------------------

    def _define(self, lead: int) -> None:
        self.defined = True
        self.lead = lead
        self.trail = self.commit_lead = self._senders_trail = self._first = lead + 1

    def _full(self) -> bool:
        return self.lead + 1 - self.trail == self._size

    def _make_room(self) -> bool:
        """For one more number, if what was handed on does not hold the trail."""
        if self._full():
            if self.committed:
                return False
            self._remove_trail()
        return True

    def _new(self, state: State, due_ns: int) -> None:
        self.lead += 1
        slot = self._slots[self.lead] = Slot()
        slot.due_ns = due_ns
        self.enter(self.lead, state)

    def _insert(self, packet: Packet) -> bool:
        if self.has(packet.number):
            return False
        self.enter(packet.number, State.HAVE)
        self._slots[packet.number].packet = packet
        return True

    def _append(self, packet: Packet) -> bool:
        if not self._make_room():
            return False
        self._new(State.HAVE, 0)
        self._slots[packet.number].packet = packet
        return True

    def _miss_until(self, number: int, due_ns: int) -> bool:
        """All before that number are missing; False when it is too far ahead for what was handed on."""
        if self.committed and 1 + number - self.trail >= self._size:
            self._update_lead(number, due_ns)
            return False
        while True:
            if self._full():
                self._remove_trail()
            if self.lead + 1 == number:
                return True
            self._new(State.BACK_OFF, due_ns)

    def _update_lead(self, number: int, due_ns: int) -> bool:
        before = self.lead
        if self.committed and number - self.trail >= self._size:
            number = self.trail + self._size - 1
        while self.lead < number:
            if self._full():
                self._remove_trail()
            self._new(State.BACK_OFF, due_ns)
        return self.lead > before

    def _update_trail(self, senders_trail: int) -> None:
        if senders_trail <= self._senders_trail:
            return
        if self._constrained:  # at the beginning nothing is asked for that was sent before
            if senders_trail <= self._first:
                return
            self._constrained = False
        self._senders_trail = senders_trail
        if senders_trail <= self.trail:
            return
        if self.lead + 1 == self.trail:
            self.losses += senders_trail - self.trail
            self.trail = self.commit_lead = senders_trail
            self.lead = senders_trail - 1
            return
        for number in range(self.commit_lead, min(senders_trail, self.lead + 1)):
            if self._slots[number].state in MISSING:
                self.give_up(number)

    def _remove_trail(self) -> None:
        slot = self._slots.pop(self.trail)
        if slot.state in MISSING:
            del self.waiting[slot.state][self.trail]
        if self.trail == self.commit_lead:
            self.commit_lead += 1
            self.losses += 1
            if slot.packet is not None:
                self._gone(slot.packet)
        self.trail += 1
