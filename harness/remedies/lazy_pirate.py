"""Lazy pirate: a REQ client that gives a request up in time, opens a new socket and asks again (Guide chapter 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from harness.node import Node, configure
from harness.remedies._parts import Chosen, choose, having, milliseconds, with_program
from harness.roles import SenderOptions
from harness.topology import Topology
from harness.units import NS_PER_MS, Within


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Chosen):
    """What ``[remedy.*]`` may say, besides for whom.

    Attributes:
        timeout_ns: a request that has no reply after so long is given up, in whole milliseconds.
        retries: how often it is sent again before the client ends itself.
    """

    timeout_ns: int = 250_000_000
    retries: Annotated[int, Within(0, 1000)] = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions(SenderOptions):
    """Of a client. ``endpoint``, ``flow``: by name, where it asks; the others as the remedy has them."""

    endpoint: str = "service"
    flow: str = "request"
    timeout_ns: int = 250_000_000
    retries: int = 3


def client(node: Node, options: ClientOptions) -> None:
    """Ask when due, or as soon after as the one before is answered; end when a request is never answered.

    REQ waits for its reply and for nothing else, so who waits no longer needs a new socket. A request that is sent
    again is a message of its own, with the intended time of the first: latency counts from there.
    """
    service = _opened(node, options)
    for due in options.arrivals.times(node.rng, node.began_ns):
        node.sleep_until(due)
        for attempt in range(options.retries + 1):
            if attempt:
                node.mark("asks again")
                service.close(linger=0)
                service = _opened(node, options)
            node.send(service, flow=options.flow, size_bytes=options.size_bytes, intended_ns=due)
            if service.poll(options.timeout_ns // NS_PER_MS):
                node.recv(service)
                break
        else:
            node.mark("gives up")
            service.close(linger=0)
            return


def _opened(node: Node, options: ClientOptions) -> Any:
    service = node.context.socket(node.zmq.REQ)
    configure(service, options.socket)
    service.connect(node.endpoint(options.endpoint))
    return service


def apply(topology: Topology, options: Options) -> Topology:
    """Put the client in place of every program that does nothing but ask with a REQ."""
    milliseconds(options.timeout_ns, "timeout")
    flows = {name: flow for flow in topology.flows if flow.delivery == "one" for name in flow.senders}
    fitting = [
        name
        for name in having(topology, "REQ")
        if name in flows and [end.name for end in topology.ends_of(name)] == [flows[name].endpoint]
    ]
    chosen = choose(topology, fitting, options, "nodes that send requests with a REQ, their only socket")
    told = {"timeout_ns": options.timeout_ns, "retries": options.retries}
    return with_program(
        topology,
        client,
        {name: {"endpoint": flows[name].endpoint, "flow": flows[name].name, **told} for name in chosen},
    )
