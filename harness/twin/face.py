"""Which copy of pyzmq's front end the backend serves, and errors in that copy's own classes."""

from __future__ import annotations

import errno as _errno
import importlib
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


def raise_errno(number: int) -> NoReturn:
    """Raise what pyzmq raises for this errno."""
    global _last_errno  # noqa: PLW0603 - zmq_errno() is a global in libzmq too
    _last_errno = number
    front = front_end_module()
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
