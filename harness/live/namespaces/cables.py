"""Namespaces with an interface each, cables to a switch in the middle, and what may happen to a cable."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyroute2 import IPRoute

from harness.live.doors import enter
from harness.live.namespaces import system
from harness.live.namespaces.connections import Connection, connections, destroy, open_channel
from harness.live.namespaces.layout import PREFIX_BITS, SUBNET, address, hardware_address

_MULTICAST = "224.0.0.0/4"
_ROOT = 0xFFFFFFFF
_PERMANENT = 0x80
_NO_PREFIX_ROUTE = 0x200
_LEAST_BURST_BYTES = 1600
_BURSTS_PER_S = 250
"""A token bucket holds what passes in a 250th of a second: so much late a timer may be."""
_MOST_BYTES_PER_S = 0xFFFFFFFF
"""A bucket counts no further, and a cable of the kernel carries no more anyway."""
_NO_LIMIT_BYTES = 1 << 30
_CARRIER_S, _POLL_S = 2.0, 0.0005
_FORWARDING = 3


class End:
    """One end of a cable: what leaves by it is as told.

    Attributes:
        index: of the interface, in its network.
    """

    def __init__(self, routes: Any, index: int) -> None:
        self._routes = routes
        self.index = index
        self._plain = True

    def shape(self, rate_bytes_per_s: int, queue_bytes: int, silent: bool) -> None:
        """Let that much pass a second (0: all), with such a queue; or nothing, and nobody knows."""
        if silent:
            self._routes.tc("replace", kind="blackhole", index=self.index, handle=0x10000, parent=_ROOT)
        elif 0 < rate_bytes_per_s <= _MOST_BYTES_PER_S:
            self._routes.tc(
                "replace",
                kind="tbf",
                index=self.index,
                handle=0x20000,
                parent=_ROOT,
                rate=rate_bytes_per_s,
                burst=max(_LEAST_BURST_BYTES, rate_bytes_per_s // _BURSTS_PER_S),
                limit=queue_bytes or _NO_LIMIT_BYTES,
            )
        elif not self._plain:
            self._routes.tc("del", index=self.index, parent=_ROOT)
        self._plain = not silent and not rate_bytes_per_s

    def await_carrier(self) -> None:
        """Wait until what is sent leaves: the kernel finds out a moment after the other end has come up.

        Until then it drops what it is given, which nobody would learn of. Raises OSError when it never does.
        """
        deadline = time.monotonic() + _CARRIER_S
        while time.monotonic() < deadline:
            (found,) = self._routes.get_links(self.index)
            if found.get_attr("IFLA_OPERSTATE") == "UP" and _forwards(found):
                return
            time.sleep(_POLL_S)
        raise OSError(errno.ENETDOWN, f"interface {self.index} got no carrier in {_CARRIER_S:g} s")


def _forwards(found: Any) -> bool:
    """Whether an interface, if it is one of a switch, takes part in it by now."""
    switched = (found.get_attr("IFLA_LINKINFO") or found).get_attr("IFLA_INFO_SLAVE_DATA")
    return switched is None or switched.get_attr("IFLA_BRPORT_STATE") == _FORWARDING


class Site:
    """The network namespace of some nodes, on its end of a cable.

    Args:
        number: its position among all.
        home: descriptor of the network to which this thread returns.
        congestion_control: of tcp on the cable. A route says so, for the machine's own setting is inherited, and only
            what that machine allows to all may be set.

    Attributes:
        door: descriptor of the namespace.
        near: the interface of the nodes; ``far``: the other end of the cable, in the middle.
    """

    def __init__(self, number: int, home: int, congestion_control: str) -> None:
        self._number = number
        self._congestion_control = congestion_control
        self._home = home
        self.door = system.new_network()
        self._routes = IPRoute()
        enter([home])
        self._neighbours: list[int] = []
        self.is_down = True
        self.near: End
        self.far: End

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Be in that network for a moment."""
        enter([self.door])
        try:
            yield
        finally:
            enter([self._home])

    def furnish(self, neighbours: list[int]) -> None:
        """Give it addresses, and let it know its neighbours: nobody has to ask, and a silence is not found out."""
        self._neighbours = neighbours
        routes = self._routes
        (index,) = routes.link_lookup(ifname="eth0")
        self.near = End(routes, index)
        with self.inside():
            system.one_packet_at_a_time("eth0")
        routes.link("set", index=1, state="up")
        routes.addr("add", index=index, address=address(self._number), prefixlen=PREFIX_BITS, flags=_NO_PREFIX_ROUTE)
        self.up()

    def up(self) -> None:
        """Carrier. The kernel has forgotten at its loss what hung on the interface."""
        routes, index = self._routes, self.near.index
        routes.link("set", index=index, state="up")
        routes.route(
            "replace",
            dst=SUBNET,
            oif=index,
            scope="link",
            prefsrc=address(self._number),
            metrics={"cc_algo": self._congestion_control},
        )
        routes.route("replace", dst=_MULTICAST, oif=index, scope="link", prefsrc=address(self._number))
        for other in self._neighbours:
            routes.neigh("replace", dst=address(other), lladdr=hardware_address(other), ifindex=index, state=_PERMANENT)
        self.near.await_carrier()
        self.far.await_carrier()
        self.is_down = False

    def down(self) -> None:
        """No carrier: nothing can be sent, and who tries is told."""
        self._routes.link("set", index=self.near.index, state="down")
        self.is_down = True

    def lose(self, other: int) -> None:
        """That neighbour has no carrier: whoever sends there is told, as on a cable from one to the other."""
        self._routes.route("replace", dst=f"{address(other)}/32", type="unreachable")

    def find(self, other: int) -> None:
        """It has carrier again."""
        self._routes.route("del", dst=f"{address(other)}/32", type="unreachable")

    def connections(self, other: int | None = None) -> list[Connection]:
        """All over its cable, or those with one neighbour."""
        with self.inside(), open_channel() as channel:
            own = address(self._number)
            found = [one for one in connections(channel) if own in one.local and own not in one.remote]
        return found if other is None else [one for one in found if address(other) in one.remote]

    def destroy(self, doomed: list[Connection]) -> None:
        """Break these."""
        with self.inside(), open_channel() as channel:
            for one in doomed:
                destroy(channel, one)


class Middle:
    """The network between the nodes; whoever makes it is inside from then on.

    Attributes:
        door: descriptor of its namespace.
    """

    def __init__(self) -> None:
        self.door = system.new_network()
        self._routes = IPRoute()
        routes = self._routes
        routes.link("add", ifname="switch", kind="bridge", br_stp_state=0, br_mcast_snooping=0)
        (self._switch,) = routes.link_lookup(ifname="switch")
        routes.link("set", index=self._switch, state="up")

    def connect(self, number: int, site: Site, emulated: bool) -> None:
        """Lay the cable of a site, by way of the emulator or straight to the switch."""
        port = f"port{number}"
        nodes_end = {"ifname": "eth0", "net_ns_fd": site.door, "address": hardware_address(number)}
        if emulated:
            site.far = self._cable(f"outer{number}", nodes_end)
            self._cable(f"inner{number}", {"ifname": port})
            (index,) = self._routes.link_lookup(ifname=port)
            system.one_packet_at_a_time(port)
        else:
            site.far = self._cable(port, nodes_end)
            index = site.far.index
        self._routes.link("set", index=index, master=self._switch, state="up")

    def _cable(self, name: str, other: dict[str, Any]) -> End:
        self._routes.link("add", ifname=name, kind="veth", peer=other)
        (index,) = self._routes.link_lookup(ifname=name)
        system.one_packet_at_a_time(name)
        self._routes.link("set", index=index, state="up")
        return End(self._routes, index)
