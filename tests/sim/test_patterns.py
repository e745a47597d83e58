"""Every pattern in the simulation: with nobody slow and nothing broken all that is owed arrives, and always alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from harness import patterns
from harness.config.sockets import PEERS
from harness.ledger import Ledger
from harness.run import FaultSpec
from harness.topology import Topology
from tests import gallery

from .runs import MS, S, judged, run_of, same


def test_every_pattern_is_here() -> None:
    assert set(gallery.KINDS) == set(patterns.names())


@pytest.mark.parametrize(
    ("kind", "transport"), [(kind, each) for kind in gallery.KINDS for each in gallery.transports(kind)]
)
def test_all_that_is_owed_arrives(kind: str, transport: str) -> None:
    run = run_of(gallery.build(kind, S, transport=transport), duration_ns=S)
    trace, ledger, checks = judged(run)
    assert checks.verdict == "valid", [law for law in checks.laws if law.state != "valid"]
    assert trace.errors == {}
    assert ledger.expected > 60
    assert ledger.delivered == ledger.expected
    assert ledger.duplicated == 0
    again, _, _ = judged(run)
    assert same(trace.records, again.records)


@pytest.mark.parametrize("kind", gallery.KINDS)
def test_a_flow_begins_and_ends_at_sockets_that_can(kind: str) -> None:
    topology = gallery.build(kind, S)
    for endpoint in topology.endpoints:
        assert endpoint.connecter_type in PEERS[endpoint.binder_type]
    for flow in topology.flows:
        endpoint = topology.endpoint_of(flow)
        assert endpoint is not None
        assert any(name == endpoint.binder or name in endpoint.connecters for name in flow.senders)


# -- what is a pattern's own ---------------------------------------------------------------------------


def with_service(topology: Topology, **mean_ns: int) -> Topology:
    """With nodes, by group, that take so long for each message."""
    nodes = [
        replace(node, options={**node.options, "service": {"kind": "constant", "mean_ns": mean_ns[node.group]}})
        if node.group in mean_ns
        else node
        for node in topology.nodes
    ]
    return replace(topology, nodes=tuple(nodes))


def with_node(topology: Topology, name: str, *, start_ns: int | None = None, **options: Any) -> Topology:
    """With a node that starts then, or that has these options, too."""
    nodes = [
        replace(node, start_ns=start_ns, options={**node.options, **options}) if node.name == name else node
        for node in topology.nodes
    ]
    return replace(topology, nodes=tuple(nodes))


def played(topology: Topology, **changes: Any) -> Ledger:
    _, ledger, checks = judged(run_of(topology, duration_ns=S, **changes))
    assert checks.verdict == "valid", [law for law in checks.laws if law.state == "invalid"]
    return ledger


def lost(ledger: Ledger) -> Counter[tuple[str, str, str]]:
    """Losses by flow, receiver and cause."""
    rows: list[dict[str, Any]] = ledger.messages.to_pylist()
    return Counter((row["flow"], row["receiver"], row["cause"]) for row in rows if row["fate"] == "lost")


def took(ledger: Ledger, flow: str) -> Counter[str]:
    """How many messages of a flow each receiver got."""
    rows: list[dict[str, Any]] = ledger.messages.to_pylist()
    return Counter(row["receiver"] for row in rows if row["flow"] == flow and row["fate"] == "delivered")


def told(ledger: Ledger) -> Counter[tuple[str, str | None]]:
    """Losses by their cause and what an observer takes for it."""
    rows: list[dict[str, Any]] = ledger.messages.to_pylist()
    return Counter((row["cause"], row["inferred"]) for row in rows if row["fate"] == "lost")


DIFFERENT = {"workers": {"fast": 1, "slow": 1}}
SLOW = {"fast": MS, "slow": 30 * MS}


def test_a_proxy_deals_out_in_turn_and_a_load_balancer_to_who_is_idle() -> None:
    options = {**DIFFERENT, "clients": {"client": 4}, "rate_per_s": 20}
    in_turn = took(played(with_service(gallery.build("proxy", S, **options), **SLOW)), "request")
    assert abs(in_turn["fast"] - in_turn["slow"]) <= 1
    idle = took(played(with_service(gallery.build("load_balancer", S, **options), **SLOW)), "request")
    assert idle["fast"] > 2 * idle["slow"] > 0


def test_a_proxy_shows_the_envelope_that_comes_back() -> None:
    ledger = played(gallery.build("proxy", S, shows=2, clients={"client": 1}))
    names = [name for name in ledger.events["name"].to_pylist() if name]
    identity = names[0].split()[-1]
    assert len(identity) == 10, "five bytes"
    assert names[:6] == [
        f"> 1/3 {identity}",
        "> 2/3 empty",
        "> 3/3 512B",
        f"< 1/3 {identity}",
        "< 2/3 empty",
        "< 3/3 512B",
    ]
    assert len(names) == 6, "two messages; the rest is the device's"


def test_who_is_free_gets_the_next_task_and_never_more_than_its_credit() -> None:
    for credit in (1, 3):
        topology = gallery.build("free_workers", S, **DIFFERENT, credit=credit)
        ledger = played(with_service(topology, **SLOW))
        shares = took(ledger, "work")
        assert shares["slow"] <= S // (30 * MS) + credit
        assert shares["fast"] + shares["slow"] == 200
        of_slow = [row for row in ledger.messages.to_pylist() if row["receiver"] == "slow"]
        done = [row["received_ns"] + 30 * MS for row in of_slow]
        for number, row in enumerate(of_slow):
            unfinished = sum(end_ns > row["sent_ns"] for end_ns in done[:number])
            assert unfinished < credit


def test_a_result_is_as_old_as_its_task() -> None:
    ledger = played(with_service(gallery.build("fan", S), worker=2 * MS))
    rows = ledger.messages.to_pylist()
    due = Counter(row["intended_ns"] for row in rows if row["flow"] == "work")
    assert due == Counter(row["intended_ns"] for row in rows if row["flow"] == "result")
    assert min(row["received_ns"] - row["intended_ns"] for row in rows if row["flow"] == "result") > 2 * MS
    assert set(took(ledger, "result")) == {"sink"}


def test_a_broker_takes_the_options_that_one_of_its_sockets_has_and_no_others() -> None:
    def errors(option: str) -> dict[str, str]:
        topology = with_node(gallery.build("proxy", S), "proxy", socket={option: 1})
        trace, _, _ = judged(run_of(topology, duration_ns=S))
        return dict(trace.errors)

    assert errors("router_mandatory") == {}
    assert errors("sndhwm") == {}
    assert set(errors("req_relaxed")) == {"proxy"}


def test_an_asynchronous_server_answers_several_times_and_the_short_overtake_the_long() -> None:
    topology = gallery.build("async_server", S, clients={"client": 1}, rate_per_s=200)
    rows = played(with_service(topology, server=2 * MS)).messages.to_pylist()
    answers = [row["intended_ns"] for row in rows if row["flow"] == "reply"]
    requests = [row["intended_ns"] for row in rows if row["flow"] == "request"]
    assert set(answers) == set(requests)
    assert set(Counter(answers).values()) == {1, 2, 3, 4}
    assert answers != sorted(answers), "in the order in which they were sent"
    assert list(dict.fromkeys(answers)) == requests, "each is begun in its turn"


def test_a_client_that_does_not_wait_has_many_requests_under_way() -> None:
    topology = gallery.build("async_server", S, clients={"client": 1}, rate_per_s=100, answers=1)
    rows = played(with_service(topology, server=30 * MS)).messages.to_pylist()
    sent = [row["sent_ns"] for row in rows if row["flow"] == "request"]
    assert len(sent) == 100
    assert sent[-1] < S, "a REQ would have had to wait for 99 replies of 30 ms"


def test_a_dealer_gives_as_much_to_a_server_that_is_not_there() -> None:
    topology = gallery.build("dealer_to_routers", S, servers={"there": 1, "absent": 1})
    late = with_node(topology, "absent", start_ns=S // 2)
    shares = took(played(late), "request")
    assert shares["there"] == shares["absent"]
    shares = took(played(with_node(late, "client", socket={"immediate": 1})), "request")
    assert 15 <= shares["absent"] <= 25, "half of what is left when it has been connected"


def test_a_topic_is_owed_to_who_asked_for_its_beginning() -> None:
    topics, subscribers = ("a", "ab", "b"), {"all": ("",), "a": ("a",), "ab": ("ab", "c"), "none": ("abc",)}
    topology = gallery.build("topics", S, topics=topics, subscribers=subscribers)
    assert [flow.receivers for flow in topology.flows] == [("all", "a"), ("all", "a", "ab"), ("all",)]
    ledger = played(topology)
    assert took(ledger, "ab") == {"all": 67, "a": 67, "ab": 67}
    assert ledger.not_owed == 0
    less = played(with_node(topology, "ab", prefixes=("c",)))
    assert lost(less) == {("ab", "ab", "not_subscribed"): 67}


def test_a_synchronised_publisher_begins_when_all_are_there() -> None:
    topology = with_node(gallery.build("synchronised", S), "sub-2", start_ns=S // 2)
    ledger = played(topology)
    assert lost(ledger) == {}
    rows = ledger.messages.to_pylist()
    assert S // 2 < min(row["sent_ns"] for row in rows) < S // 2 + 30 * MS
    assert "all are here" in ledger.events["name"].to_pylist()
    alone = with_node(gallery.build("pubsub", S), "sub-2", start_ns=S // 2)
    assert sum(lost(played(alone)).values()) == 101


def test_a_pair_waits_where_a_publisher_drops() -> None:
    for kind, sender, receiver, dropped in (("pair", "first", "second", False), ("pubsub", "pub", "sub", True)):
        options = {"subscribers": {"sub": 1}} if dropped else {}
        topology = gallery.build(kind, S, transport="inproc", **options)
        topology = with_node(topology, sender, socket={"sndhwm": 5})
        topology = with_node(topology, receiver, socket={"rcvhwm": 5})
        causes = {cause for _, _, cause in lost(played(with_service(topology, **{receiver: 20 * MS})))}
        assert causes == ({"hwm_sender"} if dropped else set())


# -- what is published over a broker -------------------------------------------------------------------


def test_what_a_forwarder_drops_is_lost_for_that_subscriber_alone() -> None:
    topology = gallery.build("forwarder", S, subscribers={"fast": 1, "slow": 1}, transport="inproc")
    topology = with_node(topology, "forwarder", socket={"sndhwm": 5})
    topology = with_node(topology, "slow", socket={"rcvhwm": 5})
    assert set(lost(played(with_service(topology, slow=50 * MS)))) == {("feed", "slow", "hwm_sender")}


def test_an_observer_can_tell_that_a_pipe_on_the_way_was_full() -> None:
    topology = gallery.build("forwarder", S, subscribers={"slow": 1}, transport="inproc")
    topology = with_node(with_service(topology, slow=50 * MS), "forwarder", socket={"sndhwm": 5})
    found = told(played(with_node(topology, "slow", socket={"rcvhwm": 5})))
    assert set(found) == {("hwm_sender", "hwm_sender")}
    assert found.total() > 60
    stopped = FaultSpec(label="x", kind="crash", options={"node": "forwarder", "at_ns": S // 2, "lasts_ns": S // 5})
    broken = told(played(gallery.build("forwarder", S), faults=(stopped,)))
    assert {inferred for _, inferred in broken} == {None}


def test_an_observer_can_tell_what_a_router_dropped_unless_it_says_so_itself() -> None:
    topology = gallery.build("async_server", S, clients={"lazy": 1}, rate_per_s=100, transport="inproc")
    topology = with_node(with_service(topology, lazy=20 * MS), "lazy", socket={"rcvhwm": 5})
    found = told(played(with_node(topology, "server", socket={"sndhwm": 5})))
    assert set(found) == {("hwm_router", "hwm_router")}
    assert found.total() > 100
    assert told(played(with_node(topology, "server", socket={"sndhwm": 5, "router_mandatory": 1}))) == {}


def test_what_does_not_reach_the_forwarder_is_lost_for_all_behind_it() -> None:
    """The publishers' pipes are full while it stands still."""
    stopped = FaultSpec(label="x", kind="pause", options={"node": "forwarder", "at_ns": S // 10, "lasts_ns": S // 2})
    topology = gallery.build("forwarder", S, size_bytes=50_000, transport="ipc", rate_per_s=200)
    topology = with_node(topology, "pub-1", socket={"sndhwm": 5, "sndbuf": 8192})
    found = lost(played(topology, faults=(stopped,)))
    assert set(found) == {("feed", "sub-1", "hwm_sender"), ("feed", "sub-2", "hwm_sender")}
    assert len(set(found.values())) == 1, "nobody got what the other did not"


def test_who_is_not_there_yet_misses_what_is_published_and_without_a_forwarder_all_do() -> None:
    late = lost(played(with_node(gallery.build("forwarder", S), "sub-2", start_ns=S // 2)))
    assert {(flow, receiver) for flow, receiver, _ in late} == {("feed", "sub-2")}
    later = lost(played(with_node(gallery.build("forwarder", S), "forwarder", start_ns=S // 2)))
    assert late["feed", "sub-2", "no_peer"] >= 50
    assert later["feed", "sub-1", "no_peer"] == later["feed", "sub-2", "no_peer"] >= 50


def test_what_is_under_way_to_a_forwarder_at_the_end_is_so_for_all() -> None:
    stopped = FaultSpec(label="x", kind="pause", options={"node": "forwarder", "at_ns": S // 2, "lasts_ns": 60 * S})
    run = run_of(gallery.build("forwarder", S), duration_ns=S, faults=(stopped,), drain_limit_ns=0)
    _, ledger, checks = judged(run)
    assert [law.name for law in checks.laws if law.state == "invalid"] == []
    assert ledger.in_flight >= 90
    assert ledger.in_flight % 2 == 0
    assert ledger.expected == ledger.delivered + ledger.in_flight


def test_a_server_takes_from_each_connection_in_turn() -> None:
    """A greedy client waits for itself, and the others for one turn of it."""
    topology = gallery.build("async_server", S, clients={"greedy": 1, "modest": 2}, rate_per_s=10, answers=1)
    greedy = {"kind": "constant", "rate_per_s": 400.0, "until_ns": S}
    rows = played(with_service(with_node(topology, "greedy", arrivals=greedy), server=4 * MS)).messages.to_pylist()
    replies = [row for row in rows if row["flow"] == "reply"]
    slowest = {
        name: max(row["received_ns"] - row["intended_ns"] for row in replies if row["receiver"] == name)
        for name in ("greedy", "modest-1", "modest-2")
    }
    assert slowest["greedy"] > 500 * MS
    assert max(slowest["modest-1"], slowest["modest-2"]) < 13 * MS, "one in hand, one of each other, its own"
