"""Figures of one run, one module each: ``measure(messages, run)`` over the table of the ledger.

What was due before ``run.warmup_ns`` is left out; each module says how, where that is not plain.
Receivers and flows come from the topology, so that one that got nothing still has its row.
Results are plain data (dicts, lists, numbers, None for "no sample"), except where a module says
that it gives arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from harness import kinds
from harness.ledger.columns import Array, Columns, columns
from harness.run import Run

__all__ = ["Array", "Columns", "columns", "measure_all", "receivers", "rows_by", "share"]


def measure_all(messages: pa.Table, run: Run) -> dict[str, dict[str, Any]]:
    """Every metric of this package by name.

    Args:
        messages: ``Ledger.messages``, or the same read back from a file.
        run: the run that they are of.
    """
    return {name: kinds.load(__name__, name).measure(messages, run) for name in kinds.names(__name__)}


def rows_by(group: Array, count: int, chosen: Array) -> list[Array]:
    """For each of ``count`` groups the positions of its chosen rows, in order.

    One sort for all: a thousand receivers cost as much as one.
    """
    rows = np.flatnonzero(chosen & (group >= 0))
    of_row = group[rows]
    order = np.argsort(of_row, kind="stable")
    rows = rows[order]
    edges = np.searchsorted(of_row[order], np.arange(count + 1))
    return [rows[edges[number] : edges[number + 1]] for number in range(count)]


def receivers(run: Run) -> Iterator[tuple[int, str]]:
    """Position and name of each node that some flow owes messages to, in the order of the topology."""
    owed = {name for flow in run.topology.flows for name in flow.receivers}
    for number, node in enumerate(run.topology.nodes):
        if node.name in owed:
            yield number, node.name


def share(part: int, whole: int) -> float | None:
    """``part / whole``; None when the whole is nothing."""
    return part / whole if whole else None
