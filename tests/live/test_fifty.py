"""Fifty nodes on the cores that there are: perhaps slowly, and never wrongly."""

from __future__ import annotations

import time
from typing import Any

import pytest

from harness import check, ledger
from harness.live.world import execute
from harness.patterns import pubsub, reqrep
from harness.trace import Kind

from .runs import S, of_kind, run_of

pytestmark = [pytest.mark.live, pytest.mark.alone, pytest.mark.timeout(90)]

NODES = 50
PATTERNS: dict[str, tuple[Any, Any]] = {
    "pubsub": (pubsub, pubsub.Options(rate_per_s=50, size_bytes=100, subscribers={"sub": NODES - 1})),
    "reqrep": (reqrep, reqrep.Options(rate_per_s=4, size_bytes=100, clients={"client": NODES - 1})),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_fifty_nodes_lose_nothing_and_say_so_when_they_are_slow(name: str) -> None:
    pattern, options = PATTERNS[name]
    topology = pattern.build(options, 2 * S)
    assert len(topology.nodes) == NODES
    run = run_of(topology, duration_ns=2 * S, wall_limit_ns=60 * S)
    began = time.monotonic()
    trace = execute(run)
    took_s = time.monotonic() - began
    assert took_s < 75
    settled = ledger.settle(run, trace)
    laws = {law.name: law for law in check.check(run, trace, settled).laws}
    assert trace.limits_hit == ()
    assert trace.errors == {}
    # The schedule is the machine's to keep; if it could not, the law of the generator says so, and nothing else may.
    late = laws.pop("generator")
    assert "messages left more than 5 ms late" in late.detail
    assert {law.name: law.detail for law in laws.values() if law.state == "invalid"} == {}
    assert laws["conservation"].state == "valid"
    assert settled.expected == settled.delivered > 0
    assert (settled.unexplained, settled.in_flight, dict(settled.lost)) == (0, 0, {})
    for node in topology.nodes:
        assert len(of_kind(trace, Kind.RECEIVED, node.name)) > 0 or node.name == "pub"
