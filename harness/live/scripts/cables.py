"""Hosts with a namespace each, a switch for all of them, and a cable for each link between two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pyroute2 import IPRoute

from harness.live.doors import enter
from harness.live.namespaces import system
from harness.live.namespaces.cables import End
from harness.live.namespaces.connections import Connection, connections, destroy, open_channel

_PERMANENT = 0x80
_HOST_BITS = 32


class Host:
    """A network namespace with one address.

    Args:
        address: of its interface ``eth0``, which leads to the switch.
        home: descriptor of the network to which this thread returns.

    Attributes:
        door: descriptor of the namespace.
        routes: netlink of that network.
    """

    def __init__(self, address: str, home: int) -> None:
        self.address = address
        self._home = home
        self.door = system.new_network()
        self.routes: Any = IPRoute()
        enter([home])

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Be in that network for a moment."""
        enter([self.door])
        try:
            yield
        finally:
            enter([self._home])

    def furnish(self, congestion_control: str, others: Sequence[str]) -> None:
        """Bring up its interfaces; ``others`` are addresses that are reached by way of the switch."""
        with self.inside():
            system.one_packet_at_a_time("eth0")
        self.routes.link("set", index=1, state="up")
        (index,) = self.routes.link_lookup(ifname="eth0")
        self.routes.addr("add", index=index, address=self.address, prefixlen=_HOST_BITS)
        self.routes.link("set", index=index, state="up")
        for other in others:
            self.lead(other, index, congestion_control)

    def lead(self, other: str, index: int, congestion_control: str) -> None:
        """To that address by this interface. What controls congestion only a route can say, see decision 10."""
        self.routes.route(
            "replace",
            dst=f"{other}/{_HOST_BITS}",
            oif=index,
            scope="link",
            prefsrc=self.address,
            metrics={"cc_algo": congestion_control},
        )

    def connections(self, other: str) -> list[Connection]:
        """Its ends of those with that address."""
        with self.inside(), open_channel() as channel:
            return [one for one in connections(channel) if one.local[0] == self.address and one.remote[0] == other]

    def destroy(self, doomed: list[Connection]) -> None:
        """Break these."""
        with self.inside(), open_channel() as channel:
            for one in doomed:
                destroy(channel, one)


class _Plug:
    """One end of a cable, in a host."""

    def __init__(self, host: Host, other: Host, name: str, congestion_control: str) -> None:
        self._host, self._other = host, other
        self._congestion_control = congestion_control
        (self._index,) = host.routes.link_lookup(ifname=name)
        self.end = End(host.routes, self._index)
        with host.inside():
            system.one_packet_at_a_time(name)

    def up(self, hardware: str) -> None:
        """Carrier, and again what the kernel has forgotten at its loss; ``hardware``: address of the other end."""
        routes = self._host.routes
        routes.link("set", index=self._index, state="up")
        routes.neigh("replace", dst=self._other.address, lladdr=hardware, ifindex=self._index, state=_PERMANENT)

    def lead(self) -> None:
        """The way to the other host is by this cable."""
        self.end.await_carrier()
        self._host.lead(self._other.address, self._index, self._congestion_control)

    def down(self) -> None:
        """No carrier: the only route to the other host is gone, and whoever sends is told."""
        self._host.routes.link("set", index=self._index, state="down")


class Cable:
    """A link: the cable between two hosts, or two cables with the emulator in between.

    Args:
        number: its position among all links.
        ends: the hosts.
        middle: netlink of the network in which the emulator is; None when it has nothing to do with this link.
    """

    def __init__(self, number: int, ends: tuple[Host, Host], congestion_control: str, middle: Any | None) -> None:
        name = f"link{number}"
        self._hosts = ends
        self._hardware = [f"02:00:c6:{19 + side}:{number >> 8:02x}:{number & 0xFF:02x}" for side in (0, 1)]
        self._far: list[End] = []
        sides: list[dict[str, Any]] = [
            {"ifname": name, "net_ns_fd": host.door, "address": hardware}
            for host, hardware in zip(ends, self._hardware, strict=True)
        ]
        if middle is None:
            ends[0].routes.link("add", ifname=name, kind="veth", address=self._hardware[0], peer=sides[1])
        else:
            for far, side in zip((f"outer{number}", f"inner{number}"), sides, strict=True):
                middle.link("add", ifname=far, kind="veth", peer=side)
                (index,) = middle.link_lookup(ifname=far)
                system.one_packet_at_a_time(far)
                middle.link("set", index=index, state="up")
                self._far.append(End(middle, index))
        self._plugs = [_Plug(host, other, name, congestion_control) for host, other in (ends, (ends[1], ends[0]))]
        self.is_down = True
        self.up()

    def shape(self, rate_bytes_per_s: int, queue_bytes: int, silent: Sequence[bool]) -> None:
        """Such a rate both ways; ``silent``: whether nothing that the first, and the second host sends arrives."""
        for plug, nothing in zip(self._plugs, silent, strict=True):
            plug.end.shape(rate_bytes_per_s, queue_bytes, silent=nothing)

    def up(self) -> None:
        """Plug it in at both ends."""
        if self.is_down:
            for plug, hardware in zip(self._plugs, reversed(self._hardware), strict=True):
                plug.up(hardware)
            for end in self._far:
                end.await_carrier()
            for plug in self._plugs:
                plug.lead()
        self.is_down = False

    def down(self) -> None:
        """Pull it at both ends: both hosts know."""
        if not self.is_down:
            for plug in self._plugs:
                plug.down()
        self.is_down = True

    def reset(self) -> int:
        """Break all connections over it, at both ends; how many ends there were."""
        ends = [(host, host.connections(other.address)) for host, other in (self._hosts, tuple(reversed(self._hosts)))]
        for host, doomed in ends:
            host.destroy(doomed)
        return sum(len(doomed) for _, doomed in ends)


class Middle:
    """The network with the switch, and the emulator's ends; whoever makes it is inside from then on.

    Attributes:
        door: descriptor of its namespace.
        routes: netlink of that network.
    """

    def __init__(self) -> None:
        self.door = system.new_network()
        self.routes: Any = IPRoute()
        self.routes.link("add", ifname="switch", kind="bridge", br_stp_state=0, br_mcast_snooping=0)
        (self._switch,) = self.routes.link_lookup(ifname="switch")
        self.routes.link("set", index=self._switch, state="up")

    def connect(self, number: int, host: Host) -> End:
        """Lay the cable from a host's ``eth0`` to the switch; its end here."""
        port = f"port{number}"
        self.routes.link("add", ifname=port, kind="veth", peer={"ifname": "eth0", "net_ns_fd": host.door})
        (index,) = self.routes.link_lookup(ifname=port)
        system.one_packet_at_a_time(port)
        self.routes.link("set", index=index, state="up", master=self._switch)
        return End(self.routes, index)
