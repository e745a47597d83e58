"""Faults that hit a whole process, on real sockets: crash, restart, standstill; and what is observed meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from harness.live.world import execute
from harness.run import FaultSpec
from harness.trace import EVENTS, NONE, Kind, Trace

from .runs import MS, S, events, of_kind, pubsub_run, pushing, run_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]


def fault(kind: str, node: str, **options: int) -> tuple[FaultSpec, ...]:
    named: Mapping[str, Any] = {"node": node, **options}
    return (FaultSpec(label="it", kind=kind, options=named),)


def received(trace: Trace, name: str) -> list[int]:
    return of_kind(trace, Kind.RECEIVED, name)["seq"].tolist()


def test_a_crashed_subscriber_loses_what_was_published_until_it_is_back() -> None:
    trace = execute(pubsub_run(duration_ns=3 * S, faults=fault("crash", "fast-1", at_ns=500 * MS, lasts_ns=300 * MS)))
    assert trace.errors == {}
    assert trace.limits_hit == ()
    assert received(trace, "fast-2") == list(range(600))
    got = np.array(received(trace, "fast-1"))
    (hole,) = np.flatnonzero(np.diff(got) > 1)
    assert got[0] == 0
    assert 95 <= got[hole] <= 101, "everything until its death"
    assert got[hole + 1] >= 160, "nothing while it was dead"
    assert got[-1] == 599
    (on,) = events(trace, "fault_on", "fast-1")
    (off,) = events(trace, "fault_off", "fast-1")
    assert 500 * MS <= on < 520 * MS
    assert 800 * MS <= off < 840 * MS
    assert len(events(trace, "started", "fast-1")) == 2


def test_a_restarted_publisher_goes_on_in_its_schedule_and_its_numbers() -> None:
    trace = execute(pubsub_run(duration_ns=3 * S, faults=fault("crash", "pub", at_ns=500 * MS, lasts_ns=100 * MS)))
    assert trace.errors == {}
    sent = of_kind(trace, Kind.SENT, "pub")
    assert sent["seq"].tolist() == list(range(len(sent)))
    due = sent["other_ns"]
    (gap,) = np.flatnonzero(np.diff(due) > 5 * MS)
    assert due[gap] <= 505 * MS
    assert due[gap + 1] >= 600 * MS, "what was due while it was dead is not made up for"
    assert due[-1] == 2995 * MS
    for name in ("fast-1", "fast-2"):
        assert received(trace, name)[-1] == len(sent) - 1
        assert len(events(trace, "disconnected", name)) == 1
        assert events(trace, "handshake_succeeded", name)[-1] > 600 * MS


def test_a_node_that_is_not_started_again_stays_away_and_the_run_ends() -> None:
    trace = execute(pubsub_run(duration_ns=S, faults=fault("crash", "fast-2", at_ns=300 * MS)))
    assert trace.errors == {}
    assert trace.limits_hit == ()
    assert max(received(trace, "fast-2")) <= 61
    assert received(trace, "fast-1") == list(range(200))
    assert len(events(trace, "finished", "fast-2")) == 0


def test_a_paused_subscriber_misses_nothing_and_has_it_late() -> None:
    trace = execute(pubsub_run(duration_ns=S, faults=fault("pause", "fast-1", at_ns=300 * MS, lasts_ns=400 * MS)))
    assert received(trace, "fast-1") == list(range(200))
    times = of_kind(trace, Kind.RECEIVED, "fast-1")["time_ns"]
    longest = int(np.argmax(np.diff(times)))
    assert 295 * MS <= times[longest] <= 320 * MS
    assert 700 * MS <= times[longest + 1] <= 800 * MS
    assert len(events(trace, "disconnected", "pub")) == 0


def test_a_paused_node_does_not_outlive_the_run() -> None:
    trace = execute(pubsub_run(duration_ns=500 * MS, faults=fault("pause", "fast-1", at_ns=300 * MS)))
    assert trace.errors == {}
    assert max(received(trace, "fast-1")) <= 61


def test_nodes_of_one_process_die_together() -> None:
    run = run_of(pushing("inproc", count=100_000), faults=fault("crash", "pull", at_ns=100 * MS))
    trace = execute(run)
    assert trace.errors == {}
    assert len(events(trace, "fault_on", "pull")) == len(events(trace, "fault_on", "push")) == 1


def test_connections_are_told_by_those_who_have_them() -> None:
    trace = execute(pubsub_run())
    for name in ("fast-1", "fast-2"):
        mine = of_kind(trace, Kind.EVENT, name)
        made = mine[mine["flag"] == EVENTS.index("handshake_succeeded")]
        assert made["peer"].tolist() == [0], "a connecting side knows whom it has reached"
        assert made["time_ns"][0] < 0
    accepted = of_kind(trace, Kind.EVENT, "pub")
    accepted = accepted[accepted["flag"] == EVENTS.index("accepted")]
    assert accepted["peer"].tolist() == [NONE, NONE]
    assert len(events(trace, "listening", "pub")) == 1


def test_memory_and_processor_time_are_sampled() -> None:
    trace = execute(pubsub_run(duration_ns=S))
    for name in trace.nodes:
        mine = of_kind(trace, Kind.EVENT, name)
        rss = mine["aux"][mine["flag"] == EVENTS.index("rss_kib")]
        cpu = mine["aux"][mine["flag"] == EVENTS.index("cpu_ms")].astype(int)
        assert len(rss) >= 8
        assert (rss > 10_000).all()
        assert (np.diff(cpu) >= 0).all()
        assert cpu[-1] > 0
