"""When two nodes were connected, as an observer of both ends sees it: stays, and what ended each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.run import Run
from harness.topology import Endpoint
from harness.trace import EVENTS, NONE, Kind, Trace

Array = npt.NDArray[Any]

UNTOLD = -1
"""In place of a cause: what was seen does not tell."""

_UP = EVENTS.index("handshake_succeeded")
_DOWN = EVENTS.index("disconnected")
_FAULT = EVENTS.index("fault_on")
_MEMORY = EVENTS.index("memory_limit")
_KILLING = (_FAULT, _MEMORY)
_NEAR_NS = 100_000_000
"""Two ends learn of the same break within so much, where both do."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One connection's life.

    Attributes:
        up_ns: its handshake was done.
        down_ns: the sender learnt of its end; None when it lived as long as the run.
        receiver_died, sender_died: it ended because that process was killed.
        receiver_left: it ended because the receiver's program closed its socket.
    """

    up_ns: int
    down_ns: int | None
    receiver_died: bool = False
    sender_died: bool = False
    receiver_left: bool = False


def crashes(run: Run, events: Array) -> Iterator[tuple[int, int]]:
    """Node and time of each process that a fault or its memory limit has killed; ``events``: records of that kind."""
    killing = np.isin(events["flag"], _KILLING)
    for flag, node, fault, time_ns in events[["flag", "node", "aux", "time_ns"]][killing].tolist():
        if flag == _MEMORY or (fault < len(run.faults) and run.faults[fault].kind == "crash"):
            yield node, time_ns


def happened(trace: Trace) -> Array:
    """All records of events."""
    return np.asarray(trace.records[trace.records["kind"] == Kind.EVENT])


def departures(run: Run, events: Array) -> Iterator[tuple[int, int]]:
    """Node and time of each connection made anew by a node that had one and told of no end: it has closed its socket.

    A socket that is closed has nobody left to tell. Only of nodes with one socket, which connects, can it be known.
    """
    killings = dict.fromkeys(crashes(run, events))
    events = events[np.isin(events["flag"], (_UP, _DOWN, *_KILLING)) & (events["node"] < len(run.topology.nodes))]
    events = events[np.argsort(events["time_ns"], kind="stable")]
    for position in np.unique(events["node"]).tolist():
        name = run.topology.nodes[position].name
        ends = run.topology.ends_of(name)
        if len(ends) != 1 or name == ends[0].binder:
            continue
        is_up = False
        for flag, time_ns in events[["flag", "time_ns"]][events["node"] == position].tolist():
            if flag == _UP and is_up:
                yield position, time_ns
            is_up = flag == _UP or (is_up and flag in _KILLING and (position, time_ns) not in killings)


def stays(run: Run, events: Array, endpoint: Endpoint, sender: str, receiver: str) -> list[Stay]:
    """All connections between the two, in order; empty when nobody has told of any. ``events``: see :func:`happened`.

    The connecting end knows whom it is connected to; its events count. The binding end only knows that somebody has
    gone: its word is taken for the time of an end, if it fits. A process that is killed tells nothing more. Of a
    receiver that has closed its socket the binding end alone tells; if it told of several ends meanwhile, nothing is
    known.
    """
    ids = {node.name: position for position, node in enumerate(run.topology.nodes)}
    binder = ids[endpoint.binder]
    connecter = ids[receiver if sender == endpoint.binder else sender]
    events = events[np.isin(events["node"], (connecter, binder)) & np.isin(events["flag"], (_UP, _DOWN, *_KILLING))]
    events = events[np.argsort(events["time_ns"], kind="stable")]
    at_binder = events["time_ns"][(events["node"] == binder) & (events["flag"] == _DOWN)]
    killings = dict.fromkeys(crashes(run, events))
    left = dict.fromkeys(departures(run, events)) if ids[receiver] == connecter else {}
    found: list[Stay] = []
    up_ns: int | None = None
    for flag, node, peer, time_ns in events[["flag", "node", "peer", "time_ns"]].tolist():
        own = node == connecter and peer in (binder, NONE)
        killed = flag in _KILLING and (node, time_ns) in killings
        if flag == _UP and own and up_ns is None:
            up_ns = time_ns
        elif flag == _UP and own and up_ns is not None and (node, time_ns) in left:
            ends = at_binder[(at_binder > up_ns) & (at_binder < time_ns)]
            if len(ends) != 1:
                return []
            found.append(Stay(up_ns, int(ends[0]), receiver_left=True))
            up_ns = time_ns
        elif up_ns is not None and ((flag == _DOWN and own) or killed):
            end_ns = _end(time_ns, at_binder, sender == endpoint.binder)
            found.append(Stay(up_ns, end_ns, killed and node == ids[receiver], killed and node == ids[sender]))
            up_ns = None
    if up_ns is not None:
        found.append(Stay(up_ns, None))
    return found


def _end(time_ns: int, at_binder: Array, sender_binds: bool) -> int:
    """When the sender learnt of an end that the connecting side, or a fault, puts at ``time_ns``."""
    if sender_binds and len(at_binder):
        nearest = int(at_binder[np.argmin(np.abs(at_binder - time_ns))])
        if abs(nearest - time_ns) <= _NEAR_NS:
            return nearest
    return time_ns
