"""What all socket types share: sending and receiving, blocking, options, the end.

When commands are noticed (``commands.py``): ``send`` looks at most once in a *command window* (F43),
``recv`` at every hundredth call and whenever nothing is readable (F47, F48), poll, EVENTS, bind and
connect always (F50). A blocking call that cannot go on waits for any command, drains all and tries
again (F45, F49).

Time: a call books its cost in ``kernel.lag_ns`` and spends it when it returns.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, ClassVar

from harness.twin.commands import Commands
from harness.twin.endpoints import Endpoints
from harness.twin.errors import ETERM, HalfSentError, TwinError
from harness.twin.kernel import NEVER_NS
from harness.twin.msg import Msg
from harness.twin.pipe import Pipe
from harness.twin.session import Session
from harness.twin.socket_options import Options, get_option, set_option

if TYPE_CHECKING:
    from harness.twin.context import Context
    from harness.twin.monitor import Monitor
    from harness.twin.observer import Observer

POLLIN, POLLOUT = 1, 2
DONTWAIT, SNDMORE = 1, 2

_INBOUND_POLL_RATE = 100
"""recv looks for commands every hundredth call (F47)."""


class SocketBase(Commands):
    """A socket of the simulated library; the socket types are in ``harness/twin/sockets``."""

    __slots__ = (
        "_last_check_ns",
        "_ticks",
        "endpoints",
        "extra",
        "fd",
        "last_endpoint",
        "monitor",
        "observer",
        "options",
        "owner",
        "pipes",
        "rcvmore",
        "sessions",
    )

    type_name: ClassVar[str] = ""
    type_number: ClassVar[int] = -1
    receives_routing_id: ClassVar[bool] = False
    resubscribes: ClassVar[bool] = False
    single_connect: ClassVar[bool] = False
    can_conflate: ClassVar[bool] = False
    thread_safe: ClassVar[bool] = False
    session_class: ClassVar[type[Session]] = Session

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.observer: Observer = context.observer
        self.options = Options()
        self.extra: dict[int, int | bytes] = {}
        self.pipes: dict[Pipe, None] = {}
        self.sessions: dict[Session, None] = {}
        self.owner = -1
        """Whoever uses the twin may say whose socket this is, see ``Twin.owner_of``."""
        self._last_check_ns = -NEVER_NS
        self._ticks = 0
        self.rcvmore: bool = False
        self.last_endpoint: bytes = b""
        self.endpoints = Endpoints(self)
        self.monitor: Monitor | None = None
        self.fd: int = context.descriptors.take(self)

    # -- what a socket type defines --------------------------------------------------------------

    def xattach_pipe(self, pipe: Pipe, locally_initiated: bool) -> None:
        """A new pipe."""
        raise NotImplementedError

    def subscribe_all(self, pipe: Pipe) -> None:
        """Nobody subscribes at the other end of this pipe (F214)."""

    def xpipe_terminated(self, pipe: Pipe) -> None:
        """A pipe is gone."""
        raise NotImplementedError

    def read_activated(self, pipe: Pipe) -> None:
        """A pipe has data again."""

    def write_activated(self, pipe: Pipe) -> None:
        """A pipe has room again."""

    def xhiccuped(self, pipe: Pipe) -> None:
        """The connection under a pipe was lost and the pipe kept."""

    def xsend(self, msg: Msg) -> bool:
        """Send a frame; False for EAGAIN. Raises TwinError."""
        raise TwinError(errno.ENOTSUP)

    def xrecv(self) -> Msg | None:
        """Receive a frame; None for EAGAIN. Raises TwinError."""
        raise TwinError(errno.ENOTSUP)

    def xhas_in(self) -> bool:
        """Whether xrecv would give a frame."""
        return False

    def xhas_out(self) -> bool:
        """Whether xsend would take a frame."""
        return False

    def xset(self, name: str, value: int | bytes) -> bool:
        """Set an option of this type; False when the type does not have it."""
        return False

    def topics_count(self) -> int:
        """Different subscriptions. Raises TwinError (EINVAL) where there are none."""
        raise TwinError(errno.EINVAL)

    def last_pipe(self) -> Pipe | None:
        """The pipe from which the frame came that the application was given last."""
        return None

    def prefetched(self) -> list[Msg]:
        """Frames read from a pipe in advance and not yet given to the application."""
        return []

    def conflates(self, options: Options) -> bool:
        """Whether pipes made with these options hold one message only: CONFLATE, for five types (F11)."""
        return self.can_conflate and bool(options.conflate)

    # -- as owner of pipe ends -------------------------------------------------------------------

    def pipe_terminated(self, pipe: Pipe) -> None:
        """A command of a pipe: it is dead."""
        del self.pipes[pipe]
        self.xpipe_terminated(pipe)
        self.observer.detached(self, pipe)
        if self.closed:
            self.context.check_ended()
        else:
            self.endpoints.lost(pipe)

    def hiccuped(self, pipe: Pipe) -> None:
        """A command: the connection under a pipe was lost; with IMMEDIATE the pipe goes, too (F139)."""
        if self.options.immediate:
            pipe.unread_cause = "disconnect_pipe"
            pipe.terminate(False)
        else:
            self.xhiccuped(pipe)

    def process_bind(self, pipe: Pipe) -> None:
        """A command: a peer's handshake is done, take its pipe into service."""
        self.attach_pipe(pipe, locally_initiated=False)

    def arriving_pipes(self) -> list[Pipe]:
        """Pipes of peers that the application has not noticed yet (F42)."""
        return [argument for command, argument in self._mailbox if command == self.process_bind]

    def attach_pipe(self, pipe: Pipe, locally_initiated: bool) -> None:
        """Take a pipe into service."""
        self.pipes[pipe] = None
        self.observer.attached(self, pipe)
        self.xattach_pipe(pipe, locally_initiated)
        if self.closed:
            pipe.terminate(False)

    def event(self, name: str, value: int = 0, where: str = "") -> None:
        """What a socket monitor tells: an event by its name in lower case, its value, the endpoint (F230)."""
        self.observer.event(self, name, value)
        if self.monitor is not None:
            self.monitor.tell(name, value, where)

    def destroyed(self) -> None:
        """The reaper is done with it: no pipe and no session is left."""
        if self.monitor is not None:
            self.monitor.stop(waits=False)
            self.monitor = None
        self.context.descriptors.release(self.fd)

    def check_open(self) -> None:
        """Raises TwinError: ENOTSOCK when the socket was closed, ETERM when it knows of its context's end."""
        if self.stopped:
            raise TwinError(ETERM)
        if self.closed:
            raise TwinError(errno.ENOTSOCK)

    # -- sending and receiving -------------------------------------------------------------------

    def send(self, msg: Msg, flags: int) -> None:
        """Send one frame. Raises TwinError: EAGAIN, EFSM, ENOTSUP, ETERM, ENOTSOCK."""
        if self.stopped or self.closed:
            self.check_open()
        kernel = self.kernel
        kernel.lag_ns = self.costs.send(len(msg.data))
        now = kernel.now_ns
        if now - self._last_check_ns > self.costs.command_window_ns:
            self._last_check_ns = now
            if self._mailbox or self.context.terminating:
                self.process_commands()
        try:
            if not self.xsend(msg):
                self._send_later(msg, flags)
        except HalfSentError:
            if flags & DONTWAIT or self.options.sndtimeo == 0:
                raise
            # Whoever would wait is not told (F75).
            if not msg.more:
                self.observer.lost("disconnect_pipe", msg, None)
        self._settle()

    def _send_later(self, msg: Msg, flags: int) -> None:
        timeout_ms = 0 if flags & DONTWAIT else self.options.sndtimeo
        if timeout_ms == 0:
            self.kernel.lag_ns = self.costs.send_full_ns
            self._settle()
            raise TwinError(errno.EAGAIN)
        deadline = NEVER_NS if timeout_ms < 0 else self.kernel.now_ns + timeout_ms * 1_000_000
        while True:
            self._wait(deadline)
            if self.xsend(msg):
                return
            if self.kernel.now_ns >= deadline:
                raise TwinError(errno.EAGAIN)

    def recv(self, flags: int) -> Msg:
        """Receive one frame. Raises TwinError: EAGAIN, EFSM, ENOTSUP, ETERM, ENOTSOCK."""
        if self.stopped or self.closed:
            self.check_open()
        kernel = self.kernel
        kernel.lag_ns = 0
        self._ticks += 1
        if self._ticks == _INBOUND_POLL_RATE:
            self.process_commands()
            self._ticks = 0
        msg = self.xrecv()
        if msg is None:
            msg = self._recv_later(flags)
        self.rcvmore = msg.more
        kernel.lag_ns += self.costs.recv(len(msg.data))
        self._settle()
        return msg

    def _recv_later(self, flags: int) -> Msg:
        timeout_ms = 0 if flags & DONTWAIT else self.options.rcvtimeo
        self.process_commands()
        self._ticks = 0
        msg = self.xrecv()
        if msg is not None:
            return msg
        if timeout_ms == 0:
            self.kernel.lag_ns += self.costs.recv_empty_ns
            self._settle()
            raise TwinError(errno.EAGAIN)
        deadline = NEVER_NS if timeout_ms < 0 else self.kernel.now_ns + timeout_ms * 1_000_000
        while True:
            self._wait(deadline)
            msg = self.xrecv()
            if msg is not None:
                return msg
            if self.kernel.now_ns >= deadline:
                raise TwinError(errno.EAGAIN)

    def events(self) -> int:
        """POLLIN and POLLOUT after processing all commands (F50)."""
        self.check_open()
        self.process_commands()
        return (POLLOUT if self.xhas_out() else 0) | (POLLIN if self.xhas_in() else 0)

    # -- options ---------------------------------------------------------------------------------

    def set(self, number: int, value: int | bytes) -> None:
        """setsockopt. Raises TwinError (EINVAL, ENOTSOCK), NotSimulatedYet."""
        self.check_open()
        set_option(self, number, value)

    def get(self, number: int) -> int | bytes:
        """getsockopt. Raises TwinError (EINVAL, ENOTSOCK), NotSimulatedYet."""
        self.check_open()
        return get_option(self, number)

    def events_call(self) -> int:
        """getsockopt(EVENTS), as a call of its own."""
        events = self.events()
        self._settle()
        return events

    @property
    def routing_id(self) -> bytes:
        """The identity that peers are told."""
        return self.options.routing_id

    # -- endpoints ---------------------------------------------------------------------------------

    def bind(self, address: str) -> None:
        """Listen at an address. Raises TwinError: EADDRINUSE, EINVAL, EPROTONOSUPPORT."""
        self.endpoints.bind(address)
        self._settle()

    def connect(self, address: str) -> None:
        """Connect to an address; returns at once (F119). Raises TwinError: EINVAL, EPROTONOSUPPORT."""
        self.endpoints.connect(address)
        self._settle()

    def term_endpoint(self, address: str) -> None:
        """unbind and disconnect (F172, F173). Raises TwinError (ENOENT)."""
        self.endpoints.terminate(address)
        self._settle()

    # -- the end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Close: returns at once, the reaper does the rest (F165)."""
        if self.closed:
            return
        self.kernel.lag_ns = 0
        self._reap()
        for msg in self.prefetched():
            if not msg.more:
                self.observer.lost("close_unread", msg, self)
        self.closed = True
        for pipe in list(self.pipes):
            pipe.terminate(False)
        self.endpoints.close()
        self._reap()
        self.context.check_ended()
        # No time is spent here: a garbage collector may call this, where nothing can wait.
        self.kernel.lag_ns = 0

    def end_session(self, session: Session) -> None:
        """A command: a session asks to be ended, which takes this thread (F134)."""
        session.post(session.process_term, self.options.linger)

    def session_ended(self, session: Session) -> None:
        """One of this socket's sessions is gone."""
        self.sessions.pop(session, None)
        self.context.check_ended()

    def terminate_waits(self) -> None:
        """The context is being terminated: a blocked call returns ETERM (F171)."""
        self.post(_nothing, None)

    def vanish(self) -> None:
        """The process is dead: nothing is left of the socket."""
        self.closed = True
        self._mailbox.clear()
        self._waiter = None
        self.pipes.clear()
        self.sessions.clear()
        self.monitor = None
        self.context.descriptors.release(self.fd)


def _nothing(_: Any) -> None:
    """A command that only wakes."""
