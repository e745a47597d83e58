"""Which copy of pyzmq's front end the backend serves, and errors in that copy's own classes."""

from __future__ import annotations

import errno as _errno
import importlib
import itertools
import os
from typing import Any, Final, NoReturn

from greenlet import getcurrent

from harness.twin.errors import EFSM, EMTHREAD, ENOCOMPATPROTO, ETERM

_MESSAGES: Final = {
    EFSM: "Operation cannot be accomplished in current state",
    ENOCOMPATPROTO: "The protocol is not compatible with the socket type",
    ETERM: "Context was terminated",
    EMTHREAD: "No thread available",
}

_INT_MIN: Final = -(2**31)
_INT_MAX: Final = 2**31 - 1

_handles: dict[int, Any] = {}
_next_handle = itertools.count(1)

_front: Any = None
_last_errno = 0


def use_front(module: Any) -> None:
    """Tell the backend which copy of the front end it serves: its exceptions are raised."""
    global _front  # noqa: PLW0603 - pyzmq's backends are modules, so their state is too
    _front = module


def front_end_module() -> Any:
    """The front end: a module-like object. A stranger's program has one of its own."""
    program = _program()
    if program is not None:
        return program.front
    if _front is None:
        use_front(importlib.import_module("zmq"))  # pyzmq itself has chosen this backend
    return _front


def _program() -> Any:
    process = getattr(getcurrent(), "process", None)
    return None if process is None else process.program


def front_end_part(name: str) -> Any:
    """A module of the front end by its name below ``zmq``."""
    front = front_end_module()
    names = front.__builtins__  # a copy of the front end has an import of its own
    importing = names["__import__"] if isinstance(names, dict) else names.__import__
    return importing(f"{front.__name__}.{name}", vars(front), None, ("*",), 0)


def handle_for(core: Any) -> int:
    """A number under which a context or socket is known to shadows."""
    handle = next(_next_handle)
    _handles[handle] = core
    return handle


def of_handle(handle: int) -> Any:
    """The context or socket of that number. Raises ZMQError (EFAULT)."""
    if handle not in _handles:
        raise_errno(_errno.EFAULT)
    return _handles[handle]


def forget_handle(handle: int) -> None:
    """The context or socket is gone."""
    _handles.pop(handle, None)


def forget_world(kernel: Any) -> None:
    """Nobody will ask for any context or socket of this simulated world again."""
    for handle in [handle for handle, core in _handles.items() if core.kernel is kernel]:
        del _handles[handle]


def c_int(value: Any) -> int:
    """A Python integer as a C ``int``. Raises TypeError, OverflowError."""
    if not isinstance(value, int):
        raise TypeError("an integer is required")
    if not _INT_MIN <= value <= _INT_MAX:
        raise OverflowError("value too large to convert to int")
    return int(value)


def raise_errno(number: int, msg: str | None = None) -> NoReturn:
    """Raise what pyzmq raises for this errno; with a text of its own it is ZMQError itself, none of its heirs."""
    global _last_errno  # noqa: PLW0603 - zmq_errno() is a global in libzmq too
    _last_errno = number
    front = front_end_module()
    if msg is not None:
        raise front.error.ZMQError(msg=msg)
    if number == _errno.EAGAIN:
        program = _program()
        if program is not None:
            program.found_nothing()
        raise front.error.Again(number)
    if number == ETERM:
        raise front.error.ContextTerminated(number)
    raise front.error.ZMQError(number)


def zmq_errno() -> int:
    """The errno of the last call that failed."""
    return _last_errno


def strerror(errno: int) -> str:
    """The text of an errno."""
    return _MESSAGES.get(errno) or os.strerror(errno)
