"""zmq_proxy, zmq_proxy_steerable and pyzmq's monitored queue, inside the simulated process that calls them.

Theory of operation, as in builds without the draft API, which pyzmq's wheels are (F221): wait until
there is input on any side; ask both sides, without waiting, whether they can be written to; then
forward a burst from front to back, then one from back to front. A burst is at most a thousand messages
(F222), and its sends block: a target that fills in the middle of one stops the whole proxy (F223).

Where there is input that must not be forwarded (the other side is full, or the proxy is paused) the
real loop spins (F224). Nothing can change then but by a command to one of the sockets, so here it sleeps
until one comes: it notices by the delay of a wake-up later, and takes no processor from others.
"""

from __future__ import annotations

from collections.abc import Sequence
from errno import EAGAIN
from typing import TYPE_CHECKING, Final

from harness.twin.errors import TwinError
from harness.twin.msg import DATA, Msg
from harness.twin.socket_base import DONTWAIT, POLLIN, POLLOUT

if TYPE_CHECKING:
    from harness.twin.socket_base import SocketBase

BURST_MESSAGES: Final = 1000
"""proxy_burst_size (F222)."""

_ACTIVE: Final = 0
_PAUSED: Final = 1
_TERMINATED: Final = 2
_COUNTER_BYTES: Final = 8


class _Traffic:
    """Frames and bytes that a side has received and sent."""

    __slots__ = ("received", "received_bytes", "sent", "sent_bytes")

    def __init__(self) -> None:
        self.received = self.received_bytes = 0
        self.sent = self.sent_bytes = 0

    def counters(self) -> list[int]:
        """As STATISTICS gives them."""
        return [self.received, self.received_bytes, self.sent, self.sent_bytes]


class _Proxy:
    """One running proxy."""

    def __init__(
        self, front: SocketBase, back: SocketBase, capture: SocketBase | None, control: SocketBase | None
    ) -> None:
        self._front = front
        self._back = back
        self._capture = capture
        self._control = control
        self._state = _ACTIVE
        self._front_traffic = _Traffic()
        self._back_traffic = _Traffic()

    def run(self) -> None:
        """Until TERMINATE. Raises TwinError when a call on one of the sockets fails: ETERM, EAGAIN, ..."""
        front, back, control = self._front, self._back, self._control
        inputs = [front, back] if control is None else [front, back, control]
        one = front is back
        writable = [True, True]
        while self._state != _TERMINATED:
            readable = wait(inputs)
            progress = False
            if control is not None and readable[2]:
                self._obey(control)
                progress = True
            if not one:
                writable = poll([front, back], POLLOUT)
            if self._state == _ACTIVE and readable[0] and writable[1]:
                self._forward(front, back, self._front_traffic, self._back_traffic)
                progress = True
            if self._state == _ACTIVE and not one and readable[1] and writable[0]:
                self._forward(back, front, self._back_traffic, self._front_traffic)
                progress = True
            if not progress:
                sleep(inputs)

    def _forward(self, source: SocketBase, target: SocketBase, arrived: _Traffic, left: _Traffic) -> None:
        """A burst: until the source is empty, a thousand messages at most (F222)."""
        capture = self._capture
        for number in range(BURST_MESSAGES):
            more = True
            while more:
                try:
                    msg = source.recv(DONTWAIT)
                except TwinError as error:
                    if error.errno == EAGAIN and number:
                        return
                    raise
                size = len(msg.data)
                arrived.received += 1
                arrived.received_bytes += size
                more = msg.more
                msg = _as_data(msg)
                if capture is not None:
                    capture.send(msg, 0)
                target.send(msg, 0)
                left.sent += 1
                left.sent_bytes += size

    def _obey(self, control: SocketBase) -> None:
        """A command. All but STATISTICS are answered by an empty message, known or not.

        libzmq 4.3.5 has PAUSE and RESUME the wrong way round: RESUME pauses, and whatever has five bytes
        resumes (F228).
        """
        command = control.recv(DONTWAIT).data
        if command == b"STATISTICS":
            counters = self._front_traffic.counters() + self._back_traffic.counters()
            for left in range(len(counters) - 1, -1, -1):
                value = counters[len(counters) - 1 - left]
                control.send(Msg(value.to_bytes(_COUNTER_BYTES, "little"), left > 0), 0)
            return
        if len(command) == len(b"PAUSE"):
            self._state = _ACTIVE
        elif command == b"RESUME":
            self._state = _PAUSED
        elif command == b"TERMINATE":
            self._state = _TERMINATED
        control.send(Msg(b""), 0)


def proxy(front: SocketBase, back: SocketBase, capture: SocketBase | None, control: SocketBase | None) -> None:
    """Forward both ways until TERMINATE comes over ``control``, or for ever. Raises TwinError (ETERM, ...)."""
    _Proxy(front, back, capture, control).run()


def monitored_queue(
    front: SocketBase, back: SocketBase, monitor: SocketBase, front_prefix: bytes, back_prefix: bytes, swap_ids: bool
) -> None:
    """Forward both ways one message a turn, each also to ``monitor`` behind a prefix. Raises TwinError.

    All its calls block, so that the slowest of three sockets stops it.
    """
    while True:
        front_in, back_in = wait([front, back])
        if front_in:
            monitor.send(Msg(front_prefix, more=True), 0)
            _relay(front, back, monitor, swap_ids)
        if back_in:
            monitor.send(Msg(back_prefix, more=True), 0)
            _relay(back, front, monitor, swap_ids)


def _relay(source: SocketBase, target: SocketBase, monitor: SocketBase, swap_ids: bool) -> None:
    if swap_ids:
        # Between two ROUTERs: whom it is for comes before whom it is from.
        sender, addressee = source.recv(0).data, source.recv(0).data
        for identity in (addressee, sender):
            target.send(Msg(identity, more=True), 0)
            monitor.send(Msg(identity, more=True), 0)
    more = True
    while more:
        msg = _as_data(source.recv(0))
        more = msg.more
        target.send(msg, 0)
        monitor.send(msg, 0)


def _as_data(msg: Msg) -> Msg:
    return msg if msg.kind == DATA else Msg(msg.data, msg.more)


# -- polling sockets of the core -----------------------------------------------------------------------


def poll(sockets: Sequence[SocketBase], wanted: int) -> list[bool]:
    """Which of them have the event now; all their commands are processed (F55). Raises TwinError."""
    kernel = sockets[0].kernel
    kernel.lag_ns = sockets[0].costs.poll_ns
    ready = [bool(socket.events() & wanted) for socket in sockets]
    lag, kernel.lag_ns = kernel.lag_ns, 0
    kernel.spend(lag)
    return ready


def wait(sockets: Sequence[SocketBase]) -> list[bool]:
    """Which of them can be read, as soon as one can. Raises TwinError."""
    while not any(ready := poll(sockets, POLLIN)):
        sleep(sockets)
    return ready


def sleep(sockets: Sequence[SocketBase]) -> None:
    """Until any of them has a command."""
    if any(socket.has_commands() for socket in sockets):
        return
    kernel = sockets[0].kernel
    process = kernel.running()
    for socket in sockets:
        socket.wait_on(process)
    kernel.block()
    for socket in sockets:
        socket.wait_off()
