"""A stream socket of the machine, as far as programs use one to find a port that is free."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, Final

from harness.twin.virtual.refusals import refusal

if TYPE_CHECKING:
    from harness.twin.virtual.home import Home
    from harness.twin.virtual.modules import Modules

_WHY: Final = "raw sockets of the machine know nothing of virtual time; use ZeroMQ sockets"


def port_finder(real: type, modules: Modules) -> type:
    """The class ``socket.socket`` of a program: it can be bound and asked for its port; all else is refused."""
    return type("socket", (_PortFinder, real), {"_home": modules.home, **_REFUSED})


class _PortFinder:
    _home: Home

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:  # noqa: A002
        if fileno is not None or type not in (-1, 1):
            refusal("socket.socket()", _WHY)
        self._where: tuple[str, int] = ("0.0.0.0", 0)

    def bind(self, address: tuple[str, int], /) -> None:
        host, port = address[:2]
        machine = self._home.host_machine
        if port and machine.find_tcp("127.0.0.1", port) is not None:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        self._where = (host or "0.0.0.0", port or machine.free_port())

    def getsockname(self) -> tuple[str, int]:
        return self._where

    def setsockopt(self, *_: Any) -> None:
        pass

    def close(self) -> None:
        pass

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __repr__(self) -> str:
        return f"<simulated socket laddr={self._where}>"

    def __del__(self) -> None:
        pass


def _refused(name: str) -> Any:
    def refuse(*_: Any, **__: Any) -> None:
        refusal(f"socket.{name}()", _WHY)

    return refuse


_REFUSED: Final = {
    name: _refused(name)
    for name in (
        *("accept", "connect", "connect_ex", "detach", "dup", "fileno", "getpeername", "listen", "makefile", "recv"),
        *("recv_into", "recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into", "send", "sendall", "sendfile"),
        *("sendmsg", "sendto", "setblocking", "settimeout", "shutdown"),
    )
}
