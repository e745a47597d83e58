"""Loss: how many owed messages did not arrive, by receiver, by cause, and over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from harness.metrics import Array, Columns, columns, receivers, rows_by, share
from harness.run import Run

BINS = 100


def measure(messages: pa.Table, run: Run) -> dict[str, Any]:
    """Counts and shares of what was due at or after the warm-up.

    Returns:
        ``all``, ``receivers.<name>`` and ``flows.<name>``, each with ``expected``, ``delivered``,
        ``lost`` (cause to count), ``lost_total``, ``in_flight``, ``unexplained`` (counts), ``share``
        (lost of expected, 0 to 1, None when nothing was expected) and ``undelivered_share`` (what an
        outside observer sees: not received, for whatever reason). A receiver of a flow that owes to
        any one is expected to get what it got.
        ``over_time``: ``start_ns`` (of each bin of intended time), ``width_ns``, and
        ``receivers.<name>`` and ``flows.<name>`` with ``expected`` and ``lost`` (counts a bin).
    """
    table = columns(messages, run)
    measured = table.intended_ns >= run.warmup_ns
    by_receiver = rows_by(table.receiver, len(table.node_names), measured)
    by_flow = rows_by(table.flow, len(table.flow_names), measured)
    named = {name: by_receiver[number] for number, name in receivers(run)}
    flows = dict(zip(table.flow_names, by_flow, strict=True))
    width = max(1, -(-max(1, run.duration_ns - run.warmup_ns) // BINS))
    return {
        "all": _counts(table, np.flatnonzero(measured)),
        "receivers": {name: _counts(table, rows) for name, rows in named.items()},
        "flows": {name: _counts(table, rows) for name, rows in flows.items()},
        "over_time": {
            "width_ns": width,
            "start_ns": [run.warmup_ns + number * width for number in range(BINS)],
            "receivers": {name: _binned(table, rows, run.warmup_ns, width) for name, rows in named.items()},
            "flows": {name: _binned(table, rows, run.warmup_ns, width) for name, rows in flows.items()},
        },
    }


def _counts(table: Columns, rows: Array) -> dict[str, Any]:
    causes = np.bincount(table.cause[rows] + 1, minlength=len(table.cause_names) + 1)[1:].tolist()
    lost, delivered = (int(np.count_nonzero(fate[rows])) for fate in (table.lost, table.delivered))
    return {
        "expected": len(rows),
        "delivered": delivered,
        "lost": {name: count for name, count in zip(table.cause_names, causes, strict=True) if count},
        "lost_total": lost,
        "in_flight": int(np.count_nonzero(table.in_flight[rows])),
        "unexplained": int(np.count_nonzero(table.unexplained[rows])),
        "share": share(lost, len(rows)),
        "undelivered_share": share(len(rows) - delivered, len(rows)),
    }


def _binned(table: Columns, rows: Array, start_ns: int, width_ns: int) -> dict[str, list[int]]:
    # What is due after the end of the load (a reply, say) belongs to the last bin.
    bins = np.minimum((table.intended_ns[rows] - start_ns) // width_ns, BINS - 1)
    return {
        "expected": np.bincount(bins, minlength=BINS).tolist(),
        "lost": np.bincount(bins[table.lost[rows]], minlength=BINS).tolist(),
    }
