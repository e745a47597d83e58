"""Every pattern in the simulation: with nobody slow and nothing broken all that is owed arrives, and always alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from harness import patterns
from harness.config.sockets import PEERS
from harness.ledger import Ledger
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
        assert all(name == endpoint.binder or name in endpoint.connecters for name in flow.senders)


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


def played(topology: Topology) -> Ledger:
    _, ledger, checks = judged(run_of(topology, duration_ns=S))
    assert checks.verdict == "valid"
    return ledger


def took(ledger: Ledger, flow: str) -> Counter[str]:
    """How many messages of a flow each receiver got."""
    rows: list[dict[str, Any]] = ledger.messages.to_pylist()
    return Counter(row["receiver"] for row in rows if row["flow"] == flow and row["fate"] == "delivered")


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
    def refused(option: str) -> dict[str, str]:
        topology = gallery.build("proxy", S)
        nodes = [
            replace(node, options={**node.options, "socket": {option: 1}}) if node.name == "proxy" else node
            for node in topology.nodes
        ]
        trace, _, _ = judged(run_of(replace(topology, nodes=tuple(nodes)), duration_ns=S))
        return dict(trace.errors)

    assert refused("router_mandatory") == {}
    assert refused("sndhwm") == {}
    assert set(refused("req_relaxed")) == {"proxy"}
