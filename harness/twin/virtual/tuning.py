"""What is changed in copied modules.

Looks that need no call that takes time get one: a loop of them would not end. Objects that libraries keep in
sets get numbers for hashes: by their addresses, the order of a set would differ from run to run.
"""

from __future__ import annotations

import itertools
import types
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.twin.virtual.modules import Modules


def watch_events(module: types.ModuleType, modules: Modules) -> None:
    """The copy of ``threading``."""
    _glance_first(vars(module)["Event"], ("is_set", "isSet"), modules)
    _glance_first(module, ("active_count", "activeCount", "enumerate"), modules)


def watch_queues(module: types.ModuleType, modules: Modules) -> None:
    """The copy of ``queue``."""
    _glance_first(vars(module)["Queue"], ("qsize", "empty", "full", "get_nowait", "put_nowait"), modules)
    _glance_first(vars(module)["SimpleQueue"], ("qsize", "empty", "get_nowait"), modules)


def watch_polls(module: types.ModuleType, modules: Modules) -> None:
    """pyzmq's ``zmq.sugar.poll``: a poll that does not wait and finds nothing."""
    poll = vars(module)["zmq_poll"]
    clock = modules.home.clock

    @wraps(poll)
    def watched(sockets: Any, timeout: int = -1) -> Any:
        ready = poll(sockets, timeout)
        if not ready and timeout == 0:
            clock.failed()
        return ready

    vars(module)["zmq_poll"] = watched


def number_sockets(module: types.ModuleType, _modules: Modules) -> None:
    """pyzmq's ``zmq.sugar.socket``: a context keeps its sockets in a set."""
    _number(vars(module)["Socket"])


def number_futures(module: types.ModuleType, _modules: Modules) -> None:
    """Those of ``asyncio``, tasks included, and of ``concurrent.futures``."""
    _number(vars(module)["Future"])


def _number(owner: Any) -> None:
    numbers = itertools.count()
    make = owner.__init__

    @wraps(make)
    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        object.__setattr__(self, "_hash_number", next(numbers))
        make(self, *args, **kwargs)

    owner.__init__ = made
    owner.__hash__ = lambda self: self._hash_number


def _glance_first(owner: Any, names: tuple[str, ...], modules: Modules) -> None:
    for name in names:
        if hasattr(owner, name):
            setattr(owner, name, _glancing(getattr(owner, name), modules))


def _glancing(function: Any, modules: Modules) -> Any:
    glance = modules.home.clock.glance

    @wraps(function)
    def look(*args: Any, **kwargs: Any) -> Any:
        glance()
        return function(*args, **kwargs)

    return look
