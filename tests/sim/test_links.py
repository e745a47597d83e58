"""Links of a simulated run: a relay or a network, as the run says, and the laws over both."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from harness.patterns import pipeline, pubsub
from harness.run import FaultSpec, Live, Run
from harness.sim.world import execute
from harness.topology import Link
from harness.trace import Kind, Trace

from .runs import MS, S, events, judged, of_kind, run_of


def linked(*faults: FaultSpec, network: Any = "proxy", seed: int = 7, **link: Any) -> Run:
    """A PUB and two SUB, 500 messages of 512 bytes a second for two seconds; one SUB has a link."""
    topology = pubsub.build(pubsub.Options(rate_per_s=500, size_bytes=512, subscribers={"sub": 2}), 2 * S)
    topology = dataclasses.replace(topology, links=(Link(node="sub-1", **link),))
    return run_of(topology, duration_ns=2 * S, faults=faults, live=Live(network=network), seed=seed)


def fault(kind: str, at_ns: int = S, **options: Any) -> FaultSpec:
    return FaultSpec(label=f"{kind}-{at_ns}", kind=kind, options={"link": "sub-1", "at_ns": at_ns, **options})


def longest_silence(trace: Trace) -> float:
    times = of_kind(trace, Kind.RECEIVED, "sub-1")["time_ns"]
    return float(np.diff(times).max() / MS)


def test_a_black_hole_ends_at_once_over_a_relay_and_by_a_timer_over_a_network() -> None:
    hole = fault("blackhole", lasts_ns=700 * MS)
    relayed, network = (execute(linked(hole, network=name)) for name in ("proxy", "namespaces"))
    assert 700 <= longest_silence(relayed) <= 705
    assert 720 <= longest_silence(network) <= 1700
    assert relayed.environment["links"] == "relay"
    assert network.environment["links"] == "network"


@pytest.mark.parametrize("delay_ms", [1, 5, 20, 50, 100])
def test_a_relay_takes_its_own_lateness_off_the_delay(delay_ms: int) -> None:
    trace = execute(linked(delay_ns=delay_ms * MS))
    latency = {
        name: np.median(records["time_ns"] - records["other_ns"]) / MS
        for name in ("sub-1", "sub-2")
        for records in [of_kind(trace, Kind.RECEIVED, name)]
    }
    assert abs(latency["sub-1"] - latency["sub-2"] - delay_ms) < 0.05


def test_a_relay_passes_the_rate_that_was_asked_for() -> None:
    topology = pipeline.build(pipeline.Options(rate_per_s=3000, size_bytes=1000), S)
    link = Link(node="worker", rate_bytes_per_s=1_250_000)
    topology = dataclasses.replace(topology, links=(link,))
    times = np.sort(of_kind(execute(run_of(topology, duration_ns=S)), Kind.RECEIVED, "worker")["time_ns"])
    rate = 1009 * (len(times) - 1 - 150) * S / (times[-1] - times[150])
    assert rate == pytest.approx(1_250_000, rel=0.01)


KINDS = {
    "impair": {"lasts_ns": 400 * MS, "delay_ns": 30 * MS, "rate_bytes_per_s": 30_000},
    "blackhole": {"lasts_ns": 300 * MS, "direction": "down"},
    "link_down": {"lasts_ns": 300 * MS},
    "reset": {"cut": "inside"},
    "refuse": {"lasts_ns": 300 * MS},
    "half_close": {"direction": "both"},
    "limit_data": {"lasts_ns": 900 * MS, "size_bytes": 40_000},
    "slow_close": {"lasts_ns": 900 * MS, "delay_ns": 200 * MS},
    "hold": {"lasts_ns": 500 * MS, "what": "subscribe"},
}


PAIRS = list(itertools.pairwise([*KINDS, "impair", "reset", "limit_data", "half_close"]))


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_the_laws_hold_whatever_happens_to_a_relay(one: str, other: str) -> None:
    crash = FaultSpec(label="c", kind="crash", options={"node": "sub-1", "at_ns": 1700 * MS, "lasts_ns": 100 * MS})
    pause = FaultSpec(label="p", kind="pause", options={"node": "sub-1", "at_ns": 500 * MS, "lasts_ns": 300 * MS})
    plan = (fault(one, 600 * MS, **KINDS[one]), fault(other, 900 * MS, **KINDS[other]), pause, crash)
    for seed in range(3):
        run = linked(*plan, delay_ns=5 * MS, jitter_ns=MS, rate_bytes_per_s=500_000, seed=seed)
        trace, ledger, checks = judged(run)
        assert trace.errors == {}
        assert trace.violations == ()
        assert ledger.unexplained == 0
        assert ledger.anomalies == ()
        # From outside nobody sees what a relay has in its hands when a receiver dies behind it.
        assert [law.detail for law in checks.laws if law.state == "invalid" and law.name != "inference"] == []


def test_the_same_run_over_a_relay_is_the_same_to_the_byte() -> None:
    run = linked(fault("limit_data", size_bytes=40_000), delay_ns=5 * MS, jitter_ns=2 * MS)
    first, second = execute(run), execute(run)
    assert first.records.tobytes() == second.records.tobytes()


def test_a_slow_close_does_not_begin_a_limit_anew() -> None:
    limit = fault("limit_data", 500 * MS, size_bytes=150_000)
    alone, with_slow = (
        execute(linked(limit, *others)) for others in ((), (fault("slow_close", 900 * MS, delay_ns=MS),))
    )
    first, again = (events(trace, "link_broke", "sub-1")[0] for trace in (alone, with_slow))
    assert first == again


def test_where_packets_are_wanted_there_is_no_relay() -> None:
    assert execute(linked(loss=0.01, delay_ns=MS)).environment["links"] == "network"
    assert execute(linked(fault("impair", lasts_ns=MS, reorder=0.1))).environment["links"] == "network"
