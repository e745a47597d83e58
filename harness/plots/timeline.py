"""Latency and loss over time, with the phases of faults shaded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.ledger.observed import Recorded, Stream
from harness.plots._style import (
    FAINT,
    Floats,
    Panel,
    Phase,
    band,
    few_ticks,
    figure,
    label,
    log_axis,
    panels,
    phases,
    shade,
    spread_text,
    worlds_key,
)
from harness.units import readable_percent

CAPTION = (
    "For the messages due in each sixtieth of the run: their median latency, and the share that was lost. Lines are "
    "medians over the runs of a world, bands their range. Shaded: a fault was on. Dotted: end of the warm-up, "
    "before which nothing counts in the figures elsewhere."
)

BINS = 60
MAX_PANELS = 4


def draw(runs: Sequence[Recorded]) -> Figure:
    """Latency and, where there is any, loss of each receiver. Raises NothingToDrawError without messages."""
    shown = panels(runs, MAX_PANELS, by_taker=True)
    edges = np.linspace(0, max(result.run.duration_ns for result in runs), BINS + 1)
    rows: list[tuple[Panel, str]] = []
    for panel in shown:
        everything = (*panel.live, *panel.sim)
        if any(stream.delivered.any() for stream in everything):
            rows.append((panel, "latency"))
        if any(not stream.delivered.all() for stream in everything):
            rows.append((panel, "loss"))
    faults = phases(runs)
    drawing, axes = figure(_title(shown, faults), [1.35] * len(rows), share_x=True)
    handles = []
    for one, (panel, what) in zip(axes, rows, strict=True):
        handles = shade(one, faults)
        (_latency if what == "latency" else _loss)(one, panel, edges)
        few_ticks(one)
        one.set_xlim(0, edges[-1] / 1e9)
        warmup_ns = runs[0].run.warmup_ns
        if warmup_ns:
            one.axvline(warmup_ns / 1e9, color=FAINT, linewidth=1.0, linestyle=":")
    label(axes[-1], x="due (s after the start)", y=axes[-1].get_ylabel(), name=axes[-1].get_title(loc="left"))
    worlds_key(axes[0], shown[0], handles)
    return drawing


def _title(shown: Sequence[Panel], faults: Sequence[Phase]) -> str:
    if not faults:
        worst = max(shown, key=lambda panel: panel.loss_points)
        loss = spread_text(worst, lambda stream: stream.loss_points, readable_percent)
        return f"No fault was on; {worst.name} lost {loss}" if worst.loss_points else "Nothing was lost at any time"
    first = faults[0]
    during = max(shown, key=lambda panel: _median_loss(panel, first))
    loss = spread_text(during, lambda stream: _loss_within(stream, first), readable_percent)
    return f"While {first.name} is on, {during.name} loses {loss}"


def _loss_within(stream: Stream, phase: Phase) -> float:
    chosen = (stream.intended_ns >= phase.start_ns) & (stream.intended_ns < phase.end_ns)
    return 100.0 * float(np.mean(~stream.delivered[chosen])) if chosen.any() else np.nan


def _median_loss(panel: Panel, phase: Phase) -> float:
    values = [_loss_within(stream, phase) for stream in (*panel.live, *panel.sim)]
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else 0.0


def _latency(axes: Axes, panel: Panel, edges: Floats) -> None:
    low, high = np.inf, 0.0
    for world in ("live", "sim"):
        rows = [_binned_latency(stream, edges) for stream in panel.world(world)]
        if rows:
            table = np.stack(rows)
            band(axes, (edges[:-1] + edges[1:]) / 2e9, table, world)
            known = table[~np.isnan(table)]
            if known.size:
                low, high = min(low, float(known.min())), max(high, float(known.max()))
    if high > 0:
        log_axis(axes, "y", low, high)
    label(axes, y="median (ms)", name=f"{panel.name}: latency")


def _binned_latency(stream: Stream, edges: Floats) -> Floats:
    """Median latency in ms of the messages due in each bin; NaN where none was delivered."""
    due, latency = stream.intended_ns[stream.delivered], (stream.received_ns - stream.intended_ns)[stream.delivered]
    order = np.argsort(due, kind="stable")
    parts = np.split(latency[order], np.searchsorted(due[order], edges[1:-1]))
    return np.array([float(np.median(part)) / 1e6 if part.size else np.nan for part in parts])


def _loss(axes: Axes, panel: Panel, edges: Floats) -> None:
    for world in ("live", "sim"):
        rows = [_binned_loss(stream, edges) for stream in panel.world(world)]
        if rows:
            band(axes, (edges[:-1] + edges[1:]) / 2e9, np.stack(rows), world)
    axes.set_ylim(-2, 102)
    axes.set_yticks((0, 50, 100))
    label(axes, y="lost (%)", name=f"{panel.name}: loss")


def _binned_loss(stream: Stream, edges: Floats) -> Floats:
    owed, _ = np.histogram(stream.intended_ns, edges)
    lost, _ = np.histogram(stream.intended_ns[~stream.delivered], edges)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(owed > 0, 100.0 * lost / owed, np.nan)
