"""Latency: from the time a message was due to its reception.

Counted from the intended time, not from the call of ``send``: a sender that is held up does not
hide the wait (coordinated omission). A reply keeps the intended time of its request, so that its
latency is the round trip.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from harness.metrics import Array, columns, receivers, rows_by
from harness.run import Run

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}

GRID = np.concatenate((np.arange(198) / 200, [0.99, 0.995, 0.999, 0.9999, 1.0]))
"""Quantiles for a plotted distribution: even, and denser at the end."""


def measure(messages: pa.Table, run: Run) -> dict[str, Any]:
    """Latency of delivered messages that were due at or after the warm-up, in ns.

    Returns:
        ``quantiles`` (the grid of all ``ecdf_ns``), ``all``, ``receivers.<name>`` and ``flows.<name>``,
        each with ``count``, ``negative`` (samples below zero: a wrong clock, or sent before due; kept,
        not discarded), ``min``, ``p50``, ``p90``, ``p99``, ``p999``, ``max``, ``mean`` and ``ecdf_ns``;
        None and empty without a sample. A quantile is the nearest-rank one: a value that was measured.
    """
    table = columns(messages, run)
    latency_ns = table.received_ns - table.intended_ns
    measured = table.delivered & (table.intended_ns >= run.warmup_ns)
    by_receiver = rows_by(table.receiver, len(table.node_names), measured)
    by_flow = rows_by(table.flow, len(table.flow_names), measured)
    return {
        "quantiles": GRID.tolist(),
        "all": _figures(latency_ns[measured]),
        "receivers": {name: _figures(latency_ns[by_receiver[number]]) for number, name in receivers(run)},
        "flows": {name: _figures(latency_ns[rows]) for name, rows in zip(table.flow_names, by_flow, strict=True)},
    }


def _figures(samples: Array) -> dict[str, Any]:
    count = len(samples)
    if count == 0:
        empty: dict[str, Any] = dict.fromkeys(("min", *QUANTILES, "max", "mean"))
        return {"count": 0, "negative": 0, **empty, "ecdf_ns": []}
    ranked = np.sort(samples)
    return {
        "count": count,
        "negative": int(np.searchsorted(ranked, 0)),
        "min": int(ranked[0]),
        **{name: int(_at(ranked, quantile)) for name, quantile in QUANTILES.items()},
        "max": int(ranked[-1]),
        "mean": float(ranked.mean()),
        "ecdf_ns": _at(ranked, GRID).tolist(),
    }


def _at(ranked: Array, quantile: Any) -> Any:
    """Nearest rank: the smallest value that at least that share of all does not exceed."""
    # The rounding keeps 0.9 * 10 at 9: the product of two floats may lie just above.
    rank = np.ceil(np.round(np.asarray(quantile) * len(ranked), 9)).astype(np.int64) - 1
    return ranked[np.clip(rank, 0, len(ranked) - 1)]
