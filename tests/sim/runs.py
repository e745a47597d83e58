"""Makes small simulated runs, and reads what came of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.check import Checks, check
from harness.ledger import Ledger, settle
from harness.run import Run
from harness.sim.world import execute
from harness.topology import Endpoint, Flow, Node, Topology
from harness.trace import EVENTS, Kind, Trace
from harness.units import format_duration_ns, parse_duration_ns

MS = 1_000_000
S = 1_000_000_000
PROGRAMS = Path(__file__).with_name("programs.py")
EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
SHORT = 0.3
"""Of the times of an experiment, for most of its seeds: chance is the same, and there is less of the load."""
LESS_SHORT = {"fan": 0.5, "memory-limit": 0.6, "subscriber-crash": 0.6}
"""Where less time is too little for what the experiment claims, or for shares of its losses."""
TIMES = ("duration", "warmup", "start", "at", "lasts")


def run_of(topology: Topology, *, duration_ns: int = S // 2, **changes: Any) -> Run:
    fields: dict[str, Any] = {
        "experiment": "test",
        "variant": "plain",
        "world": "sim",
        "seed": 7,
        "replication": 0,
        "duration_ns": duration_ns,
        "warmup_ns": 0,
        "drain_limit_ns": 10 * S,
        "wall_limit_ns": 60 * S,
    }
    return Run(topology=topology, **{**fields, **changes})


def node(name: str, program: str, *, start_ns: int | None = None, **options: Any) -> Node:
    return Node(name=name, group=name, program=f"{PROGRAMS}:{program}", options=options, start_ns=start_ns)


def alone(program: str, *, start_ns: int | None = None, **options: Any) -> Topology:
    """One node."""
    return Topology(nodes=(node("one", program, start_ns=start_ns, **options),), endpoints=(), flows=())


def pushing(
    program: str = "pushes", transport: Any = "tcp", *, service_ns: int = 0, rcvhwm: int = 1000, **options: Any
) -> Topology:
    """One node pushes to another."""
    work = Endpoint(
        name="work", transport=transport, binder="pull", connecters=("push",), binder_type="PULL", connecter_type="PUSH"
    )
    return Topology(
        nodes=(node("push", program, **options), node("pull", "pulls", service_ns=service_ns, rcvhwm=rcvhwm)),
        endpoints=(work,),
        flows=(Flow(name="work", senders=("push",), receivers=("pull",), delivery="one", endpoint="work"),),
    )


def shortened(name: str) -> list[str]:
    """Overrides that make every time of an experiment that much shorter."""
    factor = LESS_SHORT.get(name, SHORT)

    def times(table: dict[str, Any], path: str) -> Iterator[str]:
        for key, value in table.items():
            if isinstance(value, dict):
                yield from times(value, f"{path}{key}.")
            elif key in TIMES:
                yield f"{path}{key}={format_duration_ns(round(parse_duration_ns(value) * factor / MS) * MS)}"

    return list(times(tomllib.loads((EXPERIMENTS / f"{name}.toml").read_text()), ""))


def judged(run: Run) -> tuple[Trace, Ledger, Checks]:
    """A run through to its verdict."""
    trace = execute(run)
    ledger = settle(run, trace)
    return trace, ledger, check(run, trace, ledger)


def of_kind(trace: Trace, kind: Kind, name: str) -> npt.NDArray[Any]:
    """A node's records of that kind."""
    records = trace.records
    return records[(records["kind"] == kind) & (records["node"] == trace.nodes.index(name))]


def events(trace: Trace, event: str, name: str) -> list[int]:
    """When that happened at the node, ns."""
    records = of_kind(trace, Kind.EVENT, name)
    return [int(time) for time in records["time_ns"][records["flag"] == EVENTS.index(event)]]


def same(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> bool:
    return first.tobytes() == second.tobytes() and bool(np.array_equal(first, second))
