"""Gaps: how many messages in a row were lost, and how many came through between two gaps.

A PUB whose pipe is full drops until credit comes back, then passes whole credit quanta, so that
stretches between gaps are multiples of (HWM + 1) // 2 (F29, F34).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from harness.ledger.columns import alternation
from harness.metrics import Array, columns, receivers
from harness.run import Run


def measure(messages: pa.Table, run: Run) -> dict[str, Any]:
    """Lengths, in messages, over the sequence of each flow, sender and receiver.

    The sequences are those of the whole run; a gap or a stretch counts when its first message was
    due at or after the warm-up. Messages in flight at the end are neither lost nor delivered and
    end the sequence.

    Returns:
        ``receivers.<name>`` (flows that owe to every receiver or to the one addressed) and
        ``flows.<name>`` (flows that owe to any one), each with ``gap_messages`` (lengths of the runs of
        undelivered messages after the first reception), ``gap_start_ns`` (when the first message of each
        was due), ``stretch_messages`` (lengths of the delivered runs between two gaps): arrays, int64;
        ``join_messages`` (int: undelivered before the first reception) and ``first_messages`` (lengths,
        array: delivered before the first gap, for each sender that has one).
    """
    table = columns(messages, run)
    nodes, flows = len(table.node_names), len(table.flow_names)
    to_any = np.array([flow.delivery == "one" for flow in run.topology.flows], dtype=bool)
    aside = to_any[table.flow] if len(table.flow) else np.zeros(0, dtype=bool)
    receiver = np.where(aside, nodes, table.receiver)
    sequence = (table.flow.astype(np.int64) * nodes + table.sender) * (nodes + 1) + receiver
    order = np.argsort(sequence, kind="stable")
    order = order[receiver[order] >= 0]
    ends = np.flatnonzero(np.diff(sequence[order])) + 1
    parts: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for rows in np.split(order, ends) if len(order) else []:
        open_at = np.flatnonzero(table.in_flight[rows])
        judged = rows[: open_at[0]] if len(open_at) else rows
        first = rows[0]
        whose = ("flows", int(table.flow[first])) if aside[first] else ("receivers", int(table.receiver[first]))
        lengths = _lengths(table.delivered[judged], table.intended_ns[judged], run.warmup_ns)
        parts.setdefault(whose, []).append(lengths)
    return {
        "receivers": {name: _joined(parts.get(("receivers", number), [])) for number, name in receivers(run)},
        "flows": {
            table.flow_names[number]: _joined(parts.get(("flows", number), []))
            for number in range(flows)
            if to_any[number]
        },
    }


def _lengths(delivered: Array, intended_ns: Array, warmup_ns: int) -> dict[str, Any]:
    """Runs of one sequence, shape (messages,)."""
    if not delivered.any():
        return {**_nothing(), "join_messages": len(delivered)}
    join = int(np.argmax(delivered))
    got = delivered[join:]
    starts, lengths, _ = alternation(got)
    counts = intended_ns[join:][starts] >= warmup_ns
    # They alternate, and the first was delivered.
    gaps, stretches = slice(1, None, 2), slice(2, None, 2)
    between = lengths[stretches], counts[stretches]
    if got[-1] and len(lengths) > 1:  # the last stretch has not met its end
        between = between[0][:-1], between[1][:-1]
    return {
        "gap_messages": lengths[gaps][counts[gaps]],
        "gap_start_ns": intended_ns[join:][starts[gaps]][counts[gaps]],
        "stretch_messages": between[0][between[1]],
        "first_messages": lengths[:1] if len(lengths) > 1 else _EMPTY,
        "join_messages": join,
    }


_EMPTY: Array = np.zeros(0, dtype=np.int64)


def _nothing() -> dict[str, Any]:
    arrays = dict.fromkeys(("gap_messages", "gap_start_ns", "stretch_messages", "first_messages"), _EMPTY)
    return {**arrays, "join_messages": 0}


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Several sequences as one."""
    if not parts:
        return _nothing()
    return {
        name: sum(part[name] for part in parts)
        if name == "join_messages"
        else np.concatenate([part[name] for part in parts])
        for name in parts[0]
    }
