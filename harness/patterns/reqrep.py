"""Request-reply: any number of REQ clients in lockstep with one REP server, bound (RFC 28, Guide chapter 1)."""

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
        rate_per_s: requests a second that each client intends to send.
        size_bytes: of a request, stamp included.
        reply_size_bytes: of a reply, stamp included.
        transport: tcp, ipc or inproc.
        clients: group name to number of clients.
        arrivals: constant, poisson or burst spacing; clients of constant spacing take turns.
        burst: requests in a burst.
    """

    rate_per_s: float
    size_bytes: int = 512
    reply_size_bytes: int = 512
    transport: Literal["tcp", "ipc", "inproc"] = "tcp"
    clients: Mapping[str, int] = field(default_factory=lambda: {"client": 1})
    arrivals: Literal["constant", "poisson", "burst"] = "poisson"
    burst: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """Of every client. ``socket``: socket options by pyzmq's names."""

    arrivals: Arrivals
    size_bytes: int = STAMP_BYTES
    socket: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Of the role ``server``. ``service``: how long it works on each request."""

    service: Service = field(default_factory=Service)
    size_bytes: int = STAMP_BYTES
    socket: Mapping[str, Any] = field(default_factory=dict)


def client(node: Node, options: ClientOptions) -> None:
    """Send a request when due, or as soon after as the reply to the one before is there.

    The schedule does not wait for the server (open loop), though REQ does: a request that is sent
    late keeps its intended time, so that a slow server cannot hide its own queue.
    """
    service = node.context.socket(node.zmq.REQ)
    configure(service, options.socket)
    service.connect(node.endpoint("service"))
    for due in options.arrivals.times(node.rng, node.began_ns):
        node.sleep_until(due)
        if node.send(service, flow="request", size_bytes=options.size_bytes, intended_ns=due):
            node.recv(service)


def server(node: Node, options: ServerOptions) -> None:
    """Bind, and answer each request after the work on it."""
    service = node.context.socket(node.zmq.REP)
    configure(service, options.socket)
    service.bind(node.endpoint("service"))
    while True:
        request = node.recv(service)
        node.work(options.service.draw(node.rng))
        node.send(service, flow="reply", size_bytes=options.size_bytes, answers=request)


def build(options: Options, duration_ns: int) -> Topology:
    """The clients and one ``server``, all on the endpoint ``service``."""
    names = members(options.clients)
    clients = tuple(
        NodeSpec(
            name=name,
            group=group,
            program=f"{__name__}:client",
            options={
                "arrivals": asdict(_arrivals(options, duration_ns, position, len(names))),
                "size_bytes": options.size_bytes,
            },
        )
        for position, (group, name) in enumerate(names)
    )
    server_spec = NodeSpec(
        name="server", group="server", program=f"{__name__}:server", options={"size_bytes": options.reply_size_bytes}
    )
    senders = tuple(spec.name for spec in clients)
    return Topology(
        nodes=(server_spec, *clients),
        endpoints=(
            Endpoint(
                name="service",
                transport=options.transport,
                binder="server",
                connecters=senders,
                binder_type="REP",
                connecter_type="REQ",
            ),
        ),
        flows=(
            Flow(name="request", senders=senders, receivers=("server",), delivery="one", endpoint="service"),
            Flow(name="reply", senders=("server",), receivers=senders, delivery="addressed", endpoint="service"),
        ),
    )


def _arrivals(options: Options, duration_ns: int, position: int, clients: int) -> Arrivals:
    """A client's schedule; shifted, so that not all clients of a regular one ask at the same nanosecond."""
    spacing_ns = options.burst * 1e9 / options.rate_per_s if options.arrivals == "burst" else 1e9 / options.rate_per_s
    phase_ns = 0 if options.arrivals == "poisson" else round(position * spacing_ns / clients)
    return Arrivals(
        kind=options.arrivals,
        rate_per_s=options.rate_per_s,
        until_ns=duration_ns,
        burst=options.burst,
        phase_ns=phase_ns,
    )
