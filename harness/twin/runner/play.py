"""Programs in one simulated world, from their start until nothing more can come of them."""

from __future__ import annotations

import gc
import hashlib
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import greenlet

from harness.scripts.spec import Net, Program
from harness.twin import Twin
from harness.twin.kernel import InterruptedSimulation, Kernel
from harness.twin.runner.book import Book, Rows
from harness.twin.runner.net import build
from harness.twin.runner.waits import Wait, waits_of
from harness.twin.virtual.home import Home

_LAG_NS: Final = 3_000_000
"""A shell starts one program at most so much after the other; no two ever start in the same nanosecond."""


@dataclass(slots=True)
class Ending:
    """How it went on until when.

    Attributes:
        reason: ``ended`` (all programs have), ``stuck`` (nothing is left to happen), ``until`` (the virtual time
            was over), ``wall`` (the real time was over), ``interrupted``.
        now_ns: virtual time.
        waits: what the programs that have not ended were doing.
    """

    reason: str
    now_ns: int
    waits: list[Wait] = field(default_factory=list)


class _EverybodyHasGone(InterruptedSimulation):
    """The last program has ended."""


class _Stopped(InterruptedSimulation):
    """Somebody has pressed Ctrl-C, or the real time is over."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _lag_ns(seed: int, index: int) -> int:
    """How much later than the first a program is there that was started with it."""
    digest = hashlib.sha256(f"{seed}/start/{index}".encode()).digest()
    return index * _LAG_NS - int.from_bytes(digest[:8], "little") % _LAG_NS if index else 0


class Play:
    """One simulated world and its programs.

    Args:
        programs: what shall run.
        seed: all chance comes from it.
        profile: what things cost, None for the shipped default.
        net: hosts, links and what happens to them.
        pgm: whether the library has pgm.
        rows: is told of each message and receiver.
        outputs: where each program writes, (stdout, stderr); None is the process's own.
    """

    def __init__(
        self,
        programs: list[Program],
        *,
        seed: int = 0,
        profile: str | None = None,
        net: Net | None = None,
        pgm: bool = False,
        rows: Rows | None = None,
        outputs: Sequence[tuple[Any, Any]] | None = None,
    ) -> None:
        self.book = Book(rows)
        self.twin = Twin(profile=profile, seed=seed, observer=self.book, pgm=pgm)
        self.book.watch(self.twin)
        build(net or Net(), self.twin)
        self.homes: list[Home] = []
        for index, program in enumerate(programs):
            stdout, stderr = outputs[index] if outputs else (None, None)
            home = Home(
                self.twin,
                program.script,
                program.arguments,
                name=program.name or None,
                family=self.homes,
                host=program.host,
                seed=seed,
                stdout=stdout,
                stderr=stderr,
                on_end=self._somebody_has_gone,
            )
            home.start(program.start_ns or _lag_ns(seed, index))
            for number, at_ns in program.signals:
                self.twin.at(at_ns, partial(home.signal, number))

    def _somebody_has_gone(self) -> None:
        if all(home.exit_status is not None for home in self.homes):
            raise _EverybodyHasGone

    def run(self, until_ns: int, wall_limit_ns: int) -> Ending:
        """Go on until all have ended, nothing is left to happen, or a limit is reached."""
        kernel = self.twin.kernel
        collecting = gc.isenabled()
        # When the collector would close a socket depends on the whole process; in a simulation nothing may.
        gc.disable()
        reason = "until"
        try:
            with _stoppable(kernel, wall_limit_ns):
                kernel.run_due(until_ns)
            if kernel.has_more():
                kernel.run_until(until_ns)
            else:
                reason = "stuck"
        except _EverybodyHasGone:
            reason = "ended"
        except _Stopped as error:
            reason = error.reason
        finally:
            if collecting:
                gc.enable()
        self.twin.raise_errors()
        waits = [wait for home in self.homes if home.exit_status is None for wait in waits_of(home, self.book)]
        self.book.close()
        return Ending(reason, kernel.now_ns, waits)


@contextmanager
def _stoppable(kernel: Kernel, wall_limit_ns: int) -> Iterator[None]:
    # Neither changes what is simulated: they only end what would not end by itself, or nobody wants any more.
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: Any) -> None:
        stopped = _Stopped("wall" if number == signal.SIGALRM else "interrupted")
        if greenlet.getcurrent() is kernel.hub:
            raise stopped
        # The program is left where it is: raised there, it would be caught by whoever catches everything.
        kernel.hub.throw(stopped)

    before = {number: signal.signal(number, stop) for number in (signal.SIGALRM, signal.SIGINT)}
    signal.setitimer(signal.ITIMER_REAL, wall_limit_ns / 1e9)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
