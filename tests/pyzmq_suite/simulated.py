"""A pytest plugin: pyzmq's test modules are modules of a simulated program, each test runs in a process of it.

pytest itself stays outside: its modules are those of the process, and it reads the real clock. Everything that a test
module imports comes from the program, so ``zmq`` is the front end on the twin, and time, threads and event loops are
virtual. A test that would wait for ever is stopped and reported with where it waits.
"""

from __future__ import annotations

import gc
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from _pytest.assertion.rewrite import AssertionRewritingHook
from _pytest.runner import runtestprotocol

from harness.twin import InterruptedSimulation, Process, Twin
from harness.twin.virtual.home import Home

from . import coroutines

SHARED = ("pytest", "_pytest", "pluggy", "unittest", "logging")
"""What pytest and the tests must have in common."""

VIRTUAL_LIMIT_NS = 300 * 1_000_000_000
REAL_LIMIT_S = 60

_exec_module = AssertionRewritingHook.exec_module


class World:
    """The simulated program that the suite is, and pytest's way into it."""

    def __init__(self, folder: Path) -> None:
        self.twin = Twin()
        self.home = Home(self.twin, folder / "conftest.py", name="pyzmq's suite")
        shared = [name for name in sys.modules if name.partition(".")[0] in SHARED]
        self.home.modules.loaded.update((name, sys.modules[name]) for name in shared)

    def prepare(self) -> None:
        """What a program has from its start, and the suite's own watchdog, which is ours."""
        load = self.home.modules.load
        load("threading")
        load("signal").alarm = lambda _seconds: 0
        coroutines.LIBRARY = load("asyncio")
        pytest.importorskip = self.import_or_skip

    def import_or_skip(self, name: str) -> Any:
        """pytest's own looks among the modules of the process."""
        try:
            return self.home.modules.load(name)
        except ImportError as error:
            pytest.skip(f"could not import {name!r}: {error}", allow_module_level=True)

    def play(self, function: Callable[[], Any], name: str) -> tuple[Process, Any]:
        """Call ``function`` as the program's main thread, until it is done or nothing more can happen."""
        kernel = self.twin.kernel
        results: list[Any] = []
        process = self.home.spawn(lambda: results.append(function()), name)
        self.home.threads.adopt_main(process)
        end_ns = kernel.now_ns + VIRTUAL_LIMIT_NS
        while not process.finished and kernel.has_more() and kernel.next_ns() <= end_ns:
            kernel.step()
        return process, results[0] if results else None


_worlds: list[World] = []


def world_of(folder: Path) -> World:
    if not _worlds:
        _worlds.append(World(folder))
        _worlds[0].play(_worlds[0].prepare, "start")
    return _worlds[0]


def exec_module(self: AssertionRewritingHook, module: Any) -> None:
    """Instead of pytest's own: the module is one of the program, and runs in it."""
    world = world_of(Path(module.__file__).parent)
    module.__dict__["__builtins__"] = vars(world.home.modules.builtins)
    process, _ = world.play(lambda: _exec_module(self, module), module.__name__)
    if process.error is not None:
        raise process.error


def pytest_load_initial_conftests() -> None:
    AssertionRewritingHook.exec_module = exec_module  # type: ignore[method-assign]


def pytest_collection_finish() -> None:
    # Tests of pyzmq call the garbage collector often; pytest's own objects and modules need not be looked at each time.
    gc.collect()
    gc.freeze()


def too_long(*_: Any) -> None:
    raise InterruptedSimulation


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    world = _worlds[0]
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(REAL_LIMIT_S)
    try:
        process, reports = world.play(lambda: runtestprotocol(item, log=False, nextitem=nextitem), item.nodeid)
        why = "nothing more can happen" if not world.twin.kernel.has_more() else "too long in virtual time"
    except InterruptedSimulation:
        process, reports, why = world.home.processes[-1], None, f"took more than {REAL_LIMIT_S} s"
    finally:
        signal.alarm(0)
    for report in reports or [stuck(item, process, why)]:
        item.ihook.pytest_runtest_logreport(report=report)
    if reports is None:
        world.play(lambda: item.session._setupstate.teardown_exact(nextitem), "teardown")
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def stuck(item: pytest.Item, process: Process, why: str) -> pytest.TestReport:
    frame = process._greenlet.gr_frame if process._greenlet else None
    where = "".join(traceback.format_stack(frame)[-6:]) if frame is not None else repr(process.error)
    return pytest.TestReport(
        item.nodeid,
        item.location,
        {},
        "failed",
        f"{why}; it waits at\n{where}",
        "call",
        start=0.0,
        stop=0.0,
        duration=0.0,
    )
