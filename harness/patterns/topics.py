"""Topics: one PUB, and SUB that get what begins as they asked; each topic a flow (RFC 29, Guide chapter 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import cycle

from harness.node import Node, configure
from harness.patterns._parts import Load, sender, spec
from harness.roles import ReceiverOptions, SenderOptions
from harness.topology import Endpoint, Flow, Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Load):
    """What ``[pattern]`` may say, besides the load (the rate is that of all topics together).

    Attributes:
        topics: one after the other, in this order; the first frame of a message.
        subscribers: name of each to the beginnings of topics to which it subscribes; ``""`` is all.
    """

    topics: tuple[str, ...] = ("one", "two")
    subscribers: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"sub": ("",)})


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherOptions(SenderOptions):
    """Of the role ``pub``."""

    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberOptions(ReceiverOptions):
    """Of every subscriber. Asking for less here than the pattern says loses what was promised."""

    prefixes: tuple[str, ...]


def publisher(node: Node, options: PublisherOptions) -> None:
    """Bind, and publish on each topic in turn when due: the topic is a frame of its own, as an envelope."""
    feed = node.context.socket(node.zmq.PUB)
    configure(feed, options.socket)
    feed.bind(node.endpoint("feed"))
    topics = cycle(options.topics)
    for due in options.arrivals.times(node.rng, node.began_ns):
        node.sleep_until(due)
        topic = next(topics)
        node.send(feed, flow=topic, size_bytes=options.size_bytes, intended_ns=due, prefix=[topic.encode()])


def subscriber(node: Node, options: SubscriberOptions) -> None:
    """Connect, subscribe, and work on each message. It is the publisher that leaves out all others (F101)."""
    feed = node.context.socket(node.zmq.SUB)
    configure(feed, options.socket)
    for prefix in options.prefixes:
        feed.subscribe(prefix.encode())
    feed.connect(node.endpoint("feed"))
    while True:
        node.recv(feed)
        node.work(options.service.draw(node.rng))


def build(options: Options, duration_ns: int) -> Topology:
    """One publisher ``pub``, the subscribers, and for each topic a flow to those who get it."""
    pub = sender(publisher, "pub", options, duration_ns, topics=options.topics)
    subs = tuple(spec(subscriber, name, prefixes=prefixes) for name, prefixes in options.subscribers.items())
    return Topology(
        nodes=(pub, *subs),
        endpoints=(
            Endpoint(
                name="feed",
                transport=options.transport,
                binder="pub",
                connecters=tuple(options.subscribers),
                binder_type="PUB",
                connecter_type="SUB",
            ),
        ),
        flows=tuple(
            Flow(name=topic, senders=("pub",), receivers=_owed(topic, options), delivery="all", endpoint="feed")
            for topic in options.topics
        ),
    )


def _owed(topic: str, options: Options) -> tuple[str, ...]:
    """A prefix is one of bytes and not of words: ``sport`` is the beginning of ``sports-car``, too."""
    return tuple(
        name
        for name, prefixes in options.subscribers.items()
        if any(topic.encode().startswith(prefix.encode()) for prefix in prefixes)
    )
