"""Asynchronous server: DEALER clients never wait; one ROUTER server answers in pieces (RFC 28, Guide chapter 3)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from harness.load import Service
from harness.node import Message, Node, configure
from harness.patterns._parts import Load, receive_until, senders, served, spec
from harness.roles import SenderOptions, ServerOptions
from harness.topology import Topology
from harness.units import Within


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Load):
    """What ``[pattern]`` may say, besides the load (the rate is that of each client).

    Attributes:
        reply_size_bytes: of a reply, stamp included.
        clients: group name to number of clients.
        answers: replies to a request, at most; how many it has is drawn, from 1 on.
    """

    reply_size_bytes: int = 512
    clients: Mapping[str, int] = field(default_factory=lambda: {"client": 1})
    answers: Annotated[int, Within(1, 1000)] = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions(SenderOptions):
    """Of every client. ``service``: how long it works on each reply."""

    service: Service = field(default_factory=Service)


@dataclass(frozen=True, slots=True, kw_only=True)
class PiecesOptions(ServerOptions):
    """Of the role ``server``, which works on each reply. ``answers``: at most to one request."""

    answers: Annotated[int, Within(1, 1000)] = 4


def client(node: Node, options: ClientOptions) -> None:
    """Send requests when due, and receive in between; which reply belongs to which request the client must know."""
    service = node.context.socket(node.zmq.DEALER)
    configure(service, options.socket)
    service.connect(node.endpoint("service"))
    for due in options.arrivals.times(node.rng, node.began_ns):
        receive_until(node, service, due, options.service)
        node.send(service, flow="request", size_bytes=options.size_bytes, intended_ns=due)
    while True:
        node.recv(service)
        node.work(options.service.draw(node.rng))


def server(node: Node, options: PiecesOptions) -> None:
    """Bind; take a request if there is one, and send one piece to whoever is next: the short overtake the long."""
    service = node.context.socket(node.zmq.ROUTER)
    configure(service, options.socket)
    service.bind(node.endpoint("service"))
    begun: deque[tuple[Message, int]] = deque()
    while True:
        if not begun or service.poll(0):
            begun.append((node.recv(service), int(node.rng.integers(1, options.answers + 1))))
        request, left = begun.popleft()
        node.work(options.service.draw(node.rng))
        envelope = request.frames[:-1]
        node.send(service, flow="reply", size_bytes=options.size_bytes, answers=request, prefix=envelope)
        if left > 1:
            begun.append((request, left - 1))


def build(options: Options, duration_ns: int) -> Topology:
    """The clients and one ``server``, all on the endpoint ``service``."""
    clients = senders(client, options.clients, options, duration_ns)
    answering = spec(server, "server", size_bytes=options.reply_size_bytes, answers=options.answers)
    return served(answering, clients, transport=options.transport, server_type="ROUTER", client_type="DEALER")
