"""pgm on a LAN that loses packets: what is repaired, how late, and what is lost without a word (F214-F219)."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.twin import Twin
from harness.twin.runner.main import main
from harness.twin.transport.pgm_packet import Bucket, Packet, window_packets
from harness.twin.transport.pgm_window import State, Window

from .witness import MS, SECOND, Witness

GROUP = "239.192.1.1:5555"
FAST = {"rate": 10_000}


class Lan:
    """PUB on one host, a SUB on each of some others; what each of them got, and when."""

    def __init__(self, subscribers: int = 1, seed: int = 3, transport: str = "epgm", **shape: Any) -> None:
        self.witness = Witness()
        self.twin = self.witness.twin = Twin(seed=seed, pgm=True, observer=self.witness)
        self.address = f"{transport}://{GROUP}"
        self.twin.host("pub")
        self.links = []
        for number in range(subscribers):
            self.twin.host(f"sub{number}")
            self.links.append(self.twin.link("pub", f"sub{number}", **shape))
        self.sent: dict[int, int] = {}
        self.got: list[dict[int, int]] = [{} for _ in range(subscribers)]

    def subscribe(self, number: int, topic: bytes, work_ns: int, options: dict[str, Any]) -> None:
        sub = self.twin.zmq.Context().socket(self.twin.zmq.SUB)
        sub.subscribe(topic)
        for name, value in options.items():
            setattr(sub, name, value)
        sub.connect(self.address)
        while True:
            message = sub.recv()
            self.got[number][int(message[1:8])] = self.twin.now_ns
            if work_ns:
                self.twin.sleep_ns(work_ns)

    def publish(self, count: int, size: int, gap_ns: int, options: dict[str, Any]) -> None:
        pub = self.twin.zmq.Context().socket(self.twin.zmq.PUB)
        for name, value in options.items():
            setattr(pub, name, value)
        pub.bind(self.address)
        self.twin.sleep_ns(SECOND)
        for number in range(count):
            self.sent[number] = self.twin.now_ns
            topic = b"ab"[number % 2 : number % 2 + 1]
            pub.send(topic + b"%07d" % number + bytes(size - 8))
            if gap_ns:
                self.twin.sleep_ns(gap_ns)
        self.twin.sleep_ns(1000 * SECOND)

    def run(
        self,
        count: int = 1000,
        size: int = 100,
        gap_ns: int = MS,
        topic: bytes = b"",
        work_ns: int = 0,
        until_ns: int = 30 * SECOND,
        sub: dict[str, Any] | None = None,
        **options: Any,
    ) -> list[list[int]]:
        for number in range(len(self.got)):
            its = {**options, "rcvhwm": 0, **(sub or {})}
            self.twin.spawn(self.subscribe, number, topic, work_ns, its, host=f"sub{number}")
        self.twin.spawn(self.publish, count, size, gap_ns, {"sndhwm": 0, **options}, host="pub")
        self.twin.run(until_ns=until_ns)
        return [list(got) for got in self.got]

    def latencies(self) -> list[int]:
        return sorted(at - self.sent[number] for number, at in self.got[0].items())


# -- the rate -------------------------------------------------------------------------------------


def test_the_default_rate_is_twelve_and_a_half_kilobytes_a_second() -> None:
    """F215: a second's worth at once, then packets of up to 1500 bytes, 8.3 of them a second."""
    lan = Lan()
    lan.run(count=4000, until_ns=30 * SECOND)
    times = list(lan.got[0].values())
    later = [time for time in times if time > 3 * SECOND]
    rate = (len(later) - 1) * SECOND / (later[-1] - later[0])
    assert 105 < rate < 125, "14 messages of 102 bytes in each packet"
    assert lan.witness.losses == []
    assert list(lan.got[0]) == sorted(lan.got[0])


def test_a_rate_above_what_is_sent_delays_nothing() -> None:
    lan = Lan(delay_ns=MS)
    assert lan.run(**FAST) == [list(range(1000))]
    assert lan.latencies()[-1] < 2 * MS


def test_behind_the_rate_the_publisher_drops_at_its_mark() -> None:
    """F215: the sender waits for the rate, the pipe fills, PUB drops."""
    lan = Lan()
    (got,) = lan.run(count=4000, until_ns=60 * SECOND, sndhwm=200)
    assert lan.witness.causes.keys() == {"hwm_sender"}
    assert len(got) + len(lan.witness.losses) == 4000


@pytest.mark.parametrize(
    ("rate", "after_ns", "waits"), [(100, 0, True), (100, SECOND, False), (100_000, 0, True), (100_000, MS, False)]
)
def test_the_bucket_holds_a_second_or_a_thousandth_of_it(rate: int, after_ns: int, waits: bool) -> None:
    bucket = Bucket(rate, 1500)
    full = rate * 125 if rate == 100 else rate * 125 // 1000
    assert bucket.take(full, 0) == 0
    assert bool(bucket.take(min(full, 1500), after_ns)) is waits


@pytest.mark.parametrize(
    ("rate", "recovery", "packets"), [(100, 10_000, 80), (10_000, 100, 83), (1000, 10, 1), (100, 0, 1)]
)
def test_the_window_is_what_the_rate_makes_of_the_recovery_interval(rate: int, recovery: int, packets: int) -> None:
    """F216."""
    assert window_packets(rate, recovery, 1500) == packets


# -- loss and repair ------------------------------------------------------------------------------


def test_packets_that_overtake_or_come_twice_are_put_in_order_and_taken_once() -> None:
    """What seems to be missing has mostly come before it is asked for: requests wait up to 50 ms.

    Who has heard nothing yet begins with what comes first, here the fourth packet.
    """
    lan = Lan(delay_ns=5 * MS, reorder=0.05, duplicate=0.05)
    (got,) = lan.run(**FAST)
    assert got == list(range(3, 1000))
    assert lan.latencies()[900] < 6 * MS
    assert [(cause, int(data[1:8])) for cause, data in lan.witness.losses] == [("no_peer", seq) for seq in range(3)]


@pytest.mark.parametrize("loss", [0.01, 0.05])
def test_what_is_lost_within_the_window_is_repaired_in_order(loss: float) -> None:
    """Later: everything behind a gap waits for its repair."""
    lan = Lan(loss=loss)
    assert lan.run(count=4000, **FAST) == [list(range(4000))]
    assert lan.witness.losses == []
    late = lan.latencies()
    assert 50 * MS < late[int(0.99 * len(late))] < 700 * MS


def test_the_last_packets_are_missed_thanks_to_heartbeats() -> None:
    """F216: nothing follows them, so only the sender's word tells that they exist."""
    lan = Lan(delay_ns=MS)
    lan.twin.at(int(1.95 * SECOND), lan.links[0].blackhole)
    lan.twin.at(int(2.05 * SECOND), lan.links[0].heal)
    assert lan.run(count=1000, **FAST) == [list(range(1000))]
    assert 100 * MS < lan.latencies()[-1] < 400 * MS


def lost_of(got: list[int], count: int) -> list[int]:
    return sorted({*range(count)} - {*got})


def test_after_an_outage_beyond_the_window_the_receiver_waits_for_a_heartbeat() -> None:
    """F216, F217. Packets too far ahead are dropped; a heartbeat comes when the sender pauses, or after 30 s."""
    lan = Lan(delay_ns=MS)
    lan.twin.at(2 * SECOND, lan.links[0].blackhole)
    lan.twin.at(3 * SECOND, lan.links[0].heal)
    (got,) = lan.run(count=4000, recovery_ivl=200, **FAST)
    lost = lost_of(got, 4000)
    assert lost == list(range(lost[0], lost[0] + len(lost))), "a single gap"
    assert 990 > lost[0] > 950
    assert 4000 - lost[-1] - 1 == window_packets(10_000, 200, 1500), "from what the sender still had at its end"
    assert lan.witness.causes == {"datagram": len(lost)}
    assert sorted(int(data[1:8]) for _, data in lan.witness.losses) == lost


def test_a_sender_that_never_pauses_speaks_of_itself_each_thirty_seconds() -> None:
    """The receiver finds its place again then, and not before."""
    lan = Lan(delay_ns=MS)
    lan.twin.at(2 * SECOND, lan.links[0].blackhole)
    lan.twin.at(3 * SECOND, lan.links[0].heal)
    (got,) = lan.run(count=6500, gap_ns=5 * MS, recovery_ivl=200, until_ns=40 * SECOND, **FAST)
    back, before = max(((later, sooner) for sooner, later in pairwise(got)), key=lambda ends: ends[0] - ends[1])
    assert back - before > 5000
    assert 6500 - len(got) - (back - before) < 50, "hardly any besides"
    back_ns = lan.sent[back]
    assert 29 * SECOND < back_ns < 30 * SECOND, "30 s after the sender began, less what it repeats"


def test_an_outage_within_the_window_is_made_good_in_bursts() -> None:
    """Repairs wait for the sender's next alarm; all come, in order, some seconds late."""
    lan = Lan(delay_ns=MS)
    lan.twin.at(2 * SECOND, lan.links[0].blackhole)
    lan.twin.at(3 * SECOND, lan.links[0].heal)
    assert lan.run(count=4000, **FAST) == [list(range(4000))]
    assert SECOND < lan.latencies()[-1] < 5 * SECOND


@pytest.mark.parametrize("loss", [0.05, 0.2])
def test_behind_a_small_window_random_loss_ends_in_silence(loss: float) -> None:
    """F217. Seen with the library: single packets are missing, and sooner or later all that follow."""
    longest = 0
    for seed in range(3):
        lan = Lan(loss=loss, seed=seed)
        (got,) = lan.run(count=4000, recovery_ivl=100, **FAST)
        lost = lost_of(got, 4000)
        assert lan.witness.causes == {"datagram": len(lost)} or lan.witness.causes.keys() == {"datagram", "no_peer"}
        assert got == sorted(got)
        assert lost
        longest = max(longest, *(later - sooner for sooner, later in pairwise([*got, 4000])))
    assert longest > 1000


def test_each_receiver_loses_for_itself_and_all_hear_the_repairs() -> None:
    lan = Lan(subscribers=3, loss=0.05)
    assert lan.run(count=2000, recovery_ivl=500, **FAST) != [list(range(2000))] * 2
    assert all(len(got) > 1900 for got in lan.got)
    assert sum(map(len, lan.got)) + len(lan.witness.losses) == 6000


def test_a_message_of_many_packets_comes_whole_or_not_at_all() -> None:
    lan = Lan(loss=0.02)
    (got,) = lan.run(count=300, size=20_000, gap_ns=20 * MS, recovery_ivl=5, rate=100_000)
    assert got == sorted(got)
    assert len(got) < 300
    assert len(got) + len(lan.witness.losses) == 300
    assert lan.witness.causes.keys() == {"datagram"}


def test_a_slow_subscriber_loses_instead_of_holding_anybody_up() -> None:
    """F219: while its pipe is full the kernel's buffer overruns, and then the window."""
    lan = Lan(subscribers=1)
    (got,) = lan.run(count=6000, work_ns=3 * MS, recovery_ivl=200, sub={"rcvhwm": 100, "rcvbuf": 20_000}, **FAST)
    assert lan.witness.causes.keys() == {"datagram"}
    assert len(got) + len(lan.witness.losses) == 6000
    assert len(got) < 500, "207 with the library; a window that is held by what was read does not move any more"


# -- the window -----------------------------------------------------------------------------------


def packet(number: int) -> Packet:
    made = Packet(number, number, False, [], 100)
    made.number = number
    return made


def window(size: int = 10) -> tuple[Window, list[int]]:
    gone: list[int] = []
    made = Window(size, lambda packet: gone.append(packet.number))
    return made, gone


def test_a_window_hands_on_in_order_and_takes_what_comes_late() -> None:
    win, gone = window()
    assert win.add(packet(5), 0, 1)
    assert win.add(packet(8), 0, 1)
    assert list(win.waiting[State.BACK_OFF]) == [6, 7]
    assert [each.number for each in win.read(6)] == [5]
    assert win.add(packet(7), 0, 1)
    assert win.read(6) == []
    assert win.add(packet(6), 0, 1)
    assert not win.add(packet(6), 0, 1), "it is there"
    assert [each.number for each in win.read(2)] == [6, 7]
    assert [each.number for each in win.read(2)] == [8]
    assert win.losses == 0
    assert gone == []


def test_a_window_gives_up_what_the_sender_does_not_have_any_more() -> None:
    win, _ = window()
    for number in (0, 2, 3):
        win.add(packet(number), 0, 1)
    assert len(win.read(6)) == 1
    win.remove_committed()
    win.add(packet(4), 2, 1)
    assert not win.waiting[State.BACK_OFF]
    assert win.read(6) == [], "a reading of its own for the loss"
    assert [each.number for each in win.read(6)] == [2, 3, 4]
    assert win.losses == 2


def test_what_was_handed_on_holds_the_window_until_the_next_reading() -> None:
    """A packet that is too far ahead is refused as long, and the window is full of what will not come."""
    win, _ = window()
    win.add(packet(0), 0, 1)
    win.read(6)
    assert not win.add(packet(50), 40, 1)
    assert win.lead == 9
    assert not win.add(packet(51), 41, 1)
    assert all(win.waiting[state] == {} for state in (State.BACK_OFF, State.WAIT_NCF, State.WAIT_DATA))
    assert win.blocked
    win.remove_committed()
    assert win.add(packet(52), 42, 1)
    assert not win.blocked or win.lead == 52


def test_a_window_that_is_free_moves_on_over_what_it_holds() -> None:
    win, gone = window()
    for number in (0, 1, 3, 4):
        win.add(packet(number), 0, 1)
    win.read(6)
    win.remove_committed()
    assert win.add(packet(20), 0, 1)
    assert gone == [3, 4], "they had come, and go with the gap before them"
    assert (win.trail, win.lead) == (11, 20)


# -- who hears whom -------------------------------------------------------------------------------


def test_everything_is_sent_and_the_subscriber_filters() -> None:
    """F214."""
    lan = Lan(subscribers=1)
    lan.run(topic=b"a", **FAST)
    assert list(lan.got[0]) == list(range(0, 1000, 2))


def test_a_late_joiner_begins_with_the_next_message() -> None:
    """F218."""
    lan = Lan()
    lan.twin.spawn(lan.publish, 1000, 100, MS, {"sndhwm": 0, **FAST}, host="pub")
    lan.twin.spawn(lan.subscribe, 0, b"", 0, {"rcvhwm": 0, **FAST}, host="sub0", delay_ns=int(1.5 * SECOND))
    lan.twin.run(until_ns=10 * SECOND)
    got = list(lan.got[0])
    assert got == list(range(got[0], 1000))
    assert 470 < got[0] < 510
    assert lan.witness.losses == []


@pytest.mark.parametrize(("interface", "heard"), [("", False), ("127.0.0.1;", True), ("10.0.0.1;", False)])
def test_a_host_hears_itself_on_loopback_alone(interface: str, heard: bool) -> None:
    """F219: multicast loopback is off."""
    twin = Twin(pgm=True)
    got: list[bytes] = []

    def listen() -> None:
        sub = twin.zmq.Context().socket(twin.zmq.SUB)
        sub.subscribe(b"")
        sub.connect(f"epgm://{interface}{GROUP}")
        while True:
            got.append(sub.recv())

    def talk() -> None:
        pub = twin.zmq.Context().socket(twin.zmq.PUB)
        pub.bind(f"epgm://{interface}{GROUP}")
        twin.sleep_ns(SECOND)
        pub.send(b"news")
        twin.sleep_ns(SECOND)

    twin.spawn(listen)
    twin.spawn(talk)
    twin.run(until_ns=5 * SECOND)
    assert got == [b"news"] * heard


def test_pgm_and_epgm_do_not_hear_each_other() -> None:
    lan = Lan(transport="pgm")
    lan.twin.spawn(lan.publish, 10, 100, MS, {}, host="pub")
    lan.address = f"epgm://{GROUP}"
    lan.twin.spawn(lan.subscribe, 0, b"", 0, {}, host="sub0")
    lan.twin.spawn(lan.publish, 10, 100, MS, {}, host="pub")
    lan.twin.run(until_ns=1500 * MS)
    assert len(lan.got[0]) == 10


# -- addresses ------------------------------------------------------------------------------------


def attempts(twin: Twin, kind: str, addresses: list[str]) -> list[str]:
    outcome: list[str] = []

    def program() -> None:
        zmq = twin.zmq
        for address in addresses:
            socket = zmq.Context().socket(getattr(zmq, kind))
            try:
                socket.connect(address)
                outcome.append("ok")
            except zmq.ZMQError as error:
                outcome.append(error.strerror.partition(" (")[0])

    twin.spawn(program)
    twin.run(until_ns=SECOND)
    return outcome


def test_which_addresses_and_which_sockets() -> None:
    """zmq_pgm(7)."""
    wrong = ["epgm://10.1.1.1:5555", "epgm://239.1.1.1", "epgm://eth0;239.1.1.1:5555", "epgm://1.2.3.4;239.1.1.1:5555"]
    right = ["epgm://239.1.1.1:5555", "pgm://10.0.0.1;239.1.1.1:5555", "epgm://main;239.1.1.1:5555"]
    outcome = attempts(Twin(pgm=True), "SUB", [*wrong, *right])
    assert outcome == ["Invalid argument"] * len(wrong) + ["ok"] * len(right)
    assert "not compatible" in attempts(Twin(pgm=True), "PUSH", right[:1])[0]


@pytest.mark.parametrize("pgm", [False, True])
def test_the_library_says_whether_it_has_pgm(pgm: bool) -> None:
    """The wheels have not, so neither has the twin unless asked."""
    twin = Twin(pgm=pgm)
    said: list[bool] = []
    twin.spawn(lambda: said.append(twin.zmq.has("pgm")))
    twin.run()
    assert said == [pgm]
    assert attempts(Twin(pgm=pgm), "SUB", ["epgm://239.1.1.1:5555"]) == ["ok" if pgm else "Protocol not supported"]


# -- the end --------------------------------------------------------------------------------------


def test_what_waits_for_the_rate_is_sent_under_linger() -> None:
    """F172; the last packet, which waits in the engine, is lost as with any transport (F168)."""
    lan = Lan()

    def publish() -> None:
        context = lan.twin.zmq.Context()
        pub = context.socket(lan.twin.zmq.PUB)
        pub.bind(lan.address)
        lan.twin.sleep_ns(SECOND)
        for number in range(400):
            pub.send(b"a%07d" % number + bytes(92))
        pub.close()
        context.term()

    lan.twin.spawn(publish, host="pub")
    lan.twin.spawn(lan.subscribe, 0, b"", 0, {}, host="sub0")
    lan.twin.run(until_ns=20 * SECOND)
    got = list(lan.got[0])
    assert got == list(range(len(got)))
    assert len(got) + len(lan.witness.losses) == 400
    assert len(lan.witness.losses) <= 15


def test_the_census_counts_what_is_under_way_once() -> None:
    """Sent x receivers = received + lost + under way, at any moment."""
    for stop_ms in (1200, 1500, 1777):
        lan = Lan(delay_ns=20 * MS, loss=0.1)
        (got,) = lan.run(count=1000, until_ns=stop_ms * MS, recovery_ivl=300, rate=2000)
        under_way = [msg for msg, _ in lan.twin.census()]
        assert len(got) + len(lan.witness.losses) + len(under_way) == len(lan.sent)


@pytest.mark.parametrize(("options", "printed"), [(["--pgm"], "True\n"), ([], "False\n")])
def test_a_program_may_be_run_on_a_library_with_pgm(
    options: list[str], printed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "asks.py"
    script.write_text("import zmq\nprint(zmq.has('pgm'))\n")
    assert main([*options, "--quiet", str(script)]) == 0
    assert capsys.readouterr().out == printed
