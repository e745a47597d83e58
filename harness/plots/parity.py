"""Each figure of the simulation over its live counterpart: on the diagonal they are equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.ledger.observed import Recorded, Stream
from harness.plots import NothingToDrawError
from harness.plots._style import FAINT, INK, Panel, figure, key, label, log_axis, panels
from harness.units import readable_ns

CAPTION = (
    "One mark a receiver: live across, simulated upwards, the cross its range over the runs. A cross that touches the "
    "diagonal says that both worlds had such a run; how much that is worth says the table of verdicts."
)

_MARKERS = ("o", "s", "^", "D", "v", "P")
_COLOURS = ("#cc79a7", "#e69f00", "#009e73", "#56b4e9", "#999999", "#8c6bb1")
_Value = Callable[[Stream], float]


def draw(runs: Sequence[Recorded]) -> Figure:
    """Loss, and p50 and p99 of latency. Raises NothingToDrawError when a world is missing."""
    shown = [panel for panel in panels(runs) if panel.live and panel.sim]
    if not shown:
        raise NothingToDrawError("Only one world ran, so there is nothing to set side by side.")
    lossy = any(panel.loss_points for panel in shown)
    timed = [panel for panel in shown if _known(panel.live, _p50) and _known(panel.sim, _p50)]
    kinds: list[tuple[str, Sequence[Panel], _Value]] = [("loss (%)", shown, _loss)] if lossy else []
    kinds += [("p50 (ms)", timed, _p50), ("p99 (ms)", timed, _p99)] if timed else []
    if not kinds:
        raise NothingToDrawError("Nothing was lost, and nothing was delivered in both worlds.")
    drawing, rows = figure(_title(shown, timed), [1.7] * len(kinds))
    for axes, (name, chosen, value) in zip(rows, kinds, strict=True):
        _draw_panel(axes, chosen, value, logarithmic=value is not _loss)
        label(axes, x=f"live {name}", y=f"simulated {name}")
    return drawing


def _title(shown: Sequence[Panel], timed: Sequence[Panel]) -> str:
    """The widest gap in loss, or else in median latency."""

    def gap(panel: Panel, value: _Value) -> float:
        return float(np.mean(_known(panel.sim, value)) - np.mean(_known(panel.live, value)))

    worst = max(shown, key=lambda panel: abs(gap(panel, _loss)))
    points = gap(worst, _loss)
    if points or not timed:
        side = "above" if points > 0 else "below"
        return f"{worst.name}: the simulated loss is {abs(points):.2g} points {side} the live"
    if not points and not any(gap(panel, _p50) for panel in timed):
        return "Loss and median latency are the same in both worlds"
    worst = max(timed, key=lambda panel: abs(gap(panel, _p50)))
    milliseconds = gap(worst, _p50)
    side = "above" if milliseconds > 0 else "below"
    return f"{worst.name}: the simulated p50 is {readable_ns(abs(milliseconds) * 1e6)} {side} the live"


def _loss(stream: Stream) -> float:
    return stream.loss_points


def _p50(stream: Stream) -> float:
    latency = stream.latency_ns()
    return float(np.quantile(latency, 0.5)) / 1e6 if latency.size else np.nan


def _p99(stream: Stream) -> float:
    latency = stream.latency_ns()
    return float(np.quantile(latency, 0.99)) / 1e6 if latency.size else np.nan


def _known(streams: Sequence[Stream], value: _Value) -> list[float]:
    values = [value(stream) for stream in streams]
    return [one for one in values if np.isfinite(one)]


def _draw_panel(axes: Axes, shown: Sequence[Panel], value: _Value, *, logarithmic: bool) -> None:
    low, high = np.inf, 0.0
    handles = []
    for number, panel in enumerate(shown):
        live, sim = _known(panel.live, value), _known(panel.sim, value)
        x, y = float(np.median(live)), float(np.median(sim))
        colour, marker = _COLOURS[number % 6], _MARKERS[number % 6]
        axes.plot([min(live), max(live)], [y, y], color=colour, linewidth=1.4)
        axes.plot([x, x], [min(sim), max(sim)], color=colour, linewidth=1.4)
        handles += axes.plot(
            [x],
            [y],
            linestyle="",
            color=colour,
            marker=marker,
            markersize=6,
            markeredgecolor=INK,
            clip_on=False,
            label=panel.name,
        )
        low, high = min(low, *live, *sim), max(high, *live, *sim)
    if logarithmic:
        log_axis(axes, "x", low, high)
        log_axis(axes, "y", low, high)
    else:
        margin = 0.06 * (high - min(low, 0.0)) or 1.0
        axes.set_xlim(-margin, high + margin)
        axes.set_ylim(-margin, high + margin)
    axes.axline((low, low), (high, high) if high > low else (low + 1, low + 1), color=FAINT, linewidth=0.8, zorder=0)
    key(axes, handles)
