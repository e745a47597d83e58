"""The statistic against cases worked by hand, against scipy, and against worlds of known relation."""

from __future__ import annotations

import dataclasses
import functools
import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.compare import compare
from harness.compare.judge import (
    MIN_LIVE_RUNS,
    MIN_SIM_RUNS,
    Quantity,
    differences,
    judge,
    kolmogorov_smirnov,
    wasserstein,
)
from harness.compare.predictable import ruled_out
from harness.ledger.marks import low_water_mark
from harness.ledger.observed import pipe_hwm, streams
from harness.topology import Topology
from harness.units import readable_ns, readable_percent

from . import recorded

Draw = Callable[[np.random.Generator, int], Any]
FLOATS = st.floats(-1e6, 1e6, allow_nan=False, width=32)


def quantity(live: Any, sim: Any, *, floor: float = 0.01, resolution: float = 0.01, **rest: Any) -> Quantity:
    values = np.concatenate((np.asarray(live, dtype=float), np.asarray(sim, dtype=float)))
    return Quantity(
        name="loss.slow",
        unit="points",
        live_runs=len(live),
        values=values,
        distances=differences(values),
        floor=floor,
        resolution=resolution,
        **rest,
    )


def verdict(live: Any, sim: Any, seed: int = 0, **rest: Any) -> Any:
    return judge(quantity(live, sim, **rest), len(live), len(sim), np.random.default_rng(seed))


def test_the_letters_of_a_case_worked_by_hand() -> None:
    metric = verdict([1, 2, 3], [2, 4])
    assert metric.live_live == pytest.approx(4 / 3)
    assert metric.sim_sim == pytest.approx(2)
    assert metric.sim_live == pytest.approx(8 / 6)
    assert metric.k == pytest.approx(1.0)
    assert metric.dispersion == pytest.approx(1.5)
    assert metric.energy == pytest.approx(8 / 3 - 4 / 3 - 2)
    assert metric.signed_error == pytest.approx(1.0)
    assert (metric.live_runs, metric.sim_runs) == (3, 2)


def test_p_is_the_share_of_divisions_that_reach_the_energy() -> None:
    # Of C(15, 5) = 3003 divisions only the actual one parts the two groups: p is that of one in 1000 or few more.
    metric = verdict([0, 0.1, 0.2, 0.3, 0.4], np.linspace(100, 100.5, 10))
    assert 0.001 <= metric.p <= 0.005
    assert metric.verdict == "differ"


def test_the_floor_stands_in_for_a_spread_of_nothing() -> None:
    metric = verdict([20.0] * 10, [21.0] * 30, floor=2.5, resolution=0.05)
    assert metric.live_live == 0
    assert metric.k == pytest.approx(0.4)
    assert metric.dispersion == 1
    assert metric.verdict == "unknown"
    assert "real difference" in metric.reason
    assert verdict([20.0] * 10, [29.0] * 30, floor=2.5, resolution=0.05).verdict == "differ"


@given(
    st.lists(st.lists(FLOATS, min_size=1, max_size=60), min_size=2, max_size=5),
)
def test_wasserstein_is_that_of_scipy_to_the_resolution_of_its_quantiles(samples: list[list[float]]) -> None:
    arrays = [np.array(sample) for sample in samples]
    ours = wasserstein(arrays)
    reach = max(float(np.ptp(np.concatenate(arrays))), 1.0)
    for i, first in enumerate(arrays):
        for j, second in enumerate(arrays):
            # Each step of a distribution may fall up to half a quantile beside the grid.
            allowed = 1e-6 * reach + reach * (first.size + second.size) / 1024
            assert abs(ours[i, j] - stats.wasserstein_distance(first, second)) <= allowed
    assert (ours == ours.T).all()


def test_wasserstein_of_a_shift_is_the_shift() -> None:
    sample = np.random.default_rng(1).exponential(1e6, 5000)
    assert wasserstein([sample, sample + 250_000])[0, 1] == pytest.approx(250_000)


@given(st.lists(st.lists(st.integers(1, 500), min_size=1, max_size=80), min_size=2, max_size=5))
def test_kolmogorov_smirnov_is_that_of_scipy(samples: list[list[int]]) -> None:
    arrays = [np.array(sample) for sample in samples]
    ours = kolmogorov_smirnov(arrays)
    for i, first in enumerate(arrays):
        for j, second in enumerate(arrays):
            with np.errstate(divide="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # of its p, which is of no interest here
                theirs = stats.ks_2samp(first, second, method="asymp").statistic
            assert ours[i, j] == pytest.approx(theirs)


def test_an_empty_sample_is_as_far_as_can_be_from_any_other() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    ours = kolmogorov_smirnov([nothing, nothing, np.array([3, 4])])
    assert ours.tolist() == [[0, 0, 1], [0, 0, 1], [1, 1, 0]]
    assert kolmogorov_smirnov([nothing, nothing]).tolist() == [[0, 0], [0, 0]]


@given(st.lists(FLOATS, min_size=5, max_size=12), st.lists(FLOATS, min_size=10, max_size=20))
def test_worlds_may_be_exchanged(live: list[float], sim: list[float]) -> None:
    one, other = verdict(live, sim), verdict(sim, live)
    scale = 1e-6 * (1 + abs(one.sim_live))
    assert one.sim_live == pytest.approx(other.sim_live, rel=1e-6)
    assert one.live_live == pytest.approx(other.sim_sim, rel=1e-6)
    assert one.energy == pytest.approx(other.energy, rel=1e-6, abs=scale)
    assert one.dispersion * other.dispersion == pytest.approx(1, rel=1e-6)
    assert one.signed_error == pytest.approx(-other.signed_error, rel=1e-6, abs=1e-6)


def normal(rng: np.random.Generator, count: int) -> Any:
    return 40 + rng.standard_normal(count)


def skewed(rng: np.random.Generator, count: int) -> Any:
    return 40 + rng.gamma(4.0, 0.5, count)


@pytest.mark.parametrize("draw", [normal, skewed])
def test_equal_worlds_agree_in_nine_of_ten_comparisons(draw: Draw, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = [verdict(draw(rng, 10), draw(rng, 30), number).verdict for number in range(300)]
    assert found.count("agree") >= 270
    assert found.count("differ") <= 25  # one in twenty is expected


@pytest.mark.parametrize("draw", [normal, skewed])
def test_a_shift_of_three_spreads_is_seen(draw: Draw, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = [verdict(draw(rng, 10), draw(rng, 30) + 3, number).verdict for number in range(60)]
    assert found.count("differ") >= 58
    assert "agree" not in found


def test_a_model_without_spread_at_the_live_median_is_caught_by_its_dispersion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for number in range(40):
        live = normal(rng, 10)
        metric = verdict(live, np.full(30, np.median(live)), number)
        assert metric.k <= 1.0, "k alone would have let it pass"
        assert metric.dispersion < 0.5
        assert metric.verdict == "differ"
        assert "spread" in metric.reason


def test_a_spread_of_nothing_within_one_quantum_is_no_difference_but_undecided() -> None:
    live = np.linspace(40, 41, 10)
    metric = verdict(live, np.full(30, 40.5), floor=2.0, resolution=0.02)
    assert metric.verdict == "unknown"
    assert "0.05 times as much" in metric.reason


def test_three_times_the_spread_never_agrees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = [verdict(normal(rng, 10), 40 + 4 * rng.standard_normal(30), number) for number in range(60)]
    assert all(metric.verdict != "agree" for metric in found)


@pytest.mark.parametrize("obstacle", [None, "the sender never sleeps"])
def test_what_is_the_same_everywhere_agrees_even_where_nothing_can_be_predicted(obstacle: str | None) -> None:
    metric = verdict([0.0] * 10, [0.0] * 30, obstacle=obstacle)
    assert (metric.verdict, metric.k, metric.p) == ("agree", 0, 1)


def test_differences_below_the_resolution_agree() -> None:
    rng = np.random.default_rng(3)
    metric = verdict(50 + rng.random(10), 60 + rng.random(30), floor=20, resolution=20)
    assert metric.p < 0.05
    assert metric.verdict == "agree"


@pytest.mark.parametrize(
    ("live", "sim"), [(MIN_LIVE_RUNS - 1, 30), (10, MIN_SIM_RUNS - 1), (1, 30), (10, 1), (0, 30), (10, 0)]
)
def test_too_few_runs_decide_nothing(live: int, sim: int) -> None:
    metric = verdict([0.0] * live, [0.0] * sim)
    assert metric.verdict == "unknown"
    assert "too few runs" in metric.reason


def test_as_few_runs_as_are_needed_decide() -> None:
    assert verdict([0.0] * MIN_LIVE_RUNS, [0.0] * MIN_SIM_RUNS).verdict == "agree"


def test_an_obstacle_outweighs_every_figure() -> None:
    metric = verdict([1.0] * 10, [90.0] * 30, obstacle="the sender never sleeps")
    assert metric.verdict == "unknown"
    assert "the sender never sleeps" in metric.reason


@functools.cache
def made(service_ns: float) -> tuple[tuple[recorded.Recording, ...], tuple[recorded.Recording, ...]]:
    rng = np.random.default_rng(0)
    live = recorded.slow_subscriber("live", 10, rng)
    return tuple(recorded.slow_subscriber("sim", 30, rng, service_ns=service_ns)), tuple(live)


def worlds(service_ns: float = 1_200_000) -> tuple[list[recorded.Recording], list[recorded.Recording]]:
    """Thirty simulated and ten live runs of the slow subscriber."""
    sim, live = made(service_ns)
    return list(sim), list(live)


def test_equal_recordings_agree_metric_by_metric() -> None:
    found = compare(*worlds())
    assert found.verdict == "agree", found.reason
    assert [metric.name for metric in found.metrics] == [
        "loss.fast",
        "throughput.fast",
        "latency.fast",
        "loss.slow",
        "throughput.slow",
        "latency.slow",
        "gaps.slow",
    ]
    slow = next(metric for metric in found.metrics if metric.name == "loss.slow")
    assert slow.floor == pytest.approx(100 * recorded.LUMP / 2700), "one credit quantum of the measured messages"
    assert 35 < slow.live < 55


def test_a_consumer_that_is_a_third_slower_differs() -> None:
    found = compare(*worlds(service_ns=1_600_000))
    by_name = {metric.name: metric for metric in found.metrics}
    assert found.verdict == "differ"
    assert by_name["loss.slow"].verdict == "differ"
    assert by_name["loss.slow"].signed_error > 5
    assert by_name["loss.fast"].verdict == "agree"
    assert found.rejected >= 2


def test_a_comparison_is_plain_data_and_the_same_twice() -> None:
    sim, live = worlds()
    plain = compare(sim, live).plain()
    assert json.loads(json.dumps(plain, allow_nan=False)) == json.loads(json.dumps(plain))
    assert compare(sim, live).plain() == plain
    few = compare(sim, live[:1]).plain()
    assert few["verdict"] == "unknown"
    assert few["metrics"][0]["k"] is None


def test_a_broken_law_has_no_tolerance() -> None:
    sim, live = worlds()
    laws = [{"name": "conservation", "state": "invalid", "detail": "1 without a fate"}]
    sim[7] = dataclasses.replace(sim[7], summary={"verdict": "invalid", "checks": laws})
    found = compare(sim, live)
    assert found.verdict == "differ"
    assert "conservation" in found.reason
    broken = [law for law in found.invariants if law.invalid]
    assert [(law.name, law.world, law.invalid, law.detail) for law in broken] == [
        ("conservation", "sim", 1, "1 without a fate")
    ]
    assert broken[0].valid == 29


def test_runs_that_cannot_be_compared_are_refused() -> None:
    sim, live = worlds()
    with pytest.raises(ValueError, match="live runs are expected"):
        compare(sim, sim)
    with pytest.raises(ValueError, match="no run"):
        compare([], [])
    other = [dataclasses.replace(one, run=dataclasses.replace(one.run, variant="bigger")) for one in live]
    with pytest.raises(ValueError, match="slow-subscriber/bigger, slow-subscriber/plain"):
        compare(sim, other)


def test_a_world_that_delivers_nothing_has_no_latency_and_another_loss() -> None:
    rng = np.random.default_rng(0)
    count = recorded.MESSAGES
    live = recorded.slow_subscriber("live", 10, rng)
    lost = recorded.rows("slow", [None] * count, ["no_peer"] * count)
    fine = recorded.rows("fast", [100_000] * count, [None] * count)
    sim = [recorded.recording("sim", number, [fine, lost]) for number in range(30)]
    by_name = {metric.name: metric for metric in compare(sim, live).metrics}
    assert by_name["latency.slow"].verdict == "unknown"
    assert "0 of 30 simulated" in by_name["latency.slow"].reason
    assert by_name["loss.slow"].verdict == "differ"
    assert by_name["gaps.slow"].verdict == "differ"


def test_shares_of_a_pool_are_compared_worker_by_worker() -> None:
    rng = np.random.default_rng(0)
    live = recorded.worker_pool("live", 10, rng, (0.5, 0.3, 0.2))
    same = compare(recorded.worker_pool("sim", 30, rng, (0.5, 0.3, 0.2)), live)
    other = compare(recorded.worker_pool("sim", 30, rng, (0.4, 0.3, 0.3)), live)
    shares = {metric.name: metric for metric in other.metrics if metric.name.startswith("share.")}
    assert list(shares) == ["share.work.worker-1", "share.work.worker-2", "share.work.worker-3"]
    assert [metric.verdict for metric in shares.values()] == ["differ", "agree", "differ"]
    assert shares["share.work.worker-1"].signed_error == pytest.approx(-10, abs=1)
    assert all(metric.verdict == "agree" for metric in same.metrics if metric.name.startswith("share."))


def test_gaps_and_stretches_of_a_sequence_worked_by_hand() -> None:
    # Two before the first reception, then 3 through, 2 lost, 4 through, 1 lost, 2 through and 2 still under way.
    got = [None, None, 5, 5, 5, None, None, 5, 5, 5, 5, None, 5, 5, None, None]
    causes = [None if late else "hwm_sender" for late in got]
    causes[:2], causes[-2:] = ["no_peer"] * 2, ["in_flight"] * 2
    run = recorded.slow_subscriber_run("sim", 0, warmup_ns=0)
    stream = streams(recorded.recording("sim", 0, [recorded.rows("slow", got, causes)], run))[1]
    found = stream.stretches()
    assert found.gap_messages.tolist() == [2, 1]
    assert found.first_messages.tolist() == [3]
    assert found.between_messages.tolist() == [4], "the last stretch has not met its end"
    assert stream.lost_by_cause() == {"no_peer": 2, "hwm_sender": 3, "in_flight": 2}
    assert stream.loss_points == pytest.approx(100 * 7 / 16)
    assert sorted(stream.latency_ns().tolist()) == [5] * 9


def test_the_warm_up_counts_nowhere_but_in_the_sequence() -> None:
    run = recorded.slow_subscriber_run("sim", 0, warmup_ns=2_000_000)  # three messages at 1500/s
    stream = streams(
        recorded.recording("sim", 0, [recorded.rows("slow", [None, 7, 7, 9], ["no_peer", *[None] * 3])], run)
    )
    slow = stream[1]
    assert (slow.owed, slow.lost, slow.latency_ns().tolist()) == (1, 0, [9])


@pytest.mark.parametrize(("hwm", "lump"), [(1, 1), (2, 1), (3, 2), (5, 3), (10, 5), (1000, 500), (0, 0)])
def test_the_credit_quantum_is_half_the_mark_rounded_up(hwm: int, lump: int) -> None:
    assert low_water_mark(hwm) == lump


def with_sockets(run: Any, transport: str = "tcp", service_ns: int = 1_200_000, **options: int) -> Any:
    """The run with these socket options everywhere, another transport, another service of ``slow``."""
    nodes = [dataclasses.replace(node, options={**node.options, "socket": options}) for node in run.topology.nodes]
    nodes[2] = dataclasses.replace(
        nodes[2], options={**nodes[2].options, "service": {"kind": "constant", "mean_ns": service_ns}}
    )
    endpoints = [dataclasses.replace(run.topology.endpoints[0], transport=transport)]
    topology = Topology(nodes=tuple(nodes), endpoints=tuple(endpoints), flows=run.topology.flows)
    return dataclasses.replace(run, topology=topology)


def slow_stream(run: Any) -> Any:
    return streams(recorded.recording("sim", 0, [recorded.rows("slow", [5], [None])], run))[1]


def test_the_mark_of_a_pipe_is_the_senders_and_over_inproc_the_sum() -> None:
    run = recorded.slow_subscriber_run("sim", 0)
    for changes, mark in (
        ({"transport": "tcp", "sndhwm": 10, "rcvhwm": 20}, 10),
        ({"transport": "inproc", "sndhwm": 10, "rcvhwm": 20}, 30),
        ({"transport": "inproc", "sndhwm": 10, "rcvhwm": 0}, 0),
        ({"transport": "ipc"}, 1000),
        ({"transport": "inproc"}, 2000),
    ):
        changed = with_sockets(run, **changes)
        assert pipe_hwm(changed, slow_stream(changed)) == mark


def test_nobody_knows_the_mark_that_a_program_of_ones_own_sets() -> None:
    def by_own_program(run: Any) -> Any:
        nodes = tuple(dataclasses.replace(node, program="mine.py:function") for node in run.topology.nodes)
        return dataclasses.replace(run, topology=dataclasses.replace(run.topology, nodes=nodes))

    run = recorded.slow_subscriber_run("sim", 0)
    named, unnamed = (by_own_program(with_sockets(run, **options)) for options in ({"sndhwm": 10}, {}))
    assert pipe_hwm(named, slow_stream(named)) == 10
    assert pipe_hwm(unnamed, slow_stream(unnamed)) is None


def test_a_pub_that_connects_drops_as_one_that_binds() -> None:
    run = with_sockets(recorded.slow_subscriber_run("sim", 0), service_ns=1_000_000, sndbuf=8192, rcvbuf=8192)
    endpoint = run.topology.endpoints[0]
    turned = dataclasses.replace(
        endpoint, binder="slow", connecters=("pub",), binder_type=endpoint.connecter_type, connecter_type="PUB"
    )
    other = dataclasses.replace(run, topology=dataclasses.replace(run.topology, endpoints=(turned,)))
    assert ruled_out(run, slow_stream(run), lossy=True) is None  # 1.5 times what it can take: the pipe is always full
    assert ruled_out(other, slow_stream(other), lossy=True) is None


BUFFERS = {"sndbuf": 8192, "rcvbuf": 8192}


@pytest.mark.parametrize(
    ("changes", "lossy", "says"),
    [
        ({**BUFFERS}, True, None),
        ({"sndbuf": 8192}, True, "RCVBUF of slow not fixed"),
        ({"rcvbuf": 8192}, True, "SNDBUF of pub not fixed"),
        ({}, True, "SNDBUF of pub and RCVBUF of slow not fixed"),
        ({}, False, None),
        ({"transport": "ipc"}, True, None),
        ({**BUFFERS, "service_ns": 650_000}, True, "utilisation is 0.97"),
        ({**BUFFERS, "service_ns": 600_000}, True, None),
        ({**BUFFERS, "service_ns": 0}, True, None),
    ],
)
def test_what_cannot_be_predicted_is_named(changes: dict[str, Any], lossy: bool, says: str | None) -> None:
    run = with_sockets(recorded.slow_subscriber_run("sim", 0), **changes)
    reason = ruled_out(run, slow_stream(run), lossy=lossy)
    assert reason is None if says is None else reason is not None and says in reason


def test_a_sender_that_never_sleeps_cannot_be_predicted() -> None:
    run = recorded.slow_subscriber_run("sim", 0)
    nodes = list(run.topology.nodes)
    arrivals = {**nodes[0].options["arrivals"], "rate_per_s": 100_000.0}
    nodes[0] = dataclasses.replace(nodes[0], options={**nodes[0].options, "arrivals": arrivals})
    run = dataclasses.replace(run, topology=dataclasses.replace(run.topology, nodes=tuple(nodes)))
    assert "never sleeps" in str(ruled_out(run, slow_stream(run), lossy=False))


def test_autotuned_buffers_make_the_lossy_receiver_unknown_and_leave_the_other() -> None:
    sim, live = worlds()

    def autotuned(one: recorded.Recording) -> recorded.Recording:
        run = with_sockets(one.run, sndhwm=recorded.HWM)
        return dataclasses.replace(one, run=run)

    found = compare([autotuned(one) for one in sim], [autotuned(one) for one in live])
    verdicts = {metric.name: metric.verdict for metric in found.metrics}
    assert verdicts["loss.slow"] == verdicts["latency.slow"] == "unknown"
    assert verdicts["loss.fast"] == verdicts["latency.fast"] == "agree"
    assert found.verdict == "unknown"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 s"), (850, "850 ns"), (136_400, "136 us"), (999_700, "1 ms"), (41_230_000, "41.2 ms"), (-2e9, "-2 s")],
)
def test_durations_read_well(value: float, text: str) -> None:
    assert readable_ns(value) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0 %"), (0.004, "0.004 %"), (41.26, "41.3 %"), (100, "100.0 %")])
def test_shares_read_well_and_little_is_not_nothing(value: float, text: str) -> None:
    assert readable_percent(value) == text
