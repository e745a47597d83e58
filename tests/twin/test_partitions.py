"""Six seconds of silence between two hosts, and what heartbeats make of it (F148-F151)."""

from __future__ import annotations

from typing import Any

from .test_links import Play
from .witness import MS, SECOND

BEGINS, HEALS = 4 * SECOND, 10 * SECOND
COUNT = 3000


def partitioned(sender: dict[str, Any], receiver: dict[str, Any], delay_ns: int = 20 * MS) -> Play:
    """PUSH on ``a`` sends every 5 ms to PULL on ``b``, with these options."""
    play = Play(delay_ns=delay_ns)
    play.twin.at(BEGINS, play.link.blackhole)
    play.twin.at(HEALS, play.link.heal)
    play.twin.spawn(lambda: play.receive(**receiver), host="b")
    play.twin.spawn(play.send, COUNT, 100, 5 * MS, SECOND, sender, host="a")
    play.twin.run(until_ns=120 * SECOND)
    return play


def stretches(numbers: list[int]) -> list[tuple[int, int]]:
    """First and last of each run of consecutive numbers, in order of arrival."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def test_without_heartbeats_nothing_is_noticed() -> None:
    """F148."""
    play = partitioned({}, {})
    assert stretches(list(play.got)) == [(0, COUNT - 1)]
    assert not play.witness.times("PUSH disconnected")
    assert 6 * SECOND < play.silence() < 13 * SECOND


def test_a_heartbeat_of_the_sender_reorders_and_loses_nothing() -> None:
    """F150: the connection that was given up lives on in the kernel, and the binder has never noticed."""
    play = partitioned({"heartbeat_ivl": 1000}, {})
    assert sorted(play.got) == list(range(COUNT))
    assert play.witness.losses == []
    runs = stretches(list(play.got))
    assert len(runs) > 1, "the new connection's messages come before the last of the old one's"
    (gone,) = play.witness.times("PUSH disconnected")
    assert 5 * SECOND < gone < 6 * SECOND
    assert HEALS < play.witness.times("PUSH connected")[1] < 11 * SECOND, "with the next SYN"
    assert len(play.witness.times("PULL disconnected")) == 1, "when the old connection's end has come through"


def test_heartbeats_of_both_lose_what_was_in_the_kernel() -> None:
    """F150: the binder has closed its end, so the rest of the old connection is answered with RST."""
    play = partitioned({"heartbeat_ivl": 1000}, {"heartbeat_ivl": 1000})
    lost = sorted({*range(COUNT)} - {*play.got})
    assert lost
    assert lost == list(range(lost[0], lost[-1] + 1))
    assert sorted(int(data[:8]) for cause, data in play.witness.losses if cause == "disconnect_wire") == lost
    assert list(play.got) == sorted(play.got)


def test_connect_timeout_makes_the_difference_of_a_syn() -> None:
    """F125, F126: after the healing at most a timeout and an interval pass."""
    play = partitioned({"heartbeat_ivl": 1000, "connect_timeout": 300}, {})
    connected = play.witness.times("PUSH connected")[1]
    assert HEALS < connected < HEALS + 550 * MS


def one_way(**options: Any) -> tuple[Play, list[int]]:
    """Nothing travels from the receiver to the sender."""
    play = Play(delay_ns=5 * MS)
    play.twin.at(BEGINS, lambda: play.link.blackhole(towards="a"))
    play.twin.at(HEALS, play.link.heal)
    return play, play.run(COUNT, gap_ns=5 * MS, **options)


def test_a_partition_of_one_direction_stops_both() -> None:
    """Acknowledgements are lost, too: the sender's kernel repeats what has arrived long ago."""
    play, got = one_way()
    assert got == list(range(COUNT))
    assert not play.witness.times("PUSH disconnected")
    first_window = [at for at in play.got.values() if BEGINS < at < BEGINS + SECOND]
    assert len(first_window) >= 10, "what the congestion window allows still arrives"
    quiet = [at for at in play.got.values() if BEGINS + 2 * SECOND < at < HEALS]
    assert len(quiet) < 10


def test_an_answer_to_a_ping_ends_the_life_of_an_orphan() -> None:
    """The PONG arrives after the healing, for an end that is closed: RST, and what the kernel still had is lost."""
    play, got = one_way(heartbeat_ivl=500)
    lost = sorted({*range(COUNT)} - {*got})
    assert lost == list(range(lost[0], lost[-1] + 1))
    assert play.witness.causes == {"disconnect_wire": len(lost)}
    assert play.witness.times("PUSH disconnected")[0] < 6 * SECOND
    assert HEALS < play.witness.times("PULL disconnected")[0] < 12 * SECOND
