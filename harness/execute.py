"""From runs to results: each run goes down into its world, what comes up is settled, checked and saved.

Simulated runs go in parallel, a process each; live ones strictly one after the other and never
beside a simulation, which would take the processor from what is being measured.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal, cast

from harness import check, health, ledger, metrics, store
from harness.guard import Guard
from harness.run import Run
from harness.trace import Trace

_PR_SET_PDEATHSIG = 1
_INTERRUPTS = {signal.SIGINT, signal.SIGTERM}


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that gave no result: which, and in one sentence why."""

    run: Run
    reason: str

    def __str__(self) -> str:
        return f"{describe(self.run)} gave no result: {self.reason}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far :func:`carry_out` is. ``state`` says what has just become of ``run``."""

    done: int
    total: int
    run: Run
    state: Literal["started", "saved", "failed"]


def describe(run: Run) -> str:
    """The run in words, for people: ``live run of slow-subscriber, variant plain, seed 3 (4f0c...)``."""
    return f"{run.world} run of {run.experiment}, variant {run.variant}, seed {run.seed} ({run.id})"


def execute(run: Run) -> Trace:
    """Carry the run out in its world. Raises whatever the world raises; a world is loaded when it is needed."""
    if run.world not in ("sim", "live"):
        raise ValueError(f"a world is 'sim' or 'live', not {run.world!r}")
    world = importlib.import_module(f"harness.{run.world}.world")
    return cast("Trace", world.execute(run))


def carry_out(
    runs: Sequence[Run],
    out: Path,
    jobs: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    repeat_noisy: int = 0,
) -> list[store.Result | Failure]:
    """Execute, settle, check, measure and save each run; give what became of it, in the order of ``runs``.

    Simulated runs come first: a prediction stands before what it predicts.

    Args:
        out: folder of results; each run gets ``out/<experiment>/<run id>/``, whole or not at all.
        jobs: simulated runs at a time, a process each (default: one a core). 0: in this process, one
            after the other, as a debugger wants it; an interrupt may then end a simulated program only.
        on_progress: called when a run has started (where that is known) and when it is done.
        repeat_noisy: how often a live run is repeated at the most when others took too much of the machine.

    Returns:
        A result for each run that was saved, a :class:`Failure` for each that raised an error.

    Raises:
        KeyboardInterrupt: after everything that was started has been ended.
    """
    outcomes: dict[int, store.Result | Failure] = {}
    jobs = (os.cpu_count() or 1) if jobs is None else jobs
    with Guard(), contextlib.closing(_each(runs, out, jobs, repeat_noisy)) as events:
        for position, event in events:
            state: Literal["started", "saved", "failed"] = "started"
            if not isinstance(event, str):
                outcomes[position] = event
                state = "failed" if isinstance(event, Failure) else "saved"
            if on_progress is not None:
                on_progress(Progress(len(outcomes), len(runs), runs[position], state))
    return [outcomes[position] for position in range(len(runs))]


def carry_out_one(run: Run, out: Path, repeat_noisy: int = 0) -> Path:
    """Execute one run here and save what it gave; its folder. Raises what the stages raise.

    While the machine was too noisy (:func:`harness.health.noise`) it is executed again, ``repeat_noisy`` times at the
    most. The last attempt counts, whatever it gave; the summary says why there were others.
    """
    repeated: list[tuple[str, ...]] = []
    while (marks := health.noise(trace := execute(run))) and len(repeated) < repeat_noisy:
        repeated.append(marks)
    settled = ledger.settle(run, trace)
    checks = check.check(run, trace, settled)
    measured = metrics.measure_all(settled.messages, run)
    summary = store.summarize(run, trace, settled, checks, measured, repeated)
    with Guard() as guard:
        return store.save(out, run, trace, settled, summary, guard)


_Event = tuple[int, "store.Result | Failure | str"]


def _each(runs: Sequence[Run], out: Path, jobs: int, repeat_noisy: int) -> Generator[_Event, None, None]:
    """Positions of runs, with ``"started"`` or what became of the run."""
    simulated = [position for position, run in enumerate(runs) if run.world != "live"]
    live = [position for position, run in enumerate(runs) if run.world == "live"]
    if jobs and simulated:
        yield from _in_parallel(runs, simulated, out, min(jobs, len(simulated)))
        simulated = []
    for position in simulated + live:
        yield position, "started"
        try:
            yield position, store.load(carry_out_one(runs[position], out, repeat_noisy))
        except Exception as error:
            yield position, Failure(runs[position], reason_of(error))


def _in_parallel(runs: Sequence[Run], positions: Sequence[int], out: Path, jobs: int) -> Generator[_Event, None, None]:
    """As :func:`_each`, over ``jobs`` processes.

    A process that is killed (by the kernel, for want of memory) takes all pending runs of its pool
    with it. Those are tried again, one process at a time, so that only the culprit fails.
    """
    pending = list(positions)
    with contextlib.closing(_pool(runs, list(pending), out, jobs)) as events:
        for event in events:
            pending.remove(event[0])
            yield event
    for position in pending:
        killed = Failure(runs[position], "its process was killed; was there memory enough?")
        yield next(_pool(runs, [position], out, 1), (position, killed))


def _pool(runs: Sequence[Run], positions: Sequence[int], out: Path, jobs: int) -> Generator[_Event, None, None]:
    """What became of the runs, as they end; the rest is left out when a process of the pool dies."""
    # "spawn", not "fork": a copy of a process that has threads (Arrow, progress bars) can hang.
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin_worker, initargs=(os.getpid(),))
    complete = False
    with Guard() as guard:
        try:
            with _interrupts_blocked():  # inherited: an interrupt is this process's to handle, not the workers'
                futures: dict[Future[Path], int] = {
                    executor.submit(carry_out_one, runs[position], out): position for position in positions
                }
            for pid in _started_since(before):
                # A worker that is still importing does not notice by itself that this process is gone.
                guard.watch_pid(pid)
            for future in as_completed(futures):
                position = futures[future]
                try:
                    yield position, store.load(future.result())
                except BrokenProcessPool:
                    return
                except Exception as error:
                    yield position, Failure(runs[position], reason_of(error))
            complete = True
        finally:
            workers = _started_since(before)
            if not complete:
                for process in workers.values():
                    process.kill()
            executor.shutdown(wait=True, cancel_futures=True)
            for pid in workers:
                guard.forget_pid(pid)


def _started_since(before: Collection[BaseProcess]) -> dict[int, BaseProcess]:
    """Living child processes that were not there before, by pid."""
    return {one.pid: one for one in multiprocessing.active_children() if one not in before and one.pid is not None}


def reason_of(error: BaseException) -> str:
    """The error in one line: its kind and its text."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Hold back SIGINT and SIGTERM; processes started inside never see them."""
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _begin_worker(parent: int) -> None:
    """In a worker: die with the parent, however it dies, and leave no unfinished folder."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)
    Guard().__enter__()  # one janitor for all runs of this worker; it ends with the worker
