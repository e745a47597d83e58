"""The sending side of pgm: packs, keeps to the rate, repeats what receivers miss (F215, F216)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from harness.twin.msg import DATA, Msg
from harness.twin.transport.pgm_packet import Bucket, Packet, report, window_packets

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.twin.context import Context
    from harness.twin.io_thread import IoThread
    from harness.twin.network import Group
    from harness.twin.session import Session
    from harness.twin.socket_options import Options
    from harness.twin.transport.pgm_receiver import PgmReceiver

_MS: Final = 1_000_000
_HEADERS: Final = {True: 20 + 8 + 16 + 8, False: 20 + 16 + 8}
"""IP, UDP if encapsulated, PGM, data."""
_OFFSET_BYTES: Final = 2
_SPM_BYTES: Final = 20 + 8 + 16 + 20
_HEARTBEATS_MS: Final = 100, 100, 100, 100, 1300, 7000, 16000, 25000, 30000
_REPAIR_LATE_NS: Final = 85 * _MS


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
        self._beat = 0
        self._beat_due_ns = 0
        self._beating = False
        self._repairing: dict[int, None] = {}
        self._chance = context.network.chance(f"pgm/{context.host.name}/{context.network.next_number()}")

    # -- the engine's part -----------------------------------------------------------------------

    def plug(self, session: Session) -> None:
        """Start: there is nothing to agree upon with anybody."""
        self._session = session
        self._io.load += 1
        self.restart_output()

    def close(self) -> None:
        """What waits for the rate is lost, and nothing is repeated any more."""
        session, self._session = self._session, None
        if session is None:
            return
        self._io.load -= 1
        for msg in self._unsent():
            report(session, "disconnect_wire", msg, None)
        self._packet = self._rest = None
        self._kept.clear()

    def crash(self) -> None:
        """The process has died."""
        self.close()

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
        return Packet(first, frames, used + _OFFSET_BYTES + self._headers) if used else None

    # -- to the network --------------------------------------------------------------------------

    def _send(self, packet: Packet, now_ns: int) -> None:
        packet.number = self._next
        self._next += 1
        self._kept[packet.number] = packet
        packet.trail = max(0, self._next - self._window)
        self._kept.pop(packet.trail - 1, None)
        for receiver in self._reached():
            receiver.expect(self, packet)
        self._multicast(packet.size_bytes, now_ns, lambda receiver: receiver.data(self, packet, packet.trail))
        self._beat, self._beat_due_ns = 0, now_ns + _HEARTBEATS_MS[0] * _MS
        if not self._beating:
            self._beating = True
            self._kernel.call_at(self._beat_due_ns, self._heartbeat)

    def _reached(self) -> Iterator[PgmReceiver]:
        """Loopback reaches this host, its other interface all others: what is sent there does not come back (F219)."""
        for receiver in self._group.receivers:
            if receiver.local == self.local and (receiver.host is self.host) == self.local:
                yield receiver

    def _multicast(self, size_bytes: int, now_ns: int, tell: Callable[[PgmReceiver], None]) -> None:
        for receiver in list(self._reached()):
            if self.local:
                self._kernel.call_at(now_ns + self._hop_ns, lambda receiver=receiver: tell(receiver))  # type: ignore[misc]
            else:
                way = self._network.link(self.host.name, receiver.host.name).way(receiver.host)
                way.carry(now_ns, size_bytes, lambda receiver=receiver: tell(receiver))  # type: ignore[misc]

    def _heartbeat(self) -> None:
        """Say how far the sequence goes (SPM), so that the loss of the last packets is noticed."""
        now = self._kernel.now_ns
        if now < self._beat_due_ns:
            self._kernel.call_at(self._beat_due_ns, self._heartbeat)
            return
        known = all(receiver.knows(self, self._next - 1) for receiver in self._reached())
        if known or self._session is None or self._beat == len(_HEARTBEATS_MS):
            self._beating = False
            return
        lead, trail = self._next - 1, max(0, self._next - self._window)
        self._multicast(_SPM_BYTES, now, lambda receiver: receiver.told(self, lead, trail))
        self._beat += 1
        self._beat_due_ns = now + _HEARTBEATS_MS[min(self._beat, len(_HEARTBEATS_MS) - 1)] * _MS
        self._kernel.call_at(self._beat_due_ns, self._heartbeat)

    # -- repairs ---------------------------------------------------------------------------------

    def asked(self, number: int) -> None:
        """A receiver misses a packet (NAK): confirm to all, then repeat it for all, if it is still kept."""
        if number not in self._kept or self._session is None or number in self._repairing:
            return
        now = self._kernel.now_ns
        self._repairing[number] = None
        self._multicast(_SPM_BYTES, now, lambda receiver: receiver.confirmed(self, number))
        # On Debian's library repairs took so much longer than the back-off of the request explains.
        self._kernel.call_at(now + int(self._chance() * _REPAIR_LATE_NS), lambda: self._repair(number))

    def _repair(self, number: int) -> None:
        del self._repairing[number]
        packet = self._kept.get(number)
        if packet is None or self._session is None:
            return
        trail = max(0, self._next - self._window)
        self._multicast(packet.size_bytes, self._kernel.now_ns, lambda receiver: receiver.data(self, packet, trail))
