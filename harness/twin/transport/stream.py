"""tcp and ipc: listeners, connecters, and the two flows of a connection.

Both use the same engine. tcp takes a round trip to connect and may be refused, which is tried again
after a drawn interval (F123, F127, F128); ipc connects or fails at once (F208).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from harness.twin.connecter import Attempt, Connecter
from harness.twin.engine import Engine, connect_engines
from harness.twin.errors import EMTHREAD, TwinError
from harness.twin.listener import Listener

if TYPE_CHECKING:
    from harness.twin.context import Context
    from harness.twin.network import Network
    from harness.twin.socket_base import SocketBase

_LOCAL: Final = ("*", "0.0.0.0", "localhost")
_LAST_PORT: Final = 65535
_SYN_RETRY_NS: Final = 1_000_000_000


class Stream:
    """tcp or ipc of one context."""

    def __init__(self, transport: str, context: Context, network: Network) -> None:
        self._transport = transport
        self._context = context
        self._network = network

    def bind(self, socket: SocketBase, rest: str) -> tuple[str, Listener]:
        """Listen. Raises TwinError: EINVAL, ENODEV, EADDRINUSE, EMTHREAD."""
        try:
            where, key = self._resolve(rest, binding=True)
            listener = Listener(self, socket, where, key)
            try:
                self._network.listen(self._transport, key, listener)
            except TwinError:
                listener.where = ""
                listener.close(0)
                raise
        except TwinError as error:
            if error.errno != EMTHREAD:
                socket.event("bind_failed", error.errno, rest)
            raise
        socket.event("listening", listener.fd, where)
        return where, listener

    def connect(self, socket: SocketBase, rest: str) -> Connecter:
        """Make session and pipe at once, connect later (F119). Raises TwinError: EINVAL, EMTHREAD."""
        where, key = self._resolve(rest, binding=False)
        return Connecter(self, socket, f"{self._transport}://{rest}", where, key)

    @property
    def delayed(self) -> bool:
        """Whether the outcome of an attempt is known only some time after it began (F208)."""
        return self._transport == "tcp"

    def forget(self, key: str, listener: Listener) -> None:
        """The address is free again."""
        self._network.forget(self._transport, key, listener)

    def open(self, attempt: Attempt, key: str) -> None:
        """One attempt: connected, or refused, a round trip later (F127, F178)."""
        kernel = self._context.kernel
        hop = self._context.costs.hop_ns[self._transport]
        io = attempt.io

        def arrive() -> None:
            """The request to connect is there."""
            now = kernel.now_ns
            listener = self._network.find(self._transport, key)
            full = listener is not None and not listener.closed and not listener.take_place()
            if full and self.delayed:
                if not attempt.abandoned:
                    kernel.call_at(now + _SYN_RETRY_NS, arrive)  # the kernel drops the packet (F136)
                return
            if listener is None or listener.closed or full:
                io.at(now + hop, attempt.refused, None)
                return
            near, far = self._make_engines(attempt, listener)
            io.at(now + hop, attempt.connected, near)
            kernel.call_at(now + 2 * hop, lambda: listener.arrived(far))

        kernel.call_at(kernel.now_ns + kernel.lag_ns + hop, arrive)

    def _make_engines(self, attempt: Attempt, listener: Listener) -> tuple[Engine, Engine]:
        kernel = self._context.kernel
        costs = self._context.costs
        mine, theirs = attempt.options, listener.options
        there = costs.flow(kernel, self._transport, mine.sndbuf, theirs.rcvbuf)
        back = costs.flow(kernel, self._transport, theirs.sndbuf, mine.rcvbuf)
        calls = costs.streams[self._transport]
        near = Engine(attempt.engine_io, calls, there, back)
        far = Engine(listener.io, calls, back, there)
        connect_engines(near, far)
        return near, far

    def _resolve(self, rest: str, binding: bool) -> tuple[str, str]:
        """The full address and the key under which it is listened at."""
        if self._transport == "ipc":
            if rest == "*" and binding:
                rest = f"@sim-{self._network.free_port()}"
            return f"ipc://{rest}", rest
        host, separator, port = rest.rpartition(":")
        if not separator or not host:
            raise TwinError(errno.EINVAL)
        if port in ("*", "0") and binding:
            port = str(self._network.free_port())
        if not port.isdigit() or not 0 < int(port) <= _LAST_PORT:
            raise TwinError(errno.EINVAL)
        if host == "*" and not binding:
            raise TwinError(errno.EINVAL)
        if binding and host not in _LOCAL and not host.replace(".", "").isdigit():
            raise TwinError(errno.ENODEV)
        shown = {"*": "0.0.0.0", "localhost": "127.0.0.1"}.get(host, host)
        return f"tcp://{shown}:{port}", port
