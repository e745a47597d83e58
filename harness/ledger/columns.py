"""The tables of the ledger: how they are made, and how metrics, laws and plots read them, fresh or from a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.run import Run
from harness.trace import EVENTS, Kind, Trace, unpack_mark

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Columns:
    """The table of the ledger as arrays of shape (rows,).

    Attributes:
        flow, sender: positions in ``flow_names`` and ``node_names``.
        seq: the sender's number.
        receiver: position in ``node_names``, -1 for nobody (yet).
        intended_ns, sent_ns, received_ns: int64, ns after the start line; ``received_ns`` is 0
            where not ``delivered``.
        delivered, lost, in_flight, unexplained: bool, the fate.
        cause: position in ``cause_names``, -1 unless lost.
    """

    flow: Array
    sender: Array
    seq: Array
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
        seq=integers(messages, "seq"),
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


def alternation(values: Array) -> tuple[Array, Array, Array]:
    """Start, length (int64) and value of each stretch of equal values, shape (stretches,) each."""
    if not len(values):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), values
    starts = np.concatenate(([0], np.flatnonzero(np.diff(values)) + 1))
    return starts, np.diff(starts, append=len(values)), values[starts]


def dictionary(codes: Array, names: Any) -> pa.DictionaryArray:
    """Names by position; a negative code is null."""
    codes = codes.astype(np.int32, copy=False)
    missing = codes < 0
    indices = pa.array(codes, mask=missing) if missing.any() else pa.array(codes)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string()))


def events_table(trace: Trace) -> pa.Table:
    """All EVENT records as a table."""
    events = trace.records[trace.records["kind"] == Kind.EVENT]
    nodes = len(trace.nodes)
    columns = {
        "time_ns": pa.array(events["time_ns"].copy()),
        "event": dictionary(events["flag"], EVENTS),
        "node": dictionary(np.where(events["node"] < nodes, events["node"].astype(np.int32), -1), trace.nodes),
        "peer": dictionary(np.where(events["peer"] < nodes, events["peer"].astype(np.int32), -1), trace.nodes),
        "value": pa.array(events["aux"].astype(np.int64)),
        "name": pa.array(_mark_names(events), pa.string()),
    }
    return pa.table(columns)


def _mark_names(events: npt.NDArray[Any]) -> list[str | None]:
    """What programs called their marks; None for every other event."""
    names: list[str | None] = [None] * len(events)
    for row in np.flatnonzero(events["flag"] == EVENTS.index("mark")).tolist():
        names[row] = unpack_mark(int(events["seq"][row]), int(events["other_ns"][row]))
    return names
