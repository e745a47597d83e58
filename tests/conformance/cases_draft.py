"""Conformance cases: what belongs to libzmq's draft interface.

A stable build (pyzmq's wheels are) has the draft socket types but neither their functions nor the draft options: what
such a row shows is that the build refuses.
"""

from __future__ import annotations

from .cases import case, unplayed


def _refused(stage, kind, option, *values):
    """What setting a draft option gives"""
    socket = stage.socket(getattr(stage.zmq, kind))
    return [stage.attempt(socket.setsockopt, option, value) for value in values]


_ROUTER_NOTIFY = 97
_HELLO_MSG = 110
_DISCONNECT_MSG = 111
_HICCUP_MSG = 114
_XSUB_VERBOSE_UNSUBSCRIBE = 115


@case(
    "C851",
    {"CLIENT": "EINVAL", "SERVER": "EINVAL", "SCATTER": "EINVAL", "CHANNEL": "EINVAL"},
)
def c851(stage):
    """Send a first frame with SNDMORE on each of these types.

    Sockets: CLIENT, SERVER, SCATTER, CHANNEL over inproc.

    Source: libzmq tests/test_client_server.cpp, test_scatter_gather.cpp, test_channel.cpp: sending with SNDMORE fails;
    RFC 37 thread-safe sockets 'MUST disallow the sending of multipart messages'.
    """
    zmq = stage.zmq
    out = {}
    for name in ("CLIENT", "SERVER", "SCATTER", "CHANNEL"):
        socket = stage.socket(getattr(zmq, name))
        stage.bind(socket, "inproc")
        out[name] = stage.attempt(socket.send, b"x", zmq.SNDMORE | zmq.DONTWAIT)
    return out


@case(
    "C861",
    {"set": ["EINVAL"] * 3},
    claimed={
        "connect": [["X", ""], ["X", "Hello"]],
        "disconnect": [["X", "Hello"], ["X", ""]],
        "both": [["X", ""], ["X", "Hello"], ["X", ""]],
    },
)
def c861(stage):
    """Set ROUTER_NOTIFY to connect, disconnect, or both. (With the draft interface: DEALER X connects, sends Hello,
    disconnects, settle; ROUTER drains.)

    Sockets: ROUTER, DEALER over tcp.

    Source: libzmq tests/test_router_notify.cpp: test_router_notify_connect, _disconnect, _both.
    """
    return {"set": _refused(stage, "ROUTER", _ROUTER_NOTIFY, 1, 2, 3)}


@case("C862", {"set": ["EINVAL"]}, claimed={"received": "EAGAIN"})
def c862(stage):
    """Set ROUTER_NOTIFY=both. (With the draft interface: a raw client sends garbage and closes; ROUTER receives
    nothing for 200 ms.)

    Sockets: ROUTER, raw peer over tcp.

    Source: libzmq tests/test_router_notify.cpp: test_handshake_fail.
    """
    return {"set": _refused(stage, "ROUTER", _ROUTER_NOTIFY, 3)}


@case("C863", {"set": ["EINVAL"]}, claimed={"first": ["X", ""]})
def c863(stage):
    """Set ROUTER_NOTIFY=disconnect. (With the draft interface, and MAXMSGSIZE=64: DEALER X sends [Hello2, 127 bytes];
    ROUTER's first message.)

    Sockets: ROUTER, DEALER over tcp.

    Source: libzmq tests/test_router_notify.cpp: test_error_during_multipart.
    """
    return {"set": _refused(stage, "ROUTER", _ROUTER_NOTIFY, 2)}


@case(
    "C864",
    {"router": ["EINVAL"] * 6, "dealer": ["EINVAL"]},
    claimed={"router": ["ok", "ok", "ok", "ok", "EINVAL", "EINVAL"], "dealer": ["EINVAL"]},
)
def c864(stage):
    """Set ROUTER_NOTIFY to 0..3, -1, 4 on a ROUTER and to 1 on a DEALER.

    Sockets: ROUTER, DEALER.

    Source: libzmq tests/test_router_notify.cpp: test_sockopt_router_notify.
    """
    return {
        "router": _refused(stage, "ROUTER", _ROUTER_NOTIFY, 0, 1, 2, 3, -1, 4),
        "dealer": _refused(stage, "DEALER", _ROUTER_NOTIFY, 1),
    }


@case("C865", {"set": ["EINVAL"]}, claimed={"received": ["H"]})
def c865(stage):
    """Set HELLO_MSG=H on a ROUTER. (With the draft interface: DEALER connects, on inproc also before the bind, and
    receives H.)

    Sockets: ROUTER, DEALER over tcp, inproc.

    Source: libzmq tests/test_hello_msg.cpp: test_tcp, test_inproc, test_inproc_late_bind.
    """
    return {"set": _refused(stage, "ROUTER", _HELLO_MSG, b"H")}


@case("C866", {"set": ["EINVAL"] * 2}, claimed={"server": ["H", "D"], "client_after_server_gone": "HICCUP"})
def c866(stage):
    """Set DISCONNECT_MSG=D on a ROUTER and HICCUP_MSG=HICCUP on a DEALER. (With the draft interface: CLIENT connects
    with HELLO_MSG=H, closes or disconnects: SERVER receives. In another run SERVER closes: CLIENT receives.)

    Sockets: ROUTER, DEALER over tcp, inproc.

    Source: libzmq tests/test_disconnect_msg.cpp, test_hiccup_msg.cpp.
    """
    return {
        "set": [
            *_refused(stage, "ROUTER", _DISCONNECT_MSG, b"D"),
            *_refused(stage, "DEALER", _HICCUP_MSG, b"HICCUP"),
        ]
    }


@case(
    "C876",
    {"set": ["EINVAL"]},
    claimed={"notes": [["\\x00A"], ["\\x01A"], ["\\x01A"], ["\\x00A"], ["\\x00A"]]},
)
def c876(stage):
    """Set XSUB_VERBOSE_UNSUBSCRIBE=1. (With the draft interface, as C421: XSUB sends -A (unknown), +A, +A, -A, -A;
    XPUB (VERBOSER) reads after each.)

    Sockets: XPUB, XSUB over inproc.

    Source: libzmq tests/test_xsub_verbose.cpp: test_xsub_verbose_unsubscribe (second part).
    """
    return {"set": _refused(stage, "XSUB", _XSUB_VERBOSE_UNSUBSCRIBE, 1)}


unplayed(
    "C853",
    "draft",
    "a stable build lets a draft socket be made, but its first handshake over TCP aborts the process (assertion on "
    "socket_type in mechanism.cpp)",
    sockets="CHANNEL, CHANNEL over tcp",
    scenario="CHANNEL binds, CHANNEL connects; a message each way.",
    source="libzmq tests/test_channel.cpp: test_roundtrip",
    claimed={"there": ["hi"], "back": ["ho"]},
)
unplayed(
    "C867",
    "draft",
    "zmq_socket_get_peer_state is a draft function that pyzmq does not offer",
    sockets="ROUTER, DEALERx2 over inproc",
    scenario="ROUTER (mandatory, SNDHWM=100) binds; DEALERs X (reads all) and Y (never reads), RCVHWM=100. ROUTER asks "
    "the peer state before each send: Y becomes not writable, X stays writable. State of an unknown peer; of a "
    "non-ROUTER.",
    source="libzmq tests/test_router_mandatory.cpp: test_get_peer_state, _corner_cases",
    claimed={"y_blocks": True, "unknown": "EHOSTUNREACH", "not_router": "ENOTSUP"},
)
unplayed(
    "C868",
    "draft",
    "routing ids of messages are draft functions, and the handshake of a SERVER over TCP aborts a stable build",
    sockets="SERVER, CLIENT over tcp",
    scenario="CLIENT sends one frame; SERVER receives it with a non-zero routing id and answers to that id; CLIENT "
    "receives, routing id 0.",
    source="libzmq tests/test_client_server.cpp: test_routing_id",
    claimed={"server_routing_id": "non-zero", "client_routing_id": 0},
)
unplayed(
    "C869",
    "draft",
    "zmq_join and zmq_leave are draft functions: pyzmq refuses them in a stable build",
    sockets="DISH",
    scenario="Leave a group never joined; join a group of 256 characters; join twice.",
    source="libzmq tests/test_radio_dish.cpp: leave_unjoined, join_too_long, join_twice",
    claimed={"leave": "EINVAL", "too_long": "EINVAL", "twice": "EINVAL"},
)
unplayed(
    "C870",
    "draft",
    "zmq_join and message groups are draft functions, and the handshake of a RADIO over TCP aborts a stable build",
    sockets="RADIO, DISH over tcp",
    scenario="DISH joins Movies; RADIO sends to TV, Movies; DISH joins TV (live); RADIO sends to TV; DISH leaves TV; "
    "RADIO sends to TV, Movies.",
    source="libzmq tests/test_radio_dish.cpp: test_radio_dish_tcp_poll",
    claimed={"received": ["Movies", "TV", "Movies"]},
)
unplayed(
    "C871",
    "draft",
    "zmq_connect_peer is a draft function that pyzmq does not offer",
    sockets="PEER, PEER over tcp",
    scenario="Peer 1 binds; peer 2 connects and gets a routing id at once, sends X; peer 1 receives with the sender's "
    "id, disconnects that id, sends to it again.",
    source="libzmq tests/test_peer.cpp, test_peer_disconnect.cpp",
    claimed={"received": "X", "after_disconnect": "EHOSTUNREACH"},
)
unplayed(
    "C872",
    "draft",
    "zmq_socket_monitor_versioned is a draft function that pyzmq does not offer",
    sockets="DEALER, DEALER over tcp, ipc",
    scenario="As C652 with version-2 events over PAIR, PUB or PUSH monitors: the connecter's CONNECTED carries its "
    "local and the remote address, the binder's ACCEPTED the same two swapped; LISTENING has no remote; "
    "MONITOR_STOPPED has neither.",
    source="libzmq tests/test_monitor.cpp: test_monitor_versioned_basic_*",
    claimed={"swapped": True},
)
unplayed(
    "C873",
    "draft",
    "zmq_socket_monitor_pipes_stats is a draft function that pyzmq does not offer",
    sockets="PUSH, PULLx4 over tcp, ipc",
    scenario="PUSH (SNDHWM=500) binds, four PULLs (RCVHWM=500) connect with 4 KiB kernel buffers; PUSH sends 4000 "
    "messages of 8 KiB without any reading; the first PULL reads at least half of its share; pipe statistics of the "
    "PUSH.",
    source="libzmq tests/test_monitor.cpp: test_monitor_versioned_stats",
    claimed={"out_queue": [0, 500, 500, 500], "in_queue": [0, 0, 0, 0]},
)
