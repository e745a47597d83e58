"""How a live run ends: by itself, by a limit, by a failure; never with something left over."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from harness.live import supervisor
from harness.live.world import execute
from harness.run import FaultSpec, Run
from harness.topology import Topology
from harness.trace import Kind, Trace

from .runs import MS, S, alone, events, node, of_kind, pubsub_run, pushing, run_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]


def children() -> list[int]:
    """Processes of this one, zombies included."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def timed(run: Run) -> tuple[Trace, float]:
    before = set(children())
    start = time.monotonic()
    trace = execute(run)
    assert set(children()) <= before
    return trace, time.monotonic() - start


def test_a_program_that_fails_is_reported_and_ends_the_run() -> None:
    topology = Topology(nodes=(node("one", "fails"), node("two", "idle")), endpoints=(), flows=())
    trace, took_s = timed(run_of(topology, duration_ns=20 * S))
    assert list(trace.errors) == ["one"]
    assert trace.errors["one"].endswith("RuntimeError: the cat sat on the keyboard")
    assert "programs.py" in trace.errors["one"]
    assert took_s < 6


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("fails_early", "RuntimeError: no sockets today"),
        ("is_nowhere", "has no attribute 'is_nowhere'"),
    ],
)
def test_so_is_one_that_cannot_even_start(program: str, said: str) -> None:
    trace, took_s = timed(run_of(alone(program), duration_ns=20 * S))
    assert said in trace.errors["one"]
    assert trace.end_ns == 0
    assert took_s < 6


@pytest.mark.parametrize(("status", "failed"), [(None, False), (0, False), (3, True), ("no coffee", True)])
def test_a_program_may_leave_by_exit(status: object, failed: bool) -> None:
    trace, _ = timed(run_of(alone("exits", status=status), duration_ns=100 * MS))
    assert ("one" in trace.errors) == failed
    if failed:
        assert f"SystemExit: {status}" in trace.errors["one"]


def test_records_survive_a_sigkill_of_their_node() -> None:
    trace, took_s = timed(run_of(alone("is_killed"), duration_ns=20 * S))
    assert trace.errors == {"one": "its process was ended by SIGKILL"}
    ticks = events(trace, "mark", "one")
    assert len(ticks) == 10
    assert all(number * 10 * MS <= tick for number, tick in enumerate(ticks))
    assert took_s < 6


def test_the_wall_limit_ends_everything() -> None:
    run = pubsub_run(duration_ns=20 * S, wall_limit_ns=1500 * MS)
    trace, took_s = timed(run)
    assert trace.limits_hit == ("the run took more than 1.5 s of real time (wall limit)",)
    assert 1.5 <= took_s < 4
    assert len(of_kind(trace, Kind.RECEIVED, "fast-1")) > 5


def test_the_drain_limit_ends_a_backlog() -> None:
    trace, took_s = timed(run_of(pushing(count=500, service_ns=20 * MS), duration_ns=100 * MS, drain_limit_ns=700 * MS))
    assert trace.limits_hit == ("messages still came 0.7 s after the load had ended (drain limit)",)
    assert 10 < len(of_kind(trace, Kind.RECEIVED, "pull")) < 100
    assert took_s < 5


@pytest.mark.parametrize("transport", ["tcp", "inproc"])
def test_waiting_programs_are_broken_off(transport: str) -> None:
    trace, took_s = timed(run_of(pushing(transport, count=1), duration_ns=100 * MS))
    assert trace.errors == {}
    # Neither the second of grace nor more was needed: the node's own end plus the drain.
    assert took_s < 3


def test_a_plain_receive_is_broken_off_by_the_end_of_the_run() -> None:
    trace, _ = timed(run_of(alone("blocks"), duration_ns=100 * MS))
    assert len(events(trace, "mark", "one")) == 1
    assert trace.errors == {}


def test_a_stubborn_program_is_killed() -> None:
    trace, took_s = timed(run_of(alone("is_stubborn"), duration_ns=100 * MS))
    assert trace.errors == {}
    assert 1 < took_s < 5


def test_a_full_recorder_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "RECORDS_LIMIT", 1000)
    trace, took_s = timed(run_of(alone("chatters"), duration_ns=20 * S))
    assert trace.limits_hit == ("node one: the trace holds 1000 records and may hold no more",)
    assert trace.errors == {}
    assert len(trace.records) == 1000
    assert took_s < 6


def test_a_fault_that_makes_no_sense_leaves_nothing_running() -> None:
    before = set(children())
    missing = FaultSpec(label="x", kind="earthquake", options={})
    with pytest.raises(KeyError):
        execute(run_of(alone("idle"), faults=(missing,)))
    nobody = FaultSpec(label="x", kind="slow", options={"node": "nobody", "at_ns": 10 * MS, "factor": 2.0})
    with pytest.raises(KeyError):
        execute(run_of(alone("idle"), faults=(nobody,)))
    assert set(children()) <= before


def test_no_descriptor_is_left_open() -> None:
    execute(pubsub_run(duration_ns=50 * MS))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for transport in ("tcp", "ipc", "inproc"):
        execute(pubsub_run(transport, duration_ns=50 * MS))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
