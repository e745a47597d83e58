"""Sockets, as pyzmq's backend gives them."""

from __future__ import annotations

import errno as _errno
from collections.abc import Callable
from typing import Any, Final

from harness.twin.errors import TwinError
from harness.twin.face import (
    c_int,
    forget_handle,
    front_end_module,
    handle_for,
    of_handle,
    raise_errno,
    strerror,
)
from harness.twin.frame import Frame
from harness.twin.metadata import last_properties
from harness.twin.monitor import monitor_socket
from harness.twin.msg import Msg
from harness.twin.socket_base import SNDMORE, SocketBase

_BUFFER_BYTES: Final = 255
"""pyzmq's buffer for the value of an option."""
_INT64: Final = range(-(2**63), 2**63)


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
        self._handle = 0
        self.context = context
        self.copy_threshold = front_end_module().COPY_THRESHOLD if copy_threshold is None else copy_threshold
        if shadow:
            self._handle = shadow
            self._core = of_handle(shadow)
        else:
            if context is None:
                raise TypeError("context must be specified")
            if socket_type < 0:
                raise TypeError("socket_type must be specified")
            if context._closed or context._core.closed:
                raise_errno(_errno.EFAULT)
            try:
                self._core = context._core.socket(int(socket_type))
            except TwinError as error:
                raise_errno(error.errno, strerror(error.errno))
            self._handle = handle_for(self._core)
        self._closed = False

    @property
    def underlying(self) -> int:
        """The handle that a shadow is made of; 0 once closed."""
        return self._handle

    @property
    def closed(self) -> bool:
        """Whether it was closed, through this object or another."""
        if not self._closed and self._core.closed:
            self._closed = True
        return self._closed

    def close(self, linger: int | None = None) -> None:
        """zmq_close."""
        if self._closed:
            return
        self._closed = True
        handle, self._handle = self._handle, 0
        if linger is not None and not self._core.closed:
            self._core.options.linger = c_int(linger)
        self._core.close()
        forget_handle(handle)

    # -- options ---------------------------------------------------------------------------------

    def set(self, option: int, optval: int | bytes) -> None:
        """zmq_setsockopt. Raises ZMQError (EINVAL, ETERM, ENOTSOCK), TypeError, OverflowError."""
        self._check_closed()
        if isinstance(optval, str):
            raise TypeError("unicode not allowed, use setsockopt_string")
        option = c_int(option)
        kind = _kind(option)
        if kind == "bytes":
            if not isinstance(optval, bytes):
                raise TypeError(f"expected bytes, got: {optval!r}")
        elif not isinstance(optval, int):
            raise TypeError(f"expected int, got: {optval!r}")
        elif kind == "int64":
            if optval not in _INT64:
                raise OverflowError("Python int too large to convert to C long")
            optval = int(optval)
        else:
            optval = c_int(optval)
        try:
            self._core.set(option, optval)
        except TwinError as error:
            raise_errno(error.errno)

    def get(self, option: int) -> int | bytes:
        """zmq_getsockopt. Raises ZMQError (EINVAL, ETERM, ENOTSOCK)."""
        self._check_closed()
        try:
            value = self._core.get(c_int(option))
        except TwinError as error:
            raise_errno(error.errno)
        if isinstance(value, bytes) and len(value) > _BUFFER_BYTES:
            raise_errno(_errno.EINVAL)
        return value

    def _check_closed(self) -> None:
        if self._closed:
            raise_errno(_errno.ENOTSOCK)

    # -- endpoints -------------------------------------------------------------------------------

    def _call(self, method: Callable[[str], None], address: str | bytes) -> None:
        if isinstance(address, bytes):
            address = address.decode("utf-8", "surrogateescape")
        if not isinstance(address, str):
            raise TypeError(f"Expected addr to be str, got addr={address!r}")
        self._check_closed()
        method(address)

    def bind(self, addr: str | bytes) -> None:
        """zmq_bind."""
        try:
            self._call(self._core.bind, addr)
        except TwinError as error:
            path = str(addr).partition("://")[2]
            if error.errno == _errno.ENAMETOOLONG:
                raise_errno(error.errno, _TOO_LONG.format(path))
            if error.errno == _errno.ENOENT:
                raise_errno(error.errno, f'No such file or directory for ipc path "{path}".')
            raise_errno(error.errno)

    def connect(self, addr: str | bytes) -> None:
        """zmq_connect."""
        try:
            self._call(self._core.connect, addr)
        except TwinError as error:
            raise_errno(error.errno)

    def unbind(self, addr: str | bytes) -> None:
        """zmq_unbind."""
        try:
            self._call(self._core.term_endpoint, addr)
        except TwinError as error:
            raise_errno(error.errno, strerror(error.errno))

    disconnect = unbind

    def monitor(self, addr: str | bytes | None, events: int = 0xFFFF) -> None:
        """zmq_socket_monitor."""
        self._check_closed()
        try:
            monitor_socket(self._core, addr.decode() if isinstance(addr, bytes) else addr, int(events))
        except TwinError as error:
            raise_errno(error.errno)

    def join(self, group: str | bytes) -> None:
        """Draft API, which pyzmq's wheels do not have."""
        raise RuntimeError("libzmq and pyzmq must be built with draft support")

    leave = join

    # -- messages --------------------------------------------------------------------------------

    def send(self, data: Any, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        """zmq_msg_send: None, or a tracker of data that were not copied."""
        if self._closed:
            raise_errno(_errno.ENOTSOCK)
        if copy and data.__class__ is bytes:
            msg, tracker = Msg(data, (flags & SNDMORE) != 0), None
        else:
            msg, tracker = self._outgoing(data, (flags & SNDMORE) != 0, copy, track)
        try:
            self._core.send(msg, flags)
        except TwinError as error:
            raise_errno(error.errno)
        return tracker

    def _outgoing(self, data: Any, more: bool, copy: bool, track: bool) -> tuple[Msg, Any]:
        if isinstance(data, str):
            raise TypeError("unicode not allowed, use send_string")
        if isinstance(data, Frame):
            if track and not data.tracker:
                raise ValueError("Not a tracked message")
            return data.message(more), data.tracker
        view = memoryview(data)
        if not view.contiguous:
            raise BufferError("memoryview: underlying buffer is not contiguous")
        if copy:
            return Msg(view.tobytes(), more), None
        if self.copy_threshold and view.nbytes < self.copy_threshold:
            return Msg(view.tobytes(), more), front_end_module().sugar.tracker._FINISHED_TRACKER
        frame = front_end_module().Frame(data, track=track, copy_threshold=self.copy_threshold)
        return frame.message(more), frame.tracker

    def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        """zmq_msg_recv: bytes, or a Frame with ``copy=False``."""
        if self._closed:
            raise_errno(_errno.ENOTSOCK)
        try:
            msg = self._core.recv(flags)
        except TwinError as error:
            raise_errno(error.errno)
        if copy:
            return msg.data
        return Frame.received(msg, track, last_properties(self._core))

    def recv_into(self, buffer: Any, /, *, nbytes: int = 0, flags: int = 0) -> int:
        """zmq_recv: the full size of the message, of which at most ``nbytes`` are stored."""
        self._check_closed()
        if nbytes < 0:
            raise ValueError(f"nbytes={nbytes} must be non-negative")
        view = memoryview(buffer)
        if view.readonly or not view.contiguous:
            raise BufferError("memoryview: the buffer must be writable and contiguous")
        if nbytes > view.nbytes:
            raise ValueError(f"nbytes={nbytes} too big for memoryview of {view.nbytes}B")
        data = self.recv(flags)
        stored = min(nbytes or view.nbytes, len(data))
        view.cast("B")[:stored] = data[:stored]
        return len(data)


_TOO_LONG: Final = (
    'ipc path "{}" is longer than 107 characters (sizeof(sockaddr_un.sun_path)). zmq.IPC_PATH_MAX_LEN constant '
    "can be used to check addr length (if it is defined)."
)

_kinds: dict[int, str] = {}


def _kind(option: int) -> str:
    kind = _kinds.get(option)
    if kind is None:
        try:
            kind = front_end_module().constants.SocketOption(option)._opt_type.name
        except ValueError:
            kind = "int"  # pyzmq leaves it to libzmq to know options that it does not
        _kinds[option] = kind
    return kind
