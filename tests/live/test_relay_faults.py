"""What only a relay can do to connections, in both worlds: the same run, and the same things seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.ledger import settle
from harness.ledger.inference import JOIN_CAUSES
from harness.live.world import execute as live
from harness.run import FaultSpec, Run
from harness.sim.world import execute as simulated
from harness.trace import EVENTS, Kind, Trace

from .runs import MS, S, events, of_kind
from .test_links import fault, linked

pytestmark = pytest.mark.timeout(60)

FRAME_BYTES = 521
"""A message of 512 bytes with its head; 200 of them are sent a second."""


def in_the_simulation(run: Run) -> Trace:
    return simulated(dataclasses.replace(run, world="sim"))


both = pytest.mark.parametrize(
    "world", [pytest.param(in_the_simulation, id="sim"), pytest.param(live, id="live", marks=pytest.mark.live)]
)
World = Callable[[Run], Trace]


def breaks(trace: Trace) -> Any:
    records = trace.records[trace.records["kind"] == Kind.EVENT]
    return np.sort(records[records["flag"] == EVENTS.index("link_broke")], order="time_ns")


def first_after(trace: Trace, name: str, time_ns: int) -> float:
    times = of_kind(trace, Kind.RECEIVED, name)["time_ns"]
    return float(times[times > time_ns].min() / MS)


@both
def test_a_limit_on_data_breaks_each_connection_after_so_many_bytes(world: World) -> None:
    limit = fault("limit_data", size_bytes=52_100, lasts_ns=1500 * MS)
    trace = world(linked(limit, duration_ns=3 * S))
    broke = breaks(trace)
    # A hundred messages are half a second, and every new connection has its greeting and its READY besides.
    assert 1480 <= broke["time_ns"][0] / MS <= 1560
    assert len(broke) == 2
    assert 600 <= (broke["time_ns"][1] - broke["time_ns"][0]) / MS <= 800, "a reconnection, and half a second"
    assert len(events(trace, "disconnected", "fast-1")) == 2
    assert events(trace, "disconnected", "fast-2") == []
    assert of_kind(trace, Kind.RECEIVED, "fast-1")["time_ns"].max() > 2900 * MS
    assert trace.errors == {}


@both
def test_what_was_in_flight_is_told_in_bytes_and_messages(world: World) -> None:
    trace = world(linked(fault("reset"), delay_ns=50 * MS))
    (broke,) = breaks(trace)
    assert trace.nodes[broke["node"]] == "fast-1"
    assert trace.nodes[broke["peer"]] == "pub"
    assert broke["seq"] == 0, "nothing on its way to the publisher"
    assert 9 <= broke["other_ns"] <= 11, "50 ms of 200 messages a second"
    assert broke["aux"] == broke["other_ns"] * FRAME_BYTES


@both
def test_a_slow_close_tells_late_who_has_left(world: World) -> None:
    crash = FaultSpec(label="c", kind="crash", options={"node": "pub", "at_ns": S})
    trace = world(linked(fault("slow_close", 500 * MS, delay_ns=150 * MS), crash))
    (at_once,) = events(trace, "disconnected", "fast-2")
    (late,) = events(trace, "disconnected", "fast-1")
    assert 1000 <= at_once / MS <= 1100
    assert 140 <= (late - at_once) / MS <= 200


@both
def test_a_subscription_that_is_held_back_is_a_connection_without_messages(world: World) -> None:
    run = linked(fault("hold", 900 * MS, lasts_ns=800 * MS, what="subscribe"), fault("reset"), duration_ns=3 * S)
    trace = world(run)
    ledger = settle(dataclasses.replace(run, world=trace.world), trace)
    back = max(events(trace, "handshake_succeeded", "fast-1")) / MS
    assert 1100 <= back <= 1260
    assert 1695 <= first_after(trace, "fast-1", 1100 * MS) <= 1740
    assert 130 <= sum(ledger.lost.values()) <= 145
    if trace.world == "sim":
        assert ledger.lost["not_subscribed"] >= 85, "from the handshake on"
    else:
        assert sum(ledger.lost.get(cause, 0) for cause in JOIN_CAUSES) >= 130
    assert ledger.unexplained == 0


@both
def test_a_handshake_that_is_held_back_is_no_peer(world: World) -> None:
    run = linked(fault("hold", 900 * MS, lasts_ns=800 * MS, what="handshake"), fault("reset"), duration_ns=3 * S)
    trace = world(run)
    ledger = settle(dataclasses.replace(run, world=trace.world), trace)
    back = max(events(trace, "handshake_succeeded", "fast-1")) / MS
    assert 1695 <= back <= 1740
    assert len([at for at in events(trace, "connected", "fast-1") if S < at < 1300 * MS]) == 1, "tcp stands long before"
    assert ledger.lost["no_peer"] >= 130
    assert ledger.lost.get("not_subscribed", 0) <= 2
    assert ledger.unexplained == 0


@both
def test_a_hold_does_nothing_to_who_is_there(world: World) -> None:
    for what in ("handshake", "subscribe"):
        trace = world(linked(fault("hold", 500 * MS, what=what), duration_ns=S))
        assert len(of_kind(trace, Kind.RECEIVED, "fast-1")) == 200
