"""What networks of namespaces are built of: rooms with interfaces, ends of cables, a hub that joins them."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyroute2 import IPRoute

from harness.live.doors import enter
from harness.live.namespaces import system
from harness.live.namespaces.connections import Connection, connections, destroy, open_channel
from harness.live.namespaces.layout import CONGESTION_CONTROL

PERMANENT = 0x80
"""State of a neighbour that nobody need ask for."""

_ROOT = 0xFFFFFFFF
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


class Room:
    """A network namespace, made and left again.

    Args:
        home: descriptor of the network to which this thread returns.

    Attributes:
        door: descriptor of the namespace.
        routes: netlink of that network.
    """

    def __init__(self, home: int) -> None:
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

    def lead(self, where: str, index: int, source: str) -> None:
        """To those addresses by this interface, straight.

        What controls congestion the route says, for the machine's own setting is inherited, and only what that machine
        allows to all may be set (decision 10).
        """
        self.routes.route(
            "replace", dst=where, oif=index, scope="link", prefsrc=source, metrics={"cc_algo": CONGESTION_CONTROL}
        )

    def connections(self) -> list[Connection]:
        """Its ends of all."""
        with self.inside(), open_channel() as channel:
            return connections(channel)

    def destroy(self, doomed: list[Connection]) -> None:
        """Break these."""
        with self.inside(), open_channel() as channel:
            for one in doomed:
                destroy(channel, one)


class Hub:
    """The network between all others, with a switch; whoever makes it is inside from then on.

    Attributes:
        door: descriptor of its namespace.
    """

    def __init__(self) -> None:
        self.door = system.new_network()
        self._routes: Any = IPRoute()
        self._routes.link("add", ifname="switch", kind="bridge", br_stp_state=0, br_mcast_snooping=0)
        (self._switch,) = self._routes.link_lookup(ifname="switch")
        self._routes.link("set", index=self._switch, state="up")

    def cable(self, name: str, other: Mapping[str, Any]) -> End:
        """A new cable: its end here, which is up; ``other``: name, namespace and address of its other end."""
        self._routes.link("add", ifname=name, kind="veth", peer=dict(other))
        end = self.end(name)
        self._routes.link("set", index=end.index, state="up")
        return end

    def plug(self, end: End) -> None:
        """Have the switch take that end in; up from now on."""
        self._routes.link("set", index=end.index, master=self._switch, state="up")

    def end(self, name: str) -> End:
        """What is here already under that name, told to send packets as they are on a wire."""
        (index,) = self._routes.link_lookup(ifname=name)
        system.one_packet_at_a_time(name)
        return End(self._routes, index)
