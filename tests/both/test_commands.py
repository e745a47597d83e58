"""When a socket notices anything: the command window of send, the hundredth recv, and what no call ever hastens."""

from __future__ import annotations

from typing import Any

import pytest

from .stage import Stage

pytestmark = pytest.mark.timeout(60)

# The window is 3 million ticks: 0.75 ms on a 4 GHz x86, 3 ms where ticks are nanoseconds (F44).
SURELY_WITHIN_NS = 400_000
SURELY_OVER_S = 0.01


def refused_although_there_is_room(stage: Stage) -> dict[str, str]:
    """Fill, let the reader take one, and at once send again without waiting; then after the window."""
    zmq = stage.zmq
    pull, push, _ = stage.pair("inproc", zmq.PULL, zmq.PUSH, {"RCVHWM": 1}, {"SNDHWM": 1})
    for _ in range(100):
        stage.sleep(SURELY_OVER_S)
        began_ns = stage.now_ns()
        accepted = stage.fill(push)
        pull.recv()
        hasty = stage.attempt(push.send, b"hasty", zmq.DONTWAIT)
        if accepted == 2 and stage.now_ns() - began_ns < SURELY_WITHIN_NS:
            break
        # The machine took the processor away in between: nothing can be said, so once more.
        stage.drain(pull, 0.01)
    stage.sleep(SURELY_OVER_S)
    patient = stage.attempt(push.send, b"patient", zmq.DONTWAIT)
    pull.recv()
    push.getsockopt(zmq.EVENTS)
    polled = stage.attempt(push.send, b"polled", zmq.DONTWAIT)
    return {"hasty": hasty, "patient": patient, "polled": polled}


def test_send_looks_for_credit_once_a_window(stage: Stage) -> None:
    """EAGAIN though the credit waits; after the window, or after a look at EVENTS, there is room (F43, F46, F50)."""
    assert stage.play(refused_although_there_is_room) == {"hasty": "EAGAIN", "patient": "ok", "polled": "ok"}


def first_turn_of_a_newcomer(stage: Stage, transport: str, earlier: int) -> int:
    """How many messages of a backlogged sender are received before the first of another that came after ``earlier``."""
    zmq = stage.zmq
    pull = stage.socket(zmq.PULL)
    endpoint = stage.bind(pull, transport)
    backlogged, newcomer = stage.socket(zmq.PUSH), stage.socket(zmq.PUSH)
    backlogged.connect(endpoint)
    newcomer.connect(endpoint)
    stage.settle()
    for _ in range(300):
        backlogged.send(b"b")
    stage.sleep(0.1)
    for _ in range(earlier):
        assert pull.recv() == b"b"
    newcomer.send(b"n")
    stage.sleep(0.1)
    received = 0
    while pull.recv() == b"b":
        received += 1
    return received


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
@pytest.mark.parametrize("earlier", [1, 10, 60])
def test_recv_looks_for_news_every_hundredth_time(stage: Stage, transport: str, earlier: int) -> None:
    """While messages keep coming a newly active pipe waits for the hundredth recv (F47)."""
    received = stage.play(first_turn_of_a_newcomer, transport, earlier)
    # The first recv found nothing readable before it had looked, and counting starts there; fairness may add one.
    assert received in (100 - earlier, 101 - earlier)


def subscriptions_that_got_out(stage: Stage, transport: str, sndhwm: int, count: int) -> list[int]:
    """The topics an XPUB learns of when a connected SUB subscribes in a tight loop."""
    zmq = stage.zmq
    xpub, sub, _ = stage.pair(transport, zmq.XPUB, zmq.SUB, None, {"SNDHWM": sndhwm})
    for number in range(count):
        sub.subscribe(b"%04d" % number)
    stage.settle()
    return [int(message[0][1:]) for message in stage.drain(xpub)]


@pytest.mark.parametrize("sndhwm", [1, 10, 100])
@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_subscriptions_beyond_the_mark_are_dropped(stage: Stage, transport: str, sndhwm: int) -> None:
    """Subscribing processes no commands, so no credit comes in: the first SNDHWM topics get out (F50, F110)."""
    assert stage.play(subscriptions_that_got_out, transport, sndhwm, 3 * sndhwm + 5) == list(range(sndhwm))


def busy_publisher(stage: Stage, transport: str) -> dict[str, Any]:
    """A SUB subscribes while the PUB makes no call at all for a long time, then publishes."""
    zmq = stage.zmq
    pub = stage.socket(zmq.PUB)
    sub = stage.socket(zmq.SUB)
    sub.connect(stage.bind(pub, transport))
    sub.subscribe(b"")
    stage.sleep(0.5)
    for number in range(3):
        pub.send(b"%d" % number)
    return {"received": [int(message[0]) for message in stage.drain(sub)]}


@pytest.mark.parametrize("transport", ["inproc", "ipc", "tcp"])
def test_an_idle_publisher_applies_subscriptions_before_it_sends(stage: Stage, transport: str) -> None:
    """Nothing is lost by the lateness: the first send after a pause first does what is pending (F42, F53)."""
    assert stage.play(busy_publisher, transport) == {"received": [0, 1, 2]}
