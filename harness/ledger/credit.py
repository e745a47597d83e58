"""The arithmetic of credit: which losses a full pipe can cause, and which it cannot.

A pipe with a high-water mark H takes H messages before it refuses the first. Its reader then gives
credit in lumps of L = (H + 1) // 2, so that the first refused message is number H + k * L of those
that were offered to this pipe, and between two bursts of loss a multiple of L passes (F29, F31,
F34). Over inproc the two ends share one pipe of SNDHWM + RCVHWM (F8); 0 at either end is no limit
(F10). There is no tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from harness.ledger.columns import Array, Columns, alternation, columns
from harness.ledger.inference import JOIN_CAUSES, PUBLISHERS, Links, publishers
from harness.ledger.marks import low_water_mark, pipe_capacity
from harness.run import Run
from harness.topology import MULTICAST, Endpoint, Flow
from harness.trace import Trace

_BEFORE = (*JOIN_CAUSES, "filtered")
"""Causes of loss that never reach the pipe: its count does not know these messages."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the arithmetic says of all pipes of a run.

    Attributes:
        pipes: how many were judged: a PUB, a receiver, one connection, and loss to a full pipe.
        stretches: how many lengths were judged in them.
        skipped: sentences, one for each pipe that lost messages and could not be judged.
        broken: sentences, one for each pipe that broke the arithmetic.
    """

    pipes: int
    stretches: int
    skipped: tuple[str, ...]
    broken: tuple[str, ...]


def examine(run: Run, trace: Trace, messages: pa.Table) -> Findings:
    """Hold every pipe that lost messages for being full against the arithmetic; ``messages``: of the ledger."""
    table = columns(messages, run)
    links = Links(run, trace)
    pipes, stretches = 0, 0
    skipped: list[str] = []
    broken: list[str] = []
    for flow, name, receivers, span in publishers(run.topology, table.flow, table.sender):
        endpoint = run.topology.endpoint_of(flow)
        for column, receiver in enumerate(receivers):
            states = _states(table, slice(span.start + column, span.stop, len(receivers)))
            if endpoint is None or not (states == _REFUSED).any():
                continue
            label = f"{flow.name}: {name} to {receiver}"
            why = _why_not(run, links, flow, endpoint, name, receiver) or _strange(states)
            capacity = None if why else pipe_capacity(run.topology, endpoint, name, receiver)
            if capacity is None:
                skipped.append(f"{label}: {why or 'its program sets its own marks'}")
                continue
            pipes += 1
            count, fault = _judge(states[(states == _TAKEN) | (states == _REFUSED)] == _TAKEN, capacity)
            stretches += count
            if fault:
                broken.append(f"{label}: {fault}")
    return Findings(pipes, stretches, tuple(skipped), tuple(broken))


_BYPASSED, _TAKEN, _REFUSED, _STRANGE = range(4)


def _states(table: Columns, rows: slice) -> Array:
    """What the pipe did with each message, shape (messages,), in the order of sending.

    Cut before the first message of unknown fate: what the pipe did with it, nobody knows.
    """
    cause = table.cause[rows]
    position = {name: number for number, name in enumerate(table.cause_names)}
    states = np.where(table.delivered[rows] | table.in_flight[rows], _TAKEN, _STRANGE)
    states[np.isin(cause, [position[name] for name in _BEFORE if name in position])] = _BYPASSED
    states[cause == position.get("hwm_sender", -2)] = _REFUSED
    unknown = np.flatnonzero(table.unexplained[rows])
    return states[: unknown[0]] if len(unknown) else states


def _strange(states: Array) -> str:
    return "it lost messages that it had taken" if (states == _STRANGE).any() else ""


def _why_not(run: Run, links: Links, flow: Flow, endpoint: Endpoint, sender: str, receiver: str) -> str:
    """Why this pipe cannot be judged; empty when it can."""
    if not endpoint.connects(sender, receiver):
        return "there is a node in between"
    if endpoint.socket_type(sender) not in PUBLISHERS:
        return "the sender is no PUB"
    if endpoint.transport in MULTICAST:
        return "it has one pipe for all of a group, and what that took may be lost behind it"
    if links.broke(endpoint, sender, receiver):
        return "its connection broke, and a new pipe counts anew"
    others = [
        other
        for other in run.topology.flows
        if other.endpoint == flow.endpoint and other.name != flow.name and sender in other.senders
    ]
    return "several flows share it" if others else ""


def _judge(taken: Array, capacity: int) -> tuple[int, str]:
    """How many lengths were judged, and what is wrong with the first wrong one.

    ``taken``: shape (messages offered to the pipe,), True taken, False refused; one at least refused.
    """
    if capacity == 0:
        return 1, "it has no high-water mark, and yet messages were lost to one"
    quantum = low_water_mark(capacity)
    starts, lengths, _ = alternation(taken)
    first = int(lengths[0]) if taken[0] else 0
    if first < capacity or (first - capacity) % quantum:
        return 1, f"the first lost one is number {first} of this pipe, which is not {capacity} + k x {quantum}"
    # The last stretch, if nothing was refused after it, may have any length.
    between = lengths[2:-1:2] if taken[-1] else lengths[2::2]
    wrong = np.flatnonzero(between % quantum)
    if len(wrong):
        at = int(starts[2::2][wrong[0]])
        return len(between) + 1, (
            f"{len(wrong)} of {len(between)} stretches between losses are no multiple of {quantum}; "
            f"the first is {int(between[wrong[0]])} long and starts at number {at} of this pipe"
        )
    return len(between) + 1, ""
