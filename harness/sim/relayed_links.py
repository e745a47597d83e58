"""The links of a run as a relay between loopback connections, and the verbs that change them.

So the live world has them with ``network = "proxy"``. All nodes are on one host; whoever connects over a link is given
the address of the relay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.relay.pairs import InFlight
from harness.relay.route import Link, Route
from harness.relay.verbs import RelayVerbs
from harness.relay.ways import Way, is_aware, sizes, ways
from harness.run import Run
from harness.scripts.spec import MAIN_HOST
from harness.shaper import Shape
from harness.sim.links import address_of
from harness.twin import Twin
from harness.twin.network import LOOPBACK

_FIRST_PORT = 15_550


class RelayedLinks(RelayVerbs):
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
        super().__init__(topology)
        self._links = {name: _link(twin, name, shape) for name, shape in self.shapes.items()}
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

    def order(self, verb: str, link: str, **arguments: Any) -> None:
        """To the relay on the twin's machine."""
        getattr(self._relay, verb)(self._links[link], **arguments)


def _link(twin: Twin, name: str, shape: Shape) -> Link:
    return Link.of(name, shape, lambda way: twin.network.chance(f"relay/{name}/{way}"))
