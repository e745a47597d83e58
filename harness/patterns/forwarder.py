"""Forwarder: an XSUB-XPUB proxy between publishers and subscribers (RFC 29, Guide chapter 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.node import Node, configure
from harness.patterns import pubsub
from harness.patterns._parts import configure_both, names, senders, spec, specs
from harness.roles import BrokerOptions, SenderOptions
from harness.topology import Endpoint, Flow, Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(pubsub.Options):
    """What ``[pattern]`` may say, besides what publish-subscribe may (the rate is that of each publisher).

    Attributes:
        publishers: group name to number of publishers.
    """

    publishers: Mapping[str, int] = field(default_factory=lambda: {"pub": 1})


def publisher(node: Node, options: SenderOptions) -> None:
    """Connect, and publish when due."""
    feed = node.context.socket(node.zmq.PUB)
    configure(feed, options.socket)
    feed.connect(node.endpoint("publishers"))
    for due in options.arrivals.times(node.rng, node.began_ns):
        node.sleep_until(due)
        node.send(feed, flow="feed", size_bytes=options.size_bytes, intended_ns=due)


def forwarder(node: Node, options: BrokerOptions) -> None:
    """Bind both sides, and pass on: messages to the subscribers, their subscriptions to the publishers."""
    frontend = node.context.socket(node.zmq.XSUB)
    backend = node.context.socket(node.zmq.XPUB)
    configure_both(node, frontend, backend, options.socket)
    frontend.bind(node.endpoint("publishers"))
    backend.bind(node.endpoint("feed"))
    node.zmq.proxy(frontend, backend)


def build(options: Options, duration_ns: int) -> Topology:
    """Publishers on ``publishers``, the subscribers of publish-subscribe on ``feed``; ``forwarder`` binds both."""
    pubs = senders(publisher, options.publishers, options, duration_ns)
    subs = specs(pubsub.subscriber, options.subscribers)
    return Topology(
        nodes=(spec(forwarder, "forwarder"), *pubs, *subs),
        endpoints=(
            Endpoint(
                name="publishers",
                transport=options.transport,
                binder="forwarder",
                connecters=names(pubs),
                binder_type="XSUB",
                connecter_type="PUB",
            ),
            Endpoint(
                name="feed",
                transport=options.transport,
                binder="forwarder",
                connecters=names(subs),
                binder_type="XPUB",
                connecter_type="SUB",
            ),
        ),
        flows=(Flow(name="feed", senders=names(pubs), receivers=names(subs), delivery="all", endpoint="publishers"),),
    )
