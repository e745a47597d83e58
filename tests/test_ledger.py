"""The ledger: every owed delivery has one fate, and the sum closes."""

from __future__ import annotations

import random
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ledger import Ledger, settle
from harness.run import FaultSpec
from harness.topology import Topology
from harness.trace import RECORD_DTYPE, Kind, pack_mark, unpack_mark
from tests.synthetic import MS, Journal, Pipe, make_run, publish, pubsub, simple


def rows(ledger: Ledger) -> list[dict[str, Any]]:
    return ledger.messages.to_pylist()


def closes(ledger: Ledger) -> bool:
    return ledger.expected == ledger.delivered + sum(ledger.lost.values()) + ledger.in_flight + ledger.unexplained


def test_every_receiver_of_a_flow_to_all_has_its_row() -> None:
    journal = Journal(make_run(pubsub()))
    journal.sent("pub", 0, 10, intended=7, size=99)
    journal.received("fast", "pub", 0, 15)
    journal.lost("pub", 0, "slow", "hwm_sender", 10)
    ledger = settle(journal.run, journal.trace())
    common = {
        "flow": "feed",
        "sender": "pub",
        "seq": 0,
        "intended_ns": 7,
        "sent_ns": 10,
        "size_bytes": 99,
        "duplicates": 0,
    }
    assert rows(ledger) == [
        {**common, "receiver": "fast", "received_ns": 15, "fate": "delivered", "cause": None, "inferred": None},
        {
            **common,
            "receiver": "slow",
            "received_ns": None,
            "fate": "lost",
            "cause": "hwm_sender",
            "inferred": "no_peer",
        },
    ]
    assert (ledger.expected, ledger.delivered, ledger.lost) == (2, 1, {"hwm_sender": 1})
    assert ledger.anomalies == ()


def test_a_flow_to_any_one_has_one_row_a_message_and_names_who_got_it() -> None:
    journal = Journal(make_run(simple("one", ("a",), ("x", "y"))))
    for seq in range(4):
        journal.sent("a", seq, seq)
    journal.received("y", "a", 0, 5)
    journal.in_flight("a", 1, "x", 9)
    journal.lost("a", 2, "?", "linger", 9)
    ledger = settle(journal.run, journal.trace())
    assert [(row["receiver"], row["fate"]) for row in rows(ledger)] == [
        ("y", "delivered"),
        ("x", "in_flight"),
        (None, "lost"),
        (None, "unexplained"),
    ]


def test_an_addressed_message_is_owed_to_the_node_it_answers() -> None:
    journal = Journal(make_run(simple("addressed", ("server",), ("c1", "c2"))))
    journal.sent("server", 0, 1, to="c2")
    journal.sent("server", 1, 2, to="c1")
    journal.received("c2", "server", 0, 3)
    journal.received("c2", "server", 1, 4)
    ledger = settle(journal.run, journal.trace())
    assert [(row["receiver"], row["fate"]) for row in rows(ledger)] == [("c2", "delivered"), ("c1", "unexplained")]
    assert ledger.not_owed == 1


def test_a_node_owes_itself_nothing() -> None:
    journal = Journal(make_run(simple("all", ("a", "b", "c"), ("a", "b", "c"))))
    journal.sent("b", 0, 1)
    journal.received("c", "b", 0, 2)
    journal.received("a", "b", 0, 2)
    ledger = settle(journal.run, journal.trace())
    assert [(row["receiver"], row["fate"]) for row in rows(ledger)] == [("a", "delivered"), ("c", "delivered")]


def test_a_refused_message_is_owed_and_lost_as_rejected() -> None:
    journal = Journal(make_run(simple("one", ("a",), ("x",))))
    journal.sent("a", 0, 1, kind=Kind.REJECTED)
    journal.lost("a", 0, "?", "rejected", 1)  # said twice is lost once
    journal.sent("a", 1, 2, kind=Kind.REJECTED)
    ledger = settle(journal.run, journal.trace())
    assert ledger.lost == {"rejected": 2}
    assert ledger.anomalies == ()
    assert [row["inferred"] for row in rows(ledger)] == ["rejected", "rejected"]


def test_a_blocked_message_is_not_owed_unless_somebody_got_it() -> None:
    journal = Journal(make_run(pubsub()))
    journal.sent("pub", 0, 1, kind=Kind.ATTEMPT)
    journal.received("fast", "pub", 0, 2)
    journal.sent("pub", 1, 3, kind=Kind.ATTEMPT)
    journal.sent("pub", 2, 4, kind=Kind.ATTEMPT)
    ledger = settle(journal.run, journal.trace())
    assert (ledger.blocked, ledger.expected, ledger.delivered) == (2, 2, 1)


def test_a_second_reception_is_a_duplicate_and_the_earlier_one_counts() -> None:
    journal = Journal(make_run(simple("one", ("a",), ("x", "y"))))
    journal.sent("a", 0, 1)
    # Live, records stand node after node, not in the order of time.
    journal.received("x", "a", 0, 9)
    journal.received("y", "a", 0, 4)
    journal.received("y", "a", 0, 5)
    ledger = settle(journal.run, journal.trace())
    row = rows(ledger)[0]
    assert (row["receiver"], row["received_ns"], row["duplicates"]) == ("y", 4, 2)
    assert (ledger.delivered, ledger.duplicated) == (1, 2)


def test_receptions_without_stamp_or_owed_to_others_stand_aside() -> None:
    topology = simple("one", ("a",), ("x",))
    broker = simple("one", ("a",), ("x", "broker")).nodes
    journal = Journal(make_run(Topology(nodes=broker, endpoints=topology.endpoints, flows=topology.flows)))
    journal.sent("a", 0, 1)
    journal.received("broker", "a", 0, 2)
    journal.received("x", "?", -1, 3, flow="?")
    journal.received("x", "a", 0, 4)
    ledger = settle(journal.run, journal.trace())
    assert (ledger.not_owed, ledger.unstamped, ledger.duplicated) == (1, 1, 0)
    assert rows(ledger)[0]["received_ns"] == 4


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (lambda j: (j.received("fast", "pub", 0, 2), j.lost("pub", 0, "fast", "hwm_sender", 2)), "two_fates"),
        (lambda j: (j.lost("pub", 0, "fast", "linger", 2), j.lost("pub", 0, "fast", "linger", 3)), "two_fates"),
        (lambda j: (j.received("fast", "pub", 0, 2), j.in_flight("pub", 0, "fast", 3)), "two_fates"),
        (lambda j: (j.lost("pub", 0, "fast", "linger", 2), j.in_flight("pub", 0, "fast", 3)), "two_fates"),
        (lambda j: j.lost("pub", 0, "fast", "hwm_sender", 0), "lost_before_sent"),
        (lambda j: j.sent("pub", 0, 2), "sent_twice"),
        (lambda j: j.received("fast", "pub", 77, 2), "no_origin"),
        (lambda j: j.received("fast", "slow", 0, 2), "no_origin"),
        (lambda j: j.lost("pub", 5, "fast", "linger", 2), "no_origin"),
    ],
)
def test_contradictions_are_named_with_the_first_of_them(plant: Any, kind: str) -> None:
    journal = Journal(make_run(pubsub()))
    journal.sent("pub", 0, 1)
    plant(journal)
    ledger = settle(journal.run, journal.trace())
    assert [(anomaly.kind, anomaly.count) for anomaly in ledger.anomalies] == [(kind, 1)]
    assert ledger.anomalies[0].first.startswith("flow feed, sender ")
    assert closes(ledger)


def test_a_wild_stamp_of_a_stranger_breaks_nothing() -> None:
    journal = Journal(make_run(pubsub()))
    journal.sent("pub", 0, 1)
    journal.recorder.append(Kind.RECEIVED, 0, 4000, 1, 4000, 2**62, 5, 0, 10, 0)
    ledger = settle(journal.run, journal.trace())
    assert [anomaly.kind for anomaly in ledger.anomalies] == ["no_origin"]
    assert ledger.expected == 2


def test_an_empty_trace_has_an_empty_ledger() -> None:
    run = make_run(pubsub())
    ledger = settle(run, Journal(run).trace())
    assert (ledger.expected, ledger.lost, ledger.messages.num_rows, ledger.events.num_rows) == (0, {}, 0, 0)


def test_a_trace_of_another_topology_is_refused() -> None:
    journal = Journal(make_run(pubsub()))
    with pytest.raises(ValueError, match="the trace is of nodes"):
        settle(make_run(pubsub(("other",))), journal.trace())


def test_events_keep_their_order() -> None:
    journal = Journal(make_run(pubsub()))
    journal.event("accepted", "pub", 5, "slow", 3)
    journal.event("closed", "slow", 2)
    assert settle(journal.run, journal.trace()).events.to_pylist() == [
        {"time_ns": 5, "event": "accepted", "node": "pub", "peer": "slow", "value": 3, "name": None},
        {"time_ns": 2, "event": "closed", "node": "slow", "peer": None, "value": 0, "name": None},
    ]


@pytest.mark.parametrize("name", ["", "round", "sixteen bytes at", "Frühstück"])
def test_a_mark_keeps_its_name(name: str) -> None:
    assert unpack_mark(*pack_mark(name)) == name


def test_a_name_that_is_too_long_for_a_mark_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 16 bytes"):
        pack_mark("seventeen bytes !")


def missing_live(**changes: Any) -> tuple[Journal, dict[str, Any]]:
    """Ten messages live: ``fast`` gets 2, 3, 6; ``slow`` none."""
    journal = Journal(make_run(pubsub(), world="live"))
    for seq in range(8):
        journal.sent("pub", seq, seq)
    for seq in (2, 3, 6):
        journal.received("fast", "pub", seq, seq + 1)
    return journal, changes


def inferred(ledger: Ledger, receiver: str) -> list[str | None]:
    return [row["inferred"] for row in rows(ledger) if row["receiver"] == receiver]


JOIN, FULL, LOST_ON_THE_WAY = "no_peer", "hwm_sender", "datagram"


def test_live_causes_are_inferred_from_what_arrived() -> None:
    journal, _ = missing_live()
    ledger = settle(journal.run, journal.trace())
    assert inferred(ledger, "fast") == [JOIN, JOIN, None, None, FULL, FULL, None, FULL]
    assert inferred(ledger, "slow") == [JOIN] * 8
    assert ledger.lost == {"no_peer": 10, "hwm_sender": 3}
    assert ledger.unexplained == 0


def test_what_is_multicast_and_missing_was_lost_on_the_way() -> None:
    """There is no pipe to a receiver that could be full, and none to break."""
    journal = Journal(make_run(pubsub(transport="epgm"), world="live"))
    for seq in range(8):
        journal.sent("pub", seq, seq)
    for seq in (2, 3, 6):
        journal.received("fast", "pub", seq, seq + 1)
    ledger = settle(journal.run, journal.trace())
    assert inferred(ledger, "fast") == [JOIN, JOIN, None, None, LOST_ON_THE_WAY, LOST_ON_THE_WAY, None, LOST_ON_THE_WAY]
    assert inferred(ledger, "slow") == [JOIN] * 8
    assert ledger.unexplained == 0


def test_what_nobody_got_while_rate_held_the_publisher_up_met_a_full_queue() -> None:
    """100 kbit/s are a second's worth of 12.5 kB at once; then the queue of five fills, and the rest is dropped."""
    journal = Journal(make_run(pubsub(transport="epgm", sndhwm=5), world="live"))
    for seq in range(40):
        journal.sent("pub", seq, seq)
    for seq in (*range(26), 39):
        journal.received("fast", "pub", seq, seq + 1)
        if seq != 3:
            journal.received("slow", "pub", seq, seq + 1)
    ledger = settle(journal.run, journal.trace())
    assert ledger.lost == {"hwm_sender": 2 * 13, "datagram": 1}
    assert inferred(ledger, "slow")[3] == LOST_ON_THE_WAY


@pytest.mark.parametrize("changes", [{"limits_hit": ("too long",)}, {"errors": {"fast": "died", "slow": "died"}}])
def test_the_end_of_a_stream_stays_open_when_the_run_was_cut_short(changes: dict[str, Any]) -> None:
    journal, _ = missing_live()
    ledger = settle(journal.run, journal.trace(**changes))
    assert inferred(ledger, "fast") == [JOIN, JOIN, None, None, FULL, FULL, None, None]
    assert inferred(ledger, "slow") == [None] * 8
    assert ledger.unexplained == 9


def test_nothing_is_inferred_over_a_connection_that_broke() -> None:
    journal, _ = missing_live()
    journal.event("disconnected", "fast", 4)
    ledger = settle(journal.run, journal.trace())
    assert inferred(ledger, "fast") == [None] * 8
    assert inferred(ledger, "slow") == [JOIN] * 8


def test_a_receiver_that_stopped_reading_leaves_its_end_open() -> None:
    journal, _ = missing_live()
    journal.event("finished", "fast", 7)
    ledger = settle(journal.run, journal.trace())
    assert inferred(ledger, "fast") == [JOIN, JOIN, None, None, FULL, FULL, None, None]
    assert inferred(ledger, "slow") == [JOIN] * 8


@pytest.mark.parametrize(("node", "peer"), [("fast", "?"), ("fast", "pub"), ("pub", "fast")])
def test_what_closes_after_the_last_send_of_a_finished_sender_did_not_break(node: str, peer: str) -> None:
    for event, at, first in (("finished", 7, JOIN), ("finished", 6, None), ("mark", 7, None)):
        journal, _ = missing_live()  # the last send is at 7
        journal.event("disconnected", node, at, peer)
        journal.event(event, "pub", 20)
        assert inferred(settle(journal.run, journal.trace()), "fast")[0] == first


def test_a_binder_that_lost_somebody_did_not_lose_everybody() -> None:
    journal, _ = missing_live()
    journal.event("disconnected", "pub", 4)
    assert inferred(settle(journal.run, journal.trace()), "fast")[0] == JOIN


def test_what_closes_after_the_load_did_not_break() -> None:
    journal, _ = missing_live()
    journal.event("disconnected", "fast", journal.run.duration_ns)
    assert None not in inferred(settle(journal.run, journal.trace()), "slow")
    assert inferred(settle(journal.run, journal.trace()), "fast")[0] == JOIN


@pytest.mark.parametrize(("node", "cause"), [("fast", "crash_unread"), ("pub", "crash_unsent")])
def test_who_died_after_the_last_send_took_along_what_it_had(node: str, cause: str) -> None:
    crash = FaultSpec(label="c", kind="crash", options={"node": node, "at_ns": 0})
    journal = Journal(make_run(pubsub(), world="live", faults=(crash,)))
    journal.event("handshake_succeeded", "fast", -5, "pub")
    for seq in range(8):
        journal.sent("pub", seq, seq)
        if seq < 5:
            journal.received("fast", "pub", seq, seq + 1)
    journal.event("fault_on", node, 9)
    journal.event("finished", "pub", 20)  # of one that was started anew, and had nothing more to send
    assert inferred(settle(journal.run, journal.trace()), "fast") == [None] * 5 + [cause] * 3


def test_inference_in_the_simulation_changes_no_fate() -> None:
    run = make_run(pubsub(sndhwm=10))
    pipes = [Pipe("fast", 10, 5, MS // 2), Pipe("slow", 10, 5, 3 * MS, joins_ns=20 * MS)]
    ledger = settle(run, publish(run, pipes, 200))
    assert ledger.unexplained == 0
    assert set(ledger.lost) == {"not_subscribed", "hwm_sender"}
    assert ledger.lost["not_subscribed"] == 20
    told = [(row["cause"], row["inferred"]) for row in rows(ledger) if row["fate"] == "lost"]
    assert set(told) == {("not_subscribed", "no_peer"), ("hwm_sender", "hwm_sender")}


FATES = ("delivered", "twice", "hwm_sender", "no_peer", "in_flight", "forgotten")


@st.composite
def histories(draw: st.DrawFn) -> tuple[Any, list[str], int]:
    delivery = draw(st.sampled_from(["all", "one", "addressed"]))
    senders = draw(st.integers(1, 3))
    receivers = draw(st.integers(1, 4))
    topology = simple(delivery, [f"s{n}" for n in range(senders)], [f"r{n}" for n in range(receivers)])
    fates = draw(st.lists(st.sampled_from(FATES), max_size=120))
    return topology, fates, draw(st.integers(0, 2**32 - 1))


@settings(max_examples=200, deadline=None)
@given(histories())
def test_any_history_closes_and_counts_what_happened(history: tuple[Any, list[str], int]) -> None:
    topology, fates, chance = history
    order = random.Random(chance)
    flow = topology.flows[0]
    journal = Journal(make_run(topology))
    sequence = dict.fromkeys(flow.senders, 0)
    pending = list(fates)
    happenings: list[tuple[str, str, int, str]] = []
    told: dict[str, int] = dict.fromkeys(FATES, 0)
    now = 0
    while pending:
        sender = order.choice(flow.senders)
        seq = sequence[sender]
        owed = list(flow.receivers) if flow.delivery == "all" else [order.choice(flow.receivers)]
        if len(pending) < len(owed):
            break
        sequence[sender] += 1
        journal.sent(sender, seq, now, to=owed[0] if flow.delivery == "addressed" else "?")
        for receiver in owed:
            fate = pending.pop()
            told[fate] += 1
            happenings.append((fate, sender, seq, receiver))
        now += 1
    order.shuffle(happenings)
    for fate, sender, seq, receiver in happenings:
        if fate in ("delivered", "twice"):
            journal.received(receiver, sender, seq, now)
        if fate == "twice":
            journal.received(receiver, sender, seq, now + 1)
        if fate in ("hwm_sender", "no_peer"):
            journal.lost(sender, seq, receiver, fate, now)
        if fate == "in_flight":
            journal.in_flight(sender, seq, receiver, now)
    ledger = settle(journal.run, journal.trace())
    assert closes(ledger)
    assert ledger.expected == sum(told.values()) == ledger.messages.num_rows
    assert ledger.delivered == told["delivered"] + told["twice"]
    assert ledger.duplicated == told["twice"]
    assert ledger.lost == {name: told[name] for name in ("no_peer", "hwm_sender") if told[name]}
    assert (ledger.in_flight, ledger.unexplained) == (told["in_flight"], told["forgotten"])
    assert ledger.anomalies == ()
    expected = {
        (sender, seq, receiver if flow.delivery != "one" or fate != "forgotten" else None): fate
        for fate, sender, seq, receiver in happenings
    }
    for row in rows(ledger):
        fate = expected[row["sender"], row["seq"], row["receiver"]]
        named = {"twice": "delivered", "forgotten": "unexplained"}.get(fate, fate)
        assert (row["cause"] or row["fate"]) == named
    keys = [(row["sender"], row["seq"]) for row in rows(ledger)]
    assert keys == sorted(keys)


def test_a_million_deliveries_settle_in_seconds_and_little_memory() -> None:
    run = make_run(pubsub(tuple(f"sub-{n}" for n in range(10))))
    messages, fan_out = 100_000, 10
    records = np.zeros(messages * (1 + fan_out), dtype=RECORD_DTYPE)
    table = records.reshape(messages, 1 + fan_out)
    table["kind"] = Kind.RECEIVED
    table["kind"][:, 0] = Kind.SENT
    table["node"] = np.arange(1 + fan_out)
    table["peer"][:, 0] = 0xFFFF
    table["seq"] = np.arange(messages)[:, None]
    table["time_ns"] = np.arange(messages)[:, None] * 1000 + np.arange(1 + fan_out)
    trace = Journal(run).trace(records=records)
    tracemalloc.start()
    begin = time.perf_counter()
    ledger = settle(run, trace)
    seconds = time.perf_counter() - begin
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ledger.delivered == ledger.expected == messages * fan_out
    assert seconds < 10
    assert peak < 250_000_000
