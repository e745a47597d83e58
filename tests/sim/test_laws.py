"""Every run obeys the laws: all experiments of the house under many seeds, and topologies of any kind."""

from __future__ import annotations

import dataclasses
from typing import Any

import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw

from harness import config, plan
from harness.check import Checks
from harness.ledger import Ledger
from harness.ledger.inference import BREAK_CAUSES, JOIN_CAUSES
from harness.ledger.stays import departures, happened
from harness.load import Service
from harness.patterns import pipeline, pubsub, reqrep
from harness.run import FaultSpec, Run
from harness.topology import Node, Topology
from harness.trace import Trace

from .runs import EXPERIMENTS, MS, S, judged, run_of, shortened

NAMES = (
    "slow-subscriber",
    "late-joiner",
    "worker-pool",
    "request-reply",
    "drop-off",
    "slow-network",
    "network-overload",
    "subscriber-crash",
    "async-server",
    "dealer-to-routers",
    "fair-queueing",
    "fan",
    "forwarder",
    "free-workers",
    "load-balancer",
    "pair",
    "proxy",
    "memory-limit",
    "worker-crash",
    "server-crash",
    "synchronised",
    "topics",
)
SEEDS = 200
FEWER_SEEDS = 100
"""For experiments that came after the first four: what they have in common has had its chance there."""
FIRST_FOUR = NAMES[:4]
CHUNK = 25
FIRST_SEED = 20_000


def closes(ledger: Ledger) -> None:
    """The sum, and that nobody is without a fate or has two."""
    assert ledger.expected == ledger.delivered + sum(ledger.lost.values()) + ledger.in_flight
    assert ledger.unexplained == 0
    assert ledger.duplicated == 0
    assert ledger.anomalies == ()


def broken(checks: Checks) -> list[str]:
    return [f"{law.name}: {law.detail}" for law in checks.laws if law.state == "invalid"]


def test_these_are_the_experiments() -> None:
    """One that is added later is held to the laws, too."""
    assert {path.stem for path in EXPERIMENTS.glob("*.toml")} == set(NAMES)


@pytest.mark.parametrize(
    ("name", "first"),
    [(name, first) for name in NAMES for first in range(0, SEEDS if name in FIRST_FOUR else FEWER_SEEDS, CHUNK)],
)
def test_every_ledger_closes_and_every_run_is_valid(name: str, first: int) -> None:
    """The first of the seeds at full length, the others shortened."""
    experiment = config.load(EXPERIMENTS / f"{name}.toml", shortened(name) if first else ())
    for run in plan.plan(experiment, ["sim"], seed=FIRST_SEED + first, replications=CHUNK, variant="plain"):
        _, ledger, checks = judged(run)
        closes(ledger)
        assert checks.verdict == "valid", (run.seed, broken(checks), checks.vacuous)
        assert ledger.expected > (150 if first else 500)


@pytest.mark.parametrize("name", NAMES)
def test_so_they_do_in_every_variant(name: str) -> None:
    experiment = config.load(EXPERIMENTS / f"{name}.toml")
    for run in plan.plan(experiment, ["sim"], seed=FIRST_SEED, replications=5):
        _, ledger, checks = judged(run)
        closes(ledger)
        assert checks.verdict == "valid", (run.variant, run.seed, broken(checks), checks.vacuous)


def test_an_observer_would_name_the_true_cause_of_99_of_100_lost_messages() -> None:
    """Over all experiments and variants: what is lost, and what outside events alone tell of it.

    ``no_peer`` and ``not_subscribed`` count as one cause, and so do ``disconnect_pipe`` and ``disconnect_wire``.
    """
    lost = right = 0
    for name in NAMES:
        experiment = config.load(EXPERIMENTS / f"{name}.toml")
        for run in plan.plan(experiment, ["sim"], seed=FIRST_SEED, replications=2):
            trace, ledger, _ = judged(run)
            here = same = 0
            for row in ledger.messages.filter(pc.equal(ledger.messages["fate"], "lost")).to_pylist():
                here += 1
                same += row["inferred"] is not None and alike(row["inferred"]) == alike(row["cause"])
            # A handful more or less at a break weighs much where little is lost, and some receivers leave often.
            left = len(list(departures(run, happened(trace))))
            assert same >= min(0.99 * here, here - max(10, 5 * left)), (name, run.variant, run.seed, same, here)
            lost, right = lost + here, right + same
    assert lost > 10_000
    assert right >= 0.99 * lost, (right, lost)


def alike(cause: str) -> str:
    """The first of those causes that nobody outside can tell apart."""
    return next((causes[0] for causes in (JOIN_CAUSES, BREAK_CAUSES) if cause in causes), cause)


# -- topologies of any kind ----------------------------------------------------------------------------

TRANSPORTS = draw.sampled_from(["tcp", "ipc", "inproc"])
MARKS = draw.one_of(draw.integers(1, 12), draw.sampled_from([0, 100, 1000]))
BUFFERS = draw.sampled_from([None, 2304, 8192, 65536])
SIZES = draw.sampled_from([32, 100, 300, 2000, 9000, 50_000])
RATES = draw.sampled_from([50, 400, 3000])
ARRIVALS = draw.sampled_from(["constant", "poisson", "burst"])
SERVICES = draw.builds(
    Service,
    kind=draw.sampled_from(["constant", "exponential", "lognormal"]),
    mean_ns=draw.sampled_from([0, 100_000, MS, 5 * MS]),
    sigma=draw.sampled_from([0.5, 1.5]),
)
STARTS = draw.sampled_from([None, None, 0, 30 * MS, 120 * MS])


def options_of(marks: tuple[int, int], buffers: tuple[int | None, int | None]) -> dict[str, int]:
    given = {"sndhwm": marks[0], "rcvhwm": marks[1], "sndbuf": buffers[0], "rcvbuf": buffers[1]}
    return {name: value for name, value in given.items() if value is not None}


NODE_OPTIONS = draw.builds(options_of, draw.tuples(MARKS, MARKS), draw.tuples(BUFFERS, BUFFERS))
NODES = draw.fixed_dictionaries({"socket": NODE_OPTIONS, "service": SERVICES, "start_ns": STARTS})
DURATION_NS = 150 * MS


def refined(topology: Topology, nodes: list[dict[str, Any]], quiet: str) -> Topology:
    """Each node with its own options; ``quiet`` is the group that has no service time."""
    changed: list[Node] = []
    for position, spec in enumerate(topology.nodes):
        own = nodes[position % len(nodes)]
        options = {**spec.options, "socket": own["socket"]}
        if spec.group != quiet:
            options["service"] = dataclasses.asdict(own["service"])
        # Whoever binds is there from the start: over inproc, as everywhere, the others may come before.
        start_ns = own["start_ns"] if position else None
        changed.append(dataclasses.replace(spec, options=options, start_ns=start_ns))
    return dataclasses.replace(topology, nodes=tuple(changed))


def slow(node: str, at_ns: int, lasts_ns: int) -> FaultSpec:
    return FaultSpec(
        label="x", kind="slow", options={"node": node, "at_ns": at_ns, "lasts_ns": lasts_ns, "factor": 8.0}
    )


def lawful(run: Run) -> tuple[Trace, Ledger]:
    """Nothing is wrong with the run; it may be unknown (the drain may have been cut off)."""
    trace, ledger, checks = judged(run)
    closes(ledger)
    assert broken(checks) == []
    assert trace.errors == {}
    assert trace.violations == ()
    return trace, ledger


def without_last_batch(ledger: Ledger, size: int, receivers: int) -> dict[str, int]:
    """Losses, apart from the last batch of a sender that has finished, which its kernel had no room for (F168)."""
    lost = dict(ledger.lost)
    assert lost.pop("disconnect_wire", 0) <= receivers * (8192 // size + 1)
    return lost


@given(
    transport=TRANSPORTS,
    rate=RATES,
    size=SIZES,
    arrivals=ARRIVALS,
    subscribers=draw.integers(1, 4),
    nodes=draw.lists(NODES, min_size=1, max_size=5),
    fault=draw.booleans(),
    drain_ns=draw.sampled_from([0, 20 * MS, 10 * S]),
    seed=draw.integers(0, 2**32),
)
@settings(derandomize=True, max_examples=120, deadline=None)
def test_publishing_is_lawful(
    transport: Any,
    rate: int,
    size: int,
    arrivals: Any,
    subscribers: int,
    nodes: Any,
    fault: bool,
    drain_ns: int,
    seed: int,
) -> None:
    options = pubsub.Options(
        rate_per_s=rate,
        size_bytes=size,
        transport=transport,
        subscribers={"sub": subscribers},
        arrivals=arrivals,
        burst=7,
    )
    topology = refined(pubsub.build(options, DURATION_NS), nodes, "pub")
    faults = (slow(topology.nodes[-1].name, 40 * MS, 60 * MS),) if fault else ()
    _, ledger = lawful(run_of(topology, duration_ns=DURATION_NS, drain_limit_ns=drain_ns, seed=seed, faults=faults))
    assert set(without_last_batch(ledger, size, subscribers)) <= {"no_peer", "not_subscribed", "hwm_sender"}


@given(
    transport=TRANSPORTS,
    rate=RATES,
    size=SIZES,
    arrivals=ARRIVALS,
    workers=draw.integers(1, 4),
    nodes=draw.lists(NODES, min_size=1, max_size=5),
    fault=draw.booleans(),
    drain_ns=draw.sampled_from([0, 20 * MS, 10 * S]),
    seed=draw.integers(0, 2**32),
)
@settings(derandomize=True, max_examples=120, deadline=None)
def test_dealing_out_work_is_lawful_and_loses_nothing(
    transport: Any, rate: int, size: int, arrivals: Any, workers: int, nodes: Any, fault: bool, drain_ns: int, seed: int
) -> None:
    """RFC 30: PUSH waits rather than drops."""
    options = pipeline.Options(
        rate_per_s=rate, size_bytes=size, transport=transport, workers={"worker": workers}, arrivals=arrivals, burst=7
    )
    topology = refined(pipeline.build(options, DURATION_NS), nodes, "ventilator")
    faults = (slow(topology.nodes[-1].name, 40 * MS, 60 * MS),) if fault else ()
    trace, ledger = lawful(run_of(topology, duration_ns=DURATION_NS, drain_limit_ns=drain_ns, seed=seed, faults=faults))
    assert without_last_batch(ledger, size, workers) == {}
    if not trace.limits_hit:
        assert ledger.in_flight == 0


@given(
    transport=TRANSPORTS,
    rate=draw.sampled_from([20, 100, 500]),
    size=SIZES,
    arrivals=ARRIVALS,
    clients=draw.integers(1, 4),
    nodes=draw.lists(NODES, min_size=1, max_size=5),
    drain_ns=draw.sampled_from([0, 20 * MS, 10 * S]),
    seed=draw.integers(0, 2**32),
)
@settings(derandomize=True, max_examples=120, deadline=None)
def test_asking_and_answering_is_lawful_and_loses_nothing(
    transport: Any, rate: int, size: int, arrivals: Any, clients: int, nodes: Any, drain_ns: int, seed: int
) -> None:
    """RFC 28: with nobody gone every request has its reply, but for one that REP drops at a tiny mark.

    With SNDHWM 1 the pipe counts as full until the credit for the last reply has been looked at, and a
    send that follows soon does not look (F43, F51); REP then drops without a word (F88).
    """
    options = reqrep.Options(
        rate_per_s=rate, size_bytes=size, transport=transport, clients={"client": clients}, arrivals=arrivals, burst=3
    )
    topology = reqrep.build(options, DURATION_NS)
    spec, *others = topology.nodes
    server = refined(dataclasses.replace(topology, nodes=(spec,)), nodes, "client").nodes
    rest = refined(dataclasses.replace(topology, nodes=(spec, *others)), nodes, "client").nodes[1:]
    trace, ledger = lawful(
        run_of(
            dataclasses.replace(topology, nodes=(*server, *rest)),
            duration_ns=DURATION_NS,
            drain_limit_ns=drain_ns,
            seed=seed,
        )
    )
    assert set(ledger.lost) <= {"hwm_router"}
    if not trace.limits_hit:
        assert ledger.delivered + sum(ledger.lost.values()) == ledger.expected


# -- the laws bite -------------------------------------------------------------------------------------


def test_a_message_that_vanishes_breaks_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every hundredth flush forgets its newest message: the check of the laws must not let it pass."""
    from harness.twin.pipe import Pipe

    count = 0
    whole = Pipe.flush

    def leaking(self: Pipe) -> None:
        nonlocal count
        count += 1
        if count % 100 == 0 and self.out_queue and self.out_queue[-1].kind == 0:
            self.out_queue.pop()
        whole(self)

    monkeypatch.setattr(Pipe, "flush", leaking)
    run = run_of(pipeline.build(pipeline.Options(rate_per_s=2000), DURATION_NS), duration_ns=DURATION_NS)
    _, ledger, checks = judged(run)
    assert ledger.unexplained > 0
    assert checks.verdict == "invalid"


def test_a_pipe_that_lets_too_many_in_breaks_a_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credit that is announced too early is found by the twin's own check of the mark."""
    from harness.twin.pipe import Pipe

    whole = Pipe.process_activate_write
    monkeypatch.setattr(Pipe, "process_activate_write", lambda self, count: whole(self, count + 3))
    nodes: list[dict[str, Any]] = [
        {"socket": {"sndhwm": 10, "rcvhwm": 10}, "service": Service(mean_ns=2 * MS), "start_ns": None}
    ]
    options = pubsub.Options(rate_per_s=3000, size_bytes=2000, transport="ipc", subscribers={"sub": 1})
    topology = refined(pubsub.build(options, DURATION_NS), nodes, "pub")
    trace, _, checks = judged(run_of(topology, duration_ns=DURATION_NS))
    assert trace.violations != ()
    assert checks.verdict == "invalid"
