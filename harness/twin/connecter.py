"""The connecting side of a stream transport: one session for good, one connection after another.

The first attempt starts at once; after a loss, and after an attempt that failed, the next one comes
one interval later (F123, F127, F128).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.twin.pipe import pipe_pair

if TYPE_CHECKING:
    from harness.twin.engine import Engine
    from harness.twin.socket_base import SocketBase
    from harness.twin.socket_options import Options
    from harness.twin.transport.stream import Stream


class Connecter:
    """The connecting side: one session for good, one connection after another (F137)."""

    def __init__(self, stream: Stream, socket: SocketBase, key: str) -> None:
        self._stream = stream
        self._socket = socket
        self._key = key
        self._io = socket.context.io_thread()
        self._options = socket.options.snapshot()
        options = self._options
        self.session = socket.session_class(socket, options, self._io, self._again)
        near, far = pipe_pair((socket, self.session), (options.sndhwm, options.rcvhwm))
        far.unread_cause = "disconnect_pipe"
        self.session.pipe = far
        self._near = near
        socket.sessions[self.session] = None
        self._io.post(self._attempt, None)
        # The pipe is in service before there is a connection (F119).
        socket.attach_pipe(near, locally_initiated=True)

    def _attempt(self, _: Any) -> None:
        if self.session.ended:
            return
        self._socket.event("connect_delayed")
        self._stream.open(self, self._key)

    def connected(self, engine: Engine) -> None:
        """The transport stands."""
        if self.session.ended:
            engine.close()
            return
        self._socket.event("connected")
        self.session.start(engine)

    def refused(self, _: Any) -> None:
        """Nobody listens there: try again after one interval."""
        self._again()

    def _again(self) -> None:
        interval_ms = self._options.reconnect_ivl
        if interval_ms <= 0 or self.session.ended:
            return  # never again (F130)
        interval_ms += self._socket.context.random.generate_random() % interval_ms
        self._socket.event("connect_retried", interval_ms)
        kernel = self._io.kernel
        self._io.at(kernel.now_ns + kernel.lag_ns + interval_ms * 1_000_000, self._attempt, None)

    @property
    def io(self) -> Any:
        """The I/O thread of this connection."""
        return self._io

    @property
    def options(self) -> Options:
        """As they were at connect (F23)."""
        return self._options

    def close(self, linger_ms: int) -> None:
        """Disconnect: queued output goes under LINGER, unread input is lost (F172)."""
        if self._near in self._socket.pipes:
            self._near.terminate(False)
        self.session.post(self.session.process_term, linger_ms)
