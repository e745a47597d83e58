"""One direction of a Linux tcp loopback connection: what its kernel buffers accept, hold and give back.

Theory of operation. The sender's queue is made of segments, each charged its bytes and an overhead. A new segment is
begun only while the charge is below SO_SNDBUF; one not yet sent takes further bytes up to a goal, half the largest
window that the peer has offered. Charges end with the acknowledgement. What is sent is at once in the receiver's queue,
charged in the same way to SO_RCVBUF; it joins the queue's last segment (at most ``max_frags``, one overhead) unless the
sender still holds that one unacknowledged. A charge ends when the segment's last byte is read. The window is the free
charge times the share of payload in the last large segment, and its right edge never moves back. Acknowledgements come
at once for a few segments after the start, with reading that empties the queue or doubles the window, and else late.

All rules are those of Linux 6.x; the accounting was confirmed by SO_MEMINFO (F21, F206). Time is passed in.
"""

from __future__ import annotations

from collections import deque

from harness.twin.transport.tcp_segment import MSS_BYTES, NEVER_NS, PATH_FIELDS, Segment

_START_WINDOW_BYTES = 65536
_MAX_BUFFER_BYTES = 33_554_432
_DUE, _PUSHED, _PUSHED_TWICE = 1, 2, 4
_ATO_NS, _IDLE_NS, _TAIL_PROBE_NS = 40_000_000, 200_000_000, 11_000_000
_MERGED_GOALS = 9  # chosen from traces of waiting queues, as the next one is; see docs/model.md
_CONGESTION_WINDOW = 10, 18


class TcpPath:
    """The kernel's queues between one sender and one receiver.

    Args:
        sndbuf_bytes, rcvbuf_bytes: in force, that is twice what was asked for (at least 4608 and 2304).
        overhead_bytes, max_frags, delayed_ack_ns, probe_ns: see ``Profile``.
        grows: whether the receiver's buffer was left to the kernel, so that it may grow.
    """

    __slots__ = PATH_FIELDS

    def __init__(
        self,
        sndbuf_bytes: int,
        rcvbuf_bytes: int,
        *,
        overhead_bytes: int = 832,
        max_frags: int = 17,
        delayed_ack_ns: int = 42_000_000,
        probe_ns: int = 204_000_000,
        grows: bool = False,
    ) -> None:
        self._sndbuf, self._rcvbuf, self._grows = sndbuf_bytes, rcvbuf_bytes, grows
        self._overhead, self._max_frags = overhead_bytes, max_frags
        self._delayed_ack_ns, self._probe_after_ns = delayed_ack_ns, probe_ns
        self._now, self._pushing = 0, False
        self._alone_bytes = 0  # one write that found everything empty and is not accounted yet
        self._quiet = False  # all queues are empty, and the estimates have settled
        self._warm = 64  # so many writes are accounted in full, until the estimates have settled
        self._ratio = 128  # of 256: payload in what is charged
        self._clamp = self._window_of(rcvbuf_bytes)
        self._window = min(self._clamp, _START_WINDOW_BYTES)
        self._scale = 10 if grows else max(0, (rcvbuf_bytes >> 1).bit_length() - 16)
        self._received: deque[Segment] = deque()
        self._rmem = self._rcv_next = self._rcv_acked = 0
        self._segment_estimate, self._last_small = 536, 0
        self._quick = self._ato = self._last_arrival = self._ack_state = 0
        self._interactive = True  # as after the ZMTP handshake
        self._unsent: deque[Segment] = deque()
        self._unacked: deque[Segment] = deque()
        self._wmem = self._acked = self._snd_next = self._probes = 0
        self._ssthresh = self._window_end = self._window_max = self._window
        self._congestion_window = _CONGESTION_WINDOW[0]
        self._light_limit_bytes = min(sndbuf_bytes, self._window) >> 1
        self._ack_at = self._probe_at = self._tail_probe_at = NEVER_NS

    @property
    def next_timer_ns(self) -> int:
        """When something happens by itself; call :meth:`advance` then. It may move with every call."""
        return min(self._ack_at, self._probe_at, self._tail_probe_at)

    @property
    def readable(self) -> bool:
        """Whether the receiver can read."""
        return self._alone_bytes > 0 or (not self._quiet and bool(self._received))

    @property
    def has_unsent(self) -> bool:
        """Whether the sender's kernel holds bytes that it may not send yet."""
        return not self._quiet and bool(self._unsent)

    @property
    def writable(self) -> bool:
        """What poll says: at least a third of the buffer is free (a write may succeed before)."""
        return self._sndbuf - self._wmem >= self._wmem >> 1

    def write(self, size_bytes: int, now_ns: int) -> int:
        """send(2), not blocking: the number of bytes taken; 0 is EAGAIN."""
        if self._quiet:
            if not self._alone_bytes and size_bytes <= self._light_limit_bytes:
                self._alone_bytes = size_bytes
                return size_bytes
            self._quiet = False
            if self._alone_bytes:
                alone, self._alone_bytes = self._alone_bytes, 0
                self._write(alone, now_ns)
        self._warm -= 1
        return self._write(size_bytes, now_ns)

    def _write(self, size_bytes: int, now_ns: int) -> int:
        self.advance(now_ns)
        left, goal = size_bytes, self._goal()
        while left:
            if self._unsent and self._unsent[-1].left < goal:
                segment = self._unsent[-1]
                taken = min(left, goal - segment.left)
                segment.left += taken
                segment.charge += taken
                self._wmem += taken
            else:
                if self._wmem >= self._sndbuf:
                    break
                taken = min(left, goal)
                segment = self._new(taken)
                self._unsent.append(segment)
            left -= taken
            if segment.left >= goal or left == 0:
                self._push()
        return size_bytes - left

    def read(self, size_bytes: int, now_ns: int) -> int:
        """recv(2), not blocking: the number of bytes read; 0 is EAGAIN."""
        if alone := self._alone_bytes:
            self._alone_bytes = 0
            if alone <= size_bytes:
                return alone
            self._quiet = False
            self._write(alone, now_ns)
        self.advance(now_ns)
        left = size_bytes
        while left and self._received:
            segment = self._received[0]
            taken = min(left, segment.left)
            segment.left -= taken
            left -= taken
            if not segment.left:
                self._rmem -= segment.charge
                self._received.popleft()
        if left < size_bytes and self._must_acknowledge_reading():
            self._acknowledge()
        self._quiet = self._warm <= 0 and not (self._received or self._unacked or self._unsent)
        return size_bytes - left

    def cut(self) -> int:
        """Nothing more gets through. The bytes that the receiver has and did not read."""
        self._unsent.clear()
        return self._alone_bytes + sum(segment.left for segment in self._received)

    def advance(self, now_ns: int) -> None:
        """Let the timers up to now run."""
        while (due := self.next_timer_ns) <= now_ns:
            self._now = due
            if self._tail_probe_at == due:
                # The sender repeats its last segment; the receiver answers a repetition at once.
                self._tail_probe_at = NEVER_NS
                if self._unacked:
                    self._quick, self._interactive = 16, False
                    self._acknowledge()
            elif self._ack_at == due:
                self._ato = _ATO_NS if self._interactive else min(self._ato << 1, _IDLE_NS)
                self._interactive = False
                self._acknowledge()
            else:
                self._probe()
        self._now = now_ns

    def _goal(self) -> int:
        return min(MSS_BYTES, self._window_max >> 1 if self._window_max > 536 else self._window_max)

    def _new(self, size: int) -> Segment:
        self._wmem += self._overhead + size
        return Segment(size, self._overhead + size)

    def _split(self, size: int) -> None:
        """Cut ``size`` bytes off the head of the unsent queue into a segment of their own."""
        head = self._unsent[0]
        head.left -= size
        head.charge -= size
        self._wmem -= size
        self._unsent.appendleft(self._new(size))

    def _push(self) -> None:
        """Send what window and congestion window allow."""
        while self._unsent and len(self._unacked) < self._congestion_window:
            head, goal = self._unsent[0], self._goal()
            room = min(self._window_end - self._snd_next, MSS_BYTES)
            if room < min(head.left, goal):
                self._merge(head, goal)
                break
            if head.left > room:
                self._split(room // goal * goal)
                head = self._unsent[0]
            self._unsent.popleft()
            self._snd_next += head.left
            head.end = self._snd_next
            self._unacked.append(head)
            if not self._receive(head):
                self._unacked.pop()
                self._unsent.appendleft(head)
                self._snd_next -= head.left
                self._rcv_acked, self._window, self._ack_state, self._ack_at = self._rcv_next, 0, 0, NEVER_NS
                self._acknowledged()
                break
        if len(self._unacked) > 1 and not self._unsent and self._tail_probe_at == NEVER_NS:
            self._tail_probe_at = self._now + _TAIL_PROBE_NS
        if self._unsent and not self._unacked and self._probe_at == NEVER_NS:
            self._probe_at = self._now + (self._probe_after_ns << min(self._probes, 9))

    def _merge(self, head: Segment, goal: int) -> None:
        """A head that may not go takes in the next segment, and one overhead is given back (as measured)."""
        if len(self._unsent) > 1 and head.left + self._unsent[1].left <= _MERGED_GOALS * goal:
            following = self._unsent[1]
            del self._unsent[1]
            head.left += following.left
            head.charge += following.charge - self._overhead
            self._wmem -= self._overhead

    def _probe(self) -> None:
        """The window is too small for the next segment: send the part that fits, or ask for the window."""
        self._probe_at = NEVER_NS
        self._probes += 1
        room = self._window_end - self._snd_next
        if self._unsent and 0 < room < self._unsent[0].left:
            self._split(room)
        elif room <= 0 and self._select_window():
            self._acknowledge()
        self._push()

    def _acknowledged(self) -> None:
        """The receiver's acknowledgement has arrived."""
        acked, before = self._rcv_next, len(self._unacked)
        while self._unacked and self._unacked[0].end <= acked:
            self._wmem -= self._unacked.popleft().charge
        if not self._unacked:
            self._tail_probe_at = NEVER_NS
        self._acked = acked
        self._window_end = acked + self._window
        self._window_max = max(self._window_max, self._window)
        grown = self._congestion_window + before - len(self._unacked)
        self._congestion_window = min(grown, _CONGESTION_WINDOW[1])
        if self._window:
            self._probe_at = NEVER_NS
            self._probes = 0

    def _window_of(self, charge: int) -> int:
        return charge * self._ratio >> 8 if charge > 0 else 0

    def _receive(self, sent: Segment) -> bool:
        """Queue what arrived; False when there is no room, and it is to be sent again."""
        size, charge = sent.left, sent.charge
        if self._rmem > self._rcvbuf:
            self._prune()
            if self._rmem > self._rcvbuf:
                return False
        last = self._received[-1] if self._received else None
        joins = last is not None and last.end <= self._acked and last.frags < self._max_frags and not last.collapsed
        if last is not None and joins:
            last.left += size
            last.charge += size
            last.frags += 1
            self._rmem += size
        else:
            kept = Segment(size, charge)
            kept.end = sent.end
            self._received.append(kept)
            self._rmem += charge
        self._rcv_next += size
        self._estimate(size, charge)
        self._time_arrival()
        if size >= 128:
            self._grow_threshold(size, charge)
        over = self._rcv_next - self._rcv_acked > self._segment_estimate
        if (over and self._select_window() >= self._window) or (self._quick and not self._interactive):
            self._acknowledge()
        elif self._ack_at == NEVER_NS:
            self._ack_at = self._now + self._delayed_ack_ns
        return True

    def _estimate(self, size: int, charge: int) -> None:
        """Learn the size of the peer's segments and the share of payload in their charge."""
        self._ack_state |= _DUE
        if size >= self._segment_estimate:
            if size != self._segment_estimate:
                self._ratio = max(1, min(255, (size << 8) // charge))
                self._clamp = self._window_of(self._rcvbuf)
            if size > self._segment_estimate + 40:
                self._ack_state |= _PUSHED
            self._segment_estimate = min(size, MSS_BYTES)
            return
        if size >= 524:
            repeated, self._last_small = self._last_small == size, size
            if repeated:
                self._segment_estimate = size
                return
        self._ack_state |= _PUSHED_TWICE | _PUSHED if self._ack_state & _PUSHED else _PUSHED

    def _time_arrival(self) -> None:
        gap = self._now - self._last_arrival
        if not self._ato:
            self._be_quick()
            self._ato = _ATO_NS
        elif gap <= _ATO_NS >> 1:
            self._ato = (self._ato >> 1) + (_ATO_NS >> 1)
        elif gap < self._ato:
            self._ato = (self._ato >> 1) + gap
        elif gap > _IDLE_NS:
            self._be_quick()
        self._last_arrival = self._now

    def _be_quick(self) -> None:
        self._quick = max(self._quick, min(16, self._window // (2 * self._segment_estimate) or 2))

    def _grow_threshold(self, size: int, charge: int) -> None:
        """How far the window may open rises with segments that carry much for their charge."""
        room = min(self._clamp, self._window_of(self._rcvbuf - self._rmem)) - self._ssthresh
        if room <= 0:
            return
        rise = 0
        if self._window_of(charge) <= size:
            rise = 2 * MSS_BYTES
        else:
            cost, window = self._window_of(charge) >> 1, self._window_of(self._rcvbuf) >> 1
            while self._ssthresh <= window:
                if cost <= size:
                    rise = 2 * self._segment_estimate
                    break
                cost >>= 1
                window >>= 1
        if rise:
            self._ssthresh += min(room, max(rise, 2 * size))
            self._quick |= 1

    def _prune(self) -> None:
        """Over the limit: let the buffer grow, else copy the queue into fewer, fuller segments."""
        if self._grows:
            self._rcvbuf = min(self._rmem, _MAX_BUFFER_BYTES)
        if self._rmem <= self._rcvbuf:
            return
        left = sum(segment.left for segment in self._received)
        self._received.clear()
        self._rmem = 0
        while left:
            size = min(left, 3776)
            kept = Segment(size, 256 + (1 << (size + 319).bit_length()))
            kept.collapsed = True
            self._received.append(kept)
            self._rmem += kept.charge
            left -= size

    def _select_window(self) -> int:
        """The window that an acknowledgement would offer now, its right edge apart."""
        free, full = self._window_of(self._rcvbuf - self._rmem), min(self._clamp, self._window_of(self._rcvbuf))
        segment = min(self._segment_estimate, full)
        if free < full >> 1:
            self._quick = 0
            free = free >> self._scale << self._scale
            if free < full >> 4 or free < segment:
                return 0
        free = min(free, self._ssthresh)
        if self._scale:
            return -(-free >> self._scale) << self._scale
        if self._window <= free - segment or self._window > free:
            return free // segment * segment
        return free if segment == full and free > self._window + (full >> 1) else self._window

    def _must_acknowledge_reading(self) -> bool:
        state = self._ack_state
        if state & _DUE:
            pushed = state & _PUSHED_TWICE or (state & _PUSHED and not self._interactive)
            if self._rcv_next - self._rcv_acked > self._segment_estimate or (pushed and not self._rmem):
                return True
        current = max(0, self._rcv_acked + self._window - self._rcv_next)
        if 2 * current > self._clamp:
            return False
        offered = self._select_window()
        return offered > 0 and offered >= 2 * current

    def _acknowledge(self) -> None:
        """Acknowledge all, offer a window; the sender goes on at once."""
        current = max(0, self._rcv_acked + self._window - self._rcv_next)
        offered = self._select_window()
        if offered < current:
            offered = -(-current >> self._scale) << self._scale
        self._window, self._rcv_acked, self._ack_state, self._ack_at = offered, self._rcv_next, 0, NEVER_NS
        if self._quick:
            self._quick -= 1
            if not self._quick:
                self._ato = _ATO_NS
        self._acknowledged()
        if not self._pushing:
            self._pushing = True
            self._push()
            self._pushing = False
