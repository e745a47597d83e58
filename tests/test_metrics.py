"""The metrics, each against a slow and plain calculation of the same figure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import kinds
from harness.ledger import settle
from harness.metrics import answers, backlog, gaps, latency, loss, measure_all, throughput
from harness.patterns import reqrep
from harness.run import Run
from harness.trace import Kind
from tests.synthetic import MS, Journal, Pipe, make_run, publish, pubsub, simple

Row = dict[str, Any]


def story(journal: Journal) -> pa.Table:
    return settle(journal.run, journal.trace()).messages


def overload(warmup_ns: int = 0, **pipe: Any) -> tuple[Run, pa.Table]:
    run = make_run(pubsub(sndhwm=20), warmup_ns=warmup_ns, duration_ns=300 * MS)
    pipes = [Pipe("fast", 20, 10, MS // 2), Pipe("slow", 20, 10, 3 * MS, **pipe)]
    return run, settle(run, publish(run, pipes, 300)).messages


def test_all_metrics_are_found_by_name_and_take_an_empty_table() -> None:
    run = make_run(pubsub())
    figures = measure_all(story(Journal(run)), run)
    assert sorted(figures) == list(kinds.names("harness.metrics")) == sorted(figures)
    assert {"backlog", "gaps", "latency", "loss", "throughput"} <= set(figures)
    assert figures["latency"]["receivers"]["slow"]["p99"] is None
    assert figures["loss"]["receivers"]["slow"]["share"] is None
    assert figures["backlog"]["receivers"]["slow"]["max"] == 0
    assert figures["throughput"]["receivers"]["slow"]["received"] == 0
    assert figures["gaps"]["receivers"]["slow"]["join_messages"] == 0


# answers


def asking(given: list[tuple[int, int | None]], warmup_ns: int = 0, **options: Any) -> dict[str, Any]:
    """Requests of one client: when each was due and sent, and when its answer came (None: never), in ms."""
    topology = reqrep.build(reqrep.Options(rate_per_s=10, clients={"client": 2}), 1000 * MS)
    nodes = tuple(replace(node, options={**node.options, "socket": options}) for node in topology.nodes)
    journal = Journal(make_run(replace(topology, nodes=nodes), warmup_ns=warmup_ns))
    for seq, (due, back) in enumerate(given):
        journal.sent("client-1", seq, due * MS, flow="request")
        if back is not None:
            journal.sent("server", seq, back * MS - 1, flow="reply", to="client-1", intended=due * MS)
            journal.received("client-1", "server", seq, back * MS, flow="reply")
    found: dict[str, Any] = answers.measure(story(journal), journal.run)["clients"]
    assert found["client-2"] == {"unanswered": 0, "waits_since_ns": None}
    return dict(found["client-1"])


def test_who_waits_for_an_answer_waits_since_its_last_request() -> None:
    assert asking([(10, 20), (30, 40)]) == {"unanswered": 0, "waits_since_ns": None}
    assert asking([(10, 20), (30, None)]) == {"unanswered": 1, "waits_since_ns": 30 * MS}
    assert asking([(10, None), (30, 40)]) == {"unanswered": 1, "waits_since_ns": None}
    assert asking([(10, None), (30, None)], warmup_ns=20 * MS) == {"unanswered": 1, "waits_since_ns": 30 * MS}
    assert asking([(10, None), (30, None)], rcvtimeo=-1)["waits_since_ns"] == 30 * MS
    assert asking([(10, None), (30, None)], rcvtimeo=100) == {"unanswered": 2, "waits_since_ns": None}


def test_who_asks_nothing_is_no_client() -> None:
    run, messages = overload()
    assert answers.measure(messages, run) == {"clients": {}}


# loss


@pytest.mark.parametrize("warmup_ns", [0, 100 * MS])
def test_loss_counts_what_the_rows_say(warmup_ns: int) -> None:
    run, messages = overload(warmup_ns, joins_ns=120 * MS)
    rows: list[Row] = [row for row in messages.to_pylist() if row["intended_ns"] >= warmup_ns]
    figures = loss.measure(messages, run)
    for name in ("fast", "slow"):
        mine = [row for row in rows if row["receiver"] == name]
        missing = [row for row in mine if row["fate"] == "lost"]
        told = figures["receivers"][name]
        assert told["expected"] == len(mine)
        assert told["lost_total"] == len(missing) == sum(told["lost"].values())
        assert told["share"] == pytest.approx(len(missing) / len(mine))
        for cause, count in told["lost"].items():
            assert count == sum(row["cause"] == cause for row in missing)
    assert set(figures["receivers"]["slow"]["lost"]) == {"not_subscribed", "hwm_sender"}
    assert figures["receivers"]["fast"]["lost"] == {}
    assert figures["all"]["expected"] == figures["flows"]["feed"]["expected"] == len(rows)


def test_loss_over_time_falls_into_the_right_bins() -> None:
    run, messages = overload(warmup_ns=100 * MS, joins_ns=150 * MS)
    over_time = loss.measure(messages, run)["over_time"]
    assert over_time["start_ns"][0] == 100 * MS
    assert over_time["start_ns"][1] - over_time["start_ns"][0] == over_time["width_ns"] == 2 * MS
    slow = over_time["receivers"]["slow"]
    assert sum(slow["expected"]) == 200
    assert slow["lost"][:25] == [2] * 25  # until it joins
    assert slow["lost"][25] == 0


def test_what_is_due_after_the_load_falls_into_the_last_bin() -> None:
    journal = Journal(make_run(pubsub(("x",)), duration_ns=100))
    journal.sent("pub", 0, 97)
    journal.sent("pub", 1, 2000)
    over_time = loss.measure(story(journal), journal.run)["over_time"]
    assert over_time["receivers"]["x"]["expected"][97:] == [1, 0, 1]


def test_what_was_not_received_for_whatever_reason_is_undelivered() -> None:
    journal = Journal(make_run(pubsub(("x",))))
    for seq in range(4):
        journal.sent("pub", seq, seq)
    journal.received("x", "pub", 0, 9)
    journal.lost("pub", 1, "x", "hwm_sender", 9)
    journal.in_flight("pub", 2, "x", 9)
    figures = loss.measure(story(journal), journal.run)["receivers"]["x"]
    assert (figures["share"], figures["undelivered_share"]) == (0.25, 0.75)
    assert (figures["in_flight"], figures["unexplained"]) == (1, 1)


# latency


def test_latency_counts_from_the_time_that_was_intended() -> None:
    journal = Journal(make_run(pubsub(("x",)), warmup_ns=10))
    journal.sent("pub", 0, 9, intended=9)
    journal.sent("pub", 1, 60, intended=10)
    journal.received("x", "pub", 0, 1000)
    journal.received("x", "pub", 1, 70)
    figures = latency.measure(story(journal), journal.run)["all"]
    assert (figures["count"], figures["p50"], figures["max"], figures["mean"]) == (1, 60, 60, 60.0)


def test_samples_below_zero_are_kept_and_counted() -> None:
    journal = Journal(make_run(pubsub(("x",))))
    for seq, due in enumerate((50, 5)):
        journal.sent("pub", seq, seq, intended=due)
        journal.received("x", "pub", seq, 10)
    figures = latency.measure(story(journal), journal.run)["receivers"]["x"]
    assert (figures["count"], figures["negative"], figures["min"]) == (2, 1, -40)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=300))
def test_quantiles_are_nearest_ranks(samples: list[int]) -> None:
    journal = Journal(make_run(pubsub(("x",))))
    for seq, sample in enumerate(samples):
        journal.sent("pub", seq, 0)
        journal.received("x", "pub", seq, sample)
    figures = latency.measure(story(journal), journal.run)
    ranked = sorted(samples)
    for name, (numerator, denominator) in {
        "p50": (1, 2),
        "p90": (9, 10),
        "p99": (99, 100),
        "p999": (999, 1000),
    }.items():
        rank = -(-numerator * len(ranked) // denominator)
        assert figures["all"][name] == ranked[rank - 1]
    assert figures["all"]["mean"] == pytest.approx(math.fsum(samples) / len(samples))
    curve = figures["all"]["ecdf_ns"]
    assert len(curve) == len(figures["quantiles"])
    assert (curve[0], curve[-1], curve) == (ranked[0], ranked[-1], sorted(curve))


def test_latency_is_told_by_flow_and_receiver() -> None:
    run, messages = overload()
    figures = latency.measure(messages, run)
    assert figures["receivers"]["slow"]["p50"] > 10 * figures["receivers"]["fast"]["p50"]
    assert figures["flows"]["feed"]["count"] == figures["all"]["count"]


# throughput


def test_throughput_counts_receptions_inside_the_window() -> None:
    run, messages = overload(warmup_ns=100 * MS)
    figures = throughput.measure(messages, run)
    rows: list[Row] = messages.to_pylist()
    for name in ("fast", "slow"):
        inside = [row for row in rows if row["receiver"] == name and 100 * MS <= (row["received_ns"] or 0) < 300 * MS]
        assert figures["receivers"][name] == {"received": len(inside), "received_per_s": len(inside) / 0.2}
    assert figures["receivers"]["slow"]["received_per_s"] == pytest.approx(333, abs=5)
    assert figures["flows"]["feed"]["offered_per_s"] == 2000
    assert figures["window_ns"] == 200 * MS


def test_an_empty_window_has_no_rate() -> None:
    run = make_run(pubsub(), warmup_ns=5, duration_ns=5)
    assert throughput.measure(story(Journal(run)), run)["all"]["received_per_s"] is None


# backlog


def waiting_at(rows: list[Row], time_ns: int) -> int:
    return sum(
        row["sent_ns"] <= time_ns and (row["received_ns"] is None or row["received_ns"] > time_ns)
        for row in rows
        if row["fate"] != "lost"
    )


def test_backlog_is_what_was_sent_and_not_yet_received() -> None:
    run, messages = overload()
    rows = [row for row in messages.to_pylist() if row["receiver"] == "slow"]
    figures = backlog.measure(messages, run)["receivers"]["slow"]
    assert len(figures["time_ns"]) < backlog.POINTS
    assert figures["waiting"] == [waiting_at(rows, time_ns) for time_ns in figures["time_ns"]]
    # Credit lags behind what was read by up to a quantum, so that a full pipe may hold less (F32).
    assert 11 <= figures["max"] == max(figures["waiting"]) <= 20
    assert figures["waiting"][-1] == 0


def test_the_mean_is_weighted_by_time_and_the_window_opens_with_what_waits() -> None:
    run = make_run(pubsub(("x",)), warmup_ns=100, duration_ns=200)
    journal = Journal(run)
    for seq, at in enumerate((0, 10, 120)):
        journal.sent("pub", seq, at)
    for seq, at in enumerate((50, 150, 1000)):
        journal.received("x", "pub", seq, at)
    figures = backlog.measure(story(journal), run)["receivers"]["x"]
    # One waits at 100, two from 120, one from 150 to 200.
    assert figures["mean"] == pytest.approx((20 * 1 + 30 * 2 + 50 * 1) / 100)
    assert figures["max"] == 2
    assert (figures["time_ns"], figures["waiting"]) == ([0, 10, 50, 120, 150, 1000], [1, 2, 1, 2, 1, 0])


def test_what_is_in_flight_waits_to_the_end() -> None:
    journal = Journal(make_run(simple("one", ("a",), ("x",))))
    journal.sent("a", 0, 5)
    journal.in_flight("a", 0, "x", 9)
    assert backlog.measure(story(journal), journal.run)["receivers"]["x"]["waiting"] == [1]


def test_many_steps_are_reduced_and_keep_their_peaks() -> None:
    run = make_run(pubsub(("x",)), duration_ns=2000 * MS)
    messages = settle(run, publish(run, [Pipe("x", 300, 150, 2 * MS)], 2000)).messages
    figures = backlog.measure(messages, run)["receivers"]["x"]
    assert 400 < len(figures["time_ns"]) <= backlog.POINTS
    assert 151 <= figures["max"] == max(figures["waiting"]) <= 300
    rows = messages.to_pylist()
    width = figures["time_ns"][1] - figures["time_ns"][0]
    for number in (0, 17, 250, 480):
        start = figures["time_ns"][number]
        steps = {row[name] for row in rows for name in ("sent_ns", "received_ns") if row[name] is not None}
        inside = [step for step in steps if start <= step < start + width]
        assert figures["waiting"][number] == max(waiting_at(rows, step) for step in [start, *inside])


# gaps


def runs(pattern: str) -> Iterator[tuple[str, int]]:
    while pattern:
        rest = pattern.lstrip(pattern[0])
        yield pattern[0], len(pattern) - len(rest)
        pattern = rest


@settings(max_examples=150, deadline=None)
@given(st.text("+-", min_size=1, max_size=60), st.integers(0, 60))
def test_gaps_and_stretches_alternate(pattern: str, warmup: int) -> None:
    journal = Journal(make_run(pubsub(("x", "y")), warmup_ns=warmup))
    for seq, sign in enumerate(pattern):
        journal.sent("pub", seq, seq)
        journal.received("y", "pub", seq, 100)
        if sign == "+":
            journal.received("x", "pub", seq, 100)
        else:
            journal.lost("pub", seq, "x", "hwm_sender", 100)
    told = gaps.measure(story(journal), journal.run)["receivers"]
    joined = len(pattern) - len(pattern.lstrip("-"))
    expected: list[tuple[str, int, int]] = []
    at = joined
    for sign, length in runs(pattern[joined:]):
        expected.append((sign, length, at))
        at += length
    lost = [(length, start) for sign, length, start in expected if sign == "-" and start >= warmup]
    between = [(length, start) for sign, length, start in expected[1:-1] if sign == "+"]
    assert told["x"]["join_messages"] == joined
    assert told["x"]["gap_messages"].tolist() == [length for length, _ in lost]
    assert told["x"]["gap_start_ns"].tolist() == [start for _, start in lost]
    assert told["x"]["stretch_messages"].tolist() == [length for length, start in between if start >= warmup]
    assert told["x"]["first_messages"].tolist() == ([expected[0][1]] if len(expected) > 1 else [])
    assert told["y"]["gap_messages"].size == told["y"]["join_messages"] == 0


def test_stretches_show_the_quantum_of_credit() -> None:
    run, messages = overload()
    figures = gaps.measure(messages, run)["receivers"]["slow"]
    assert len(figures["stretch_messages"]) > 3
    assert set((figures["stretch_messages"] % 10).tolist()) == {0}
    assert figures["first_messages"][0] >= 20


def test_a_flow_to_any_one_has_gaps_of_its_own() -> None:
    journal = Journal(make_run(simple("one", ("a", "b"), ("x", "y"))))
    for sender in ("a", "b"):
        for seq in range(6):
            refused = seq == 3 or (sender == "b" and seq == 4)
            journal.sent(sender, seq, seq, kind=Kind.REJECTED if refused else Kind.SENT)
            if not refused:
                journal.received("xy"[seq % 2], sender, seq, 9)
    figures = gaps.measure(story(journal), journal.run)
    assert figures["flows"]["f"]["gap_messages"].tolist() == [1, 2]
    assert figures["flows"]["f"]["first_messages"].tolist() == [3, 3]
    assert figures["receivers"]["x"]["gap_messages"].size == 0


def test_what_is_still_under_way_ends_the_sequence() -> None:
    journal = Journal(make_run(pubsub(("x",))))
    for seq in range(4):
        journal.sent("pub", seq, seq)
    journal.received("x", "pub", 0, 9)
    journal.lost("pub", 1, "x", "hwm_sender", 9)
    journal.in_flight("pub", 2, "x", 9)
    journal.in_flight("pub", 3, "x", 9)
    figures = gaps.measure(story(journal), journal.run)["receivers"]["x"]
    assert figures["gap_messages"].tolist() == [1]


def test_receivers_keep_the_order_of_the_topology_and_sum_up_to_all() -> None:
    run, messages = overload()
    figures = measure_all(messages, run)
    assert list(figures["loss"]["receivers"]) == ["fast", "slow"]
    per_receiver = figures["loss"]["receivers"].values()
    assert sum(one["lost_total"] for one in per_receiver) == figures["loss"]["all"]["lost_total"]
    assert isinstance(figures["gaps"]["receivers"]["slow"]["gap_messages"], np.ndarray)
