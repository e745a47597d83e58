"""Execute a run in the live world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.live.environment import Machine
from harness.live.pinning import pinned
from harness.live.supervisor import Supervisor
from harness.run import Run
from harness.trace import Trace


def execute(run: Run) -> Trace:
    """Carry the run out on real sockets, in real processes, in real time.

    A limit that is hit (records, drain, real time) is named in ``Trace.limits_hit``; a program that
    fails, and a process that ends by itself, in ``Trace.errors``, and ends the run. Records written
    until then are kept. No process is left, whatever happens.

    Raises OSError when processes or addresses cannot be had; KeyError, TypeError for faults that make no sense.
    """
    with pinned(run.live.cpu):
        machine = Machine()
        supervisor = Supervisor(run)
        supervisor.carry_out()
    topology = run.topology
    return Trace(
        run_id=run.id,
        world="live",
        nodes=tuple(node.name for node in topology.nodes),
        flows=tuple(flow.name for flow in topology.flows),
        records=supervisor.records,
        end_ns=supervisor.end_ns,
        limits_hit=tuple(supervisor.limits_hit),
        errors=supervisor.errors,
        environment=_merged(machine.describe(supervisor.records), supervisor.environment),
    )


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both, table by table; ``over`` counts."""
    tables = {key: _merged(base[key], value) for key, value in over.items() if isinstance(base.get(key), Mapping)}
    return {**base, **over, **tables}
