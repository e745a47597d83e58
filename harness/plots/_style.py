"""What all figures share: colours, axes, the panels, the phases in which a fault was on."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from harness.ledger.columns import codes, integers
from harness.ledger.observed import WORLDS, Recorded, Stream, streams, titles
from harness.plots import NothingToDrawError

Floats = npt.NDArray[np.float64]

INK = "#1b1f24"
FAINT = "#6a737d"
GRID = "#d8dde3"
PAPER = "#fefefe"
COLOURS = {"live": "#d55e00", "sim": "#0072b2"}
"""Vermilion and blue of Okabe and Ito: told apart by every kind of colour vision, and in grey."""
PHASE = "#b8a1c9"

WIDTH_INCHES = 4.8
SMALL = 8.0
NORMAL = 9.0
ROOM_BESIDE_KEY = 16
"""Characters of a panel's title that fit beside the legend."""
MAX_PANELS = 6
"""More receivers than this and the ones with the most loss are shown."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One stream in all runs of each world."""

    name: str
    live: tuple[Stream, ...]
    sim: tuple[Stream, ...]

    def world(self, name: str) -> tuple[Stream, ...]:
        """The stream in the runs of that world."""
        return self.live if name == "live" else self.sim

    @property
    def loss_points(self) -> float:
        """The larger of the mean losses in the two worlds, in per cent."""
        means = [float(np.mean([one.loss_points for one in part])) for part in (self.live, self.sim) if part]
        return max(means, default=0.0)


def panels(runs: Sequence[Recorded], limit: int = MAX_PANELS, *, by_taker: bool = False) -> list[Panel]:
    """A panel a receiver (or flow), at most ``limit``, in the order of the topology.

    ``by_taker``: a flow that deals its messages out to several receivers has a panel for each of them.
    Raises NothingToDrawError when there are no runs or no messages.
    """
    if not runs:
        raise NothingToDrawError("There are no runs.")
    observed = [(result.run.world, streams(result)) for result in runs]
    found = []
    for number, (name, first) in enumerate(zip(titles(observed[0][1]), observed[0][1], strict=True)):
        live, sim = (tuple(every[number] for world, every in observed if world == wanted) for wanted in ("live", "sim"))
        if not any(stream.seq.size for stream in (*live, *sim)):
            continue
        if by_taker and first.delivery == "one" and len(first.takers) > 1:
            found += [
                Panel(taker, *(tuple(stream.taken_by(taker) for stream in part) for part in (live, sim)))
                for taker in first.takers
            ]
        else:
            found.append(Panel(name, live, sim))
    if not found:
        raise NothingToDrawError("No message was sent in these runs.")
    worst = sorted(found, key=lambda panel: -panel.loss_points)[:limit]
    return [panel for panel in found if panel in worst]


def figure(title: str, heights: Sequence[float], *, share_x: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure with axes below one another, of these heights in inches; the title says the finding."""
    text = textwrap.fill(title, 54)
    head = 0.25 + 0.17 * text.count("\n")
    drawing = Figure(figsize=(WIDTH_INCHES, sum(heights) + head), layout="constrained")
    drawing.patch.set_alpha(0.0)
    drawing.suptitle(text, x=0.012, ha="left", fontsize=10.5, fontweight="bold", color=INK)
    grid = drawing.subplots(len(heights), 1, squeeze=False, sharex=share_x, height_ratios=list(heights))
    axes = [row[0] for row in grid]
    for one in axes:
        _plain_axes(one)
    return drawing, axes


def _plain_axes(axes: Axes) -> None:
    axes.patch.set_alpha(0.0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(labelsize=SMALL, colors=FAINT, labelcolor=INK)
    axes.tick_params(which="minor", colors=GRID)
    axes.grid(True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def label(axes: Axes, *, x: str = "", y: str = "", name: str = "") -> None:
    """Name the axes (with units) and the panel."""
    axes.set_xlabel(x, fontsize=SMALL, color=INK)
    axes.set_ylabel(y, fontsize=SMALL, color=INK)
    if name:
        axes.set_title(name, loc="left", fontsize=NORMAL, color=INK)


def few_ticks(axes: Axes, *, x: int = 6, y: int = 4, whole: bool = False) -> None:
    """At most so many ticks on linear axes; ``whole``: at whole numbers upwards."""
    if axes.get_xscale() == "linear":
        axes.xaxis.set_major_locator(MaxNLocator(x))
    if axes.get_yscale() == "linear":
        axes.yaxis.set_major_locator(MaxNLocator(y, integer=whole))


def log_axis(axes: Axes, which: str, low: float, high: float) -> None:
    """A logarithmic axis from ``low`` to ``high`` with plain numbers at 1, 10, 100 (and 2, 5 when that is little)."""
    low, high = max(low, 1e-6), max(high, 1e-6)
    if high < 1.5 * low:  # nearly one value: it belongs in the middle
        low, high = low / 1.25, high * 1.25
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low / 1.15, high * 1.15)
    decades = np.log10(high / low)
    if decades < 0.8:
        axis.set_major_locator(FixedLocator(MaxNLocator(5).tick_values(low / 1.15, high * 1.15)))
    else:
        subs = (1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)
        axis.set_major_locator(LogLocator(base=10, subs=subs, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def worlds_key(axes: Axes, panel: Panel, extra: Sequence[Any] = ()) -> None:
    """The legend, above the axes: the worlds that are there, with their number of runs, and ``extra`` handles.

    To be called when the axes have their title, which gives way when it is long.
    """
    handles: list[Any] = []
    for world in ("live", "sim"):
        count = len(panel.world(world))
        if count:
            text = f"{WORLDS[world]} ({count})"
            handles.append(Line2D([], [], color=COLOURS[world], linestyle=dashes(world), linewidth=2, label=text))
    handles += extra
    name = axes.get_title(loc="left")
    if len(name) > ROOM_BESIDE_KEY:
        axes.set_title(f"{name}\n", loc="left", fontsize=NORMAL, color=INK)
    axes.legend(
        handles=handles,
        fontsize=SMALL,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(handles),
        labelcolor=INK,
        frameon=False,
        borderpad=0.1,
        handlelength=1.6,
        columnspacing=1.0,
    )


def key(axes: Axes, handles: Sequence[Any]) -> None:
    """A legend without a frame that covers what lies below."""
    legend = axes.legend(handles=list(handles), fontsize=SMALL, loc="best", labelcolor=INK)
    legend.get_frame().set(facecolor=PAPER, edgecolor=GRID, alpha=0.85, linewidth=0.5)


def key_above(axes: Axes, handles: Sequence[Any], columns: int) -> None:
    """A legend outside, above the axes."""
    axes.legend(
        handles=list(handles),
        fontsize=SMALL,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        labelcolor=INK,
        frameon=False,
        borderpad=0.1,
        handlelength=1.4,
        columnspacing=1.2,
    )


def dashes(world: str) -> Literal["-", "--"]:
    """Line style of a world: not by colour alone."""
    return "-" if world == "live" else "--"


def band(axes: Axes, x: Floats, rows: Floats, world: str) -> None:
    """The median over runs as a line, the range over runs as a band; ``rows``: shape (runs, x)."""
    with np.errstate(invalid="ignore"):
        present = ~np.isnan(rows).all(axis=0)
    if not present.any():
        return
    middle, low, high = (np.full(x.size, np.nan) for _ in range(3))
    middle[present] = np.nanmedian(rows[:, present], axis=0)
    low[present], high[present] = np.nanmin(rows[:, present], axis=0), np.nanmax(rows[:, present], axis=0)
    if len(rows) > 1:
        axes.fill_between(x, low, high, color=COLOURS[world], alpha=0.2, linewidth=0)
    axes.plot(x, middle, color=COLOURS[world], linewidth=1.6, linestyle=dashes(world))


@dataclass(frozen=True, slots=True)
class Phase:
    """A fault was on from then till then, in ns after the start line."""

    name: str
    start_ns: int
    end_ns: int


def phases(runs: Sequence[Recorded]) -> tuple[Phase, ...]:
    """When faults were on, as recorded by the first run that recorded any."""
    for result in runs:
        table = result.events()
        events, names = codes(table, "event")
        times, values = integers(table, "time_ns"), integers(table, "value")
        begun: dict[int, int] = {}
        found = []
        for position in range(times.size):
            name = names[events[position]] if events[position] >= 0 else ""
            fault = int(values[position])
            if name == "fault_on":
                begun.setdefault(fault, int(times[position]))
            elif name == "fault_off" and fault in begun:
                found.append((fault, begun.pop(fault), int(times[position])))
        found += [(fault, start, result.run.duration_ns) for fault, start in begun.items()]
        if found:
            faults = result.run.faults
            return tuple(
                Phase(faults[fault].label if 0 <= fault < len(faults) else "fault", start, end)
                for fault, start, end in sorted(found, key=lambda one: one[1])
            )
    return ()


def shade(axes: Axes, found: Sequence[Phase]) -> list[Patch]:
    """Shade the phases; legend handles, one a name."""
    for phase in found:
        axes.axvspan(phase.start_ns / 1e9, phase.end_ns / 1e9, color=PHASE, alpha=0.3, linewidth=0)
    names = dict.fromkeys(phase.name for phase in found)
    return [Patch(facecolor=PHASE, alpha=0.3, label=f"{name} on") for name in names]


def spread_text(panel: Panel, value: Callable[[Stream], float], write: Callable[[float], str]) -> str:
    """``"41.2 % live, 40.8 % simulated"``: the means over runs."""
    parts = []
    for world in ("live", "sim"):
        values = [value(stream) for stream in panel.world(world)]
        values = [one for one in values if np.isfinite(one)]
        if values:
            parts.append(f"{write(float(np.mean(values)))} {WORLDS[world]}")
    return ", ".join(parts)
