"""The clock of the simulated world: SimPy's event queue, integer nanoseconds, greenlets.

Theory of operation. A :class:`Kernel` is a ``simpy.Environment``: SimPy's own events and processes
run in it unchanged. The twin itself needs two things that SimPy's event objects are too dear for
(a bare event costs 2 us): *calls* (a function at a time) and *simulated processes* (a greenlet in
which an ordinary blocking program runs). Both go straight into SimPy's queue, so that all that
happens is ordered by SimPy's key: time, priority, order of insertion. Hence a run replays exactly.

A simulated process spends virtual time in :meth:`Kernel.spend` and blocks in :meth:`Kernel.block`.
When nothing else is due before the time it would wake, the clock is moved on without leaving the
greenlet: the outcome is the same, since no other event could have come between.
"""

from __future__ import annotations

import traceback
import types
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

import greenlet
import simpy
from simpy.core import EmptySchedule, StopSimulation
from simpy.events import NORMAL, Event, EventPriority

Entry = tuple[int, int, int, Any]
"""Of the event queue: when, priority, order, what."""

NEVER_NS = 1 << 62
"""Later than any time in a simulation."""


class SimulatedExit(BaseException):
    """Thrown into a simulated process to end it; not an ``Exception``, so programs let it pass."""


class InterruptedSimulation(BaseException):
    """Ends the simulation from outside, whatever program is running; never taken for a program's own."""


class NotInSimulationError(RuntimeError):
    """A call that needs a simulated process was made outside one."""


class Process:
    """An ordinary blocking program in a greenlet of its own.

    Attributes:
        name: for people.
        error: the exception that ended the program, else None.
        finished: whether the program has returned, failed or been ended.
        host: the machine that it runs on; None is the first one.
        instances: what a program takes for global in its process, by class; processes may share it.
        since_ns: when it last had to wait.
        program: the stranger's program whose thread this is, else None.
        stopped: whether it may not run now, as after SIGSTOP.
        stopped_ns: how long it has been stopped in all, up to when it last went on.
    """

    __slots__ = (
        "_args",
        "_function",
        "_greenlet",
        "_late",
        "_stopped_at_ns",
        "error",
        "error_text",
        "finished",
        "host",
        "instances",
        "kernel",
        "name",
        "on_exit",
        "program",
        "since_ns",
        "stopped",
        "stopped_ns",
        "token",
    )

    def __init__(self, kernel: Kernel, function: Callable[..., Any], args: tuple[Any, ...], name: str) -> None:
        self.kernel = kernel
        self._function = function
        self._args = args
        self._greenlet = greenlet.greenlet(self._main, parent=kernel.hub)
        self._greenlet.process = self
        self.name = name
        self.error: BaseException | None = None
        self.error_text = ""
        self.finished = False
        self.instances: dict[Any, Any] = {}
        self.program: Any = None
        self.host: Any = None
        self.since_ns = 0
        self.on_exit: Callable[[], None] | None = None
        self.stopped = self._late = False
        self.stopped_ns = self._stopped_at_ns = 0
        # A process waits for one thing at a time; the token tells a wake-up that is still
        # wanted from one that belongs to an earlier wait.
        self.token = 0

    def _main(self) -> None:
        try:
            self._function(*self._args)
        except SimulatedExit:
            pass
        except SystemExit as error:
            if error.code not in (None, 0):
                self._fail(error)  # a script that ends so has failed, too
        except (greenlet.GreenletExit, InterruptedSimulation, KeyboardInterrupt):
            raise
        except BaseException as error:  # a program may die of anything; the run reports it
            self._fail(error)
        finally:
            self.finished = True
        if self.on_exit is not None:
            self.on_exit()

    def _fail(self, error: BaseException) -> None:
        self.error = error
        self.error_text = "".join(traceback.format_exception(error)[-4:])

    @property
    def frame(self) -> types.FrameType | None:
        """Where the program waits; None while it runs, and when it has not begun or has ended."""
        return self._greenlet.gr_frame  # type: ignore[no-any-return]

    def resume(self) -> None:
        """Go on with the program; the kernel calls this."""
        if self.finished:
            return
        if self.stopped:
            self._late = True
            return
        kernel = self.kernel
        before = kernel.current
        kernel.current = self
        try:
            self._greenlet.switch()
        finally:
            kernel.current = before
            self.since_ns = kernel.now_ns

    def end(self) -> None:
        """End the program where it waits, as a signal would: its ``finally`` blocks run."""
        if self.finished:
            return
        if not self._greenlet:
            self.finished = True
            return
        self.token += 1
        kernel = self.kernel
        kernel.forget(self.resume)
        before = kernel.current
        if before is not None and before is not self:
            self._greenlet.parent = greenlet.getcurrent()  # whoever ends it goes on afterwards
        kernel.current = self
        try:
            self._greenlet.throw(SimulatedExit())
        finally:
            kernel.current = before

    def interrupt(self, error: BaseException) -> None:
        """Raise ``error`` in the program where it waits, as a signal handler does; the kernel calls this."""
        if self.finished or not self._greenlet:
            return
        self.token += 1
        self.kernel.forget(self.resume)
        before = self.kernel.current
        self.kernel.current = self
        try:
            self._greenlet.throw(error)
        finally:
            self.kernel.current = before
            self.since_ns = self.kernel.now_ns

    # -- signals -------------------------------------------------------------------------------

    def kill(self) -> None:
        """Nothing of the program runs again, its ``finally`` blocks neither."""
        self.token += 1
        self.finished = True

    def stop(self) -> None:
        """It does not run until :meth:`go_on`; what would wake it meanwhile does so then."""
        if not self.stopped:
            self.stopped = True
            self._stopped_at_ns = self.kernel.now_ns

    def go_on(self) -> None:
        """It may run again."""
        if not self.stopped:
            return
        self.stopped = False
        self.stopped_ns += self.kernel.now_ns - self._stopped_at_ns
        if self._late:
            self._late = False
            self.kernel.call_at(self.kernel.now_ns, self.resume)

    def leave_if_running(self) -> None:
        """A signal that a program sends to itself acts before the call returns."""
        if self.kernel.current is self:
            self._late = self.stopped
            self.token += 1
            self.kernel.hub.switch()


def current_process() -> Process:
    """The simulated process that is running. Raises NotInSimulationError outside all of them."""
    process: Process | None = getattr(greenlet.getcurrent(), "process", None)
    if process is None:
        raise NotInSimulationError("sockets of the simulated library live in simulated processes only")
    return process


class Kernel(simpy.Environment):
    """SimPy's environment with integer time, calls and simulated processes.

    Attributes:
        current: the process that runs now, None outside all of them.
        lag_ns: how far the thread that runs now has got within its present turn: an I/O thread
            does a whole turn at one instant of the queue, and books what it costs here.
    """

    def __init__(self, initial_time_ns: int = 0) -> None:
        super().__init__(initial_time=initial_time_ns)
        # SimPy's own queue: entries of this kernel hold a function where SimPy's hold an event.
        self._entries: list[Entry] = self._queue  # type: ignore[assignment]
        self.hub = greenlet.getcurrent()
        self.current: Process | None = None
        self.lag_ns = 0
        self.processes: list[Process] = []
        self.world: Any = None
        """Whoever built this kernel; :func:`current_process` leads programs to it."""
        self._stop_ns = NEVER_NS

    @property
    def now_ns(self) -> int:
        """Virtual time in ns."""
        return self._now  # type: ignore[return-value]

    # -- calls ---------------------------------------------------------------------------------

    def call_at(self, time_ns: int, function: Callable[[], Any]) -> Entry:
        """Call ``function`` at that time; calls of one time in the order in which they were made."""
        entry = (time_ns, NORMAL, next(self._eid), function)
        heappush(self._entries, entry)
        return entry

    def cancel(self, entry: Entry) -> None:
        """Take a call out of the queue; it may have been made already."""
        if entry in self._entries:
            self._entries.remove(entry)
            heapify(self._entries)

    def forget(self, function: Callable[[], Any]) -> None:
        """Whatever was to call ``function`` does nothing instead."""
        for index, entry in enumerate(self._entries):
            if entry[3] == function:
                self._entries[index] = (*entry[:3], _nothing)

    def has_more(self) -> bool:
        """Whether anything is left to happen."""
        return bool(self._entries)

    def next_ns(self) -> int:
        """When the next thing happens; never, when nothing is left to."""
        return self._entries[0][0] if self._entries else NEVER_NS

    def step(self) -> None:
        """Process the next entry of the queue. Raises simpy's EmptySchedule when there is none."""
        if not self._entries:
            raise EmptySchedule
        time_ns, _, _, item = heappop(self._entries)
        self._now = time_ns
        if isinstance(item, Event):
            self._step_event(item)
        else:
            self.lag_ns = 0
            item()

    def _step_event(self, event: Event) -> None:
        callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
        done = 0
        try:
            for callback in callbacks:
                done += 1
                callback(event)
        except StopSimulation:
            # As in SimPy: the callbacks behind the one that stops the run are called when it goes on.
            event.callbacks = callbacks[done:]
            self.schedule(event, EventPriority(-1))
            raise
        if not event._ok and not hasattr(event, "_defused"):
            raise event._value

    def run_until(self, time_ns: int | None = None) -> None:
        """Process everything due up to and including ``time_ns``; None: until nothing is left."""
        self.run_due(NEVER_NS if time_ns is None else time_ns)
        if time_ns is not None and self._now < time_ns:
            self._now = time_ns

    def run_due(self, stop: int) -> None:
        """Process everything due up to and including ``stop``; the clock stays at what was last."""
        self._stop_ns = stop
        self.hub = greenlet.getcurrent()
        queue = self._entries
        while queue:
            entry = queue[0]
            if entry[0] > stop:
                break
            heappop(queue)
            self._now = entry[0]
            item = entry[3]
            if isinstance(item, Event):
                self._step_event(item)
            else:
                self.lag_ns = 0
                item()

    # -- simulated processes -------------------------------------------------------------------

    def spawn(self, function: Callable[..., Any], *args: Any, name: str = "", delay_ns: int = 0) -> Process:
        """Start ``function(*args)`` as a simulated process ``delay_ns`` from now."""
        process = Process(self, function, args, name or f"process-{len(self.processes) + 1}")
        if self.current is not None:
            process.host = self.current.host
        self.processes.append(process)
        self.call_at(self.now_ns + delay_ns, process.resume)
        return process

    def running(self) -> Process:
        """The process that runs now. Raises NotInSimulationError outside all of them."""
        if self.current is None:
            raise NotInSimulationError("this call takes virtual time, so it must be made inside a simulated process")
        return self.current

    def spend(self, duration_ns: int) -> None:
        """The running process is busy for that long."""
        time_ns = self._now + duration_ns
        queue = self._entries
        if time_ns <= self._stop_ns and (not queue or queue[0][0] > time_ns):
            self._now = time_ns
            return
        process = self.running()
        process.token += 1
        self.call_at(time_ns, process.resume)  # type: ignore[arg-type]
        self.hub.switch()

    def compute(self, duration_ns: int) -> None:
        """The running process computes for that long; while it is stopped it does not get on."""
        process = self.running()
        end_ns = self.now_ns + duration_ns - process.stopped_ns
        while (left_ns := end_ns + process.stopped_ns - self.now_ns) > 0:
            self.spend(left_ns)

    def block(self, deadline_ns: int = NEVER_NS) -> None:
        """Wait for :meth:`wake`, or until the deadline. Look at the world again afterwards."""
        process = self.running()
        token = process.token
        if deadline_ns < NEVER_NS:
            self.call_at(max(deadline_ns, self.now_ns), lambda: self._resume_if(process, token))
        self.hub.switch()

    def wake(self, process: Process, token: int, delay_ns: int) -> None:
        """End the wait of ``process`` that had this token, ``delay_ns`` from now."""
        self.call_at(self.now_ns + delay_ns, lambda: self._resume_if(process, token))

    @staticmethod
    def _resume_if(process: Process, token: int) -> None:
        if process.token == token:
            process.token += 1
            process.resume()


def _nothing() -> None:
    """What was forgotten."""
