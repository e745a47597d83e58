"""CONFLATE: one message a pipe, on which types, in which directions, and what it costs besides."""

from __future__ import annotations

from typing import Any

import pytest

from .stage import Stage, text

pytestmark = pytest.mark.timeout(60)

PAIRS = (
    ("PUSH", "PULL", "PUSH", True),
    ("PUSH", "PULL", "PULL", True),
    ("PUB", "SUB", "PUB", True),
    ("PUB", "SUB", "SUB", True),
    ("DEALER", "DEALER", "DEALER", True),
    ("PAIR", "PAIR", "PAIR", False),
    ("XPUB", "SUB", "XPUB", False),
    ("XPUB", "XSUB", "XSUB", False),
    ("ROUTER", "DEALER", "ROUTER", False),
)


def connecter_conflates(stage: Stage, sender: str, receiver: str, conflating: str) -> int:
    """How many of ten messages arrive over inproc where the side that conflates connects."""
    zmq = stage.zmq
    kinds = [sender, receiver]
    if conflating == sender:
        kinds.reverse()
    binder = stage.socket(getattr(zmq, kinds[0]), ROUTING_ID=b"B")
    connecter = stage.socket(getattr(zmq, kinds[1]), CONFLATE=1, ROUTING_ID=b"C")
    sockets = {kinds[0]: binder, kinds[1]: connecter} if sender != receiver else {}
    source, sink = (sockets[sender], sockets[receiver]) if sockets else (connecter, binder)
    if receiver == "SUB":
        sink.subscribe(b"")
    connecter.connect(stage.bind(binder, "inproc"))
    stage.settle(0.05)
    if receiver == "XSUB":
        sink.send(b"\x01")
        stage.settle(0.05)
    for number in range(10):
        source.send_multipart([b"B", b"%d" % number] if sender == "ROUTER" else [b"%d" % number])
    return len(stage.drain(sink, 0.1))


@pytest.mark.parametrize(("sender", "receiver", "conflating", "effective"), PAIRS)
def test_five_types_conflate(stage: Stage, sender: str, receiver: str, conflating: str, effective: bool) -> None:
    """DEALER, PULL, PUSH, PUB, SUB; elsewhere the option is taken and does nothing (F11)."""
    assert stage.play(connecter_conflates, sender, receiver, conflating) == (1 if effective else 10)


def identity_in_the_slot(stage: Stage, hasty: bool) -> list[Any]:
    zmq = stage.zmq
    router = stage.socket(zmq.ROUTER)
    dealer = stage.socket(zmq.DEALER, CONFLATE=1, ROUTING_ID=b"X")
    dealer.connect(stage.bind(router, "inproc"))
    if not hasty:
        stage.settle(0.05)
    dealer.send(b"first")
    stage.settle(0.05)
    dealer.send(b"second")
    return text(stage.drain(router, 0.1))


@pytest.mark.parametrize(
    ("hasty", "expected"), [(True, [["first", "second"]]), (False, [["X", "first"], ["X", "second"]])]
)
def test_the_identity_shares_the_slot(stage: Stage, hasty: bool, expected: list[Any]) -> None:
    """Over inproc a ROUTER takes the first thing it reads for the identity, which a message may have overwritten."""
    got = stage.play(identity_in_the_slot, hasty)
    assert got[-1:] == expected[-1:]


def last_frame_only(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    pull = stage.socket(zmq.PULL)
    push = stage.socket(zmq.PUSH, CONFLATE=1)
    push.connect(stage.bind(pull, "inproc"))
    for number in range(3):
        push.send_multipart([b"a%d" % number, b"b%d" % number])
    return text(stage.drain(pull)[-1])


def test_of_a_multipart_message_the_last_frame_survives(stage: Stage) -> None:
    """A caveat of CONFLATE, not a mistake of the model (F68)."""
    assert stage.play(last_frame_only) == ["b2"]


def topics_of_a_conflating_sub(stage: Stage, patiently: bool) -> list[str]:
    zmq = stage.zmq
    pub = stage.socket(zmq.PUB)
    sub = stage.socket(zmq.SUB, CONFLATE=1)
    if not patiently:
        for topic in b"abcd":
            sub.subscribe(bytes([topic]))
    sub.connect(stage.bind(pub))
    stage.settle()
    if patiently:
        for topic in b"abcd":
            sub.subscribe(bytes([topic]))
            stage.settle(0.1)
    got = []
    for topic in b"abcd":
        pub.send(bytes([topic]))
        stage.sleep(0.1)
        got += [text(m[0]) for m in stage.drain(sub, 0.05)]
    return got


@pytest.mark.parametrize(("patiently", "expected"), [(False, ["d"]), (True, ["a", "b", "c", "d"])])
def test_subscriptions_share_the_slot(stage: Stage, patiently: bool, expected: list[str]) -> None:
    """Of those that are written together the publisher learns only the last (F69)."""
    assert stage.play(topics_of_a_conflating_sub, patiently) == expected


def a_mark_set_late(stage: Stage) -> int:
    zmq = stage.zmq
    pull = stage.socket(zmq.PULL)
    push = stage.socket(zmq.PUSH, CONFLATE=1)
    push.connect(stage.bind(pull, "inproc"))
    stage.settle(0.05)
    push.setsockopt(zmq.SNDHWM, 5)
    return stage.fill(push, 100)


def test_a_mark_set_late_counts_what_was_overwritten(stage: Stage) -> None:
    """Each overwritten message counts as written, none as read (F72)."""
    assert stage.play(a_mark_set_late) == 5


def closed_before_it_left(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    endpoint, release = stage.free_endpoint()
    push = stage.socket(zmq.PUSH, CONFLATE=1, LINGER=3000, RECONNECT_IVL=50)
    push.connect(endpoint)
    push.send(b"the last word")
    push.close()
    release()
    pull = stage.socket(zmq.PULL)
    pull.bind(endpoint)
    return stage.take(pull, 1.0)


def test_closing_overwrites_the_last_message(stage: Stage) -> None:
    """The mark that ends the pipe takes the one slot: LINGER keeps nothing of a conflating socket (F27, F68)."""
    assert stage.play(closed_before_it_left) == "EAGAIN"


def read_back(stage: Stage, kind: str) -> int:
    socket = stage.socket(getattr(stage.zmq, kind), CONFLATE=1)
    return int(socket.getsockopt(stage.zmq.CONFLATE))


@pytest.mark.parametrize("kind", ["PULL", "PAIR"])
def test_conflate_is_read_back(stage: Stage, kind: str) -> None:
    """Also where it does nothing."""
    assert stage.play(read_back, kind) == 1
