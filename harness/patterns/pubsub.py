"""Publish-subscribe: one PUB, bound; any number of SUB in named groups (RFC 29, Guide chapter 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from harness.load import Arrivals, Service
from harness.node import STAMP_BYTES, Node, configure
from harness.topology import Endpoint, Flow, Topology, members
from harness.topology import Node as NodeSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``[pattern]`` may say.

    Attributes:
        rate_per_s: messages a second that the publisher intends to send.
        size_bytes: of a message, stamp included.
        transport: tcp, ipc or inproc.
        subscribers: group name to number of subscribers.
        arrivals: constant, poisson or burst spacing.
        burst: messages in a burst.
    """

    rate_per_s: float
    size_bytes: int = 512
    transport: Literal["tcp", "ipc", "inproc"] = "tcp"
    subscribers: Mapping[str, int] = field(default_factory=lambda: {"sub": 1})
    arrivals: Literal["constant", "poisson", "burst"] = "constant"
    burst: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherOptions:
    """Of the role ``pub``. ``socket``: socket options by pyzmq's names."""

    arrivals: Arrivals
    size_bytes: int = STAMP_BYTES
    socket: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberOptions:
    """Of every subscriber. ``service``: how long it works on each message."""

    service: Service = field(default_factory=Service)
    socket: Mapping[str, Any] = field(default_factory=dict)


def publisher(node: Node, options: PublisherOptions) -> None:
    """Bind, and publish when due."""
    feed = node.context.socket(node.zmq.PUB)
    configure(feed, options.socket)
    feed.bind(node.endpoint("feed"))
    for due in options.arrivals.times(node.rng, node.began_ns):
        node.sleep_until(due)
        node.send(feed, flow="feed", size_bytes=options.size_bytes, intended_ns=due)


def subscriber(node: Node, options: SubscriberOptions) -> None:
    """Connect, subscribe to everything, and work on each message."""
    feed = node.context.socket(node.zmq.SUB)
    configure(feed, options.socket)
    feed.subscribe(b"")
    feed.connect(node.endpoint("feed"))
    while True:
        node.recv(feed)
        node.work(options.service.draw(node.rng))


def build(options: Options, duration_ns: int) -> Topology:
    """One publisher ``pub`` and the subscribers, all on the endpoint ``feed``."""
    arrivals = Arrivals(kind=options.arrivals, rate_per_s=options.rate_per_s, until_ns=duration_ns, burst=options.burst)
    pub = NodeSpec(
        name="pub",
        group="pub",
        program=f"{__name__}:publisher",
        options={"arrivals": asdict(arrivals), "size_bytes": options.size_bytes},
    )
    subs = tuple(
        NodeSpec(name=name, group=group, program=f"{__name__}:subscriber")
        for group, name in members(options.subscribers)
    )
    receivers = tuple(sub.name for sub in subs)
    return Topology(
        nodes=(pub, *subs),
        endpoints=(
            Endpoint(
                name="feed",
                transport=options.transport,
                binder="pub",
                connecters=receivers,
                binder_type="PUB",
                connecter_type="SUB",
            ),
        ),
        flows=(Flow(name="feed", senders=("pub",), receivers=receivers, delivery="all", endpoint="feed"),),
    )
