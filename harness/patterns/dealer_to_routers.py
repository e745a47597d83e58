"""Dealer to routers: one DEALER, connected to N ROUTER, and one of them serves each request (RFC 28)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.node import Node, configure
from harness.patterns._parts import Load, names, receive_until, sender, specs
from harness.roles import SenderOptions, ServerOptions
from harness.topology import Endpoint, Flow, Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Load):
    """What ``[pattern]`` may say, besides the load.

    Attributes:
        reply_size_bytes: of a reply, stamp included.
        servers: group name to number of servers.
    """

    reply_size_bytes: int = 512
    servers: Mapping[str, int] = field(default_factory=lambda: {"server": 2})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions(SenderOptions):
    """Of the role ``client``. ``servers``: the endpoints to which it connects; each bears its server's name."""

    servers: tuple[str, ...]


def client(node: Node, options: ClientOptions) -> None:
    """Connect to every server, send requests when due, and receive in between: DEALER deals them out in turn."""
    service = node.context.socket(node.zmq.DEALER)
    configure(service, options.socket)
    for name in options.servers:
        service.connect(node.endpoint(name))
    for due in options.arrivals.times(node.rng, node.began_ns):
        receive_until(node, service, due)
        node.send(service, flow="request", size_bytes=options.size_bytes, intended_ns=due)
    while True:
        node.recv(service)


def server(node: Node, options: ServerOptions) -> None:
    """Bind the endpoint of its own name, and answer each request after the work on it."""
    service = node.context.socket(node.zmq.ROUTER)
    configure(service, options.socket)
    service.bind(node.endpoint(node.name))
    while True:
        request = node.recv(service)
        node.work(options.service.draw(node.rng))
        envelope = request.frames[:-1]
        node.send(service, flow="reply", size_bytes=options.size_bytes, answers=request, prefix=envelope)


def build(options: Options, duration_ns: int) -> Topology:
    """One ``client``, and an endpoint for each server; the flows are named to be on the first of these."""
    servers = specs(server, options.servers, size_bytes=options.reply_size_bytes)
    each = names(servers)
    asking = sender(client, "client", options, duration_ns, servers=each)
    return Topology(
        nodes=(*servers, asking),
        endpoints=tuple(
            Endpoint(
                name=name,
                transport=options.transport,
                binder=name,
                connecters=("client",),
                binder_type="ROUTER",
                connecter_type="DEALER",
            )
            for name in each
        ),
        flows=(
            Flow(name="request", senders=("client",), receivers=each, delivery="one", endpoint=each[0]),
            Flow(name="reply", senders=each, receivers=("client",), delivery="addressed", endpoint=each[0]),
        ),
    )
