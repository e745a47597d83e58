"""The receiving side of pgm: order, gaps, requests for repair, and loss without a word (F216-F219)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from harness.twin.msg import DATA, Msg
from harness.twin.transport.pgm_packet import Packet, report, window_packets

if TYPE_CHECKING:
    from harness.twin.context import Context
    from harness.twin.io_thread import IoThread
    from harness.twin.network import Group
    from harness.twin.session import Session
    from harness.twin.socket_options import Options
    from harness.twin.transport.pgm_sender import PgmSender

_MS: Final = 1_000_000
_NAK_BYTES: Final = 20 + 8 + 16 + 20
_BACK_OFF_NS: Final = 50 * _MS
_WAIT_NS: Final = 200 * _MS
"""For the confirmation of a request, and then for the packet."""
_TRIES: Final = 50


class _Gap:
    """A packet that is missing."""

    __slots__ = ("confirmed", "due_ns", "tries")

    def __init__(self) -> None:
        self.tries = 0
        self.confirmed = False
        self.due_ns = 0


class _Source:
    """What a receiver knows of one sender.

    Attributes:
        next: the packet that is to be handed on next.
        lead: the last one that is known to exist.
        begins: frames are handed on from here in the stream; -1 until a packet says where a message begins.
        owed_from: where in the stream it began to listen, -1 before.
        arrived, gaps, given_up: packets that wait for one before them, that are missing, that are lost for good.
    """

    def __init__(self, sender: PgmSender, first: int) -> None:
        self.sender = sender
        self.next = first
        self.lead = first - 1
        self.begins = self.owed_from = -1
        self.arrived: dict[int, Packet] = {}
        self.gaps: dict[int, _Gap] = {}
        self.given_up: dict[int, None] = {}


class PgmReceiver:
    """Listens to a group for a SUB or XSUB."""

    def __init__(self, context: Context, io: IoThread, group: Group, options: Options, *, local: bool) -> None:
        self.host = context.host
        self.local = local
        self._network = context.network
        self._kernel = context.kernel
        self._io = io
        self._read_cost = context.costs.streams["tcp"].read
        self._hop_ns = context.costs.hop_ns["tcp"]
        self._group = group
        self._session: Session | None = None
        self._window = window_packets(options.rate, options.recovery_ivl, options.multicast_maxtpdu)
        profile = context.costs.profile
        self._buffer_bytes = profile.unix_sndbuf_bytes if options.rcvbuf < 0 else 2 * options.rcvbuf
        self._overhead_bytes = profile.tcp_skb_overhead_bytes
        self._queue: deque[tuple[PgmSender, Packet, int]] = deque()
        self._queued_bytes = 0
        self._sources: dict[PgmSender, _Source] = {}
        self._pending: dict[PgmSender, dict[int, Packet]] = {}
        """What was sent to this receiver and not handed on: the truth, not its knowledge."""
        self._refused: deque[Msg] = deque()
        self._chance = context.network.chance(f"pgm/{context.host.name}/{context.network.next_number()}")

    # -- the engine's part -----------------------------------------------------------------------

    def plug(self, session: Session) -> None:
        """Join the group."""
        self._session = session
        self._io.load += 1
        self._group.receivers[self] = None
        self.restart_output()

    def close(self) -> None:
        """Leave the group."""
        session, self._session = self._session, None
        if session is None:
            return
        self._io.load -= 1
        for msg in self.coming_in():
            report(session, "disconnect_wire", msg, session.socket)
        self._group.receivers.pop(self, None)
        self._pending.clear()
        self._queue.clear()
        self._refused.clear()

    def crash(self) -> None:
        """The process has died."""
        self.close()

    def restart_output(self) -> None:
        """Subscriptions go nowhere: the filter is here (F214)."""
        if self._session is not None:
            while self._session.pull_msg() is not None:
                pass

    def coming_in(self) -> list[Msg]:
        """Frames that are owed to the socket and may still come."""
        owed = list(self._refused)
        for sender, packets in self._pending.items():
            source = self._sources.get(sender)
            if source is not None and source.owed_from >= 0:
                owed += (
                    msg
                    for packet in packets.values()
                    for start, msg in packet.frames
                    if start >= source.owed_from and msg.kind == DATA
                )
        return owed

    def stranded(self) -> list[Msg]:
        """Nothing ever goes out."""
        return []

    def restart_input(self) -> None:
        """There is room in the pipe: go on reading (F219)."""
        session = self._session
        if session is None:
            return
        while self._refused and session.push_msg(self._refused[0]):
            self._refused.popleft()
        if not self._refused:
            for source in self._sources.values():
                self._hand_on(source)
        self._read(None)
        if not self._refused:
            for source in self._sources.values():
                for number in [number for number, gap in source.gaps.items() if gap.due_ns <= self._kernel.now_ns]:
                    self._look_after(source, number)
        session.flush()

    # -- from the network ------------------------------------------------------------------------

    def expect(self, sender: PgmSender, packet: Packet) -> None:
        """A packet was sent to this receiver, whether it comes or not."""
        self._pending.setdefault(sender, {})[packet.number] = packet

    def knows(self, sender: PgmSender, number: int) -> bool:
        """Whether a sender's packet of that number is known here to exist."""
        source = self._sources.get(sender)
        return source is None or source.lead >= number

    def data(self, sender: PgmSender, packet: Packet, trail: int) -> None:
        """A packet has come to the host: into the kernel's buffer, or lost there."""
        charge = packet.size_bytes + self._overhead_bytes
        if self._session is None or self._queued_bytes + charge > self._buffer_bytes:
            return
        self._queued_bytes += charge
        self._queue.append((sender, packet, trail))
        self._io.post(self._read, None)

    def told(self, sender: PgmSender, lead: int, trail: int) -> None:
        """A heartbeat: so many packets there are, and those before ``trail`` cannot be had any more."""
        source = self._sources.get(sender)
        if source is not None and self._session is not None and not self._refused:
            self._find_gaps(source, lead + 1, trail)
            self._hand_on(source)
            self._session.flush()

    def confirmed(self, sender: PgmSender, number: int) -> None:
        """The sender has heard somebody's request; no need for another one."""
        source = self._sources.get(sender)
        gap = source.gaps.get(number) if source is not None else None
        if gap is not None and not gap.confirmed:
            gap.confirmed = True
            assert source is not None
            self._wait(source, number, gap, _WAIT_NS)

    def _read(self, _: Any) -> None:
        """The I/O thread reads all that the kernel has, as long as the pipe takes it."""
        session = self._session
        if session is None:
            return
        kernel = self._kernel
        while self._queue and not self._refused:
            sender, packet, trail = self._queue.popleft()
            self._queued_bytes -= packet.size_bytes + self._overhead_bytes
            kernel.lag_ns += self._read_cost(packet.size_bytes)
            source = self._sources.get(sender)
            if source is None:
                source = self._sources[sender] = _Source(sender, packet.number)
                for number in [number for number in self._pending.get(sender, {}) if number < packet.number]:
                    del self._pending[sender][number]
            if packet.number >= source.next and packet.number not in source.given_up:
                source.gaps.pop(packet.number, None)
                source.arrived[packet.number] = packet
            self._find_gaps(source, packet.number, trail)
            source.lead = max(source.lead, packet.number)
            self._hand_on(source)
        session.flush()

    def _find_gaps(self, source: _Source, before: int, trail: int) -> None:
        for number in range(source.lead + 1, before):
            if number not in source.arrived:
                source.gaps[number] = gap = _Gap()
                self._wait(source, number, gap, 1 + int(self._chance() * _BACK_OFF_NS))
        source.lead = max(source.lead, before - 1)
        oldest = max(trail, source.lead - self._window + 1)
        for number in [number for number in source.gaps if number < oldest]:
            self._give_up(source, number)

    # -- gaps ------------------------------------------------------------------------------------

    def _wait(self, source: _Source, number: int, gap: _Gap, wait_ns: int) -> None:
        gap.due_ns = due = self._kernel.now_ns + wait_ns

        def look() -> None:
            # Nobody looks while the pipe is full: the library is not called then.
            if source.gaps.get(number) is gap and gap.due_ns == due and not self._refused:
                self._look_after(source, number)

        self._kernel.call_at(due, look)

    def _look_after(self, source: _Source, number: int) -> None:
        """A time has passed: ask, or ask again, or give up."""
        gap = source.gaps[number]
        if self._session is None:
            return
        gap.tries += 1
        if gap.tries > _TRIES:
            self._give_up(source, number)
            self._hand_on(source)
            self._session.flush()
            return
        gap.confirmed = False
        self._ask(source.sender, lambda: source.sender.asked(number))
        self._wait(source, number, gap, _WAIT_NS + int(self._chance() * _BACK_OFF_NS))

    def _ask(self, sender: PgmSender, tell: Callable[[], None]) -> None:
        now = self._kernel.now_ns
        if self.local:
            self._kernel.call_at(now + self._hop_ns, tell)
        else:
            way = self._network.link(self.host.name, sender.host.name).way(sender.host)
            way.carry(now, _NAK_BYTES, tell)

    @staticmethod
    def _give_up(source: _Source, number: int) -> None:
        del source.gaps[number]
        source.given_up[number] = None

    # -- to the socket ---------------------------------------------------------------------------

    def _hand_on(self, source: _Source) -> None:
        """All packets that are next in order; behind one that was given up the next message must first be found."""
        session = self._session
        assert session is not None
        pending = self._pending.get(source.sender, {})
        while not self._refused:
            number = source.next
            packet = source.arrived.pop(number, None)
            if packet is None:
                if number not in source.given_up:
                    return
                del source.given_up[number]
                source.begins = -1
                missed = pending.get(number)
                if missed is not None:
                    self._lose(session, source, missed)
            else:
                self._deliver(session, source, packet)
            source.next += 1
            pending.pop(number, None)

    def _deliver(self, session: Session, source: _Source, packet: Packet) -> None:
        if source.begins < 0 <= packet.first:
            source.begins = packet.first
            if source.owed_from < 0:
                source.owed_from = packet.first
        for start, msg in packet.frames:
            if source.begins < 0 or start < source.begins:
                self._lose_frame(session, source, start, msg)
                continue
            self._kernel.lag_ns += self._io.costs.decode(len(msg.data))
            if self._refused or not session.push_msg(msg):
                self._refused.append(msg)

    def _lose(self, session: Session, source: _Source, packet: Packet) -> None:
        for start, msg in packet.frames:
            self._lose_frame(session, source, start, msg)

    @staticmethod
    def _lose_frame(session: Session, source: _Source, start: int, msg: Msg) -> None:
        if 0 <= source.owed_from <= start:
            report(session, "datagram", msg, session.socket)
