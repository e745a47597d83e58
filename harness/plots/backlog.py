"""How many messages were under way over time: sent, to be received, not received yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.ledger.observed import Recorded, Stream, pipe_hwm
from harness.plots import NothingToDrawError
from harness.plots._style import (
    FAINT,
    Floats,
    Panel,
    band,
    few_ticks,
    figure,
    label,
    panels,
    phases,
    shade,
    spread_text,
    worlds_key,
)

CAPTION = (
    "Messages that had been sent and were received later, the most at once in each moment: what stood in the sender's "
    "pipe, in the kernel's buffers on both sides, on the wire and in the receiver's pipe. The high-water mark limits "
    "only the pipes; what lies above the dotted line stood in the other places. Median over runs, band: their range."
)

POINTS = 240
MAX_PANELS = 4


def draw(runs: Sequence[Recorded]) -> Figure:
    """One panel a receiver. Raises NothingToDrawError when nothing was delivered."""
    shown = [
        panel
        for panel in panels(runs, MAX_PANELS, by_taker=True)
        if any(stream.delivered.any() for stream in (*panel.live, *panel.sim))
    ]
    if not shown:
        raise NothingToDrawError("No message was delivered, so nothing that was under way can be seen.")
    arrivals = [int(one.received_ns.max(initial=0)) for panel in shown for one in (*panel.live, *panel.sim)]
    end = max(*arrivals, *(result.run.duration_ns for result in runs))
    grid = np.linspace(0, end, POINTS)
    deepest = max(shown, key=lambda panel: max(_peak(stream) for stream in (*panel.live, *panel.sim)))
    peak = spread_text(deepest, _peak, lambda value: f"{value:.0f}")
    title = f"Up to {peak} messages were under way to {deepest.name} at once"
    drawing, rows = figure(title, [1.5] * len(shown), share_x=True)
    faults = phases(runs)
    handles = []
    for axes, panel in zip(rows, shown, strict=True):
        handles = shade(axes, faults)
        _draw_panel(axes, panel, grid, runs[0])
    label(rows[-1], x="time (s after the start)", y="messages", name=shown[-1].name)
    worlds_key(rows[0], shown[0], handles)
    return drawing


def _draw_panel(axes: Axes, panel: Panel, grid: Floats, result: Recorded) -> None:
    for world in ("live", "sim"):
        rows = [_under_way(stream, grid) for stream in panel.world(world)]
        if rows:
            band(axes, grid / 1e9, np.stack(rows), world)
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, grid[-1] / 1e9)
    hwm = pipe_hwm(result.run, (*panel.live, *panel.sim)[0])
    if hwm and hwm <= axes.get_ylim()[1]:
        axes.axhline(hwm, color=FAINT, linewidth=1.0, linestyle=":")
        axes.annotate(
            f"mark of the sender's pipe, {hwm}",
            (1, hwm),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=7.5,
            color=FAINT,
        )
    few_ticks(axes, whole=True)
    label(axes, y="messages", name=panel.name)


def _under_way(stream: Stream, grid: Floats) -> Floats:
    """The most that was under way at once in each interval that ends at a point of ``grid``, shape (grid,)."""
    sent, received = stream.sent_ns[stream.delivered], stream.received_ns[stream.delivered]
    times = np.concatenate((sent, received))
    steps = np.concatenate((np.ones(sent.size, dtype=np.int64), -np.ones(received.size, dtype=np.int64)))
    # At one instant the reception counts first: what is there for no time does not pile up.
    order = np.lexsort((steps, times))
    levels = np.concatenate(([0], np.cumsum(steps[order])))
    ends = np.searchsorted(times[order], grid, side="right")
    most = levels[ends].astype(np.float64)
    for point in range(1, grid.size):
        within = levels[ends[point - 1] : ends[point] + 1]
        most[point] = within.max()
    return most


def _peak(stream: Stream) -> float:
    """The most at any moment."""
    return float(_under_way(stream, np.array([0.0, np.inf])).max())
