"""Who got how much of a flow that deals its messages out: share of each receiver in both worlds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from harness.ledger.observed import WORLDS, Recorded
from harness.plots import NothingToDrawError
from harness.plots._style import COLOURS, INK, MAX_PANELS, SMALL, Panel, figure, label, panels

CAPTION = (
    "Share of what was delivered that each receiver got: mean over the runs of each world, with the range of the runs "
    "as a line. A sender deals in turn, and passes over a receiver whose pipe is full."
)


def draw(runs: Sequence[Recorded]) -> Figure:
    """A pair of bars a receiver. Raises NothingToDrawError when no flow deals out, or nothing was delivered."""
    dealt = [panel for panel in panels(runs) if _takers(panel)]
    if not dealt:
        raise NothingToDrawError("")
    shown = [panel for panel in dealt if any(stream.delivered.any() for stream in (*panel.live, *panel.sim))]
    if not shown:
        raise NothingToDrawError("Nothing was delivered, so nobody has a share of it.")
    rows = [
        (panel, position, world)
        for panel in shown
        for position in range(len(_takers(panel)))[:MAX_PANELS]
        for world in ("live", "sim")
        if panel.world(world)
    ]
    drawing, (axes,) = figure(_title(shown[0]), [0.6 + 0.27 * len(rows)])
    ticks = []
    place = 0.0
    for number, (panel, position, world) in enumerate(rows):
        if number and rows[number - 1][:2] != (panel, position):
            place += 0.45
        shares = _shares(panel, world)[:, position]
        axes.barh(place, shares.mean(), height=0.72, color=COLOURS[world], alpha=0.75)
        if shares.max() > shares.min():
            axes.plot([shares.min(), shares.max()], [place, place], color=INK, linewidth=1.2, marker="|", markersize=6)
        axes.annotate(
            f"{shares.mean():.1f} %",
            (float(shares.max()), place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=INK,
        )
        ticks.append((place, f"{_takers(panel)[position]}, {WORLDS[world]}"))
        place += 1.0
    axes.set_yticks([at for at, _ in ticks], [text for _, text in ticks])
    axes.set_ylim(place - 0.4, -0.6)
    axes.set_xlim(0, axes.get_xlim()[1] * 1.14)
    axes.grid(False, axis="y")
    label(axes, x="share of the deliveries (%)")
    return drawing


def _takers(panel: Panel) -> tuple[str, ...]:
    """The receivers among whom the flow is dealt out; none when it is not."""
    first = (*panel.live, *panel.sim)[0]
    return first.takers if first.delivery == "one" and len(first.takers) > 1 else ()


def _shares(panel: Panel, world: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Per cent, shape (runs, takers)."""
    return np.stack([stream.shares_points() for stream in panel.world(world)])


def _title(panel: Panel) -> str:
    """Who got the least."""
    means = {world: _shares(panel, world).mean(axis=0) for world in ("live", "sim") if panel.world(world)}
    least = int(np.argmin(np.mean(list(means.values()), axis=0)))
    parts = ", ".join(f"{mean[least]:.1f} % {WORLDS[world]}" for world, mean in means.items())
    return f"{_takers(panel)[least]} got the least of {panel.name}: {parts}"
