"""What an experiment is made of: nodes, endpoints and flows, as frozen data.

A *node* plays a role: it runs one program. An *endpoint* is an address that one node binds and
others connect to. A *flow* says who ought to receive what: it is the promise against which the
ledger counts losses. Nothing here knows of a world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from harness.shaper import Shape
from harness.units import Within

Delivery = Literal["all", "one", "addressed"]
"""Who is owed a message of a flow: every receiver, any one of them, or the node it answers."""

Transport = Literal["inproc", "ipc", "tcp", "pgm", "epgm"]

MULTICAST: Final = ("pgm", "epgm")
"""Transports over which one node sends to a group; libzmq has them where it was built with OpenPGM (F214)."""

GROUP: Final = "239.192.0.1"
"""The multicast address of all endpoints of a run, which differ in their ports; for use within a site (RFC 2365)."""

LINKED: Final = ("tcp", *MULTICAST)
"""Transports that pass the links of nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One participant.

    Attributes:
        name: unique in the topology; letters, digits and ``-``.
        group: what the user calls its kind (``slow`` for ``slow-1``, ``slow-2``).
        program: ``"module:function"`` or ``"path.py:function"``; called as ``function(node, options)``.
        options: plain data for the program's options class (see :func:`harness.run.decode`).
        start_ns: when the program starts, in ns after the start line. ``None``: with all the
            others, before the start line.
        memory_limit_bytes: its process is killed when it has taken so much more memory than it had when its
            program was ready (a bare Python differs between machines, what is queued does not). ``None``: no limit.
    """

    name: str
    group: str
    program: str
    options: Mapping[str, Any] = field(default_factory=dict)
    start_ns: int | None = None
    memory_limit_bytes: int | None = None

    @property
    def socket_options(self) -> Mapping[str, Any]:
        """The socket options that the experiment sets at this node, by pyzmq's names in small letters."""
        given = self.options.get("socket", {})
        return {str(name).lower(): value for name, value in given.items()} if isinstance(given, Mapping) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address: one binder, any number of connecters (node names)."""

    name: str
    transport: Transport
    binder: str
    connecters: tuple[str, ...]
    binder_type: str
    """Socket type of the binder, e.g. ``"PUB"``."""
    connecter_type: str

    def socket_type(self, node: str) -> str:
        """The type of the socket that the node has here, in capitals."""
        return (self.binder_type if node == self.binder else self.connecter_type).upper()

    def connects(self, one: str, other: str) -> bool:
        """Whether two nodes are peers here: one binds and the other connects."""
        return (one == self.binder and other in self.connecters) or (other == self.binder and one in self.connecters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A stream of messages and who is owed each of them (node names)."""

    name: str
    senders: tuple[str, ...]
    receivers: tuple[str, ...]
    delivery: Delivery
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A node's access to the network: all that it sends or receives over tcp, pgm and epgm passes it.

    Between two nodes that have one each, what passes is shaped by both.

    Attributes:
        node: whose it is; also the name of the link.
        delay_ns: each way, besides the transmission itself.
        jitter_ns: up to so much more, evenly drawn; order is kept.
        rate_bytes_per_s: each way; 0 is no limit.
        loss: chance of a packet not to arrive; tcp repeats it, later, and pgm as long as it is kept.
        queue_bytes: what may wait for a link with a rate; what comes then is a lost packet.
        reorder: chance of a packet to overtake those that the delay holds.
        duplicate: chance of a packet to arrive twice.
    """

    node: str
    delay_ns: int = 0
    jitter_ns: int = 0
    rate_bytes_per_s: int = 0
    loss: Annotated[float, Within(0, 1)] = 0.0
    queue_bytes: int = 262_144
    reorder: Annotated[float, Within(0, 1)] = 0.0
    duplicate: Annotated[float, Within(0, 1)] = 0.0

    @property
    def shape(self) -> Shape:
        """As the shaper takes it, for either direction."""
        return Shape.of(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Nodes, endpoints, flows. Their positions are their ids in a trace; and the links of some nodes."""

    nodes: tuple[Node, ...]
    endpoints: tuple[Endpoint, ...]
    flows: tuple[Flow, ...]
    links: tuple[Link, ...] = ()

    def node_id(self, name: str) -> int:
        """Position of the node of that name. Raises KeyError."""
        for index, node in enumerate(self.nodes):
            if node.name == name:
                return index
        raise KeyError(name)

    def flow_id(self, name: str) -> int:
        """Position of the flow of that name. Raises KeyError."""
        for index, flow in enumerate(self.flows):
            if flow.name == name:
                return index
        raise KeyError(name)

    def node(self, name: str) -> Node:
        """The node of that name. Raises KeyError."""
        return self.nodes[self.node_id(name)]

    def flow(self, name: str) -> Flow:
        """The flow of that name. Raises KeyError."""
        return self.flows[self.flow_id(name)]

    def link(self, node: str) -> Link | None:
        """The link of that node, if it has one."""
        return next((link for link in self.links if link.node == node), None)

    def endpoint_of(self, flow: Flow) -> Endpoint | None:
        """The endpoint that the flow goes over, if it is one of this topology's."""
        return next((endpoint for endpoint in self.endpoints if endpoint.name == flow.endpoint), None)

    def ends_of(self, node: str) -> tuple[Endpoint, ...]:
        """The endpoints that a node binds or connects."""
        return tuple(end for end in self.endpoints if node == end.binder or node in end.connecters)

    def hears(self, node: str) -> tuple[tuple[Endpoint, str], ...]:
        """Who hears what a node publishes, and at which of its endpoints: those where it has a PUB or XPUB."""
        found: list[tuple[Endpoint, str]] = []
        for endpoint in self.ends_of(node):
            if endpoint.socket_type(node) in ("PUB", "XPUB"):
                peers = endpoint.connecters if node == endpoint.binder else (endpoint.binder,)
                found += [(endpoint, peer) for peer in peers]
        return tuple(found)

    def uses(self, node: str, transports: tuple[str, ...]) -> bool:
        """Whether that node binds or connects an endpoint of one of these transports."""
        return any(end.transport in transports for end in self.ends_of(node))

    @property
    def multicast(self) -> bool:
        """Whether any endpoint needs a library and a network with multicast."""
        return any(end.transport in MULTICAST for end in self.endpoints)

    def cells(self) -> tuple[int, ...]:
        """For each node the lowest id of those with which it must share a process.

        Nodes that meet over inproc need one context, so they are threads of one process; all
        others have a process of their own.
        """
        cell = list(range(len(self.nodes)))
        for endpoint in self.endpoints:
            if endpoint.transport != "inproc":
                continue
            members = [self.node_id(name) for name in (endpoint.binder, *endpoint.connecters)]
            lowest = min(cell[member] for member in members)
            joined = [cell[member] for member in members]
            cell = [lowest if each in joined else each for each in cell]
        return tuple(cell)

    def memory_limits(self) -> dict[tuple[int, ...], int]:
        """The nodes of each process whose memory is limited, and its limit in bytes: the least of its nodes'."""
        found: dict[tuple[int, ...], int] = {}
        for nodes in self.together():
            limits = [self.nodes[node].memory_limit_bytes for node in nodes]
            given = [limit for limit in limits if limit is not None]
            if given:
                found[nodes] = min(given)
        return found

    def together(self) -> tuple[tuple[int, ...], ...]:
        """The nodes of each process, by position; see :meth:`cells`."""
        homes = self.cells()
        return tuple(tuple(node for node, home in enumerate(homes) if home == first) for first in dict.fromkeys(homes))


def members(groups: Mapping[str, int]) -> tuple[tuple[str, str], ...]:
    """Group and name of every node of named groups, in order.

    A group of one is its node's name; the nodes of a larger one are numbered: ``{"fast": 1, "slow": 2}``
    gives ``fast``, ``slow-1``, ``slow-2``.
    """
    return tuple(
        (group, group if count == 1 else f"{group}-{number}")
        for group, count in groups.items()
        for number in range(1, count + 1)
    )
