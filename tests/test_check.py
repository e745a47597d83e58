"""The laws: each is seen to hold, and each is seen to fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.check import Checks, Law, check
from harness.health import noise
from harness.ledger import settle
from harness.ledger.marks import low_water_mark
from harness.run import FaultSpec, Run
from harness.topology import Node, Topology
from harness.trace import Kind, Trace
from tests.synthetic import MS, Journal, Pipe, make_run, publish, pubsub, simple


def checked(run: Run, trace: Trace) -> Checks:
    return check(run, trace, settle(run, trace))


def law(checks: Checks, name: str) -> Law:
    return next(law for law in checks.laws if law.name == name)


def overloaded(world: str = "sim", transport: str = "tcp", quantum: int | None = None, **changes: Any) -> Any:
    """A fast and a slow subscriber of a pipe of 20 (over inproc 10 + 10), 500 messages."""
    mark = 10 if transport == "inproc" else 20
    run = make_run(pubsub(transport=transport, sndhwm=mark, rcvhwm=mark), world=world, **changes)
    lump = quantum or low_water_mark(20)
    pipes = [Pipe("fast", 20, 10, MS // 2), Pipe("slow", 20, lump, 3 * MS)]
    return run, publish(run, pipes, 500, witness=world == "sim")


def test_a_sound_simulated_run_is_valid() -> None:
    checks = checked(*overloaded())
    assert [(law.name, law.state) for law in checks.laws] == [
        ("complete", "valid"),
        ("programs", "valid"),
        ("conservation", "valid"),
        ("order", "valid"),
        ("causality", "valid"),
        ("clock", "valid"),
        ("credit", "valid"),
        ("twin", "valid"),
        ("inference", "valid"),
    ]
    assert (checks.verdict, checks.vacuous) == ("valid", ())


def test_a_sound_live_run_is_valid() -> None:
    checks = checked(*overloaded("live"))
    assert [law.name for law in checks.laws][-1] == "generator"
    assert {law.state for law in checks.laws} == {"valid"}
    assert checks.verdict == "valid"


def test_laws_that_had_nothing_to_judge_do_not_count_against_a_run() -> None:
    run = make_run(pubsub())
    checks = checked(run, publish(run, [Pipe("fast", 1000, 500, 1), Pipe("slow", 1000, 500, 1)], 10))
    assert (law(checks, "credit").state, law(checks, "inference").state) == ("unknown", "unknown")
    assert checks.verdict == "valid"


# conservation


def test_in_the_simulation_a_message_without_fate_breaks_conservation() -> None:
    run = make_run(pubsub())
    journal = Journal(run)
    journal.sent("pub", 0, 0)
    journal.received("fast", "pub", 0, 1)
    checks = checked(run, journal.trace())
    assert law(checks, "conservation").state == "invalid"
    assert "flow feed, sender pub, seq 0, receiver slow" in law(checks, "conservation").detail
    assert checks.verdict == "invalid"


def test_two_fates_break_conservation_and_the_first_is_named() -> None:
    run, trace = overloaded()
    journal = Journal(run)
    journal.recorder.append(Kind.LOST, 2, 0, 0, 1, 7, 499 * MS, 0, 512, 0)
    records = trace.records.copy()
    doubled = replace(trace, records=np.concatenate((records, journal.recorder.records())))
    assert law(checked(run, doubled), "conservation").detail == (
        "1 x two_fates, the first: flow feed, sender pub, seq 7, receiver fast"
    )


def test_a_ledger_whose_sum_does_not_close_is_invalid() -> None:
    run, trace = overloaded()
    ledger = settle(run, trace)
    wrong = law(check(run, trace, replace(ledger, delivered=ledger.delivered - 1)), "conservation")
    assert (wrong.state, "does not close" in wrong.detail) == ("invalid", True)


def test_live_what_nobody_can_explain_leaves_the_run_unknown() -> None:
    run = make_run(simple("one", ("a",), ("x",)), world="live")
    journal = Journal(run)
    journal.sent("a", 0, 0)
    checks = checked(run, journal.trace())
    assert law(checks, "conservation").state == "unknown"
    assert "1 cannot be explained" in law(checks, "conservation").detail
    assert checks.verdict == "unknown"


# order, causality, clock


@pytest.mark.parametrize("delivery", ["all", "one", "addressed"])
def test_overtaking_breaks_order(delivery: str) -> None:
    run = make_run(simple(delivery, ("a",), ("x",)))
    journal = Journal(run)
    for seq in range(3):
        journal.sent("a", seq, seq, to="x")
    for seq in (0, 2, 1):
        journal.received("x", "a", seq, 5)
    order = law(checked(run, journal.trace()), "order")
    assert order.state == "invalid"
    assert "flow f, sender a, seq 1 after 2, receiver x" in order.detail


def test_a_repetition_breaks_order() -> None:
    run = make_run(simple("one", ("a",), ("x",)))
    journal = Journal(run)
    journal.sent("a", 0, 0)
    journal.received("x", "a", 0, 5)
    journal.received("x", "a", 0, 6)
    assert law(checked(run, journal.trace()), "order").state == "invalid"


def test_messages_of_different_senders_have_no_order_among_them() -> None:
    run = make_run(simple("one", ("a", "b"), ("a", "b")))
    journal = Journal(run)
    for seq in range(2):
        journal.sent("a", seq, seq)
        journal.sent("b", seq, seq)
    for receiver, sender, seq in (("b", "a", 0), ("a", "b", 0), ("b", "a", 1), ("a", "b", 1)):
        journal.received(receiver, sender, seq, 5)
    assert law(checked(run, journal.trace()), "order").state == "valid"


def test_a_connection_made_anew_is_not_held_to_the_order_of_one() -> None:
    run = make_run(simple("one", ("a",), ("x",)))
    journal = Journal(run)
    journal.sent("a", 0, 0)
    journal.sent("a", 1, 0)
    journal.event("disconnected", "x", 2)
    journal.event("handshake_succeeded", "x", 3)
    journal.received("x", "a", 1, 5)
    journal.received("x", "a", 0, 6)
    checks = checked(run, journal.trace())
    assert law(checks, "order").state == "unknown"
    assert checks.verdict == "valid"


@pytest.mark.parametrize(
    ("received", "stamp", "what"),
    [(9, 9, "1 received before they were sent"), (12, 13, "1 bear a stamp of the future")],
)
def test_effects_before_causes_are_invalid(received: int, stamp: int, what: str) -> None:
    run = make_run(simple("one", ("a",), ("x",)))
    journal = Journal(run)
    journal.sent("a", 0, 10)
    journal.received("x", "a", 0, received, stamp=stamp)
    causality = law(checked(run, journal.trace()), "causality")
    assert (causality.state, what in causality.detail) == ("invalid", True)


def test_a_message_may_arrive_before_it_was_due() -> None:
    run = make_run(simple("one", ("a",), ("x",)))
    journal = Journal(run)
    journal.sent("a", 0, 10, intended=50)
    journal.received("x", "a", 0, 20)
    assert law(checked(run, journal.trace()), "causality").state == "valid"


def test_a_loss_before_the_send_is_invalid() -> None:
    run = make_run(simple("one", ("a",), ("x",)))
    journal = Journal(run)
    journal.sent("a", 0, 10)
    journal.lost("a", 0, "x", "linger", 9)
    checks = checked(run, journal.trace())
    assert law(checks, "causality").state == "invalid"
    assert law(checks, "conservation").state == "valid"


@pytest.mark.parametrize(("world", "state"), [("sim", "invalid"), ("live", "valid")])
def test_the_clock_of_a_node_does_not_go_back(world: str, state: str) -> None:
    run = make_run(simple("one", ("a",), ("x",)), world=world)
    journal = Journal(run)
    journal.sent("a", 0, 10)
    journal.event("accepted", "a", 9)  # live, another thread writes these
    assert law(checked(run, journal.trace()), "clock").state == state
    journal.sent("a", 1, 8)
    clock = law(checked(run, journal.trace()), "clock")
    assert clock.state == "invalid"
    assert "node a" in clock.detail


def test_clocks_of_different_nodes_are_not_compared() -> None:
    run = make_run(simple("one", ("a", "b"), ("x",)), world="live")
    journal = Journal(run)
    journal.sent("a", 0, 10)
    journal.sent("b", 0, 5)
    journal.sent("a", 1, 11)
    assert law(checked(run, journal.trace()), "clock").state == "valid"


# credit


@pytest.mark.parametrize("world", ["sim", "live"])
@pytest.mark.parametrize("transport", ["tcp", "ipc", "inproc"])
def test_the_arithmetic_of_credit_holds(world: str, transport: str) -> None:
    credit = law(checked(*overloaded(world, transport)), "credit")
    assert credit.state == "valid"
    assert int(credit.detail.split()[0]) > 3


@pytest.mark.parametrize("world", ["sim", "live"])
@pytest.mark.parametrize("quantum", [9, 11, 7])
def test_another_quantum_breaks_it(world: str, quantum: int) -> None:
    checks = checked(*overloaded(world, quantum=quantum))
    assert law(checks, "credit").state == "invalid"
    assert "feed: pub to slow" in law(checks, "credit").detail
    assert checks.verdict == "invalid"


@pytest.mark.parametrize(
    ("hwm", "quantum"), [(1, 1), (2, 1), (3, 2), (5, 3), (8, 4), (10, 5), (20, 10), (1000, 500), (2000, 1000)]
)
def test_the_quantum_is_half_the_mark_rounded_up(hwm: int, quantum: int) -> None:
    assert low_water_mark(hwm) == quantum


def test_a_loss_before_the_pipe_can_be_full_breaks_it() -> None:
    run = make_run(pubsub(sndhwm=20))
    trace = publish(run, [Pipe("fast", 20, 10, 1), Pipe("slow", 10, 10, 20 * MS)], 300)
    assert "the first lost one is number 10 of this pipe" in law(checked(run, trace), "credit").detail


def test_another_mark_breaks_it() -> None:
    run = make_run(pubsub(sndhwm=30))
    trace = publish(run, [Pipe("fast", 20, 10, 1), Pipe("slow", 20, 10, 3 * MS)], 300)
    assert "the first lost one is number 20 of this pipe, which is not 30 + k x 15" in (
        law(checked(run, trace), "credit").detail
    )


def test_over_inproc_both_marks_count() -> None:
    run = make_run(pubsub(transport="inproc", sndhwm=10, rcvhwm=30))
    sound = publish(run, [Pipe("fast", 40, 20, 1), Pipe("slow", 40, 20, 3 * MS)], 300)
    wrong = publish(run, [Pipe("fast", 40, 20, 1), Pipe("slow", 10, 5, 3 * MS)], 300)
    assert law(checked(run, sound), "credit").state == "valid"
    assert law(checked(run, wrong), "credit").state == "invalid"


def test_no_mark_loses_nothing_to_one() -> None:
    run = make_run(pubsub(sndhwm=0))
    trace = publish(run, [Pipe("fast", 20, 10, 1), Pipe("slow", 20, 10, 3 * MS)], 300)
    assert "no high-water mark" in law(checked(run, trace), "credit").detail


@pytest.mark.parametrize("world", ["sim", "live"])
def test_a_late_joiner_counts_from_its_first_message(world: str) -> None:
    run = make_run(pubsub(sndhwm=20), world=world)
    pipes = [Pipe("fast", 20, 10, 1), Pipe("slow", 20, 10, 3 * MS, joins_ns=77 * MS)]
    checks = checked(run, publish(run, pipes, 500, witness=world == "sim"))
    assert law(checks, "credit").state == "valid"
    assert checks.verdict == "valid"


@settings(max_examples=60, deadline=None)
@given(
    hwm=st.integers(1, 60),
    factor=st.floats(1.05, 6),
    joins=st.integers(0, 100),
    drain=st.booleans(),
    live=st.booleans(),
)
def test_any_pipe_obeys_and_is_inferred_rightly(hwm: int, factor: float, joins: int, drain: bool, live: bool) -> None:
    run = make_run(pubsub(("slow",), sndhwm=hwm), world="live" if live else "sim")
    pipe = Pipe("slow", hwm, low_water_mark(hwm), int(factor * MS), joins * MS)
    drained = drain or live
    checks = checked(run, publish(run, [pipe], 400, witness=not live, drain=drained))
    assert law(checks, "credit").state != "invalid"
    assert law(checks, "conservation").state == "valid"
    if drained and not live:
        assert law(checks, "inference").state != "invalid"


def test_only_marks_that_are_known_are_judged() -> None:
    base = pubsub(sndhwm=20, program="mine.py")
    bare = Topology(
        nodes=tuple(Node(name=node.name, group=node.group, program=node.program) for node in base.nodes),
        endpoints=base.endpoints,
        flows=base.flows,
    )
    pipes = [Pipe("fast", 20, 10, 1), Pipe("slow", 20, 9, 3 * MS)]
    for topology, state in ((base, "invalid"), (bare, "unknown")):
        run = make_run(topology)
        assert law(checked(run, publish(run, [replace(pipe) for pipe in pipes], 300)), "credit").state == state


def test_a_pipe_whose_connection_broke_is_not_judged() -> None:
    run, trace = overloaded(quantum=7)
    journal = Journal(run)
    journal.event("disconnected", "slow", 200 * MS)
    broken = replace(trace, records=np.concatenate((trace.records, journal.recorder.records())))
    credit = law(checked(run, broken), "credit")
    assert credit.state == "unknown"
    assert "its connection broke" in credit.detail


# the rest


def test_the_twins_own_checks_are_laws() -> None:
    run, trace = overloaded()
    checks = checked(run, replace(trace, violations=("pipe 3 holds 21 of 20",)))
    assert law(checks, "twin").detail == "pipe 3 holds 21 of 20"
    assert checks.verdict == "invalid"


def test_a_wrong_inference_is_invalid() -> None:
    run = make_run(pubsub(("slow",)))
    journal = Journal(run)
    for seq in range(3):
        journal.sent("pub", seq, seq)
    journal.lost("pub", 0, "slow", "hwm_sender", 3)
    journal.received("slow", "pub", 1, 3)
    journal.lost("pub", 2, "slow", "hwm_sender", 3)
    inference = law(checked(run, journal.trace()), "inference")
    assert inference.state == "invalid"
    assert "1 of 2 inferred causes are wrong, the first: no_peer for hwm_sender" in inference.detail


def test_what_cannot_be_told_from_outside_is_not_scored() -> None:
    run = make_run(pubsub(("slow",)))
    journal = Journal(run)
    for seq in range(2):
        journal.sent("pub", seq, seq)
    journal.received("slow", "pub", 0, 3)
    journal.lost("pub", 1, "slow", "filtered", 3)
    inference = law(checked(run, journal.trace()), "inference")
    assert inference.state == "unknown"
    assert "1 have causes that cannot be told from outside" in inference.detail


def test_a_limit_makes_a_run_unknown_at_best() -> None:
    run, trace = overloaded()
    checks = checked(run, replace(trace, limits_hit=("it took too long",)))
    assert law(checks, "complete").detail == "it took too long"
    assert checks.verdict == "unknown"
    assert checked(run, replace(trace, limits_hit=("x",), violations=("y",))).verdict == "invalid"


def test_a_program_that_died_is_invalid() -> None:
    run, trace = overloaded()
    checks = checked(run, replace(trace, errors={"slow": "File x, line 3\nZeroDivisionError: by zero\n"}))
    assert law(checks, "programs").detail == "slow: ZeroDivisionError: by zero"
    assert checks.verdict == "invalid"


@pytest.mark.parametrize(("late", "state"), [(5, "valid"), (6, "invalid")])
def test_a_publisher_that_missed_its_rate_makes_the_run_invalid(late: int, state: str) -> None:
    run = make_run(pubsub(("fast",)), world="live", warmup_ns=10 * MS)
    journal = Journal(run)
    for seq in range(110):
        held_up = seq < 10 or 104 <= seq < 104 + late  # the first ten belong to the warm-up
        journal.sent("pub", seq, seq * MS + (6 * MS if held_up else 5 * MS), intended=seq * MS)
        journal.received("fast", "pub", seq, 200 * MS)
    checks = checked(run, journal.trace())
    generator = law(checks, "generator")
    assert f"{late} of 100" in generator.detail
    assert generator.state == checks.verdict == state


def published(count: int, late_ns: int = 0, **arrivals: Any) -> Any:
    """A live run whose publisher was to send as ``arrivals`` says and sent so many, a millisecond apart."""
    topology = pubsub(("fast",))
    schedule = {"rate_per_s": 1000.0, "until_ns": 1000 * MS, **arrivals}
    publisher = replace(topology.nodes[0], options={"arrivals": schedule})
    run = make_run(replace(topology, nodes=(publisher, *topology.nodes[1:])), world="live")
    journal = Journal(run)
    for seq in range(count):
        journal.sent("pub", seq, seq * MS + late_ns, intended=seq * MS)
        journal.received("fast", "pub", seq, 2000 * MS)
    return run, journal.trace()


@pytest.mark.parametrize(
    ("count", "arrivals", "state"),
    [
        (989, {}, "valid"),
        (988, {}, "invalid"),
        (850, {"kind": "poisson"}, "valid"),
        (830, {"kind": "poisson"}, "invalid"),
        (494, {"phase_ns": 500 * MS}, "valid"),
        (10, {"no such field": 1}, "valid"),
    ],
)
def test_a_publisher_that_sent_too_little_makes_the_run_invalid(
    count: int, arrivals: dict[str, Any], state: str
) -> None:
    run, trace = published(count, **arrivals)
    generator = law(checked(run, trace), "generator")
    assert generator.state == state
    assert (f"pub sent {count} of about 1000 messages" in generator.detail) == (state == "invalid")
    assert law(checked(run, replace(trace, limits_hit=("it took too long",))), "generator").state == "valid"


@pytest.mark.parametrize(("count", "state"), [(495, "valid"), (480, "invalid")])
def test_a_publisher_may_begin_in_the_middle_of_its_schedule_but_then_sends_all(count: int, state: str) -> None:
    """It waits for its subscribers, say."""
    run, trace = published(1000)
    sends = trace.records["kind"] <= Kind.REJECTED
    begun = trace.records["seq"] >= 500
    end = trace.records["seq"] < 500 + count
    trace = replace(trace, records=trace.records[begun & end & (sends | (trace.records["kind"] == Kind.RECEIVED))])
    assert law(checked(run, trace), "generator").state == state


@pytest.mark.parametrize("kind", ["pause", "crash"])
def test_a_publisher_that_the_experiment_stops_is_not_blamed(kind: str) -> None:
    run, trace = published(500, late_ns=10 * MS)
    assert law(checked(run, trace), "generator").state == "invalid"
    stopped = replace(run, faults=(FaultSpec(label="stop", kind=kind, options={"node": "pub", "at_ns": 0}),))
    generator = law(checked(stopped, replace(trace, run_id=stopped.id)), "generator")
    assert (generator.state, generator.decides) == ("unknown", False)


def test_a_publisher_that_died_of_its_memory_limit_is_not_blamed() -> None:
    run, trace = published(500)
    assert law(checked(run, trace), "generator").state == "invalid"
    ended = replace(trace, environment={"memory_ends": {"pub": "killed"}})
    assert law(checked(run, ended), "generator").state != "invalid"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, ()),
        ({"steal_share": 0.03, "foreign_share": 0.08}, ()),
        ({"steal_share": 0.0312}, ("the host took 3.1% of the processor time away (more than 3%)",)),
        ({"foreign_share": 0.25}, ("other work took 25.0% of the processor time (more than 8%)",)),
    ],
)
def test_a_run_on_a_noisy_machine_is_marked(environment: dict[str, float], words: tuple[str, ...]) -> None:
    _, trace = published(10)
    assert noise(replace(trace, environment=environment)) == words


def test_a_sender_that_may_block_is_not_blamed() -> None:
    run = make_run(simple("one", ("a",), ("x",)), world="live")
    journal = Journal(run)
    for seq in range(10):
        journal.sent("a", seq, 100 * MS, intended=seq)
        journal.received("x", "a", seq, 200 * MS)
    checks = checked(run, journal.trace())
    assert law(checks, "generator").state == "unknown"
    assert checks.verdict == "valid"


@pytest.mark.parametrize(
    ("claims", "vacuous"),
    [
        (("hwm_sender", "queueing", "every_receiver"), ()),
        (("no_peer", "hwm_sender"), ("no_peer",)),
        (("linger", "nonsense"), ("linger", "nonsense")),
    ],
)
def test_claims_that_were_not_reached_are_told(claims: tuple[str, ...], vacuous: tuple[str, ...]) -> None:
    checks = checked(*overloaded(claims=claims))
    assert checks.vacuous == vacuous
    assert checks.verdict == ("unknown" if vacuous else "valid")


def test_queueing_and_every_receiver_can_be_missed() -> None:
    run = make_run(pubsub(), claims=("queueing", "every_receiver"))
    pipes = [Pipe("fast", 20, 10, 1), Pipe("slow", 20, 10, 1, joins_ns=2000 * MS)]
    assert checked(run, publish(run, pipes, 50)).vacuous == ("queueing", "every_receiver")


def test_live_the_two_ways_to_miss_a_join_are_one_claim() -> None:
    for world, vacuous in (("live", ()), ("sim", ("no_peer",))):
        run = make_run(pubsub(), world=world, claims=("no_peer",))
        pipes = [Pipe("fast", 20, 10, 1), Pipe("slow", 20, 10, 1, joins_ns=20 * MS)]
        assert checked(run, publish(run, pipes, 50, witness=world == "sim")).vacuous == vacuous


def test_a_message_without_a_fate_is_excused_only_where_a_run_was_broken_off() -> None:
    """A drain that is cut off ends between two events: there the ledger closes, or the twin is wrong."""
    run = make_run(pubsub(("slow",)))
    journal = Journal(run)
    journal.sent("pub", 0, 1)
    trace = replace(journal.trace(), limits_hit=("the drain was cut off",))
    assert law(checked(run, trace), "conservation").state == "invalid"
    assert law(checked(run, replace(trace, broken_off=True)), "conservation").state == "unknown"
