"""A context: one simulated process's I/O thread, sockets and inproc names."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, Protocol

from harness.twin.accept_filter import NOBODY, Credentials
from harness.twin.costs import Costs
from harness.twin.descriptors import Descriptors
from harness.twin.errors import EMTHREAD, ENOCOMPATPROTO, ETERM, TwinError
from harness.twin.io_thread import IoThread
from harness.twin.kernel import Kernel, Process
from harness.twin.observer import Observer
from harness.twin.options import NotSimulatedYet
from harness.twin.random_sequence import RandSequence
from harness.twin.sockets import make_socket
from harness.twin.transport.inproc import Inproc
from harness.twin.transport.pgm import Pgm
from harness.twin.transport.stream import Stream

if TYPE_CHECKING:
    from harness.twin.descriptors import Descriptors
    from harness.twin.network import Host, Network
    from harness.twin.socket_base import SocketBase

_DRAFT_TRANSPORT: Final = "udp"
"""For RADIO, DISH and DGRAM alone."""

_IPV6: Final = 42

MAX_SOCKETS: Final = 1023
"""ZMQ_MAX_SOCKETS by default."""


class Endpoint(Protocol):
    """What bind or connect has opened."""

    def close(self, linger_ms: int) -> None:
        """Undo it."""


class Transport(Protocol):
    """How sockets of one context get pipes."""

    def bind(self, socket: SocketBase, rest: str) -> tuple[str, Endpoint]:
        """Listen: the full address, and what can be closed. Raises TwinError."""

    def connect(self, socket: SocketBase, rest: str) -> Endpoint:
        """Connect. Raises TwinError."""


class Context:
    """All that sockets of one simulated process share.

    Args:
        io_threads: 0 allows inproc alone (F201).
        host: the machine of its process.
        credentials: who its process is to the kernel of that machine.
    """

    def __init__(
        self,
        kernel: Kernel,
        costs: Costs,
        observer: Observer,
        network: Network,
        io_threads: int = 1,
        host: Host | None = None,
        credentials: Credentials = NOBODY,
    ) -> None:
        if io_threads < 0:
            raise TwinError(errno.EINVAL)
        self.kernel = kernel
        self.costs = costs
        self.observer = observer
        self.host: Final = host or network.main
        self.network: Final = network
        self.credentials = credentials
        self.io_threads: list[IoThread] = []
        self.io_thread_count = 0
        self._started = False
        self.set_io_threads(io_threads)
        self.random = RandSequence()
        self.descriptors: Descriptors = kernel.world.descriptors
        self.extra: dict[int, int] = {}
        """Values of options that have no effect on a simulation."""
        self.sockets: dict[SocketBase, None] = {}
        self.max_sockets = self._slots = MAX_SOCKETS
        self.blocky = True
        self.terminating = False
        self.closed = False
        self.maker: Process | None = None
        """The process that has made it, and with which it ends."""
        self._waiters: list[tuple[Process, int]] = []
        self.inproc = Inproc(self)
        self.transports: Final[dict[str, Transport]] = {
            "inproc": self.inproc,
            "tcp": Stream("tcp", self, network),
            "ipc": Stream("ipc", self, network),
        }
        if network.pgm:
            self.transports.update(pgm=Pgm(False, self, network), epgm=Pgm(True, self, network))

    def set_io_threads(self, count: int) -> None:
        """So many threads; once the first socket has started them another number has no effect (zmq_ctx_set(3))."""
        self.io_thread_count = count
        if not self._started:
            self.io_threads = [IoThread(self.kernel, self.costs) for _ in range(count)]

    def socket(self, type_number: int) -> SocketBase:
        """A new socket. Raises TwinError (EINVAL, EMFILE, ETERM), NotSimulatedYet."""
        if self.terminating:
            raise TwinError(ETERM)
        self.check_room()
        socket = make_socket(type_number, self)
        if not self._started:
            self._started = True
            self._slots = self.max_sockets
        socket.options.ipv6 = self.extra.get(_IPV6, 0)
        if not self.blocky:
            socket.options.linger = 0  # F164
        process = self.kernel.current
        if process is not None:
            socket.owner = self.kernel.world.owner_of(process)
        self.sockets[socket] = None
        self.observer.opened(socket)
        return socket

    def check_room(self) -> None:
        """Raises TwinError (EMFILE) when there are as many as MAX_SOCKETS was when the first was made.

        One that lingers counts.
        """
        if self._started and len(self.sockets) >= self._slots:
            raise TwinError(errno.EMFILE)

    def io_thread(self, affinity: int) -> IoThread:
        """The thread for a new object: of those allowed the one that polls least, the first of equals (F189).

        Raises TwinError (EMTHREAD) when there is none (F201).
        """
        chosen: IoThread | None = None
        for number, thread in enumerate(self.io_threads):
            allowed = not affinity or affinity >> number & 1
            if allowed and (chosen is None or thread.load < chosen.load):
                chosen = thread
        if chosen is None:
            raise TwinError(EMTHREAD)
        return chosen

    def parse(self, address: str) -> tuple[str, str]:
        """Transport and the rest. Raises TwinError (EINVAL, EPROTONOSUPPORT, ENOCOMPATPROTO), NotSimulatedYet (tipc).

        What the wheels of pyzmq have not built in is unknown here, too: norm, vmci, ws, wss, and pgm unless asked for.
        """
        transport, separator, rest = address.partition("://")
        if not separator or not transport or not rest:
            raise TwinError(errno.EINVAL)
        if transport == "tipc":
            raise NotSimulatedYet("transport tipc")
        if transport == _DRAFT_TRANSPORT:
            raise TwinError(ENOCOMPATPROTO)
        if transport not in self.transports:
            raise TwinError(errno.EPROTONOSUPPORT)
        return transport, rest

    # -- the end ---------------------------------------------------------------------------------

    def term(self) -> None:
        """Make blocked calls return ETERM, then wait until all sockets are closed and sent (F171)."""
        if self.closed:
            return
        self._join_pending()
        self.terminating = True
        for socket in list(self.sockets):
            if not socket.closed:
                socket.terminate_waits()
        kernel = self.kernel
        while not self._ended():
            process = kernel.running()
            self._waiters.append((process, process.token))
            kernel.block()
        self.closed = True

    def _join_pending(self) -> None:
        # As libzmq does: connections that nobody has bound get a peer that closes at once, else
        # their pipes would never end.
        for name in self.inproc.pending_names():
            peer = make_socket(0, self)
            self.sockets[peer] = None
            peer.options.linger = 0
            self.inproc.bind(peer, name)[1].close(0)
            peer.close()

    def check_ended(self) -> None:
        """A socket was closed or a connection has ended: forget it; maybe term can return."""
        for socket in list(self.sockets):
            if socket.closed and not socket.pipes and not socket.sessions:
                del self.sockets[socket]
                socket.destroyed()
        if self._waiters and self._ended():
            for process, token in self._waiters:
                self.kernel.wake(process, token, self.kernel.lag_ns)
            self._waiters.clear()

    def _ended(self) -> bool:
        return not self.sockets
