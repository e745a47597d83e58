"""The links of a run as a relay between loopback connections, and the verbs that change them.

So the live world has them with ``network = "proxy"``. All nodes are on one host; whoever connects over a link is given
the address of the relay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.relay.line import Held
from harness.relay.pairs import InFlight
from harness.relay.route import Link, Route
from harness.relay.ways import Way, is_aware, passable, sizes, ways
from harness.run import Run
from harness.scripts.spec import MAIN_HOST
from harness.shaper import Shape
from harness.sim.links import address_of
from harness.twin import Twin
from harness.twin.network import LOOPBACK
from harness.world import Cut, Direction

_FIRST_PORT = 15_550


class RelayedLinks:
    """All links of a run.

    Args:
        twin: the machine.
        run: its topology has the links.
        broke: hears of each connection that breaks: its way, what was in flight from who connected, and back.

    Attributes:
        hosts: node name to the name of its host.
    """

    def __init__(self, twin: Twin, run: Run, broke: Callable[[Way, InFlight, InFlight], None]) -> None:
        topology = run.topology
        self._plain = {link.node: link.shape for link in topology.links}
        self._links = {name: _link(twin, name, shape) for name, shape in self._plain.items()}
        self.hosts = {node.name: MAIN_HOST for node in topology.nodes}
        self._addresses = {end.name: address_of(end, index, LOOPBACK) for index, end in enumerate(topology.endpoints)}
        found = {_FIRST_PORT + index: way for index, way in enumerate(ways(topology))}
        self._relay = twin.relay(lambda route, _why, there, back: broke(found[route.port], there, back))
        self._detours: dict[str, dict[str, str]] = {}
        for port, way in found.items():
            target = int(self._addresses[way.endpoint.name].rpartition(":")[2])
            near, far = self._links.get(way.near or ""), self._links.get(way.far or "")
            self._relay.add_route(Route(port, target, near, far, *sizes(topology, way), is_aware(run.faults)))
            self._detours.setdefault(way.node, {})[way.endpoint.name] = f"tcp://{LOOPBACK}:{port}"

    def addresses(self, node: str) -> Mapping[str, str]:
        """Endpoint name to address, as that node has to use it."""
        return self._addresses | self._detours.get(node, {})

    def impair(self, link: str, shape: Shape) -> None:
        """See :class:`harness.world.World`, as for all that follow."""
        self._relay.impair(self._links[link], passable(shape), passable(shape))

    def heal(self, link: str) -> None:
        """As the experiment made it."""
        self.impair(link, self._plain[link])

    def blackhole(self, link: str, direction: Direction) -> None:
        """Nothing passes; it goes on at once when that ends, for nobody counts timeouts here."""
        self._relay.stall(self._links[link], up=direction != "down", down=direction != "up")

    def unsilence(self, link: str) -> None:
        """Let everything pass again."""
        self._relay.stall(self._links[link], up=False, down=False)

    def link_down(self, link: str) -> None:
        """Nothing passes, and new connections are refused."""
        self._relay.set_down(self._links[link], down=True)

    def link_up(self, link: str) -> None:
        """As before."""
        self._relay.set_down(self._links[link], down=False)

    def reset(self, link: str, cut: Cut) -> None:
        """RST to both ends of all connections."""
        self._relay.reset(self._links[link], "" if cut == "anywhere" else cut)

    def refuse(self, link: str) -> None:
        """No new connections."""
        self._relay.refuse(self._links[link], refuses=True)

    def accept(self, link: str) -> None:
        """New connections again."""
        self._relay.refuse(self._links[link], refuses=False)

    def half_close(self, link: str, direction: Direction) -> None:
        """FIN that way."""
        for up in (True, False):
            if direction in ("both", "up" if up else "down"):
                self._relay.half_close(self._links[link], up=up)

    def limit_data(self, link: str, size_bytes: int) -> None:
        """RST after so many bytes."""
        self._relay.limit_data(self._links[link], size_bytes)

    def slow_close(self, link: str, delay_ns: int) -> None:
        """FIN later."""
        self._relay.slow_close(self._links[link], delay_ns)

    def hold(self, link: str, what: Held) -> None:
        """Hold greetings or subscriptions back."""
        self._relay.hold(self._links[link], what)

    def let_go(self, link: str) -> None:
        """Pass them on."""
        self._relay.let_go(self._links[link])


def _link(twin: Twin, name: str, shape: Shape) -> Link:
    return Link.of(name, passable(shape), lambda way: twin.network.chance(f"relay/{name}/{way}"))
