"""A session: what stands between a pipe and an engine, in an I/O thread; it stores nothing (F1).

On the connecting side it is made by ``connect()`` and outlives connections; on the binding side it
comes with a connection and goes with it (F137, F138).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from harness.twin.conflate import connection_pipes
from harness.twin.msg import DATA, Msg
from harness.twin.pipe import Pipe
from harness.twin.zap import ZapPipe

if TYPE_CHECKING:
    from harness.twin.connecter import Connecter
    from harness.twin.engine import Engine
    from harness.twin.io_thread import IoThread
    from harness.twin.listener import Listener
    from harness.twin.observer import Observer
    from harness.twin.socket_base import SocketBase
    from harness.twin.socket_options import Options
    from harness.twin.timers import Timer


class Session:
    """One connection's other half.

    Attributes:
        socket: whose connection it is.
        options: a copy made at ``bind`` or ``connect`` (F23).
        connecter: starts another attempt after a break; None on the binding side.
        listener: whoever accepted it; None on the connecting side.
        where, fd: address and descriptor of its connection, as the monitor shows them.
        properties: what frames tell of it: address and descriptor, what the authentication handler says, what
            the peer says of itself.
        zap: the way to the authentication handler.
        closing: it was told to end and waits for its pipe.
        ended: it is gone.
    """

    __slots__ = (
        "_connecter",
        "_incomplete_in",
        "_leaving",
        "_linger",
        "_listener",
        "closing",
        "ended",
        "engine",
        "fd",
        "io",
        "observer",
        "options",
        "pipe",
        "properties",
        "remote",
        "routing_id",
        "socket",
        "where",
        "zap",
    )

    def __init__(
        self,
        socket: SocketBase,
        options: Options,
        io: IoThread,
        connecter: Connecter | None,
        listener: Listener | None = None,
    ) -> None:
        self.socket = socket
        self.options = options
        self.io = io
        self.observer: Observer = socket.observer
        self.routing_id = options.routing_id
        self.engine: Engine | None = None
        self.remote: SocketBase | None = None
        self.pipe: Pipe | None = None
        self.ended = False
        self.closing = False
        self.where = ""
        self.fd = -1
        self.properties: Mapping[str, str] = {}
        self.zap = ZapPipe(self)
        self._connecter = connecter
        self._listener = listener
        self._incomplete_in = False
        self._linger: Timer | None = None
        self._leaving: dict[Pipe, None] = {}

    # -- as owner of a pipe end -----------------------------------------------------------------

    def post(self, command: Callable[[Any], None], argument: Any) -> None:
        """To the mailbox of this session's I/O thread."""
        self.io.post(command, argument)

    def read_activated(self, pipe: Pipe) -> None:
        """There is something to send: wake the engine (F61)."""
        if pipe is not self.pipe:
            return  # it is on its way out
        if self.engine is None:
            pipe.check_read()
        else:
            self.engine.restart_output()

    def write_activated(self, pipe: Pipe) -> None:
        """The application has made room (F37)."""
        if pipe is self.pipe and self.engine is not None:
            self.engine.restart_input()

    def hiccuped(self, pipe: Pipe) -> None:
        """Sessions send hiccups, they never get one."""

    def pipe_terminated(self, pipe: Pipe) -> None:
        """The pipe is dead; a closing session may go now."""
        if pipe is self.pipe:
            self.pipe = None
            self._linger_no_more()
        else:
            self._leaving.pop(pipe, None)
        if self.options.raw_socket and not self.closing and not self.ended:
            # The application has closed this connection (F98).
            if self.engine is not None:
                self.engine.close()
                self.engine = None
                self._shut()
            self.terminate()
        if self.closing:
            self._finish()

    def zap_ended(self) -> None:
        """The pipe to the authentication handler is dead."""
        if self.closing:
            self._finish()

    def opened(self, where: str, fd: int) -> None:
        """There is a new connection: the address and the descriptor that its events show."""
        self.where, self.fd = where, fd

    @property
    def peer_address(self) -> str:
        """Where the peer is; of a peer on the same host, who it is."""
        return "" if self.engine is None else str(self.engine.peer)

    def event(self, name: str, value: int = 0) -> None:
        """Something happened to this connection."""
        self.socket.event(name, value, self.where)

    # -- for the engine ------------------------------------------------------------------------

    def start(self, engine: Engine) -> None:
        """A connection stands: speak."""
        if self.ended:
            self._shut()
            engine.close()
            return
        self.engine = engine
        engine.plug(self)

    def engine_ready(self, remote: SocketBase) -> None:
        """The handshake is done: a binding side gets its pipe only now (F120, F183)."""
        self.remote = remote
        if self.pipe is None and not self.ended and not self.closing:
            options = self.options
            conflate = self.socket.conflates(options)
            mine, theirs = connection_pipes((self, self.socket), (options.rcvhwm, options.sndhwm), conflate)
            mine.unread_cause = "disconnect_pipe"
            mine.remote = self.socket
            self.pipe = mine
            theirs.remote = remote
            self.socket.post(self.socket.process_bind, theirs)
        elif self.pipe is not None:
            self.pipe.peer.remote = remote

    def pull_msg(self) -> Msg | None:
        """The next frame to send."""
        pipe = self.pipe
        if pipe is None:
            return None
        msg = pipe.read()
        if msg is not None:
            self._incomplete_in = msg.more
        return msg

    def push_msg(self, msg: Msg) -> bool:
        """Give a received frame to the socket; False when the pipe is full or gone (F20)."""
        pipe = self.pipe
        return pipe is not None and pipe.write(msg)

    def flush(self) -> None:
        """Let the socket see what was pushed."""
        if self.pipe is not None:
            self.pipe.flush()

    def lost(self, cause: str, msg: Msg, remote: SocketBase | None) -> None:
        """A frame that had left the pipe will not arrive at ``remote`` (F137)."""
        if msg.kind == DATA and not msg.more:
            self.observer.lost(cause, msg, remote)

    def engine_error(self, protocol: bool) -> None:
        """The connection broke."""
        self.engine = None
        self._clean_pipes()
        self._shut()
        self.event("disconnected", self.fd)
        if self._connecter is not None and not protocol:
            self._reconnect(self._connecter)
        elif self.closing:
            if self.pipe is not None:
                self.pipe.terminate(False)
            self.zap.close()
        else:
            self.terminate()
        if self.pipe is not None:
            self.pipe.check_read()  # perhaps only the delimiter is left

    def _reconnect(self, connecter: Connecter) -> None:
        """Also while it lingers: the next peer gets the rest (F167)."""
        pipe = self.pipe
        if pipe is not None and self.options.immediate:
            # The pipe goes with the connection, both directions of it (F121, F139).
            pipe.hiccup()
            pipe.terminate(False)
            self._leaving[pipe] = None
            self.pipe = None
            self._linger_no_more()
        if self.options.reconnect_ivl > 0:
            connecter.start(wait=True)
        else:
            self.give_up(connecter)
        if self.pipe is not None and self.socket.resubscribes:
            self.pipe.hiccup()

    def give_up(self, connecter: Connecter) -> None:
        """No further attempts: the endpoint is removed when the application next looks (F130, F131)."""
        self.socket.post(self.socket.endpoints.remove, connecter.address)

    def _shut(self) -> None:
        self.socket.context.descriptors.release(self.fd)

    def _clean_pipes(self) -> None:
        pipe = self.pipe
        if pipe is None:
            return
        pipe.rollback()
        pipe.flush()
        while self._incomplete_in:
            msg = self.pull_msg()
            if msg is None:
                break
            if not msg.more:
                self.lost("disconnect_wire", msg, self.remote)

    # -- the end -------------------------------------------------------------------------------

    def terminate(self) -> None:
        """The connection is over for good: ask the owner, who answers with :meth:`process_term` (F134)."""
        if self._listener is None:
            self.socket.post(self.socket.end_session, self)
        else:
            self._listener.io.post(self._listener.end_session, self)

    def process_term(self, linger_ms: int) -> None:
        """Close: wait for the queue to be sent, at most ``linger_ms`` (-1: for ever) (F165-F167)."""
        if self.ended or self.closing:
            return
        self.closing = True
        self.zap.close()
        pipe = self.pipe
        if pipe is None:
            self._finish()
            return
        if linger_ms == 0 and self.socket.closed:
            pipe.unread_cause = "linger"
        if linger_ms > 0:
            self._linger = self.io.timer(linger_ms, self._linger_expired, pipe)
        pipe.terminate(linger_ms != 0)
        if self.engine is None:
            pipe.check_read()

    def _linger_expired(self, pipe: Pipe) -> None:
        self._linger = None
        pipe.unread_cause = "linger"
        pipe.terminate(False)

    def _linger_no_more(self) -> None:
        timer, self._linger = self._linger, None
        if timer is not None:
            self.io.timers.cancel(timer)

    def _finish(self) -> None:
        if self.ended or self.pipe is not None or self._leaving or self.zap.pipe is not None:
            return
        self.ended = True
        if self.engine is not None:
            self.engine.close()
            self.engine = None
            self._shut()
        if self._connecter is not None:
            self._connecter.stop()
        if self._listener is not None:
            self._listener.session_ended(self)
        self.socket.session_ended(self)

    def vanish(self, unsent: str, unread: str) -> None:
        """The process is dead; the causes of what is lost by that."""
        self.ended = self.closing = True
        engine, self.engine = self.engine, None
        if engine is not None:
            engine.crash(unsent, unread)
        if self._connecter is not None:
            self._connecter.vanish()
