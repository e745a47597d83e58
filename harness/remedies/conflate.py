"""CONFLATE: a subscriber keeps the newest message alone; who is slow misses what is old, and never gets it late."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from harness.remedies._parts import Chosen, choose, having, with_options
from harness.topology import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Chosen):
    """What ``[remedy.*]`` may say: for whom."""


def apply(topology: Topology, options: Options) -> Topology:
    """CONFLATE at every SUB to which single frames of one flow come (F68: of several frames only the last is kept)."""
    flows = Counter(flow.endpoint for flow in topology.flows)
    fitting = [
        name
        for name in having(topology, "SUB")
        if "prefixes" not in topology.node(name).options  # who asks for topics gets each as a frame of its own
        and all(end.binder_type == "PUB" and flows[end.name] == 1 for end in topology.ends_of(name))
    ]
    return with_options(
        topology, choose(topology, fitting, options, "nodes that have a SUB alone, at a PUB without topics"), conflate=1
    )
