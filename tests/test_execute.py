"""Runs are carried out: in parallel, one by one, and whatever happens to them."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import execute, store
from harness.execute import Failure, Progress, carry_out
from harness.patterns import pubsub
from harness.run import Run
from harness.trace import Kind, Trace

MS = 1_000_000


def run_of(seed: int = 1, world: str = "sim", program: str | None = None, duration_ns: int = 100 * MS) -> Run:
    """A hundred milliseconds of PUB-SUB; ``program`` takes the place of the subscriber's."""
    topology = pubsub.build(pubsub.Options(rate_per_s=1000), duration_ns)
    if program is not None:
        nodes = tuple(
            dataclasses.replace(node, program=program) if node.name == "sub" else node for node in topology.nodes
        )
        topology = dataclasses.replace(topology, nodes=nodes)
    return Run(
        experiment="tiny",
        variant="plain",
        world=world,
        seed=seed,
        replication=seed - 1,
        duration_ns=duration_ns,
        warmup_ns=0,
        drain_limit_ns=1000 * MS,
        wall_limit_ns=60_000 * MS,
        topology=topology,
    )


def predicted(run: Run) -> Trace:
    """What a live run might leave behind: what an observer sees of a simulated one."""
    trace = execute_for_real(dataclasses.replace(run, world="sim"))
    seen = ~np.isin(trace.records["kind"], (Kind.LOST, Kind.IN_FLIGHT))
    return dataclasses.replace(trace, run_id=run.id, world=run.world, records=trace.records[seen], violations=())


execute_for_real = execute.execute


def is_whole(folder: Path) -> bool:
    return sorted(path.name for path in folder.iterdir()) == sorted(store.FILES)


def folders(out: Path) -> list[Path]:
    return sorted(out.glob("*/*/"))


def leftovers(out: Path) -> list[Path]:
    return [path for path in out.rglob("*") if ".partial" in path.name]


def test_a_world_is_found_by_name() -> None:
    run = run_of()
    trace = execute.execute(run)
    assert (trace.run_id, trace.world) == (run.id, "sim")
    assert np.count_nonzero(trace.records["kind"] == Kind.SENT) == 100


def test_there_are_two_worlds() -> None:
    with pytest.raises(ValueError, match="'sim' or 'live', not 'moon'"):
        execute.execute(run_of(world="moon"))


def test_results_stand_in_the_order_of_the_runs(tmp_path: Path) -> None:
    runs = [run_of(seed) for seed in (3, 1, 2)]
    results = carry_out(runs, tmp_path, jobs=2)
    assert [result.run for result in results] == runs
    assert all(isinstance(result, store.Result) and is_whole(result.folder) for result in results)
    assert folders(tmp_path) == sorted(tmp_path / "tiny" / run.id for run in runs)
    assert not leftovers(tmp_path)


def test_parallel_and_serial_give_the_same_bytes(tmp_path: Path) -> None:
    runs = [run_of(seed) for seed in (1, 2, 3)]
    carry_out(runs, tmp_path / "serial", jobs=0)
    carry_out(runs, tmp_path / "parallel", jobs=2)
    for run in runs:
        paths = [tmp_path / how / "tiny" / run.id / store.MESSAGES for how in ("serial", "parallel")]
        assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("jobs", [0, 1, 2])
def test_a_run_that_raises_says_which_and_what_and_the_others_stay(tmp_path: Path, jobs: int) -> None:
    runs = [run_of(1), run_of(2, program="harness.no_such_module:subscriber"), run_of(3)]
    first, failure, last = carry_out(runs, tmp_path, jobs=jobs)
    assert isinstance(first, store.Result)
    assert isinstance(last, store.Result)
    assert isinstance(failure, Failure)
    assert failure.run == runs[1]
    text = str(failure)
    assert f"sim run of tiny, variant plain, seed 2 ({runs[1].id})" in text
    assert "no_such_module" in text
    assert "\n" not in text
    assert not leftovers(tmp_path)


def test_a_run_that_kills_its_process_fails_alone(tmp_path: Path) -> None:
    script = tmp_path / "killer.py"
    script.write_text("import os, signal\ndef sub(node, options):\n    os.kill(os.getpid(), signal.SIGKILL)\n")
    runs = [run_of(1), run_of(2, program=f"{script}:sub"), run_of(3), run_of(4)]
    outcomes = carry_out(runs, tmp_path / "out", jobs=2)
    assert [isinstance(outcome, Failure) for outcome in outcomes] == [False, True, False, False]
    assert "killed" in str(outcomes[1])
    assert not multiprocessing.active_children()


def test_what_cannot_be_saved_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "tiny").write_text("a file where the folder should be")
    (failure,) = carry_out([run_of()], tmp_path)
    assert isinstance(failure, Failure)
    assert "tiny" in failure.reason
    assert not leftovers(tmp_path)


def test_progress_counts_every_run_once(tmp_path: Path) -> None:
    steps: list[Progress] = []
    carry_out([run_of(1), run_of(2, program="harness.no_such_module:x"), run_of(3)], tmp_path, 0, steps.append)
    assert [(step.done, step.state) for step in steps] == [
        (0, "started"),
        (1, "saved"),
        (1, "started"),
        (2, "failed"),
        (2, "started"),
        (3, "saved"),
    ]
    assert {step.total for step in steps} == {3}


def test_live_runs_go_one_by_one_after_all_simulations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside: list[Any] = []

    def live(run: Run) -> Trace:
        beside.append((run.seed, multiprocessing.active_children(), len(folders(tmp_path))))
        return predicted(run)

    monkeypatch.setattr(execute, "execute", live)
    runs = [run_of(1, "live"), run_of(1), run_of(2, "live"), run_of(2)]
    results = carry_out(runs, tmp_path, jobs=2)
    assert [result.run for result in results] == runs
    assert beside == [(1, [], 2), (2, [], 3)]


@pytest.mark.parametrize(
    ("shares", "allowed", "attempts"),
    [([0.0], 3, 1), ([0.5, 0.0], 3, 2), ([0.5, 0.5, 0.0], 1, 2), ([0.5, 0.0], 0, 1)],
    ids=["quiet", "quiet the second time", "never quiet", "not asked"],
)
def test_a_noisy_live_run_is_repeated_as_often_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shares: list[float], allowed: int, attempts: int
) -> None:
    done: list[float] = []

    def live(run: Run) -> Trace:
        done.append(shares[len(done)])
        return dataclasses.replace(predicted(run), environment={"steal_share": done[-1]})

    monkeypatch.setattr(execute, "execute", live)
    (result,) = carry_out([run_of(1, "live")], tmp_path, repeat_noisy=allowed)
    assert isinstance(result, store.Result)
    assert len(done) == attempts
    marks = ["the host took 50.0% of the processor time away (more than 3%)"]
    assert result.summary["noise"] == (marks if done[-1] else [])
    assert result.summary["repeated"] == [marks] * (attempts - 1)


def test_an_interrupt_ends_all_that_was_started(tmp_path: Path) -> None:
    def interrupt(step: Progress) -> None:
        raise KeyboardInterrupt

    runs = [run_of(1), *(run_of(seed, duration_ns=600_000 * MS) for seed in range(2, 6))]
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        carry_out(runs, tmp_path, 2, interrupt)
    assert time.monotonic() - began < 10, "the long runs were waited for"
    assert not multiprocessing.active_children()
    assert folders(tmp_path) == [tmp_path / "tiny" / runs[0].id]
    assert is_whole(folders(tmp_path)[0])
    assert not leftovers(tmp_path)


def descendants(parent: int) -> list[int]:
    """Processes below ``parent``, from /proc."""
    below: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        below.setdefault(int(fields[1]), []).append(int(status.parent.name))
    found, new = [], [parent]
    while new:
        new = [child for one in new for child in below.get(one, [])]
        found += new
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends the workers, by prctl(2)")
def test_workers_die_with_a_harness_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "long.py"
    script.write_text(
        "import sys, pathlib\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_execute import carry_out, run_of\n"
        "if __name__ == '__main__':\n"
        "    runs = [run_of(seed, duration_ns=600_000_000_000) for seed in (1, 2)]\n"
        f"    carry_out(runs, pathlib.Path({str(tmp_path / 'out')!r}), 2)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with subprocess.Popen([sys.executable, str(script)], env=environment) as process:
        deadline = time.monotonic() + 30
        # Two workers with a janitor each, the harness's own, and the resource tracker of multiprocessing.
        while len(descendants(process.pid)) < 6:
            assert time.monotonic() < deadline, "the workers did not come up"
            time.sleep(0.05)
        started = descendants(process.pid)
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 2
    while any(map(is_alive, started)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [pid for pid in started if is_alive(pid)] == []
    assert not leftovers(tmp_path)
