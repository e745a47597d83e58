"""How much each receiver lost, by cause, both worlds one above the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from harness.ledger.observed import WORLDS, Recorded
from harness.plots import NothingToDrawError
from harness.plots._style import INK, SMALL, Panel, figure, key_above, label, panels, spread_text
from harness.trace import CAUSES
from harness.units import readable_percent

CAPTION = (
    "Share of the messages owed to each receiver that it did not get, by cause: mean over the runs of each world, "
    "with the range of the runs as a line. The simulation knows the cause; live it is inferred from what is seen, and "
    "what no rule explains is shown as unexplained."
)

_COLOURS = ("#cc79a7", "#e69f00", "#009e73", "#f0e442", "#999999", "#8c6bb1")
_HATCHES = ("", "////", "....", "xxxx", "----")
_NAMES = ("hwm_sender", "no_peer", "not_subscribed", "in_flight", "unexplained", *CAUSES)
_KEY_COLUMNS = 3
_ORDER = tuple(dict.fromkeys(_NAMES))


def _place(cause: str) -> int:
    return _ORDER.index(cause) if cause in _ORDER else len(_ORDER)


def look(cause: str) -> tuple[str, str]:
    """Colour and hatch of a cause: the same in every figure."""
    position = _place(cause)
    return _COLOURS[position % len(_COLOURS)], _HATCHES[position // len(_COLOURS) % len(_HATCHES)]


def draw(runs: Sequence[Recorded]) -> Figure:
    """One pair of bars a receiver. Raises NothingToDrawError when nothing was lost."""
    shown = panels(runs)
    lossy = [panel for panel in shown if panel.loss_points > 0]
    if not lossy:
        raise NothingToDrawError("Nothing was lost in any run, so there is no cause to show.")
    worst = max(lossy, key=lambda panel: panel.loss_points)
    title = f"{worst.name} lost {spread_text(worst, lambda stream: stream.loss_points, readable_percent)}"
    rows = [(panel, world) for panel in shown for world in ("live", "sim") if panel.world(world)]
    everything = [stream for panel in shown for stream in (*panel.live, *panel.sim)]
    causes = sorted(dict.fromkeys(cause for stream in everything for cause in stream.lost_by_cause()), key=_place)
    drawing, (axes,) = figure(title, [0.75 + 0.3 * len(rows) + 0.17 * -(-len(causes) // _KEY_COLUMNS)])
    ticks = []
    place = 0.0
    for number, (panel, world) in enumerate(rows):
        if number and rows[number - 1][0] is not panel:
            place += 0.45
        _bar(axes, place, panel, world)
        ticks.append((place, f"{panel.name}, {WORLDS[world]}"))
        place += 1.0
    axes.set_yticks([at for at, _ in ticks], [text for _, text in ticks])
    axes.set_ylim(place - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.set_xlim(0, axes.get_xlim()[1] * 1.14)
    label(axes, x="not received (% of the messages owed)")
    handles = [
        Patch(facecolor=look(cause)[0], hatch=look(cause)[1], edgecolor=INK, linewidth=0.4, label=cause)
        for cause in causes
    ]
    key_above(axes, handles, columns=_KEY_COLUMNS)
    return drawing


def _bar(axes: Axes, place: float, panel: Panel, world: str) -> None:
    """One stacked bar with its range and its total."""
    streams = panel.world(world)
    shares: dict[str, float] = {}
    for stream in streams:
        for cause, count in stream.lost_by_cause().items():
            shares[cause] = shares.get(cause, 0.0) + 100.0 * count / stream.owed / len(streams)
    left = 0.0
    for cause in sorted(shares, key=_place):
        colour, hatch = look(cause)
        axes.barh(place, shares[cause], left=left, height=0.72, color=colour, hatch=hatch, edgecolor=INK, linewidth=0.4)
        left += shares[cause]
    losses = np.array([stream.loss_points for stream in streams])
    if len(streams) > 1 and losses.max() > losses.min():
        axes.plot([losses.min(), losses.max()], [place, place], color=INK, linewidth=1.2, marker="|", markersize=6)
    axes.annotate(
        readable_percent(left),
        (max(left, float(losses.max())), place),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=SMALL,
        color=INK,
    )
