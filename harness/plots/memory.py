"""Memory over time of processes that have a limit, in both worlds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.ledger.columns import codes, integers
from harness.ledger.observed import WORLDS, Booleans, Recorded
from harness.plots import NothingToDrawError
from harness.plots._style import COLOURS, FAINT, INK, SMALL, Floats, dashes, few_ticks, figure, label, phases, shade

CAPTION = (
    "What the process has taken since it was ready, a line a run: solid live (anonymous memory), dashed simulated "
    "(what libzmq's queues take). A cross: it was killed at its limit, the dotted line."
)

MAX_NODES = 4
_MIB = 1 << 20


def draw(runs: Sequence[Recorded]) -> Figure:
    """A panel a limited node. Raises NothingToDrawError when no memory is limited, or none was sampled."""
    limits = {
        node.name: node.memory_limit_bytes
        for result in runs
        for node in result.run.topology.nodes
        if node.memory_limit_bytes is not None
    }
    if not limits:
        raise NothingToDrawError("")
    names = list(limits)[:MAX_NODES]
    found = {name: [(result.run.world, *_samples(result, name)) for result in runs] for name in names}
    if not any(len(times) for name in names for _, times, _, _ in found[name]):
        raise NothingToDrawError("No memory was sampled in these runs.")
    drawing, axes = figure(_title(names[0], found[names[0]]), [1.6] * len(names), share_x=True)
    for one, name in zip(axes, names, strict=True):
        shade(one, phases(runs))
        for world, times, mib, killed in found[name]:
            one.plot(times, mib, color=COLOURS[world], linewidth=1.2, linestyle=dashes(world), alpha=0.7)
            if killed and len(times):
                one.plot(times[-1:], mib[-1:], color=COLOURS[world], marker="x", markersize=6)
        _limit(one, limits[name] / _MIB)
        few_ticks(one)
        label(one, y="grown (MiB)", name=name)
    label(axes[-1], x="time (s after the start)", y="grown (MiB)", name=names[-1])
    return drawing


def _limit(axes: Axes, limit_mib: float) -> None:
    axes.axhline(limit_mib, color=FAINT, linewidth=1.0, linestyle=":")
    axes.annotate(
        "limit",
        (0.01, limit_mib),
        xycoords=("axes fraction", "data"),
        va="bottom",
        fontsize=SMALL,
        color=INK,
    )
    axes.set_ylim(0, max(axes.get_ylim()[1], 1.15 * limit_mib))


def _samples(result: Recorded, name: str) -> tuple[Floats, Floats, bool]:
    """Times in s and growth in MiB, shape (samples,), and whether it was killed at its limit."""
    table = result.events()
    events, event_names = codes(table, "event")
    nodes, node_names = codes(table, "node")
    its = nodes == (node_names.index(name) if name in node_names else -2)

    def of(event: str) -> Booleans:
        return np.asarray(its & (events == (event_names.index(event) if event in event_names else -2)))

    chosen = of("grown_kib")
    return (
        integers(table, "time_ns")[chosen] / 1e9,
        integers(table, "value")[chosen] / 1024,
        bool(of("memory_limit").any()),
    )


def _title(name: str, found: Sequence[tuple[str, Floats, Floats, bool]]) -> str:
    """When it was killed, or how far it grew."""
    parts = []
    for world in ("live", "sim"):
        ends = [times[-1] for where, times, _, killed in found if where == world and killed and len(times)]
        most = [mib.max() for where, _, mib, _ in found if where == world and len(mib)]
        if ends:
            parts.append(f"killed after {np.mean(ends):.2g} s {WORLDS[world]}")
        elif most:
            parts.append(f"at most {np.mean(most):.3g} MiB {WORLDS[world]}")
    return f"{name}: {', '.join(parts)}"
