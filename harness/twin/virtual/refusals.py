"""What cannot be had in virtual time, and the sentence that says so."""

from __future__ import annotations

import importlib
import types
from typing import Any, Final, NoReturn


class NotVirtualError(RuntimeError):
    """The program has asked for something that cannot be simulated; it would stand outside virtual time."""


class NotVirtualAttributeError(NotVirtualError, AttributeError):
    """The same as an attribute: whoever only asks whether it is there is told that it is not."""


class NotVirtualModuleError(NotVirtualError, ImportError):
    """The same as a module: whoever can do without it does."""


REFUSED_MODULES: Final = {
    "gevent": "gevent replaces the event loop and the clock of the process",
    "eventlet": "eventlet replaces the event loop and the clock of the process",
    "trio": "trio's loop waits on file descriptors of the machine",
    "uvloop": "uvloop waits on file descriptors of the machine",
    "twisted": "twisted's reactor waits on file descriptors of the machine",
}
"""Top-level packages, and why not."""

_SOCKETS: Final = "raw sockets of the machine know nothing of virtual time; use ZeroMQ sockets"
_PROCESSES: Final = (
    "another process of the machine would run in real time; start several programs on the twin with"
    " `python -m harness.twin a.py -- b.py`, or use threads"
)
_DESCRIPTORS: Final = "file descriptors of the machine know nothing of virtual time; use zmq.Poller"
_SIGNALS: Final = "signals do not come in virtual time, but for those of signal.alarm and signal.setitimer"

REFUSED_NAMES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "os": (
        _PROCESSES,
        (
            *("fork", "forkpty", "popen", "system", "posix_spawn", "posix_spawnp", "startfile"),
            *("execl", "execle", "execlp", "execlpe", "execv", "execve", "execvp", "execvpe"),
            *("spawnl", "spawnle", "spawnlp", "spawnlpe", "spawnv", "spawnve", "spawnvp", "spawnvpe"),
            *("wait", "wait3", "wait4", "waitid", "waitpid"),
        ),
    ),
    "subprocess": (_PROCESSES, ("run", "call", "check_call", "check_output", "getoutput", "getstatusoutput")),
    "socket": (
        _SOCKETS,
        (
            *("create_connection", "create_server", "socketpair", "fromfd", "fromshare", "send_fds", "recv_fds"),
            *("getaddrinfo", "gethostbyname_ex", "gethostbyaddr", "getnameinfo"),
        ),
    ),
    "select": (_DESCRIPTORS, ("poll", "epoll", "kqueue", "devpoll")),
    "signal": (
        _SIGNALS,
        ("pause", "sigwait", "sigwaitinfo", "sigtimedwait", "pthread_kill", "pidfd_send_signal"),
    ),
    "multiprocessing": (_PROCESSES, ()),
}
"""Module, why not, and the functions that are refused when they are called."""

REFUSED_CLASSES: Final[dict[str, tuple[str, ...]]] = {"subprocess": ("Popen",)}
"""Classes: they may be named and inherited from, but not made."""


def refusal(what: str, why: str) -> NoReturn:
    """Raise :class:`NotVirtualError`."""
    raise NotVirtualError(f"{what} cannot be simulated: {why}")


def refuse_in(module: types.ModuleType) -> None:
    """Put the sentence in place of all that is refused of ``module``."""
    name = module.__name__
    why, names = REFUSED_NAMES[name]
    for item in names:
        if item in vars(module):
            setattr(module, item, _refusing(f"{name}.{item}", why))
    for item in REFUSED_CLASSES.get(name, ()):
        setattr(module, item, _refusing_class(name, item, why, vars(module)[item]))


def _refusing(what: str, why: str) -> Any:
    def refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
        refusal(f"{what}()", why)

    refuse.__name__ = what.rpartition(".")[2]
    return refuse


def _refusing_class(module: str, name: str, why: str, base: type) -> type:
    def new(cls: type, *_args: Any, **_kwargs: Any) -> NoReturn:
        refusal(f"{module}.{name}()", why)

    return type(name, (base,), {"__new__": new, "__del__": lambda self: None, "__module__": module})


def absent_module(name: str) -> types.ModuleType:
    """A module that may be imported, and names from it; whoever calls or makes any of them is refused."""
    module = types.ModuleType(name)
    refuse_rest(module)
    return module


def refuse_rest(module: types.ModuleType) -> None:
    """Whatever ``module`` does not have itself is refused when it is called or made."""
    name = module.__name__
    why, _ = REFUSED_NAMES[name.partition(".")[0]]
    real = importlib.import_module(name)

    def missing(item: str) -> Any:
        found = getattr(real, item)  # raises AttributeError of what is not there at all
        if item.startswith("__") or isinstance(found, types.ModuleType):
            raise AttributeError(item)
        base = found if isinstance(found, type) else object
        stand_in = base if isinstance(found, type) and issubclass(found, Exception) else None
        return stand_in or _refusing_class(name, item, why, base)

    module.__dict__["__getattr__"] = missing
    module.__dict__["__path__"] = []
