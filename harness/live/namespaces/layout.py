"""Who lives where: a namespace for each process of nodes, its address, and what its links need. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from harness.run import FaultSpec
from harness.shaper import Shape
from harness.topology import LINKED, Topology

FIRST_PORT = 5550
"""Of the endpoints that pass links; every node has its ports to itself."""

PREFIX_BITS = 16
SUBNET = f"198.18.0.0/{PREFIX_BITS}"
"""Kept for measurements between networks, so that it is nobody's (RFC 2544)."""

CONGESTION_CONTROL = "cubic"
"""What Linux has unless told otherwise; the machine may have been told otherwise, and a namespace inherits that."""


def address(site: int) -> str:
    """Of the namespace at that position."""
    return f"198.18.{(site + 1) >> 8}.{(site + 1) & 0xFF}"


def site_of(address_: str) -> int:
    """The inverse."""
    high, low = address_.split(".")[2:]
    return (int(high) << 8 | int(low)) - 1


def hardware_address(site: int) -> str:
    """Of its interface."""
    return f"02:00:c6:12:{(site + 1) >> 8:02x}:{(site + 1) & 0xFF:02x}"


class Layout:
    """Where the nodes of a topology live.

    Attributes:
        sites: the nodes (positions) that share each namespace, as they share a process.
        site_of: position of a node to that of its namespace.
        ports: endpoint name to port, for those that pass links.
    """

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self.sites = topology.together()
        self.site_of = {node: site for site, nodes in enumerate(self.sites) for node in nodes}
        self.ports = {
            endpoint.name: FIRST_PORT + number
            for number, endpoint in enumerate(topology.endpoints)
            if endpoint.transport in LINKED
        }

    def site(self, node: str) -> int:
        """Where the node of that name lives. Raises KeyError."""
        return self.site_of[self._topology.node_id(node)]

    def neighbours(self) -> list[tuple[int, int]]:
        """Namespaces whose nodes are the two ends of an endpoint that passes links, each pair once."""
        pairs = {
            (min(ends), max(ends)): None
            for endpoint in self._topology.endpoints
            if endpoint.name in self.ports
            for connecter in endpoint.connecters
            if (ends := (self.site(endpoint.binder), self.site(connecter)))[0] != ends[1]
        }
        return list(pairs)


def needs_emulator(shape: Shape) -> bool:
    """Whether it has more than a rate and a queue, which token buckets of the kernel do as well."""
    return dataclasses.replace(shape, rate_bytes_per_s=0, queue_bytes=0) != Shape(queue_bytes=0)


def emulated(topology: Topology, faults: Sequence[FaultSpec]) -> list[str]:
    """Names of the links that the packet emulator has to do."""
    return [
        link.node
        for link in topology.links
        if needs_emulator(link.shape) or any(_needs_emulator(fault, link.node) for fault in faults)
    ]


def _needs_emulator(fault: FaultSpec, link: str) -> bool:
    if fault.options.get("link") != link:
        return False
    return fault.kind == "refuse" or (fault.kind == "impair" and needs_emulator(_shape_of(fault.options)))


def _shape_of(options: Mapping[str, Any]) -> Shape:
    """What a fault of kind ``impair`` makes of a link."""
    known = [field.name for field in dataclasses.fields(Shape)]
    return Shape(**{name: value for name, value in options.items() if name in known})
