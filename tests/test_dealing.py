"""Causes of what a PUSH, a REQ or a REP lost, as an observer tells them."""

from __future__ import annotations

from typing import Any

import pytest

from harness.ledger import Ledger, settle
from harness.run import FaultSpec, Run
from harness.topology import Endpoint, Flow, Node, Topology
from tests.synthetic import MS, Journal, make_run

CRASH = (FaultSpec(label="c", kind="crash", options={"node": "x", "at_ns": 0}),)
UNREAD, UNSENT, WIRE, PIPE = "crash_unread", "crash_unsent", "disconnect_wire", "disconnect_pipe"


def pushing(binder: str = "a", workers: tuple[str, ...] = ("x", "y"), rcvhwm: int = 4) -> Run:
    """``a`` pushes to some workers; messages of 8192 bytes, so that a batch is one."""
    names = ("a", *workers)
    options = {"socket": {"rcvhwm": rcvhwm}}
    topology = Topology(
        nodes=tuple(Node(name=name, group=name, program="harness.patterns.x:y", options=options) for name in names),
        endpoints=(
            Endpoint(
                name="e",
                transport="tcp",
                binder=binder,
                connecters=tuple(name for name in names if name != binder),
                binder_type="PUSH" if binder == "a" else "PULL",
                connecter_type="PULL" if binder == "a" else "PUSH",
            ),
        ),
        flows=(Flow(name="f", senders=("a",), receivers=workers, delivery="one", endpoint="e"),),
    )
    return make_run(topology, world="live", faults=CRASH)


def pushed(journal: Journal, got: dict[int, tuple[str, int]], count: int = 20) -> None:
    """One message a ms; ``got``: seq to who received it, and when in ms."""
    for seq in range(count):
        journal.sent("a", seq, seq * MS, size=8192)
        if seq in got:
            name, at = got[seq]
            journal.received(name, "a", seq, at * MS)


def meet(journal: Journal, one: str, other: str, at: float) -> None:
    journal.event("handshake_succeeded", one, int(at * MS), other)


def causes(ledger: Ledger) -> dict[int, str]:
    """Of what was not delivered."""
    rows = ledger.messages.to_pylist()
    return {row["seq"]: row["cause"] or row["fate"] for row in rows if row["fate"] != "delivered"}


def told(journal: Journal, **changes: Any) -> dict[int, str]:
    return causes(settle(journal.run, journal.trace(**changes)))


def in_turn(died_at: float, upto: int = 16) -> dict[int, tuple[str, int]]:
    """Even ones go to x, which has read 0 and 2; odd ones, and all from ``upto`` on, to y, which reads at once."""
    rest = {seq: ("y", seq + 1) for seq in range(20) if seq % 2 or seq >= upto}
    return rest | {seq: ("x", seq + 3) for seq in (0, 2) if seq + 3 < died_at}


def test_what_a_worker_had_when_it_died_dies_with_it_as_far_as_its_marks_go() -> None:
    journal = Journal(pushing())
    for name in ("x", "y"):
        meet(journal, name, "a", -5)
    journal.event("fault_on", "x", int(15.5 * MS))
    pushed(journal, in_turn(15.5))
    # A mark of four and a batch of one; the rest waited before it.
    assert told(journal) == {4: UNREAD, 6: UNREAD, 8: UNREAD, 10: UNREAD, 12: UNREAD, 14: WIRE}


def test_what_was_in_a_connection_that_was_cut_was_on_its_way() -> None:
    journal = Journal(pushing())
    for name in ("x", "y"):
        meet(journal, name, "a", -5)
    journal.event("disconnected", "x", int(15.2 * MS), "a")
    journal.event("disconnected", "a", int(15.3 * MS))
    pushed(journal, in_turn(15.5))
    assert told(journal) == dict.fromkeys(range(4, 16, 2), WIRE)


def test_what_a_worker_got_later_rules_out_that_it_lost_what_was_before() -> None:
    journal = Journal(pushing())
    for name in ("x", "y"):
        meet(journal, name, "a", -5)
    journal.event("disconnected", "x", int(8.5 * MS), "a")
    journal.event("fault_on", "y", int(15.5 * MS))
    # x has read up to 6 when it is cut off, so that only y, which died later, can have had 5.
    got = {seq: ("x", seq + 1) for seq in (0, 2, 4, 6)} | {seq: ("y", seq + 1) for seq in (1, 3)}
    pushed(journal, got, count=8)
    assert told(journal)[5] == UNREAD
    assert told(journal)[7] in (WIRE, UNREAD)


@pytest.mark.parametrize(("reads_on", "cause"), [(False, UNREAD), (True, WIRE)])
def test_a_worker_that_was_cut_off_still_had_what_it_died_with(reads_on: bool, cause: str) -> None:
    journal = Journal(pushing(rcvhwm=100))
    for name in ("x", "y"):
        meet(journal, name, "a", -5)
    journal.event("disconnected", "x", int(9.5 * MS), "a")
    meet(journal, "x", "a", 70)
    journal.event("fault_on", "x", 200 * MS)
    pushed(journal, in_turn(8, upto=10), count=10)
    for seq, at in ((10, 100), (11, 101)):
        journal.sent("a", seq, at * MS, size=8192)
    if reads_on:  # so that all of the old connection was read
        journal.received("x", "a", 10, 102 * MS)
    journal.received("y", "a", 11, 102 * MS)
    found = told(journal)
    assert found == {4: cause, 6: cause, 8: cause} | ({} if reads_on else {10: UNREAD})


def test_a_ventilator_that_died_takes_along_what_had_not_left() -> None:
    journal = Journal(pushing())
    for name in ("x", "y"):
        meet(journal, name, "a", -5)
    journal.event("memory_limit", "a", int(19.5 * MS), value=1000)
    pushed(journal, {seq: ("y", seq + 1) for seq in range(10)})
    assert told(journal) == dict.fromkeys(range(10, 20), UNSENT)


def test_a_connecting_sender_keeps_what_had_not_left_for_the_next_connection() -> None:
    journal = Journal(pushing("x", ("x",)))
    meet(journal, "a", "x", -5)
    journal.event("fault_on", "x", int(9.5 * MS))
    meet(journal, "a", "x", 15)
    pushed(journal, {seq: ("x", seq + 1) for seq in range(5)} | {seq: ("x", seq + 10) for seq in range(8, 20)})
    assert told(journal) == {5: UNREAD, 6: UNREAD, 7: UNREAD}


def test_what_waits_for_a_peer_that_never_comes_back_is_still_under_way() -> None:
    journal = Journal(pushing("x", ("x",)))
    meet(journal, "a", "x", -5)
    journal.event("fault_on", "x", int(9.5 * MS))
    for seq in range(5):
        journal.sent("a", seq, seq * MS)
        journal.received("x", "a", seq, (seq + 1) * MS)
    for seq in range(5, 8):
        journal.sent("a", seq, (seq + 200) * MS)
    ledger = settle(journal.run, journal.trace())
    assert causes(ledger) == {5: "in_flight", 6: "in_flight", 7: "in_flight"}
    assert (ledger.in_flight, ledger.unexplained) == (3, 0)


def test_what_nobody_who_was_there_ever_got_stays_unexplained() -> None:
    journal = Journal(pushing())
    for name in ("x", "y"):
        meet(journal, name, "a", -5)
    pushed(journal, {seq: ("y", seq + 1) for seq in range(20) if seq != 7})
    assert told(journal) == {7: "unexplained"}


# -- answers ---------------------------------------------------------------------------------------------


def asking(**changes: Any) -> Run:
    """``client`` asks ``server``, which binds."""
    topology = Topology(
        nodes=tuple(Node(name=name, group=name, program="harness.patterns.x:y") for name in ("server", "client")),
        endpoints=(
            Endpoint(
                name="e",
                transport="tcp",
                binder="server",
                connecters=("client",),
                binder_type="REP",
                connecter_type="REQ",
            ),
        ),
        flows=(
            Flow(name="ask", senders=("client",), receivers=("server",), delivery="one", endpoint="e"),
            Flow(name="answer", senders=("server",), receivers=("client",), delivery="addressed", endpoint="e"),
        ),
    )
    return make_run(topology, world="live", faults=CRASH, **changes)


def round_trip(journal: Journal, seq: int, at: float, answered: float, back: float | None) -> None:
    """Asked, answered and answered back at these ms; None: the answer never came."""
    due = int(at * MS)
    journal.sent("client", seq, due, flow="ask")
    journal.received("server", "client", seq, due + MS // 10, flow="ask")
    journal.sent("server", seq, int(answered * MS), flow="answer", to="client", intended=due)
    if back is not None:
        journal.received("client", "server", seq, int(back * MS), flow="answer")


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        ([("disconnected", "client", 15)], PIPE),  # before it was answered
        ([("disconnected", "client", 20.1)], WIRE),  # with the answer
        ([("fault_on", "server", 20.1)], UNSENT),
        ([("fault_on", "client", 20.1)], UNREAD),
        ([("finished", "client", 15)], "in_flight"),  # it gave up, and reads nothing any more
    ],
)
def test_an_answer_is_lost_with_its_connection_or_its_process(what: list[tuple[str, str, float]], cause: str) -> None:
    journal = Journal(asking())
    meet(journal, "client", "server", -5)
    round_trip(journal, 0, 1, 2, 2.2)
    round_trip(journal, 1, 10, 20, None)
    for event, node, at in what:
        journal.event(event, node, int(at * MS), "server" if event == "disconnected" else "?")
    assert told(journal) == {1: cause}


def test_an_answer_to_one_who_has_gone_on_is_late() -> None:
    journal = Journal(asking())
    meet(journal, "client", "server", -5)
    round_trip(journal, 0, 10, 20, None)
    round_trip(journal, 1, 15, 21, 21.2)
    assert told(journal) == {0: "late_reply"}


def test_a_request_that_waited_for_the_server_to_come_back_came_by_the_new_connection() -> None:
    journal = Journal(asking())
    meet(journal, "client", "server", -5)
    journal.event("fault_on", "server", 5 * MS)
    meet(journal, "client", "server", 30)
    for seq, at in enumerate((10, 20)):
        journal.sent("client", seq, at * MS, flow="ask")
        journal.received("server", "client", seq, (31 + seq) * MS, flow="ask")
        journal.sent("server", seq, (31 + seq) * MS, flow="answer", to="client", intended=at * MS)
    journal.received("client", "server", 1, 33 * MS, flow="answer")
    assert told(journal) == {0: "late_reply"}


def test_who_was_under_way_to_whom_is_not_told_to_the_observer() -> None:
    """In the simulation the twin names the worker; the inference must not know."""
    run = pushing()
    journal = Journal(make_run(run.topology, faults=CRASH))
    for name in ("x", "y"):
        meet(journal, name, "a", -5)
    journal.event("fault_on", "x", int(15.5 * MS))
    pushed(journal, in_turn(15.5))
    for seq in range(4, 16, 2):
        journal.lost("a", seq, "x" if seq != 14 else "y", UNREAD, 16 * MS)
    rows = {row["seq"]: row for row in settle(journal.run, journal.trace()).messages.to_pylist()}
    assert [rows[seq]["inferred"] for seq in (4, 12, 14)] == [UNREAD, UNREAD, WIRE]
    assert rows[14]["receiver"] == "y"
