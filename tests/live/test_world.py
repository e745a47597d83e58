"""A run in the live world: everything arrives, everything happens when it should."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from harness.live import supervisor
from harness.live.world import execute
from harness.run import SETTLE_NS, FaultSpec, Live
from harness.topology import Endpoint, Flow, Topology
from harness.trace import EVENTS, NONE, Kind

from .runs import MS, S, alone, events, node, of_kind, pubsub_run, pushing, run_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]

TRANSPORTS = ("tcp", "ipc", "inproc")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_all_that_is_published_arrives(transport: str) -> None:
    run = pubsub_run(transport)
    trace = execute(run)
    assert trace.errors == {}
    assert trace.limits_hit == ()
    assert (trace.run_id, trace.world) == (run.id, "live")
    assert trace.nodes == ("pub", "fast-1", "fast-2")
    sent = of_kind(trace, Kind.SENT, "pub")
    assert sent["seq"].tolist() == list(range(100))
    assert sent["other_ns"].tolist() == [number * 5 * MS for number in range(100)]
    assert (sent["time_ns"] >= sent["other_ns"]).all()
    assert (sent["size"] == 512).all()
    for name in ("fast-1", "fast-2"):
        received = of_kind(trace, Kind.RECEIVED, name)
        assert received["seq"].tolist() == list(range(100))
        assert (received["peer"] == 0).all()
        assert (received["flow"] == 0).all()
        assert (received["size"] == 512).all()
        assert received["other_ns"].tolist() == sent["time_ns"].tolist()
        assert (received["time_ns"] >= received["other_ns"]).all()
        (started,) = events(trace, "started", name)
        assert started < -SETTLE_NS
    (finished,) = events(trace, "finished", "pub")
    assert 495 * MS <= finished < trace.end_ns
    assert 500 * MS + supervisor.QUIET_NS <= trace.end_ns + 5 * MS < 3 * S


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_a_finished_sender_left_behind_still_arrives(transport: str) -> None:
    trace = execute(run_of(pushing(transport, count=3000)))
    assert trace.errors == {}
    assert trace.limits_hit == ()
    assert of_kind(trace, Kind.RECEIVED, "pull")["seq"].tolist() == list(range(3000))
    # Envelope frames count as part of the message.
    assert of_kind(trace, Kind.SENT, "push")["size"].tolist() == [69 if n % 3 == 0 else 64 for n in range(3000)]
    assert of_kind(trace, Kind.RECEIVED, "pull")["size"].tolist() == [69 if n % 3 == 0 else 64 for n in range(3000)]


def test_a_run_waits_for_a_slow_worker() -> None:
    # The silences of 400 ms between receptions are longer than the drain's patience: the worker is at work.
    trace = execute(run_of(pushing(count=4, service_ns=400 * MS), duration_ns=100 * MS))
    assert len(of_kind(trace, Kind.RECEIVED, "pull")) == 4
    assert trace.limits_hit == ()


def test_requests_and_replies_keep_their_intended_time() -> None:
    work = Endpoint(
        name="work", transport="tcp", binder="server", connecters=("client",), binder_type="REP", connecter_type="REQ"
    )
    flows = (
        Flow(name="requests", senders=("client",), receivers=("server",), delivery="one", endpoint="work"),
        Flow(name="replies", senders=("server",), receivers=("client",), delivery="addressed", endpoint="work"),
    )
    nodes = (node("client", "asks", count=20), node("server", "answers"))
    trace = execute(run_of(Topology(nodes=nodes, endpoints=(work,), flows=flows), duration_ns=200 * MS))
    assert trace.errors == {}
    replies = of_kind(trace, Kind.SENT, "server")
    assert replies["peer"].tolist() == [0] * 20
    assert replies["other_ns"].tolist() == [number * 5 * MS for number in range(20)]
    assert of_kind(trace, Kind.RECEIVED, "client")["seq"].tolist() == list(range(20))
    assert of_kind(trace, Kind.SENT, "client")["peer"].tolist() == [NONE] * 20


def test_a_refused_message_is_recorded_as_such() -> None:
    topology = pushing(count=0)
    refused = Topology(
        nodes=(node("push", "idle"), node("pull", "is_refused")),
        endpoints=topology.endpoints,
        flows=(Flow(name="work", senders=("pull",), receivers=("push",), delivery="one", endpoint="work"),),
    )
    trace = execute(run_of(refused, duration_ns=50 * MS))
    assert of_kind(trace, Kind.REJECTED, "pull")["seq"].tolist() == [0, 1, 2]
    assert len(of_kind(trace, Kind.SENT, "pull")) == 0


def test_a_late_program_starts_on_time() -> None:
    trace = execute(run_of(alone("marks_start", start_ns=300 * MS), duration_ns=400 * MS))
    (started,) = events(trace, "started", "one")
    (called,) = events(trace, "mark", "one")
    assert 300 * MS <= started <= called < 350 * MS


def test_a_slow_fault_slows_work_for_its_time() -> None:
    slow = FaultSpec(
        label="mud", kind="slow", options={"node": "one", "at_ns": 400 * MS, "lasts_ns": 400 * MS, "factor": 4.0}
    )
    trace = execute(run_of(alone("works", until_ns=1200 * MS), duration_ns=1200 * MS, faults=(slow,)))
    (on,) = events(trace, "fault_on", "one")
    (off,) = events(trace, "fault_off", "one")
    assert 400 * MS <= on < 440 * MS
    assert 800 * MS <= off < 840 * MS
    done = np.array(events(trace, "mark", "one"))
    took = np.diff(done)
    slowed = took[(done[:-1] >= on) & (done[:-1] < off)]
    normal = took[(done[1:] < on) | (done[:-1] >= off)]
    assert (slowed >= 80 * MS).all()
    assert np.median(slowed) < 90 * MS
    assert (normal >= 20 * MS).all()
    assert np.median(normal) < 30 * MS
    assert len(slowed) >= 4
    fault_events = trace.records[trace.records["flag"] == EVENTS.index("fault_on")]
    assert fault_events["aux"].tolist() == [0]


def test_both_worlds_draw_the_same_chance() -> None:
    run = pubsub_run()
    assert run.rng("node.pub").random() == run.rng("node.pub").random()
    topology = run.topology
    poisson: dict[str, Any] = {**topology.nodes[0].options, "arrivals": {"kind": "poisson", "rate_per_s": 100.0}}
    poisson["arrivals"]["until_ns"] = run.duration_ns
    from dataclasses import replace

    nodes = (replace(topology.nodes[0], options=poisson), *topology.nodes[1:])
    run = replace(run, topology=replace(topology, nodes=nodes))
    from harness.load import Arrivals

    due = list(Arrivals(kind="poisson", rate_per_s=100.0, until_ns=run.duration_ns).times(run.rng("node.pub")))
    assert of_kind(execute(run), Kind.SENT, "pub")["other_ns"].tolist() == due


def test_the_environment_says_what_the_figures_depend_on() -> None:
    environment = execute(pubsub_run(duration_ns=200 * MS)).environment
    assert environment["libzmq"].startswith("4.")
    assert environment["cores"] >= 1
    assert environment["generator"]["sends"] == 40
    assert 0 <= environment["generator"]["late_ns_p50"] <= environment["generator"]["late_ns_max"]
    assert {"pyzmq", "python", "kernel", "cpu", "tcp"} <= environment.keys()
    for share in ("steal_share", "foreign_share"):
        assert 0.0 <= environment[share] <= 1.0
    assert environment["tcp"]["congestion_control"]
    assert environment["cores_of_the_run"] == sorted(os.sched_getaffinity(0))


@pytest.mark.needs("pinning")
@pytest.mark.parametrize("cpu", ["one", "all"])
def test_all_threads_of_a_run_have_the_cores_that_it_says(cpu: Any) -> None:
    before = os.sched_getaffinity(0)
    trace = execute(run_of(alone("tells_its_cores"), live=Live(cpu=cpu)))
    cores = [max(before)] if cpu == "one" else sorted(before)
    assert f"cores: {cores}" in trace.errors["one"]
    assert trace.environment["cores_of_the_run"] == cores
    assert os.sched_getaffinity(0) == before
