"""Programs on several hosts: what a link does to tcp, against closed forms and what Linux was seen to do."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from harness.twin import Link, Twin

from .witness import MS, SECOND, watched

RTT_HANDSHAKE = 7  # hops from connect to the first message at the binder (F178)


class Play:
    """PUSH on host ``a`` connects to PULL on host ``b``; what arrived, and when."""

    def __init__(self, seed: int = 1, **shape: Any) -> None:
        self.twin, self.witness = watched(seed=seed)
        self.twin.host("a")
        self.twin.host("b")
        self.link = self.twin.link("a", "b", **shape)
        self.sent: dict[int, int] = {}
        self.got: dict[int, int] = {}
        self.arrivals = 0

    def receive(self, **options: Any) -> None:
        pull = self.twin.zmq.Context().socket(self.twin.zmq.PULL)
        for name, value in options.items():
            setattr(pull, name, value)
        pull.bind("tcp://*:5555")
        while True:
            message = pull.recv()
            self.arrivals += 1
            self.got[int(message[:8])] = self.twin.now_ns

    def send(self, count: int, size: int, gap_ns: int, start_ns: int, options: dict[str, Any]) -> None:
        push = self.twin.zmq.Context().socket(self.twin.zmq.PUSH)
        for name, value in options.items():
            setattr(push, name, value)
        push.connect("tcp://b:5555")
        self.twin.sleep_ns(start_ns)
        for number in range(count):
            self.sent[number] = self.twin.now_ns
            push.send(b"%08d" % number + bytes(size - 8))
            if gap_ns:
                self.twin.sleep_ns(gap_ns)
        self.twin.sleep_ns(10_000 * SECOND)

    def run(
        self,
        count: int,
        size: int = 100,
        gap_ns: int = 10 * MS,
        until_ns: int = 60 * SECOND,
        start_ns: int = SECOND,
        **options: Any,
    ) -> list[int]:
        """The numbers that arrived, in their order."""
        self.twin.spawn(self.receive, host="b")
        self.twin.spawn(self.send, count, size, gap_ns, start_ns, options, host="a")
        self.twin.run(until_ns=until_ns)
        return list(self.got)

    def latencies(self) -> list[int]:
        return sorted(at - self.sent[number] for number, at in self.got.items())

    def silence(self) -> int:
        """The longest time in which nothing arrived."""
        times = list(self.got.values())
        return max(after - before for before, after in itertools.pairwise(times))


def at(play: Play, time_ns: int, action: Callable[[], None]) -> None:
    play.twin.at(time_ns, action)


# -- a healthy link -------------------------------------------------------------------------------


def test_a_message_takes_the_delay_of_the_link() -> None:
    near, far = Play(delay_ns=0), Play(delay_ns=50 * MS)
    near.run(100)
    assert far.run(100) == list(range(100))
    extra = [late - early for late, early in zip(far.latencies(), near.latencies(), strict=True)]
    assert all(abs(each - 50 * MS) < MS for each in extra)
    assert far.witness.losses == []


@pytest.mark.parametrize("delay_ms", [10, 100])
def test_the_handshake_takes_three_and_a_half_round_trips(delay_ms: int) -> None:
    """F178, exactly, but for what the threads take."""
    play = Play(delay_ns=delay_ms * MS)
    play.run(1, start_ns=0)
    assert RTT_HANDSHAKE * delay_ms * MS < play.got[0] < RTT_HANDSHAKE * delay_ms * MS + 2 * MS


def test_each_direction_has_a_shape_of_its_own() -> None:
    """What comes back slowly does not delay what goes."""
    play = Play(delay_ns=5 * MS)
    play.link.impair(towards="a", delay_ns=95 * MS)
    play.run(50)
    assert play.latencies()[0] > 5 * MS
    assert play.latencies()[-1] < 6 * MS


@pytest.mark.parametrize("megabit", [1, 10])
def test_throughput_is_the_rate_less_the_headers(megabit: int) -> None:
    """Full packets of 1448 of 1514 bytes, and 9 bytes for each message of a thousand."""
    play = Play(delay_ns=5 * MS, rate_bytes_per_s=megabit * 125_000)
    count = 1000 * megabit
    assert len(play.run(count, size=1000, gap_ns=0)) == count
    times = list(play.got.values())
    goodput = (count - 1) * 1000 * SECOND / (times[-1] - times[0])
    assert 0.94 < goodput / (megabit * 125_000) < 1000 / 1009 * 1448 / 1514 + 0.001


def test_a_queue_before_the_bottleneck_delays_what_is_behind_it() -> None:
    """Bufferbloat: a bound of 64 KiB is half a second at 1 Mbit/s."""
    play = Play(delay_ns=MS, rate_bytes_per_s=125_000, queue_bytes=65_536)
    play.run(2000, size=1000, gap_ns=0, until_ns=120 * SECOND)
    assert list(play.got) == list(range(2000))
    assert play.link.way(play.twin.host("b")).lost > 0, "the sender found the bound"


def test_throughput_of_a_small_buffer_is_the_buffer_over_the_round_trip() -> None:
    """F206: what is not acknowledged stays in the buffer."""
    play = Play(delay_ns=50 * MS)
    play.run(300, size=1000, gap_ns=0, sndbuf=16_384)
    times = list(play.got.values())
    goodput = 299 * 1000 * SECOND / (times[-1] - times[0])
    assert 0.5 < goodput / (32_768 / 0.1) < 1.1


def test_slow_start_doubles_each_round_trip() -> None:
    """Ten packets first, then twenty, forty: RFC 6928."""
    play = Play(delay_ns=50 * MS, rate_bytes_per_s=12_500_000)
    play.run(400, size=1000, gap_ns=0)
    start = play.got[0]
    rounds = [0] * 10
    for time in play.got.values():
        rounds[(time - start + MS) // (100 * MS)] += 1
    packets = [messages * 1009 / 1448 for messages in rounds]
    assert packets[:4] == pytest.approx([10, 20, 40, 80], rel=0.1)


# -- loss -----------------------------------------------------------------------------------------


def test_loss_is_never_loss_of_messages_but_time() -> None:
    """A packet that another one follows soon is repaired by it; the rest waits for the timer, 200 ms at least."""
    play = Play(seed=3, delay_ns=5 * MS, loss=0.03)
    assert play.run(2000) == list(range(2000))
    late = play.latencies()
    assert late[1000] < 6 * MS
    assert late[-1] > 30 * MS
    assert play.witness.losses == []


def test_packets_that_overtake_or_come_twice_are_no_messages_that_do() -> None:
    """One stream: what came too early waits for what it overtook, and a copy is known by its place."""
    play = Play(seed=3, delay_ns=5 * MS, reorder=0.05, duplicate=0.05)
    assert play.run(2000) == list(range(2000))
    assert play.arrivals == 2000
    assert play.latencies()[-1] > 5 * MS
    assert play.witness.losses == []


def test_packets_that_have_changed_places_slow_nobody_down_for_long() -> None:
    """As measured of Linux 6.18: nine of ten messages are not late, though dozens of packets are repeated."""
    play = Play(seed=1, delay_ns=10 * MS, reorder=0.02)
    play.run(3000, gap_ns=MS)
    late = play.latencies()
    assert late[2700] < 11 * MS
    assert late[2970] < 19 * MS
    assert late[-1] < 30 * MS


def test_a_single_lost_packet_costs_a_retransmission_timeout() -> None:
    play = Play(delay_ns=5 * MS)
    at(play, 2 * SECOND - 20 * MS, play.link.blackhole)
    at(play, 2 * SECOND + 20 * MS, play.link.heal)
    play.run(3, gap_ns=SECOND)
    (late,) = [took for took in play.latencies() if took > 100 * MS]
    assert 200 * MS < late < 300 * MS


def test_what_follows_a_lost_packet_waits_for_it() -> None:
    """One stream: order is kept, so one loss delays all that is behind it."""
    play = Play(delay_ns=20 * MS)
    at(play, 2 * SECOND - MS // 2, play.link.blackhole)
    at(play, 2 * SECOND + MS // 2, play.link.heal)
    assert play.run(400, gap_ns=5 * MS) == list(range(400))
    waiting = [number for number, when in play.got.items() if when - play.sent[number] > 21 * MS]
    assert waiting
    assert len({play.got[number] // MS for number in waiting}) <= 2, "they come together"


# -- silence --------------------------------------------------------------------------------------


@pytest.mark.parametrize("lasts_s", [1, 2, 6])
def test_a_partition_is_survived_and_ends_with_the_next_retransmission(lasts_s: int) -> None:
    """F148: nothing is lost; the stall lasts as long again at most, since the timer doubles."""
    play = Play(delay_ns=20 * MS)
    at(play, 3 * SECOND, play.link.blackhole)
    at(play, (3 + lasts_s) * SECOND, play.link.heal)
    assert play.run(2000, gap_ns=5 * MS) == list(range(2000))
    assert lasts_s * SECOND < play.silence() < (2 * lasts_s + 1) * SECOND
    assert not play.witness.times("PUSH disconnected")


def test_a_link_that_is_down_is_noticed_so_it_resumes_at_once() -> None:
    """The host sees that nothing can be sent and does not double its timer."""
    play = Play(delay_ns=MS)
    at(play, 3 * SECOND, play.link.down)
    at(play, 9 * SECOND, play.link.up)
    assert play.run(2000, gap_ns=5 * MS) == list(range(2000))
    assert 6 * SECOND < play.silence() < 6.6 * SECOND


def test_a_stalled_link_loses_nothing_and_goes_on_where_it_was() -> None:
    play = Play(delay_ns=5 * MS)
    at(play, 3 * SECOND, play.link.stall)
    at(play, 5 * SECOND, play.link.heal)
    assert play.run(1000, gap_ns=5 * MS) == list(range(1000))
    assert 2 * SECOND - 10 * MS < play.silence() < 2.1 * SECOND


def test_the_kernel_gives_up_after_fifteen_minutes() -> None:
    """tcp_retries2: 924.6 s after the first retransmission, with the next timeout; then libzmq connects again."""
    play = Play(delay_ns=MS)
    at(play, 2 * SECOND, play.link.blackhole)
    play.run(300, until_ns=1200 * SECOND)
    (gone,) = play.witness.times("PUSH disconnected")
    assert 926 * SECOND < gone < 1047 * SECOND
    assert not play.witness.times("PULL disconnected"), "the other end hears of nothing"


def test_maxrt_bounds_the_time_to_give_up() -> None:
    """F156."""
    play = Play(delay_ns=MS)
    at(play, 2 * SECOND, play.link.blackhole)
    play.run(300, until_ns=20 * SECOND, tcp_maxrt=3000)
    (gone,) = play.witness.times("PUSH disconnected")
    assert 5 * SECOND < gone < 5.6 * SECOND


def test_an_idle_connection_notices_silence_only_by_keepalive() -> None:
    """F155: idle + count x interval."""
    plain, watching = Play(delay_ns=MS), Play(delay_ns=MS)
    options = {"tcp_keepalive": 1, "tcp_keepalive_idle": 10, "tcp_keepalive_intvl": 2, "tcp_keepalive_cnt": 3}
    for play, its in ((plain, {}), (watching, options)):
        at(play, 5 * SECOND, play.link.blackhole)
        play.run(100, until_ns=100 * SECOND, **its)
    assert not plain.witness.times("PUSH disconnected")
    (gone,) = watching.witness.times("PUSH disconnected")
    last = 2 * SECOND  # of the hundred messages
    assert last + 15.9 * SECOND < gone < last + 17 * SECOND


# -- breaking and refusing ------------------------------------------------------------------------


def test_reset_breaks_both_ends_and_libzmq_connects_again() -> None:
    play = Play(delay_ns=MS)
    at(play, 2 * SECOND, play.link.reset)
    got = play.run(500)
    assert len(play.witness.times("PUSH disconnected")) == len(play.witness.times("PULL disconnected")) == 1
    assert len(play.witness.times("PUSH connected")) == 2
    assert 498 <= len(got) <= 500
    assert len(got) + len(play.witness.losses) == 500


def test_half_close_is_a_disconnect_for_libzmq() -> None:
    play = Play(delay_ns=MS)
    at(play, 2 * SECOND, lambda: play.link.half_close(towards="b"))
    play.run(500)
    assert play.witness.times("PULL disconnected") == play.witness.times("PULL disconnected")[:1]
    assert len(play.witness.times("PUSH connected")) == 2


def test_a_refusing_link_lets_established_connections_go_on() -> None:
    play = Play(delay_ns=MS)
    at(play, 2 * SECOND, lambda: play.link.refuse(towards="b"))
    assert play.run(300) == list(range(300))
    assert not play.witness.times("PUSH disconnected")


def test_connections_are_refused_until_the_link_heals() -> None:
    play = Play(delay_ns=MS)
    play.link.refuse()
    at(play, 2 * SECOND, play.link.heal)
    assert play.run(10) == list(range(10))
    assert 2 * SECOND < play.witness.times("PUSH connected")[0] < 2.3 * SECOND
    assert len(play.witness.times("PUSH connect_retried")) > 8


def test_connecting_into_silence_waits_for_the_next_syn() -> None:
    """F126: after 1, 2, 3, 4, 5, 7, 11 s, as Linux 6 was seen to do."""
    play = Play(delay_ns=MS)
    play.link.blackhole()
    at(play, int(5.5 * SECOND), play.link.heal)
    play.run(10)
    (connected,) = play.witness.times("PUSH connected")
    assert 7 * SECOND < connected < 7.2 * SECOND


def test_nobody_answers_for_an_address_that_nobody_has() -> None:
    """131 s to ETIMEDOUT, as late as the kernel's timers are, then libzmq tries again."""
    twin, witness = watched()

    def program() -> None:
        push = twin.zmq.Context().socket(twin.zmq.PUSH)
        push.connect("tcp://10.9.9.9:5555")
        twin.sleep_ns(300 * SECOND)

    twin.spawn(program)
    twin.run(until_ns=200 * SECOND)
    assert len(witness.times("PUSH connect_delayed")) == 2
    assert 131 * SECOND < witness.times("PUSH connect_retried")[0] < 134 * SECOND


# -- hosts ----------------------------------------------------------------------------------------


def test_loopback_and_ipc_stay_on_their_host() -> None:
    twin = Twin()
    found: dict[str, str] = {}

    def serve(name: str) -> None:
        context = twin.zmq.Context()
        for address in ("tcp://127.0.0.1:6000", "ipc://here"):
            rep = context.socket(twin.zmq.REP)
            rep.bind(address)
            twin.spawn(answer, rep, name)
        twin.sleep_ns(10 * SECOND)

    def answer(rep: Any, name: str) -> None:
        while True:
            rep.recv()
            rep.send_string(name)

    def ask(name: str) -> None:
        twin.sleep_ns(SECOND)
        context = twin.zmq.Context()
        for address in ("tcp://127.0.0.1:6000", "tcp://localhost:6000", "ipc://here"):
            req = context.socket(twin.zmq.REQ)
            req.connect(address)
            req.send(b"who")
            found[f"{name} {address}"] = req.recv_string()

    for name in ("a", "b"):
        twin.host(name)
        twin.spawn(serve, name, host=name)
        twin.spawn(ask, name, host=name)
    twin.run(until_ns=5 * SECOND)
    assert len(found) == 6
    assert all(key.split()[0] == value for key, value in found.items())


@pytest.mark.parametrize(("network", "let_in"), [(b"10.0.0.0/8", True), (b"127.0.0.0/8", False)])
def test_a_peer_on_another_host_has_that_hosts_address(network: bytes, let_in: bool) -> None:
    twin = Twin()
    peer = twin.host("a")
    twin.host("b")
    twin.link("a", "b")
    heard: list[str] = []

    def serve() -> None:
        pull = twin.zmq.Context().socket(twin.zmq.PULL)
        pull.setsockopt(twin.zmq.TCP_ACCEPT_FILTER, network)
        pull.bind("tcp://*:6000")
        heard.append(pull.recv(copy=False).get("Peer-Address"))

    def send() -> None:
        push = twin.zmq.Context().socket(twin.zmq.PUSH)
        push.connect("tcp://b:6000")
        push.send(b"x")
        twin.sleep_ns(5 * SECOND)

    twin.spawn(serve, host="b")
    twin.spawn(send, host="a")
    twin.run(until_ns=SECOND)
    assert heard == ([peer.address] if let_in else [])


def test_a_process_is_born_on_its_parents_host() -> None:
    twin = Twin()
    twin.host("a")
    hosts: list[str] = []

    def child() -> None:
        push = twin.zmq.Context().socket(twin.zmq.PUSH)
        push.bind("tcp://eth0:*")
        hosts.append(push.last_endpoint.decode().rpartition(":")[0])

    twin.spawn(lambda: twin.spawn(child), host="a")
    twin.spawn(child)
    twin.run()
    assert sorted(hosts) == ["tcp://10.0.0.1", "tcp://10.0.0.2"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda twin: twin.link("a", "nobody"), "nobody"),
        (lambda twin: twin.link("a", "a"), "itself"),
        (lambda twin: twin.link("a", "main", delay_ns=-1), "delay_ns"),
        (lambda twin: twin.spawn(print, host="nobody"), "nobody"),
        (lambda twin: twin.host("a", "10.9.9.9"), "10.9.9.9"),
        (lambda twin: twin.host("c", "10.0.0.2"), "10.0.0.2"),
        (lambda twin: twin.link("a", "main").blackhole(towards="c"), "not c"),
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong: Callable[[Twin], object], named: str) -> None:
    twin = Twin()
    twin.host("a")
    with pytest.raises(ValueError, match=named):
        wrong(twin)


def test_the_same_seed_gives_the_same_network() -> None:
    def trace(seed: int) -> dict[int, int]:
        play = Play(seed=seed, delay_ns=2 * MS, jitter_ns=2 * MS, loss=0.05)
        play.run(300)
        return play.got

    assert trace(5) == trace(5) != trace(6)


def test_links_are_kept_by_the_pair_of_their_hosts() -> None:
    twin, _ = watched()
    twin.host("a")
    made: Link = twin.link("a", "main", delay_ns=MS)
    assert twin.link("main", "a") is made
    assert made.way(twin.host("a")).shape.delay_ns == MS
