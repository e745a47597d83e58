"""Where listeners are found: ports of the simulated host, paths of its file system."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from harness.twin.errors import TwinError

if TYPE_CHECKING:
    from harness.twin.listener import Listener

_FIRST_EPHEMERAL: Final = 49152
_LAST_PORT: Final = 65535


class Network:
    """One host with a loopback interface; all simulated processes run on it."""

    def __init__(self) -> None:
        self._listeners: dict[tuple[str, str], Listener] = {}
        self._next_port = _FIRST_EPHEMERAL

    def free_port(self) -> int:
        """The next ephemeral port that nobody listens at. Raises TwinError (EADDRINUSE)."""
        for _ in range(_LAST_PORT - _FIRST_EPHEMERAL):
            port = self._next_port
            self._next_port = port + 1 if port < _LAST_PORT else _FIRST_EPHEMERAL
            if ("tcp", str(port)) not in self._listeners:
                return port
        raise TwinError(errno.EADDRINUSE)

    def listen(self, transport: str, key: str, listener: Listener) -> None:
        """Register a listener; ipc takes an address over silently (F208). Raises TwinError (EADDRINUSE)."""
        if transport == "tcp" and (transport, key) in self._listeners:
            raise TwinError(errno.EADDRINUSE)
        self._listeners[transport, key] = listener

    def forget(self, transport: str, key: str, listener: Listener) -> None:
        """The listener is gone."""
        if self._listeners.get((transport, key)) is listener:
            del self._listeners[transport, key]

    def find(self, transport: str, key: str) -> Listener | None:
        """Who listens there, if anybody."""
        return self._listeners.get((transport, key))
