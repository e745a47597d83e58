"""A socket monitor: what happens to a socket's connections, told over a PAIR in the same context.

Theory of operation. Whoever sees an event (an I/O thread, or the application inside ``bind``) sends it
on the monitor's own PAIR, two frames an event, and waits if that is not possible: while nobody has
connected to the monitor's address, and again when both queues of the inproc connection are full, that
thread stands still (F234). A socket without a monitor pays one comparison an event and nothing a message.

A thread that is stopped so finishes the turn it is in; what else happens in that turn is queued behind.
"""

from __future__ import annotations

import errno
import struct
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from harness.twin.errors import TwinError
from harness.twin.msg import Msg
from harness.twin.sockets.pair import Pair

if TYPE_CHECKING:
    from harness.twin.io_thread import IoThread
    from harness.twin.socket_base import SocketBase

EVENTS: Final = {
    "connected": 0x0001,
    "connect_delayed": 0x0002,
    "connect_retried": 0x0004,
    "listening": 0x0008,
    "bind_failed": 0x0010,
    "accepted": 0x0020,
    "accept_failed": 0x0040,
    "closed": 0x0080,
    "close_failed": 0x0100,
    "disconnected": 0x0200,
    "monitor_stopped": 0x0400,
    "handshake_failed_no_detail": 0x0800,
    "handshake_succeeded": 0x1000,
    "handshake_failed_protocol": 0x2000,
    "handshake_failed_auth": 0x4000,
}
"""The events of libzmq 4.3.5, as in zmq.h."""

_EVENT_BITS: Final = 16
_HEAD: Final = struct.Struct("=HI")


class _MonitorPair(Pair):
    """The monitor's own end, which tells when a blocked sender may try again."""

    __slots__ = ("retry",)

    def __init__(self, socket: SocketBase) -> None:
        super().__init__(socket.context)
        self.options.linger = 0
        self.owner = socket.owner
        self.retry: Callable[[], None] | None = None

    def post(self, command: Callable[[Any], None], argument: Any) -> None:
        """As any socket; a sender that waits looks at it soon."""
        super().post(command, argument)
        retry, self.retry = self.retry, None
        if retry is not None:
            kernel = self.kernel
            kernel.call_at(kernel.now_ns + kernel.lag_ns + self.costs.app_wake(), retry)

    def take(self, msg: Msg) -> bool:
        """Send one frame if that is possible now."""
        self._reap()
        self.kernel.lag_ns += self.costs.send(len(msg.data))
        return self.xsend(msg)


class Monitor:
    """The monitor of one socket."""

    __slots__ = ("_backlog", "_frozen", "_mask", "_pair", "_stopping")

    def __init__(self, socket: SocketBase, name: str, mask: int) -> None:
        self._mask = mask
        self._pair = _MonitorPair(socket)
        self._backlog: deque[Msg] = deque()
        self._frozen: dict[IoThread, None] = {}
        self._stopping = False
        socket.context.check_room()
        socket.context.sockets[self._pair] = None
        try:
            self._pair.bind(f"inproc://{name}")
        except TwinError:
            self._pair.close()
            raise

    def tell(self, event: str, value: int, where: str, app_waits: bool = True) -> None:
        """Send an event; waits where libzmq does."""
        number = EVENTS[event]
        if not number & self._mask or self._stopping or self._pair.closed or self._pair.context.terminating:
            return
        waits = bool(self._backlog)
        self._backlog.append(Msg(_HEAD.pack(number, value), more=True))
        self._backlog.append(Msg(where.encode()))
        if waits or not self._send():
            self._wait(app_waits)

    def stop(self, waits: bool = True) -> None:
        """No more events; the last one says so. The address is free a moment later.

        Args:
            waits: the application does this and waits for it; False: the reaper does.
        """
        self.tell("monitor_stopped", 0, "", waits)
        self._stopping = True
        if not self._backlog or self._pair.context.terminating:
            self._end()

    def _send(self) -> bool:
        backlog = self._backlog
        while backlog:
            if not self._pair.take(backlog[0]):
                return False
            backlog.popleft()
        return True

    def _wait(self, app_waits: bool) -> None:
        pair = self._pair
        kernel = pair.kernel
        if kernel.current is None or not app_waits:
            for io in pair.context.io_threads:
                if io.in_turn:
                    io.freeze()
                    self._frozen[io] = None
            pair.retry = self._again
            return
        while self._backlog and not pair.context.terminating:
            pair.wait_on(kernel.running())
            kernel.block()
            kernel.lag_ns = 0
            self._send()

    def _again(self) -> None:
        pair = self._pair
        if not self._send() and not pair.context.terminating:
            pair.retry = self._again
            return
        self._backlog.clear()
        frozen, self._frozen = self._frozen, {}
        for io in frozen:
            io.thaw()
        if self._stopping:
            self._end()

    def _end(self) -> None:
        # The reaper closes it, a moment after the call that asked for it.
        kernel = self._pair.kernel
        kernel.call_at(kernel.now_ns + kernel.lag_ns + self._pair.costs.app_wake(), self._pair.close)


def monitor_socket(socket: SocketBase, address: str | None, events: int) -> None:
    """zmq_socket_monitor. Raises TwinError: EINVAL, EPROTONOSUPPORT, EADDRINUSE, EMFILE, ENOTSOCK, ETERM."""
    socket.check_open()
    if events >> _EVENT_BITS:
        raise TwinError(errno.EINVAL)
    if address is None:
        _stop(socket)
        return
    transport, separator, name = address.partition("://")
    if not separator or not transport or not name:
        raise TwinError(errno.EINVAL)
    if transport != "inproc":
        raise TwinError(errno.EPROTONOSUPPORT)
    _stop(socket)
    socket.monitor = Monitor(socket, name, events)


def _stop(socket: SocketBase) -> None:
    monitor, socket.monitor = socket.monitor, None
    if monitor is not None:
        monitor.stop()
