"""Experiments over pgm in the simulated world: who gets what, what is lost and why, and the laws hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.patterns import pubsub
from harness.run import FaultSpec
from harness.topology import Link, Topology

from .runs import MS, S, judged, run_of

RATE = {"rate": 10_000}


def feed(link: Link | None = None, late_ns: int | None = None, transport: Any = "epgm", **options: int) -> Topology:
    """One publisher, 500 messages a second, and two subscribers, all with these socket options."""
    subscribers = {"near": 1, "far": 1}
    built = pubsub.build(pubsub.Options(rate_per_s=500, transport=transport, subscribers=subscribers), 2 * S)
    nodes = tuple(replace(node, options={**node.options, "socket": {**RATE, **options}}) for node in built.nodes)
    if late_ns is not None:
        nodes = (*nodes[:-1], replace(nodes[-1], start_ns=late_ns))
    return replace(built, nodes=nodes, links=(link,) if link else ())


@pytest.mark.parametrize("transport", ["pgm", "epgm"])
def test_everybody_gets_everything_over_a_network_that_loses_nothing(transport: str) -> None:
    _, ledger, checks = judged(run_of(feed(transport=transport), duration_ns=2 * S))
    assert checks.verdict == "valid", checks
    assert ledger.delivered == ledger.expected == 2000


def test_what_is_lost_within_the_window_is_repaired() -> None:
    _, ledger, checks = judged(run_of(feed(Link(node="far", loss=0.02)), duration_ns=2 * S))
    assert checks.verdict == "valid", checks
    assert ledger.delivered == ledger.expected


@pytest.mark.parametrize("seed", range(4))
def test_behind_a_small_window_the_ledger_closes_and_the_cause_is_inferred(seed: int) -> None:
    topology = feed(Link(node="far", delay_ns=2 * MS, loss=0.1), recovery_ivl=100)
    _, ledger, checks = judged(run_of(topology, duration_ns=2 * S, seed=seed, claims=("datagram",)))
    assert checks.verdict == "valid", checks
    assert ledger.lost.keys() <= {"datagram", "no_peer"}
    assert ledger.lost["datagram"] > 0
    states = {law.name: law.state for law in checks.laws}
    assert states["inference"] == states["order"] == "valid"


def test_who_joins_late_was_not_there() -> None:
    _, ledger, checks = judged(run_of(feed(late_ns=S), duration_ns=2 * S))
    assert checks.verdict == "valid", checks
    assert ledger.lost == {"no_peer": pytest.approx(500, abs=5)}


def test_behind_a_rate_that_is_too_low_the_publisher_drops_for_all() -> None:
    """512 bytes 500 times a second are 2.3 Mbit/s with their headers."""
    topology = feed(rate=500, sndhwm=100)
    _, ledger, checks = judged(run_of(topology, duration_ns=2 * S, drain_limit_ns=30 * S))
    assert checks.verdict == "valid", checks
    assert ledger.lost.keys() == {"hwm_sender"}
    assert ledger.lost["hwm_sender"] % 2 == 0
    assert next(law.state for law in checks.laws if law.name == "inference") == "valid"


@pytest.mark.parametrize("kind", ["blackhole", "link_down"])
def test_an_outage_beyond_the_window_is_a_loss_for_one_alone(kind: str) -> None:
    fault = FaultSpec(label="out", kind=kind, options={"link": "far", "at_ns": S // 2, "lasts_ns": S // 2})
    topology = feed(Link(node="far", delay_ns=MS), recovery_ivl=100)
    _, ledger, checks = judged(run_of(topology, duration_ns=2 * S, faults=(fault,), claims=("datagram",)))
    assert checks.verdict == "valid", checks
    assert ledger.lost.keys() == {"datagram"}
    assert 200 < ledger.lost["datagram"] < 800
    assert {row["receiver"] for row in ledger.messages.to_pylist() if row["cause"]} == {"far"}


def test_a_node_that_is_killed_leaves_no_message_without_a_fate() -> None:
    fault = FaultSpec(label="out", kind="crash", options={"node": "far", "at_ns": S})
    _, ledger, checks = judged(run_of(feed(), duration_ns=2 * S, faults=(fault,)))
    laws = {law.name: law for law in checks.laws}
    assert laws["conservation"].state == laws["twin"].state == laws["order"].state == "valid", checks
    assert 900 < sum(ledger.lost.values()) < 1100 or ledger.in_flight == 0
