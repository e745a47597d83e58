"""Suicidal snail: a subscriber that finds itself too late leaves, rather than fill queues (Guide chapter 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness.node import Node, configure
from harness.remedies._parts import Chosen, choose, having, with_program
from harness.roles import ReceiverOptions
from harness.topology import Topology
from harness.units import Within


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Chosen):
    """What ``[remedy.*]`` may say, besides for whom.

    Attributes:
        max_lag_ns: a subscriber that receives a message so long after it was sent leaves.
        back_after_ns: it is back so long after, with an empty queue; 0: never.
    """

    max_lag_ns: Annotated[int, Within(1_000_000, 3_600_000_000_000)] = 1_000_000_000
    back_after_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberOptions(ReceiverOptions):
    """Of a subscriber. ``endpoint``: by name; ``prefixes``: of topics; the others as the remedy has them."""

    endpoint: str = "feed"
    prefixes: tuple[str, ...] = ("",)
    max_lag_ns: int = 1_000_000_000
    back_after_ns: int = 0


def subscriber(node: Node, options: SubscriberOptions) -> None:
    """Work on each message until one is too old; what waits in the socket goes with it.

    The age is told by two clocks, the sender's and its own: between hosts they must agree by less than the lag.
    """
    while True:
        feed = node.context.socket(node.zmq.SUB)
        configure(feed, options.socket)
        for prefix in options.prefixes:
            feed.subscribe(prefix.encode())
        feed.connect(node.endpoint(options.endpoint))
        while True:
            message = node.recv(feed)
            if node.now() - message.sent_ns > options.max_lag_ns:
                break
            node.work(options.service.draw(node.rng))
        node.mark("is too late")
        feed.close(linger=0)
        if not options.back_after_ns:
            return
        node.sleep_until(node.now() + options.back_after_ns)


def apply(topology: Topology, options: Options) -> Topology:
    """Put the subscriber in place of every program that does nothing but listen to a SUB."""
    fitting = [name for name in having(topology, "SUB") if len(topology.ends_of(name)) == 1]
    chosen = choose(topology, fitting, options, "nodes that listen to a SUB, their only socket")
    told = {"max_lag_ns": options.max_lag_ns, "back_after_ns": options.back_after_ns}
    return with_program(
        topology, subscriber, {name: {"endpoint": topology.ends_of(name)[0].name, **told} for name in chosen}
    )
