"""Exclusive pair: two threads of one process, a PAIR each, over inproc (RFC 31, Guide chapter 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.node import Node, configure
from harness.patterns._parts import Load, sender, spec
from harness.roles import ReceiverOptions, SenderOptions
from harness.topology import Endpoint, Flow, Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Load):
    """What ``[pattern]`` may say: the load, by default over inproc, for which PAIR is made."""

    transport: Literal["tcp", "ipc", "inproc"] = "inproc"


def first(node: Node, options: SenderOptions) -> None:
    """Bind, and send when due; ``send`` blocks while the pipe is full, or while there is no peer."""
    pair = node.context.socket(node.zmq.PAIR)
    configure(pair, options.socket)
    pair.bind(node.endpoint("pair"))
    for due in options.arrivals.times(node.rng, node.began_ns):
        node.sleep_until(due)
        node.send(pair, flow="work", size_bytes=options.size_bytes, intended_ns=due)


def second(node: Node, options: ReceiverOptions) -> None:
    """Connect, and work on each message. A third could connect, too, and would never be heard (F81)."""
    pair = node.context.socket(node.zmq.PAIR)
    configure(pair, options.socket)
    pair.connect(node.endpoint("pair"))
    while True:
        node.recv(pair)
        node.work(options.service.draw(node.rng))


def build(options: Options, duration_ns: int) -> Topology:
    """``first`` and ``second`` on the endpoint ``pair``."""
    return Topology(
        nodes=(sender(first, "first", options, duration_ns), spec(second, "second")),
        endpoints=(
            Endpoint(
                name="pair",
                transport=options.transport,
                binder="first",
                connecters=("second",),
                binder_type="PAIR",
                connecter_type="PAIR",
            ),
        ),
        flows=(Flow(name="work", senders=("first",), receivers=("second",), delivery="one", endpoint="pair"),),
    )
