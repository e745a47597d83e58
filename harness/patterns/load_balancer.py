"""Load balancer: a ROUTER-ROUTER broker gives each request to the worker that is idle longest (Guide chapter 3)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.node import Node, configure
from harness.patterns import reqrep
from harness.patterns._parts import brokered, configure_both, senders, spec, specs
from harness.roles import BrokerOptions, ServerOptions
from harness.topology import Topology

READY = b"READY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(reqrep.Options):
    """What ``[pattern]`` may say, besides what request-reply may.

    Attributes:
        workers: group name to number of workers.
    """

    workers: Mapping[str, int] = field(default_factory=lambda: {"worker": 2})


def broker(node: Node, options: BrokerOptions) -> None:
    """Ask clients only while a worker is idle; the one that has been idle longest is next (RFC 28 for both sides)."""
    frontend = node.context.socket(node.zmq.ROUTER)
    backend = node.context.socket(node.zmq.ROUTER)
    configure_both(node, frontend, backend, options.socket)
    frontend.bind(node.endpoint("service"))
    backend.bind(node.endpoint("workers"))
    idle: deque[bytes] = deque()
    poller = node.zmq.Poller()
    poller.register(backend, node.zmq.POLLIN)
    while True:
        ready = dict(poller.poll())
        if backend in ready:
            worker_id, _, *reply = backend.recv_multipart()  # client, empty, body; or READY
            if not idle:
                poller.register(frontend, node.zmq.POLLIN)
            idle.append(worker_id)
            if reply != [READY]:
                frontend.send_multipart(reply)
        if frontend in ready:
            request = frontend.recv_multipart()  # client, empty, body
            backend.send_multipart([idle.popleft(), b"", *request])
            if not idle:
                poller.unregister(frontend)


def worker(node: Node, options: ServerOptions) -> None:
    """Connect, say READY, and answer each request after the work on it, which says as much."""
    service = node.context.socket(node.zmq.REQ)
    configure(service, options.socket)
    service.connect(node.endpoint("workers"))
    service.send(READY)
    while True:
        request = node.recv(service)
        node.work(options.service.draw(node.rng))
        envelope = request.frames[:-1]
        node.send(service, flow="reply", size_bytes=options.size_bytes, answers=request, prefix=envelope)


def build(options: Options, duration_ns: int) -> Topology:
    """The clients of request-reply as they are, on ``service``; the workers on ``workers``; ``broker`` binds both."""
    clients = senders(reqrep.client, options.clients, options, duration_ns)
    workers = specs(worker, options.workers, size_bytes=options.reply_size_bytes)
    return brokered(
        spec(broker, "broker"),
        clients,
        workers,
        transport=options.transport,
        backend_type="ROUTER",
        worker_type="REQ",
    )
