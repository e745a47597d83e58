"""inproc: one pipe straight from socket to socket; no I/O thread, no engine, no kernel (F203)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from harness.twin.conflate import connection_pipes
from harness.twin.errors import TwinError
from harness.twin.msg import DATA, ROUTING_ID, Msg
from harness.twin.pipe import Pipe
from harness.twin.socket_options import Options

if TYPE_CHECKING:
    from harness.twin.context import Context
    from harness.twin.socket_base import SocketBase


class _Name:
    """A bound name."""

    def __init__(self, inproc: Inproc, name: str, socket: SocketBase) -> None:
        self.socket = socket
        self.options = socket.options.snapshot()
        self._inproc = inproc
        self._name = name

    def close(self, linger_ms: int) -> None:
        """Unbind: no new peers; those that are connected stay."""
        del linger_ms  # messages in an inproc pipe need no time to be sent (F174)
        self._inproc.forget(self._name, self)


class InprocConnection:
    """What connect made."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe

    def close(self, linger_ms: int) -> None:
        """Disconnect: what was written is still delivered (F174)."""
        del linger_ms
        self.pipe.terminate(True)


class Inproc:
    """The names of one context."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._names: dict[str, _Name] = {}
        self._pending: dict[str, list[tuple[SocketBase, Options, Pipe, Pipe]]] = {}

    def bind(self, socket: SocketBase, name: str) -> tuple[str, _Name]:
        """Take a name; peers that were there before are connected now (F9). Raises TwinError (EADDRINUSE)."""
        if name in self._names:
            raise TwinError(errno.EADDRINUSE)
        bound = self._names[name] = _Name(self, name, socket)
        for peer, options, near, far in self._pending.pop(name, []):
            self._join(bound, peer, options, near, far)
        return f"inproc://{name}", bound

    def connect(self, socket: SocketBase, name: str) -> InprocConnection:
        """Connect to a name, bound or not yet (F8, F9)."""
        options = socket.options
        conflate = socket.conflates(options)  # the connecting side alone decides
        bound = self._names.get(name)
        if bound is None:
            near, far = connection_pipes((socket, socket), (options.sndhwm, options.rcvhwm), conflate)
            if not conflate:
                # The marks of nobody are the default ones; they count if a mark is set before somebody binds.
                _boost(near, far, options, Options())
            # Nobody knows yet whether the peer wants it: it is dropped at bind if not.
            _send_routing_id(near, options)
            self._pending.setdefault(name, []).append((socket, options.snapshot(), near, far))
        else:
            theirs = bound.options
            hwms = _sum(options.sndhwm, theirs.rcvhwm), _sum(options.rcvhwm, theirs.sndhwm)
            near, far = connection_pipes((socket, bound.socket), hwms, conflate)
            if not conflate:
                _boost(near, far, options, theirs)
            near.remote, far.remote = bound.socket, socket
            if bound.socket.receives_routing_id:
                _send_routing_id(near, options)
            if socket.receives_routing_id:
                _send_routing_id(far, theirs)
            bound.socket.post(bound.socket.process_bind, far)
        socket.attach_pipe(near, locally_initiated=True)
        return InprocConnection(near)

    def _join(self, bound: _Name, peer: SocketBase, options: Options, near: Pipe, far: Pipe) -> None:
        socket = bound.socket
        theirs = bound.options
        far.owner = socket
        near.remote, far.remote = socket, peer
        if not socket.receives_routing_id:
            msg = far.read()
            if msg is not None and msg.kind == DATA and not msg.more:
                # Where the newest frame takes the place of the one before it, that is not the routing id any more.
                socket.observer.lost("conflated", msg, socket)
        if not peer.conflates(options):
            _boost(near, far, options, theirs)
            near.set_hwms(options.rcvhwm, options.sndhwm)
            far.set_hwms(theirs.rcvhwm, theirs.sndhwm)
        # The binder's own thread does this inside bind, so there is no command to wait for. What it writes to a
        # new pipe at once (a probe, subscriptions) comes before its identity, and a ROUTER takes that for one.
        socket.process_bind(far)
        if peer.receives_routing_id:
            _send_routing_id(far, theirs)

    def find(self, name: str) -> SocketBase | None:
        """Who has bound that name, if anybody."""
        bound = self._names.get(name)
        return None if bound is None else bound.socket

    def forget(self, name: str, bound: _Name) -> None:
        """The name is free again."""
        if self._names.get(name) is bound:
            del self._names[name]

    def pending_names(self) -> list[str]:
        """Names that somebody has connected to and nobody has bound."""
        return list(self._pending)

    def pending_pipes(self) -> list[Pipe]:
        """Far ends of connections that nobody has bound yet."""
        return [far for waiting in self._pending.values() for _, _, _, far in waiting]


def _sum(sender_hwm: int, receiver_hwm: int) -> int:
    return sender_hwm + receiver_hwm if sender_hwm and receiver_hwm else 0


def _boost(near: Pipe, far: Pipe, options: Options, theirs: Options) -> None:
    near.set_hwms_boost(theirs.sndhwm, theirs.rcvhwm)
    far.set_hwms_boost(options.sndhwm, options.rcvhwm)


def _send_routing_id(pipe: Pipe, options: Options) -> None:
    pipe.write(Msg(options.routing_id, kind=ROUTING_ID))
    pipe.flush()
