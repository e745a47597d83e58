"""Conformance cases: LINGER and other options."""

from __future__ import annotations

from tests.both.stage import numbers

from .cases import case


@case("C608", {"blocked_before": True, "received": [0, 1, 2, 3, 4], "terminated_after": True})
def c608(stage):
    """PUSH (LINGER=-1) connects to a port nobody listens on, sends 0..4, closes; termination of its context is begun
    and does not end within 300 ms. PULL in another context binds the port and drains; termination ends.

    Sockets: PUSH, PULL over tcp.

    Source: libzmq tests/test_hwm.cpp: connect_and_close_first (over tcp); LINGER.
    """
    zmq = stage.zmq
    endpoint, release = stage.free_endpoint()
    pull = stage.socket(zmq.PULL)
    other = stage.context()
    push = stage.socket(zmq.PUSH, other, LINGER=-1)
    push.connect(endpoint)
    for i in range(5):
        push.send(b"%d" % i)
    push.close()
    ending = stage.spawn(other.term)
    blocked = not ending.wait(0.3)
    release()
    pull.bind(endpoint)
    got = numbers(stage.drain(pull, 0.7))
    return {"blocked_before": blocked, "received": got, "terminated_after": ending.wait(2)}


@case("C609", {"ms": {"$range": [350, 1200]}})
def c609(stage):
    """PUSH (LINGER=400) connects to a port nobody listens on, sends one message, closes; how long does terminating
    the context take (ms)?

    Sockets: PUSH over tcp.

    Source: libzmq LINGER; pyzmq tests/test_context.py: test_destroy_linger.
    """
    endpoint, _ = stage.free_endpoint()
    context = stage.context()
    push = stage.socket(stage.zmq.PUSH, context, LINGER=400)
    push.connect(endpoint)
    push.send(b"x")
    began_ns = stage.now_ns()
    push.close()
    stage.spawn(context.term).wait(5)
    return {"ms": (stage.now_ns() - began_ns) // 1_000_000}


@case(
    "C616",
    {"99": 0, "100": 100, "6553599": 6553500, "6553600": "EINVAL"},
)
def c616(stage):
    """Set HEARTBEAT_TTL to 99, 100, 6553599, 6553600 and read it back.

    Sockets: PAIR.

    Source: libzmq tests/test_heartbeats.cpp: test_setsockopt_heartbeat_ttl_*.

    Kept in tenths of a second.
    """
    option = stage.zmq.HEARTBEAT_TTL
    out = {}
    for value in (99, 100, 6553599, 6553600):
        k = stage.socket(stage.zmq.PAIR)
        done = stage.attempt(k.setsockopt, option, value)
        out[str(value)] = k.getsockopt(option) if done == "ok" else done
    return out


@case("C618", {"p": [0, 1, 2], "q": []})
def c618(stage):
    """PUSH (RECONNECT_IVL=50) connects to PULL P (bound), sends 0..9; they reach P's queue. P reads 3 and closes;
    PULL Q binds the port, settle 500 ms; Q drains.

    Sockets: PUSH, PULL, PULL over tcp.

    Source: libzmq tests/test_reqrep_inproc.cpp; LINGER: unread messages at the receiver.

    Messages that had left the sender are lost with the receiver; nothing is sent again.
    """
    zmq = stage.zmq
    p, push, endpoint = stage.pair("tcp", zmq.PULL, zmq.PUSH, connect_options={"RECONNECT_IVL": 50})
    for i in range(10):
        push.send(b"%d" % i)
    stage.settle()
    got = [int(p.recv()) for _ in range(3)]
    p.close()
    stage.sleep(0.1)
    q = stage.socket(zmq.PULL)
    q.bind(endpoint)
    stage.settle(0.5)
    return {"p": got, "q": numbers(stage.drain(q))}
