"""Conformance cases: what a socket's monitor tells, in which order."""

from __future__ import annotations

from .cases import case
from .watch import Watch
from .wire import listen

_STARTED = ["CONNECT_DELAYED", "CONNECTED", "HANDSHAKE_SUCCEEDED"]


@case(
    "C652",
    {
        "client": {
            "$in": [
                [*_STARTED, "MONITOR_STOPPED"],
                ["CONNECTED", "HANDSHAKE_SUCCEEDED", "MONITOR_STOPPED"],
                [*_STARTED, "DISCONNECTED", "CONNECT_RETRIED", "MONITOR_STOPPED"],
            ]
        },
        "server_start": ["LISTENING", "ACCEPTED", "HANDSHAKE_SUCCEEDED"],
        "server_end": {
            "$in": [
                ["CLOSED", "MONITOR_STOPPED"],
                ["DISCONNECTED", "MONITOR_STOPPED"],
                ["MONITOR_STOPPED"],
                ["DISCONNECTED", "CLOSED", "MONITOR_STOPPED"],
                ["CLOSED", "DISCONNECTED", "MONITOR_STOPPED"],
            ]
        },
    },
)
def c652(stage):
    """Server (DEALER, monitored) binds, client (DEALER, monitored) connects; a round trip; client closes, then
    server. Both monitors' events up to MONITOR_STOPPED.

    Sockets: DEALER, DEALER over tcp.

    Source: libzmq tests/test_monitor.cpp: test_monitor_basic.
    """
    server, client = stage.socket(stage.zmq.DEALER), stage.socket(stage.zmq.DEALER)
    at_server, at_client = Watch(stage, server), Watch(stage, client)
    client.connect(stage.bind(server))
    client.send(b"x")
    server.send(server.recv())
    client.recv()
    client.close()
    server.close()
    clients = at_client.names(1.0, until="MONITOR_STOPPED")
    servers = at_server.names(1.0, until="MONITOR_STOPPED")
    return {"client": clients, "server_start": servers[:3], "server_end": servers[3:]}


@case(
    "C653",
    {"events": ["CONNECT_DELAYED", "CONNECTED", "MONITOR_STOPPED"], "endpoints_ok": True},
)
def c653(stage):
    """REQ binds; REP is monitored for CONNECT_DELAYED, CONNECTED and MONITOR_STOPPED only; REP connects, settle; the
    monitor is disabled.

    Sockets: REP, REQ over tcp.

    Source: pyzmq tests/test_monitor.py: test_monitor.

    For a loopback TCP connect the DELAYED event (connect in progress) came every time here; the tests accept its
    absence.
    """
    zmq = stage.zmq
    rep, req = stage.socket(zmq.REP), stage.socket(zmq.REQ)
    endpoint = stage.bind(req)
    watch = Watch(stage, rep, zmq.EVENT_CONNECT_DELAYED | zmq.EVENT_CONNECTED | zmq.EVENT_MONITOR_STOPPED)
    rep.connect(endpoint)
    stage.settle()
    rep.disable_monitor()
    events = watch.all(0.3)
    return {
        "events": [event.name for event in events],
        "endpoints_ok": all(event.endpoint == endpoint for event in events[:2]),
    }


@case(
    "C655",
    {"before": _STARTED, "lost": ["DISCONNECTED", "CONNECT_RETRIED"], "again": _STARTED},
)
def c655(stage):
    """PUB P binds; SUB (monitored, RECONNECT_IVL=1000) connects, settle; P closes, 300 ms; PUB Q binds the port; all
    events for 2.5 s after that.

    Sockets: PUB, SUB, PUB over tcp.

    Source: libzmq tests/test_reconnect_options.cpp: reconnect_success.
    """
    zmq = stage.zmq
    p = stage.socket(zmq.PUB)
    endpoint = stage.bind(p)
    sub = stage.socket(zmq.SUB, RECONNECT_IVL=1000)
    watch = Watch(stage, sub)
    sub.connect(endpoint)
    before = watch.names(0.5)
    p.close()
    lost = watch.names(0.3)
    stage.socket(zmq.PUB).bind(endpoint)
    return {"before": before, "lost": lost, "again": watch.names(2.5)}


@case(
    "C657",
    {"events": ["CONNECT_DELAYED", "CLOSED", "CONNECT_RETRIED"] * 3},
)
def c657(stage):
    """DEALER (monitored, RECONNECT_IVL=200) connects to a port nobody listens on; the first nine events.

    Sockets: DEALER over tcp.

    Source: RFC 23 'SHOULD reconnect after a suitable delay'; libzmq connection refused.
    """
    endpoint, _ = stage.free_endpoint()
    dealer = stage.socket(stage.zmq.DEALER, RECONNECT_IVL=200)
    watch = Watch(stage, dealer)
    dealer.connect(endpoint)
    return {"events": watch.names(2.0, limit=9)}


@case(
    "C660",
    {"a": ["LISTENING", "CLOSED"], "b": ["CLOSED", "BIND_FAILED"], "bind": "EADDRINUSE"},
)
def c660(stage):
    """PULL A (monitored) binds and unbinds. PULL B (monitored) binds a port in use.

    Sockets: PULL, PULL over tcp.

    Source: libzmq tests/test_monitor.cpp (bind side).
    """
    a, b, c = (stage.socket(stage.zmq.PULL) for _ in range(3))
    at_a, at_b = Watch(stage, a), Watch(stage, b)
    endpoint = stage.bind(a)
    stage.sleep(0.1)
    a.unbind(endpoint)
    error = stage.attempt(b.bind, stage.bind(c))
    return {"a": at_a.names(), "b": at_b.names(), "bind": error}


@case(
    "C662",
    {"a": [], "b": ["MONITOR_STOPPED"]},
)
def c662(stage):
    """PAIR binds, PAIR connects (both monitored), a message passes, the connecter closes, settle; events of both.

    Sockets: PAIR, PAIR over inproc.

    Source: libzmq monitor (inproc has no events; comment in tests/test_hwm.cpp).
    """
    a, b = stage.socket(stage.zmq.PAIR), stage.socket(stage.zmq.PAIR)
    at_a, at_b = Watch(stage, a), Watch(stage, b)
    b.connect(stage.bind(a, "inproc"))
    b.send(b"x")
    a.recv()
    b.close()
    stage.settle()
    return {"a": at_a.names(), "b": at_b.names()}


@case(
    "C664",
    {"events": ["CONNECT_DELAYED", "CONNECTED", "HANDSHAKE_FAILED_NO_DETAIL", "DISCONNECTED"]},
)
def c664(stage):
    """A raw listener accepts and says nothing. SUB (monitored, HANDSHAKE_IVL=300, RECONNECT_STOP=HANDSHAKE_FAILED)
    connects; events for 1.5 s.

    Sockets: STREAM, SUB over tcp.

    Source: libzmq tests/test_reconnect_options.cpp: reconnect_stop_on_handshake_failed.

    A draft option, present in this build.
    """
    _, endpoint = listen(stage)
    sub = stage.socket(stage.zmq.SUB, HANDSHAKE_IVL=300, RECONNECT_STOP=2)
    watch = Watch(stage, sub)
    sub.connect(endpoint)
    return {"events": watch.names(1.5, overall_s=3)}


@case(
    "C666",
    {"ms": {"$range": [290, 900]}},
)
def c666(stage):
    """ROUTER binds, DEALER (monitored, RECONNECT_IVL=300) connects, settle; ROUTER closes. Milliseconds from
    DISCONNECTED to the next connection attempt (CONNECT_DELAYED).

    Sockets: ROUTER, DEALER over tcp.

    Source: RFC 23 'SHOULD reconnect after a suitable delay'; libzmq tests/test_reconnect_options.cpp.

    Between one and two intervals (random), plus scheduling.
    """
    router, dealer = stage.socket(stage.zmq.ROUTER), stage.socket(stage.zmq.DEALER, RECONNECT_IVL=300)
    watch = Watch(stage, dealer)
    dealer.connect(stage.bind(router))
    watch.wait_for("HANDSHAKE_SUCCEEDED")
    router.close()
    watch.wait_for("DISCONNECTED")
    began_ns = stage.now_ns()
    watch.wait_for("CONNECT_DELAYED", 2)
    return {"ms": (stage.now_ns() - began_ns) // 1_000_000}


@case(
    "C874",
    {"before": ["CLOSED", "CONNECT_RETRIED"], "uncalled": ["CLOSED", "CONNECT_RETRIED"], "called": []},
    claimed={"before": ["CLOSED", "CONNECT_RETRIED"], "uncalled": ["CLOSED"], "called": []},
)
def c874(stage):
    """SUB (monitored, RECONNECT_STOP=AFTER_DISCONNECT, RECONNECT_IVL=100) connects to an ipc name nobody listens on:
    first events; SUB disconnects it: events of the next 300 ms, during which SUB is not called (the first two); SUB
    is polled, settle: events of the next 400 ms.

    Sockets: SUB over ipc.

    Source: libzmq tests/test_reconnect_options.cpp: reconnect_stop_after_disconnect.

    The option looks for a refused connection; where there is no such file the error is another. A disconnected
    endpoint is tried again until its socket is called: the pipe's end has to be acknowledged by its reader.
    """
    sub = stage.socket(stage.zmq.SUB, RECONNECT_STOP=4)
    watch = Watch(stage, sub)
    endpoint = stage.endpoint("ipc")
    sub.connect(endpoint)
    before = watch.names(1.0, limit=2)
    sub.disconnect(endpoint)
    uncalled = watch.names(0.3, limit=2)
    stage.settle(0.05)
    watch.names(0.05)
    return {"before": before, "uncalled": uncalled, "called": watch.names(0.4)}
