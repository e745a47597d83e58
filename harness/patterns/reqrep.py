"""Request-reply: any number of REQ clients in lockstep with one REP server, bound (RFC 28, Guide chapter 1)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.node import Node, configure
from harness.patterns._parts import Load, senders, served, spec
from harness.roles import SenderOptions, ServerOptions
from harness.topology import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Load):
    """What ``[pattern]`` may say, besides the load (the rate is that of each client).

    Attributes:
        reply_size_bytes: of a reply, stamp included.
        clients: group name to number of clients.
    """

    reply_size_bytes: int = 512
    clients: Mapping[str, int] = field(default_factory=lambda: {"client": 1})
    arrivals: Literal["constant", "poisson", "burst"] = "poisson"


def client(node: Node, options: SenderOptions) -> None:
    """Send a request when due, or as soon after as the reply to the one before is there.

    The schedule does not wait for the server (open loop), though REQ does: a request that is sent
    late keeps its intended time, so that a slow server cannot hide its own queue. With RCVTIMEO it gives a request up
    after that time and goes on to the next, which takes REQ_RELAXED.
    """
    service = node.context.socket(node.zmq.REQ)
    configure(service, options.socket)
    service.connect(node.endpoint("service"))
    for due in options.arrivals.times(node.rng, node.began_ns):
        node.sleep_until(due)
        if node.send(service, flow="request", size_bytes=options.size_bytes, intended_ns=due):
            with contextlib.suppress(node.zmq.Again):
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
    clients = senders(client, options.clients, options, duration_ns)
    answering = spec(server, "server", size_bytes=options.reply_size_bytes)
    return served(answering, clients, transport=options.transport, server_type="REP", client_type="REQ")
