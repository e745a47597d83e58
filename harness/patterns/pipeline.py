"""Pipeline: one PUSH ventilator, bound, deals work to any number of PULL workers (RFC 30, Guide chapter 1)."""

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
        workers: group name to number of workers.
    """

    workers: Mapping[str, int] = field(default_factory=lambda: {"worker": 1})


def ventilator(node: Node, options: SenderOptions) -> None:
    """Bind, and send tasks when due; ``send`` blocks while every worker's pipe is full (RFC 30)."""
    work = node.context.socket(node.zmq.PUSH)
    configure(work, options.socket)
    work.bind(node.endpoint("work"))
    for due in options.arrivals.times(node.rng, node.began_ns):
        node.sleep_until(due)
        node.send(work, flow="work", size_bytes=options.size_bytes, intended_ns=due)


def worker(node: Node, options: ReceiverOptions) -> None:
    """Connect, and work on each task."""
    work = node.context.socket(node.zmq.PULL)
    configure(work, options.socket)
    work.connect(node.endpoint("work"))
    while True:
        node.recv(work)
        node.work(options.service.draw(node.rng))


def build(options: Options, duration_ns: int) -> Topology:
    """One ``ventilator`` and the workers, all on the endpoint ``work``."""
    source = sender(ventilator, "ventilator", options, duration_ns)
    workers = specs(worker, options.workers)
    return Topology(
        nodes=(source, *workers),
        endpoints=(
            Endpoint(
                name="work",
                transport=options.transport,
                binder="ventilator",
                connecters=names(workers),
                binder_type="PUSH",
                connecter_type="PULL",
            ),
        ),
        flows=(Flow(name="work", senders=("ventilator",), receivers=names(workers), delivery="one", endpoint="work"),),
    )
