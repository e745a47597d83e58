"""A process whose memory is limited ends at its limit, and what it had goes with it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from harness.load import Service
from harness.patterns import pubsub
from harness.run import MEMORY_PERIOD_NS, FaultSpec, Run
from harness.trace import EVENTS, Kind, Trace

from .runs import MS, S, events, judged, of_kind, run_of

SIZE = 10_000


def growing(limit_bytes: int | None, transport: Any = "tcp", sndhwm: int = 0, **changes: Any) -> Run:
    """1000 messages of 10 kB a second, of which the subscriber reads a tenth."""
    options = pubsub.Options(rate_per_s=1000, size_bytes=SIZE, transport=transport)
    topology = pubsub.build(options, S)
    marks = {"sndhwm": sndhwm, "rcvhwm": 10, "sndbuf": 65536, "rcvbuf": 65536}
    nodes = [dataclasses.replace(node, options={**node.options, "socket": marks}) for node in topology.nodes]
    nodes[0] = dataclasses.replace(nodes[0], memory_limit_bytes=limit_bytes)
    service = dataclasses.asdict(Service(mean_ns=10 * MS))
    nodes[1] = dataclasses.replace(nodes[1], options={**nodes[1].options, "service": service})
    return run_of(dataclasses.replace(topology, nodes=tuple(nodes)), duration_ns=S, **changes)


def grown(trace: Trace) -> Any:
    """Times in ns and KiB of all samples."""
    records = of_kind(trace, Kind.EVENT, "pub")
    records = records[records["flag"] == EVENTS.index("grown_kib")]
    return records["time_ns"], records["aux"]


def test_it_grows_to_its_limit_and_dies_there() -> None:
    limit = 4 << 20
    trace, ledger, checks = judged(growing(limit))
    (died,) = events(trace, "memory_limit", "pub")
    times, kib = grown(trace)
    assert times[0] == 0
    assert (np.diff(times) == MEMORY_PERIOD_NS).all()
    assert kib[-1] * 1024 >= limit > kib[-2] * 1024
    # Nine tenths of 10 MB/s stay, apart from what the kernels and the subscriber hold.
    assert 440 * MS < died < 560 * MS
    assert checks.verdict == "valid"
    assert trace.errors == {}
    assert set(ledger.lost) == {"crash_unsent"}
    assert ledger.lost["crash_unsent"] * SIZE == pytest.approx(limit, rel=0.02)
    assert len(of_kind(trace, Kind.SENT, "pub")) == ledger.expected
    assert ledger.expected == pytest.approx(died / MS, abs=2)


def test_below_its_limit_nothing_happens_to_it() -> None:
    trace, ledger, _ = judged(growing(4 << 20, sndhwm=100))
    assert events(trace, "memory_limit", "pub") == []
    assert set(ledger.lost) == {"hwm_sender"}
    assert grown(trace)[1].max() * 1024 == pytest.approx(100 * SIZE, rel=0.1)
    assert len(events(trace, "finished", "pub")) == 1


def test_who_has_no_limit_is_not_looked_at() -> None:
    trace, *_ = judged(growing(None))
    assert len(grown(trace)[0]) == 0


def test_nodes_of_one_process_end_together() -> None:
    trace, *_ = judged(growing(1 << 20, "inproc"))
    assert events(trace, "memory_limit", "pub") == events(trace, "memory_limit", "sub") != []


def test_one_that_is_started_anew_begins_anew() -> None:
    crash = FaultSpec(label="c", kind="crash", options={"node": "pub", "at_ns": 200 * MS, "lasts_ns": 50 * MS})
    trace, _, checks = judged(growing(4 << 20, faults=(crash,)))
    times, kib = grown(trace)
    assert kib[times < 200 * MS].max() > 1000
    again = kib[times > 400 * MS]
    assert again[0] == 0
    assert again.max() > 1000
    assert [law for law in checks.laws if law.state == "invalid"] == []


def test_the_limit_of_one_who_had_died_of_it_holds_for_its_successor_too() -> None:
    crash = FaultSpec(label="c", kind="crash", options={"node": "pub", "at_ns": 300 * MS, "lasts_ns": 50 * MS})
    trace, *_ = judged(growing(1 << 20, faults=(crash,)))
    assert len(events(trace, "memory_limit", "pub")) == 2
