"""Figures of one run, one module each: ``measure(messages, run)`` over the table of the ledger.

What was due before ``run.warmup_ns`` is left out; each module says how, where that is not plain.
Receivers and flows come from the topology, so that one that got nothing still has its row.
Results are plain data (dicts, lists, numbers, None for "no sample"), except where a module says
that it gives arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness import kinds
from harness.run import Run

Array = npt.NDArray[Any]


def measure_all(messages: pa.Table, run: Run) -> dict[str, dict[str, Any]]:
    """Every metric of this package by name.

    Args:
        messages: ``Ledger.messages``, or the same read back from a file.
        run: the run that they are of.
    """
    return {name: kinds.load(__name__, name).measure(messages, run) for name in kinds.names(__name__)}


@dataclass(frozen=True, slots=True)
class Columns:
    """The table of the ledger as arrays of shape (rows,).

    Attributes:
        flow, sender: positions in ``flow_names`` and ``node_names``.
        receiver: position in ``node_names``, -1 for nobody (yet).
        intended_ns, sent_ns, received_ns: int64, ns after the start line; ``received_ns`` is 0
            where not ``delivered``.
        delivered, lost, in_flight, unexplained: bool, the fate.
        cause: position in ``cause_names``, -1 unless lost.
    """

    flow: Array
    sender: Array
    receiver: Array
    intended_ns: Array
    sent_ns: Array
    received_ns: Array
    delivered: Array
    lost: Array
    in_flight: Array
    unexplained: Array
    cause: Array
    flow_names: tuple[str, ...]
    node_names: tuple[str, ...]
    cause_names: tuple[str, ...]


def columns(messages: pa.Table, run: Run) -> Columns:
    """Read the table, in the order of its rows; names are numbered as in the topology."""
    nodes = tuple(node.name for node in run.topology.nodes)
    flows = tuple(flow.name for flow in run.topology.flows)
    fate, fates = codes(messages, "fate")
    position = {name: number for number, name in enumerate(fates)}
    cause, causes = codes(messages, "cause")
    return Columns(
        flow=numbered(messages, "flow", flows),
        sender=numbered(messages, "sender", nodes),
        receiver=numbered(messages, "receiver", nodes),
        intended_ns=integers(messages, "intended_ns"),
        sent_ns=integers(messages, "sent_ns"),
        received_ns=integers(messages, "received_ns"),
        delivered=fate == position.get("delivered", -2),
        lost=fate == position.get("lost", -2),
        in_flight=fate == position.get("in_flight", -2),
        unexplained=fate == position.get("unexplained", -2),
        cause=cause,
        flow_names=flows,
        node_names=nodes,
        cause_names=causes,
    )


def codes(table: pa.Table, column: str) -> tuple[Array, tuple[str, ...]]:
    """A column of names as positions, int32, shape (rows,), -1 for null; and the names."""
    # A file has a dictionary for each row group, in the order in which its names appear there.
    array = table.column(column).unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # what Arrow gives for no rows
        array = array.chunk(0) if array.num_chunks else pa.array([], pa.dictionary(pa.int32(), pa.string()))
    positions = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(positions), tuple(array.dictionary.to_pylist())


def numbered(table: pa.Table, column: str, names: tuple[str, ...]) -> Array:
    """A column of names as positions in ``names``, int32; -1 for null. Raises ValueError for any other name."""
    positions, found = codes(table, column)
    # The last item is where -1 looks up.
    lookup = np.array([names.index(name) for name in found] + [-1], dtype=np.int32)
    return np.asarray(lookup[positions])


def integers(table: pa.Table, column: str) -> Array:
    """A column of integers, int64, shape (rows,); 0 for null."""
    return np.asarray(table.column(column).combine_chunks().fill_null(0).to_numpy(zero_copy_only=False))


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
