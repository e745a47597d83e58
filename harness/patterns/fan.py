"""Fan-out and fan-in: a PUSH ventilator, PULL-PUSH workers, one PULL sink (RFC 30, Guide chapter 1)."""

from __future__ import annotations

from dataclasses import dataclass

from harness.node import Node, configure
from harness.patterns import pipeline
from harness.patterns._parts import configure_both, names, sender, spec, specs
from harness.roles import ReceiverOptions, ServerOptions
from harness.topology import Endpoint, Flow, Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(pipeline.Options):
    """What ``[pattern]`` may say, besides what a pipeline may.

    Attributes:
        result_size_bytes: of a result, stamp included.
    """

    result_size_bytes: int = 512


def worker(node: Node, options: ServerOptions) -> None:
    """Connect to both, work on each task, and send its result on; a result keeps the time at which its task was due."""
    work = node.context.socket(node.zmq.PULL)
    results = node.context.socket(node.zmq.PUSH)
    configure_both(node, work, results, options.socket)
    work.connect(node.endpoint("work"))
    results.connect(node.endpoint("results"))
    while True:
        task = node.recv(work)
        node.work(options.service.draw(node.rng))
        node.send(results, flow="result", size_bytes=options.size_bytes, answers=task)


def sink(node: Node, options: ReceiverOptions) -> None:
    """Bind, and collect: PULL takes from its workers in turn, whoever has something."""
    results = node.context.socket(node.zmq.PULL)
    configure(results, options.socket)
    results.bind(node.endpoint("results"))
    while True:
        node.recv(results)
        node.work(options.service.draw(node.rng))


def build(options: Options, duration_ns: int) -> Topology:
    """The ventilator of a pipeline as it is, on ``work``; the workers; and a ``sink``, on ``results``."""
    source = sender(pipeline.ventilator, "ventilator", options, duration_ns)
    workers = specs(worker, options.workers, size_bytes=options.result_size_bytes)
    return Topology(
        nodes=(source, *workers, spec(sink, "sink")),
        endpoints=(
            Endpoint(
                name="work",
                transport=options.transport,
                binder="ventilator",
                connecters=names(workers),
                binder_type="PUSH",
                connecter_type="PULL",
            ),
            Endpoint(
                name="results",
                transport=options.transport,
                binder="sink",
                connecters=names(workers),
                binder_type="PULL",
                connecter_type="PUSH",
            ),
        ),
        flows=(
            Flow(name="work", senders=("ventilator",), receivers=names(workers), delivery="one", endpoint="work"),
            Flow(name="result", senders=names(workers), receivers=("sink",), delivery="one", endpoint="results"),
        ),
    )
