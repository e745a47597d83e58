"""The packets that a tcp sender has under way: which of them have arrived, which are lost, how long they take."""

from __future__ import annotations

from collections import deque
from typing import Final

from harness.twin.kernel import NEVER_NS

_MS: Final = 1_000_000
_RTO_MIN_NS: Final = 200 * _MS
_KNOWN_IN_ORDER: Final = 3


class Sent:
    """A packet under way.

    Attributes:
        ns: when it was sent last.
        lost: taken for lost, and not sent again yet.
        arrived: known to have arrived, although something before it has not.
        again: it was sent more than once.
    """

    __slots__ = ("again", "arrived", "end", "lost", "ns", "start")

    def __init__(self, start: int, end: int, ns: int) -> None:
        self.start, self.end, self.ns = start, end, ns
        self.lost = self.arrived = self.again = False


class Flight:
    """What is under way in one direction.

    Attributes:
        packets: those before which something has not arrived, in order.
        pipe: how many of them are thought to be in the network.
        arrived: how many have arrived all the same.
        lost: in the order in which they are to be sent again; those that have arrived meanwhile are to be skipped.
        srtt_ns, least_ns: the round trip, smoothed, and at its best.
        patience: once packets are known to have changed places, so many quarters of the best round trip are waited
            for one that seems to be lost.
    """

    __slots__ = (
        "_changed_places",
        "_deviation_ns",
        "_foremost",
        "_newest",
        "_newest_rtt_ns",
        "arrived",
        "least_ns",
        "lost",
        "packets",
        "patience",
        "pipe",
        "srtt_ns",
    )

    def __init__(self) -> None:
        self.packets: deque[Sent] = deque()
        self.lost: deque[Sent] = deque()
        self.pipe = self.arrived = 0
        self.srtt_ns = self.least_ns = self._deviation_ns = 0
        self._newest = (-1, 0)
        self._newest_rtt_ns = 0
        self._foremost = 0
        self._changed_places = False
        self.patience = 1

    def start(self, rtt_ns: int) -> None:
        """The handshake took that long."""
        self.srtt_ns = self.least_ns = self._newest_rtt_ns = rtt_ns
        self._deviation_ns = rtt_ns // 2

    @property
    def rto_ns(self) -> int:
        """The retransmission timeout, without its doubling: as Linux has it, never below srtt + 200 ms."""
        return self.srtt_ns + max(_RTO_MIN_NS, 4 * self._deviation_ns)

    @property
    def oldest(self) -> Sent:
        """The first that has not arrived."""
        return next((packet for packet in self.packets if not packet.arrived), self.packets[0])

    def add(self, packet: Sent) -> None:
        """It was sent for the first time."""
        self.packets.append(packet)
        self.pipe += 1

    def repeated(self, packet: Sent, now_ns: int) -> None:
        """It was sent once more."""
        if packet.lost:
            packet.lost = False
            self.pipe += 1
        packet.ns = now_ns
        packet.again = True

    def drop(self, acked: int, now_ns: int) -> int:
        """Everything before ``acked`` has arrived: how many packets that is news of."""
        packets = self.packets
        came = 0
        while packets and packets[0].end <= acked:
            packet = packets.popleft()
            if packet.arrived:
                self.arrived -= 1
                continue
            if not packet.again:
                if not came:
                    self._measure(now_ns - packet.ns)
                self._changed_places |= packet.start < self._foremost
            came += 1
            self._has_arrived(packet, now_ns)
        return came

    def mark(self, ranges: tuple[tuple[int, int], ...], now_ns: int) -> int:
        """These ranges have arrived, too: how many packets that is news of."""
        came, foremost = 0, self._foremost
        following = iter(ranges)
        start, end = next(following)
        for packet in self.packets:
            while end <= packet.start:
                start, end = next(following, (NEVER_NS, NEVER_NS))
            if start == NEVER_NS:
                break
            if not packet.arrived and start <= packet.start and packet.end <= end:
                packet.arrived = True
                if not packet.again:
                    self._changed_places |= packet.start < foremost
                self._foremost = max(self._foremost, packet.end)
                self.arrived += 1
                came += 1
                self._has_arrived(packet, now_ns)
        return came

    def _has_arrived(self, packet: Sent, now_ns: int) -> None:
        if not packet.lost:
            self.pipe -= 1
        packet.lost = False
        rtt = now_ns - packet.ns
        # What was sent before it should have arrived, too. A repeated one may have come the first time.
        if (packet.ns, packet.end) > self._newest and not (packet.again and rtt < self.least_ns):
            self._newest = packet.ns, packet.end
            self._newest_rtt_ns = rtt

    def _measure(self, rtt_ns: int) -> None:
        error = rtt_ns - self.srtt_ns
        self.srtt_ns += error >> 3
        self._deviation_ns += (abs(error) - self._deviation_ns) >> 2
        self.least_ns = min(self.least_ns, rtt_ns)

    def find_lost(self, now_ns: int, patient: bool) -> tuple[bool, int]:
        """Take for lost what was sent before something that has arrived (RACK).

        ``patient``: wait a quarter of the round trip for packets that have changed places, unless three are known to
        have arrived; where some have changed places before, that is waited always, and more of it with
        :attr:`patience`. Gives whether any was found, and when to look again.
        """
        waits = self._changed_places or (patient and self.arrived < _KNOWN_IN_ORDER)
        wait = min((self.least_ns >> 2) * self.patience, self.srtt_ns) if waits else 0
        found = False
        for packet in self.packets:
            if packet.arrived or packet.lost or (packet.ns, packet.end) >= self._newest:
                continue
            due = packet.ns + self._newest_rtt_ns + wait
            if now_ns < due:
                return found, due
            found = True
            self.pipe -= 1
            packet.lost = True
            self.lost.append(packet)
        return found, NEVER_NS

    @property
    def repairs_are_out(self) -> bool:
        """Whether a packet that was sent again may still be in the network."""
        return any(packet.again and not (packet.arrived or packet.lost) for packet in self.packets)

    def none_is_lost(self) -> None:
        """All that was taken for lost is in the network."""
        for packet in self.lost:
            self.pipe += packet.lost
            packet.lost = False
        self.lost.clear()

    def give_up_all(self) -> None:
        """The timer says: nothing is in the network any more."""
        self.lost.clear()
        for packet in self.packets:
            if not packet.arrived:
                packet.lost = True
                self.lost.append(packet)
        self.pipe = 0
