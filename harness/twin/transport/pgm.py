"""pgm and epgm: PUB to SUB over multicast that loses packets (F214-F219; RFC 3208).

The wheels of pyzmq are built without it, and so is the twin unless it is asked to be (``Twin(pgm=True)``). What is here
follows libzmq and OpenPGM 5.3, its oddities included where they cost messages; docs/model.md compares it with Debian's
libzmq 4.3.4, which has it.

Theory of operation. There is neither connection nor handshake, and nothing travels upstream: bind and connect are
the same, every message goes to everybody who listens to the group, and subscribers filter. A sender packs messages
into packets and sends them no faster than RATE allows; it keeps the last of them, as many as RATE and RECOVERY_IVL
make. A receiver that finds a gap asks the sender for the packet. What it does not get in time is lost, without a
word, together with what it needs to find the beginning of the next message.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Final

from harness.twin.conflate import connection_pipes
from harness.twin.errors import ENOCOMPATPROTO, TwinError
from harness.twin.network import LOOPBACK
from harness.twin.transport.pgm_receiver import PgmReceiver
from harness.twin.transport.pgm_sender import PgmSender

if TYPE_CHECKING:
    from harness.twin.context import Context
    from harness.twin.network import Host, Network
    from harness.twin.pipe import Pipe
    from harness.twin.session import Session
    from harness.twin.socket_base import SocketBase

_SENDERS: Final = ("PUB", "XPUB")
_RECEIVERS: Final = ("SUB", "XSUB")
_LAST_PORT: Final = 65535


class _Membership:
    """What bind or connect has made."""

    def __init__(self, socket: SocketBase, session: Session, near: Pipe) -> None:
        self._socket = socket
        self._session = session
        self._near = near

    def close(self, linger_ms: int) -> None:
        """Leave the group: queued output goes under LINGER, as far as RATE lets it (F172)."""
        if self._near in self._socket.pipes:
            self._near.terminate(False)
        self._session.post(self._session.process_term, linger_ms)

    def crash(self) -> None:
        """The process has died."""
        self.close(0)


class Pgm:
    """pgm or epgm of one context.

    Args:
        encapsulated: epgm, in UDP; pgm is a protocol of its own beside it.
    """

    def __init__(self, encapsulated: bool, context: Context, network: Network) -> None:
        self._encapsulated = encapsulated
        self._context = context
        self._network = network

    def bind(self, socket: SocketBase, rest: str) -> tuple[str, _Membership]:
        """The same as connect (F214). Raises TwinError: EINVAL, ENOCOMPATPROTO, EMTHREAD."""
        return f"{'epgm' if self._encapsulated else 'pgm'}://{rest}", self.connect(socket, rest)

    def connect(self, socket: SocketBase, rest: str) -> _Membership:
        """Send to a group, or listen to it, from now on. Raises TwinError: EINVAL, ENOCOMPATPROTO, EMTHREAD."""
        if socket.type_name not in _SENDERS + _RECEIVERS:
            raise TwinError(ENOCOMPATPROTO)
        interface, address, port = _parse(rest, self._context.host, self._network)
        group = self._network.group(address, port, self._encapsulated)
        options = socket.options.snapshot()
        io = self._context.io_thread(options.affinity)
        session = socket.session_class(socket, options, io, None)
        session.opened(rest, self._context.descriptors.take())
        socket.sessions[session] = None
        near, far = connection_pipes((socket, session), (options.sndhwm, options.rcvhwm), socket.conflates(options))
        far.remote = socket
        far.unread_cause = "disconnect_pipe"
        session.pipe = far
        local = interface == LOOPBACK
        engine: Any  # spoken to by its session as an engine of streams is
        if socket.type_name in _SENDERS:
            engine = PgmSender(self._context, io, group, options, local=local, encapsulated=self._encapsulated)
        else:
            engine = PgmReceiver(self._context, io, group, options, local=local)
        io.post(session.start, engine)
        socket.attach_pipe(near, locally_initiated=True)
        socket.subscribe_all(near)
        return _Membership(socket, session, near)


def _parse(rest: str, host: Host, network: Network) -> tuple[str, str, int]:
    """``INTERFACE;GROUP:PORT`` or ``GROUP:PORT``; an interface is an address of this host, or the host's name.

    Not the name of a device: OpenPGM was seen to refuse that. Raises TwinError (EINVAL).
    """
    where, separator, port = rest.rpartition(":")
    interface, between, address = where.rpartition(";")
    if not separator or not port.isdigit() or not 0 < int(port) <= _LAST_PORT:
        raise TwinError(errno.EINVAL)
    parts = address.split(".")
    numbers = [int(part) for part in parts if part.isdigit() and int(part) <= 255]
    if len(parts) != 4 or len(numbers) != 4 or not 224 <= numbers[0] < 240:
        raise TwinError(errno.EINVAL)
    found = host.address
    if between:
        found = interface if host.owns(interface) else network.resolve(interface, host) or ""
        if not host.owns(found):
            raise TwinError(errno.EINVAL)
    return LOOPBACK if found.startswith("127.") else found, address, int(port)
