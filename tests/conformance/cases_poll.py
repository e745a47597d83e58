"""Conformance cases: poll."""

from __future__ import annotations

from .cases import case


@case("C771", {"idle": [2, 2], "sent": [3, 3], "received": [2, 2]})
def c771(stage):
    """PAIR binds, PAIR connects, settle: poll state of both (1 readable, 2 writable); both send, settle: state; both
    receive: state.

    Sockets: PAIR, PAIR over tcp.

    Source: pyzmq tests/test_poll.py: test_pair.
    """
    zmq = stage.zmq
    a, b, _ = stage.pair("tcp", zmq.PAIR, zmq.PAIR)

    def f():
        return [k.poll(0, 3) for k in (a, b)]

    x = f()
    a.send(b"1")
    b.send(b"2")
    stage.settle()
    y = f()
    a.recv()
    b.recv()
    return {"idle": x, "sent": y, "received": f()}


@case("C773", {"states": [[2, 0], [2, 0], [2, 1], [2, 0]]})
def c773(stage):
    """PUB binds, SUB (topic A) connects, settle. Poll states [PUB, SUB] at start; after B1 was published and settled;
    after A1; after SUB received.

    Sockets: PUB, SUB over tcp.

    Source: pyzmq tests/test_poll.py: test_pubsub.
    """
    zmq = stage.zmq
    a, b, _ = stage.pair("tcp", zmq.PUB, zmq.SUB, connect_options={"SUBSCRIBE": b"A"})

    def f():
        return [a.poll(0, 3), b.poll(0, 1)]

    out = [f()]
    for m in (b"B1", b"A1"):
        a.send(m)
        stage.settle()
        out.append(f())
    b.recv()
    out.append(f())
    return {"states": out}


@case(
    "C775",
    {
        "PUB": True,
        "XPUB": True,
        "ROUTER": True,
        "PUSH": False,
        "DEALER": False,
        "REQ": False,
        "PAIR": False,
        "REP": False,
        "XSUB": True,
    },
)
def c775(stage):
    """Is a fresh socket without any peer writable?

    Sockets: PUB, XPUB, ROUTER, PUSH, DEALER, REQ, PAIR.

    Source: RFC 28 ROUTER / RFC 29 PUB, XPUB 'SHALL NOT block on sending'.
    """
    zmq = stage.zmq
    return {
        n: bool(stage.socket(getattr(zmq, n)).poll(20, zmq.POLLOUT))
        for n in ("PUB", "XPUB", "ROUTER", "PUSH", "DEALER", "REQ", "PAIR", "REP", "XSUB")
    }


@case("C778", {"before": [True, False], "after": [True, True]})
def c778(stage):
    """DEALER connects to a port nobody listens on: writable? Another DEALER with IMMEDIATE=1 does the same: writable?
    A DEALER binds the port, settle 500 ms: both writable?

    Sockets: DEALER, DEALER over tcp.

    Source: RFC 28 DEALER/REQ availability with polling.
    """
    zmq = stage.zmq
    ep, release = stage.free_endpoint()
    a, b = (stage.socket(zmq.DEALER), stage.socket(zmq.DEALER, IMMEDIATE=1))

    def f():
        return [bool(k.poll(50, zmq.POLLOUT)) for k in (a, b)]

    a.connect(ep)
    b.connect(ep)
    stage.settle(0.1)
    x = f()
    release()
    stage.socket(zmq.DEALER).bind(ep)
    stage.settle(0.5)
    return {"before": x, "after": f()}
