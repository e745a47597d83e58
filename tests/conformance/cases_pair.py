"""Conformance cases: pair."""

from __future__ import annotations

from tests.both.stage import numbers, text

from .cases import case


def _pair_rt(stage, transport):
    zmq = stage.zmq
    a, b, _ = stage.pair(transport, zmq.PAIR, zmq.PAIR)
    b.send_multipart([b"x", b"y"])
    there = stage.take(a)
    a.send_multipart([b"x", b"y"])
    return {"there": there, "back": stage.take(b)}


@case("C502", {"there": ["x", "y"], "back": ["x", "y"]})
def c502(stage):
    """PAIR binds, PAIR connects; [x,y] there and back.

    Sockets: PAIR, PAIR over tcp.

    Source: libzmq tests/test_pair_tcp.cpp; pyzmq tests/test_pair.py: test_basic.
    """
    return _pair_rt(stage, "tcp")


@case("C504", {"a": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "b": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]})
def c504(stage):
    """PAIR A binds, B connects. A sends bodies of 0..9 spaces, B the same; then A drains, B drains.

    Sockets: PAIR, PAIR over tcp.

    Source: pyzmq tests/test_pair.py: test_multiple.
    """
    zmq = stage.zmq
    a, b, _ = stage.pair("tcp", zmq.PAIR, zmq.PAIR)
    for k in (a, b):
        for i in range(10):
            k.send(b" " * i)
    return {"a": [len(m[0]) for m in stage.drain(a)], "b": [len(m[0]) for m in stage.drain(b)]}


def _pair_exclusive(stage, transport):
    zmq = stage.zmq
    a, b, ep = stage.pair(transport, zmq.PAIR, zmq.PAIR)
    c = stage.socket(zmq.PAIR)
    c.connect(ep)
    stage.settle()
    b.send(b"from b")
    stage.offer(c, "from c")
    stage.settle()
    got = text(stage.drain(a))
    a.send(b"to peer")
    return {"a_got": got, "b_got": stage.take(b, 0.25), "c_got": stage.take(c, 0.25)}


@case("C506", {"a_got": [["from b"]], "b_got": ["to peer"], "c_got": "EAGAIN"})
def c506(stage):
    """PAIR A binds, B connects, then C connects, settle. B sends 'from b', C nb-sends 'from c' (result not looked
    at), settle; A drains; A sends 'to peer'; B and C receive.

    Sockets: PAIRx3 over tcp.

    Source: RFC 31 'MAY be connected to at most one PAIR peers'.

    The second peer is turned away; the first is not disturbed.
    """
    return _pair_exclusive(stage, "tcp")


@case("C508", {"bind_first": ["foobar"], "connect_first": ["foobar"]})
def c508(stage):
    """Once with bind first, once with connect and send first: PAIR C connects, sends foobar; PAIR B (bound before or
    after) receives.

    Sockets: PAIR, PAIR over inproc.

    Source: libzmq tests/test_inproc_connect.cpp: test_bind_before_connect, test_connect_before_bind.
    """
    zmq = stage.zmq
    out = {}
    for first in (True, False):
        b, c = (stage.socket(zmq.PAIR), stage.socket(zmq.PAIR))
        ep = stage.endpoint("inproc")
        if first:
            b.bind(ep)
        c.connect(ep)
        c.send(b"foobar")
        if not first:
            b.bind(ep)
        out["bind_first" if first else "connect_first"] = stage.take(b)
    return out


@case("C510", {"received": [0, 1, 2]})
def c510(stage):
    """PAIR C connects to a port nobody listens on, sends 0,1,2. PAIR B binds the port and drains.

    Sockets: PAIR, PAIR over tcp.

    Source: RFC 31 'SHALL create a double queue when initiating an outgoing connection ... and SHALL maintain [it]
    whether or not the connection is established'.
    """
    zmq = stage.zmq
    ep, release = stage.free_endpoint()
    c = stage.socket(zmq.PAIR)
    c.connect(ep)
    for i in range(3):
        c.send(b"%d" % i)
    release()
    b = stage.socket(zmq.PAIR)
    b.bind(ep)
    return {"received": numbers(stage.drain(b, 0.7))}
