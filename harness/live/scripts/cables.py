"""Hosts with a namespace each, a switch for all of them, and a cable for each link between two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.live.namespaces import system
from harness.live.namespaces.connections import Connection
from harness.live.namespaces.parts import PERMANENT, End, Hub, Room

_HOST_BITS = 32


class Host(Room):
    """A network namespace with one address.

    Args:
        address: of its interface ``eth0``, which leads to the switch.
        home: as of :class:`~harness.live.namespaces.parts.Room`.
    """

    def __init__(self, address: str, home: int) -> None:
        super().__init__(home)
        self.address = address

    def furnish(self, others: Sequence[str]) -> None:
        """Bring up its interfaces; ``others`` are addresses that are reached by way of the switch."""
        with self.inside():
            system.one_packet_at_a_time("eth0")
        self.routes.link("set", index=1, state="up")
        (index,) = self.routes.link_lookup(ifname="eth0")
        self.routes.addr("add", index=index, address=self.address, prefixlen=_HOST_BITS)
        self.routes.link("set", index=index, state="up")
        for other in others:
            self.lead_to(other, index)

    def lead_to(self, other: str, index: int) -> None:
        """To that address by this interface."""
        self.lead(f"{other}/{_HOST_BITS}", index, self.address)

    def connections_with(self, other: str) -> list[Connection]:
        """Its ends of those with that address."""
        return [one for one in self.connections() if one.local[0] == self.address and one.remote[0] == other]


class _Plug:
    """One end of a cable, in a host."""

    def __init__(self, host: Host, other: Host, name: str) -> None:
        self._host, self._other = host, other
        (self._index,) = host.routes.link_lookup(ifname=name)
        self.end = End(host.routes, self._index)
        with host.inside():
            system.one_packet_at_a_time(name)

    def up(self, hardware: str) -> None:
        """Carrier, and again what the kernel has forgotten at its loss; ``hardware``: address of the other end."""
        routes = self._host.routes
        routes.link("set", index=self._index, state="up")
        routes.neigh("replace", dst=self._other.address, lladdr=hardware, ifindex=self._index, state=PERMANENT)

    def lead(self) -> None:
        """The way to the other host is by this cable."""
        self.end.await_carrier()
        self._host.lead_to(self._other.address, self._index)

    def down(self) -> None:
        """No carrier: the only route to the other host is gone, and whoever sends is told."""
        self._host.routes.link("set", index=self._index, state="down")


class Cable:
    """A link: the cable between two hosts, or two cables with the emulator in between.

    Args:
        number: its position among all links.
        ends: the hosts.
        middle: where the emulator is; None when it has nothing to do with this link.
    """

    def __init__(self, number: int, ends: tuple[Host, Host], middle: Hub | None) -> None:
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
                self._far.append(middle.cable(far, side))
        self._plugs = [_Plug(host, other, name) for host, other in (ends, (ends[1], ends[0]))]
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
        ends = [
            (host, host.connections_with(other.address)) for host, other in (self._hosts, tuple(reversed(self._hosts)))
        ]
        for host, doomed in ends:
            host.destroy(doomed)
        return sum(len(doomed) for _, doomed in ends)


class Middle(Hub):
    """The network with the switch, and the emulator's ends."""

    def connect(self, number: int, host: Host) -> End:
        """Lay the cable from a host's ``eth0`` to the switch; its end here."""
        end = self.cable(f"port{number}", {"ifname": "eth0", "net_ns_fd": host.door})
        self.plug(end)
        return end
