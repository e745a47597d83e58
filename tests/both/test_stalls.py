"""A peer that goes while the other side does not read: what the transports make of it (F144, F170)."""

from __future__ import annotations

import pytest

from .stage import Stage

pytestmark = pytest.mark.timeout(60)


def read_after_close(stage: Stage, transport: str, rcvhwm: int, answers: bool) -> int:
    """A DEALER sends 500 messages of 1 kB and closes with LINGER -1; the other reads after that, maybe having sent."""
    zmq = stage.zmq
    reader, writer, _ = stage.pair(transport, zmq.DEALER, zmq.DEALER, {"RCVHWM": rcvhwm}, {"LINGER": -1})
    for number in range(500):
        writer.send(b"%d" % number + bytes(1000))
    stage.settle(0.2)
    writer.close(-1)
    stage.settle()
    if answers:
        reader.send(b"are you there?")
        stage.settle()
    return len(stage.drain(reader, 0.4))


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_a_reader_that_had_room_gets_all(stage: Stage, transport: str) -> None:
    """F176."""
    assert stage.play(read_after_close, transport, 1000, False) == 500


def test_over_tcp_a_stalled_reader_gets_all_behind_a_clean_end(stage: Stage) -> None:
    """F144: FIN is not noticed before it is read."""
    assert stage.play(read_after_close, "tcp", 10, False) == 500


def test_over_tcp_a_stalled_reader_that_writes_is_answered_with_a_reset(stage: Stage) -> None:
    """F144: then the engine leaves the poller, and only what it had read is delivered."""
    assert 10 < stage.play(read_after_close, "tcp", 10, True) < 40


def test_over_ipc_a_stalled_reader_loses_what_its_kernel_has(stage: Stage) -> None:
    """F144, F208: AF_UNIX says HUP as soon as the last message was handed over."""
    assert 400 < stage.play(read_after_close, "ipc", 10, False) < 480


def reading_all_the_time(stage: Stage, transport: str, mark: int) -> int:
    """20 000 messages of 100 B, then close with LINGER -1, to a PULL that reads all the time."""
    zmq = stage.zmq
    pull, push, _ = stage.pair(transport, zmq.PULL, zmq.PUSH, {"RCVHWM": mark}, {"LINGER": -1})
    stage.hand_over(pull)
    reader = stage.spawn(lambda: len(stage.drain(pull, 0.5)))
    for number in range(20_000):
        push.send(b"%0100d" % number)
    push.close(-1)
    received: int = reader.join()
    pull.close(0)
    return received


def test_over_tcp_linger_hands_all_of_it_over(stage: Stage) -> None:
    """F168 apart, nothing is lost."""
    assert stage.play(reading_all_the_time, "tcp", 10) == 20_000


def test_over_ipc_a_reader_at_its_mark_loses_the_end(stage: Stage) -> None:
    """F144: whenever the engine stops reading once more behind the close, what the kernel has is gone."""
    assert 19_400 < stage.play(reading_all_the_time, "ipc", 10) < 19_800
