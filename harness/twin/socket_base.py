"""What all socket types share: commands and when they are noticed, blocking, options, endpoints.

Theory of operation. A socket has a mailbox. Other threads put commands there (new pipe, credit, data
again, pipe closed); they take effect only inside calls that the application makes on that socket:
``send`` looks at most once in a *command window* (F43), ``recv`` at every hundredth call and whenever
nothing is readable (F47, F48), poll, EVENTS, bind and connect always (F50). A blocking call that
cannot go on waits for any command, drains all and tries again (F45, F49).

Time: a call books its cost in ``kernel.lag_ns`` and spends it when it returns.
"""

from __future__ import annotations

import copy
import errno
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from harness.twin.errors import TwinError
from harness.twin.kernel import NEVER_NS, Process
from harness.twin.msg import Msg
from harness.twin.options import BY_NUMBER, NotSimulatedYet
from harness.twin.pipe import Pipe

if TYPE_CHECKING:
    from harness.twin.context import Context
    from harness.twin.observer import Observer
    from harness.twin.session import Session

POLLIN = 1
POLLOUT = 2
DONTWAIT = 1
SNDMORE = 2

ETERM = 156384765
EFSM = 156384763

_INBOUND_POLL_RATE = 100
"""recv looks for commands every hundredth call (F47)."""


class Options:
    """Option values of one socket, by lower-case name; copied for sessions and listeners (F23)."""

    __slots__ = (
        "backlog",
        "linger",
        "rcvbuf",
        "rcvhwm",
        "rcvtimeo",
        "reconnect_ivl",
        "routing_id",
        "sndbuf",
        "sndhwm",
        "sndtimeo",
    )

    def __init__(self) -> None:
        self.sndhwm = 1000
        self.rcvhwm = 1000
        self.sndbuf = -1
        self.rcvbuf = -1
        self.sndtimeo = -1
        self.rcvtimeo = -1
        self.linger = -1
        self.backlog = 100
        self.reconnect_ivl = 100
        self.routing_id = b""

    def snapshot(self) -> Options:
        """A copy as bind and connect take it."""
        return copy.copy(self)


class SocketBase:
    """A socket of the simulated library; the socket types are in ``harness/twin/sockets``."""

    __slots__ = (
        "_endpoints",
        "_last_check_ns",
        "_last_endpoint",
        "_mailbox",
        "_rcvmore",
        "_ticks",
        "_waiter",
        "closed",
        "context",
        "costs",
        "extra",
        "kernel",
        "observer",
        "options",
        "pipes",
        "sessions",
    )

    type_name: ClassVar[str] = ""
    type_number: ClassVar[int] = -1
    receives_routing_id: ClassVar[bool] = False
    resubscribes: ClassVar[bool] = False
    single_connect: ClassVar[bool] = False

    def __init__(self, context: Context) -> None:
        self.context = context
        self.kernel = context.kernel
        self.costs = context.costs
        self.observer: Observer = context.observer
        self.options = Options()
        self.extra: dict[int, int | bytes] = {}
        self.pipes: dict[Pipe, None] = {}
        self.sessions: dict[Session, None] = {}
        self.closed = False
        self._mailbox: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._waiter: tuple[Process, int] | None = None
        self._last_check_ns = -NEVER_NS
        self._ticks = 0
        self._rcvmore = False
        self._last_endpoint = b""
        self._endpoints: dict[str, list[Any]] = {}

    # -- what a socket type defines --------------------------------------------------------------

    def xattach_pipe(self, pipe: Pipe, locally_initiated: bool) -> None:
        """A new pipe."""
        raise NotImplementedError

    def xpipe_terminated(self, pipe: Pipe) -> None:
        """A pipe is gone."""
        raise NotImplementedError

    def xread_activated(self, pipe: Pipe) -> None:
        """A pipe has data again."""

    def xwrite_activated(self, pipe: Pipe) -> None:
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

    def prefetched(self) -> list[Msg]:
        """Frames read from a pipe in advance and not yet given to the application."""
        return []

    # -- as owner of pipe ends -------------------------------------------------------------------

    def post(self, command: Callable[[Any], None], argument: Any) -> None:
        """Put a command into the mailbox and wake whoever waits for one."""
        self._mailbox.append((command, argument))
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            kernel = self.kernel
            kernel.lag_ns += self.costs.signal_ns
            kernel.wake(waiter[0], waiter[1], kernel.lag_ns + self.costs.app_wake())
        elif self.closed and len(self._mailbox) == 1:
            # The reaper thread looks after a closed socket (F165).
            self.kernel.call_at(self.kernel.now_ns + self.kernel.lag_ns, self._reap)

    def read_activated(self, pipe: Pipe) -> None:
        """A command of a pipe: data again."""
        self.xread_activated(pipe)

    def write_activated(self, pipe: Pipe) -> None:
        """A command of a pipe: room again."""
        self.xwrite_activated(pipe)

    def hiccuped(self, pipe: Pipe) -> None:
        """A command of a pipe: its connection was lost."""
        self.xhiccuped(pipe)

    def pipe_terminated(self, pipe: Pipe) -> None:
        """A command of a pipe: it is dead."""
        del self.pipes[pipe]
        self.xpipe_terminated(pipe)
        self.observer.detached(self, pipe)
        if self.closed:
            self.context.check_ended()

    def process_bind(self, pipe: Pipe) -> None:
        """A command: a peer's handshake is done, here is its pipe."""
        self.attach_pipe(pipe, locally_initiated=False)

    def attach_pipe(self, pipe: Pipe, locally_initiated: bool) -> None:
        """Take a pipe into service."""
        self.pipes[pipe] = None
        self.observer.attached(self, pipe)
        self.xattach_pipe(pipe, locally_initiated)
        if self.closed:
            pipe.terminate(False)

    # -- commands --------------------------------------------------------------------------------

    def process_commands(self) -> None:
        """Look into the mailbox and do all that is there."""
        mailbox = self._mailbox
        while mailbox:
            command, argument = mailbox.popleft()
            command(argument)
        if self.context.terminating and not self.closed:
            raise TwinError(ETERM)

    def _reap(self) -> None:
        mailbox = self._mailbox
        while mailbox:
            command, argument = mailbox.popleft()
            command(argument)

    def has_commands(self) -> bool:
        """Whether commands wait in the mailbox."""
        return bool(self._mailbox)

    def wait_on(self, process: Process) -> None:
        """The next command wakes this process."""
        self._waiter = (process, process.token)

    def wait_off(self) -> None:
        """Nobody waits any more."""
        self._waiter = None

    def _wait(self, deadline_ns: int) -> None:
        """Wait until there is a command, or until the deadline; then process all."""
        if not self._mailbox:
            kernel = self.kernel
            kernel.lag_ns = 0
            self.wait_on(kernel.running())
            kernel.block(deadline_ns)
            self._waiter = None
            kernel.lag_ns = 0
        self.process_commands()

    def _settle(self) -> None:
        kernel = self.kernel
        lag, kernel.lag_ns = kernel.lag_ns, 0
        kernel.spend(lag)

    def check_open(self) -> None:
        """Raises TwinError (ENOTSOCK) when the socket was closed."""
        if self.closed:
            raise TwinError(errno.ENOTSOCK)

    # -- sending and receiving -------------------------------------------------------------------

    def send(self, data: bytes, flags: int) -> None:
        """Send one frame. Raises TwinError: EAGAIN, EFSM, ENOTSUP, ETERM, ENOTSOCK."""
        self.check_open()
        kernel = self.kernel
        kernel.lag_ns = self.costs.send_ns(len(data))
        now = kernel.now_ns
        if now - self._last_check_ns > self.costs.command_window_ns:
            self._last_check_ns = now
            if self._mailbox or self.context.terminating:
                self.process_commands()
        msg = Msg(data, (flags & SNDMORE) != 0)
        if not self.xsend(msg):
            self._send_later(msg, flags)
        self._settle()

    def _send_later(self, msg: Msg, flags: int) -> None:
        timeout_ms = 0 if flags & DONTWAIT else self.options.sndtimeo
        if timeout_ms == 0:
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
        self._rcvmore = msg.more
        kernel.lag_ns += self.costs.recv_ns(len(msg.data))
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
            self.kernel.lag_ns += self.costs.recv_ns(0)
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
        """setsockopt. Raises TwinError (EINVAL), NotSimulatedYet."""
        self.check_open()
        option = BY_NUMBER.get(number)
        if option is None or not option.write:
            raise TwinError(errno.EINVAL)
        error = option.check(value)
        if error:
            raise TwinError(error)
        if option.status == "later":
            if value != option.default:
                raise NotSimulatedYet(f"socket option {option.name}")
            return
        name = option.name.lower()
        if self.xset(name, value):
            return
        if name in ("sndhwm", "rcvhwm"):
            setattr(self.options, name, value)
            self._update_pipes()
        elif name == "routing_id":
            if not isinstance(value, bytes) or not 1 <= len(value) <= 255:
                raise TwinError(errno.EINVAL)
            self.options.routing_id = value
        elif hasattr(self.options, name):
            setattr(self.options, name, value)
        elif option.status == "kept":
            self.extra[number] = value
        else:
            raise TwinError(errno.EINVAL)

    def _update_pipes(self) -> None:
        # Both ends of living pipes, never those that a listener will make (F12).
        options = self.options
        for pipe in self.pipes:
            pipe.set_hwms(options.rcvhwm, options.sndhwm)
            pipe.peer.owner.post(pipe.peer.process_hwm, (options.sndhwm, options.rcvhwm))

    def get(self, number: int) -> int | bytes:
        """getsockopt. Raises TwinError (EINVAL), NotSimulatedYet."""
        option = BY_NUMBER.get(number)
        if option is None or not option.read:
            raise TwinError(errno.EINVAL)
        name = option.name
        if name == "EVENTS":
            events = self.events()
            self._settle()
            return events
        self.check_open()
        if name == "RCVMORE":
            return int(self._rcvmore)
        if name == "TYPE":
            return self.type_number
        if name == "LAST_ENDPOINT":
            return self._last_endpoint
        if name == "FD":
            raise NotSimulatedYet("socket option FD")
        if name in ("SUBSCRIBE", "UNSUBSCRIBE", "XPUB_VERBOSE", "XPUB_VERBOSER", "XPUB_NODROP", "ROUTER_MANDATORY"):
            raise TwinError(errno.EINVAL)
        if hasattr(self.options, name.lower()):
            value: int | bytes = getattr(self.options, name.lower())
            return value
        return self.extra.get(number, option.default)

    @property
    def routing_id(self) -> bytes:
        """The identity that peers are told."""
        return self.options.routing_id

    # -- endpoints ---------------------------------------------------------------------------------

    def bind(self, address: str) -> None:
        """Listen at an address. Raises TwinError: EADDRINUSE, EINVAL, EPROTONOSUPPORT."""
        self.check_open()
        self.kernel.lag_ns = self.costs.bind_ns
        self.process_commands()
        transport, rest = self.context.parse(address)
        where, listener = self.context.transports[transport].bind(self, rest)
        self._last_endpoint = where.encode()
        self._endpoints.setdefault(where, []).append(listener)
        self.observer.event(self, "listening")
        self._settle()

    def connect(self, address: str) -> None:
        """Connect to an address; returns at once (F119). Raises TwinError: EINVAL, EPROTONOSUPPORT."""
        self.check_open()
        self.kernel.lag_ns = self.costs.connect_ns
        self.process_commands()
        transport, rest = self.context.parse(address)
        if self.single_connect and transport != "inproc" and address in self._endpoints:
            return  # a second connect to the same place is a silent no-op for these types (F122)
        connection = self.context.transports[transport].connect(self, rest)
        self._last_endpoint = address.encode()
        self._endpoints.setdefault(address, []).append(connection)
        self._settle()

    def unbind(self, address: str) -> None:
        """Stop listening; accepted connections are closed too (F173). Raises TwinError (ENOENT)."""
        self._term_endpoint(address)

    def disconnect(self, address: str) -> None:
        """Close what ``connect`` opened; its queue is sent under LINGER (F172). Raises TwinError (ENOENT)."""
        self._term_endpoint(address)

    def _term_endpoint(self, address: str) -> None:
        self.check_open()
        self.process_commands()
        opened = self._endpoints.pop(address, None)
        if not opened:
            raise TwinError(errno.ENOENT)
        for endpoint in opened:
            endpoint.close(self.options.linger)
        self._settle()

    def forget_endpoint(self, opened: Any) -> None:
        """An endpoint has ended by itself."""
        for address, items in list(self._endpoints.items()):
            if opened in items:
                items.remove(opened)
                if not items:
                    del self._endpoints[address]

    # -- the end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Close: returns at once, the reaper does the rest (F165)."""
        if self.closed:
            return
        self.kernel.lag_ns = 0
        self._reap()
        self.closed = True
        for pipe in list(self.pipes):
            pipe.terminate(False)
        for opened in list(self._endpoints.values()):
            for endpoint in opened:
                endpoint.close(self.options.linger)
        for session in list(self.sessions):
            session.post(session.process_term, self.options.linger)
        self._reap()
        self.context.check_ended()
        if self.kernel.current is not None:
            self._settle()

    def session_ended(self, session: Session) -> None:
        """One of this socket's sessions is gone."""
        self.sessions.pop(session, None)
        self.context.check_ended()

    def terminate_waits(self) -> None:
        """The context is being terminated: a blocked call returns ETERM (F171)."""
        self.post(_nothing, None)


def _nothing(_: Any) -> None:
    """A command that only wakes."""
