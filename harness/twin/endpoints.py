"""The places that a socket has bound and connected, by address, and how each of them ends.

Unbind closes accepted connections too (F173); disconnect sends its queue under LINGER and forgets
unread input (F172). Closing the socket ends all of them, with the LINGER of that moment (F164, F165).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from harness.twin.connecter import STOP_AFTER_DISCONNECT
from harness.twin.errors import TwinError
from harness.twin.options import NotSimulatedYet
from harness.twin.transport.inproc import InprocConnection

if TYPE_CHECKING:
    from harness.twin.context import Endpoint
    from harness.twin.pipe import Pipe
    from harness.twin.socket_base import SocketBase


class Endpoints:
    """What one socket has opened; the same address may be there more than once."""

    __slots__ = ("_opened", "_socket", "disconnected")

    def __init__(self, socket: SocketBase) -> None:
        self._socket = socket
        self._opened: dict[str, list[Endpoint]] = {}
        self.disconnected = False
        """Something was undone under RECONNECT_STOP's third bit (F131)."""

    def addresses(self) -> list[str]:
        """What is open now."""
        return list(self._opened)

    def bind(self, address: str) -> None:
        """Listen at an address. Raises TwinError: EADDRINUSE, EINVAL, EPROTONOSUPPORT."""
        socket = self._socket
        socket.check_open()
        socket.kernel.lag_ns = socket.costs.bind_ns
        socket.process_commands()
        transport, rest = self._parse(address)
        where, listener = socket.context.transports[transport].bind(socket, rest)
        socket.last_endpoint = where.encode()
        self._opened.setdefault(where, []).append(listener)

    def connect(self, address: str) -> None:
        """Connect to an address; returns at once (F119). Raises TwinError: EINVAL, EPROTONOSUPPORT."""
        socket = self._socket
        socket.check_open()
        socket.kernel.lag_ns = socket.costs.connect_ns
        socket.process_commands()
        transport, rest = self._parse(address)
        if socket.single_connect and transport != "inproc" and address in self._opened:
            return  # a second connect to the same place is a silent no-op for these types (F122)
        connection = socket.context.transports[transport].connect(socket, rest)
        socket.last_endpoint = address.encode()
        self._opened.setdefault(address, []).append(connection)

    def _parse(self, address: str) -> tuple[str, str]:
        transport, rest = self._socket.context.parse(address)
        if self._socket.thread_safe and transport != "inproc":
            raise NotSimulatedYet(f"{self._socket.type_name} over {transport}, which aborts the real library,")
        return transport, rest

    def terminate(self, address: str) -> None:
        """Unbind and disconnect. Raises TwinError: ENOENT, and what is wrong with the address."""
        socket = self._socket
        socket.check_open()
        socket.process_commands()
        socket.context.parse(address)
        opened = self._opened.pop(address, None)
        if not opened:
            raise TwinError(errno.ENOENT)
        for endpoint in opened:
            endpoint.close(socket.options.linger)
        if socket.options.reconnect_stop & STOP_AFTER_DISCONNECT:
            self.disconnected = True

    def remove(self, address: str) -> None:
        """A command: the I/O thread has given an address up (F130, F131)."""
        linger_ms = self._socket.options.linger
        for endpoint in self._opened.pop(address, ()):
            endpoint.close(linger_ms)

    def lost(self, pipe: Pipe) -> None:
        """A pipe is dead; over inproc there is nothing left to disconnect then."""
        for address, opened in list(self._opened.items()):
            for endpoint in opened:
                if isinstance(endpoint, InprocConnection) and endpoint.pipe is pipe:
                    opened.remove(endpoint)
                    if not opened:
                        del self._opened[address]
                    return

    def opened(self) -> list[Endpoint]:
        """All of them, in the order of their addresses' first use."""
        return [endpoint for opened in self._opened.values() for endpoint in opened]

    def close(self) -> None:
        """The socket closes: end all that it has opened, and every connection that came in."""
        socket = self._socket
        linger_ms = socket.options.linger
        for endpoint in self.opened():
            endpoint.close(linger_ms)
        for session in list(socket.sessions):
            session.post(session.process_term, linger_ms)
