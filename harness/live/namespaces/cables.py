"""The namespaces of a run with an interface each, and the cables from them to a switch in the middle."""

from __future__ import annotations

from harness.live.namespaces import system
from harness.live.namespaces.connections import Connection
from harness.live.namespaces.layout import PREFIX_BITS, SUBNET, address, hardware_address
from harness.live.namespaces.parts import PERMANENT, End, Hub, Room

_MULTICAST = "224.0.0.0/4"
_NO_PREFIX_ROUTE = 0x200


class Site(Room):
    """The network namespace of some nodes, on its end of a cable.

    Args:
        number: its position among all.
        home: as of :class:`Room`.

    Attributes:
        near: the interface of the nodes; ``far``: the other end of the cable, in the middle.
    """

    def __init__(self, number: int, home: int) -> None:
        super().__init__(home)
        self._number = number
        self._neighbours: list[int] = []
        self.is_down = True
        self.near: End
        self.far: End

    def furnish(self, neighbours: list[int]) -> None:
        """Give it addresses, and let it know its neighbours: nobody has to ask, and a silence is not found out."""
        self._neighbours = neighbours
        routes = self.routes
        (index,) = routes.link_lookup(ifname="eth0")
        self.near = End(routes, index)
        with self.inside():
            system.one_packet_at_a_time("eth0")
        routes.link("set", index=1, state="up")
        routes.addr("add", index=index, address=address(self._number), prefixlen=PREFIX_BITS, flags=_NO_PREFIX_ROUTE)
        self.up()

    def up(self) -> None:
        """Carrier. The kernel has forgotten at its loss what hung on the interface."""
        routes, index = self.routes, self.near.index
        routes.link("set", index=index, state="up")
        self.lead(SUBNET, index, address(self._number))
        routes.route("replace", dst=_MULTICAST, oif=index, scope="link", prefsrc=address(self._number))
        for other in self._neighbours:
            routes.neigh("replace", dst=address(other), lladdr=hardware_address(other), ifindex=index, state=PERMANENT)
        self.near.await_carrier()
        self.far.await_carrier()
        self.is_down = False

    def down(self) -> None:
        """No carrier: nothing can be sent, and who tries is told."""
        self.routes.link("set", index=self.near.index, state="down")
        self.is_down = True

    def lose(self, other: int) -> None:
        """That neighbour has no carrier: whoever sends there is told, as on a cable from one to the other."""
        self.routes.route("replace", dst=f"{address(other)}/32", type="unreachable")

    def find(self, other: int) -> None:
        """It has carrier again."""
        self.routes.route("del", dst=f"{address(other)}/32", type="unreachable")

    def over_cable(self, other: int | None = None) -> list[Connection]:
        """All connections over its cable, or those with one neighbour."""
        own = address(self._number)
        found = [one for one in self.connections() if own in one.local and own not in one.remote]
        return found if other is None else [one for one in found if address(other) in one.remote]


class Middle(Hub):
    """The network between the nodes."""

    def connect(self, number: int, site: Site, emulated: bool) -> None:
        """Lay the cable of a site, by way of the emulator or straight to the switch."""
        port = f"port{number}"
        nodes_end = {"ifname": "eth0", "net_ns_fd": site.door, "address": hardware_address(number)}
        if emulated:
            site.far = self.cable(f"outer{number}", nodes_end)
            self.cable(f"inner{number}", {"ifname": port})
            self.plug(self.end(port))
        else:
            site.far = self.cable(port, nodes_end)
            self.plug(site.far)
