"""Makes small live runs, and reads what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness import config
from harness.check import Checks, check
from harness.ledger import Ledger, settle
from harness.live.world import execute
from harness.patterns import pubsub
from harness.plan import plan
from harness.run import FaultSpec, Run
from harness.topology import Endpoint, Flow, Node, Topology
from harness.trace import EVENTS, Kind, Trace
from tests.conftest import ROOT

MS = 1_000_000
S = 1_000_000_000
PROGRAMS = Path(__file__).with_name("programs.py")


def of_experiment(name: str, variant: str, overrides: Sequence[str]) -> tuple[Checks, Ledger]:
    """What came of one live run of an experiment of the gallery, which reached what it claims."""
    experiment = config.load(ROOT / "experiments" / f"{name}.toml", overrides)
    (run,) = plan(experiment, ["live"], replications=1, variant=variant)
    trace = execute(run)
    assert trace.errors == {}
    assert trace.limits_hit == ()
    ledger = settle(run, trace)
    checks = check(run, trace, ledger)
    assert checks.vacuous == ()
    return checks, ledger


def run_of(topology: Topology, *, duration_ns: int = S, faults: tuple[FaultSpec, ...] = (), **changes: Any) -> Run:
    fields: dict[str, Any] = {
        "experiment": "test",
        "variant": "plain",
        "world": "live",
        "seed": 7,
        "replication": 0,
        "duration_ns": duration_ns,
        "warmup_ns": 0,
        "drain_limit_ns": 10 * S,
        "wall_limit_ns": 30 * S,
    }
    return Run(topology=topology, faults=faults, **{**fields, **changes})


def pubsub_run(transport: Any = "tcp", *, duration_ns: int = S // 2, rate_per_s: float = 200, **changes: Any) -> Run:
    options = pubsub.Options(rate_per_s=rate_per_s, transport=transport, subscribers={"fast": 2})
    return run_of(pubsub.build(options, duration_ns), duration_ns=duration_ns, **changes)


def node(name: str, program: str, *, start_ns: int | None = None, **options: Any) -> Node:
    return Node(name=name, group=name, program=f"{PROGRAMS}:{program}", options=options, start_ns=start_ns)


def alone(program: str, *, start_ns: int | None = None, **options: Any) -> Topology:
    """One node, and an endpoint that nobody connects to."""
    nowhere = Endpoint(
        name="nowhere", transport="tcp", binder="one", connecters=(), binder_type="PULL", connecter_type="PUSH"
    )
    return Topology(nodes=(node("one", program, start_ns=start_ns, **options),), endpoints=(nowhere,), flows=())


def pushing(transport: Any = "tcp", *, count: int, service_ns: int = 0) -> Topology:
    """One node pushes to another."""
    work = Endpoint(
        name="work", transport=transport, binder="pull", connecters=("push",), binder_type="PULL", connecter_type="PUSH"
    )
    return Topology(
        nodes=(node("push", "pushes", count=count), node("pull", "pulls", service_ns=service_ns)),
        endpoints=(work,),
        flows=(Flow(name="work", senders=("push",), receivers=("pull",), delivery="one", endpoint="work"),),
    )


def of_kind(trace: Trace, kind: Kind, name: str) -> npt.NDArray[Any]:
    """The records of that kind that this node wrote."""
    records = trace.records
    return records[(records["kind"] == kind) & (records["node"] == trace.nodes.index(name))]


def events(trace: Trace, event: str, name: str) -> list[int]:
    """When that happened at this node."""
    found = of_kind(trace, Kind.EVENT, name)
    return np.asarray(found["time_ns"][found["flag"] == EVENTS.index(event)]).tolist()
