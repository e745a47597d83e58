"""The connecting side of a stream transport: one session for good, one connection after another.

The first attempt starts at once; after a loss, and after an attempt that failed, the next one comes
one interval later (F123, F127). The interval is drawn from a sequence that is the same in every
process (F128), or doubles up to RECONNECT_IVL_MAX (F129).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Final

from harness.twin.conflate import connection_pipes
from harness.twin.errors import TwinError
from harness.twin.pipe import Pipe

if TYPE_CHECKING:
    from harness.twin.engine import Engine
    from harness.twin.io_thread import IoThread
    from harness.twin.socket_base import SocketBase
    from harness.twin.socket_options import Options
    from harness.twin.timers import Timer
    from harness.twin.transport.stream import Stream

STOP_CONN_REFUSED: Final = 1
STOP_AFTER_DISCONNECT: Final = 4
"""Bits of RECONNECT_STOP (F131); HANDSHAKE_FAILED, 2, is the engine's."""

_INT_MAX: Final = 2**31 - 1


class Attempt:
    """One try of the transport to connect; whoever made it may have lost interest by the time it ends.

    Attributes:
        io: the I/O thread that waits for the outcome.
        engine_io: the I/O thread of the connection, if it comes about (F188).
        options: as they were at connect (F23).
        fd: the descriptor that the monitor shows.
        abandoned: nobody waits for the outcome any more.
    """

    __slots__ = ("_connecter", "abandoned", "engine_io", "fd", "io", "options")

    def __init__(self, connecter: Connecter, io: IoThread, engine_io: IoThread, options: Options) -> None:
        self._connecter = connecter
        self.io = io
        self.engine_io = engine_io
        self.options = options
        self.fd = -1
        self.abandoned = False

    @property
    def socket(self) -> SocketBase:
        """Whose connection it will be."""
        return self._connecter.session.socket

    def connected(self, engine: Engine) -> None:
        """The transport stands."""
        if self.abandoned:
            engine.close()
        else:
            self._connecter.connected(engine)

    def refused(self, _: Any) -> None:
        """Nobody listens there."""
        if not self.abandoned:
            self._connecter.refused()


class Connecter:
    """What connect made: a session, its pipe, and the attempts to get it a connection (F119, F137).

    Attributes:
        address: as the application gave it.
        where: as the monitor shows it: by number once a connection has been lost.
        session: outlives connections.
    """

    def __init__(self, stream: Stream, socket: SocketBase, address: str, where: str, key: str) -> None:
        self._stream = stream
        self._socket = socket
        self.address = self.where = address
        self._resolved = where
        self._key = key
        self._options = options = socket.options.snapshot()
        self._io = self._session_io = socket.context.io_thread(options.affinity)
        self._attempt: Attempt | None = None
        self._timer: Timer | None = None
        self._last_ms = -1
        self.session = session = socket.session_class(socket, options, self._session_io, self)
        socket.sessions[session] = None
        self._session_io.post(self._begin, None)
        self._near: Pipe | None = None
        if not options.immediate:
            # The pipe is in service before there is a connection (F119).
            conflate = socket.conflates(options)
            near, far = connection_pipes((socket, session), (options.sndhwm, options.rcvhwm), conflate)
            far.remote = socket
            far.unread_cause = "disconnect_pipe"
            session.pipe = far
            self._near = near
            socket.attach_pipe(near, locally_initiated=True)

    # -- attempts --------------------------------------------------------------------------------

    def _begin(self, _: None) -> None:
        if not self.session.ended:
            self.start(wait=False)

    def start(self, wait: bool) -> None:
        """A new run of attempts; ``wait``: the first of them comes after an interval (F123)."""
        self._last_ms = -1
        self._io = self._socket.context.io_thread(self._options.affinity)
        if wait:
            self.where = self._resolved
            self._again()
        else:
            self._try()

    def _try(self) -> None:
        self._attempt = attempt = Attempt(self, self._io, self._session_io, self._options)
        attempt.fd = self._socket.context.descriptors.take()
        self._io.load += 1
        try:
            self._stream.open(attempt, self._key)
        except TwinError as error:
            self._failed(error.errno)
            return
        if self._stream.delayed and self._attempt is attempt:
            self._socket.event("connect_delayed", errno.EINPROGRESS, self.where)
            if self._options.connect_timeout > 0:
                self._timer = self._io.timer(self._options.connect_timeout, self._timed_out, None)

    def _failed(self, number: int) -> None:
        """The attempt came to nothing at once; without an address there is nothing to close (F233)."""
        self._close(shown=number in (errno.EADDRNOTAVAIL, errno.ENETUNREACH))
        self._again()

    def _timed_out(self, _: None) -> None:
        """CONNECT_TIMEOUT (F125)."""
        self._timer = None
        self._close()
        self._again()

    def connected(self, engine: Engine) -> None:
        """The transport stands."""
        self._cancel()
        attempt, self._attempt = self._attempt, None
        assert attempt is not None
        self._io.load -= 1
        self.session.opened(self.where, attempt.fd)
        self._socket.event("connected", attempt.fd, self.where)
        if self._session_io is self._io:
            self.session.start(engine)
        else:
            self._session_io.post(self.session.start, engine)

    def refused(self) -> None:
        """Nobody listens there: try again after one interval, unless RECONNECT_STOP says otherwise (F127, F131)."""
        self._close()
        stop = self._options.reconnect_stop
        if self._stream.delayed:
            if stop & STOP_CONN_REFUSED:
                self.session.give_up(self)
                return
        elif stop & STOP_AFTER_DISCONNECT and self._socket.endpoints.disconnected and self._key.startswith("@"):
            return  # a path that nobody listens at is not there, which is not a refusal
        self._again()

    def _close(self, shown: bool = True) -> None:
        """Give up the attempt under way."""
        self._cancel()
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.abandoned = True
            self._io.load -= 1
            self._socket.context.descriptors.release(attempt.fd)
            if shown:
                self._socket.event("closed", attempt.fd, self.where)

    def _again(self) -> None:
        if self._options.reconnect_ivl <= 0 or self.session.ended:
            return  # never again (F130)
        interval_ms = self._interval_ms()
        self._socket.event("connect_retried", interval_ms, self.where)
        self._timer = self._io.timer(interval_ms, self._due, None)

    def _due(self, _: None) -> None:
        self._timer = None
        self._try()

    def _cancel(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            self._io.timers.cancel(timer)

    def _interval_ms(self) -> int:
        first_ms, most_ms = self._options.reconnect_ivl, self._options.reconnect_ivl_max
        if most_ms > 0:
            self._last_ms = min(first_ms if self._last_ms < 0 else 2 * self._last_ms, most_ms)
            return self._last_ms
        return min(first_ms + self._socket.context.random.generate_random() % first_ms, _INT_MAX)

    # -- the end ---------------------------------------------------------------------------------

    def stop(self) -> None:
        """The session is gone."""
        self._close()

    def close(self, linger_ms: int) -> None:
        """Disconnect: queued output goes under LINGER, unread input is lost (F172).

        With IMMEDIATE the application's end of the pipe is not told, so both are as with unbind.
        """
        if self._near is not None and self._near in self._socket.pipes:
            self._near.terminate(False)
        self.session.post(self.session.process_term, linger_ms)

    def vanish(self) -> None:
        """The process is dead."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.abandoned = True
