"""The simulated world: a run from start to trace, its limits, and that it is the same every time."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import config, metrics, plan, store
from harness.load import Service
from harness.patterns import pipeline, pubsub, reqrep
from harness.run import FaultSpec, Run
from harness.sim import world
from harness.sim.world import execute
from harness.topology import Node, Topology
from harness.trace import EVENTS, NONE, Kind, Recorder, Trace

from .runs import EXPERIMENTS, MS, S, alone, events, judged, node, of_kind, pushing, run_of, same, shortened

ROOT = Path(__file__).resolve().parents[2]
TRANSPORTS = ["tcp", "ipc", "inproc"]


def pattern(name: str, transport: Any, duration_ns: int = S // 2) -> Topology:
    """A small one of each pattern, with chance in it."""
    if name == "pubsub":
        return pubsub.build(
            pubsub.Options(rate_per_s=500, transport=transport, subscribers={"a": 1, "b": 2}, arrivals="poisson"),
            duration_ns,
        )
    if name == "pipeline":
        return pipeline.build(
            pipeline.Options(rate_per_s=500, transport=transport, workers={"w": 3}, arrivals="burst", burst=5),
            duration_ns,
        )
    return reqrep.build(reqrep.Options(rate_per_s=100, transport=transport, clients={"c": 3}), duration_ns)


PATTERNS = ["pubsub", "pipeline", "reqrep"]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_runs_over_every_transport(name: str, transport: str) -> None:
    """With everybody there in time and nobody slow all is delivered."""
    _, ledger, checks = judged(run_of(pattern(name, transport)))
    assert checks.verdict == "valid", [law for law in checks.laws if law.state == "invalid"]
    assert ledger.delivered == ledger.expected > 200
    assert ledger.lost == {}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", PATTERNS)
def test_the_same_run_gives_the_same_records_to_the_byte(name: str, transport: str) -> None:
    run = run_of(pattern(name, transport))
    first, second = execute(run), execute(run)
    assert same(first.records, second.records)
    assert (first.end_ns, first.run_id) == (second.end_ns, second.run_id)
    other = execute(run_of(pattern(name, transport), seed=8))
    assert not same(first.records, other.records), "chance does not come from the seed"


DIGESTS = """
import hashlib, json, sys
from pathlib import Path
from harness import check, config, ledger, metrics, plan, store
from harness.sim.world import execute

for path in sorted(Path(sys.argv[1]).glob("*.toml")):
    experiment = config.load(path, json.loads(sys.argv[3])[path.stem])
    for run in plan.plan(experiment, ["sim"], seed=5, replications=1):
        trace = execute(run)
        settled = ledger.settle(run, trace)
        checks = check.check(run, trace, settled)
        summary = store.summarize(run, trace, settled, checks, metrics.measure_all(settled.messages, run))
        folder = store.save(Path(sys.argv[2]), run, trace, settled, summary)
        records = hashlib.sha256(trace.records.tobytes()).hexdigest()
        print(run.id, records, hashlib.sha256((folder / "messages.parquet").read_bytes()).hexdigest())
"""


def test_the_order_of_hashes_changes_nothing(tmp_path: Path) -> None:
    """Records and messages.parquet of all experiments, in processes of their own."""
    overrides = json.dumps({path.stem: shortened(path.stem) for path in EXPERIMENTS.glob("*.toml")})
    outputs = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", DIGESTS, str(EXPERIMENTS), str(tmp_path / hash_seed), overrides],
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout.splitlines())
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) >= 4
    assert len(set(outputs[0])) == len(outputs[0])


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    run = run_of(pattern("pubsub", "tcp"))
    digests = []
    for folder in ("first", "second"):
        trace, ledger, checks = judged(run)
        summary = store.summarize(run, trace, ledger, checks, metrics.measure_all(ledger.messages, run))
        saved = store.save(tmp_path / folder, run, trace, ledger, summary)
        digests.append(
            [hashlib.sha256((saved / name).read_bytes()).hexdigest() for name in (store.MESSAGES, store.EVENTS)]
        )
    assert digests[0] == digests[1]


# -- programs that fail ------------------------------------------------------------------------------


def test_a_program_that_fails_is_reported_and_the_others_go_on() -> None:
    topology = pushing(count=20, service_ns=30 * MS)
    bad = Node(name="bad", group="bad", program=f"{Path(__file__).with_name('programs.py')}:fails")
    trace, ledger, checks = judged(
        run_of(Topology(nodes=(*topology.nodes, bad), endpoints=topology.endpoints, flows=topology.flows))
    )
    assert list(trace.errors) == ["bad"]
    assert "RuntimeError: the cat sat on the keyboard" in trace.errors["bad"]
    assert ledger.delivered == 20
    assert checks.verdict == "invalid"
    assert events(trace, "finished", "bad") == []
    assert len(events(trace, "finished", "push")) == 1


@pytest.mark.parametrize(("status", "failed"), [(None, False), (0, False), (3, True), ("no coffee", True)])
def test_a_program_may_leave_by_exit(status: object, failed: bool) -> None:
    """As in the live world."""
    trace = execute(run_of(alone("exits", status=status), duration_ns=100 * MS))
    assert ("one" in trace.errors) == failed
    if failed:
        assert f"SystemExit: {status}" in trace.errors["one"]


@pytest.mark.parametrize(
    ("program", "error"),
    [("harness.patterns.pubsub:nobody", AttributeError), ("no.such.module:f", ImportError), ("nowhere.py:f", OSError)],
)
def test_a_program_that_cannot_be_loaded_is_told_before_anything_runs(program: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        execute(run_of(Topology(nodes=(Node(name="one", group="one", program=program),), endpoints=(), flows=())))


# -- limits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", ["spins", "spins_and_catches"])
def test_a_program_that_never_gives_up_the_processor_is_ended_by_the_wall_limit(program: str) -> None:
    began = time.monotonic()
    trace = execute(run_of(alone(program), wall_limit_ns=S // 2))
    assert time.monotonic() - began < 3
    assert trace.limits_hit == ("the simulation took more than 0.5 s of real time",)
    assert trace.errors == {}
    assert events(trace, "mark", "one") == []


def test_one_that_cannot_be_ended_is_given_a_second_and_no_more() -> None:
    began = time.monotonic()
    trace = execute(run_of(alone("spins_at_the_end"), duration_ns=100 * MS))
    assert 0.5 < time.monotonic() - began < 5
    assert trace.limits_hit == ()


def test_the_alarm_of_whoever_calls_is_kept() -> None:
    told: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: told.append(1))
    others = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        execute(run_of(alone("stamps"), duration_ns=100 * MS))
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        deadline = time.monotonic() + 5
        while not told and time.monotonic() < deadline:
            time.sleep(0.01)
        assert told == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, *others)
        signal.signal(signal.SIGALRM, before)


def test_no_alarm_is_left_behind() -> None:
    others = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        execute(run_of(alone("stamps"), duration_ns=100 * MS))
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *others)


def test_a_run_in_another_thread_has_no_wall_limit_and_the_same_records() -> None:
    run = run_of(pattern("pipeline", "tcp"))
    traces: list[Trace] = []
    thread = threading.Thread(target=lambda: traces.append(execute(run)))
    thread.start()
    thread.join(60)
    assert same(traces[0].records, execute(run).records)


def test_a_program_that_only_asks_for_the_time_is_stalled() -> None:
    """Time passes by sleeping, working or waiting; a loop that polls the clock would never end."""
    trace = execute(run_of(alone("asks_for_ever")))
    assert "StalledError: one asked for the time 1000001 times while none passed" in trace.errors["one"]
    assert trace.limits_hit == ()


def test_the_drain_limit_ends_a_backlog_and_every_message_has_its_fate() -> None:
    topology = pushing(count=500, service_ns=20 * MS)
    trace, ledger, checks = judged(run_of(topology, duration_ns=100 * MS, drain_limit_ns=700 * MS))
    assert trace.limits_hit == ("the drain was cut off after 0.7 s with work left to do",)
    assert trace.end_ns == 800 * MS
    assert 10 < ledger.delivered < 100
    assert ledger.in_flight == 500 - ledger.delivered
    assert ledger.unexplained == 0
    assert checks.verdict == "unknown"


def test_a_run_drains_until_all_is_read() -> None:
    trace, ledger, checks = judged(run_of(pushing(count=100, service_ns=20 * MS), duration_ns=100 * MS))
    assert ledger.delivered == 100
    assert 1500 * MS <= trace.end_ns < 1800 * MS, "a hundred times 20 ms, from half a second before the start line"
    assert (trace.limits_hit, checks.verdict) == ((), "valid")


def test_a_peer_that_tries_to_connect_for_ever_does_not_keep_a_run_going() -> None:
    topology = pushing("pushes_and_leaves", count=0)
    nobody = Topology(nodes=topology.nodes[:1], endpoints=topology.endpoints, flows=())
    pull_only = Node(name="pull", group="pull", program="harness.patterns.pubsub:subscriber")
    feed = pubsub.build(pubsub.Options(rate_per_s=1), S).endpoints[0]
    trace = execute(run_of(Topology(nodes=(*nobody.nodes, pull_only), endpoints=(*nobody.endpoints, feed), flows=())))
    assert trace.limits_hit == ()
    assert len(events(trace, "connect_retried", "pull")) > 3
    assert trace.end_ns < 3 * S


def test_a_full_trace_is_a_limit_and_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "Recorder", lambda: Recorder(limit=10_000))
    trace = execute(run_of(alone("chatters")))
    assert len(trace.limits_hit) == 1
    assert "may hold no more" in trace.limits_hit[0]
    assert trace.errors == {}


@pytest.mark.parametrize("name", PATTERNS)
def test_wherever_the_trace_fills_up_the_run_is_unknown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a program, in the I/O thread, or when what is still under way is counted at the end."""
    monkeypatch.setattr(world, "Recorder", lambda: Recorder(limit=4000))
    run = run_of(pattern(name, "tcp", 20 * S), duration_ns=20 * S)
    trace, _, checks = judged(run)
    assert "may hold no more" in trace.limits_hit[0]
    assert trace.errors == {}
    assert checks.verdict == "unknown", [law for law in checks.laws if law.state == "invalid"]


# -- time, faults, chance ----------------------------------------------------------------------------


def test_programs_start_on_time() -> None:
    """Without a start time before the start line, so that connections stand when the load begins."""
    trace = execute(run_of(alone("stamps"), duration_ns=100 * MS))
    assert events(trace, "started", "one") == [-500 * MS]
    trace = execute(run_of(alone("stamps", start_ns=123 * MS), duration_ns=200 * MS))
    assert events(trace, "started", "one") == [123 * MS]


def test_a_late_subscriber_misses_what_was_before() -> None:
    topology = pubsub.build(pubsub.Options(rate_per_s=1000, subscribers={"early": 1, "late": 1}), S)
    pub, early, late = topology.nodes
    late = Node(name="late", group="late", program=late.program, options=late.options, start_ns=500 * MS)
    _, ledger, checks = judged(
        run_of(Topology(nodes=(pub, early, late), endpoints=topology.endpoints, flows=topology.flows), duration_ns=S)
    )
    assert checks.verdict == "valid"
    missed = sum(ledger.lost.values())
    assert 500 <= missed <= 505
    assert set(ledger.lost) <= {"no_peer", "not_subscribed"}
    assert ledger.lost["no_peer"] >= 500


def slow_run(factor: float, at_ns: int, lasts_ns: int) -> Run:
    fault = FaultSpec(
        label="x", kind="slow", options={"node": "one", "at_ns": at_ns, "lasts_ns": lasts_ns, "factor": factor}
    )
    return run_of(alone("works", until_ns=1000 * MS), duration_ns=S, faults=(fault,))


def test_a_slow_fault_slows_work_for_its_time() -> None:
    """It counts for work that is begun under it; on and off stand in the trace."""
    trace = execute(slow_run(5.0, 295 * MS, 300 * MS))
    done = np.diff([0, *[time for time in events(trace, "mark", "one") if time > 0]])
    assert events(trace, "fault_on", "one") == [295 * MS]
    assert events(trace, "fault_off", "one") == [595 * MS]
    slow = done[done > 40 * MS]
    assert 5 <= len(slow) <= 6
    assert all(50 * MS <= took < 52 * MS for took in slow)
    assert all(10 * MS <= took < 12 * MS for took in done[(done <= 40 * MS)][1:])


def test_a_fault_on_nobody_is_told(caplog: pytest.LogCaptureFixture) -> None:
    fault = FaultSpec(label="x", kind="slow", options={"node": "nobody", "at_ns": 10 * MS, "factor": 2.0})
    with pytest.raises(KeyError, match="nobody"):
        execute(run_of(alone("stamps"), faults=(fault,)))


def test_a_node_draws_the_runs_own_chance() -> None:
    """By its name: adding a node changes nobody else's draws."""
    run = run_of(alone("stamps"), duration_ns=100 * MS)
    draws = run.rng("node.one").integers(1, 1000, 5)
    marks = events(execute(run), "mark", "one")
    late = np.array(marks[1:]) - marks[0] - np.cumsum(draws * 1000)
    assert ((late >= 0) & (late < MS)).all(), "a sleep ends a little late, never early"
    assert not np.array_equal(draws, run_of(alone("stamps"), seed=8).rng("node.one").integers(1, 1000, 5))


def test_service_times_are_the_same_draws_in_any_world() -> None:
    run = run_of(pattern("pubsub", "tcp"))
    service = Service(kind="exponential", mean_ns=1000)
    assert [service.draw(run.rng("node.a")) for _ in range(3)] != [service.draw(run.rng("node.b-1")) for _ in range(3)]


def test_records_stand_in_the_order_of_time() -> None:
    """In the simulation of all nodes together; what is under way comes last."""
    for name in PATTERNS:
        trace = execute(run_of(pattern(name, "tcp"), drain_limit_ns=0))
        times = trace.records["time_ns"]
        assert (np.diff(times[trace.records["kind"] != Kind.ATTEMPT]) >= 0).all()
        assert times[-1] <= trace.end_ns
        kinds = trace.records["kind"]
        held = np.flatnonzero(kinds == Kind.IN_FLIGHT)
        assert (held >= len(kinds) - len(held)).all()


def test_what_happens_is_told_of_the_right_nodes() -> None:
    trace = execute(run_of(pushing(count=3), duration_ns=100 * MS))
    for name, happened in (
        ("push", ["started", "attached", "connect_delayed", "connected", "handshake_succeeded", "finished"]),
        ("pull", ["started", "listening", "accepted", "handshake_succeeded", "attached"]),
    ):
        for event in happened:
            assert events(trace, event, name), (name, event)
    attached = of_kind(trace, Kind.EVENT, "pull")
    attached = attached[attached["flag"] == EVENTS.index("attached")]
    assert [int(peer) for peer in attached["peer"]] == [0]
    sent = of_kind(trace, Kind.SENT, "push")
    assert [int(seq) for seq in sent["seq"]] == [0, 1, 2]
    assert set(sent["peer"].tolist()) == {NONE}


def test_nodes_that_meet_over_inproc_share_a_context_and_others_do_not() -> None:
    for transport, shared in (("inproc", True), ("tcp", False)):
        execution = world._Execution(run_of(pushing(transport=transport, count=1)))
        execution.start()
        execution.play()
        contexts = {id(node.context) for node in execution.nodes.values()}
        assert (len(contexts) == 1) is shared


@pytest.mark.parametrize(("transport", "meet"), [("inproc", True), ("tcp", False)])
def test_nodes_of_one_process_share_its_global_context_and_others_do_not(transport: Any, meet: bool) -> None:
    topology = pushing(transport=transport, count=1)
    nodes = tuple(node(name, "meets_globally", binds=name == "push") for name in ("push", "pull"))
    trace = execute(run_of(Topology(nodes=nodes, endpoints=topology.endpoints, flows=())))
    assert trace.errors == {}
    assert [bool(events(trace, "mark", name)) for name in ("push", "pull")] == [meet, meet]


def test_lowering_a_mark_in_life_breaks_no_law() -> None:
    """F13: what is queued stays, the pipe is just full."""
    trace, ledger, checks = judged(
        run_of(pushing("lowers_its_mark", "inproc", service_ns=30 * MS, rcvhwm=1), duration_ns=S)
    )
    assert trace.violations == ()
    assert checks.verdict == "valid", checks.laws
    assert ledger.lost["rejected"] >= 1
    assert ledger.delivered + sum(ledger.lost.values()) == ledger.expected


def test_what_a_finished_sender_left_behind_still_arrives() -> None:
    """LINGER is -1 by default."""
    for transport in ("tcp", "ipc", "inproc"):
        _, ledger, checks = judged(
            run_of(pushing("pushes_and_leaves", transport, count=200, service_ns=MS), duration_ns=S)
        )
        assert (ledger.delivered, ledger.expected, checks.verdict) == (200, 200, "valid")


def test_the_environment_names_profile_and_seed() -> None:
    trace = execute(run_of(alone("stamps"), duration_ns=100 * MS))
    assert trace.environment["profile"] == "default"
    assert trace.environment["seed"] == 7
    assert trace.world == "sim"


def test_the_experiments_of_the_house_can_be_loaded_and_planned() -> None:
    """What the digests above rest on."""
    for path in sorted(EXPERIMENTS.glob("*.toml")):
        assert plan.plan(config.load(path), ["sim"], replications=1)
