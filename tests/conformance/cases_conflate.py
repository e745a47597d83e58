"""Conformance cases of CONFLATE."""

from __future__ import annotations

from tests.both.stage import text

from .cases import case


def _push_twenty(stage, push):
    for number in range(20):
        push.send(b"%d" % number)
    stage.sleep(0.5)


def _firsts(stage, socket):
    return [text(message[0]) for message in stage.drain(socket)]


@case("C602", {"first": ["19"], "second": "EAGAIN"})
def c602(stage):
    """PULL (CONFLATE=1) binds, PUSH connects, sends 0..19, settle (PULL not read). PULL receives, then nb-recvs.

    Sockets: PULL, PUSH over tcp.

    Source: libzmq tests/test_conflate.cpp: test_conflate.
    """
    zmq = stage.zmq
    pull, push = stage.socket(zmq.PULL, CONFLATE=1), stage.socket(zmq.PUSH)
    push.connect(stage.bind(pull))
    _push_twenty(stage, push)
    return {"first": stage.take(pull), "second": stage.take(pull, 0.1)}


@case("C603", {"received": [str(number) for number in range(20)]}, claimed={"received": ["19"]})
def c603(stage):
    """As C602 over inproc.

    Sockets: PULL, PUSH over inproc.

    Source: libzmq tests/test_conflate.cpp (on inproc).

    On inproc only the connecting socket's CONFLATE counts: set on the binding PULL alone it has no effect at all.
    """
    zmq = stage.zmq
    pull, push = stage.socket(zmq.PULL, CONFLATE=1), stage.socket(zmq.PUSH)
    push.connect(stage.bind(pull, "inproc"))
    _push_twenty(stage, push)
    return {"received": _firsts(stage, pull)}


@case("C604", {"received": ["19"]})
def c604(stage):
    """PUSH binds, PULL (CONFLATE=1) connects, settle; PUSH sends 0..19; PULL drains.

    Sockets: PUSH, PULL over inproc.

    Source: libzmq tests/test_conflate.cpp (connecting side).
    """
    zmq = stage.zmq
    push, pull, _ = stage.pair("inproc", zmq.PUSH, zmq.PULL, connect_options={"CONFLATE": 1})
    _push_twenty(stage, push)
    return {"received": _firsts(stage, pull)}


@case("C606", {"received": ["19"]})
def c606(stage):
    """PUB binds, SUB (CONFLATE=1, all) connects, settle. PUB sends 0..19, settle (SUB neither read nor polled); SUB
    drains.

    Sockets: PUB, SUB over tcp.

    Source: libzmq tests/test_conflate.cpp (SUB).
    """
    zmq = stage.zmq
    pub, sub, _ = stage.pair("tcp", zmq.PUB, zmq.SUB, connect_options={"CONFLATE": 1, "SUBSCRIBE": b""})
    _push_twenty(stage, pub)
    return {"received": _firsts(stage, sub)}
