"""How long messages took from the time they were due: distribution in both worlds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.ledger.observed import Recorded, Stream
from harness.plots import NothingToDrawError
from harness.plots._style import (
    COLOURS,
    Floats,
    Panel,
    dashes,
    figure,
    label,
    log_axis,
    panels,
    spread_text,
    worlds_key,
)
from harness.units import readable_ns

CAPTION = (
    "Share of the delivered messages that arrived within a time, counted from when each was due, not from when it was "
    "sent: a sender that falls behind cannot hide it. Thin lines are single live runs, the bold solid line their "
    "median; the dashed line is the median of the simulated runs, and nine of ten of them lie in the band."
)

_LEVELS = np.concatenate(([0.001, 0.005], np.linspace(0.01, 0.99, 99), [0.995, 0.999]))


def draw(runs: Sequence[Recorded]) -> Figure:
    """One panel a receiver. Raises NothingToDrawError when nothing was delivered."""
    shown = [
        panel
        for panel in panels(runs, by_taker=True)
        if _quantiles(panel, "live").size or _quantiles(panel, "sim").size
    ]
    if not shown:
        raise NothingToDrawError("No message was delivered after the warm-up, so there is no latency to show.")
    slowest = max(shown, key=lambda panel: max(_median(panel, "live"), _median(panel, "sim")))
    middle = spread_text(slowest, _median_ns, readable_ns)
    drawing, rows = figure(f"Half of what reaches {slowest.name} is there within {middle}", [1.75] * len(shown))
    for axes, panel in zip(rows, shown, strict=True):
        _draw_panel(axes, panel)
        label(axes, y="share (%)", name=panel.name)
    label(rows[-1], x="latency from the intended time (ms)", y="share (%)", name=shown[-1].name)
    worlds_key(rows[0], shown[0])
    return drawing


def _median_ns(stream: Stream) -> float:
    latency = stream.latency_ns()
    return float(np.median(latency)) if latency.size else np.nan


def _quantiles(panel: Panel, world: str) -> Floats:
    """Latency in ms at the levels, shape (runs that delivered, levels)."""
    samples = [stream.latency_ns() for stream in panel.world(world)]
    rows = [np.quantile(sample, _LEVELS) / 1e6 for sample in samples if sample.size]
    return np.stack(rows) if rows else np.zeros((0, _LEVELS.size))


def _median(panel: Panel, world: str) -> float:
    rows = _quantiles(panel, world)
    return float(np.median(rows[:, _LEVELS.size // 2])) if rows.size else 0.0


def _draw_panel(axes: Axes, panel: Panel) -> None:
    live, sim = _quantiles(panel, "live"), _quantiles(panel, "sim")
    levels = 100 * _LEVELS
    for row in live if len(live) > 1 else ():
        axes.plot(row, levels, color=COLOURS["live"], linewidth=0.5, alpha=0.45)
    if len(sim) > 1:
        low, high = np.quantile(sim, (0.05, 0.95), axis=0)
        axes.fill_betweenx(levels, low, high, color=COLOURS["sim"], alpha=0.22, linewidth=0)
    for world, rows in (("live", live), ("sim", sim)):
        if rows.size:
            axes.plot(np.median(rows, axis=0), levels, color=COLOURS[world], linewidth=2.0, linestyle=dashes(world))
    everything = np.concatenate((live.ravel(), sim.ravel()))
    log_axis(axes, "x", float(np.maximum(everything, 1e-3).min()), float(everything.max()))
    axes.set_ylim(0, 100)
    axes.set_yticks((0, 25, 50, 75, 100))
