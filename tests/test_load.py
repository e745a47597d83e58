from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load import Arrivals, Service

S = 1_000_000_000

rates = st.floats(0.5, 5000)
untils = st.integers(1, 2 * S)
kinds = st.sampled_from(["constant", "poisson", "burst"])


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@given(kinds, rates, untils, st.integers(1, 50), st.integers(0, S), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_schedules_ascend_and_end_in_time(
    kind: str, rate: float, until: int, burst: int, phase: int, seed: int
) -> None:
    arrivals = Arrivals(kind=kind, rate_per_s=rate, until_ns=until, burst=burst, phase_ns=phase)  # type: ignore[arg-type]
    times = list(arrivals.times(rng(seed)))
    assert all(type(time) is int for time in times)
    assert all(0 <= time < until for time in times)
    assert all(earlier <= later for earlier, later in itertools.pairwise(times))
    assert times == list(arrivals.times(rng(seed))), "the same seed gives the same schedule"


@given(rates, untils, st.integers(0, S))
@settings(max_examples=150, deadline=None)
def test_a_constant_schedule_has_as_many_as_fit(rate: float, until: int, phase: int) -> None:
    times = list(Arrivals(rate_per_s=rate, until_ns=until, phase_ns=phase).times(rng()))
    spacing = 1e9 / rate
    assert abs(len(times) - max(0.0, (until - phase) / spacing)) <= 1
    assert all(abs(time - (phase + number * spacing)) <= 0.5 + 1e-6 * spacing for number, time in enumerate(times))


@given(st.integers(1, 40), st.floats(10, 5000))
@settings(max_examples=60, deadline=None)
def test_a_burst_schedule_comes_in_bursts_at_the_mean_rate(burst: int, rate: float) -> None:
    times = list(Arrivals(kind="burst", rate_per_s=rate, until_ns=2 * S, burst=burst).times(rng()))
    assert len(times) % burst == 0
    assert all(len(list(same)) == burst for _, same in itertools.groupby(times))
    assert abs(len(times) - 2 * rate) <= burst


def test_a_schedule_of_round_numbers_is_exact() -> None:
    times = list(Arrivals(rate_per_s=1000, until_ns=5_000_000).times(rng()))
    assert times == [number * 1_000_000 for number in range(5)]


def test_poisson_spacing_is_exponential() -> None:
    rate, until = 2000.0, 20 * S
    times = np.array(list(Arrivals(kind="poisson", rate_per_s=rate, until_ns=until).times(rng(7))))
    expected = rate * until / S
    assert abs(len(times) - expected) < 4 * math.sqrt(expected)
    gaps = np.diff(times)
    assert gaps.mean() == pytest.approx(1e9 / rate, rel=0.03)
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.03)
    # Counts in disjoint windows: variance equals mean, which neither constant nor burst spacing has.
    counts = np.bincount((times // (S // 10)).astype(int))
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=0.35)


@pytest.mark.parametrize("kind", ["constant", "exponential", "lognormal"])
def test_service_has_its_mean(kind: str) -> None:
    service = Service(kind=kind, mean_ns=1_000_000, sigma=0.5)  # type: ignore[arg-type]
    source = rng(3)
    draws = np.array([service.draw(source) for _ in range(40_000)])
    assert draws.min() >= 0
    assert draws.mean() == pytest.approx(1_000_000, rel=0.02)


def test_service_has_its_shape() -> None:
    source = rng(5)
    exponential = np.array([Service(kind="exponential", mean_ns=10**6).draw(source) for _ in range(40_000)])
    assert np.median(exponential) == pytest.approx(math.log(2) * 10**6, rel=0.03)
    lognormal = np.array([Service(kind="lognormal", mean_ns=10**6, sigma=0.8).draw(source) for _ in range(40_000)])
    assert np.log(lognormal).std() == pytest.approx(0.8, rel=0.02)
    assert {Service(mean_ns=10**6).draw(source) for _ in range(10)} == {10**6}


@given(st.sampled_from(["constant", "exponential", "lognormal"]), st.integers(0, 10 * S), st.floats(0, 3))
@settings(deadline=None)
def test_service_is_never_negative(kind: str, mean: int, sigma: float) -> None:
    service = Service(kind=kind, mean_ns=mean, sigma=sigma)  # type: ignore[arg-type]
    draw = service.draw(rng(11))
    assert isinstance(draw, int)
    assert draw >= 0
