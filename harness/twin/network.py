"""Hosts, what listens on them, and the links between them."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.scripts.spec import MAIN_HOST
from harness.shaper import Shape
from harness.twin.errors import TwinError
from harness.twin.link import Link

if TYPE_CHECKING:
    from harness.twin.kernel import Kernel
    from harness.twin.listener import Listener
    from harness.twin.relay import PathRelay
    from harness.twin.transport.pgm_receiver import PgmReceiver

ANY: Final = "0.0.0.0"
LOOPBACK: Final = "127.0.0.1"

_FIRST_EPHEMERAL: Final = 49152
_LAST_PORT: Final = 65535


class Host:
    """A machine: an address of its own, a loopback interface, a file system for ipc.

    Attributes:
        name: by which other hosts find it.
        address: of its one interface, ``eth0``.
    """

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self._tcp: dict[int, dict[str, Listener]] = {}
        self._ipc: dict[str, Listener] = {}
        self._next_port = _FIRST_EPHEMERAL
        self._next_folder = 0

    def owns(self, address: str) -> bool:
        """Whether that is one of its addresses."""
        return address == self.address or address.startswith("127.")

    def free_port(self) -> int:
        """The next ephemeral port that nobody listens at. Raises TwinError (EADDRINUSE)."""
        for _ in range(_LAST_PORT - _FIRST_EPHEMERAL):
            port = self._next_port
            self._next_port = port + 1 if port < _LAST_PORT else _FIRST_EPHEMERAL
            if port not in self._tcp:
                return port
        raise TwinError(errno.EADDRINUSE)

    def free_path(self) -> str:
        """A path for ``ipc://*``."""
        self._next_folder += 1
        return f"tmp{self._next_folder:06d}/socket"

    def listen_tcp(self, address: str, port: int, listener: Listener) -> None:
        """Register a listener. Raises TwinError (EADDRINUSE): the address, or all, or one of all, is taken."""
        there = self._tcp.setdefault(port, {})
        if there and (address in there or address == ANY or ANY in there):
            raise TwinError(errno.EADDRINUSE)
        there[address] = listener

    def forget_tcp(self, address: str, port: int, listener: Listener) -> None:
        """The listener is gone."""
        there = self._tcp.get(port, {})
        if there.get(address) is listener:
            del there[address]
            if not there:
                del self._tcp[port]

    def find_tcp(self, address: str, port: int) -> Listener | None:
        """Who listens there, if anybody."""
        there = self._tcp.get(port)
        if there is None:
            return None
        return there.get(address) or there.get(ANY)

    def listen_ipc(self, path: str, listener: Listener) -> None:
        """Register a listener; a path is taken over silently (F208). Raises TwinError (EADDRINUSE).

        Not so an abstract name: the kernel has it, there is no file to remove.
        """
        if path.startswith("@") and path in self._ipc:
            raise TwinError(errno.EADDRINUSE)
        self._ipc[path] = listener

    def forget_ipc(self, path: str, listener: Listener) -> None:
        """The listener is gone, and its file with it."""
        if self._ipc.get(path) is listener:
            del self._ipc[path]

    def find_ipc(self, path: str) -> Listener | None:
        """Who listens there, if anybody."""
        return self._ipc.get(path)


@dataclass(slots=True)
class Group:
    """Who listens to a multicast address and port, in the order in which they came."""

    receivers: dict[PgmReceiver, None] = field(default_factory=dict)


class Network:
    """All hosts. Those that no link joins see one another over an ideal wire.

    Args:
        kernel: its clock.
        seed: loss and jitter of each link are drawn from it and the names of its hosts.
        pgm: whether the library that is simulated was built with it.
    """

    def __init__(self, kernel: Kernel, seed: int, pgm: bool) -> None:
        self.pgm: Final = pgm
        self._kernel = kernel
        self._seed = seed
        self._hosts: dict[str, Host] = {}
        self._links: dict[tuple[str, str], Link] = {}
        self._groups: dict[tuple[str, int, bool], Group] = {}
        self._numbers = 0
        self.relay: PathRelay | None = None
        """On the first host, once somebody has made it."""
        self.main: Final = self.host(MAIN_HOST)

    def host(self, name: str, address: str | None = None) -> Host:
        """The host of that name; made when it is new, with the next address of 10.0.0.0/8 unless told.

        Raises ValueError: another host has the address, or it had another one itself.
        """
        known = self._hosts.get(name)
        if known is not None:
            if address not in (None, known.address):
                raise ValueError(f"host {name} has the address {known.address}, not {address}")
            return known
        number = len(self._hosts) + 1
        given = address or f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        if not name or self.locate(given) is not None:
            raise ValueError(f"host {name}: another host has the address {given}" if name else "a host needs a name")
        made = self._hosts[name] = Host(name, given)
        return made

    def known(self, name: str) -> Host:
        """The host of that name. Raises ValueError."""
        host = self._hosts.get(name)
        if host is None:
            raise ValueError(f"no host is called {name}; there are {', '.join(self._hosts)}")
        return host

    def locate(self, address: str) -> Host | None:
        """Whose address that is; loopback is nobody's."""
        return next((host for host in self._hosts.values() if host.address == address), None)

    def route(self, origin: Host, address: str) -> tuple[Host | None, Link | None]:
        """The host at an address and the link that leads there; nothing when nobody has the address."""
        host = self.locate(address)
        return (None, None) if host is None else (host, self.link(origin.name, host.name))

    def resolve(self, name: str, at: Host) -> str | None:
        """The address that a program on host ``at`` gets for a name, None for none."""
        if name == "localhost":
            return LOOPBACK
        host = self._hosts.get(name)
        return None if host is None else host.address

    def link(self, first: str, second: str, shape: Shape | None = None) -> Link:
        """The link between two hosts; made when it is new, an ideal wire unless told. Raises ValueError."""
        if first == second:
            raise ValueError(f"host {first} needs no link to itself")
        ends = self.known(first), self.known(second)
        key = (min(first, second), max(first, second))
        link = self._links.get(key)
        if link is None:
            link = self._links[key] = Link(self._kernel, ends, shape or Shape(), self.chance("link/" + "/".join(key)))
        elif shape is not None:
            for end in link.ends:
                link.way(end).plain = shape
                link.way(end).reshape(shape)
        return link

    def group(self, address: str, port: int, encapsulated: bool) -> Group:
        """Who listens to a multicast group."""
        return self._groups.setdefault((address, port, encapsulated), Group())

    def next_number(self) -> int:
        """A number of its own for whatever asks, so that each may have its own stream of chance."""
        self._numbers += 1
        return self._numbers

    def chance(self, name: str) -> Callable[[], float]:
        """Numbers evenly drawn from [0, 1), a stream of its own for each name."""
        digest = hashlib.sha256(f"{self._seed}/{name}".encode()).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little"))).random
