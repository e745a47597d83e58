"""A tcp connection between two hosts: the kernels' halves, and the two flows that the engines see.

Each end has a sender and a receiver; packets carry data one way and acknowledgements the other, through the
link, which may delay, lose or refuse them. What a program does with its end (close, be killed) and what the
network does to it (RST, silence) are told apart as Linux does: a close is followed by the end of the stream behind all
that was written, and the kernel goes on alone (F150); a close with unread data, and data for an end that is closed, are
answered with RST (F170).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.twin.flow import Flow
from harness.twin.kernel import NEVER_NS, Kernel
from harness.twin.transport.tcp_receiver import Receiver
from harness.twin.transport.tcp_sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.twin.costs import Costs
    from harness.twin.link import Link, Way
    from harness.twin.network import Host
    from harness.twin.socket_options import Options

HEADER_BYTES: Final = 66
"""Of Ethernet, IP and tcp with time stamps."""

_DELAYED_ACK_NS: Final = 40_000_000
_SECOND_NS: Final = 1_000_000_000
_KEEPALIVE: Final = 7200, 75, 9


class Packet:
    """What one end's kernel sends to the other's."""

    __slots__ = ("acked", "asks", "beyond", "echo_ns", "edge", "end", "fin", "repeated", "rst", "sent_ns", "start")

    def __init__(self, start: int, end: int, *, fin: bool = False, rst: bool = False, asks: bool = False) -> None:
        self.start, self.end, self.fin, self.rst, self.asks = start, end, fin, rst, asks
        self.acked = self.edge = self.sent_ns = self.echo_ns = 0
        self.repeated = False
        self.beyond: tuple[tuple[int, int], ...] = ()


class TcpEnd:
    """One end of a connection, in its host's kernel.

    Attributes:
        gone: the kernel knows nothing of the connection any more.
        broken: it ended by an error, which the engine sees behind the bytes that have come.
        on_established: called when a packet of the connecting end has come, until it says True.
    """

    def __init__(self, kernel: Kernel, connection: RemoteConnection, way: Way, options: Options, costs: Costs) -> None:
        self._kernel = kernel
        self._connection = connection
        self._way = way
        self.peer: TcpEnd = self  # set by the connection
        self.incoming: RemoteFlow | None = None
        self.outgoing: RemoteFlow | None = None
        self.on_established: Callable[[], bool] | None = None
        sndbuf, rcvbuf = costs.tcp_buffers(options.sndbuf, options.rcvbuf)
        self._maxrt_ns = options.tcp_maxrt * 1_000_000
        self.receiver = Receiver(rcvbuf, options.rcvbuf < 0)
        self.sender = Sender(
            self._emit,
            -1 if options.sndbuf < 0 else sndbuf,
            overhead_bytes=costs.profile.tcp_skb_overhead_bytes,
            user_timeout_ns=self._maxrt_ns,
        )
        self._ack_due_ns = NEVER_NS
        self._heard_ns = kernel.now_ns
        self._scheduled_ns = NEVER_NS
        self._keepalive = _keepalive_of(options)
        self._unanswered = 0
        self._closed = False
        self.gone = self.broken = False

    def start(self, rtt_ns: int) -> None:
        """The handshake is done at this end, and has taken that long."""
        self._heard_ns = self._kernel.now_ns
        self.sender.start(self.peer.receiver.promised, rtt_ns)
        self.receiver.start(rtt_ns)
        self._watch()

    @property
    def host(self) -> Host:
        """Where this end is."""
        return self.peer._way.target

    def _now(self) -> int:
        return self._kernel.now_ns + self._kernel.lag_ns

    # -- the engine's side -----------------------------------------------------------------------

    def write(self, size_bytes: int, now_ns: int) -> int:
        """Bytes taken; -1 after the connection has ended by an error (F142)."""
        if self.gone:
            return -1 if self.broken else size_bytes
        if self._ack_due_ns != NEVER_NS:
            self.receiver.interactive = True
        taken = self.sender.write(size_bytes, now_ns)
        self._watch()
        return taken

    def read(self, limit_bytes: int, now_ns: int) -> int:
        """Bytes read."""
        size, tell = self.receiver.read(limit_bytes, now_ns)
        if tell and not self.gone:
            self.acknowledge(now_ns)
        return size

    def close(self) -> None:
        """The program has closed its end."""
        if self._closed:
            return
        self._closed = True
        if self.gone:
            return
        if self.receiver.readable_bytes:
            self.abort()
        else:
            self.sender.finish(self._now())
            self._watch()
            self._check_over()

    def abort(self) -> None:
        """The connection is no more; the peer is told by RST."""
        self._send(Packet(0, 0, rst=True), self._now())
        self._forget()

    def _forget(self) -> None:
        self.gone = True
        self.sender.stop()
        self._ack_due_ns = NEVER_NS
        self._connection.over()

    def fail(self) -> None:
        """The connection ends by an error: RST, or the kernel has given up."""
        if self.gone:
            return
        self.broken = True
        self._forget()
        self.incoming_news()

    def end_of_stream(self) -> None:
        """What has come is all that comes, although the peer has not closed."""
        if self.receiver.fin_at < 0:
            self.receiver.fin_at = self.receiver.next
            self.receiver.next += 1
            self.incoming_news()

    def incoming_news(self) -> None:
        """Tell the engine that there is something to read."""
        if self.incoming is not None:
            self.incoming.announce()

    # -- packets ---------------------------------------------------------------------------------

    def _emit(self, start: int, end: int, now_ns: int) -> bool:
        fin = self.sender.finished and end == self.sender.total and end > start
        return self._send(Packet(start, end, fin=fin, asks=start == end), now_ns)

    def _send(self, packet: Packet, now_ns: int) -> bool:
        if self._way.down:
            return False
        receiver = self.receiver
        packet.sent_ns, packet.echo_ns = now_ns, receiver.echo_ns
        packet.acked, packet.repeated = receiver.next, receiver.repeated
        packet.edge = receiver.acknowledging()
        if receiver.beyond:
            packet.beyond = tuple(receiver.beyond)
        self._ack_due_ns = NEVER_NS
        peer = self.peer
        size = HEADER_BYTES + packet.end - packet.start - packet.fin
        self._way.carry(now_ns, size, lambda: peer.arrive(packet))
        return True

    def acknowledge(self, now_ns: int) -> None:
        """Tell the peer what has come and how much more may."""
        self._send(Packet(self.sender.sent, self.sender.sent), now_ns)

    def arrive(self, packet: Packet) -> None:
        """A packet has come."""
        if packet.rst:
            self.fail()
            return
        if self.gone or (self._closed and packet.end - packet.fin > packet.start):
            # Nobody is here, or nobody who would read it.
            if not self.gone:
                self._forget()
            self._send(Packet(0, 0, rst=True), self._now())
            return
        if self.on_established is not None:
            if not self.on_established():
                return
            self.on_established = None
        now = self._kernel.now_ns
        self._heard_ns, self._unanswered = now, 0
        self._acknowledged(packet, now)
        receiver = self.receiver
        if packet.end > packet.start:
            before = receiver.next
            if receiver.arrive(packet.start, packet.end, packet.fin, now, packet.sent_ns):
                self.acknowledge(now)
            elif self._ack_due_ns == NEVER_NS:
                self._ack_due_ns = now + _DELAYED_ACK_NS
            if receiver.next > before:
                self.incoming_news()
        elif packet.asks:
            self.acknowledge(now)
        self._check_over()
        self._watch()
        if self.outgoing is not None:
            self.outgoing.wake_sender()

    def _acknowledged(self, packet: Packet, now_ns: int) -> None:
        if packet.repeated:
            self.sender.came_twice(now_ns)
        self.sender.acknowledged(packet.acked, packet.edge, packet.beyond, now_ns, packet.echo_ns)

    def _check_over(self) -> None:
        """Both have closed, and both know."""
        sender = self.sender
        receiver = self.receiver
        if sender.finished and sender.acked == sender.total and 0 <= receiver.fin_at < receiver.next:
            self._forget()

    # -- timers ----------------------------------------------------------------------------------

    def _watch(self) -> None:
        due = min(self.sender.timer_ns, self._ack_due_ns)
        if self._keepalive is not None and not self.gone:
            due = min(due, self._keepalive_ns(self._keepalive))
        if due < self._scheduled_ns:
            self._scheduled_ns = due
            self._kernel.call_at(max(due, self._kernel.now_ns), self._tick)

    def _tick(self) -> None:
        now = self._kernel.now_ns
        if now < self._scheduled_ns:
            return  # an earlier one has taken its place
        self._scheduled_ns = NEVER_NS
        if self.gone:
            return
        if self._ack_due_ns <= now:
            self.receiver.interactive = False
            self._ack_due_ns = NEVER_NS
            self.acknowledge(now)
        if self.sender.timer_ns <= now:
            self.sender.on_timer(now)
            if self.sender.failed:
                self.fail()
                return
        if self._keepalive is not None and self._keepalive_ns(self._keepalive) <= now:
            self._probe_life(self._keepalive, now)
        self._watch()

    def _keepalive_ns(self, keepalive: tuple[int, int, int]) -> int:
        idle, interval, _ = keepalive
        return self._heard_ns + idle + self._unanswered * interval

    def _probe_life(self, keepalive: tuple[int, int, int], now_ns: int) -> None:
        """Nothing was heard for long: ask, and give up when nobody answers (F155)."""
        sender = self.sender
        if sender.acked < sender.total:
            self._heard_ns = now_ns  # the retransmission timer finds out
            return
        late = self._maxrt_ns and self._unanswered and now_ns - self._heard_ns >= self._maxrt_ns
        if self._unanswered >= keepalive[2] or late:
            self._send(Packet(0, 0, rst=True), now_ns)
            self.fail()
            return
        self._unanswered += 1
        self._send(Packet(sender.sent, sender.sent, asks=True), now_ns)


class RemoteFlow(Flow):
    """One direction as the engines at its two ends see it."""

    __slots__ = ("_from", "_to")

    def __init__(self, kernel: Kernel, origin: TcpEnd, target: TcpEnd) -> None:
        super().__init__(kernel)
        self._from = origin
        self._to = target
        origin.outgoing = self
        target.incoming = self

    def write(self, size: int) -> int:
        """Bytes that are accepted now; 0 is "would block"."""
        return self._from.write(size, self._kernel.now_ns + self._kernel.lag_ns)

    def close(self) -> None:
        """The sender has closed."""
        self._from.close()

    def cut(self) -> int:
        """Up to where the receiver's kernel has it; the kernels see to the rest."""
        return self.read_offset + self._to.receiver.readable_bytes

    def announce(self) -> None:
        """Something has come to the receiver's kernel."""
        self._written_ns = self._kernel.now_ns
        self.hung_up = self._to.broken
        self._announce()

    def wake_sender(self) -> None:
        """Perhaps the sender's kernel has room again."""
        self._wake_sender()

    def _take(self, limit: int, now_ns: int) -> int:
        return self._to.read(limit, now_ns)

    def readable_ns(self) -> int:
        """When what is there came; -1 when nothing is."""
        end = self._to
        return self._written_ns if end.receiver.readable_bytes or end.receiver.at_end or end.broken else -1

    def at_end(self) -> bool:
        """Whether everything was read and the connection has ended, in whatever way."""
        end = self._to
        return not end.receiver.readable_bytes and (end.receiver.at_end or end.broken)

    def writable(self) -> bool:
        """At least a third of the send buffer is free, or the connection is no more."""
        end = self._from
        if end.gone or end.sender.writable:
            return True
        end.sender.short = True
        return False


class RemoteConnection:
    """Both ends of a connection over a link.

    Args:
        options: of the connecting and of the accepting socket, as they were at connect and at bind (F23, F207).
    """

    def __init__(
        self, kernel: Kernel, link: Link, ways: tuple[Way, Way], options: tuple[Options, Options], costs: Costs
    ) -> None:
        self._link = link
        self.near, self.far = (TcpEnd(kernel, self, way, its, costs) for way, its in zip(ways, options, strict=True))
        self.near.peer, self.far.peer = self.far, self.near
        self.there = RemoteFlow(kernel, self.near, self.far)
        self.back = RemoteFlow(kernel, self.far, self.near)
        link.connections[self] = None

    def over(self) -> None:
        """An end has gone; when both have, the link need not know of them."""
        if self.near.gone and self.far.gone:
            self._link.connections.pop(self, None)

    def reset(self) -> None:
        """Both ends get an RST."""
        self.near.fail()
        self.far.fail()

    def half_close(self, towards: Host) -> None:
        """The end there sees the other one close."""
        for end in (self.near, self.far):
            if end.host is towards:
                end.end_of_stream()


def _keepalive_of(options: Options) -> tuple[int, int, int] | None:
    """Idle time, interval (ns) and count of keepalive probes; None when they are off, as by default (F155)."""
    if options.tcp_keepalive != 1:
        return None
    asked = options.tcp_keepalive_idle, options.tcp_keepalive_intvl, options.tcp_keepalive_cnt
    idle, interval, count = (given if given > 0 else default for given, default in zip(asked, _KEEPALIVE, strict=True))
    return idle * _SECOND_NS, interval * _SECOND_NS, count
