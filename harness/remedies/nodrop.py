"""XPUB_NODROP: a publisher waits for a subscriber whose pipe is full, where it would drop; all wait for the slowest."""

from __future__ import annotations

from dataclasses import dataclass

from harness.remedies._parts import Chosen, choose, having, with_options
from harness.topology import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Chosen):
    """What ``[remedy.*]`` may say: for whom."""


def apply(topology: Topology, options: Options) -> Topology:
    """XPUB_NODROP at every node that publishes."""
    chosen = choose(topology, having(topology, "PUB", "XPUB"), options, "nodes that publish with a PUB or XPUB")
    return with_options(topology, chosen, xpub_nodrop=1)
