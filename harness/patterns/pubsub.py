"""Publish-subscribe: one PUB, bound; any number of SUB in named groups (RFC 29, Guide chapter 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.node import Node, configure
from harness.patterns._parts import Load, names, sender, specs
from harness.roles import ReceiverOptions, SenderOptions
from harness.topology import Endpoint, Flow, Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Load):
    """What ``[pattern]`` may say, besides the load.

    Attributes:
        subscribers: group name to number of subscribers.
    """

    subscribers: Mapping[str, int] = field(default_factory=lambda: {"sub": 1})


def publisher(node: Node, options: SenderOptions) -> None:
    """Bind, and publish when due."""
    feed = node.context.socket(node.zmq.PUB)
    configure(feed, options.socket)
    feed.bind(node.endpoint("feed"))
    for due in options.arrivals.times(node.rng, node.began_ns):
        node.sleep_until(due)
        node.send(feed, flow="feed", size_bytes=options.size_bytes, intended_ns=due)


def subscriber(node: Node, options: ReceiverOptions) -> None:
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
    pub = sender(publisher, "pub", options, duration_ns)
    subs = specs(subscriber, options.subscribers)
    return Topology(
        nodes=(pub, *subs),
        endpoints=(
            Endpoint(
                name="feed",
                transport=options.transport,
                binder="pub",
                connecters=names(subs),
                binder_type="PUB",
                connecter_type="SUB",
            ),
        ),
        flows=(Flow(name="feed", senders=("pub",), receivers=names(subs), delivery="all", endpoint="feed"),),
    )
