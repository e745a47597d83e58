"""Backlog: messages sent to a receiver and not received yet, over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from harness.metrics import Array, Columns, columns, receivers, rows_by
from harness.run import Run

POINTS = 500


def measure(messages: pa.Table, run: Run) -> dict[str, Any]:
    """How many messages wait for each receiver, wherever they wait: in pipes, batches, kernel buffers.

    A message counts from its send until its reception. Lost ones are left out altogether: what a
    full pipe or a missing peer refuses never waits (and of what a break takes later, nobody outside
    knows when). Messages of a flow that owes to any one count at the receiver that got them. What
    never arrived and is not lost waits to the end.

    Returns:
        ``receivers.<name>``: ``max`` and ``mean`` (weighted by time) from the warm-up to the end of the
        load; ``time_ns`` and ``waiting``, the steps of the whole run, at most :data:`POINTS`: where
        there are more, each stands for an equal slice of time and gives its highest value.
    """
    table = columns(messages, run)
    by_receiver = rows_by(table.receiver, len(table.node_names), ~table.lost)
    return {"receivers": {name: _of(table, by_receiver[number], run) for number, name in receivers(run)}}


def _of(table: Columns, rows: Array, run: Run) -> dict[str, Any]:
    sent = table.sent_ns[rows]
    received = table.received_ns[rows][table.delivered[rows]]
    times, waiting = _steps(np.sort(sent), np.sort(received))
    start, end = run.warmup_ns, max(run.warmup_ns, run.duration_ns)
    inside = (times >= start) & (times < end)
    # The step in force when the window opens belongs to it.
    before = int(np.searchsorted(times, start, side="right")) - 1
    edges = np.concatenate(([start], times[inside], [end]))
    values = np.concatenate(([waiting[before] if before >= 0 else 0], waiting[inside]))
    lasting = np.diff(edges)
    reduced_times, reduced = _reduced(times, waiting)
    return {
        "max": int(values.max()),
        "mean": float((values * lasting).sum() / (end - start)) if end > start else None,
        "time_ns": reduced_times.tolist(),
        "waiting": reduced.tolist(),
    }


def _steps(sent: Array, received: Array) -> tuple[Array, Array]:
    """The step function: times, ascending and distinct, and the number waiting from then on.

    A message that is received in the very nanosecond of its send has not waited.
    """
    # Stable, because that merges two ascending halves instead of sorting them anew.
    times = np.sort(np.concatenate((sent, received)), kind="stable")
    times = times[np.diff(times, prepend=times[:1] - 1) != 0]
    waiting = np.searchsorted(sent, times, side="right") - np.searchsorted(received, times, side="right")
    return times, waiting


def _reduced(times: Array, waiting: Array) -> tuple[Array, Array]:
    if len(times) <= POINTS:
        return times, waiting
    width = -(-(int(times[-1]) - int(times[0]) + 1) // POINTS)
    slices = (times - times[0]) // width
    firsts = np.flatnonzero(np.diff(slices, prepend=-1))
    peaks = np.maximum.reduceat(waiting, firsts)
    # What waits when a slice begins waits in it too.
    carried = np.concatenate(([0], waiting[firsts[1:] - 1]))
    return times[0] + slices[firsts] * width, np.maximum(peaks, carried)
