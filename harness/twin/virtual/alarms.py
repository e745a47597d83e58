"""Signals of a simulated program, and its alarm clocks: ``signal.alarm``, ``signal.setitimer``.

A handler belongs to the main thread: a blocking call is interrupted, the handler runs, and the call
goes on as before (PEP 475), unless the handler raises: then the call ends with that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from greenlet import GreenletExit

from harness.twin.kernel import InterruptedSimulation, SimulatedExit
from harness.twin.virtual.refusals import refusal

if TYPE_CHECKING:
    from harness.twin.virtual.home import Home
    from harness.twin.virtual.modules import Modules

_SECOND_NS: Final = 1_000_000_000


class AlarmClock:
    """The one real-time timer of a program (setitimer(2)).

    Args:
        modules: the program's.
        signal: its module ``signal``: whose handler is called.
    """

    def __init__(self, modules: Modules, signal: Any) -> None:
        self._home = modules.home
        self._kernel = modules.home.kernel
        self._signal = signal
        self._due_ns = -1
        self._interval_ns = 0
        self._count = 0

    def alarm(self, seconds: int) -> int:
        """``signal.alarm``."""
        left, _ = self.setitimer(self._signal.ITIMER_REAL, float(seconds))
        return -int(-left // 1)

    def setitimer(self, which: int, seconds: float, interval: float = 0.0) -> tuple[float, float]:
        """``signal.setitimer``; only ITIMER_REAL, as computing takes no virtual time."""
        before = self.getitimer(which)
        if seconds < 0 or interval < 0:
            raise self._signal.ItimerError(22, "Invalid argument")
        self._interval_ns = int(interval * _SECOND_NS)
        self._set(self._kernel.now_ns + int(seconds * _SECOND_NS) if seconds else -1)
        return before

    def getitimer(self, which: int) -> tuple[float, float]:
        """``signal.getitimer``."""
        if which != self._signal.ITIMER_REAL:
            self._refuse()
        left_ns = max(self._due_ns - self._kernel.now_ns, 0) if self._due_ns >= 0 else 0
        return left_ns / _SECOND_NS, self._interval_ns / _SECOND_NS

    @staticmethod
    def _refuse() -> NoReturn:
        refusal("signal.setitimer()", "a timer of processor time; computing takes no virtual time")

    def _set(self, due_ns: int) -> None:
        self._due_ns = due_ns
        self._count += 1
        count = self._count
        if due_ns >= 0:
            self._kernel.call_at(due_ns, lambda: self._due(count))

    def _due(self, count: int) -> None:
        home = self._home
        if count != self._count or home.exit_status is not None:
            return
        self._set(self._due_ns + self._interval_ns if self._interval_ns else -1)
        deliver(home, self._signal, self._signal.SIGALRM)


def deliver(home: Home, signal: Any, number: int) -> None:
    """A signal comes: what the program has said shall happen then. ``signal`` is its module of that name."""
    if home.exit_status is not None:
        return
    handler = signal.SIG_DFL if number == signal.SIGKILL else signal.getsignal(number)
    if handler is signal.SIG_DFL:
        home.end_at_once(128 + number)
    elif handler is not signal.SIG_IGN:
        helper = home.spawn(lambda: _handle(home, handler, number), "signal handler")
        home.threads.speak_for_main(helper)


def _handle(home: Home, handler: Any, number: int) -> None:
    try:
        handler(number, None)
    except (SimulatedExit, InterruptedSimulation, GreenletExit):
        raise
    except BaseException as error:
        main, raised = home.threads.main, error
        home.kernel.call_at(home.kernel.now_ns, lambda: main.interrupt(raised))
