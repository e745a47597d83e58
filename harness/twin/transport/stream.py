"""tcp and ipc: listeners, connecters, and the two flows of a connection.

Both use the same engine. tcp takes a round trip to connect and may be refused, which is tried again
after a drawn interval (F123, F127, F128); ipc connects or fails at once (F208). On one host the kernel's
queues are those of loopback, twice where a relay is in between (``relayed``); to another host a connection goes over
a link (``tcp_open``, ``tcp_remote``).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from harness.twin.byte_engines import engine_pair
from harness.twin.connecter import Attempt, Connecter
from harness.twin.errors import EMTHREAD, TwinError
from harness.twin.listener import Listener
from harness.twin.transport.address import Target, bind_target, check_connect, check_folder, check_path, connect_target
from harness.twin.transport.tcp_open import Opening

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.twin.accept_filter import Credentials
    from harness.twin.context import Context
    from harness.twin.engine import Engine
    from harness.twin.network import Network
    from harness.twin.socket_base import SocketBase

_SYN_RETRY_NS: Final = 1_000_000_000


class Stream:
    """tcp or ipc of one context."""

    def __init__(self, transport: str, context: Context, network: Network) -> None:
        self._transport = transport
        self._context = context
        self._network = network

    def bind(self, socket: SocketBase, rest: str) -> tuple[str, Listener]:
        """Listen. Raises TwinError: EINVAL, ENODEV, EADDRINUSE, EADDRNOTAVAIL, ENAMETOOLONG, EMTHREAD."""
        try:
            where, key = self._resolve(socket, rest)
            listener = Listener(self, socket, where, key)
            try:
                self._listen(key, listener)
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

    def _resolve(self, socket: SocketBase, rest: str) -> tuple[str, Target | str]:
        """The full address and the key under which it is listened at."""
        host = self._context.host
        if self._transport == "ipc":
            path = host.free_path() if rest == "*" else rest
            check_path(path)
            if rest != "*" and host.find_ipc(path) is None:
                check_folder(path)
            return f"ipc://{path}", path
        return bind_target(rest, host, self._network, ipv6=bool(socket.options.ipv6))

    def _listen(self, key: Target | str, listener: Listener) -> None:
        host = self._context.host
        if isinstance(key, Target):
            host.listen_tcp(key.address, key.port, listener)
        else:
            host.listen_ipc(key, listener)

    def connect(self, socket: SocketBase, rest: str) -> Connecter:
        """Make session and pipe at once, connect later (F119). Raises TwinError: EINVAL, ENAMETOOLONG, EMTHREAD."""
        address = where = f"{self._transport}://{rest}"
        if self._transport == "ipc":
            check_path(rest)
        else:
            check_connect(rest)
            with suppress(TwinError):
                target = connect_target(rest, self._context.host, self._network, ipv6=bool(socket.options.ipv6))
                where = f"tcp://{target.address}:{target.port}"
        return Connecter(self, socket, address, where, rest)

    @property
    def delayed(self) -> bool:
        """Whether the outcome of an attempt is known only some time after it began (F208)."""
        return self._transport == "tcp"

    def forget(self, key: Target | str, listener: Listener) -> None:
        """The address is free again."""
        host = self._context.host
        if isinstance(key, Target):
            host.forget_tcp(key.address, key.port, listener)
        else:
            host.forget_ipc(key, listener)

    def open(self, attempt: Attempt, key: str) -> None:
        """One attempt: connected, or refused, a round trip later (F127, F178). The address is resolved now (F124).

        Raises TwinError when it has failed already: what resolving gives, EADDRNOTAVAIL, ENETUNREACH.
        """
        host = self._context.host
        if self._transport == "ipc":
            self._open_here(attempt, lambda: host.find_ipc(key), None)
            return
        target = connect_target(key, host, self._network, ipv6=bool(attempt.options.ipv6))
        relay = self._network.relay
        if relay is not None and host is self._network.main and relay.serves(target.port):
            relay.connect(attempt, target)
        elif host.owns(target.address):
            self._open_here(attempt, lambda: host.find_tcp(target.address, target.port), target)
        else:
            Opening(self._context, attempt, target, *self._network.route(host, target.address)).start()

    def _open_here(self, attempt: Attempt, find: Callable[[], Listener | None], target: Target | None) -> None:
        """To a listener on the same host."""
        kernel = self._context.kernel
        hop = self._context.costs.hop_ns[self._transport]
        io = attempt.io

        def arrive() -> None:
            """The request to connect is there."""
            now = kernel.now_ns
            listener = find()
            full = listener is not None and not listener.closed and not listener.take_place()
            if full and self.delayed:
                if not attempt.abandoned:
                    kernel.call_at(now + _SYN_RETRY_NS, arrive)  # the kernel drops the packet (F136)
                return
            if listener is None or listener.closed or full:
                io.at(now + hop, attempt.refused, None)
                return
            near, far = self._make_engines(attempt, listener, target)
            io.at(now + hop, attempt.connected, near)
            kernel.call_at(now + 2 * hop, lambda: listener.arrived(far))

        kernel.call_at(kernel.now_ns + kernel.lag_ns + hop, arrive)

    def _make_engines(self, attempt: Attempt, listener: Listener, target: Target | None) -> tuple[Engine, Engine]:
        kernel = self._context.kernel
        costs = self._context.costs
        mine, theirs = attempt.options, listener.options
        there = costs.flow(kernel, self._transport, mine.sndbuf, theirs.rcvbuf, mine.tcp_maxrt)
        back = costs.flow(kernel, self._transport, theirs.sndbuf, mine.rcvbuf, theirs.tcp_maxrt)
        ends: tuple[str | Credentials, str | Credentials]
        if target is None:
            ends = self._context.credentials, listener.socket.context.credentials
        else:
            ends = target.source or target.address, target.address
        return engine_pair(attempt, listener, costs.streams[self._transport], (there, back), ends)
