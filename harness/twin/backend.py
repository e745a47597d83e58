"""The face: exactly the names that pyzmq's front end asks of a backend (``PYZMQ_BACKEND``).

pyzmq chooses its backend module by name when it is imported; with this one its own front end, and
any program on it, runs on the simulated library. Contexts and sockets can be made and used inside
simulated processes only; there every call takes virtual time.
"""

from __future__ import annotations

import errno as _errno
import itertools
from collections.abc import Sequence
from typing import Any, Final

from harness.twin.context import Context as _Core
from harness.twin.errors import TwinError
from harness.twin.face import front_end_module, raise_errno, strerror, zmq_errno
from harness.twin.frame import Frame
from harness.twin.kernel import NEVER_NS, current_process
from harness.twin.options import NotSimulatedYet
from harness.twin.socket_base import SocketBase

IPC_PATH_MAX_LEN: Final = 107
PYZMQ_DRAFT_API: Final = False

__all__ = [
    "IPC_PATH_MAX_LEN",
    "PYZMQ_DRAFT_API",
    "Context",
    "Frame",
    "Message",
    "Socket",
    "curve_keypair",
    "curve_public",
    "has",
    "monitored_queue",
    "proxy",
    "proxy_steerable",
    "strerror",
    "zmq_errno",
    "zmq_poll",
    "zmq_version_info",
]

_IO_THREADS, _MAX_SOCKETS, _SOCKET_LIMIT, _IPV6, _BLOCKY = 1, 2, 3, 42, 70

_handles: dict[int, Any] = {}
_next_handle = itertools.count(1)


class Context:
    """A libzmq context. See ``zmq.Context``."""

    _core: Any
    _handle: int
    _closed: bool

    def __init__(self, io_threads: int = 1, shadow: int = 0) -> None:
        self._closed = True  # until it stands: pyzmq closes what was only half made, too
        if shadow:
            self._handle = shadow
            self._core = _handles[shadow]
        else:
            process = current_process()
            try:
                self._core = process.kernel.world.context(process, io_threads)
            except TwinError as error:
                raise_errno(error.errno)
            self._handle = next(_next_handle)
            _handles[self._handle] = self._core
        self._closed = False

    @property
    def underlying(self) -> int:
        """The handle that a shadow is made of."""
        return self._handle

    @property
    def closed(self) -> bool:
        """Whether it was terminated."""
        return self._closed or self._core.closed

    def set(self, option: int, optval: int) -> None:
        """zmq_ctx_set."""
        if option == _BLOCKY:
            self._core.blocky = bool(optval)
        elif option == _MAX_SOCKETS:
            self._core.max_sockets = optval
        elif optval != self.get(option):
            raise NotSimulatedYet(f"context option {option}")

    def get(self, option: int) -> int:
        """zmq_ctx_get."""
        core: _Core = self._core
        values = {
            _IO_THREADS: len(core.io_threads),
            _MAX_SOCKETS: core.max_sockets,
            _SOCKET_LIMIT: 65535,
            _IPV6: 0,
            _BLOCKY: int(core.blocky),
        }
        if option not in values:
            raise_errno(_errno.EINVAL)
        return values[option]

    def term(self) -> None:
        """zmq_ctx_term: waits for lingering sockets, in virtual time."""
        if self._closed:
            return
        self._closed = True
        if self._core.kernel.current is not None:
            self._core.term()
        _handles.pop(self._handle, None)


class Socket:
    """A libzmq socket. See ``zmq.Socket``."""

    context: Any
    copy_threshold: int
    _core: SocketBase
    _handle: int
    _closed: bool

    def __init__(
        self, context: Any = None, socket_type: int = -1, shadow: int = 0, copy_threshold: int | None = None
    ) -> None:
        self._closed = True  # until it stands
        self.context = context
        self.copy_threshold = 65536 if copy_threshold is None else copy_threshold
        if shadow:
            self._handle = shadow
            self._core = _handles[shadow]
        else:
            try:
                self._core = context._core.socket(int(socket_type))
            except TwinError as error:
                raise_errno(error.errno)
            self._handle = next(_next_handle)
            _handles[self._handle] = self._core
        self._closed = False

    @property
    def underlying(self) -> int:
        """The handle that a shadow is made of."""
        return self._handle

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed or self._core.closed

    def close(self, linger: int | None = None) -> None:
        """zmq_close."""
        if self._closed:
            return
        self._closed = True
        if linger is not None and not self._core.closed:
            self._core.options.linger = linger
        self._core.close()
        _handles.pop(self._handle, None)

    def set(self, option: int, optval: int | bytes) -> None:
        """zmq_setsockopt."""
        if isinstance(optval, str):
            raise TypeError("unicode not allowed, use bytes")
        front = front_end_module()
        try:
            kind = front.constants.SocketOption(option)._opt_type.name
        except ValueError:
            kind = "int"
        if kind == "bytes" and not isinstance(optval, bytes):
            raise TypeError(f"expected bytes, got: {optval!r}")
        if kind != "bytes" and not isinstance(optval, int):
            raise TypeError(f"expected int, got: {optval!r}")
        try:
            self._core.set(int(option), optval if isinstance(optval, bytes) else int(optval))
        except TwinError as error:
            raise_errno(error.errno)

    def get(self, option: int) -> int | bytes:
        """zmq_getsockopt."""
        try:
            return self._core.get(int(option))
        except TwinError as error:
            raise_errno(error.errno)

    def _call(self, method: Any, address: str | bytes) -> None:
        if self._closed:
            raise_errno(_errno.ENOTSOCK)
        try:
            method(address.decode() if isinstance(address, bytes) else address)
        except TwinError as error:
            raise_errno(error.errno)

    def bind(self, addr: str | bytes) -> None:
        """zmq_bind."""
        self._call(self._core.bind, addr)

    def connect(self, addr: str | bytes) -> None:
        """zmq_connect."""
        self._call(self._core.connect, addr)

    def unbind(self, addr: str | bytes) -> None:
        """zmq_unbind."""
        self._call(self._core.term_endpoint, addr)

    def disconnect(self, addr: str | bytes) -> None:
        """zmq_disconnect."""
        self._call(self._core.term_endpoint, addr)

    def monitor(self, addr: str | bytes | None, events: int = 0xFFFF) -> None:
        """zmq_socket_monitor."""
        raise NotSimulatedYet("a socket monitor")

    def join(self, group: str | bytes) -> None:
        """Draft API, which pyzmq's wheels do not have."""
        raise RuntimeError("libzmq must be built with draft support")

    leave = join

    def send(self, data: Any, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        """zmq_msg_send."""
        tracked = None
        if data.__class__ is not bytes:
            if isinstance(data, str):
                raise TypeError("Message must be in bytes, not a unicode object")
            if isinstance(data, Frame):
                tracked = data.tracker or front_end_module().sugar.tracker._FINISHED_TRACKER
                if track and not data.tracker:
                    raise ValueError("Not a tracked message")
                data = data.bytes
            else:
                data = memoryview(data).tobytes()
        try:
            self._core.send(data, flags)
        except TwinError as error:
            raise_errno(error.errno)
        if copy:
            return tracked
        return tracked or front_end_module().sugar.tracker._FINISHED_TRACKER

    def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        """zmq_msg_recv: bytes, or a Frame with ``copy=False``."""
        try:
            msg = self._core.recv(flags)
        except TwinError as error:
            raise_errno(error.errno)
        if copy:
            return msg.data
        frame = front_end_module().Frame(msg.data, track=track)
        frame.more = msg.more
        return frame

    def recv_into(self, buffer: Any, /, *, nbytes: int = 0, flags: int = 0) -> int:
        """zmq_recv: the full size of the message, of which at most ``nbytes`` are stored."""
        view = memoryview(buffer).cast("B")
        room = nbytes or len(view)
        data = self.recv(flags)
        stored = min(room, len(view), len(data))
        view[:stored] = data[:stored]
        return len(data)


Message = Frame


def zmq_poll(sockets: Sequence[tuple[Any, int]], timeout: int = -1) -> list[tuple[Any, int]]:
    """zmq_poll: all commands of all sockets are processed; waits in virtual time (F55)."""
    kernel = current_process().kernel
    cores = []
    for socket, flags in sockets:
        if not isinstance(socket, Socket):
            raise NotSimulatedYet("polling anything but a socket of the simulated library")
        cores.append((socket, socket._core, int(flags)))
    deadline = NEVER_NS if timeout < 0 else kernel.now_ns + int(timeout) * 1_000_000
    costs = kernel.world.costs
    try:
        while True:
            kernel.lag_ns = costs.poll_ns
            ready = []
            for socket, core, flags in cores:
                events = core.events() & flags
                if events:
                    ready.append((socket, events))
            lag, kernel.lag_ns = kernel.lag_ns, 0
            kernel.spend(lag)
            if ready or kernel.now_ns >= deadline:
                return ready
            process = kernel.running()
            if not any(core.has_commands() for _, core, _ in cores):
                for _, core, _ in cores:
                    core.wait_on(process)
                kernel.block(deadline)
                for _, core, _ in cores:
                    core.wait_off()
    except TwinError as error:
        raise_errno(error.errno)


def zmq_version_info() -> tuple[int, int, int]:
    """The version of libzmq whose behaviour is simulated."""
    return (4, 3, 5)


def has(capability: str) -> bool:
    """Whether the simulated library has a capability."""
    return capability == "ipc"


def curve_keypair() -> tuple[bytes, bytes]:
    """Not simulated yet."""
    raise NotSimulatedYet("CURVE")


def curve_public(secret_key: bytes | str) -> bytes:
    """Not simulated yet."""
    raise NotSimulatedYet("CURVE")


def proxy(frontend: Socket, backend: Socket, capture: Socket | None = None) -> int:
    """Not simulated yet."""
    raise NotSimulatedYet("zmq.proxy")


def proxy_steerable(
    frontend: Socket, backend: Socket, capture: Socket | None = None, control: Socket | None = None
) -> int:
    """Not simulated yet."""
    raise NotSimulatedYet("zmq.proxy_steerable")


def monitored_queue(
    in_socket: Socket, out_socket: Socket, mon_socket: Socket, in_prefix: bytes = b"in", out_prefix: bytes = b"out"
) -> int:
    """Not simulated yet."""
    raise NotSimulatedYet("a monitored queue")
