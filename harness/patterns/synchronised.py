"""Synchronised start: a PUB that waits until all SUB have said hello over REQ-REP (RFC 29, Guide chapter 2)."""

from __future__ import annotations

from dataclasses import dataclass

from harness.node import Node, configure
from harness.patterns import pubsub
from harness.patterns._parts import names, sender, specs
from harness.roles import ReceiverOptions, SenderOptions
from harness.topology import Endpoint, Flow, Topology

HELLO = b"HELLO"
HELLO_EVERY_MS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(pubsub.Options):
    """What ``[pattern]`` may say: what publish-subscribe may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherOptions(SenderOptions):
    """Of the role ``pub``. ``expected``: for so many subscribers it waits; ``socket``: of the PUB."""

    expected: int


def publisher(node: Node, options: PublisherOptions) -> None:
    """Say hello until all have answered, then publish; what was due before is not published at all."""
    feed = node.context.socket(node.zmq.PUB)
    hellos = node.context.socket(node.zmq.REP)
    configure(feed, options.socket)
    feed.bind(node.endpoint("feed"))
    hellos.bind(node.endpoint("hello"))
    missing = options.expected
    while missing:
        if hellos.poll(HELLO_EVERY_MS):
            hellos.recv()
            hellos.send(b"")
            missing -= 1
        else:
            feed.send(HELLO)
    node.mark("all are here")
    for due in options.arrivals.times(node.rng, node.now()):
        node.sleep_until(due)
        node.send(feed, flow="feed", size_bytes=options.size_bytes, intended_ns=due)


def subscriber(node: Node, options: ReceiverOptions) -> None:
    """Connect, subscribe, and answer the first hello that arrives: then the subscription is known to work."""
    feed = node.context.socket(node.zmq.SUB)
    hello = node.context.socket(node.zmq.REQ)
    configure(feed, options.socket)
    feed.subscribe(b"")
    feed.connect(node.endpoint("feed"))
    hello.connect(node.endpoint("hello"))
    answered = False
    while True:
        message = node.recv(feed)
        if message.sender >= 0:
            node.work(options.service.draw(node.rng))
        elif not answered:
            answered = True
            hello.send(HELLO)
            hello.recv()


def build(options: Options, duration_ns: int) -> Topology:
    """One publisher ``pub`` and the subscribers, on ``feed`` for messages and on ``hello`` before."""
    subs = specs(subscriber, options.subscribers)
    pub = sender(publisher, "pub", options, duration_ns, expected=len(subs))
    return Topology(
        nodes=(pub, *subs),
        endpoints=tuple(
            Endpoint(
                name=name,
                transport=options.transport,
                binder="pub",
                connecters=names(subs),
                binder_type=binder_type,
                connecter_type=connecter_type,
            )
            for name, binder_type, connecter_type in (("feed", "PUB", "SUB"), ("hello", "REP", "REQ"))
        ),
        flows=(Flow(name="feed", senders=("pub",), receivers=names(subs), delivery="all", endpoint="feed"),),
    )
