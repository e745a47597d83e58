"""The statistic: how far two worlds are apart, run against run, and what follows.

A distance between two *runs* is

* of loss, throughput and shares: the difference;
* of latency: Wasserstein-1, over 1024 quantiles of each run;
* of gap lengths: Kolmogorov-Smirnov.

From the distances of all pairs, A = mean d(live, live), B = mean d(sim, sim), C = mean d(sim, live):

* **k = C / max(A, q)**: the gap between the worlds, with the live runs' own spread as the yardstick.
  The floor q keeps the yardstick honest where live runs are alike: for loss and throughput one credit
  quantum when a full pipe cost messages (credit comes back in lumps of (HWM + 1) // 2, and one lump more or
  less is chance), else one message; for shares one message; for latency 50 us, what clock and scheduler
  resolve of a median here; for gaps one gap.
* **D = max(B, r) / max(A, r)**: the dispersion, with r the resolution: one message, 50 us, one gap. A model
  without any spread that sits on the live median has k = 0.71; only D shows it.
* **energy = 2C - A - B**, and **p**: how often 999 random divisions of whole runs into worlds of
  these sizes reach that energy. Whole runs, because messages of one run depend on one another.

The verdict of a metric, in this order:

1. fewer than 5 live or 10 simulated runs: *unknown*;
2. the same single value in every run of both worlds: *agree*;
3. the scenario cannot be predicted (:mod:`harness.compare.predictable`): *unknown*, with the reason;
4. A, B and C all within r: *agree*, nothing that could be measured sets the worlds apart;
5. p < 0.05, and k > 1.25 or D outside [0.5, 2]: *differ*. Chance does not explain the difference, and
   it is larger than the live runs' own, or of another spread;
6. p >= 0.05, D inside [0.5, 2] and k <= max(1.25, what chance does): *agree*. A is a mean of few
   pairs, so that k of two *equal* worlds exceeds 1.25 in one comparison of nine with 10 and 30 runs; "what
   chance does" is the 99 % quantile of k over the same 999 divisions, and never more than 2;
7. else *unknown*: with p < 0.05 the difference is real but smaller than the yardstick; with
   p >= 0.05 it is large or of another spread, but could be chance. More runs decide.

A dispersion outside its range is not a difference as long as the whole gap C stays within one floor q: then 5
does not apply and 7 does.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Verdict = Literal["agree", "differ", "unknown"]
Floats = npt.NDArray[np.float64]

MIN_LIVE_RUNS = 5
MIN_SIM_RUNS = 10
K_LIMIT = 1.25
K_LIMIT_AT_MOST = 2.0
DISPERSION_RANGE = (0.5, 2.0)
SIGNIFICANCE = 0.05
PERMUTATIONS = 999
QUANTILES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """What is compared: a value and pairwise distances for each run, live runs first.

    Attributes:
        values: shape (n + m,).
        distances: shape (n + m, n + m), symmetric, zero on the diagonal.
        floor, resolution: q and r, in the unit of the distances.
        obstacle: why it cannot be predicted, or None.
    """

    name: str
    unit: str
    live_runs: int
    values: Floats
    distances: Floats
    floor: float
    resolution: float
    obstacle: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric in both worlds; see the module's text for the letters.

    Attributes:
        name: ``loss.slow``, ``latency.fast``, ``share.tasks.worker-1``, ...
        unit: of values and distances: ``points``, ``ns``, ``1/s``; ``messages`` for gaps, whose distances have none.
        live_runs, sim_runs: how many runs had a value (n, m).
        live, sim: mean over the runs of the run's value (loss, mean latency, mean gap in messages, ...).
        live_live, sim_sim, sim_live: A, B, C. NaN where there are no pairs.
        floor: q.
        k, dispersion, energy, p: as above; NaN when they do not exist.
        k_limit: the k up to which this comparison agrees.
        signed_error: sim - live.
        verdict, reason: what follows.
    """

    name: str
    unit: str
    live_runs: int
    sim_runs: int
    live: float
    sim: float
    live_live: float
    sim_sim: float
    sim_live: float
    floor: float
    k: float
    k_limit: float
    dispersion: float
    energy: float
    p: float
    signed_error: float
    verdict: Verdict
    reason: str


def differences(values: Floats) -> Floats:
    """Pairwise |difference| of one value a run, shape (runs, runs)."""
    return np.abs(values[:, None] - values[None, :])


def wasserstein(samples: Sequence[npt.NDArray[Any]]) -> Floats:
    """Pairwise Wasserstein-1 distances of samples (none empty), from :data:`QUANTILES` quantiles of each."""
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    grid = np.stack([np.quantile(sample.astype(np.float64), levels, method="inverted_cdf") for sample in samples])
    return np.stack([np.abs(grid - row).mean(axis=1) for row in grid])


def kolmogorov_smirnov(samples: Sequence[npt.NDArray[Any]]) -> Floats:
    """Pairwise Kolmogorov-Smirnov distances; of an empty sample to any other 1, to an empty one 0."""
    points = np.unique(np.concatenate([sample.astype(np.int64) for sample in samples]))
    # An empty sample stands below all others: its distribution function is 0 everywhere.
    steps = [np.searchsorted(np.sort(sample), points, side="right") / max(1, sample.size) for sample in samples]
    functions = np.stack(steps)
    if points.size == 0:
        return np.zeros((len(samples), len(samples)))
    return np.stack([np.abs(functions - row).max(axis=1) for row in functions])


def judge(quantity: Quantity, live_runs: int, sim_runs: int, rng: np.random.Generator) -> Metric:
    """The statistics and the verdict of one quantity, as the module's text defines them."""
    n, m = quantity.live_runs, quantity.values.size - quantity.live_runs
    chance = _divisions(n, m, rng)
    a, b, c = _means(quantity.distances, chance) if n > 1 and m > 1 else np.full((3, 1), math.nan)
    q, r = quantity.floor, quantity.resolution
    energies, ks = 2 * c - a - b, c / np.maximum(a, q)
    k, energy = float(ks[0]), float(energies[0])
    tolerance = 1e-9 * max(1.0, float(quantity.distances.max(initial=0.0)))
    known = math.isfinite(k)
    p = float(np.mean(energies >= energy - tolerance)) if known else math.nan
    k_limit = float(np.clip(np.quantile(ks, 0.99), K_LIMIT, K_LIMIT_AT_MOST)) if known else K_LIMIT
    dispersion = max(float(b[0]), r) / max(float(a[0]), r)
    live, sim = (float(part.mean()) if part.size else math.nan for part in np.split(quantity.values, [n]))
    figures = Metric(
        name=quantity.name,
        unit=quantity.unit,
        live_runs=n,
        sim_runs=m,
        live=live,
        sim=sim,
        live_live=float(a[0]),
        sim_sim=float(b[0]),
        sim_live=float(c[0]),
        floor=q,
        k=k,
        k_limit=k_limit,
        dispersion=dispersion if known else math.nan,
        energy=energy,
        p=p,
        signed_error=sim - live,
        verdict="unknown",
        reason="",
    )
    verdict, reason = _verdict(figures, quantity, live_runs, sim_runs)
    return dataclasses.replace(figures, verdict=verdict, reason=reason)


def _divisions(n: int, m: int, rng: np.random.Generator) -> Floats:
    """Membership of the live world, shape (1 + PERMUTATIONS, n + m): first as it is, then by chance."""
    actual = np.zeros(n + m)
    actual[:n] = 1.0
    return np.vstack((actual, rng.permuted(np.tile(actual, (PERMUTATIONS, 1)), axis=1)))


def _means(distances: Floats, divisions: Floats) -> tuple[Floats, Floats, Floats]:
    """A, B and C of each division, shape (divisions,) each."""
    rest = 1.0 - divisions
    n, m = float(divisions[0].sum()), float(rest[0].sum())
    from_live, from_rest = divisions @ distances, rest @ distances
    within_live = np.einsum("ij,ij->i", from_live, divisions)
    within_rest = np.einsum("ij,ij->i", from_rest, rest)
    between = np.einsum("ij,ij->i", from_live, rest)
    return within_live / (n * (n - 1)), within_rest / (m * (m - 1)), between / (n * m)


def _verdict(figures: Metric, quantity: Quantity, live_runs: int, sim_runs: int) -> tuple[Verdict, str]:
    """Rules 1 to 4 of the module's text; the others are those of :func:`_weigh`."""
    if live_runs < MIN_LIVE_RUNS or sim_runs < MIN_SIM_RUNS:
        return "unknown", (
            f"too few runs: {live_runs} live and {sim_runs} simulated, "
            f"at least {MIN_LIVE_RUNS} and {MIN_SIM_RUNS} are needed"
        )
    if figures.live_runs < MIN_LIVE_RUNS or figures.sim_runs < MIN_SIM_RUNS:
        return "unknown", (
            f"only {figures.live_runs} of {live_runs} live and {figures.sim_runs} of {sim_runs} simulated runs "
            "delivered anything to measure"
        )
    if not quantity.distances.any():
        return "agree", "the same in every run of both worlds"
    if quantity.obstacle is not None:
        return "unknown", f"cannot be predicted: {quantity.obstacle}"
    if max(figures.live_live, figures.sim_sim, figures.sim_live) <= quantity.resolution:
        return "agree", "all runs of both worlds lie within what can be measured"
    return _weigh(figures)


def _weigh(figures: Metric) -> tuple[Verdict, str]:
    """Rules 5 to 7 of the module's text."""
    low, high = DISPERSION_RANGE
    by_chance = figures.p >= SIGNIFICANCE
    spread_fits = low <= figures.dispersion <= high
    larger = figures.k > K_LIMIT
    gap = f"the worlds are {figures.k:.2f} times as far apart as live runs are from one another"
    spread = f"the simulated runs spread {figures.dispersion:.2f} times as much as the live ones"
    if not by_chance and larger:
        return "differ", gap
    if not by_chance and not spread_fits and figures.sim_live > figures.floor:
        return "differ", spread
    if not spread_fits:
        return "unknown", f"{spread}, outside {low} to {high}"
    if not by_chance:
        return "unknown", f"a real difference (p = {figures.p:.3f}), but smaller than the yardstick"
    if figures.k <= figures.k_limit:
        return "agree", gap if larger else "no further apart than live runs are from one another"
    return "unknown", f"{gap}, but that may be chance (p = {figures.p:.2f}): more runs decide"
