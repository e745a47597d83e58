"""Addresses as libzmq reads them: what it takes, and the error it gives for what it does not take.

A bind address is resolved when it is bound. Of a connect address only the look is checked, the rest
at every attempt (F124); hence many a wrong one is retried for ever. All rules as measured on 4.3.5.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from harness.twin.errors import TwinError
from harness.twin.network import ANY, LOOPBACK

if TYPE_CHECKING:
    from harness.twin.network import Host, Network

_CONNECT_LOOK: Final = re.compile(r"[0-9A-Za-z\[:][0-9A-Za-z.\-:%;\[\]_*]*", re.ASCII)
_NUMBER: Final = re.compile(r"\s*([+-]?\d+)", re.ASCII)
_MAX_PATH_BYTES: Final = 107
_IPV6: Final = {"::1": LOOPBACK, "::": ANY}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a tcp socket listens or is to be reached.

    Attributes:
        address, port: in numbers.
        source: the address that a connecting socket has to have, None for any.
    """

    address: str
    port: int
    source: str | None = None


def bind_target(rest: str, host: Host, network: Network, ipv6: bool) -> tuple[str, Target]:
    """The address as LAST_ENDPOINT gives it, and where to listen; a wildcard port is chosen here.

    Raises TwinError: EINVAL (no port), ENODEV (no such interface or name), EADDRNOTAVAIL (another host's).
    """
    source, separator, rest = rest.rpartition(";")
    if separator:
        _split(source, wildcard=True)
    name, port = _split(rest, wildcard=True)
    bare = _bare(name, ipv6)
    found = ANY if bare == "*" else {"lo": LOOPBACK, "eth0": host.address}.get(bare) or _locate(bare, host, network)
    if found is None:
        raise TwinError(errno.ENODEV)
    if found != ANY and not host.owns(found):
        raise TwinError(errno.EADDRNOTAVAIL)
    port = port or host.free_port()
    return f"tcp://{_shown(bare, found, ipv6)}:{port}", Target(found, port)


def check_connect(rest: str) -> None:
    """Whether it looks like an address: more is not asked before the attempt. Raises TwinError (EINVAL)."""
    port = rest.rpartition(":")
    if not _CONNECT_LOOK.fullmatch(rest) or not port[1] or not port[2][:1].isdigit():
        raise TwinError(errno.EINVAL)


def connect_target(rest: str, host: Host, network: Network, ipv6: bool) -> Target:
    """Where an attempt leads. Raises TwinError: whatever resolving it gives; the attempt has failed then."""
    source, separator, rest = rest.rpartition(";")
    origin = None
    if separator:
        name, _ = _split(source, wildcard=True)
        bare = _bare(name, ipv6)
        origin = {"lo": LOOPBACK, "eth0": host.address}.get(bare) or _locate(bare, host, network)
        if origin is None or not host.owns(origin):
            raise TwinError(errno.ENODEV if origin is None else errno.EADDRNOTAVAIL)
    name, port = _split(rest, wildcard=False)
    found = _locate(_bare(name, ipv6), host, network)
    if found is None:
        raise TwinError(errno.EINVAL)
    return Target(LOOPBACK if found == ANY else found, port, origin)


def check_folder(path: str) -> None:
    """Whether there is a folder to bind an ipc address in. Raises TwinError (ENOENT).

    It is looked for on the machine: that is where a program's files are.
    """
    folder = os.path.dirname(path)  # noqa: PTH120 - a Path would not keep `@`, an abstract name, apart
    if folder and not path.startswith("@") and not os.path.isdir(folder):  # noqa: PTH112
        raise TwinError(errno.ENOENT)


def check_path(path: str) -> None:
    """Whether an ipc address can be one. Raises TwinError (EINVAL, ENAMETOOLONG)."""
    if path == "@":
        raise TwinError(errno.EINVAL)
    if len(path.encode()) > _MAX_PATH_BYTES:
        raise TwinError(errno.ENAMETOOLONG)


def _split(text: str, wildcard: bool) -> tuple[str, int]:
    """Name and port; the port as C reads numbers, 16 bits of it."""
    name, separator, port = text.rpartition(":")
    if not separator or not port:
        raise TwinError(errno.EINVAL)
    if port == "0" or (port == "*" and wildcard):
        return name, 0
    number = _NUMBER.match(port)
    value = int(number[1]) & 0xFFFF if number else 0
    if not value:
        raise TwinError(errno.EINVAL)
    return name, value


def _bare(name: str, ipv6: bool) -> str:
    """Without the brackets of IPv6; without the option IPV6 such an address is none."""
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    if ":" in bare and not ipv6:
        raise TwinError(errno.ENODEV)
    return bare


def _locate(name: str, host: Host, network: Network) -> str | None:
    """The address in numbers: four of them are read as they are, everything else is asked for."""
    if name in _IPV6:
        return _IPV6[name]
    parts = name.split(".")
    if all(part.isdigit() for part in parts) and len(parts) <= 4:
        return _numbers([int(part) for part in parts])
    return network.resolve(name, host)


def _numbers(parts: list[int]) -> str | None:
    """As C reads a dotted address: the last number fills what is missing."""
    *first, last = parts
    missing = 5 - len(parts)
    if any(part > 255 for part in first) or last >= 256**missing:
        return None
    return ".".join(map(str, [*first, *last.to_bytes(missing, "big")]))


def _shown(bare: str, found: str, ipv6: bool) -> str:
    if not ipv6:
        return found
    if found == ANY:
        return "[::]"
    return "[::1]" if bare in ("::1", "lo", "localhost") else f"[::ffff:{found}]"
