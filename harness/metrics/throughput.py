"""Throughput: messages a second that each receiver got while the load was offered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from harness.metrics import columns, receivers, rows_by
from harness.run import Run


def measure(messages: pa.Table, run: Run) -> dict[str, Any]:
    """Receptions in the measured window, from the warm-up to the end of the load.

    Here it is the time of reception that counts, not the intended time: a receiver with a backlog
    works in the window on what was due before.

    Returns:
        ``window_ns`` (its length), ``all``, ``receivers.<name>`` and ``flows.<name>``, each with
        ``received`` (count) and ``received_per_s``; a flow has ``offered_per_s`` too: owed deliveries
        that were due in the window. The rates are None when the window is empty.
    """
    table = columns(messages, run)
    start, end = run.warmup_ns, run.duration_ns
    window_ns = max(0, end - start)
    seconds = window_ns / 1e9
    chosen = table.delivered & (table.received_ns >= start) & (table.received_ns < end)
    due = (table.intended_ns >= start) & (table.intended_ns < end)
    by_receiver = rows_by(table.receiver, len(table.node_names), chosen)
    by_flow = rows_by(table.flow, len(table.flow_names), chosen)
    offered = np.bincount(table.flow[due], minlength=len(table.flow_names)).tolist()
    return {
        "window_ns": window_ns,
        "all": _rate(int(np.count_nonzero(chosen)), seconds),
        "receivers": {name: _rate(len(by_receiver[number]), seconds) for number, name in receivers(run)},
        "flows": {
            name: {
                **_rate(len(by_flow[number]), seconds),
                "offered_per_s": offered[number] / seconds if seconds else None,
            }
            for number, name in enumerate(table.flow_names)
        },
    }


def _rate(count: int, seconds: float) -> dict[str, Any]:
    return {"received": count, "received_per_s": count / seconds if seconds else None}
