"""The sending side of pgm: packs, keeps to the rate, repeats what receivers miss (F215, F216).

It follows OpenPGM 5.3 (source.c, timer.c) and libzmq's pgm_sender. A request is confirmed at once, and the packet is
put into a queue. Only the next call of the library takes one packet from it, and nothing but another request or the
alarm for the next heartbeat brings such a call about: while data flow, that is each 100 ms. The alarm is rounded down
to milliseconds, so the call comes too early and is made again and again until it is time, which empties the queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from harness.twin.kernel import NEVER_NS
from harness.twin.msg import DATA, Msg
from harness.twin.transport.pgm_packet import Bucket, Packet, report, request_bytes, window_packets

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.twin.context import Context
    from harness.twin.io_thread import IoThread
    from harness.twin.network import Group
    from harness.twin.session import Session
    from harness.twin.socket_options import Options
    from harness.twin.timers import Timer
    from harness.twin.transport.pgm_receiver import PgmReceiver

_MS: Final = 1_000_000
_HEADERS: Final = {True: 20 + 8 + 16 + 8, False: 20 + 16 + 8}
"""IP, UDP if encapsulated, PGM, data."""
_OFFSET_BYTES: Final = 2
_HEARTBEATS_MS: Final = 100, 100, 100, 100, 1300, 7000, 16000, 25000, 30000
_AMBIENT_NS: Final = 30_000 * _MS
"""A word of the sender comes at least so often (SPM)."""


class PgmSender:
    """Speaks for a PUB or XPUB to a group."""

    def __init__(
        self, context: Context, io: IoThread, group: Group, options: Options, *, local: bool, encapsulated: bool
    ) -> None:
        self.host = context.host
        self.local = local
        self._network = context.network
        self._kernel = context.kernel
        self._io = io
        self._write_cost = context.costs.streams["tcp"].write
        self._call_cost = context.costs.streams["tcp"].read
        self._hop_ns = context.costs.hop_ns["tcp"]
        self._group = group
        self._session: Session | None = None
        self._headers = _HEADERS[encapsulated]
        self._room = options.multicast_maxtpdu - self._headers - _OFFSET_BYTES
        self._bucket = Bucket(options.rate, options.multicast_maxtpdu)
        self._window = window_packets(options.rate, options.recovery_ivl, options.multicast_maxtpdu)
        self._kept: dict[int, Packet] = {}
        self._next = 0
        self._loaded = 0
        self._rest: tuple[int, Msg, int] | None = None  # a frame that goes on in the next packet
        self._inside = False  # the last frame was not the last of its message
        self._packet: Packet | None = None
        self._busy = False
        self._beat = 0  # which heartbeat is next; 0 when there is none
        self._beat_due_ns = self._ambient_due_ns = self._next_poll_ns = NEVER_NS
        self._alarm: Timer | None = None
        self._asked: deque[list[int]] = deque()
        self._repairs: dict[int, None] = {}

    @property
    def trail(self) -> int:
        """The oldest packet that it could repeat."""
        return max(0, self._next - self._window)

    # -- the engine's part -----------------------------------------------------------------------

    def plug(self, session: Session) -> None:
        """Start: there is nothing to agree upon with anybody."""
        self._session = session
        self._io.load += 1
        self._ambient_due_ns = self._next_poll_ns = self._kernel.now_ns + self._kernel.lag_ns + _AMBIENT_NS
        self.restart_output()

    def close(self, unsent: str = "disconnect_wire") -> None:
        """What waits for the rate is lost, and nothing is repeated any more."""
        session, self._session = self._session, None
        if session is None:
            return
        self._io.load -= 1
        for msg in self._unsent():
            report(session, unsent, msg, None)
        self._packet = self._rest = None
        self._kept.clear()
        self._repairs.clear()
        self._set_alarm(NEVER_NS)
        for receiver in self._reached():
            receiver.forget(self, self._next)

    def crash(self, unsent: str, unread: str) -> None:
        """The process has died."""
        self.close(unsent)

    def restart_input(self) -> None:
        """Nothing ever comes in."""

    def coming_in(self) -> list[Msg]:
        """Nothing ever comes in."""
        return []

    def stranded(self) -> list[Msg]:
        """Frames that have left the pipe and not gone to the network."""
        return list(self._unsent())

    def _unsent(self) -> Iterator[Msg]:
        if self._packet is not None:
            yield from (msg for _, msg in self._packet.frames if msg.kind == DATA)
        if self._rest is not None:
            yield self._rest[1]

    def restart_output(self) -> None:
        """There is something to send again."""
        if not self._busy:
            self._turn(None)

    def _turn(self, _: Any) -> None:
        """Send one packet, if the rate lets it."""
        self._busy = False
        if self._session is None:
            return
        if self._packet is None:
            self._packet = self._build(self._session)
        packet = self._packet
        if packet is None:
            return
        kernel = self._kernel
        now = kernel.now_ns + kernel.lag_ns
        self._busy = True
        wait = self._bucket.take(packet.size_bytes, now)
        if wait:
            self._io.at(now + wait, self._turn, None)
            return
        kernel.lag_ns += self._write_cost(packet.size_bytes)
        self._packet = None
        self._send(packet, now)
        self._io.post(self._turn, None)

    def _build(self, session: Session) -> Packet | None:
        """As many frames as fit; the last may go on in the next packet."""
        begin, first = self._loaded, -1
        frames: list[tuple[int, Msg]] = []
        left = self._room
        while left:
            if self._rest is None:
                if not self._inside and first < 0:
                    first = self._loaded
                msg = session.pull_msg()
                if msg is None:
                    if first == self._loaded:
                        first = -1
                    break
                self._inside = msg.more
                self._io.kernel.lag_ns += self._io.costs.encode(len(msg.data))
                size = len(msg.data)
                self._rest = self._loaded, msg, size + (2 if size < 255 else 10)
            start, msg, size = self._rest
            taken = min(size, left)
            self._loaded += taken
            left -= taken
            self._rest = None if taken == size else (start, msg, size - taken)
            if taken == size:
                frames.append((start, msg))
        used = self._loaded - begin
        inside = self._inside or self._rest is not None
        return Packet(begin, first, inside, frames, used + _OFFSET_BYTES + self._headers) if used else None

    # -- to the network --------------------------------------------------------------------------

    def _send(self, packet: Packet, now_ns: int) -> None:
        packet.number = self._next
        self._next += 1
        self._kept[packet.number] = packet
        self._kept.pop(self.trail - 1, None)
        reached = list(self._reached())
        self._tell_where(packet, reached)
        for receiver in reached:
            receiver.expect(self, packet, self.trail)
        self._multicast_data(packet, now_ns)
        self._beat, self._beat_due_ns = 1, now_ns + _HEARTBEATS_MS[0] * _MS
        if self._next_poll_ns > self._beat_due_ns:
            self._next_poll_ns = self._beat_due_ns
            self._io.post(self._upstream, None)

    def _tell_where(self, packet: Packet, reached: list[PgmReceiver]) -> None:
        """Whoever else is owed these messages was not there."""
        session = self._session
        if session is not None:
            sockets = [receiver.socket for receiver in reached]
            for _, msg in packet.frames:
                if msg.kind == DATA and not msg.more:
                    session.observer.multicast(msg, sockets)

    def _reached(self) -> Iterator[PgmReceiver]:
        """Loopback reaches this host, its other interface all others: what is sent there does not come back (F219)."""
        for receiver in self._group.receivers:
            if receiver.local == self.local and (receiver.host is self.host) == self.local:
                yield receiver

    def _multicast_data(self, packet: Packet, now_ns: int) -> None:
        trail = self.trail
        for receiver in list(self._reached()):
            copies = self._carry(receiver, packet.size_bytes, now_ns, lambda to: to.data(self, packet, trail))
            receiver.coming(self, packet.number, copies)

    def _carry(self, receiver: PgmReceiver, size_bytes: int, now_ns: int, tell: Callable[[PgmReceiver], None]) -> int:
        """Send something to one of those who listen; how many copies will come."""
        if self.local:
            self._kernel.call_at(now_ns + self._hop_ns, lambda: tell(receiver))
            return 1
        way = self._network.link(self.host.name, receiver.host.name).way(receiver.host)
        return way.carry(now_ns, size_bytes, lambda: tell(receiver))

    # -- calls of the library ----------------------------------------------------------------------

    def _upstream(self, _: Any) -> None:
        """libzmq's in_event: one call of the library, in which timers, one repair and all requests have their turn."""
        if self._session is None:
            return
        now = self._kernel.now_ns + self._kernel.lag_ns
        if now >= self._next_poll_ns:
            self._dispatch(now)
        if self._repairs:
            self._repair(next(iter(self._repairs)), now)
        while self._asked:
            self._confirm(self._asked.popleft())
        now = self._kernel.now_ns + self._kernel.lag_ns
        if self._repairs:
            wait_ns = max(0, self._next_poll_ns - now) // _MS * _MS
            if not wait_ns:
                self._kernel.lag_ns += self._call_cost(0)
            self._set_alarm(now + wait_ns)
        else:  # it has nothing to do before, however often it is called
            idle = not self._beat and all(receiver.up_to_date(self) for receiver in self._reached())
            self._set_alarm(NEVER_NS if idle else self._next_poll_ns)

    def _set_alarm(self, due_ns: int) -> None:
        if self._alarm is not None:
            self._io.timers.cancel(self._alarm)
        self._alarm = self._io.timers.start(due_ns, self._upstream, None) if due_ns < NEVER_NS else None

    def _dispatch(self, now_ns: int) -> None:
        """Say how far the sequence goes (SPM) when it is time, so that the loss of the last packets is noticed."""
        if now_ns >= min(self._beat_due_ns, self._ambient_due_ns):
            lead, trail, size_bytes = self._next - 1, self.trail, request_bytes(1)
            for receiver in list(self._reached()):
                self._carry(receiver, size_bytes, now_ns, lambda to: to.told(self, lead, trail, size_bytes))
        if now_ns >= self._ambient_due_ns:
            self._ambient_due_ns = now_ns + _AMBIENT_NS
        while self._beat and now_ns >= self._beat_due_ns:
            if self._beat > len(_HEARTBEATS_MS):
                self._beat, self._beat_due_ns = 0, NEVER_NS
            else:
                self._beat_due_ns += _HEARTBEATS_MS[self._beat - 1] * _MS
                self._beat += 1
        self._next_poll_ns = min(self._beat_due_ns, self._ambient_due_ns)

    # -- repairs ---------------------------------------------------------------------------------

    def asked(self, numbers: list[int]) -> None:
        """A receiver misses packets (NAK)."""
        if self._session is not None:
            self._asked.append(numbers)
            self._io.post(self._upstream, None)

    def _confirm(self, numbers: list[int]) -> None:
        """To all (NCF), whether it has them or not; those that it has it will repeat."""
        size_bytes = request_bytes(len(numbers))
        self._kernel.lag_ns += self._call_cost(size_bytes)
        now = self._kernel.now_ns + self._kernel.lag_ns
        for receiver in list(self._reached()):
            self._carry(receiver, size_bytes, now, lambda to: to.confirmed(self, numbers, size_bytes))
        self._repairs.update(dict.fromkeys(number for number in numbers if number in self._kept))

    def _repair(self, number: int, now_ns: int) -> None:
        """For all. The window may have moved on meanwhile."""
        del self._repairs[number]
        packet = self._kept.get(number)
        if packet is not None:
            self._kernel.lag_ns += self._write_cost(packet.size_bytes)
            self._multicast_data(packet, now_ns)
            self._beat, self._beat_due_ns = 2, now_ns + _HEARTBEATS_MS[0] * _MS
