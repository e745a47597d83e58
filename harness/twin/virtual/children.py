"""``multiprocessing`` in virtual time: a process is one more simulated program of the same world.

It starts as with the start method "spawn": the script is imported once more, as ``__mp_main__``, in modules of its
own, and what it is given is pickled. So a script without ``if __name__ == "__main__"`` cannot start one, and a global
that the parent has changed is not changed in the child; both are so wherever "fork" is not the start method.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from harness.twin.virtual.refusals import NotVirtualError, refuse_rest
from harness.twin.virtual.shared import Parcel, Queue, locks, pack, pipe, unpack
from harness.twin.virtual.system import snapshot

if TYPE_CHECKING:
    from harness.twin.virtual.home import Home
    from harness.twin.virtual.modules import Modules

SPAWN_NS: Final = 30_000_000
"""From ``start()`` until the first line of the script runs in the child: an interpreter starts."""

_ADVICE: Final = (
    "a simulated process is started while the script is still being imported in another one: "
    'start processes below `if __name__ == "__main__":` only'
)


def process_module(modules: Modules) -> types.ModuleType:
    """The module ``multiprocessing`` of one program."""
    home = modules.home
    module = types.ModuleType("multiprocessing", "Simulated processes.")
    process = process_class(home)
    real = snapshot("multiprocessing")
    names: dict[str, Any] = {
        **{name: getattr(real, name) for name in ("ProcessError", "TimeoutError", "AuthenticationError")},
        **locks(modules),
        "Process": process,
        "Queue": partial(Queue, home),
        "JoinableQueue": partial(Queue, home),
        "SimpleQueue": partial(Queue, home),
        "Pipe": partial(pipe, home),
        "current_process": lambda: home.family_member,
        "parent_process": lambda: None if home.parent is None else home.parent.family_member,
        "active_children": lambda: [child for child in home.children if child.is_alive()],
        "cpu_count": real.cpu_count,
        "freeze_support": lambda: None,
        "set_start_method": lambda method, force=False: None,
        "get_start_method": lambda allow_none=False: "spawn",
        "get_all_start_methods": lambda: ["spawn"],
        "get_logger": lambda: modules.load("logging").getLogger("multiprocessing"),
        "get_context": lambda method=None: module,
    }
    module.__dict__.update(names)
    refuse_rest(module)
    if home.family_member is None:
        home.family_member = process(name="MainProcess")
        home.processes_named = 0
    modules.load("atexit").register(_leave, home)
    return module


def _leave(home: Home) -> None:
    """As ``multiprocessing`` does when its process ends: end the daemons, wait for the others."""
    for child in home.children:
        if child.daemon:
            child.terminate()
    for child in home.children:
        child.join()


def process_class(home: Home) -> type:
    """The class ``multiprocessing.Process`` of one program."""
    return type("Process", (_Process,), {"__module__": "multiprocessing", "_maker": home})


class _Process:
    _maker: Home
    _child: Home | None = None
    _finished: Any = None

    def __init__(
        self,
        group: None = None,
        target: Callable[..., Any] | None = None,
        name: str | None = None,
        args: Any = (),
        kwargs: Any = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        maker = self._maker
        maker.processes_named += 1
        self.name = name or f"Process-{maker.processes_named}"
        self.daemon = bool(daemon) if daemon is not None else bool(getattr(maker.family_member, "daemon", False))
        self._target = target
        self._args = tuple(args)
        self._kwargs = dict(kwargs or {})

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_child", "_finished")}

    def run(self) -> None:
        if self._target is not None:
            self._target(*self._args, **self._kwargs)

    def start(self) -> None:
        maker = self._maker
        if self._child is not None:
            raise AssertionError("cannot start a process twice")
        if maker.importing_main:
            raise NotVirtualError(_ADVICE)
        parcel = pack(maker.modules, self)
        self._finished = maker.modules.load("threading").Event()
        self._child = child = maker.child(self.name, partial(_live_as_child, parcel))
        child.at_end.append(self._finished.set)
        maker.children.append(self)
        child.start(SPAWN_NS)

    def join(self, timeout: float | None = None) -> None:
        self._started()
        self._finished.wait(timeout)

    def is_alive(self) -> bool:
        self._maker.clock.glance()
        return self is self._maker.family_member or (self._child is not None and self._child.exit_status is None)

    def terminate(self) -> None:
        self._end(-15)

    def kill(self) -> None:
        self._end(-9)

    def _end(self, code: int) -> None:
        child = self._started()
        if child.exit_status is None:
            self._code = code
            child.end_at_once(128 - code)

    def close(self) -> None:
        if self.is_alive():
            raise ValueError("Cannot close a process while it is still running.")

    def _started(self) -> Home:
        if self._child is None:
            raise AssertionError("can only join a started process")
        return self._child

    @property
    def pid(self) -> int | None:
        home = self._maker if self is self._maker.family_member else self._child
        return None if home is None else home.pid

    ident = pid

    @property
    def exitcode(self) -> int | None:
        if self._child is None:
            return None
        code: int | None = getattr(self, "_code", self._child.exit_status)
        return code

    @property
    def sentinel(self) -> NoReturn:
        raise NotVirtualError("Process.sentinel cannot be simulated: it is a file descriptor of the machine")

    def __repr__(self) -> str:
        state = "initial" if self._child is None else "started"
        if self.exitcode is not None:
            state = f"stopped exitcode={self.exitcode}"
        return f"<{type(self).__name__} name={self.name!r} {state}>"


def _live_as_child(parcel: Parcel, home: Home) -> None:
    """What runs in a child: the script's definitions, then what the process was made for."""
    home.run_main("__mp_main__")
    modules = home.modules
    modules.load("multiprocessing")
    process = unpack(modules, parcel)
    home.family_member = process
    try:
        process.run()
    except Exception:
        print(f"Process {process.name}:", file=modules.load("sys").stderr)
        raise
