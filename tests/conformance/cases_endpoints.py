"""Conformance cases: endpoints."""

from __future__ import annotations

import contextlib
import os
import socket

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


@case("C531", {"bounces": [True, False, False, True]})
def c531(stage):
    """PAIR B binds, PAIR C (RECONNECT_IVL=-1) connects. 'Bounce' = a message both ways arrives. Bounce; B unbinds,
    settle, bounce; B binds the same endpoint again, settle, bounce; C connects again, settle, bounce.

    Sockets: PAIR, PAIR over tcp.

    Source: libzmq tests/test_reconnect_ivl.cpp: test_reconnect_ivl_tcp.

    -1 turns reconnecting off.
    """
    zmq = stage.zmq
    b, c, ep = stage.pair("tcp", zmq.PAIR, zmq.PAIR, connect_options={"RECONNECT_IVL": -1})
    out = []

    def bounce():
        there = stage.take(b, 0.3) if stage.offer(c, "x") == "ok" else "-"
        back = stage.take(c, 0.3) if stage.offer(b, "y") == "ok" else "-"
        out.append(there == ["x"] and back == ["y"])

    bounce()
    b.unbind(ep)
    stage.settle()
    bounce()
    b.bind(ep)
    stage.settle()
    bounce()
    c.connect(ep)
    stage.settle()
    stage.drain(b, 0.1)
    stage.drain(c, 0.1)
    bounce()
    return {"bounces": out}


@case("C535", {"while_down": "EAGAIN", "hello": ["Hello"], "after": "ok", "backend_got": ["again"]})
def c535(stage):
    """Backend (DEALER) binds, frontend (DEALER, IMMEDIATE=1) connects; a message each way. Backend closes, settle
    500 ms; frontend nb-sends. A new backend binds the port and sends (blocking, up to 2 s) Hello; frontend receives,
    nb-sends; backend receives.

    Sockets: DEALER, DEALER over tcp.

    Source: libzmq tests/test_immediate.cpp: test_immediate_3.
    """
    zmq = stage.zmq
    back, front, ep = stage.pair("tcp", zmq.DEALER, zmq.DEALER, connect_options={"IMMEDIATE": 1})
    back.send(b"Hello")
    front.recv()
    front.send(b"x")
    back.recv()
    back.close()
    stage.settle(0.5)
    down = stage.offer(front, "Hello")
    new = stage.socket(zmq.DEALER)
    new.bind(ep)
    new.send(b"Hello")
    hello = stage.take(front)
    after = stage.offer(front, "again")
    return {"while_down": down, "hello": hello, "after": after, "backend_got": stage.take(new)}


@case("C541", {"wildcard": ["x"], "abstract": ["x"], "abstract_endpoint_same": True})
def c541(stage):
    """PAIR binds ipc://*, another connects to LAST_ENDPOINT, a message passes; the same with an abstract name
    ipc://@<unique>, whose LAST_ENDPOINT is compared.

    Sockets: PAIR, PAIR over ipc.

    Source: libzmq tests/test_ipc_wildcard.cpp, tests/test_abstract_ipc.cpp.
    """
    abstract = f"ipc://@zmq-harness-{os.getpid()}"
    got = []
    for address in ("ipc://*", abstract):
        a, b = stage.socket(stage.zmq.PAIR), stage.socket(stage.zmq.PAIR)
        a.bind(address)
        b.connect(stage.last_endpoint(a))
        b.send(b"x")
        got.append(stage.take(a))
    return {"wildcard": got[0], "abstract": got[1], "abstract_endpoint_same": stage.last_endpoint(a) == abstract}


@case("C543", {"results": ["EINVAL"] * 6 + ["ok"]})
def c543(stage):
    """Set TCP_ACCEPT_FILTER to foo, 0.0.0.0foo, 0.0.0.0/foo, 0.0.0.0/, 0.0.0.0/-1, 0.0.0.0/33, 127.0.0.1/32.

    Sockets: PAIR.

    Source: libzmq tests/test_tcp_accept_filter.cpp: test_bad_filter_string_*.
    """
    k = stage.socket(stage.zmq.PAIR)
    filters = (b"foo", b"0.0.0.0foo", b"0.0.0.0/foo", b"0.0.0.0/", b"0.0.0.0/-1", b"0.0.0.0/33", b"127.0.0.1/32")
    return {"results": [stage.attempt(k.setsockopt, stage.zmq.TCP_ACCEPT_FILTER, one) for one in filters]}


@case("C545", {"own": [True, True, True], "other": [False, False, False]})
def c545(stage):
    """For IPC_FILTER_UID/GID/PID with the process's own value and with that plus one: PAIR B with the filter binds
    ipc, PAIR C (RECONNECT_IVL=-1) connects and sends; does B get it within 500 ms?

    Sockets: PAIR, PAIR over ipc.

    Source: libzmq tests/test_filter_ipc.cpp: uid/gid/pid of the process owner and not.
    """
    zmq = stage.zmq
    out = {"own": [], "other": []}
    options = (zmq.IPC_FILTER_UID, zmq.IPC_FILTER_GID, zmq.IPC_FILTER_PID)
    for option, value in zip(options, stage.credentials(), strict=True):
        for key, more in (("own", 0), ("other", 1)):
            b, c = stage.socket(zmq.PAIR), stage.socket(zmq.PAIR, RECONNECT_IVL=-1)
            b.setsockopt(option, value + more)
            c.connect(stage.bind(b, "ipc"))
            stage.offer(c, "x")
            out[key].append(stage.take(b, 0.5) == ["x"])
    return out


@case("C879", {"roundtrip": [["q"], ["r"]], "disconnect": "ok", "unbind": "ok"})
def c879(stage):
    """REP binds tcp://*:*; REQ connects to LAST_ENDPOINT; round trip; disconnect and unbind with that string.

    Sockets: REP, REQ over tcp.

    Source: libzmq tests/test_unbind_wildcard.cpp: test_address_wildcard_ipv4.

    The rows of IPv6 are not played: a machine need not have it.
    """
    zmq = stage.zmq
    rep, req = stage.socket(zmq.REP), stage.socket(zmq.REQ)
    rep.bind("tcp://*:*")
    endpoint = stage.last_endpoint(rep)
    req.connect(endpoint)
    req.send(b"q")
    there = stage.take(rep)
    rep.send(b"r")
    back = stage.take(req)
    return {
        "roundtrip": [there, back],
        "disconnect": stage.attempt(req.disconnect, endpoint),
        "unbind": stage.attempt(rep.unbind, endpoint),
    }


@case("C884", {"opened": {"$range": [1, 1023]}, "error": "EMFILE"})
def c884(stage):
    """Open sockets in a default context until it fails.

    Sockets: PAIR.

    Source: libzmq tests/test_many_sockets.cpp: test_system_max_sockets.

    1023 is MAX_SOCKETS; the machine's limit of open files may come first.
    """
    context = stage.context()
    made = []
    error = "ok"
    while error == "ok":
        error = stage.attempt(lambda: made.append(stage.socket(stage.zmq.PAIR, context)))
    return {"opened": len(made), "error": error}


@case("C880", {"roundtrip": [["q"], ["r"]]}, later="USE_FD")
def c880(stage):
    """REP is given a listening file descriptor (USE_FD) and binds its address; REQ connects; round trip.

    Sockets: REP, REQ over tcp.

    Source: libzmq tests/test_use_fd.cpp.

    A descriptor of the operating system has no counterpart in a simulated network.
    """
    rep, req = stage.socket(stage.zmq.REP), stage.socket(stage.zmq.REQ)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        endpoint = "tcp://127.0.0.1:%d" % listening.getsockname()[1]
        rep.setsockopt(stage.zmq.USE_FD, listening.fileno())
        rep.bind(endpoint)
        listening.detach()  # libzmq's now
    req.connect(endpoint)
    req.send(b"q")
    there = stage.take(rep)
    rep.send(b"r")
    return {"roundtrip": [there, stage.take(req)]}
