"""Free workers: a ROUTER gives a task only to a DEALER worker that has said it is free (RFC 28, Guide chapter 3)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Annotated

from harness.node import Node, configure
from harness.patterns import pipeline
from harness.patterns._parts import names, sender, specs
from harness.roles import ReceiverOptions, SenderOptions
from harness.topology import Endpoint, Flow, Topology
from harness.units import Within

FREE = b"FREE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(pipeline.Options):
    """What ``[pattern]`` may say, besides what a pipeline may.

    Attributes:
        credit: tasks that a worker may have at a time, the one it works on included.
    """

    credit: Annotated[int, Within(1, 1000)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions(ReceiverOptions):
    """Of every worker. ``credit``: how often it is free at first."""

    credit: Annotated[int, Within(1, 1000)] = 1


def ventilator(node: Node, options: SenderOptions) -> None:
    """Bind, and send each task when it is due and a worker is free; what nobody is free for waits here."""
    work = node.context.socket(node.zmq.ROUTER)
    configure(work, options.socket)
    work.bind(node.endpoint("work"))
    free: deque[bytes] = deque()
    for due in options.arrivals.times(node.rng, node.began_ns):
        node.sleep_until(due)
        while not free or work.poll(0):
            worker_id, _ = work.recv_multipart()
            free.append(worker_id)
        node.send(work, flow="work", size_bytes=options.size_bytes, intended_ns=due, prefix=[free.popleft()])
    while True:  # what workers say after the last task is read, too: nothing stays under way
        work.recv_multipart()


def worker(node: Node, options: WorkerOptions) -> None:
    """Connect, say how much may come, and after each task that one more may."""
    work = node.context.socket(node.zmq.DEALER)
    configure(work, options.socket)
    work.connect(node.endpoint("work"))
    for _ in range(options.credit):
        work.send(FREE)
    while True:
        node.recv(work)
        node.work(options.service.draw(node.rng))
        work.send(FREE)


def build(options: Options, duration_ns: int) -> Topology:
    """As a pipeline: one ``ventilator`` and the workers, all on the endpoint ``work``."""
    source = sender(ventilator, "ventilator", options, duration_ns)
    workers = specs(worker, options.workers, credit=options.credit)
    return Topology(
        nodes=(source, *workers),
        endpoints=(
            Endpoint(
                name="work",
                transport=options.transport,
                binder="ventilator",
                connecters=names(workers),
                binder_type="ROUTER",
                connecter_type="DEALER",
            ),
        ),
        flows=(Flow(name="work", senders=("ventilator",), receivers=names(workers), delivery="one", endpoint="work"),),
    )
