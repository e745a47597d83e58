"""Contexts, as pyzmq's backend gives them."""

from __future__ import annotations

import errno as _errno
from typing import Any, Final

from harness.twin.context import Context as Core
from harness.twin.errors import TwinError
from harness.twin.face import c_int, forget_handle, handle_for, of_handle, raise_errno
from harness.twin.kernel import current_process
from harness.twin.options import NotSimulatedYet

_IO_THREADS: Final = 1
_MAX_SOCKETS: Final = 2
_SOCKET_LIMIT: Final = 3
_THREAD_SCHED_POLICY: Final = 4
_MAX_MSGSZ: Final = 5
_MSG_T_SIZE: Final = 6
_AFFINITY_ADD: Final = 7
_AFFINITY_REMOVE: Final = 8
_NAME_PREFIX: Final = 9
_ZERO_COPY_RECV: Final = 10
_IPV6: Final = 42
_BLOCKY: Final = 70

_FLAGS: Final = (_ZERO_COPY_RECV, _IPV6, _BLOCKY)
_WRITE_ONLY: Final = (_AFFINITY_ADD, _AFFINITY_REMOVE)
_LEAST: Final = {_MAX_SOCKETS: 1, _NAME_PREFIX: -(2**31)}
_DEFAULTS: Final = {
    _THREAD_SCHED_POLICY: -1,
    _MAX_MSGSZ: 2**31 - 1,
    _MSG_T_SIZE: 64,
    _NAME_PREFIX: 0,
    _ZERO_COPY_RECV: 1,
    _IPV6: 0,
}
_WITHOUT_EFFECT: Final = (_SOCKET_LIMIT, *_WRITE_ONLY)
"""Threads of a simulation run on no processor that could be chosen."""


class Context:
    """A libzmq context. See ``zmq.Context``."""

    _core: Any
    _handle: int
    _closed: bool

    def __init__(self, io_threads: int = 1, shadow: int = 0) -> None:
        self._closed = True  # until it stands: pyzmq closes what was only half made, too
        if shadow:
            self._handle = shadow
            self._core = of_handle(shadow)
        else:
            process = current_process()
            try:
                self._core = process.kernel.world.context(process, c_int(io_threads))
            except TwinError as error:
                raise_errno(error.errno)
            self._handle = handle_for(self._core)
        self._closed = False

    @property
    def underlying(self) -> int:
        """The handle that a shadow is made of; 0 once terminated."""
        return self._handle

    @property
    def closed(self) -> bool:
        """Whether it was terminated through this object."""
        return self._closed

    def set(self, option: int, optval: int) -> None:
        """zmq_ctx_set. Raises ZMQError (EINVAL), TypeError, OverflowError, RuntimeError when terminated."""
        core = self._living()
        option = c_int(option)
        if not isinstance(optval, int):
            raise TypeError(f"expected int, got: {optval!r}")
        value = c_int(optval)
        known = option in (_IO_THREADS, _MAX_SOCKETS, _SOCKET_LIMIT, _BLOCKY, *_WRITE_ONLY, *_DEFAULTS)
        if not known or option == _MSG_T_SIZE or value < _LEAST.get(option, 0):
            raise_errno(_errno.EINVAL)
        if option in _FLAGS:
            value = int(value != 0)
        if option == _IO_THREADS:
            core.set_io_threads(value)
        elif option == _MAX_SOCKETS:
            core.max_sockets = value
        elif option == _BLOCKY:
            core.blocky = bool(value)
        elif option == _MAX_MSGSZ and value != self.get(option):
            raise NotSimulatedYet("context option MAX_MSGSZ")
        elif option not in _WITHOUT_EFFECT:
            core.extra[option] = value

    def get(self, option: int) -> int:
        """zmq_ctx_get. Raises ZMQError (EINVAL), RuntimeError when terminated."""
        core = self._living()
        option = c_int(option)
        values = {
            **_DEFAULTS,
            **core.extra,
            _IO_THREADS: core.io_thread_count,
            _MAX_SOCKETS: core.max_sockets,
            _SOCKET_LIMIT: 65535,
            _BLOCKY: int(core.blocky),
        }
        if option not in values:
            raise_errno(_errno.EINVAL)
        return values[option]

    def _living(self) -> Core:
        if self._closed:
            raise RuntimeError("Context has been destroyed")
        core: Core = self._core
        return core

    def term(self) -> None:
        """zmq_ctx_term: waits for lingering sockets, in virtual time."""
        if self._closed:
            return
        if self._core.kernel.current is not None:
            self._core.term()
        self._closed = True
        forget_handle(self._handle)
        self._handle = 0
