"""Which ways of an experiment lead over links, and what a relay on them is made with."""

from __future__ import annotations

from dataclasses import dataclass

from harness.relay.line import buffers
from harness.run import FaultSpec, Live, Run
from harness.shaper import Shape
from harness.topology import Endpoint, Topology

_BUFFER_OPTIONS = ("sndbuf", "rcvbuf")
_AWARE = ("reset", "limit_data", "hold")
"""Kinds of fault for which frames are followed: they cut, hold back, or are asked how many messages were in flight."""

ONLY = ("limit_data", "slow_close", "hold")
"""Kinds of fault that only a relay can bring about."""
OF_PACKETS = ("loss", "reorder", "duplicate")
"""Options of links and of ``impair`` that no relay can bring about."""


@dataclass(frozen=True, slots=True)
class Way:
    """How one node reaches one endpoint over links.

    Attributes:
        node, endpoint: names.
        near, far: whose links are on the way: the connecting node's and the binding node's, as far as they have one.
    """

    node: str
    endpoint: Endpoint
    near: str | None
    far: str | None


def ways(topology: Topology) -> tuple[Way, ...]:
    """All that pass a link."""
    linked = {link.node for link in topology.links}
    found = (
        Way(node, end, node if node in linked else None, end.binder if end.binder in linked else None)
        for end in topology.endpoints
        if end.transport == "tcp"
        for node in end.connecters
    )
    return tuple(way for way in found if way.near or way.far)


def why_none(topology: Topology, faults: tuple[FaultSpec, ...], live: Live) -> str:
    """Why no relay stands in the links of a simulation of that, as half a sentence; "" when one does.

    Where packets or multicast are wanted, the live counterpart of an experiment is in namespaces only.
    """
    if live.network != "proxy":
        return 'there is none in this network: leave live.network out, or write "proxy"'
    if topology.multicast:
        return "there is none beside pgm and epgm: write another transport"
    links = (getattr(link, what) for link in topology.links for what in OF_PACKETS)
    if any(links) or any(fault.options.get(what) for fault in faults for what in OF_PACKETS):
        return f"no relay has a link with {', '.join(OF_PACKETS[:-1])} or {OF_PACKETS[-1]}"
    return ""


def is_relayed(run: Run) -> bool:
    """Whether the simulation of that run has relays in its links."""
    return bool(run.topology.links) and not why_none(run.topology, run.faults, run.live)


def sizes(topology: Topology, way: Way) -> tuple[int, int]:
    """Socket buffers of the relay on that way and what it may hold, in bytes, by the options of the ends."""
    given = [topology.node(name).socket_options for name in (way.node, way.endpoint.binder)]
    return buffers([int(options[name]) for options in given for name in _BUFFER_OPTIONS if name in options])


def is_aware(faults: tuple[FaultSpec, ...]) -> bool:
    """Whether a relay has to follow frames, for what these faults ask of it."""
    return any(fault.kind in _AWARE for fault in faults)


def passable(shape: Shape) -> Shape:
    """What a relay can do of that; its queue is bounded by not reading, which loses nothing."""
    return Shape(
        delay_ns=shape.delay_ns, jitter_ns=shape.jitter_ns, rate_bytes_per_s=shape.rate_bytes_per_s, queue_bytes=0
    )
