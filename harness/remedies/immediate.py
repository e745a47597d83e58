"""IMMEDIATE: a socket that connects queues nothing for a peer that is not there; it waits, or takes another."""

from __future__ import annotations

from dataclasses import dataclass

from harness.remedies._parts import Chosen, choose, with_options
from harness.topology import Topology

TYPES = ("PUSH", "REQ", "DEALER")
"""Sockets that wait when they have no pipe to write to; others would drop instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Chosen):
    """What ``[remedy.*]`` may say: for whom."""


def apply(topology: Topology, options: Options) -> Topology:
    """IMMEDIATE at every node that connects with a socket that waits."""
    fitting = [
        node.name
        for node in topology.nodes
        if any(
            node.name in end.connecters and end.socket_type(node.name) in TYPES for end in topology.ends_of(node.name)
        )
    ]
    chosen = choose(topology, fitting, options, f"nodes that connect a {', '.join(TYPES)}, and do not bind it")
    return with_options(topology, chosen, immediate=1)
