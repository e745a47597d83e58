"""Conformance cases: endpoints."""

from __future__ import annotations

import contextlib

from .cases import case


@case("C521", {"first": ["ABC"], "after_unbind": "EAGAIN"})
def c521(stage):
    """PUSH binds, PULL connects, one message passes. PUSH unbinds, settle; nb-send.

    Sockets: PUSH, PULL over tcp.

    Source: libzmq tests/test_term_endpoint.cpp: test_send_after_unbind_fails.

    unbind() also drops the connections accepted on that endpoint.
    """
    zmq = stage.zmq
    push, pull, ep = stage.pair("tcp", zmq.PUSH, zmq.PULL)
    push.send(b"ABC")
    a = stage.take(pull)
    push.unbind(ep)
    stage.settle()
    return {"first": a, "after_unbind": stage.offer(push, "ABC")}


@case("C523", {"wildcard": ["ENOENT", "ENOENT"], "last_endpoint": ["ok", "ok"], "again": ["ENOENT", "ENOENT"]})
def c523(stage):
    """PUSH binds tcp://127.0.0.1:*, PULL binds an ipc wildcard. Unbind with the wildcard string; unbind with
    LAST_ENDPOINT; the same again.

    Sockets: PUSH, PULL over tcp, ipc.

    Source: libzmq tests/test_term_endpoint.cpp: test_unbind_via_last_endpoint, test_wildcard_unbind_fails.
    """
    zmq = stage.zmq
    a, b = (stage.socket(zmq.PUSH), stage.socket(zmq.PULL))
    ea = stage.bind(a)
    b.bind("ipc://*")
    eb = stage.last_endpoint(b)
    return {
        "wildcard": [stage.attempt(a.unbind, "tcp://127.0.0.1:*"), stage.attempt(b.unbind, "ipc://*")],
        "last_endpoint": [stage.attempt(a.unbind, ea), stage.attempt(b.unbind, eb)],
        "again": [stage.attempt(a.unbind, ea), stage.attempt(b.unbind, eb)],
    }


@case("C525", {"same": [True, True]})
def c525(stage):
    """ROUTER binds two explicit free ports one after the other; LAST_ENDPOINT after each.

    Sockets: ROUTER over tcp.

    Source: libzmq tests/test_last_endpoint.cpp: test_last_endpoint.
    """
    zmq = stage.zmq
    k = stage.socket(zmq.ROUTER)
    out = []
    for _ in range(2):
        ep, release = stage.free_endpoint()
        release()
        k.bind(ep)
        out.append(stage.last_endpoint(k) == ep)
    return {"same": out}


@case("C527", {"roundtrip": ["q"], "disconnect": "ok", "unbind": "ok"})
def c527(stage):
    """REP binds 127.0.0.1 with a wildcard port, REQ connects to LAST_ENDPOINT, round trip; REQ disconnects and REP
    unbinds it.

    Sockets: REP, REQ over tcp.

    Source: libzmq tests/test_unbind_wildcard.cpp: test_port_wildcard_ipv4_address.
    """
    zmq = stage.zmq
    rep, req, ep = stage.pair("tcp", zmq.REP, zmq.REQ)
    req.send(b"q")
    rep.send(rep.recv())
    return {
        "roundtrip": stage.take(req),
        "disconnect": stage.attempt(req.disconnect, ep),
        "unbind": stage.attempt(rep.unbind, ep),
    }


@case("C529", {"second_bind": "ok", "p1": "EAGAIN", "p2": ["foobar"]})
def c529(stage):
    """PAIR 1 binds a name and unbinds it; PAIR 2 binds the name; PAIR C connects and sends foobar; both receive.

    Sockets: PAIRx3 over inproc.

    Source: libzmq tests/test_inproc_connect.cpp: test_unbind.
    """
    zmq = stage.zmq
    a, b, c = [stage.socket(zmq.PAIR) for _ in range(3)]
    ep = stage.bind(a, "inproc")
    a.unbind(ep)
    e = stage.attempt(b.bind, ep)
    c.connect(ep)
    c.send(b"foobar")
    return {"second_bind": e, "p1": stage.take(a, 0.1), "p2": stage.take(b)}


def _immediate(stage, imm):
    zmq = stage.zmq
    pull = stage.socket(zmq.PULL)
    live = stage.bind(pull)
    dead, _ = stage.free_endpoint()
    push = stage.socket(zmq.PUSH, IMMEDIATE=imm)
    push.connect(dead)
    push.connect(live)
    stage.settle()
    e = {stage.offer(push, "%d" % i) for i in range(10)}
    return {"sends": e.pop() if len(e) == 1 else "mixed", "received": len(stage.drain(pull, 0.4))}


@case("C533", {"sends": "ok", "received": 5})
def c533(stage):
    """PULL binds. PUSH (IMMEDIATE=0) connects to a port nobody listens on and to PULL, settle; nb-sends 10; PULL
    drains.

    Sockets: PUSH, PULL over tcp.

    Source: libzmq tests/test_immediate.cpp: test_immediate_1.
    """
    return _immediate(stage, 0)


@case("C537", {"terminated": True})
def c537(stage):
    """PUSH and 20 ROUTERs connect to names nobody binds and are closed (LINGER -1, nothing sent); the context is
    terminated within 2 s.

    Sockets: PUSH, ROUTER over inproc.

    Source: libzmq tests/test_inproc_connect.cpp: test_connect_only, test_connect_before_bind_ctx_term.
    """
    zmq = stage.zmq
    ctx = stage.context()
    ks = [stage.socket(zmq.PUSH, context=ctx, LINGER=-1)]
    ks += [stage.socket(zmq.ROUTER, context=ctx, LINGER=-1) for _ in range(20)]
    for i, k in enumerate(ks):
        k.connect("inproc://never%d" % i)
        k.close()
    return {"terminated": stage.spawn(ctx.term).wait(2)}


@case("C539", {"received": 25})
def c539(stage):
    """25 names; for each one thread binds a PAIR, sends foobar and closes (LINGER -1), while another connects a PAIR
    and receives, all started together.

    Sockets: PAIR, PAIR over inproc.

    Source: libzmq tests/test_inproc_connect.cpp: test_simultaneous_connect_bind_threads.
    """
    zmq = stage.zmq
    ctx = stage.context()
    got = []

    def binder(ep):
        k = ctx.socket(zmq.PAIR)
        k.bind(ep)
        k.sndtimeo = 3000
        k.send(b"foobar")
        k.close()

    def connecter(ep):
        k = ctx.socket(zmq.PAIR)
        k.connect(ep)
        k.rcvtimeo = 3000
        with contextlib.suppress(zmq.ZMQError):
            got.append(k.recv())
        k.close(0)

    tasks = [stage.spawn(f, "inproc://foo_%d" % i) for i in range(25) for f in (connecter, binder)]
    for task in tasks:
        task.join()
    return {"received": got.count(b"foobar")}


@case("C547", {"roundtrip": ["q"], "disconnect": "ok"})
def c547(stage):
    """REP binds; REQ connects with an explicit source address tcp://127.0.0.1:S;127.0.0.1:P (S a free port); round
    trip; REQ disconnects that same string.

    Sockets: REQ, REP over tcp.

    Source: libzmq tests/test_reqrep_tcp.cpp: test_multi_connect_same_port_ipv4; tests/test_bind_src_address.cpp.
    """
    zmq = stage.zmq
    rep, req = (stage.socket(zmq.REP), stage.socket(zmq.REQ))
    ep = stage.bind(rep)
    src, release = stage.free_endpoint()
    release()
    full = src + ";" + ep.split("//")[1]
    req.connect(full)
    req.send(b"q")
    rep.send(rep.recv())
    return {"roundtrip": stage.take(req), "disconnect": stage.attempt(req.disconnect, full)}


@case("C549", {"connect": "ok"})
def c549(stage):
    """A socket of each type (REQ REP DEALER ROUTER PUB SUB XPUB XSUB PUSH PULL PAIR) connects to a port nobody
    listens on.

    Sockets: all types over tcp.

    Source: RFC 23 'they connect to an endpoint asynchronously'.
    """
    zmq = stage.zmq
    ep, _ = stage.free_endpoint()
    kinds = ["REQ", "REP", "DEALER", "ROUTER", "PUB", "SUB", "XPUB", "XSUB", "PUSH", "PULL", "PAIR"]
    r = {stage.attempt(stage.socket(getattr(zmq, kind)).connect, ep) for kind in kinds}
    return {"connect": r.pop() if len(r) == 1 else "mixed"}


@case("C612", {"waits": True, "ends": True})
def c612(stage):
    """A context with one open REQ: terminate it in a thread; still going after 200 ms? REQ closes; ended within 1 s?

    Sockets: REQ.

    Source: pyzmq tests/test_context.py: test_term_noclose.
    """
    zmq = stage.zmq
    ctx = stage.context()
    k = stage.socket(zmq.REQ, context=ctx)
    task = stage.spawn(ctx.term)
    waits = not task.wait(0.2)
    k.close()
    return {"waits": waits, "ends": task.wait(1)}


@case("C614", {"blocky": -1, "not_blocky": 0})
def c614(stage):
    """LINGER of a fresh socket; with the context option BLOCKY=0, of another.

    Sockets: ROUTER.

    Source: libzmq tests/test_ctx_options.cpp: test_ctx_option_blocky.
    """
    zmq = stage.zmq
    ctx = stage.context()
    a = ctx.socket(zmq.ROUTER)
    x = a.linger
    a.close(0)
    ctx.set(zmq.BLOCKY, 0)
    b = ctx.socket(zmq.ROUTER)
    y = b.linger
    b.close(0)
    return {"blocky": x, "not_blocky": y}
