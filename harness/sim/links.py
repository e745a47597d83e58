"""The links of a run as a network of hosts, and the verbs that change them.

So the live world has them with ``network = "namespaces"``. A node that has a link has a host of its own; all others
share one, unless there is multicast: a host does not hear itself, so each process has its own then. What a link does
to bytes is put on each pair of hosts; between two nodes that have one each, delays, jitters and losses add up and
the narrower rate counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.relay.line import Held
from harness.scripts.spec import MAIN_HOST
from harness.shaper import Shape
from harness.topology import GROUP, MULTICAST, Endpoint, Topology
from harness.twin import Link, Twin
from harness.twin.network import LOOPBACK
from harness.world import Cut, Direction

_FIRST_PORT = 5550


class Links:
    """All links of a run.

    Attributes:
        hosts: node name to the name of its host.
    """

    def __init__(self, twin: Twin, topology: Topology) -> None:
        self._plain = {link.node: link.shape for link in topology.links}
        self._now = dict(self._plain)
        cells = topology.cells()
        self.hosts = {node.name: MAIN_HOST for node in topology.nodes}
        with_host = [link.node for link in topology.links]
        if topology.multicast:
            with_host += [topology.nodes[first].name for first in dict.fromkeys(cells)]
        for name in reversed(with_host):  # a link's name counts more than that of a process
            cell = cells[topology.node_id(name)]
            for index, node in enumerate(topology.nodes):
                if cells[index] == cell:
                    self.hosts[node.name] = twin.host(name).name
        names = list(dict.fromkeys(self.hosts.values()))
        self._pairs: dict[str, list[tuple[str, Link]]] = {name: [] for name in self._plain}
        for name in self._plain:
            for other in names:
                if other != self.hosts[name]:
                    self._pairs[name].append((other, twin.link(self.hosts[name], other)))
            self._reshape(name)
        homes = {name: twin.host(name).address if len(names) > 1 else LOOPBACK for name in names}
        self._addresses = {
            end.name: address_of(end, index, homes.get(self.hosts.get(end.binder, MAIN_HOST), LOOPBACK))
            for index, end in enumerate(topology.endpoints)
        }

    def addresses(self, node: str) -> Mapping[str, str]:  # noqa: ARG002
        """Endpoint name to address; the same for every node."""
        return self._addresses

    def impair(self, link: str, shape: Shape) -> None:
        """See :class:`harness.world.World`, as for all that follow."""
        self._now[link] = shape
        self._reshape(link)

    def heal(self, link: str) -> None:
        """As the experiment made it."""
        self.impair(link, self._plain[link])

    def blackhole(self, link: str, direction: Direction) -> None:
        """Silence."""
        for towards, pair in self._each(link, direction):
            pair.blackhole(towards)

    def unsilence(self, link: str) -> None:
        """End of it."""
        for _, pair in self._pairs[link]:
            for end in pair.ends:
                pair.way(end).silent = False

    def link_down(self, link: str) -> None:
        """No carrier."""
        for _, pair in self._pairs[link]:
            pair.down()

    def link_up(self, link: str) -> None:
        """Carrier."""
        for _, pair in self._pairs[link]:
            pair.up()

    def reset(self, link: str, cut: Cut) -> None:  # noqa: ARG002
        """RST to both ends of all connections. Where in a message (``cut``) the twin's kernels do not tell apart."""
        for _, pair in self._pairs[link]:
            pair.reset()

    def refuse(self, link: str) -> None:
        """No new connections."""
        for _, pair in self._pairs[link]:
            pair.refuse()

    def accept(self, link: str) -> None:
        """New connections again."""
        for _, pair in self._pairs[link]:
            pair.refuse(refusing=False)

    def half_close(self, link: str, direction: Direction) -> None:
        """An end of stream that nobody sent."""
        for towards, pair in self._each(link, direction):
            for end in (towards,) if towards else tuple(end.name for end in pair.ends):
                pair.half_close(end)

    def limit_data(self, link: str, size_bytes: int) -> None:  # noqa: ARG002
        """Raises ValueError, as for all that follow: only a relay can do this."""
        raise _no_relay(link)

    def slow_close(self, link: str, delay_ns: int) -> None:  # noqa: ARG002
        """See ``limit_data``."""
        raise _no_relay(link)

    def hold(self, link: str, what: Held) -> None:  # noqa: ARG002
        """See ``limit_data``."""
        raise _no_relay(link)

    def let_go(self, link: str) -> None:
        """See ``limit_data``."""
        raise _no_relay(link)

    def _each(self, link: str, direction: Direction) -> list[tuple[str | None, Link]]:
        """Each pair with the host towards which the direction goes; None for both."""
        own = self.hosts[link]
        return [
            (None if direction == "both" else other if direction == "up" else own, pair)
            for other, pair in self._pairs[link]
        ]

    def _reshape(self, link: str) -> None:
        for other, pair in self._pairs[link]:
            shape = self._now[link]
            if other in self._now:
                shape = _in_turn(shape, self._now[other])
            for end in pair.ends:
                pair.way(end).reshape(shape)


def address_of(endpoint: Endpoint, index: int, host: str) -> str:
    """The address of the endpoint at that position, whose binder is on that host."""
    port = _FIRST_PORT + index
    if endpoint.transport in MULTICAST:
        return f"{endpoint.transport}://{GROUP}:{port}"
    return f"tcp://{host}:{port}" if endpoint.transport == "tcp" else f"{endpoint.transport}://{endpoint.name}"


def _no_relay(link: str) -> ValueError:
    return ValueError(f"the link of {link} is a network here, and no relay stands in it that could do that")


def _in_turn(first: Shape, second: Shape) -> Shape:
    """What one link after the other does, as one shape."""
    narrow = min((shape for shape in (first, second) if shape.rate_bytes_per_s), key=_rate, default=first)
    return Shape(
        delay_ns=first.delay_ns + second.delay_ns,
        jitter_ns=first.jitter_ns + second.jitter_ns,
        rate_bytes_per_s=narrow.rate_bytes_per_s,
        loss=_either(first.loss, second.loss),
        queue_bytes=narrow.queue_bytes,
        reorder=_either(first.reorder, second.reorder),
        duplicate=_either(first.duplicate, second.duplicate),
    )


def _either(one: float, other: float) -> float:
    """The chance that one of two things happens, or both."""
    return 1 - (1 - one) * (1 - other)


def _rate(shape: Shape) -> int:
    return shape.rate_bytes_per_s
