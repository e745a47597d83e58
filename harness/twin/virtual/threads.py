"""Threads of a simulated program: the module ``_thread`` on simulated processes.

Python's own ``threading``, ``queue`` and ``concurrent.futures`` are pure Python over the few names
here, so a program gets private copies of those. A thread is a simulated process that shares its
program's modules. It runs until it has to wait; there is no preemption, since computing takes no
virtual time. A lock is the semaphore that it is in CPython: whoever comes first after a release has
it, and one of the waiters is woken to try again.
"""

from __future__ import annotations

import types
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from greenlet import GreenletExit

from harness.twin.kernel import NEVER_NS, InterruptedSimulation, Kernel, Process, SimulatedExit
from harness.twin.virtual.endings import ExitedAtOnce
from harness.twin.virtual.local_data import local_class

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.twin.costs import Costs
    from harness.twin.virtual.clock import Clock

TIMEOUT_MAX: Final = 9_223_372_036.0
"""Seconds; as in CPython on Linux."""


class Home(Protocol):
    """What threads ask of the program that they belong to."""

    kernel: Kernel
    costs: Costs
    clock: Clock

    def spawn(self, function: Callable[[], None], name: str) -> Process:
        """A simulated process that belongs to this program."""

    def end_at_once(self, status: int) -> None:
        """The whole program ends where it stands."""

    def complain(self, error: BaseException, where: str) -> None:
        """Say what a thread has died of."""


class Lock:
    """``_thread.lock`` in virtual time."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._locked = False
        self._waiting: deque[tuple[Process, int]] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As in Python. Raises ValueError, OverflowError."""
        if not blocking and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        if timeout > TIMEOUT_MAX:
            raise OverflowError("timeout value is too large")
        if not self._locked:
            self._locked = True
            return True
        if not blocking or timeout == 0:
            self._home.clock.glance()
            return False
        kernel = self._home.kernel
        deadline_ns = NEVER_NS if timeout == -1 else kernel.now_ns + int(timeout * 1e9)
        process = kernel.running()
        while self._locked:
            if kernel.now_ns >= deadline_ns:
                return False
            entry = (process, process.token)
            self._waiting.append(entry)
            try:
                kernel.block(deadline_ns)
            finally:
                if entry in self._waiting:
                    self._waiting.remove(entry)
        self._locked = True
        return True

    def release(self) -> None:
        """As in Python. Raises RuntimeError."""
        if not self._locked:
            raise RuntimeError("release unlocked lock")
        self._locked = False
        if self._waiting:
            process, token = self._waiting.popleft()
            self._home.kernel.wake(process, token, self._home.costs.app_wake())

    def locked(self) -> bool:
        """Whether somebody has it."""
        self._home.clock.glance()
        return self._locked

    __enter__ = acquire

    def __exit__(self, *_: object) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self._locked = False
        self._waiting.clear()

    def __repr__(self) -> str:
        return f"<{'locked' if self._locked else 'unlocked'} _thread.lock object>"


class Handle:
    """``_thread._ThreadHandle`` of Python 3.13: a thread that can be joined."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._done = Lock(threads.home)
        self._done.acquire()
        self.ident: int | None = None

    def is_done(self) -> bool:
        """Whether the thread has ended."""
        self._threads.home.clock.glance()
        return not self._done._locked

    def _set_done(self) -> None:
        if self._done._locked:
            self._done.release()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end. Raises RuntimeError."""
        if self.ident == self._threads.get_ident():
            raise RuntimeError("Cannot join current thread")
        if self._done.acquire(True, -1 if timeout is None or timeout < 0 else timeout):
            self._done.release()


class Threads:
    """The threads of one program, numbered from its main thread on."""

    def __init__(self, home: Home, main_ident: int) -> None:
        self.home = home
        self._main_ident = main_ident
        self._idents: dict[Process, int] = {}
        self._sentinels: dict[Process, Lock] = {}
        self._awaited: list[Handle] = []
        self._data: dict[Process | None, dict[int, dict[str, Any]]] = {}

    def adopt_main(self, process: Process) -> None:
        """``process`` is the program's main thread."""
        self.main = process
        self._idents[process] = self._main_ident

    def speak_for_main(self, process: Process) -> None:
        """``process`` runs what the main thread is interrupted for."""
        self._idents[process] = self._main_ident

    def get_ident(self) -> int:
        """The number of the running thread."""
        process = self.home.kernel.current
        if process is None:
            return self._main_ident
        ident = self._idents.get(process)
        if ident is None and process.program is not None and process.program.threads is not self:
            return int(process.program.threads.get_ident())  # a lock of this program, shared with another one
        return self._main_ident if ident is None else ident

    def data(self) -> dict[int, dict[str, Any]]:
        """What the running thread has in objects of ``threading.local``, by their numbers."""
        return self._data.setdefault(self.home.kernel.current, {})

    def start_new_thread(self, function: Any, args: Any, kwargs: Any = None) -> int:
        """Start a thread: its number. Raises TypeError."""
        if not callable(function):
            raise TypeError("first arg must be callable")
        ident = self._main_ident + len(self._idents)

        def run() -> None:
            self._run(function, args, kwargs or {})

        # The name that threading gives is known once it runs; until then its number must do.
        process = self.home.spawn(run, f"thread {len(self._idents)}")
        self._idents[process] = ident
        return ident

    def _run(self, function: Any, args: Any, kwargs: Any) -> None:
        process = self.home.kernel.running()
        try:
            function(*args, **kwargs)
        except SystemExit:
            pass
        except ExitedAtOnce as ended:
            self.home.end_at_once(ended.code)
        except (SimulatedExit, InterruptedSimulation, GreenletExit):
            raise
        except BaseException as error:
            self.home.complain(error, f"Exception ignored in thread started by: {function!r}")
        finally:
            self._data.pop(process, None)
            sentinel = self._sentinels.pop(process, None)
            if sentinel is not None and sentinel._locked:
                sentinel.release()

    def set_sentinel(self) -> Lock:
        """A lock that is released when the running thread ends."""
        lock = self._sentinels[self.home.kernel.running()] = Lock(self.home)
        return lock

    def start_joinable_thread(self, function: Any, handle: Handle | None = None, daemon: bool = True) -> Handle:
        """As Python 3.13 starts a thread."""
        joined = handle or Handle(self)

        def run() -> None:
            try:
                function()
            finally:
                joined._set_done()

        joined.ident = self.start_new_thread(run, ())
        if not daemon:
            self._awaited.append(joined)
        return joined

    def shutdown(self) -> None:
        """Wait for all threads that are no daemons (Python 3.13)."""
        while self._awaited:
            self._awaited.pop(0).join()

    def main_handle(self, ident: int) -> Handle:
        """The handle of a thread that runs already (``_make_thread_handle``)."""
        handle = Handle(self)
        handle.ident = ident
        return handle


def thread_module(threads: Threads) -> types.ModuleType:
    """The module ``_thread``, without ``RLock`` and ``_excepthook``: Python has these in Python, too."""
    module = types.ModuleType("_thread", "Simulated threads.")
    home = threads.home

    class lock(Lock):  # noqa: N801 - the name it has in Python
        """A lock of this program."""

        def __init__(self) -> None:
            super().__init__(home)

    names: dict[str, Any] = {
        "error": RuntimeError,
        "LockType": lock,
        "lock": lock,
        "allocate_lock": lock,
        "allocate": lock,
        "start_new_thread": threads.start_new_thread,
        "start_new": threads.start_new_thread,
        "start_joinable_thread": threads.start_joinable_thread,
        "daemon_threads_allowed": lambda: True,
        "get_ident": threads.get_ident,
        "get_native_id": threads.get_ident,
        "stack_size": lambda size=0: 0,
        "_count": lambda: len(threads._idents),
        "_local": local_class(threads),
        "_set_sentinel": threads.set_sentinel,
        "_ThreadHandle": lambda: Handle(threads),
        "_make_thread_handle": threads.main_handle,
        "_get_main_thread_ident": lambda: threads._main_ident,
        "_is_main_interpreter": lambda: True,
        "_shutdown": threads.shutdown,
        "exit": _exit,
        "exit_thread": _exit,
        "interrupt_main": _interrupt_main,
        "TIMEOUT_MAX": TIMEOUT_MAX,
    }
    module.__dict__.update(names)
    return module


def _exit() -> None:
    raise SystemExit


def _interrupt_main(signum: int = 2) -> None:
    raise NotImplementedError("_thread.interrupt_main is not simulated: signals do not come in virtual time")
