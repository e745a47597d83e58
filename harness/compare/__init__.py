"""Whether the simulation may be believed: both worlds side by side, metric by metric.

Only what both worlds can see is compared. For each receiver (or flow, where any one receiver will
do): loss in percentage points, deliveries a second, latency from the intended time, and the lengths of the
gaps between deliveries; and who got how much of what is handed out. The statistic and the rules
for agree, differ and unknown are those of :mod:`harness.compare.judge`, the scenarios that nothing can
predict those of :mod:`harness.compare.predictable`.

Overall the worst counts: differ, then unknown, then agree. Laws (conservation, order, marks, and the
arithmetic of credit, F29-F36) have no tolerance: broken in one run of either world, the overall
verdict is differ.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.compare.judge import (
    MIN_LIVE_RUNS,
    MIN_SIM_RUNS,
    SIGNIFICANCE,
    Floats,
    Metric,
    Quantity,
    Verdict,
    differences,
    judge,
    kolmogorov_smirnov,
    wasserstein,
)
from harness.compare.predictable import ruled_out
from harness.ledger.marks import low_water_mark
from harness.ledger.observed import Recorded, Stream, pipe_hwm, streams

__all__ = [
    "MIN_LIVE_RUNS",
    "MIN_SIM_RUNS",
    "Comparison",
    "Invariant",
    "Metric",
    "compare",
    "laws",
    "laws_of",
    "observe",
]

LATENCY_FLOOR_NS = 50_000
"""Smaller differences of a median are within the noise of clock and scheduler on two shared cores."""
MIN_GAPS = 5
"""Fewer gaps a run, in both worlds, make no distribution: their number shows in the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """One law in one world: in how many runs it held, was broken, or could not be judged."""

    name: str
    world: str
    valid: int
    invalid: int
    unknown: int
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Both worlds of one variant of an experiment.

    Attributes:
        rejected: how many metrics had p < 0.05 (one in twenty is expected by chance).
        reason: one sentence on the overall verdict.
    """

    experiment: str
    variant: str
    live_runs: int
    sim_runs: int
    verdict: Verdict
    reason: str
    rejected: int
    metrics: tuple[Metric, ...]
    invariants: tuple[Invariant, ...]

    def plain(self) -> dict[str, Any]:
        """For JSON: nested dicts and lists; a number that does not exist is None."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def compare(sim: Sequence[Recorded], live: Sequence[Recorded], *, seed: int = 0) -> Comparison:
    """Judge the simulation by live runs of the same variant of the same experiment.

    Args:
        sim: simulated runs, at least ten for a verdict.
        live: live runs, at least five.
        seed: of the permutation test.

    Raises:
        ValueError: a run is of the wrong world, or the runs are not of one experiment and variant.
    """
    if not sim and not live:
        raise ValueError("nothing to compare: there is no run")
    for world, runs in (("sim", sim), ("live", live)):
        if wrong := [result.run.world for result in runs if result.run.world != world]:
            raise ValueError(f"{world} runs are expected here, not {wrong[0]}")
    names = {(result.run.experiment, result.run.variant) for result in (*live, *sim)}
    if len(names) != 1:
        listed = ", ".join("/".join(name) for name in sorted(names))
        raise ValueError(f"runs of one experiment and variant are comparable, not of {listed}")
    rng = np.random.Generator(np.random.PCG64(seed))
    metrics = tuple(judge(quantity, len(live), len(sim), rng) for quantity in observe(sim, live))
    invariants = (*laws(live, "live"), *laws(sim, "sim"))
    verdict, reason = _overall(metrics, invariants)
    experiment, variant = names.pop()
    return Comparison(
        experiment=experiment,
        variant=variant,
        live_runs=len(live),
        sim_runs=len(sim),
        verdict=verdict,
        reason=reason,
        rejected=sum(metric.p < SIGNIFICANCE for metric in metrics),
        metrics=metrics,
        invariants=invariants,
    )


def _overall(metrics: Sequence[Metric], invariants: Sequence[Invariant]) -> tuple[Verdict, str]:
    broken = [law for law in invariants if law.invalid]
    if broken:
        law = broken[0]
        return "differ", f"the law {law.name} has no tolerance and was broken in {law.invalid} {law.world} runs"
    by_verdict = {
        verdict: [metric.name for metric in metrics if metric.verdict == verdict]
        for verdict in ("differ", "unknown", "agree")
    }
    if differ := by_verdict["differ"]:
        return "differ", f"{len(differ)} of {len(metrics)} metrics differ: {', '.join(differ)}"
    if unknown := by_verdict["unknown"]:
        reasons = {metric.reason for metric in metrics}
        if len(unknown) == len(metrics) and len(reasons) == 1:
            return "unknown", f"of all metrics: {reasons.pop()}"
        return "unknown", f"{len(unknown)} of {len(metrics)} metrics are undecided: {', '.join(unknown)}"
    if not metrics:
        return "unknown", "there is nothing that could be compared"
    return "agree", f"all {len(metrics)} metrics agree"


def laws(runs: Sequence[Recorded], world: str) -> list[Invariant]:
    """Each law that the runs of one world were checked against, with how many kept it."""
    states: dict[str, list[tuple[str, str]]] = {}
    for result in runs:
        for name, state, detail in laws_of(result.summary):
            states.setdefault(name, []).append((state, detail))
    return [
        Invariant(
            name=name,
            world=world,
            valid=sum(state == "valid" for state, _ in found),
            invalid=sum(state == "invalid" for state, _ in found),
            unknown=sum(state not in ("valid", "invalid") for state, _ in found),
            detail=next((detail for state, detail in found if state != "valid"), ""),
        )
        for name, found in states.items()
    ]


def laws_of(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, state and detail of each law in a ``summary.json``; empty when it has none."""
    checks = summary.get("checks", ())
    if isinstance(checks, Mapping):
        checks = checks.get("laws", [{"name": name, "state": state} for name, state in checks.items()])
    return [
        (str(law.get("name", "")), str(law.get("state", "unknown")), str(law.get("detail") or ""))
        for law in checks
        if isinstance(law, Mapping)
    ]


def observe(sim: Sequence[Recorded], live: Sequence[Recorded]) -> list[Quantity]:
    """What there is to compare; reads each run once."""
    observed = [streams(result) for result in (*live, *sim)]
    runs = [result.run for result in (*live, *sim)]
    quantities: list[Quantity] = []
    plural = len({stream.label for stream in observed[0]}) < len(observed[0])
    for number, first in enumerate(observed[0]):
        column = [found[number] for found in observed]
        name = f"{first.flow}.{first.label}" if plural and first.receiver is not None else first.label
        lossy = any(stream.lost_to_full_pipe() for stream in column)
        hwm = pipe_hwm(runs[0], first)
        lump = max(1, low_water_mark(hwm)) if lossy and hwm is not None else 1
        obstacle = ruled_out(runs[0], first, lossy=lossy)
        view = _View(name, column, len(live), lump, obstacle)
        seconds = max(1, runs[0].duration_ns - runs[0].warmup_ns) / 1e9
        quantities += [_loss(view), _throughput(view, runs[0].warmup_ns, runs[0].duration_ns, seconds)]
        quantities += [*_latency(view), *_gaps(view), *_shares(view)]
    return quantities


@dataclass(frozen=True, slots=True)
class _View:
    """One stream in all runs, live ones first. ``lump``: messages in one credit quantum, or 1."""

    name: str
    column: Sequence[Stream]
    live_runs: int
    lump: int
    obstacle: str | None

    @property
    def owed(self) -> float:
        return max(1.0, float(np.mean([stream.owed for stream in self.column])))

    def quantity(self, name: str, unit: str, values: Floats, distances: Floats, *, q: float, r: float) -> Quantity:
        return Quantity(
            name=f"{name}.{self.name}",
            unit=unit,
            live_runs=self.live_runs,
            values=values,
            distances=distances,
            floor=q,
            resolution=r,
            obstacle=self.obstacle,
        )


def _loss(view: _View) -> Quantity:
    values = np.array([stream.loss_points for stream in view.column])
    message = 100.0 / view.owed
    return view.quantity("loss", "points", values, differences(values), q=view.lump * message, r=message)


def _throughput(view: _View, from_ns: int, until_ns: int, seconds: float) -> Quantity:
    times = [stream.received_ns for stream in view.column]
    values = np.array([np.count_nonzero((time >= from_ns) & (time < until_ns)) / seconds for time in times])
    return view.quantity("throughput", "1/s", values, differences(values), q=view.lump / seconds, r=1 / seconds)


def _latency(view: _View) -> list[Quantity]:
    samples = [stream.latency_ns() for stream in view.column]
    present = [number for number, sample in enumerate(samples) if sample.size]
    if not present:
        return []
    # Runs that delivered nothing have no latency; the loss speaks for them.
    view = dataclasses.replace(view, live_runs=sum(number < view.live_runs for number in present))
    kept = [samples[number] for number in present]
    values = np.array([float(sample.mean()) for sample in kept])
    return [view.quantity("latency", "ns", values, wasserstein(kept), q=LATENCY_FLOOR_NS, r=LATENCY_FLOOR_NS)]


def _gaps(view: _View) -> list[Quantity]:
    samples = []
    for stream in view.column:
        found = stream.stretches()
        warm = int(stream.intended_ns[stream.measured].min(initial=np.iinfo(np.int64).max))
        samples.append(found.gap_messages[found.gap_start_ns >= warm])
    counts = np.array([sample.size for sample in samples])
    worlds = [part for part in np.split(counts, [view.live_runs]) if part.size]
    if view.column[0].delivery != "all" or max(part.mean() for part in worlds) < MIN_GAPS:
        return []
    one_gap = 1.0 / float(counts[counts > 0].mean())
    values = np.array([float(sample.mean()) if sample.size else 0.0 for sample in samples])
    return [view.quantity("gaps", "messages", values, kolmogorov_smirnov(samples), q=one_gap, r=one_gap)]


def _shares(view: _View) -> list[Quantity]:
    takers = view.column[0].takers
    if view.column[0].delivery != "one" or len(takers) < 2:
        return []
    shares = np.stack([stream.shares_points() for stream in view.column])
    message = 100.0 / view.owed
    return [
        dataclasses.replace(
            view.quantity("share", "points", shares[:, number], differences(shares[:, number]), q=message, r=message),
            name=f"share.{view.name}.{taker}",
        )
        for number, taker in enumerate(takers)
    ]
