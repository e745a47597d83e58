"""Two hosts and an emulator between them, in network namespaces that nobody else sees and that go with this process."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Self

from harness.guard import Guard
from harness.live.doors import enter
from harness.live.namespaces.system import new_network, one_packet_at_a_time
from harness.live.processes import lifeline
from harness.live.servant import Servant
from harness.shaper import Shape

EMULATOR = "harness.live.emulator.serve"
LINK = "wire"
NEAR, FAR = "10.77.0.1", "10.77.0.2"
_HARDWARE = {NEAR: "02:00:00:00:00:01", FAR: "02:00:00:00:00:02"}
_PERMANENT = 0x80
_SO_RCVBUFFORCE = 33
_ROOM_BYTES = 64 * 1024 * 1024


class Namespace:
    """A network namespace, for as long as this process lives and does not close it."""

    def __init__(self) -> None:
        with _back_afterwards():
            self.fd = new_network()

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """What this thread makes meanwhile, sockets and processes, belongs there."""
        with _back_afterwards():
            enter([self.fd])
            yield

    def close(self) -> None:
        """It goes when nothing is left in it."""
        os.close(self.fd)


@contextlib.contextmanager
def _back_afterwards() -> Iterator[None]:
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        enter([here])
        os.close(here)


class Wire:
    """Hosts ``near`` (10.77.0.1) and ``far`` (10.77.0.2) and what joins them.

    Args:
        up, down: from near to far, and back.
        seed: of the emulator.
        offloads: leave the offloads of the hosts' interfaces on.
    """

    def __init__(
        self, up: Shape | None = None, down: Shape | None = None, seed: int = 1, offloads: bool = False
    ) -> None:
        self.told: list[Mapping[str, Any]] = []
        self._stack = contextlib.ExitStack()
        self.near, self.far, self.middle = (self._namespace() for _ in range(3))
        for host, address, other, end in ((self.near, NEAR, FAR, "outer"), (self.far, FAR, NEAR, "inner")):
            _cable(host, self.middle, (address, other), end, offloads)
        guard = self._stack.enter_context(Guard())
        life = self._stack.enter_context(lifeline())
        self.emulator = Servant("the emulator", EMULATOR, guard, life, self.told.append)
        self._stack.callback(self.emulator.end)
        ways = {"up": asdict(up or Shape()), "down": asdict(down or Shape())}
        with self.middle.inside():
            self.emulator.start({"links": {LINK: {"outer": "outer", "inner": "inner", **ways}}, "seed": seed})

    def _namespace(self) -> Namespace:
        made = Namespace()
        self._stack.callback(made.close)
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def say(self, verb: str, **arguments: Any) -> Mapping[str, Any]:
        """An order to the emulator."""
        return self.emulator.say(verb, LINK, **arguments)

    def set_cable(self, interface: str, host: Namespace, *, up: bool) -> None:
        """Pull a cable at that end, or plug it in."""
        from pyroute2 import IPRoute

        with host.inside(), IPRoute() as routes:
            routes.link("set", index=routes.link_lookup(ifname=interface)[0], state="up" if up else "down")

    def count(self, way: str = "up") -> dict[str, int]:
        """What became of the frames of a direction."""
        counts: dict[str, int] = self.say("count")[way]
        return counts

    def open(self, host: Namespace, kind: int, family: int = socket.AF_INET) -> socket.socket:
        """A socket of that host, closed with the wire."""
        with host.inside():
            made = self._stack.enter_context(socket.socket(family, kind))
        made.settimeout(5)
        return made

    def bound(self, host: Namespace, kind: int = socket.SOCK_DGRAM) -> socket.socket:
        """One that can be sent or connected to, with room for all that a test sends."""
        made = self.open(host, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM_BYTES)
        with contextlib.suppress(PermissionError):  # in a namespace of users even root may not go beyond the limit
            made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM_BYTES)
        made.bind((NEAR if host is self.near else FAR, 0))
        if kind == socket.SOCK_STREAM:
            made.listen()
        return made


def _cable(host: Namespace, middle: Namespace, addresses: tuple[str, str], end: str, offloads: bool) -> None:
    from pyroute2 import IPRoute  # Linux has it

    with middle.inside(), IPRoute() as routes:
        peer = {"ifname": "eth0", "net_ns_fd": host.fd, "address": _HARDWARE[addresses[0]]}
        routes.link("add", ifname=end, kind="veth", peer=peer)
        routes.link("set", index=routes.link_lookup(ifname=end)[0], state="up")
    with host.inside(), IPRoute() as routes:
        index = routes.link_lookup(ifname="eth0")[0]
        routes.addr("add", index=index, address=addresses[0], prefixlen=24)
        routes.link("set", index=routes.link_lookup(ifname="lo")[0], state="up")
        routes.link("set", index=index, state="up")
        # Known from the start: what waits for an answer to arp may be overtaken by what does not.
        other = addresses[1]
        routes.neigh("add", dst=other, lladdr=_HARDWARE[other], ifindex=index, state=_PERMANENT)
        if not offloads:
            one_packet_at_a_time("eth0")
