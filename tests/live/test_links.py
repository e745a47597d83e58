"""Links of a live run: what the relay does to connections, and what the nodes see of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from harness.live.world import execute
from harness.run import FaultSpec, Run
from harness.topology import Link
from harness.trace import EVENTS, Kind, Trace

from .runs import MS, S, events, of_kind, pubsub_run

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]


def linked(*faults: FaultSpec, node: str = "fast-1", duration_ns: int = 2 * S, **link: Any) -> Run:
    """A PUB and two SUB, 200 messages a second; one node has a link."""
    run = pubsub_run(duration_ns=duration_ns, faults=faults)
    return dataclasses.replace(run, topology=dataclasses.replace(run.topology, links=(Link(node=node, **link),)))


def fault(kind: str, at_ns: int = S, **options: Any) -> FaultSpec:
    return FaultSpec(label=f"{kind}-{at_ns}", kind=kind, options={"link": "fast-1", "at_ns": at_ns, **options})


def latency_ms(trace: Trace, name: str) -> Any:
    records = of_kind(trace, Kind.RECEIVED, name)
    return (records["time_ns"] - records["other_ns"]) / MS


def silence(trace: Trace, name: str) -> tuple[float, float]:
    """Begin and length of the longest pause between two receptions, in ms."""
    times = of_kind(trace, Kind.RECEIVED, name)["time_ns"]
    longest = int(np.argmax(np.diff(times)))
    return times[longest] / MS, (times[longest + 1] - times[longest]) / MS


def test_a_link_delays_its_own_node_and_nobody_else() -> None:
    trace = execute(linked(delay_ns=20 * MS))
    assert trace.errors == {}
    assert trace.limits_hit == ()
    assert len(of_kind(trace, Kind.RECEIVED, "fast-1")) == 400
    assert 20.0 <= np.median(latency_ms(trace, "fast-1")) <= 21.5
    assert np.median(latency_ms(trace, "fast-2")) < 1.5


def test_the_link_of_the_binder_delays_all() -> None:
    trace = execute(linked(node="pub", delay_ns=10 * MS))
    for name in ("fast-1", "fast-2"):
        assert 10.0 <= np.median(latency_ms(trace, name)) <= 11.5


def test_a_narrow_link_makes_messages_wait() -> None:
    # 200 messages of 512 bytes a second are 104 kB/s; half as much gets through.
    trace = execute(linked(rate_bytes_per_s=50_000, duration_ns=S))
    waits = latency_ms(trace, "fast-1")
    assert waits[-1] > 500
    received = of_kind(trace, Kind.RECEIVED, "fast-1")
    rate = 521 * (len(received) - 1) * S / (received["time_ns"][-1] - received["time_ns"][0])
    assert 45_000 <= rate <= 52_000


@pytest.mark.parametrize("kind", ["blackhole", "link_down"])
def test_a_silent_link_loses_nothing_and_nobody_is_told(kind: str) -> None:
    trace = execute(linked(fault(kind, lasts_ns=500 * MS)))
    assert len(of_kind(trace, Kind.RECEIVED, "fast-1")) == 400
    begin, length = silence(trace, "fast-1")
    assert 980 <= begin <= 1020
    assert 480 <= length <= 600
    assert events(trace, "disconnected", "fast-1") == []
    assert silence(trace, "fast-2")[1] < 100


def test_a_link_that_is_silent_one_way_lets_the_other_pass() -> None:
    # Subscriptions go up, messages go down.
    trace = execute(linked(fault("blackhole", lasts_ns=500 * MS, direction="up")))
    assert silence(trace, "fast-1")[1] < 200


@pytest.mark.parametrize("cut", ["anywhere", "between", "inside"])
def test_a_reset_costs_what_was_published_until_the_connection_is_back(cut: str) -> None:
    trace = execute(linked(fault("reset", cut=cut)))
    (lost,) = events(trace, "disconnected", "fast-1")
    assert 1000 * MS <= lost <= 1040 * MS
    back = max(events(trace, "handshake_succeeded", "fast-1"))
    assert 100 * MS <= back - lost <= 250 * MS, "RECONNECT_IVL and a jitter"
    missing = 400 - len(of_kind(trace, Kind.RECEIVED, "fast-1"))
    assert 18 <= missing <= 55
    broke = trace.records[trace.records["flag"] == EVENTS.index("link_broke")]
    broke = broke[broke["kind"] == Kind.EVENT]
    assert broke["node"].tolist() == [trace.nodes.index("fast-1")]
    assert broke["peer"].tolist() == [trace.nodes.index("pub")]


def test_a_link_that_refuses_keeps_a_broken_connection_away() -> None:
    trace = execute(linked(fault("refuse", 900 * MS, lasts_ns=700 * MS), fault("reset", S), duration_ns=3 * S))
    back = max(events(trace, "handshake_succeeded", "fast-1"))
    assert 1600 * MS <= back <= 1900 * MS
    assert len(events(trace, "connect_retried", "fast-1")) >= 4


def test_an_end_of_stream_that_nobody_sent_is_taken_for_a_disconnection() -> None:
    trace = execute(linked(fault("half_close")))
    assert len(events(trace, "disconnected", "fast-1")) == 1
    assert len(of_kind(trace, Kind.RECEIVED, "fast-1")) < 400


def test_an_impaired_link_heals() -> None:
    trace = execute(linked(fault("impair", lasts_ns=400 * MS, delay_ns=50 * MS)))
    records = of_kind(trace, Kind.RECEIVED, "fast-1")
    waits = latency_ms(trace, "fast-1")
    during = (records["other_ns"] > 1020 * MS) & (records["other_ns"] < 1380 * MS)
    after = records["other_ns"] > 1550 * MS
    assert 50.0 <= np.median(waits[during]) <= 52
    assert np.median(waits[after]) < 2
    assert len(records) == 400


def test_a_binder_that_is_away_is_refused_through_a_link_as_without() -> None:
    crash = FaultSpec(label="c", kind="crash", options={"node": "pub", "at_ns": S, "lasts_ns": 400 * MS})
    trace = execute(linked(crash, duration_ns=3 * S))
    for name in ("fast-1", "fast-2"):
        assert events(trace, "handshake_failed_no_detail", name) == []
        assert len(events(trace, "disconnected", name)) == 1
        assert max(events(trace, "handshake_succeeded", name)) > 1400 * MS
