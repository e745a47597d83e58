"""Looks that a copied module offers without a call that takes time: a loop of them would not end."""

from __future__ import annotations

import types
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.twin.virtual.modules import Modules


def watch_events(module: types.ModuleType, modules: Modules) -> None:
    """The copy of ``threading``."""
    _glance_first(vars(module)["Event"], ("is_set", "isSet"), modules)


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
