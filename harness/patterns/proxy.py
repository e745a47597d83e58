"""Proxy: REQ clients, a ROUTER-DEALER proxy, REP workers that serve in turn (RFC 28, Guide chapters 2 and 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from harness.node import Node, configure
from harness.patterns import reqrep
from harness.patterns._parts import brokered, configure_both, senders, spec, specs
from harness.roles import BrokerOptions, ServerOptions
from harness.topology import Topology
from harness.units import Within


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(reqrep.Options):
    """What ``[pattern]`` may say, besides what request-reply may.

    Attributes:
        workers: group name to number of workers.
        shows: of so many messages the proxy writes down every frame, as marks.
    """

    workers: Mapping[str, int] = field(default_factory=lambda: {"worker": 2})
    shows: Annotated[int, Within(0, 1000)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyOptions(BrokerOptions):
    """Of the role ``proxy``. ``shows``: of so many messages it writes down every frame."""

    shows: Annotated[int, Within(0, 1000)] = 0


def proxy(node: Node, options: ProxyOptions) -> None:
    """Bind both sides, and pass on whatever comes: requests to the workers in turn, replies to whom they are for."""
    frontend = node.context.socket(node.zmq.ROUTER)
    backend = node.context.socket(node.zmq.DEALER)
    configure_both(node, frontend, backend, options.socket)
    frontend.bind(node.endpoint("service"))
    backend.bind(node.endpoint("workers"))
    _pass_on(node, frontend, backend, options.shows)
    node.zmq.proxy(frontend, backend)


def _pass_on(node: Node, frontend: Any, backend: Any, messages: int) -> None:
    """What zmq.proxy does, by hand, so that the frames can be seen."""
    poller = node.zmq.Poller()
    for socket in (frontend, backend):
        poller.register(socket, node.zmq.POLLIN)
    while messages > 0:
        ready = dict(poller.poll())
        for way, source, target in ((">", frontend, backend), ("<", backend, frontend)):
            if source in ready:
                frames = source.recv_multipart()
                for number, frame in enumerate(frames, 1):
                    node.mark(f"{way} {number}/{len(frames)} {_seen(frame)}")
                target.send_multipart(frames)
                messages -= 1


def _seen(frame: bytes) -> str:
    """A routing id as it is, which has five bytes; of anything longer the size."""
    return (frame.hex() if len(frame) <= 5 else f"{len(frame)}B") or "empty"


def worker(node: Node, options: ServerOptions) -> None:
    """Connect, and answer each request after the work on it; REP keeps the envelope and puts it on the reply."""
    service = node.context.socket(node.zmq.REP)
    configure(service, options.socket)
    service.connect(node.endpoint("workers"))
    while True:
        request = node.recv(service)
        node.work(options.service.draw(node.rng))
        node.send(service, flow="reply", size_bytes=options.size_bytes, answers=request)


def build(options: Options, duration_ns: int) -> Topology:
    """The clients of request-reply as they are, on ``service``; the workers on ``workers``; ``proxy`` binds both."""
    clients = senders(reqrep.client, options.clients, options, duration_ns)
    workers = specs(worker, options.workers, size_bytes=options.reply_size_bytes)
    return brokered(
        spec(proxy, "proxy", shows=options.shows),
        clients,
        workers,
        transport=options.transport,
        backend_type="DEALER",
        worker_type="REP",
    )
