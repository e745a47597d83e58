"""The clock: SimPy's queue with calls and simulated processes in it."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Generator
from typing import Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as draw

from harness.twin import NotInSimulationError, SimulatedExit, Twin
from harness.twin.kernel import InterruptedSimulation, Kernel, current_process

Log = list[tuple[int, str]]


# -- SimPy in the same kernel ---------------------------------------------------------------------


def simpy_program(env: simpy.Environment, log: Log, seed: int) -> None:
    """Timeouts, ties, a store, a resource, an interrupt and conditions, all at small integer times."""
    chance = random.Random(seed)
    store = simpy.Store(env, capacity=2)
    resource = simpy.PriorityResource(env)

    def note(what: str) -> None:
        log.append((env.now, what))

    def producer(name: str) -> Generator[Any, Any, None]:
        for number in range(5):
            yield env.timeout(chance.randrange(3))
            yield store.put(number)
            note(f"{name} put {number}")

    def consumer(name: str) -> Generator[Any, Any, None]:
        for _ in range(5):
            item = yield store.get()
            note(f"{name} got {item}")
            with resource.request(priority=chance.randrange(3)) as request:
                yield request
                yield env.timeout(chance.randrange(3))
                note(f"{name} used")

    def sleeper() -> Generator[Any, Any, None]:
        try:
            yield env.timeout(100)
        except simpy.Interrupt as interrupt:
            note(f"interrupted by {interrupt.cause}")
        yield env.timeout(1) | env.timeout(2)
        note("either")
        yield env.timeout(1) & env.timeout(2)
        note("both")

    def waker(victim: Any) -> Generator[Any, Any, None]:
        yield env.timeout(4)
        victim.interrupt("waker")

    for name in "ab":
        env.process(producer(name))
        env.process(consumer(name))
    env.process(waker(env.process(sleeper())))


@given(seed=draw.integers(0, 2**32), background=draw.lists(draw.integers(0, 5), max_size=30))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_simpy_keeps_its_order_beside_simulated_processes(seed: int, background: list[int]) -> None:
    alone: Log = []
    plain = simpy.Environment()
    simpy_program(plain, alone, seed)
    plain.run()

    beside: Log = []
    twin = Twin()
    simpy_program(twin.kernel, beside, seed)

    def busy() -> None:
        for duration in background:
            twin.sleep_ns(duration)

    twin.spawn(busy)
    twin.run()
    assert beside == alone
    assert len(alone) > 20


def test_simpys_own_ways_to_run_work_too() -> None:
    twin = Twin()
    woken = []
    twin.spawn(lambda: woken.append((twin.sleep_ns(7), twin.now_ns)))
    assert twin.kernel.run(until=twin.kernel.timeout(3, "value")) == "value"
    assert (twin.now_ns, woken) == (3, [])
    twin.kernel.run(until=5)
    assert (twin.now_ns, woken) == (5, [])
    twin.kernel.run()
    assert woken == [(None, 7)]


def test_a_stopped_simpy_run_goes_on_where_it_was() -> None:
    """Callbacks behind the one that stops the run are called when it goes on, as SimPy does it."""
    orders = []
    for environment in (simpy.Environment(), Kernel()):
        order: list[str] = []
        event = environment.timeout(3)
        event.callbacks.append(lambda _, order=order: order.append("before"))
        process = environment.process(_wait(environment, order, event))
        environment.run(until=1)
        event.callbacks.insert(1, simpy.core.StopSimulation.callback)
        environment.run()
        order.append("stopped")
        environment.run(until=process)
        orders.append(order)
    assert orders == [["before", "stopped", "waited"]] * 2


def _wait(environment: simpy.Environment, order: list[str], event: simpy.Event) -> Generator[Any, Any, None]:
    yield event
    order.append("waited")


def test_an_event_that_fails_ends_the_run_unless_somebody_takes_care() -> None:
    twin = Twin()
    caught = []

    def careful() -> Generator[Any, Any, None]:
        event = twin.kernel.event()
        twin.kernel.call_at(5, lambda: event.fail(ValueError("handled")))
        try:
            yield event
        except ValueError as error:
            caught.append(str(error))

    twin.kernel.process(careful())
    twin.run()
    assert caught == ["handled"]
    twin.kernel.event().fail(ValueError("nobody cares"))
    with pytest.raises(ValueError, match="nobody cares"):
        twin.run()


# -- time -----------------------------------------------------------------------------------------


def test_time_stays_an_integer() -> None:
    twin = Twin(start_ns=3)
    seen: list[int] = []
    twin.spawn(lambda: (twin.sleep_ns(5), seen.append(twin.now_ns)), delay_ns=2)
    twin.kernel.timeout(9)
    twin.run(until_ns=2**60)
    assert seen == [10]
    assert twin.now_ns == 2**60
    assert isinstance(twin.now_ns, int)


def test_a_run_ends_at_its_time_and_can_go_on() -> None:
    twin = Twin()
    seen: list[int] = []

    def steps() -> None:
        for _ in range(4):
            twin.sleep_ns(10)
            seen.append(twin.now_ns)

    twin.spawn(steps)
    twin.run(until_ns=20)
    assert (seen, twin.now_ns) == ([10, 20], 20)
    twin.run(until_ns=25)
    assert (seen, twin.now_ns) == ([10, 20], 25)
    twin.run()
    assert (seen, twin.now_ns) == ([10, 20, 30, 40], 40)


def test_what_is_due_at_one_time_happens_in_the_order_of_insertion() -> None:
    kernel = Kernel()
    log: list[str] = []

    def process(name: str) -> None:
        kernel.spend(5)
        log.append(f"{name} first")
        kernel.spend(0)
        log.append(f"{name} second")

    kernel.call_at(5, lambda: log.append("call"))
    kernel.spawn(process, "a")
    kernel.timeout(5).callbacks.append(lambda _: log.append("timeout"))
    kernel.spawn(process, "b")
    kernel.run_until()
    assert log == ["call", "timeout", "a first", "b first", "a second", "b second"]


def run_steps(programs: list[list[int]], horizon: int, dense: bool) -> list[tuple[int, int, int]]:
    """Several processes that only spend time; with ``dense`` something is due at every nanosecond."""
    kernel = Kernel()
    log: list[tuple[int, int, int]] = []

    def process(number: int, steps: list[int]) -> None:
        for position, duration in enumerate(steps):
            kernel.spend(duration)
            log.append((kernel.now_ns, number, position))

    if dense:
        for time_ns in range(horizon + 1):
            kernel.call_at(time_ns, lambda: None)
    for number, steps in enumerate(programs):
        kernel.spawn(process, number, steps)
    kernel.run_until(horizon)
    return log


@given(draw.lists(draw.lists(draw.integers(0, 4), max_size=12), min_size=1, max_size=5))
@settings(derandomize=True, deadline=None)
def test_moving_the_clock_without_leaving_the_process_changes_nothing(programs: list[list[int]]) -> None:
    """With something due at every nanosecond no process can ever stay in its greenlet for more than none."""
    log = run_steps(programs, 50, dense=False)
    assert log == run_steps(programs, 50, dense=True)
    assert [entry[0] for entry in log] == sorted(entry[0] for entry in log)


def test_the_clock_is_not_moved_past_the_end_of_a_run() -> None:
    kernel = Kernel()
    seen: list[int] = []
    kernel.spawn(lambda: (kernel.spend(100), seen.append(kernel.now_ns)))
    kernel.run_until(99)
    assert (seen, kernel.now_ns) == ([], 99)
    kernel.run_until(100)
    assert seen == [100]


# -- waiting --------------------------------------------------------------------------------------


def test_a_waiting_process_goes_on_when_it_is_woken() -> None:
    kernel = Kernel()
    seen: list[int] = []
    process = kernel.spawn(lambda: (kernel.block(), seen.append(kernel.now_ns)))
    kernel.call_at(10, lambda: kernel.wake(process, process.token, 5))
    kernel.run_until()
    assert seen == [15]


@pytest.mark.parametrize(("deadline_ns", "woken_ns"), [(9, 9), (15, 15), (16, 15), (0, 3)])
def test_a_wait_ends_at_its_deadline_if_nothing_comes_before(deadline_ns: int, woken_ns: int) -> None:
    kernel = Kernel()
    seen: list[int] = []
    process = kernel.spawn(lambda: (kernel.block(deadline_ns), seen.append(kernel.now_ns)), delay_ns=3)
    kernel.call_at(10, lambda: kernel.wake(process, process.token, 5))
    kernel.run_until()
    assert seen == [woken_ns]


def test_a_wake_up_for_an_earlier_wait_does_not_end_a_later_one() -> None:
    """The deadline and a second wake-up of the first wait come while the process waits again."""
    kernel = Kernel()
    seen: list[int] = []

    def program() -> None:
        kernel.block(20)
        seen.append(kernel.now_ns)
        kernel.block(100)
        seen.append(kernel.now_ns)

    process = kernel.spawn(program)

    def wake_twice() -> None:
        kernel.wake(process, process.token, 0)
        kernel.wake(process, process.token, 30)

    kernel.call_at(10, wake_twice)
    kernel.run_until()
    assert seen == [10, 100]


def test_a_wake_up_for_an_earlier_wait_does_not_cut_work_short() -> None:
    kernel = Kernel()
    seen: list[int] = []

    def program() -> None:
        kernel.block(20)
        kernel.spend(50)
        seen.append(kernel.now_ns)

    process = kernel.spawn(program)
    kernel.call_at(10, lambda: [kernel.wake(process, process.token, delay) for delay in (0, 5)])
    kernel.run_until()
    assert seen == [60]


def test_a_wake_up_does_not_cut_work_short_that_is_done_instead_of_waiting() -> None:
    kernel = Kernel()
    seen: list[int] = []

    def program() -> None:
        process = current_process()
        kernel.wake(process, process.token, 5)
        kernel.spend(50)
        seen.append(kernel.now_ns)

    kernel.spawn(program)
    kernel.run_until()
    assert seen == [50]


# -- the end of a process ---------------------------------------------------------------------------


def ended(program: Callable[[Kernel, Log], None], at_ns: int) -> tuple[Log, Any]:
    """What a program has written down when it is ended at that time and all is over."""
    kernel = Kernel()
    log: Log = []
    process = kernel.spawn(program, kernel, log)
    kernel.call_at(at_ns, process.end)
    kernel.run_until()
    return log, process


def test_an_ended_process_runs_its_finally_blocks_where_it_waits() -> None:
    def program(kernel: Kernel, log: Log) -> None:
        try:
            kernel.block()
        except Exception:  # an end is no Exception, so that programs let it pass
            log.append((kernel.now_ns, "swallowed"))
        finally:
            log.append((kernel.now_ns, "finally"))

    log, process = ended(program, 5)
    assert log == [(5, "finally")]
    assert process.finished
    assert process.error is None


def test_the_time_that_a_finally_block_takes_passes_wholly() -> None:
    """The wake-up from the work that was broken off is not taken for that of the work in the block."""

    def program(kernel: Kernel, log: Log) -> None:
        try:
            kernel.spend(10)
        finally:
            kernel.spend(100)
            log.append((kernel.now_ns, "cleaned up"))

    log, process = ended(program, 5)
    assert log == [(105, "cleaned up")]
    assert process.finished


def test_a_process_that_has_not_begun_can_be_ended() -> None:
    kernel = Kernel()
    log: list[str] = []
    process = kernel.spawn(lambda: log.append("ran"), delay_ns=10)
    process.end()
    kernel.run_until()
    assert log == []
    assert process.finished
    process.end()


def test_a_process_may_end_another_and_goes_on() -> None:
    kernel = Kernel()
    log: Log = []

    def victim() -> None:
        try:
            kernel.block()
        finally:
            log.append((kernel.now_ns, "victim"))

    def killer() -> None:
        kernel.spend(5)
        process.end()
        log.append((kernel.now_ns, "killer"))
        kernel.spend(5)
        log.append((kernel.now_ns, "killer later"))

    process = kernel.spawn(victim)
    kernel.spawn(killer)
    kernel.run_until()
    assert log == [(5, "victim"), (5, "killer"), (10, "killer later")]


def test_a_process_may_end_itself() -> None:
    kernel = Kernel()
    log: list[str] = []

    def program() -> None:
        try:
            current_process().end()
        finally:
            log.append("finally")
        log.append("never")

    process = kernel.spawn(program)
    kernel.run_until()
    assert log == ["finally"]
    assert process.finished


def test_on_exit_is_called_at_the_end_however_it_comes() -> None:
    kernel = Kernel()
    log: list[str] = []

    def fail() -> None:
        raise ValueError

    for name, program in (
        ("returned", lambda: None),
        ("failed", fail),
        ("left", lambda: sys.exit(3)),
        ("ended", kernel.block),
    ):
        process = kernel.spawn(program)
        process.on_exit = lambda name=name: log.append(name)  # type: ignore[misc]
    kernel.call_at(1, process.end)
    kernel.run_until()
    assert log == ["returned", "failed", "left", "ended"]


# -- errors ---------------------------------------------------------------------------------------


def test_an_exception_in_a_process_is_raised_by_run_and_the_others_go_on() -> None:
    twin = Twin()
    seen: list[int] = []

    def fail() -> None:
        twin.sleep_ns(5)
        raise ValueError("of the program")

    process = twin.spawn(fail)
    twin.spawn(lambda: (twin.sleep_ns(50), seen.append(twin.now_ns)))
    with pytest.raises(ValueError, match="of the program"):
        twin.run()
    assert seen == [50]
    assert "of the program" in process.error_text
    twin.run()  # it was reported and is not raised again


@pytest.mark.parametrize("error", [KeyboardInterrupt, InterruptedSimulation])
def test_what_is_meant_for_whoever_runs_the_simulation_passes_through(error: type[BaseException]) -> None:
    """Ctrl-C while a program computes is no error of that program."""
    twin = Twin()

    def interrupted() -> None:
        twin.sleep_ns(5)
        raise error

    process = twin.spawn(interrupted)
    twin.spawn(lambda: twin.sleep_ns(50))
    with pytest.raises(error):
        twin.run()
    assert twin.now_ns == 5
    assert process.finished
    assert process.error is None
    assert twin.kernel.current is None
    twin.run()
    assert twin.now_ns == 50


@pytest.mark.parametrize("leave", [SystemExit(), SystemExit(0), SimulatedExit()])
def test_leaving_by_exit_is_no_error(leave: BaseException) -> None:
    twin = Twin()

    def program() -> None:
        raise leave

    process = twin.spawn(program)
    twin.run()
    assert process.finished


@pytest.mark.parametrize("status", [3, "a reason"])
def test_leaving_by_exit_with_a_status_is_one(status: int | str) -> None:
    twin = Twin()
    process = twin.spawn(lambda: sys.exit(status))
    with pytest.raises(SystemExit):
        twin.run()
    assert f"SystemExit: {status}" in process.error_text


def test_calls_that_take_time_fail_outside_a_process() -> None:
    twin = Twin()
    context: list[Any] = []
    twin.spawn(lambda: context.append(twin.zmq.Context()))
    twin.run()
    calls: list[Callable[[], Any]] = [
        lambda: twin.sleep_ns(1),
        twin.kernel.block,
        twin.kernel.running,
        current_process,
        twin.zmq.Context,
        lambda: context[0].socket(twin.zmq.PULL).recv(),
    ]
    for call in calls:
        with pytest.raises(NotInSimulationError, match="simulated process"):
            call()


def test_a_process_of_one_world_cannot_wait_in_another() -> None:
    here, there = Twin(), Twin()
    here.spawn(lambda: there.sleep_ns(1))
    with pytest.raises(NotInSimulationError):
        here.run()
