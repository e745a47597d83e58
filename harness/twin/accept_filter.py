"""Whom a listener lets in: TCP_ACCEPT_FILTER by address, IPC_FILTER_UID, _GID and _PID by process.

Each call adds to the list of its kind; an empty list lets everybody in. All rules as measured on 4.3.5.
"""

from __future__ import annotations

import errno
import re
import socket
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from harness.twin.errors import TwinError

_ADDRESS_BITS: Final = 32
_MAX_BYTES: Final = 255
_LEADING_NUMBER: Final = re.compile(r"\s*([+-]?\d+)", re.ASCII)

UID, GID, PID = 0, 1, 2
OF_IPC: Final = {"ipc_filter_uid": UID, "ipc_filter_gid": GID, "ipc_filter_pid": PID}
NAMES: Final = ("tcp_accept_filter", *OF_IPC)
"""The options, in lower case."""


class Credentials(NamedTuple):
    """Who a process is to the kernel (SO_PEERCRED)."""

    uid: int = 0
    gid: int = 0
    pid: int = 1

    def __str__(self) -> str:
        return f"localhost:{self.uid}:{self.gid}:{self.pid}"


NOBODY: Final = Credentials()
"""A process that nothing more is known of."""


@dataclass(frozen=True, slots=True)
class AcceptFilter:
    """The filters of one socket.

    Attributes:
        networks: addresses as numbers, and how many of their bits count.
        processes: which of the credentials (UID, GID, PID), and its value.
    """

    networks: tuple[tuple[int, int], ...] = ()
    processes: tuple[tuple[int, int], ...] = ()

    def with_option(self, name: str, value: int | bytes) -> AcceptFilter:
        """These and one more. Raises TwinError (EINVAL)."""
        if isinstance(value, int):
            return replace(self, processes=(*self.processes, (OF_IPC[name], value)))
        return replace(self, networks=(*self.networks, _network(value)))

    def admits(self, peer: str | Credentials) -> bool:
        """Whether a connection from that address, or over ipc from that process, is let in."""
        if isinstance(peer, Credentials):
            return not self.processes or any(peer[which] == value for which, value in self.processes)
        if not self.networks:
            return True
        number = _number(peer)
        return any((number ^ wanted) >> (_ADDRESS_BITS - bits) == 0 for wanted, bits in self.networks)


def _network(value: bytes) -> tuple[int, int]:
    text = value.decode("ascii", "replace")
    address, separator, mask = text.rpartition("/")
    if not separator:
        address, mask = text, str(_ADDRESS_BITS)
    found = _LEADING_NUMBER.match(mask)
    bits = int(found[1]) if found else 0
    if not 1 <= len(value) <= _MAX_BYTES or not 0 <= bits <= _ADDRESS_BITS or (bits == 0 and mask != "0"):
        raise TwinError(errno.EINVAL)
    return _number(address), bits


def _number(address: str) -> int:
    """A dotted address, with as few dots as C allows."""
    try:
        return int.from_bytes(socket.inet_aton(address), "big")
    except OSError:
        raise TwinError(errno.EINVAL) from None
