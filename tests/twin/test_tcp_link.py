"""The two halves of a tcp connection over a link, without anything above them."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw

from harness.twin.kernel import NEVER_NS
from harness.twin.transport.tcp_cubic import Cubic
from harness.twin.transport.tcp_doubt import Doubt
from harness.twin.transport.tcp_flight import Flight, Sent
from harness.twin.transport.tcp_receiver import Receiver
from harness.twin.transport.tcp_sender import MSS_BYTES, Sender
from harness.twin.transport.tcp_timer import due_ns

MS = 1_000_000
SECOND = 1_000 * MS


class Wire:
    """A sender and a receiver, joined by a wire that loses what ``loses`` says; acknowledgements come at once."""

    def __init__(self, delay_ns: int, loses: Callable[[], bool], sndbuf: int = -1, rcvbuf: int = 131_072) -> None:
        self.now = 0
        self._delay = delay_ns
        self._loses = loses
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self.packets: list[tuple[int, int, int]] = []
        self.sender = Sender(self._emit, sndbuf, overhead_bytes=832, user_timeout_ns=0)
        self.receiver = Receiver(rcvbuf, grows=True)
        self.sender.start(self.receiver.promised, 2 * delay_ns)
        self.receiver.start(2 * delay_ns)

    def _later(self, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + self._delay, self._count, action))

    def _emit(self, start: int, end: int, _now: int) -> bool:
        self.packets.append((self.now, start, end))
        if not self._loses():
            fin = self.sender.finished and end == self.sender.total
            sent_ns = self.now
            self._later(lambda: self._arrive(start, end, fin, sent_ns))
        return True

    def _arrive(self, start: int, end: int, fin: bool, sent_ns: int) -> None:
        self.receiver.arrive(start, end, fin, self.now, sent_ns)
        self.acknowledge()

    def acknowledge(self) -> None:
        if self._loses():
            return
        echo_ns = self.receiver.echo_ns
        edge, acked, beyond = self.receiver.acknowledging(), self.receiver.next, tuple(self.receiver.beyond)
        self._later(lambda: self.sender.acknowledged(acked, edge, beyond, self.now, echo_ns))

    def run(self, until_ns: int) -> None:
        while True:
            due = min(self._events[0][0] if self._events else NEVER_NS, self.sender.timer_ns)
            if due > until_ns:
                self.now = until_ns
                return
            self.now = max(self.now, due)
            if self._events and self._events[0][0] <= due:
                heapq.heappop(self._events)[2]()
            else:
                self.sender.on_timer(self.now)


@given(
    seed=draw.integers(0, 1000),
    loss=draw.sampled_from([0.0, 0.02, 0.1, 0.3]),
    delay_ms=draw.sampled_from([0, 1, 50]),
    writes=draw.lists(draw.integers(1, 20_000), min_size=1, max_size=20),
)
@settings(derandomize=True, max_examples=150, deadline=None)
def test_every_byte_arrives_once_and_in_order(seed: int, loss: float, delay_ms: int, writes: list[int]) -> None:
    """Whatever is lost on the way, data or acknowledgements; then the end arrives, too."""
    chance = np.random.default_rng(seed).random
    wire = Wire(delay_ms * MS, lambda: bool(chance() < loss), sndbuf=16_384)
    left, read = list(writes), 0
    for _ in range(4000):
        while left:
            taken = wire.sender.write(left[0], wire.now)
            left[0] -= taken
            if left[0]:
                break
            left.pop(0)
        if not left:
            wire.sender.finish(wire.now)
        wire.run(wire.now + 100 * MS)
        size, tell = wire.receiver.read(3000, wire.now)
        read += size
        if tell:
            wire.acknowledge()
        if wire.receiver.at_end:
            break
    assert wire.receiver.at_end
    assert read == sum(writes) == wire.receiver.taken
    wire.run(wire.now + 600 * SECOND)
    assert wire.sender.acked == wire.sender.total == sum(writes) + 1
    assert wire.sender.timer_ns == NEVER_NS


def test_a_closed_window_is_asked_for_ever_less_often() -> None:
    """From 200 ms up to two minutes, as long as the peer answers; nobody gives up."""
    wire = Wire(MS, lambda: False, rcvbuf=8192)
    wire.sender.write(20_000, 0)
    wire.run(2000 * SECOND)
    asked = [time for time, start, end in wire.packets if start == end]
    gaps = [after - before for before, after in itertools.pairwise(asked)]
    assert 200 * MS <= asked[0] < 500 * MS
    assert all(after >= before for before, after in itertools.pairwise(gaps))
    assert 120 * SECOND <= gaps[-1] < 123 * SECOND
    assert not wire.sender.failed
    assert wire.receiver.readable_bytes == 4096
    wire.receiver.read(4096, wire.now)
    wire.run(wire.now + 200 * SECOND)
    assert wire.receiver.readable_bytes == 4096, "the next question finds the window open"


def test_silence_doubles_the_timer_and_ends_after_fifteen_minutes() -> None:
    """tcp_retries2: 924.6 s after the first repetition."""
    wire = Wire(10 * MS, lambda: True)
    wire.sender.write(100, 0)
    wire.run(1200 * SECOND)
    times = [time for time, _, _ in wire.packets]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert all(1.8 < later / gap < 2.2 for gap, later in itertools.pairwise(gaps[1:9]))
    assert gaps[-1] < 123 * SECOND
    assert wire.sender.failed
    assert times[1] + 924.6 * SECOND - 123 * SECOND < times[-1] < times[1] + 924.6 * SECOND


def test_an_orphan_is_given_up_after_a_hundred_seconds() -> None:
    """F150."""
    wire = Wire(10 * MS, lambda: True)
    wire.sender.write(100, 0)
    wire.sender.finish(0)
    wire.run(300 * SECOND)
    assert wire.sender.failed
    assert wire.packets[-1][0] < 103 * SECOND


def test_a_packet_is_lost_when_a_later_one_has_arrived() -> None:
    """At once when three have, else after a quarter of the round trip (RACK)."""
    flight = Flight()
    flight.start(100 * MS)
    for number in range(5):
        flight.add(Sent(number * MSS_BYTES, (number + 1) * MSS_BYTES, number))
    flight.mark(((MSS_BYTES, 2 * MSS_BYTES),), 100 * MS)
    found, look_ns = flight.find_lost(100 * MS, patient=True)
    assert (found, flight.pipe) == (False, 4)
    assert 120 * MS < look_ns < 130 * MS
    assert flight.find_lost(look_ns, patient=True)[0]
    assert [packet.start for packet in flight.lost] == [0]
    flight.mark(((MSS_BYTES, 5 * MSS_BYTES),), 130 * MS)
    assert (flight.arrived, flight.pipe) == (4, 0)


def test_three_that_have_arrived_leave_no_doubt() -> None:
    flight = Flight()
    flight.start(100 * MS)
    for number in range(5):
        flight.add(Sent(number * MSS_BYTES, (number + 1) * MSS_BYTES, number))
    flight.mark(((MSS_BYTES, 4 * MSS_BYTES),), 101 * MS)
    assert flight.find_lost(101 * MS, patient=True)[0]


@pytest.mark.parametrize(("window", "after"), [(100, 70), (3, 2), (2, 2)])
def test_a_loss_takes_three_tenths_of_the_window(window: int, after: int) -> None:
    """RFC 9438; two packets are the least."""
    cubic = Cubic()
    cubic.window = window
    cubic.lost()
    assert cubic.window == cubic.ssthresh == after


def test_cubic_comes_back_to_the_old_window_in_its_time() -> None:
    """K = cube root of (0.3 x window / 0.4) seconds, 4.2 s for a hundred packets; all but one 1.4 s before that."""
    cubic = Cubic()
    cubic.window = 100
    cubic.lost()
    rtt, now = 200 * MS, 0
    while cubic.window < 99:
        now += rtt
        cubic.acknowledged(cubic.window, now, rtt)
        assert now < 10 * SECOND
    assert 2.8 * SECOND <= now <= 3.4 * SECOND


def test_at_a_short_round_trip_cubic_is_no_slower_than_reno() -> None:
    """Half a packet a round trip."""
    cubic = Cubic()
    cubic.window = 20
    cubic.lost()
    start, rtt = cubic.window, 2 * MS
    for turn in range(20):
        cubic.acknowledged(cubic.window, (turn + 1) * rtt, rtt)
    assert start + 7 <= cubic.window <= start + 13


def test_a_recovery_sends_seven_packets_for_ten_that_arrive() -> None:
    """PRR: the window goes down gradually, and the first repair goes at once."""
    cubic = Cubic()
    cubic.window = 100
    cubic.begin_recovery()
    pipe, sent = 99, 0
    cubic.recover(1, pipe)
    assert cubic.window == pipe + 1
    for _ in range(80):
        pipe -= 1
        cubic.recover(1, pipe)
        while pipe < cubic.window:
            pipe += 1
            sent += 1
            cubic.sent()
    assert 50 <= sent <= 62
    cubic.end_recovery()
    assert cubic.window == 70


@pytest.mark.parametrize(
    ("wait_ms", "least", "most"),
    [(1, 1, 4), (200, 200, 204), (1000, 1000, 1032), (4000, 4000, 4256), (16_000, 16_000, 16_256)],
)
def test_timers_are_the_coarser_the_longer(wait_ms: int, least: int, most: int) -> None:
    """SYNs were seen after 1.024, 2.02, 4.25, 8.19 and 16.13 s."""
    for now_ms in (0, 7, 1234):
        fires = due_ns(now_ms * MS, wait_ms * MS) - now_ms * MS
        assert least * MS <= fires <= most * MS


def overtaken(flight: Flight, now_ns: int, start: int = 0) -> None:
    """Three packets, a millisecond apart, of which the last has come first."""
    for number in range(3):
        flight.add(Sent(start + 1000 * number, start + 1000 * (number + 1), now_ns + number * MS))
    flight.mark(((start + 2000, start + 3000),), now_ns + 12 * MS)


def test_a_loss_that_was_none_is_taken_back() -> None:
    """The acknowledgement answers the packet itself, which time stamps tell from its repetition."""
    flight, doubt = Flight(), Doubt()
    flight.start(20 * MS)
    overtaken(flight, 0)
    assert flight.find_lost(18 * MS, patient=True)[0]
    doubt.begin(flight)
    flight.repeated(flight.lost.popleft(), 18 * MS)
    doubt.repeated(18 * MS)
    assert not doubt.was_needless(0, flight), "the repetition is still out"
    flight.drop(1000, 20 * MS)
    assert not doubt.was_needless(18 * MS, flight), "it is what was answered"
    assert doubt.was_needless(0, flight)
    assert flight.lost
    before = flight.pipe
    flight.none_is_lost()
    assert not flight.lost
    assert flight.pipe == before + 1


def test_patience_grows_with_what_was_repeated_for_nothing_and_goes_after_sixteen_recoveries() -> None:
    flight, doubt = Flight(), Doubt()
    flight.start(20 * MS)
    doubt.came_twice(flight, SECOND)
    assert flight.patience == 1, "the network made the copy: nothing was repeated"
    for _ in range(4):
        doubt.repeated(SECOND)
    doubt.came_twice(flight, SECOND)
    doubt.came_twice(flight, SECOND + MS)
    assert flight.patience == 2, "once in a round trip"
    doubt.came_twice(flight, SECOND + 30 * MS)
    assert flight.patience == 3
    for recovery in range(16):
        assert flight.patience == 3, recovery
        doubt.begin(flight)
    assert flight.patience == 1


def test_where_packets_have_changed_places_one_that_seems_lost_is_waited_for() -> None:
    flight = Flight()
    flight.start(20 * MS)
    overtaken(flight, 0)
    assert flight.find_lost(12 * MS, patient=False)[0], "nothing is known of such a network"
    flight.drop(3000, 20 * MS)
    overtaken(flight, SECOND, start=3000)
    found, look_ns = flight.find_lost(SECOND + 12 * MS, patient=False)
    assert not found
    assert look_ns == SECOND + 10 * MS + 5 * MS
