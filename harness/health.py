"""The health of a live run: was the load offered as it was meant, and how much of the machine did others take?"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from harness.ledger.inference import PUBLISHERS
from harness.run import Run, schedule
from harness.topology import Endpoint, Node
from harness.trace import NONE, Kind, Trace

LATE_NS = 5_000_000
"""A message that leaves this much after it was due is late."""

LATE_SHARE = 0.05
"""With a larger share of late messages the p95 latency is the load generator's, not ZeroMQ's."""

SHORT_SHARE = 0.01
"""A sender that leaves out a larger share of what it was to send has offered another load."""

_CHANCE = 5.0
"""Standard deviations by which the number of messages of a Poisson schedule may differ from its mean."""

STEAL_SHARE = 0.03
FOREIGN_SHARE = 0.08
"""Shares of all processor time, taken by the host and by other work, over which a run is marked: with more of either,
tails of latency were seen to be the machine's and not ZeroMQ's."""


class Judgement(NamedTuple):
    """What became of the load: state and words of a law, and whether not knowing decides about the run."""

    state: Literal["valid", "invalid", "unknown"]
    detail: str
    decides: bool


def offered(run: Run, trace: Trace) -> Judgement:
    """Whether the load was offered when it was due, and all of it.

    Judged where a send never blocks (PUB, XPUB), and at nodes that no fault and no limit of the experiment hit: a
    miss is the machine's there, and the run does not tell what it was made to tell. Elsewhere a message may leave
    late because the one before it had to wait, which is the pattern's affair; that is told, and does not decide.
    """
    records = trace.records
    sends = (records["kind"] >= Kind.ATTEMPT) & (records["kind"] <= Kind.REJECTED) & (records["peer"] == NONE)
    ended = trace.environment.get("memory_ends", {})
    free = [number for number in _free(run) if run.topology.nodes[number].name not in ended]
    of_free = sends & np.isin(records["node"], free)
    decides = bool(of_free.any())
    sends = of_free if decides else sends
    at = np.flatnonzero(sends & (records["other_ns"] >= run.warmup_ns))
    if not len(at):
        return Judgement("unknown", "nothing was sent", False)
    late = int(np.count_nonzero(records["time_ns"][at] - records["other_ns"][at] > LATE_NS))
    details = [f"{late} of {len(at)} messages left more than {LATE_NS // 1_000_000} ms late"]
    missed = late > LATE_SHARE * len(at)
    for number in free if not (trace.limits_hit or trace.errors or trace.broken_off) else ():
        if short := _short(run.topology.nodes[number], records[of_free & (records["node"] == number)]):
            details.append(short)
            missed = True
    detail = "; ".join(details)
    if not missed:
        return Judgement("valid", detail, decides)
    if decides:
        return Judgement("invalid", f"{detail}: the run missed its rate", decides)
    return Judgement("unknown", f"{detail}: the run missed its rate, or its senders were held up", decides)


def _free(run: Run) -> list[int]:
    """Positions of the nodes that nothing but the machine can keep from sending when they are due."""
    topology = run.topology
    endpoints: dict[str, list[Endpoint | None]] = {}
    for flow in topology.flows:
        for name in flow.senders:
            endpoints.setdefault(name, []).append(topology.endpoint_of(flow))
    hit = {fault.options.get("node") for fault in run.faults}
    disturbed: set[int] = set()
    for nodes in topology.together():
        if any(topology.nodes[one].name in hit for one in nodes):
            disturbed.update(nodes)
    return [
        number
        for number, node in enumerate(topology.nodes)
        if number not in disturbed
        and node.name in endpoints
        and all(end is not None and end.socket_type(node.name) in PUBLISHERS for end in endpoints[node.name])
        and not node.socket_options.get("xpub_nodrop")
    ]


def _short(node: Node, sends: npt.NDArray[Any]) -> str:
    """In words what is missing of the messages of a schedule; empty when nothing is, or there is no schedule.

    A program may wait for others and begin in the middle of its schedule: what counts is what was due from its first
    message on.
    """
    arrivals = schedule(node)
    if arrivals is None:
        return ""
    due = arrivals.count(int(sends["other_ns"].min()) if len(sends) else max(0, node.start_ns or 0))
    spread = _CHANCE * math.sqrt(due) if arrivals.kind == "poisson" else arrivals.burst
    if len(sends) >= (1 - SHORT_SHARE) * due - spread:
        return ""
    return f"{node.name} sent {len(sends)} of about {due:.0f} messages"


def noise(trace: Trace) -> tuple[str, ...]:
    """In words what others took of the machine during a live run, where that was too much."""
    taken = (
        ("steal_share", STEAL_SHARE, "the host took {} of the processor time away"),
        ("foreign_share", FOREIGN_SHARE, "other work took {} of the processor time"),
    )
    return tuple(
        f"{words.format(f'{share:.1%}')} (more than {limit:.0%})"
        for name, limit, words in taken
        if (share := trace.environment.get(name, 0.0)) > limit
    )
