"""How long the gaps between deliveries are, and the stretches between gaps, with the credit quantum marked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.ledger.marks import low_water_mark
from harness.ledger.observed import Recorded, pipe_hwm
from harness.plots import NothingToDrawError
from harness.plots._style import COLOURS, FAINT, Panel, dashes, figure, label, log_axis, panels, worlds_key

CAPTION = (
    "A full pipe refuses messages until its reader has returned credit, which comes in lumps of LWM = (HWM + 1) // 2. "
    "So the stretches that are delivered between two gaps are whole multiples of LWM (dotted lines), in both worlds "
    "and without exception; how many messages fall into a gap is up to the rates. The stretch before the first gap, "
    "HWM + k x LWM, is left out."
)

MAX_PANELS = 3
_MAX_LINES = 12


def draw(runs: Sequence[Recorded]) -> Figure:
    """Gaps and stretches of each receiver that has any. Raises NothingToDrawError when none has."""
    counts = [(_lengths(panel, "gap_messages", "live", "sim").size, panel) for panel in panels(runs)]
    shown = [panel for count, panel in sorted(counts, key=lambda one: -one[0]) if count][:MAX_PANELS]
    if not shown:
        raise NothingToDrawError(
            "No receiver had a gap between two deliveries, so there are no gap lengths and no credit to see."
        )
    rows = [(panel, what) for panel in shown for what in _parts(panel)]
    quantum = _quantum(shown[0], runs[0])
    drawing, every = figure(_title(shown[0], quantum), [1.6 if what == "gaps" else 1.25 for _, what in rows])
    for axes, (panel, what) in zip(every, rows, strict=True):
        (_draw_gaps if what == "gaps" else _draw_stretches)(axes, panel, _quantum(panel, runs[0]))
    return drawing


def _parts(panel: Panel) -> tuple[str, ...]:
    """Gaps; and stretches where any run had two gaps."""
    return ("gaps", "stretches") if _lengths(panel, "between_messages", "live", "sim").size else ("gaps",)


def _quantum(panel: Panel, result: Recorded) -> int:
    hwm = pipe_hwm(result.run, (*panel.live, *panel.sim)[0])
    return low_water_mark(hwm or 0)


def _lengths(panel: Panel, what: str, *worlds: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    parts = [getattr(stream.stretches(), what) for world in worlds for stream in panel.world(world)]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _title(panel: Panel, quantum: int) -> str:
    between = _lengths(panel, "between_messages", "live", "sim")
    if not quantum or not between.size:
        gaps = _lengths(panel, "gap_messages", "live", "sim")
        return f"The gaps at {panel.name} are {gaps.min()} to {gaps.max()} messages long ({gaps.size} in all runs)"
    exact = int(np.count_nonzero(between % quantum == 0))
    share = f"All {between.size}" if exact == between.size else f"Only {exact} of {between.size}"
    return f"{share} stretches between gaps at {panel.name} are multiples of {quantum} messages"


def _draw_gaps(axes: Axes, panel: Panel, quantum: int) -> None:
    everything = _lengths(panel, "gap_messages", "live", "sim")
    for world in ("live", "sim"):
        pooled = np.sort(_lengths(panel, "gap_messages", world))
        if pooled.size:
            points, counts = np.unique(pooled, return_counts=True)
            axes.step(
                np.concatenate((points[:1], points)),
                np.concatenate(([0.0], 100.0 * np.cumsum(counts) / pooled.size)),
                where="post",
                color=COLOURS[world],
                linestyle=dashes(world),
                linewidth=1.8,
            )
    log_axis(axes, "x", float(everything.min()), float(everything.max()))
    _multiples(axes, quantum, *axes.get_xlim())
    axes.set_ylim(0, 102)
    axes.set_yticks((0, 50, 100))
    label(axes, x="messages in a gap", y="share of gaps (%)", name=f"{panel.name}: gaps")
    worlds_key(axes, panel)


def _draw_stretches(axes: Axes, panel: Panel, quantum: int) -> None:
    everything = _lengths(panel, "between_messages", "live", "sim")
    high = float(np.quantile(everything, 0.98)) * 1.15
    for row, world in enumerate(("sim", "live")):
        lengths = _lengths(panel, "between_messages", world)
        if lengths.size:
            points, counts = np.unique(lengths, return_counts=True)
            axes.scatter(
                points,
                np.full(points.size, row),
                s=12 + 260 * counts / lengths.size,
                color=COLOURS[world],
                alpha=0.75,
                linewidth=0,
            )
    axes.set_xlim(0, max(high, 1.5 * quantum))
    axes.set_ylim(-0.7, 1.7)
    axes.set_yticks((0, 1), ("simulated", "live"))
    axes.grid(False)
    _multiples(axes, quantum, 0.0, axes.get_xlim()[1])
    if quantum and axes.get_xlim()[1] / quantum <= _MAX_LINES:
        axes.set_xticks(np.arange(0, axes.get_xlim()[1], quantum))
    label(axes, x="messages delivered between two gaps (area: how often)", name=f"{panel.name}: stretches")


def _multiples(axes: Axes, quantum: int, low: float, high: float) -> None:
    """Dotted lines at the multiples of the quantum, when they are few enough to be told apart."""
    if quantum and high / quantum <= 4 * _MAX_LINES:
        for place in range(quantum, int(high) + 1, quantum):
            if place >= low:
                axes.axvline(place, color=FAINT, linewidth=0.8, linestyle=":")
