"""What patterns share: a load, nodes of one program, and helpers of those that pass messages on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from harness.load import Arrivals, Service
from harness.node import Node, configure
from harness.roles import Program, reference
from harness.topology import Endpoint, Flow, Topology, Transport, members
from harness.topology import Node as NodeSpec
from harness.units import NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What ``[pattern]`` may say of the load, whatever the pattern.

    Attributes:
        rate_per_s: messages a second that each sender intends to send.
        size_bytes: of such a message, stamp included.
        transport: tcp, ipc or inproc; for what is published also pgm or epgm, which need the network "namespaces" live.
        arrivals: constant, poisson or burst spacing; senders of regular spacing take turns.
        burst: messages in a burst.
    """

    rate_per_s: float
    size_bytes: int = 512
    transport: Transport = "tcp"
    arrivals: Literal["constant", "poisson", "burst"] = "constant"
    burst: int = 1

    def schedule(self, duration_ns: int, position: int = 0, senders: int = 1) -> dict[str, Any]:
        """The schedule of one of several senders, as plain :class:`harness.load.Arrivals`.

        Regular ones are shifted, so that not all send at the same nanosecond.
        """
        spacing_ns = (self.burst if self.arrivals == "burst" else 1) * 1e9 / self.rate_per_s
        phase_ns = 0 if self.arrivals == "poisson" else round(position * spacing_ns / senders)
        arrivals = Arrivals(
            kind=self.arrivals,
            rate_per_s=self.rate_per_s,
            until_ns=duration_ns,
            burst=self.burst,
            phase_ns=phase_ns,
        )
        return asdict(arrivals)


def spec(program: Program, name: str, group: str = "", **options: Any) -> NodeSpec:
    """A node that runs this function; ``group`` is its own name unless it is one of several."""
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}
    return NodeSpec(name=name, group=group or name, program=reference(program), options=plain)


def specs(program: Program, groups: Mapping[str, int], **options: Any) -> tuple[NodeSpec, ...]:
    """All nodes of these groups, alike."""
    return tuple(spec(program, name, group, **options) for group, name in members(groups))


def senders(
    program: Program, groups: Mapping[str, int], load: Load, duration_ns: int, **options: Any
) -> tuple[NodeSpec, ...]:
    """All nodes of these groups, each with its own schedule of the load."""
    every = members(groups)
    return tuple(
        spec(
            program,
            name,
            group,
            arrivals=load.schedule(duration_ns, position, len(every)),
            size_bytes=load.size_bytes,
            **options,
        )
        for position, (group, name) in enumerate(every)
    )


def sender(program: Program, name: str, load: Load, duration_ns: int, **options: Any) -> NodeSpec:
    """The one node that sends all of the load."""
    (only,) = senders(program, {name: 1}, load, duration_ns, **options)
    return only


def names(nodes: Iterable[NodeSpec]) -> tuple[str, ...]:
    """Their names, in order."""
    return tuple(node.name for node in nodes)


def served(
    server: NodeSpec, clients: tuple[NodeSpec, ...], *, transport: Transport, server_type: str, client_type: str
) -> Topology:
    """Clients that ask one server, which binds ``service``."""
    asking = names(clients)
    return Topology(
        nodes=(server, *clients),
        endpoints=(
            Endpoint(
                name="service",
                transport=transport,
                binder=server.name,
                connecters=asking,
                binder_type=server_type,
                connecter_type=client_type,
            ),
        ),
        flows=(
            Flow(name="request", senders=asking, receivers=(server.name,), delivery="one", endpoint="service"),
            Flow(name="reply", senders=(server.name,), receivers=asking, delivery="addressed", endpoint="service"),
        ),
    )


def brokered(
    broker: NodeSpec,
    clients: tuple[NodeSpec, ...],
    workers: tuple[NodeSpec, ...],
    *,
    transport: Transport,
    backend_type: str,
    worker_type: str,
) -> Topology:
    """REQ clients on ``service`` and workers on ``workers``; the broker binds both, with a ROUTER for the clients."""
    asking, answering = names(clients), names(workers)
    return Topology(
        nodes=(broker, *workers, *clients),
        endpoints=(
            Endpoint(
                name="service",
                transport=transport,
                binder=broker.name,
                connecters=asking,
                binder_type="ROUTER",
                connecter_type="REQ",
            ),
            Endpoint(
                name="workers",
                transport=transport,
                binder=broker.name,
                connecters=answering,
                binder_type=backend_type,
                connecter_type=worker_type,
            ),
        ),
        flows=(
            Flow(name="request", senders=asking, receivers=answering, delivery="one", endpoint="service"),
            Flow(name="reply", senders=answering, receivers=asking, delivery="addressed", endpoint="workers"),
        ),
    )


def configure_both(node: Node, first: Any, second: Any, options: Mapping[str, Any]) -> None:
    """Set each option on those of a broker's two sockets that have it. Raises zmq.ZMQError when neither has."""
    for name, value in options.items():
        refused = []
        for socket in (first, second):
            try:
                configure(socket, {name: value})
            except node.zmq.ZMQError as error:  # EINVAL: an option of another type of socket
                refused.append(error)
        if len(refused) == 2:
            raise refused[0]


def receive_until(node: Node, socket: Any, time_ns: int, service: Service | None = None) -> None:
    """Receive whatever comes until then, and work on each message; when it is late already, one that is there.

    zmq_poll(3) counts in milliseconds: what comes in the last fraction of one stays in the socket.
    """
    while True:
        left_ns = time_ns - node.now()
        if socket.poll(max(0, left_ns) // NS_PER_MS):
            node.recv(socket)
            node.work(service.draw(node.rng) if service else 0)
            if left_ns <= 0:
                return
        elif left_ns < NS_PER_MS:
            node.sleep_until(time_ns)
            return
