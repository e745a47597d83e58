"""The sending half of a tcp connection over a link: send buffer, windows, losses repaired.

Theory of operation. Bytes are offsets in a stream; a packet is a range of them, at most :data:`MSS_BYTES`. A packet
is known to be lost when one sent later has arrived (RACK, RFC 8985: a quarter of the round trip is waited for
reordering, but not once three are known to have arrived), when a probe of the tail shows it, or when the
retransmission timer expires: srtt + 200 ms at least, doubled each time up to 120 s. After about 924 s of
that the kernel gives up (tcp_retries2), after TCP_MAXRT if that was set (F156), after about 102 s for a connection
whose program has closed it (F150). While the link is down the timer does not double: the kernel sees each attempt fail
and tries again after half a second at most.

All as in Linux 6.x. Time is passed in.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

from harness.twin.kernel import NEVER_NS
from harness.twin.transport.tcp_buffer import SendBuffer
from harness.twin.transport.tcp_cubic import Cubic
from harness.twin.transport.tcp_doubt import Doubt
from harness.twin.transport.tcp_flight import Flight, Sent
from harness.twin.transport.tcp_timer import due_ns

MSS_BYTES: Final = 1448
"""An Ethernet frame of 1514 less the headers of Ethernet, IP and tcp with time stamps."""

_MS: Final = 1_000_000
_ONE_LEFT_NS: Final = 200 * _MS
_RTO_MAX_NS: Final = 120_000 * _MS
_LOCAL_RETRY_NS: Final = 500 * _MS
_LEAST_NS: Final = 2 * _MS
_GIVE_UP_NS: Final = 924_600 * _MS
_ORPHAN_GIVE_UP_NS: Final = 102_200 * _MS
_OPEN, _RECOVERY, _LOSS = range(3)
_RTO, _TAIL, _REORDER, _WINDOW = range(4)


class Sender:
    """One direction, at the end that sends.

    Args:
        emit: hands a packet to the link; False when the host knows that the link is down.
        sndbuf_bytes: in force, -1 when the kernel is to size it.
        overhead_bytes: charged for each piece of the send queue besides its bytes.
        user_timeout_ns: TCP_MAXRT, 0 for none.

    Attributes:
        total, sent, acked: bytes taken from the program, sent for the first time, known to have arrived.
        finished: the program has closed; the end takes the last place in the stream, as tcp counts it.
        short: the program was refused, or told that it cannot write.
        failed: the errno of a connection that the kernel has given up, else 0.
    """

    __slots__ = (
        "_backoff",
        "_buffer",
        "_cubic",
        "_doubt",
        "_edge",
        "_emit",
        "_flight",
        "_in_use",
        "_last_ns",
        "_orphan",
        "_probed",
        "_recovered_at",
        "_repeated_ns",
        "_state",
        "_timer",
        "_user_timeout_ns",
        "_window",
        "acked",
        "failed",
        "finished",
        "sent",
        "short",
        "timer_ns",
        "total",
    )

    def __init__(
        self,
        emit: Callable[[int, int, int], bool],
        sndbuf_bytes: int,
        *,
        overhead_bytes: int,
        user_timeout_ns: int,
    ) -> None:
        self._emit = emit
        self._buffer = SendBuffer(sndbuf_bytes, overhead_bytes)
        self._user_timeout_ns = user_timeout_ns
        self.total = self.sent = self.acked = 0
        self.finished = self._orphan = False
        self.failed = 0
        self._edge = self._window = 0
        self._flight = Flight()
        self._cubic = Cubic()
        self._doubt = Doubt()
        self._in_use = self.short = False
        self._state = _OPEN
        self._recovered_at = 0
        self._backoff = 0
        self._repeated_ns = -1
        self._probed = False
        self._last_ns = 0
        self._timer = _RTO
        self.timer_ns = NEVER_NS

    # -- the program's side ----------------------------------------------------------------------

    def write(self, size_bytes: int, now_ns: int) -> int:
        """send(2), not blocking: the number of bytes taken; 0 is EAGAIN."""
        taken = self._buffer.take(size_bytes, self.total, self.sent)
        self.total += taken
        if taken < size_bytes:
            self.short = True
        if taken:
            self._age(now_ns)
            self.push(now_ns)
        return taken

    def start(self, edge: int, rtt_ns: int) -> None:
        """The handshake says how much the peer takes at first, and how far away it is."""
        self._edge = self._window = edge
        self._flight.start(rtt_ns)

    @property
    def writable(self) -> bool:
        """What poll says: at least a third of the buffer is free (a write may succeed before)."""
        return self._buffer.is_writable

    def finish(self, now_ns: int) -> None:
        """The program closes: its end follows the last byte; the kernel goes on alone, not for ever."""
        if not self.finished:
            self.finished = self._orphan = True
            self.total += 1
            self.push(now_ns)

    def _age(self, now_ns: int) -> None:
        if not self._flight.packets and self._last_ns and now_ns - self._last_ns > self.rto_ns:
            self._cubic.idle((now_ns - self._last_ns) // self.rto_ns)

    # -- sending ---------------------------------------------------------------------------------

    def push(self, now_ns: int) -> None:
        """Send what the windows allow: first what was lost, then what is new."""
        window = self._cubic.window
        fresh = False
        flight = self._flight
        while flight.pipe < window:
            if flight.lost:
                packet = flight.lost.popleft()
                if packet.lost and not self._repeat(packet, now_ns):
                    flight.lost.appendleft(packet)
                    return
                continue
            size = self._next_size()
            if not size:
                break
            if not self._send_new(size, now_ns):
                if not flight.packets:
                    self._set(_WINDOW, now_ns, min(self._backed_off(), _LOCAL_RETRY_NS))
                return
            fresh = True
        self._in_use = flight.pipe >= window or (window < self._cubic.ssthresh and 2 * flight.pipe > window)
        if fresh:
            self._probed = False
            self._arm(now_ns)
        elif self.timer_ns == NEVER_NS and self.sent < self.total:
            self._arm(now_ns)

    def _send_new(self, size: int, now_ns: int) -> bool:
        """Send the next packet; when the link is down it stays where it is, and False is given."""
        start = self.sent
        if not self._emit(start, start + size, now_ns):
            return False
        self.sent = start + size
        self._flight.add(Sent(start, start + size, now_ns))
        self._cubic.sent()
        self._last_ns = now_ns
        return True

    def _next_size(self) -> int:
        """Of the next new packet; 0 when the window is too small or nothing is left."""
        size = min(MSS_BYTES, self.total - self.sent)
        room = self._edge - self.sent
        if size <= room:
            return size
        # A part only when the window will never be much larger than that.
        return room if room > 0 and 2 * room >= self._window else 0

    def _repeat(self, packet: Sent, now_ns: int) -> bool:
        """Send a packet once more; False when the link is down."""
        if not self._emit(packet.start, packet.end, now_ns):
            return False
        self._flight.repeated(packet, now_ns)
        self._doubt.repeated(now_ns)
        self._cubic.sent()
        self._last_ns = now_ns
        if self._repeated_ns < 0:
            self._repeated_ns = now_ns
        return True

    # -- what comes back -------------------------------------------------------------------------

    def came_twice(self, now_ns: int) -> None:
        """The peer has had something twice."""
        self._doubt.came_twice(self._flight, now_ns)

    def acknowledged(
        self, acked: int, edge: int, beyond: tuple[tuple[int, int], ...], now_ns: int, echo_ns: int
    ) -> None:
        """The peer has all before ``acked`` and the ranges ``beyond``, and takes all before ``edge``.

        That answers a packet which was sent at ``echo_ns``.
        """
        if edge > self._edge:
            self._edge = edge
            self._window = max(self._window, edge - acked)
        advanced = acked > self.acked
        came = self._advance(acked, now_ns) if advanced else 0
        if beyond:
            came += self._flight.mark(beyond, now_ns)
        if advanced and self._state == _RECOVERY and self._doubt.was_needless(echo_ns, self._flight):
            self._flight.none_is_lost()
            self._cubic.take_back()
            self._state = _OPEN
        elif self._state != _OPEN and acked >= self._recovered_at:
            self._end_recovery()
        if self._flight.arrived or self._state == _LOSS:
            self._find_lost(now_ns)
        if self._state == _RECOVERY:
            self._cubic.recover(came, self._flight.pipe)
        elif came and self._in_use:
            self._cubic.acknowledged(came, now_ns, self._flight.least_ns)
        if advanced or came:
            self._arm(now_ns, anew=advanced)
        elif self._timer == _WINDOW:
            self._window_answered()
        self.push(now_ns)
        if self.short:
            self._grow_buffer()

    def _advance(self, acked: int, now_ns: int) -> int:
        """More is acknowledged: how many packets that is news of."""
        self.acked = acked
        self._buffer.free(acked)
        self._backoff = 0
        self._probed = False
        self._repeated_ns = -1
        return self._flight.drop(acked, now_ns)

    def _end_recovery(self) -> None:
        if self._state == _RECOVERY:
            self._cubic.end_recovery()
        self._state = _OPEN
        if any(packet.lost for packet in self._flight.lost):
            self._begin_recovery()

    def _window_answered(self) -> None:
        if not self._user_timeout_ns:
            self._repeated_ns = -1  # the peer is there: though its window stays closed, nobody gives up
        if self.sent < self._edge:
            self.timer_ns, self._backoff, self._repeated_ns = NEVER_NS, 0, -1

    def _find_lost(self, now_ns: int) -> None:
        found, again_ns = self._flight.find_lost(now_ns, patient=self._state == _OPEN)
        if again_ns != NEVER_NS:
            self._set(_REORDER, now_ns, again_ns - now_ns + _LEAST_NS)
        if found and self._state == _OPEN:
            self._begin_recovery()

    def _begin_recovery(self) -> None:
        self._state = _RECOVERY
        self._recovered_at = self.sent
        self._doubt.begin(self._flight)
        self._cubic.begin_recovery()

    def _grow_buffer(self) -> None:
        """Only for a program that was refused, and when it is the buffer that holds the connection back."""
        if self._flight.pipe < self._cubic.window:
            self._buffer.grow(self._cubic.window)
        self.short = not self.writable

    # -- timers ----------------------------------------------------------------------------------

    @property
    def rto_ns(self) -> int:
        """The retransmission timeout, without its doubling."""
        return min(self._flight.rto_ns, _RTO_MAX_NS)

    def _arm(self, now_ns: int, *, anew: bool = False) -> None:
        """Set the timer that is wanted now; ``anew``: something was acknowledged, so the timeout starts again."""
        if not self._flight.packets:
            self.timer_ns = NEVER_NS
            if self.sent < self.total:  # the peer's window is closed
                self._set(_WINDOW, now_ns, self._backed_off())
            return
        if self._timer == _REORDER and now_ns < self.timer_ns < NEVER_NS:
            return
        rto = self._backed_off()
        timer, wait = _RTO, rto if anew else self._flight.oldest.ns + rto - now_ns
        if self._state == _OPEN and not (self._probed or self._flight.arrived):
            slack = _ONE_LEFT_NS if len(self._flight.packets) == 1 else _LEAST_NS
            if 2 * self._flight.srtt_ns + slack < wait:
                timer, wait = _TAIL, 2 * self._flight.srtt_ns + slack
        self._set(timer, now_ns, wait)

    def _set(self, timer: int, now_ns: int, wait_ns: int) -> None:
        """A timer; not behind the end of TCP_MAXRT, when the clock is looked at, too."""
        if self._user_timeout_ns and self._repeated_ns >= 0:
            wait_ns = min(wait_ns, self._repeated_ns + self._user_timeout_ns - now_ns)
        self._timer, self.timer_ns = timer, due_ns(now_ns, max(wait_ns, _LEAST_NS))

    def _backed_off(self) -> int:
        return min(self.rto_ns << min(self._backoff, 20), _RTO_MAX_NS)

    def on_timer(self, now_ns: int) -> None:
        """The timer is due."""
        timer, self.timer_ns = self._timer, NEVER_NS
        if timer == _REORDER:
            self._timer = _RTO
            self._find_lost(now_ns)
            self._arm(now_ns)
            self.push(now_ns)
        elif timer == _TAIL:
            self._probe_tail(now_ns)
        elif timer == _WINDOW:
            self._probe_window(now_ns)
        else:
            self._time_out(now_ns)

    def _probe_tail(self, now_ns: int) -> None:
        self._probed = True
        size = self._next_size()
        if not (size and self._send_new(size, now_ns)):
            self._repeat(self._flight.packets[-1], now_ns)
        self._arm(now_ns, anew=True)

    def _probe_window(self, now_ns: int) -> None:
        """Ask for the window: whatever is not new is answered at once."""
        if self._repeated_ns < 0:
            self._repeated_ns = now_ns
        if self._gives_up(now_ns):
            return
        room = min(self._edge - self.sent, MSS_BYTES, self.total - self.sent)
        sent = self._send_new(room, now_ns) if room > 0 else self._emit(self.sent, self.sent, now_ns)
        self._backoff += sent
        if sent:
            self._arm(now_ns)
        else:
            self._set(_WINDOW, now_ns, min(self._backed_off(), _LOCAL_RETRY_NS))

    def _time_out(self, now_ns: int) -> None:
        """Nothing came back in time: all is taken for lost."""
        if self._repeated_ns >= 0 and self._gives_up(now_ns):
            return
        self._cubic.timed_out(again=self._state == _LOSS)
        self._state = _LOSS
        self._recovered_at = self.sent
        self._flight.give_up_all()
        first = self._flight.lost.popleft()
        if self._repeat(first, now_ns):
            self._backoff += 1
            self._arm(now_ns)
        else:
            self._flight.lost.appendleft(first)
            if self._repeated_ns < 0:
                self._repeated_ns = now_ns
            self._set(_RTO, now_ns, min(self._backed_off(), _LOCAL_RETRY_NS))

    def _gives_up(self, now_ns: int) -> bool:
        limit = self._user_timeout_ns or (_ORPHAN_GIVE_UP_NS if self._orphan else _GIVE_UP_NS)
        if now_ns - self._repeated_ns < limit:
            return False
        self.failed = errno.ETIMEDOUT
        return True

    def stop(self) -> None:
        """The connection is no more."""
        self.timer_ns = NEVER_NS
        self._buffer.clear()
