"""Heartbeats of ZMTP: a peer that is silent for too long is given up, and looked for anew (RFC 37, Guide chapter 4)."""

from __future__ import annotations

from dataclasses import dataclass

from harness.remedies._parts import Chosen, choose, milliseconds, with_options
from harness.topology import Topology

TRANSPORTS = ("tcp", "ipc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Chosen):
    """What ``[remedy.*]`` may say, besides for whom.

    Attributes:
        interval_ns: from one PING to the next, in whole milliseconds.
        timeout_ns: a connection on which nothing came for so long after a PING is closed.
    """

    interval_ns: int = 100_000_000
    timeout_ns: int = 200_000_000


def apply(topology: Topology, options: Options) -> Topology:
    """HEARTBEAT_IVL and HEARTBEAT_TIMEOUT at every node with a connection that can be silent."""
    fitting = [node.name for node in topology.nodes if topology.uses(node.name, TRANSPORTS)]
    return with_options(
        topology,
        choose(topology, fitting, options, f"nodes with endpoints over {' or '.join(TRANSPORTS)}"),
        heartbeat_ivl=milliseconds(options.interval_ns, "interval"),
        heartbeat_timeout=milliseconds(options.timeout_ns, "timeout"),
    )
