"""One connection: credit, order, wake-ups and termination, whatever the order in which both threads act.

The owners here are mailboxes that a test empties when it wants: the two threads of a pipe, with every
delay between them that there can be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw

from harness.twin import Msg, Observer, SocketBase
from harness.twin.msg import ROUTING_ID
from harness.twin.pipe import (
    ACTIVE,
    DELIMITER_RECEIVED,
    TERM_ACK_SENT,
    TERM_REQ_SENT1,
    WAITING_FOR_DELIMITER,
    Pipe,
    lwm,
    pipe_pair,
)

from .witness import Witness


class Side:
    """One thread, which has one pipe end."""

    def __init__(self, witness: Witness) -> None:
        self.observer: Observer = witness
        self.mailbox: deque[tuple[Callable[[Any], None], Any]] = deque()
        self.posted: list[tuple[str, Any]] = []
        self.told: list[str] = []

    def post(self, command: Callable[[Any], None], argument: Any) -> None:
        self.mailbox.append((command, argument))
        self.posted.append((command.__name__, argument))

    def process(self, count: int = 1_000_000) -> None:
        """Handle so many commands."""
        while self.mailbox and count > 0:
            command, argument = self.mailbox.popleft()
            command(argument)
            count -= 1

    def read_activated(self, pipe: Pipe) -> None:
        self.told.append("read")

    def write_activated(self, pipe: Pipe) -> None:
        self.told.append("write")

    def hiccuped(self, pipe: Pipe) -> None:
        self.told.append("hiccup")

    def pipe_terminated(self, pipe: Pipe) -> None:
        self.told.append("terminated")

    def waits_for(self, name: str) -> bool:
        """Whether such a command is in the mailbox."""
        return any(command.__name__ == name for command, _ in self.mailbox)


class Connection:
    """Two sides and the pipe between them; the first writes, the second reads."""

    def __init__(self, hwm: int) -> None:
        self.witness = Witness()
        self.writer, self.reader = Side(self.witness), Side(self.witness)
        self.out, self.into = pipe_pair((self.writer, self.reader), (hwm, hwm))
        self.hwm = hwm
        self.written: list[list[bytes]] = []
        self.read: list[list[bytes]] = []
        self._writing: list[bytes] = []
        self._reading: list[bytes] = []
        self.flushed = 0
        self.begun = 0

    def write(self, more: bool) -> bool:
        """One frame; whether it was taken. Without ``more`` it ends the message."""
        if not self._writing:
            self.begun += 1
        frame = b"%d.%d" % (self.begun, len(self._writing))
        if not self.out.write(Msg(frame, more)):
            return False
        self._writing.append(frame)
        if not more:
            self.written.append(self._writing)
            self._writing = []
        return True

    def flush(self) -> None:
        self.out.flush()
        self.flushed = len(self.written)

    def rollback(self) -> None:
        self.out.rollback()
        self._writing = []

    def receive(self) -> bool:
        """One frame; whether there was one."""
        msg = self.into.read()
        if msg is None:
            return False
        self._reading.append(msg.data)
        if not msg.more:
            self.read.append(self._reading)
            self._reading = []
        return True

    def drain(self) -> None:
        """Let everything come to rest, both sides reading all the time."""
        for _ in range(10_000):
            self.writer.process()
            self.reader.process()
            assert self.out.read() is None
            if not self.receive() and not self.writer.mailbox and not self.reader.mailbox:
                return
        raise AssertionError("never came to rest")

    def check(self) -> None:
        """What holds after every step."""
        out, into = self.out, self.into
        if self.hwm:
            assert out.written_count - out.credit <= self.hwm
            assert len(self.written) - len(self.read) <= self.hwm
        assert self.read == self.written[: len(self.read)]
        if self._reading:
            assert self._reading == self.written[len(self.read)][: len(self._reading)], "half a message became visible"
        announced = [argument for name, argument in self.writer.posted if name == "process_activate_write"]
        assert all(count % into.lwm == 0 for count in announced)
        assert announced == sorted(announced)
        if self.flushed > len(self.read) and not into.in_active and into.state <= WAITING_FOR_DELIMITER:
            assert self.reader.waits_for("process_activate_read"), "the reader sleeps and nobody will wake it"


STEPS = draw.lists(
    draw.tuples(
        draw.sampled_from(["write", "write", "more", "flush", "read", "read", "peek", "writer", "reader", "rollback"]),
        draw.integers(1, 4),
    ),
    max_size=120,
)


def play(connection: Connection, steps: list[tuple[str, int]]) -> None:
    """Do these steps, checking all laws after each."""
    for step, count in steps:
        if step == "write":
            for _ in range(count):
                connection.write(more=False)
        elif step == "more":
            connection.write(more=True)
        elif step == "flush":
            connection.flush()
        elif step == "read":
            for _ in range(count):
                connection.receive()
        elif step == "peek":
            connection.into.check_read()
        elif step == "rollback":
            connection.rollback()
        else:
            (connection.writer if step == "writer" else connection.reader).process(count)
        connection.check()


@given(hwm=draw.integers(0, 9), steps=STEPS)
@settings(derandomize=True, max_examples=400, deadline=None)
def test_credit_order_wake_ups_and_whole_messages_hold_in_every_interleaving(
    hwm: int, steps: list[tuple[str, int]]
) -> None:
    """F3-F5, F29-F33, F40: and in the end all that was written is read."""
    connection = Connection(hwm)
    play(connection, steps)
    connection.rollback()
    connection.flush()
    connection.drain()
    connection.check()
    assert connection.read == connection.written
    assert connection.witness.losses == []
    assert connection.write(more=False), "everything was read, so there is room again"


@given(hwm=draw.integers(1, 20), read=draw.integers(0, 60))
@settings(derandomize=True, deadline=None)
def test_accepted_for_a_reader_that_stops_is_the_mark_and_whole_credits(hwm: int, read: int) -> None:
    """H + L x floor(c / L) (F36)."""
    connection = Connection(hwm)
    taken = 0
    while True:
        accepted = connection.write(more=False)
        connection.flush()
        if not accepted:
            if taken < read:
                connection.reader.process()
                taken += connection.receive()
            elif not connection.writer.mailbox:
                break
            connection.writer.process()
    assert len(connection.written) == hwm + lwm(hwm) * (read // lwm(hwm))


@pytest.mark.parametrize(
    ("hwm", "quantum"), [(-1, 0), (0, 0), (1, 1), (2, 1), (3, 2), (5, 3), (8, 4), (10, 5), (1000, 500)]
)
def test_the_quantum_is_half_the_mark_rounded_up(hwm: int, quantum: int) -> None:
    """F29, its table."""
    assert lwm(hwm) == quantum


def test_no_mark_is_no_limit_and_no_credit() -> None:
    connection = Connection(0)
    assert all(connection.write(more=False) for _ in range(5000))
    connection.flush()
    connection.drain()
    assert len(connection.read) == 5000
    assert connection.writer.posted == []


def test_a_refused_write_turns_output_off_until_any_credit_is_processed() -> None:
    """F33: also when the credit does not make room; a mere look at the mark leaves no trace."""
    connection = Connection(4)
    for _ in range(4):
        assert connection.write(more=False)
    connection.flush()
    assert not connection.out.check_hwm()
    assert connection.out.out_active
    assert not connection.write(more=False)
    assert not connection.out.out_active
    for _ in range(2):
        connection.receive()
    assert not connection.write(more=False), "the credit is in the mailbox, which nobody has looked into"
    connection.writer.process()
    assert connection.writer.told == ["write"]
    assert connection.write(more=False)


def test_a_credit_that_makes_no_room_turns_output_on_too() -> None:
    """F30, F33: a frame with MORE read while the count stands on a multiple, as on 0, repeats the last credit."""
    connection = Connection(1)
    connection.write(more=True)
    connection.write(more=False)
    connection.flush()
    assert not connection.write(more=False)
    assert connection.receive()
    connection.writer.process()
    assert connection.writer.told == ["write"]
    assert connection.out.out_active
    assert not connection.write(more=False)
    assert not connection.out.out_active


def test_only_the_first_message_for_a_sleeping_reader_wakes_it() -> None:
    """F4."""
    connection = Connection(10)
    assert not connection.receive()
    for _ in range(3):
        connection.write(more=False)
        connection.flush()
    assert [name for name, _ in connection.reader.posted] == ["process_activate_read"]
    assert not connection.receive(), "not before the command was processed"
    connection.reader.process()
    assert connection.reader.told == ["read"]
    assert [connection.receive() for _ in range(4)] == [True, True, True, False]


def test_frames_of_an_unfinished_message_are_invisible_count_nothing_and_can_be_taken_back() -> None:
    """F3, F5, F22."""
    connection = Connection(1)
    for _ in range(50):
        assert connection.write(more=True)
    connection.flush()
    assert not connection.receive()
    connection.rollback()
    connection.write(more=False)
    connection.flush()
    connection.drain()
    assert connection.read == connection.written == [[b"2.0"]]
    assert connection.out.written_count == 1


def test_an_identity_costs_no_mark() -> None:
    connection = Connection(1)
    assert connection.out.write(Msg(b"me", kind=ROUTING_ID))
    assert connection.write(more=False)
    assert not connection.write(more=False)
    first = connection.into.read()
    assert first is not None
    assert (first.data, connection.into.read_count) == (b"me", 0)


def test_marks_can_be_changed_and_nothing_is_thrown_away() -> None:
    """F12, F13."""
    connection = Connection(4)
    for _ in range(4):
        connection.write(more=False)
    connection.flush()
    connection.out.set_hwms(2, 2)
    connection.into.process_hwm((2, 2))
    assert not connection.write(more=False)
    connection.drain()
    assert len(connection.read) == 4
    connection.out.set_hwms(2, 6)
    assert [connection.write(more=False) for _ in range(7)] == [True] * 6 + [False]


@pytest.mark.parametrize(
    ("marks", "boosts", "hwm", "quantum"),
    [((3, 5), (7, 2), 7, 5), ((0, 5), (7, 2), 7, 0), ((3, 5), (0, 0), 0, 0), ((3, 0), (7, 2), 0, 5)],
)
def test_over_inproc_the_partners_marks_are_added(
    marks: tuple[int, int], boosts: tuple[int, int], hwm: int, quantum: int
) -> None:
    """F8: a mark of zero on either side is no limit."""
    pipe = Connection(1).out
    pipe.set_hwms_boost(*boosts)
    pipe.set_hwms(*marks)
    assert (pipe.hwm, pipe.lwm) == (hwm, quantum)


# -- the end --------------------------------------------------------------------------------------


def test_after_the_far_end_has_closed_all_up_to_the_delimiter_is_read() -> None:
    """F27: the delimiter ignores the mark, an unfinished message is rolled back."""
    connection = Connection(2)
    for _ in range(2):
        connection.write(more=False)
    connection.flush()
    connection.out.terminate(delay=False)
    assert connection.out.state == TERM_REQ_SENT1
    assert not connection.write(more=False)
    connection.reader.process()
    assert connection.into.state == WAITING_FOR_DELIMITER
    assert [connection.receive() for _ in range(3)] == [True, True, False]
    assert connection.into.state == TERM_ACK_SENT
    connection.drain()
    assert (connection.writer.told[-1], connection.reader.told[-1]) == ("terminated", "terminated")
    assert connection.witness.losses == []


def test_without_delay_what_is_unread_is_lost_when_the_far_end_closes() -> None:
    """F140: PUSH and PUB release such a pipe at once."""
    connection = Connection(5)
    connection.into.unread_cause = "linger"
    for _ in range(3):
        connection.write(more=False)
    connection.flush()
    connection.into.set_nodelay()
    connection.out.terminate(delay=False)
    connection.reader.process(1)
    assert connection.into.state == TERM_ACK_SENT
    assert not connection.receive()
    connection.drain()
    assert connection.witness.losses == [("linger", b"%d.0" % number) for number in (1, 2, 3)]


def test_the_delimiter_may_be_read_before_the_far_end_is_heard() -> None:
    connection = Connection(5)
    connection.out.terminate(delay=False)
    assert not connection.receive()
    assert connection.into.state == DELIMITER_RECEIVED
    assert not connection.receive()
    connection.drain()
    assert connection.into.state == TERM_ACK_SENT
    assert connection.reader.told == ["terminated"]


def test_peeking_consumes_a_delimiter_too() -> None:
    connection = Connection(5)
    connection.out.terminate(delay=False)
    assert not connection.into.check_read()
    assert connection.into.state == DELIMITER_RECEIVED


def test_whoever_closes_loses_what_it_has_not_read() -> None:
    """F26."""
    connection = Connection(5)
    connection.write(more=False)
    connection.flush()
    connection.into.terminate(delay=False)
    assert not connection.receive()
    connection.drain()
    assert connection.witness.losses == [("close_unread", b"1.0")]
    assert not connection.out.check_write()


def test_a_lost_connection_empties_the_queue_and_keeps_the_pipe() -> None:
    """F39: what waited is lost and no longer counts; frames written from then on arrive."""
    connection = Connection(3)
    for _ in range(3):
        connection.write(more=False)
    connection.flush()
    assert not connection.write(more=False)
    connection.into.hiccup()
    connection.writer.process()
    assert connection.writer.told == ["hiccup"]
    assert connection.witness.losses == [("disconnect_pipe", b"%d.0" % number) for number in (1, 2, 3)]
    connection.written.clear()
    assert [connection.write(more=False) for _ in range(4)] == [True, True, True, False]
    connection.flush()
    connection.drain()
    assert len(connection.read) == 3


ENDINGS = draw.lists(
    draw.tuples(
        draw.sampled_from(["write", "read", "flush", "writer", "reader", "more", "close writer", "close reader"]),
        draw.integers(1, 3),
        draw.booleans(),
    ),
    max_size=60,
)


@given(
    hwm=draw.integers(0, 5),
    steps=ENDINGS,
    first=draw.sampled_from(["writer", "reader", "both"]),
    nodelay=draw.booleans(),
    delay=draw.booleans(),
)
@settings(derandomize=True, max_examples=400, deadline=None)
def test_every_way_to_end_ends_and_every_message_has_one_fate(
    hwm: int, steps: list[tuple[str, int, bool]], first: str, nodelay: bool, delay: bool
) -> None:
    """Both ends may close, at any moment, more than once: each is told once, nothing is lost in silence."""
    connection = Connection(hwm)
    if nodelay:
        connection.into.set_nodelay()

    def close(which: str, patient: bool) -> None:
        if which in ("writer", "both"):
            connection.rollback()
            connection.out.terminate(patient)
        if which in ("reader", "both"):
            connection.into.terminate(patient)

    for step, count, patient in steps:
        if step.startswith("close"):
            if "terminated" not in connection.writer.told + connection.reader.told:
                close(step.removeprefix("close "), patient)
        else:
            play(connection, [(step, count)])
    connection.flush()
    if connection.out.state == ACTIVE and connection.into.state == ACTIVE:
        close(first, delay)
    connection.drain()
    assert connection.writer.told.count("terminated") == 1
    assert connection.reader.told.count("terminated") == 1
    lost = [data for _, data in connection.witness.losses]
    fates = sorted([*lost, *(message[-1] for message in connection.read)])
    assert fates == sorted(message[-1] for message in connection.written)
    assert connection.into.in_queue is None
    assert isinstance(connection.out, Pipe)


def test_the_witness_is_told_of_a_full_pipe() -> None:
    told: list[Pipe] = []

    class Watcher(Witness):
        def hwm_reached(self, pipe: Pipe) -> None:
            told.append(pipe)

        def lost(self, cause: str, msg: Msg, remote: SocketBase | None) -> None: ...

    connection = Connection(1)
    connection.writer.observer = Watcher()
    connection.write(more=False)
    assert told == []
    connection.write(more=False)
    assert told == [connection.out]
