"""The receiving side of pgm: order, gaps, requests for repair, and loss without a word (F216-F219).

It follows OpenPGM 5.3 (recv.c, receiver.c) and libzmq's pgm_receiver. One call of the library hands on what was
pending, then reads packets until it has something to hand on. Timers are looked at in such a call alone, and libzmq
sets itself an alarm for them only after a call that gave nothing. A loss is told by a call of its own: libzmq throws
its decoder away then, and waits for the next packet in which a message begins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from harness.twin.kernel import NEVER_NS
from harness.twin.msg import Msg
from harness.twin.transport.pgm_packet import NAK_LIST_MOST, Packet, report, request_bytes, window_packets
from harness.twin.transport.pgm_source import WAIT_NS, Source

if TYPE_CHECKING:
    from harness.twin.context import Context
    from harness.twin.io_thread import IoThread
    from harness.twin.network import Group
    from harness.twin.session import Session
    from harness.twin.socket_base import SocketBase
    from harness.twin.socket_options import Options
    from harness.twin.timers import Timer
    from harness.twin.transport.pgm_sender import PgmSender

_MS: Final = 1_000_000
_BACK_OFF_NS: Final = 50 * _MS
_BATCH_BYTES: Final = 8192
"""in_batch_size: a call hands on as many packets as fill it."""


_Arrival = Callable[[], Source | None]


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
        self._size = window_packets(options.rate, options.recovery_ivl, options.multicast_maxtpdu)
        self._most = -(-_BATCH_BYTES // options.multicast_maxtpdu)
        profile = context.costs.profile
        self._buffer_bytes = profile.unix_sndbuf_bytes if options.rcvbuf < 0 else 2 * options.rcvbuf
        self._overhead_bytes = profile.tcp_skb_overhead_bytes
        self._queue: deque[tuple[int, _Arrival]] = deque()
        self._queued_bytes = 0
        self._sources: dict[PgmSender, Source] = {}
        self._pending: list[Source] = []
        self._calls = 0
        self._reset = self._notified = self._posted = False
        self._next_poll_ns = NEVER_NS
        self._alarm: Timer | None = None
        self._undelivered: deque[tuple[Source, Packet]] = deque()
        self._refused: deque[Msg] = deque()
        self._chance = context.network.chance(f"pgm/{context.host.name}/{context.network.next_number()}")

    # -- the engine's part -----------------------------------------------------------------------

    def plug(self, session: Session) -> None:
        """Join the group."""
        self._session = session
        self._io.load += 1
        self._group.receivers[self] = None
        self.restart_output()

    def close(self, unread: str = "disconnect_wire") -> None:
        """Leave the group."""
        session, self._session = self._session, None
        if session is None:
            return
        self._io.load -= 1
        for msg in self.coming_in():
            report(session, unread, msg, session.socket)
        self._group.receivers.pop(self, None)
        self._sources.clear()
        self._queue.clear()
        self._refused.clear()
        self._undelivered.clear()

    def crash(self, unsent: str, unread: str) -> None:
        """The process has died."""
        self.close(unread)

    @property
    def socket(self) -> SocketBase:
        """Whose it is. Only of one that listens."""
        assert self._session is not None
        return self._session.socket

    def restart_output(self) -> None:
        """Subscriptions go nowhere: the filter is here (F214)."""
        if self._session is not None:
            while self._session.pull_msg() is not None:
                pass

    def coming_in(self) -> list[Msg]:
        """Frames that are owed to the socket and may still come."""
        owed = list(self._refused)
        for source in self._sources.values():
            owed += source.outstanding(packet for whose, packet in self._undelivered if whose is source)
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
        self._hand_on(session)
        session.flush()
        if not self._refused:
            self._wake()

    # -- from the network ------------------------------------------------------------------------

    def expect(self, sender: PgmSender, packet: Packet, trail: int) -> None:
        """A packet was sent to this receiver, whether it comes or not; those before ``trail`` are repeated no more."""
        self._source(sender).expect(packet, trail)

    def coming(self, sender: PgmSender, number: int, copies: int) -> None:
        """So many copies of that packet are on their way to it, as the wire knows."""
        self._source(sender).coming(number, copies)

    def forget(self, sender: PgmSender, trail: int) -> None:
        """The sender repeats nothing before that number."""
        self._source(sender).forget(trail)

    def up_to_date(self, sender: PgmSender) -> bool:
        """Whether nothing of that sender is outstanding here."""
        return self._source(sender).up_to_date

    def data(self, sender: PgmSender, packet: Packet, trail: int) -> None:
        """A packet has come to the host: into the kernel's buffer, or lost there."""
        source = self._source(sender)

        def arrive() -> Source | None:
            source.arrived(packet.number)
            due_ns = self._back_off()
            before = source.window.lead
            if not source.window.add(packet, trail, due_ns):
                source.settle(packet.number)
                return None
            if source.window.lead > before + 1:
                self._next_poll_ns = min(self._next_poll_ns, due_ns)
            return source

        if not self._receive(packet.size_bytes, arrive):
            source.arrived(packet.number)
            source.settle(packet.number)

    def told(self, sender: PgmSender, lead: int, trail: int, size_bytes: int) -> None:
        """A heartbeat: so many packets there are, and those before ``trail`` cannot be had any more."""

        def arrive() -> Source | None:
            source = self._source(sender)
            due_ns = self._back_off()
            if source.window.update(lead, trail, due_ns):
                self._next_poll_ns = min(self._next_poll_ns, due_ns)
            self._look_for_losses(source)
            return source

        self._receive(size_bytes, arrive)

    def confirmed(self, sender: PgmSender, numbers: Iterable[int], size_bytes: int) -> None:
        """The sender has heard somebody's request; no need for another one."""

        def arrive() -> Source | None:
            source = self._source(sender)
            back_off_ns, data_ns = self._back_off(), self._now() + WAIT_NS
            for number in numbers:
                if source.window.confirm(number, back_off_ns, data_ns):
                    self._next_poll_ns = min(self._next_poll_ns, data_ns)
            self._look_for_losses(source)
            return source

        self._receive(size_bytes, arrive)

    def _receive(self, size_bytes: int, arrive: _Arrival) -> bool:
        charge = size_bytes + self._overhead_bytes
        if self._session is None or self._queued_bytes + charge > self._buffer_bytes:
            return False
        self._queued_bytes += charge
        self._queue.append((size_bytes, arrive))
        self._wake()
        return True

    def _source(self, sender: PgmSender) -> Source:
        source = self._sources.get(sender)
        if source is None:
            source = self._sources[sender] = Source(sender, self._size, self._lose)
        return source

    # -- calls of the library ----------------------------------------------------------------------

    def _wake(self) -> None:
        """There is something to read, or to hand on."""
        if not self._posted and not self._refused:
            self._posted = True
            self._io.post(self._turn, None)

    def _turn(self, _: Any) -> None:
        """libzmq's in_event: one call of the library, and what it gives to the socket."""
        self._posted = False
        session = self._session
        if session is None or self._refused:
            return
        if self._alarm is not None:
            self._io.timers.cancel(self._alarm)
            self._alarm = None
        told_loss = self._call()
        if told_loss is not None:
            told_loss.told_of_loss()
        elif self._undelivered:
            self._hand_on(session)
        elif self._next_poll_ns < NEVER_NS:
            due_ns = max(self._now(), self._next_poll_ns)
            self._alarm = self._io.timers.start(due_ns, self._turn, None)
        session.flush()
        for source in self._sources.values():
            source.look_whether_stuck()
        if self._queue or self._notified:
            self._wake()

    def _call(self) -> Source | None:
        """pgm_recvmsgv: packets for the socket, or the source of which a loss is told."""
        if self._reset:
            self._reset = False
            return self._pending[0]
        if self._now() >= self._next_poll_ns:
            self._dispatch()
        self._calls += 1
        full = bool(self._pending) and self._flush()
        while not full and self._queue:
            size_bytes, arrive = self._queue.popleft()
            self._queued_bytes -= size_bytes + self._overhead_bytes
            self._kernel.lag_ns += self._read_cost(size_bytes)
            source = arrive()
            if source is None:
                continue
            if source.window.event and not source.pending:
                source.window.event = False
                self._set_pending(source)
            full = (bool(self._pending) and self._flush()) or len(self._undelivered) >= self._most
        if self._undelivered:
            self._notified = bool(self._pending)
            return None
        self._notified = False
        if self._reset:
            self._reset = False
            return self._pending[0]
        return None

    def _flush(self) -> bool:
        """Hand on what is next of each pending source; True when no more may be read in this call."""
        while self._pending:
            source = self._pending[0]
            window = source.window
            if source.read_at and source.read_at < self._calls:
                window.remove_committed()
            packets = window.read(self._most - len(self._undelivered))
            source.handed_on(packets)
            if window.losses != source.losses:
                self._reset = True
                source.losses = window.losses
            self._undelivered.extend((source, packet) for packet in packets)
            source.read_at = self._calls if packets else 0
            if packets and len(self._undelivered) >= self._most:
                return True
            if self._reset:
                return True
            self._pending.pop(0)
            source.pending = False
        return False

    def _set_pending(self, source: Source) -> None:
        source.pending = True
        self._pending.insert(0, source)

    def _look_for_losses(self, source: Source) -> None:
        """A loss that was noticed outside a reading is told by the next call, or by this one."""
        if source.window.losses != source.losses and not source.pending:
            self._reset = True
            source.losses = source.window.losses
            self._set_pending(source)

    # -- timers ------------------------------------------------------------------------------------

    def _now(self) -> int:
        return self._kernel.now_ns + self._kernel.lag_ns

    def _back_off(self) -> int:
        return self._now() + 1 + int(self._chance() * _BACK_OFF_NS)

    def _dispatch(self) -> None:
        """Ask for what is missing, ask again for what has not come, give up what was asked for too often."""
        now = self._now()
        for source in self._sources.values():
            for numbers in source.due(now, self._back_off):
                self._ask(source.sender, numbers)
            self._look_for_losses(source)
        self._next_poll_ns = min((due for source in self._sources.values() for due in source.heads()), default=NEVER_NS)

    def _ask(self, sender: PgmSender, numbers: list[int]) -> None:
        now = self._now()
        for first in range(0, len(numbers), NAK_LIST_MOST):
            some = numbers[first : first + NAK_LIST_MOST]
            if self.local:
                self._kernel.call_at(now + self._hop_ns, lambda some=some: sender.asked(some))  # type: ignore[misc]
            else:
                way = self._network.link(self.host.name, sender.host.name).way(sender.host)
                way.carry(now, request_bytes(len(some)), lambda some=some: sender.asked(some))  # type: ignore[misc]

    # -- to the socket ---------------------------------------------------------------------------

    def _hand_on(self, session: Session) -> None:
        """The packets of the last call, as long as the pipe takes them."""
        while self._undelivered and not self._refused:
            source, packet = self._undelivered.popleft()
            for msg in source.frames_of(packet):
                self._kernel.lag_ns += self._io.costs.decode(len(msg.data))
                if self._refused or not session.push_msg(msg):
                    self._refused.append(msg)

    def _lose(self, cause: str, msg: Msg) -> None:
        if self._session is not None:
            report(self._session, cause, msg, self._session.socket)
