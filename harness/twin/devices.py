"""The devices as pyzmq's backend offers them: arguments checked, errors as pyzmq raises them."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from harness.twin import proxy as core
from harness.twin.errors import TwinError
from harness.twin.face import raise_errno
from harness.twin.socket_base import SocketBase

_ROUTER = 6


def proxy(frontend: Any, backend: Any, capture: Any = None) -> int:
    """zmq_proxy: forwards for ever. Raises ZMQError (ETERM, ...), TypeError."""
    return proxy_steerable(frontend, backend, capture)


def proxy_steerable(frontend: Any, backend: Any, capture: Any = None, control: Any = None) -> int:
    """zmq_proxy_steerable: forwards until TERMINATE; gives 0. Raises ZMQError, TypeError."""
    front, back = _core("frontend", frontend), _core("backend", backend)
    aside = [None if socket is None else _core(name, socket) for name, socket in _named(capture, control)]
    if front.closed or back.closed:
        raise_errno(errno.EFAULT)
    # A closed socket is none at all.
    return _run(core.proxy, front, back, *(None if inner is None or inner.closed else inner for inner in aside))


def monitored_queue(
    in_socket: Any, out_socket: Any, mon_socket: Any, in_prefix: bytes = b"in", out_prefix: bytes = b"out"
) -> int:
    """pyzmq's monitored queue: forwards for ever. Raises ZMQError (ETERM, ...), TypeError."""
    front, back = _core("in_socket", in_socket), _core("out_socket", out_socket)
    swap_ids = front.type_number == back.type_number == _ROUTER
    prefixes = [memoryview(prefix).tobytes() for prefix in (in_prefix, out_prefix)]
    return _run(core.monitored_queue, front, back, _core("mon_socket", mon_socket), *prefixes, swap_ids)


def _named(capture: Any, control: Any) -> tuple[tuple[str, Any], ...]:
    return ("capture", capture), ("control", control)


def _core(name: str, socket: Any) -> SocketBase:
    inner = getattr(socket, "_core", None)
    if not isinstance(inner, SocketBase):
        raise TypeError(f"Argument {name!r} has incorrect type (expected a Socket, got {type(socket).__name__})")
    return inner


def _run(device: Callable[..., None], *arguments: Any) -> int:
    try:
        device(*arguments)
    except TwinError as error:
        raise_errno(error.errno)
    return 0
