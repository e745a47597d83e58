"""Conformance cases: heartbeats and the time a handshake may take."""

from __future__ import annotations

from .cases import case
from .watch import Watch
from .wire import dial, listen
from .zap import curve

_UP = ["LISTENING", "ACCEPTED", "HANDSHAKE_SUCCEEDED"]


def _time_to_live(stage, server, client):
    bound = stage.socket(server)
    watch = Watch(stage, bound)
    connected = stage.socket(client, HEARTBEAT_TTL=100, HEARTBEAT_IVL=250)
    connected.connect(stage.bind(bound))
    return {"events": watch.names(1.5, until="DISCONNECTED")}


@case(
    "C683",
    {"events": [*_UP, "DISCONNECTED"]},
)
def c683(stage):
    """ROUTER (monitored, no heartbeat of its own) binds; DEALER (HEARTBEAT_TTL=100, HEARTBEAT_IVL=250) connects. The
    server's events up to DISCONNECTED.

    Sockets: ROUTER, DEALER over tcp.

    Source: libzmq tests/test_heartbeats.cpp: test_heartbeat_ttl_dealer_router.

    The TTL in the PING is honoured by a peer that does not ping.
    """
    return _time_to_live(stage, stage.zmq.ROUTER, stage.zmq.DEALER)


@case(
    "C685",
    {"events": [*_UP, "DISCONNECTED"]},
)
def c685(stage):
    """PUSH (monitored, no heartbeat of its own) binds; PULL (HEARTBEAT_TTL=100, HEARTBEAT_IVL=250) connects. The
    server's events up to DISCONNECTED.

    Sockets: PUSH, PULL over tcp.

    Source: libzmq tests/test_heartbeats.cpp: test_heartbeat_ttl_pull_push.
    """
    return _time_to_live(stage, stage.zmq.PUSH, stage.zmq.PULL)


@case(
    "C687",
    {"events": [*_UP, "DISCONNECTED"]},
)
def c687(stage):
    """PAIR (monitored, no heartbeat of its own) binds; PAIR (HEARTBEAT_TTL=100, HEARTBEAT_IVL=250) connects. The
    server's events up to DISCONNECTED.

    Sockets: PAIR, PAIR over tcp.

    Source: libzmq tests/test_heartbeats.cpp: test_heartbeat_ttl_pair_pair.
    """
    return _time_to_live(stage, stage.zmq.PAIR, stage.zmq.PAIR)


def _alive(stage, server, client, server_options, client_options):
    bound = stage.socket(server, HEARTBEAT_IVL=50, **server_options)
    watch = Watch(stage, bound)
    connected = stage.socket(client, **client_options)
    connected.connect(stage.bind(bound))
    return {"events": watch.names(1.2)}


@case(
    "C689",
    {"events": _UP},
)
def c689(stage):
    """PUB (monitored, HEARTBEAT_IVL=50) binds; SUB connects; nobody sends. The server's events for 1.2 s.

    Sockets: PUB, SUB over tcp.

    Source: libzmq tests/test_heartbeats.cpp: test_heartbeat_notimeout_sub_pub.
    """
    return _alive(stage, stage.zmq.PUB, stage.zmq.SUB, {}, {})


@case(
    "C691",
    {"events": _UP},
)
def c691(stage):
    """REP (monitored, HEARTBEAT_IVL=50) binds; REQ connects (CURVE); nobody sends. The server's events for 1.2 s.

    Sockets: REP, REQ over tcp.

    Source: libzmq tests/test_heartbeats.cpp: test_heartbeat_notimeout_req_rep_with_curve.
    """
    return _alive(stage, stage.zmq.REP, stage.zmq.REQ, *curve(stage))


@case(
    "C693",
    {
        "events": ["LISTENING", "ACCEPTED", "HANDSHAKE_FAILED_NO_DETAIL", "DISCONNECTED"],
        "ms": {"$range": [80, 600]},
    },
)
def c693(stage):
    """DEALER (monitored, HANDSHAKE_IVL=100) binds; a raw TCP client connects and sends nothing. Events.

    Sockets: DEALER, raw peer over tcp.

    Source: libzmq tests/test_stream_timeout.cpp: test_stream_handshake_timeout_accept.
    """
    dealer = stage.socket(stage.zmq.DEALER, HANDSHAKE_IVL=100)
    watch = Watch(stage, dealer)
    dial(stage, stage.bind(dealer))
    began_ns = stage.now_ns()
    events = watch.names(1.0, until="DISCONNECTED")
    return {"events": events, "ms": (stage.now_ns() - began_ns) // 1_000_000}


@case(
    "C694",
    {"events": ["CONNECT_DELAYED", "CONNECTED", "HANDSHAKE_FAILED_NO_DETAIL", "DISCONNECTED", "CONNECT_RETRIED"]},
)
def c694(stage):
    """A raw listener accepts and says nothing. DEALER (monitored, HANDSHAKE_IVL=100, RECONNECT_IVL=60000) connects.
    Events.

    Sockets: DEALER, raw peer over tcp.

    Source: libzmq tests/test_stream_timeout.cpp: test_stream_handshake_timeout_connect.
    """
    _, endpoint = listen(stage)
    dealer = stage.socket(stage.zmq.DEALER, HANDSHAKE_IVL=100, RECONNECT_IVL=60000)
    watch = Watch(stage, dealer)
    dealer.connect(endpoint)
    return {"events": watch.names(0.8)}
