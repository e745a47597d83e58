"""Pipeline: one PUSH ventilator, bound, deals work to any number of PULL workers (RFC 30, Guide chapter 1)."""

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
        rate_per_s: tasks a second that the ventilator intends to send.
        size_bytes: of a task, stamp included.
        transport: tcp, ipc or inproc.
        workers: group name to number of workers.
        arrivals: constant, poisson or burst spacing.
        burst: tasks in a burst.
    """

    rate_per_s: float
    size_bytes: int = 512
    transport: Literal["tcp", "ipc", "inproc"] = "tcp"
    workers: Mapping[str, int] = field(default_factory=lambda: {"worker": 1})
    arrivals: Literal["constant", "poisson", "burst"] = "constant"
    burst: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VentilatorOptions:
    """Of the role ``ventilator``. ``socket``: socket options by pyzmq's names."""

    arrivals: Arrivals
    size_bytes: int = STAMP_BYTES
    socket: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """Of every worker. ``service``: how long it works on each task."""

    service: Service = field(default_factory=Service)
    socket: Mapping[str, Any] = field(default_factory=dict)


def ventilator(node: Node, options: VentilatorOptions) -> None:
    """Bind, and send tasks when due; ``send`` blocks while every worker's pipe is full (RFC 30)."""
    work = node.context.socket(node.zmq.PUSH)
    configure(work, options.socket)
    work.bind(node.endpoint("work"))
    for due in options.arrivals.times(node.rng, node.began_ns):
        node.sleep_until(due)
        node.send(work, flow="work", size_bytes=options.size_bytes, intended_ns=due)


def worker(node: Node, options: WorkerOptions) -> None:
    """Connect, and work on each task."""
    work = node.context.socket(node.zmq.PULL)
    configure(work, options.socket)
    work.connect(node.endpoint("work"))
    while True:
        node.recv(work)
        node.work(options.service.draw(node.rng))


def build(options: Options, duration_ns: int) -> Topology:
    """One ``ventilator`` and the workers, all on the endpoint ``work``."""
    arrivals = Arrivals(kind=options.arrivals, rate_per_s=options.rate_per_s, until_ns=duration_ns, burst=options.burst)
    ventilator_spec = NodeSpec(
        name="ventilator",
        group="ventilator",
        program=f"{__name__}:ventilator",
        options={"arrivals": asdict(arrivals), "size_bytes": options.size_bytes},
    )
    workers = tuple(
        NodeSpec(name=name, group=group, program=f"{__name__}:worker") for group, name in members(options.workers)
    )
    receivers = tuple(spec.name for spec in workers)
    return Topology(
        nodes=(ventilator_spec, *workers),
        endpoints=(
            Endpoint(
                name="work",
                transport=options.transport,
                binder="ventilator",
                connecters=receivers,
                binder_type="PUSH",
                connecter_type="PULL",
            ),
        ),
        flows=(Flow(name="work", senders=("ventilator",), receivers=receivers, delivery="one", endpoint="work"),),
    )
