"""Conformance cases: what is on the wire (RFC 23, RFC 37), told by a peer made by hand."""

from __future__ import annotations

import struct

from tests.both.stage import text

from .cases import case
from .watch import Watch
from .wire import command, dial, frame, greeting, ready


@case(
    "C801",
    {"signature": [255, 127], "version": [3, 1], "mechanism": "NULL", "as_server": 0, "filler_zero": True},
)
def c801(stage):
    """DEALER binds; a raw client sends a full ZMTP 3.1 NULL greeting; the 64 bytes that come back.

    Sockets: DEALER, raw peer over tcp.

    Source: RFC 37 greeting; libzmq tests/test_stream.cpp.
    """
    peer = dial(stage, stage.bind(stage.socket(stage.zmq.DEALER)))
    peer.send(greeting())
    got = peer.recv(64)
    return {
        "signature": [got[0], got[9]],
        "version": [got[10], got[11]],
        "mechanism": got[12:32].rstrip(b"\0").decode(),
        "as_server": got[32],
        "filler_zero": got[33:] == bytes(31),
    }


@case(
    "C804",
    {"subscribe": [4, "\\x09SUBSCRIBEA"], "cancel": [4, "\\x06CANCELA"], "received": [["ALOL"]]},
)
def c804(stage):
    """SUB binds; a hand-made XPUB speaking ZMTP 3.1 connects. SUB subscribes A, unsubscribes A, subscribes A: the
    frames [flags, body] of the first two on the wire; then the peer sends ALOL and BLOL.

    Sockets: SUB, raw peer over tcp.

    Source: libzmq tests/test_mock_pub_sub.cpp: test_mock_pub_command; RFC 37.
    """
    zmq = stage.zmq
    sub = stage.socket(zmq.SUB)
    peer = dial(stage, stage.bind(sub))
    peer.handshake(b"XPUB")
    stage.settle(0.2)
    sub.setsockopt(zmq.SUBSCRIBE, b"A")
    first = peer.read_frame()
    sub.setsockopt(zmq.UNSUBSCRIBE, b"A")
    second = peer.read_frame()
    sub.setsockopt(zmq.SUBSCRIBE, b"A")
    peer.read_frame()
    peer.send(frame(b"ALOL"))
    peer.send(frame(b"BLOL"))
    return {
        "subscribe": [first[0], text(first[1])],
        "cancel": [second[0], text(second[1])],
        "received": text(stage.drain(sub)),
    }


@case(
    "C806",
    {"note": ["\\x01A"], "published": [0, "ALOL"], "cancel": ["\\x00A"]},
)
def c806(stage):
    """XPUB binds; a hand-made SUB speaking ZMTP 3.1 subscribes A. XPUB reads, sends ALOL, BLOL; the first frame on
    the wire; the peer cancels A; XPUB reads.

    Sockets: XPUB, raw peer over tcp.

    Source: libzmq tests/test_mock_pub_sub.cpp: test_mock_sub_command.
    """
    xpub = stage.socket(stage.zmq.XPUB)
    peer = dial(stage, stage.bind(xpub))
    peer.handshake(b"SUB")
    peer.send(command(b"SUBSCRIBE", b"A"))
    note = stage.take(xpub)
    xpub.send(b"ALOL")
    xpub.send(b"BLOL")
    flags, body = peer.read_frame()
    peer.send(command(b"CANCEL", b"A"))
    return {"note": note, "published": [flags, text(body)], "cancel": stage.take(xpub)}


@case(
    "C808",
    {"reached": False},
    claimed={"reached": True},
)
def c808(stage):
    """PUB binds; a hand-made SUB sends SUBSCRIBE A twice and CANCEL A once, settle; PUB sends A1. Does it reach the
    peer?

    Sockets: PUB, raw peer over tcp.

    Source: RFC 37 'Subscribing to A and A counts as two subscriptions, and would require two CANCEL commands to
    undo'.

    The real publisher keeps a set per connection; the counting is done by the real subscriber (C427), so the
    difference shows only with foreign peers.
    """
    pub = stage.socket(stage.zmq.PUB)
    peer = dial(stage, stage.bind(pub))
    peer.handshake(b"SUB")
    for name in (b"SUBSCRIBE", b"SUBSCRIBE", b"CANCEL"):
        peer.send(command(name, b"A"))
    stage.settle()
    pub.send(b"A1")
    return {"reached": peer.read_frame(0.5) is not None}


@case(
    "C809",
    {"closed": True, "event": ["HANDSHAKE_FAILED_PROTOCOL", "ZMTP_MECHANISM_MISMATCH"]},
)
def c809(stage):
    """NULL DEALER (monitored) binds; a raw client sends a PLAIN greeting. Closed within 1 s? First failure event.

    Sockets: DEALER, raw peer over tcp.

    Source: RFC 23 'If the mechanism that the peer received does not exactly match the mechanism it sent, it MUST close
    the connection'.
    """
    dealer = stage.socket(stage.zmq.DEALER)
    watch = Watch(stage, dealer)
    peer = dial(stage, stage.bind(dealer))
    peer.send(greeting(mechanism=b"PLAIN"))
    closed = peer.closed(1)
    event = watch.wait_for("HANDSHAKE_FAILED_PROTOCOL", 1)
    return {"closed": closed, "event": watch.failure(event) if event else None}


@case(
    "C811",
    {"received": ["raw", "hi"]},
)
def c811(stage):
    """ROUTER binds; a hand-made DEALER (identity raw) whose greeting has padding of eight 0x01 bytes completes the
    handshake and sends hi.

    Sockets: ROUTER, raw peer over tcp.

    Source: RFC 23 'A peer SHALL NOT assign any significance to the padding field'.
    """
    router = stage.socket(stage.zmq.ROUTER)
    peer = dial(stage, stage.bind(router))
    peer.send(greeting(padding=b"\x01" * 8))
    peer.recv(64)
    peer.send(ready(b"DEALER", b"raw"))
    peer.read_frame()
    peer.send(frame(b"hi"))
    return {"received": stage.take(router)}


@case(
    "C813",
    {"received": [["a", "b"], ["e"]]},
)
def c813(stage):
    """PULL binds; a hand-made PUSH sends [a,b] completely, then the frames c and d with the MORE flag, and closes;
    another hand-made PUSH sends [e]. PULL drains.

    Sockets: PULL, raw peer over tcp.

    Source: RFC 23 'all the frames of a message, or none of them'.
    """
    pull = stage.socket(stage.zmq.PULL)
    endpoint = stage.bind(pull)
    peer = dial(stage, endpoint)
    peer.handshake(b"PUSH")
    for body, more in ((b"a", 1), (b"b", 0), (b"c", 1), (b"d", 1)):
        peer.send(frame(body, more))
    stage.sleep(0.2)
    peer.close()
    stage.sleep(0.2)
    other = dial(stage, endpoint)
    other.handshake(b"PUSH")
    other.send(frame(b"e"))
    return {"received": text(stage.drain(pull, 0.4))}


@case(
    "C816",
    {"received": ["two", "a", "b"], "answer": [0, "c"]},
)
def c816(stage):
    """ROUTER binds; a hand-made ZMTP 2.0 DEALER (signature, revision 1, socket type 5, identity two) sends [a,b];
    ROUTER receives and sends [two,c]; the frame on the wire.

    Sockets: ROUTER, raw peer over tcp.

    Source: RFC 37 backwards interoperability: ZMTP 2.0 peers.
    """
    router = stage.socket(stage.zmq.ROUTER)
    peer = dial(stage, stage.bind(router))
    peer.send(b"\xff" + bytes(7) + b"\x01\x7f\x01\x05")
    peer.send(b"\x00\x03two")
    peer.recv(12)
    peer.read_frame()
    peer.send(frame(b"a", 1) + frame(b"b"))
    got = stage.take(router)
    router.send_multipart([b"two", b"c"])
    answer = peer.read_frame()
    return {"received": got, "answer": [answer[0], text(answer[1])] if answer else None}


@case(
    "C818",
    {"commands": ["READY"], "closed": True},
    claimed={"commands": ["READY", "ERROR"], "closed": True},
)
def c818(stage):
    """ROUTER binds; a raw peer says it is a PUB. Commands that come back, and is the connection closed within 1 s?

    Sockets: ROUTER, raw peer over tcp.

    Source: RFC 37 'When a peer validates the socket type, it SHOULD handle errors by returning an ERROR command, and
    then disconnecting the peer'.

    No ERROR is sent; the connection is just closed.
    """
    peer = dial(stage, stage.bind(stage.socket(stage.zmq.ROUTER)))
    peer.send(greeting())
    peer.recv(64)
    peer.send(ready(b"PUB"))
    commands = []
    while (got := peer.read_frame(0.5)) is not None:
        flags, body = got
        commands.append(body[1 : 1 + body[0]].decode() if flags & 4 else "message")
    return {"commands": commands, "closed": peer.closed(0.5)}


@case(
    "C819",
    {"received": [["abc"]], "long": 300},
)
def c819(stage):
    """PULL binds; a hand-made PUSH sends abc in a long frame (8-byte size) and a 300-byte body; PULL drains.

    Sockets: PULL, raw peer over tcp.

    Source: RFC 37 frames: bit 1 LONG.
    """
    pull = stage.socket(stage.zmq.PULL)
    peer = dial(stage, stage.bind(pull))
    peer.handshake(b"PUSH")
    peer.send(b"\x02" + struct.pack(">Q", 3) + b"abc")
    peer.send(frame(b"x" * 300))
    got = stage.drain(pull)
    return {"received": text(got[:1]), "long": len(got[1][0])}


_TYPES = ("REQ", "REP", "DEALER", "ROUTER", "PUB", "XPUB", "SUB", "XSUB", "PUSH", "PULL", "PAIR")


def _legal(stage, own_types):
    out = {}
    for own in own_types:
        out[own] = []
        for foreign in _TYPES:
            socket = stage.socket(getattr(stage.zmq, own))
            peer = dial(stage, stage.bind(socket))
            peer.send(greeting())
            peer.recv(64)
            peer.send(ready(foreign.encode()))
            peer.read_frame(1)
            if not peer.closed(0.15):
                out[own].append(foreign)
            peer.close()
            socket.close()
    return out


@case(
    "C821",
    {"PUSH": ["PULL"], "PULL": ["PUSH"], "PAIR": ["PAIR"]},
)
def c821(stage):
    """For every one of these types a socket binds; a raw peer completes the handshake as each of the eleven types in
    turn: with which types does the connection stay open (150 ms)?

    Sockets: PUSH, PULL, PAIR, raw peer over tcp.

    Source: RFC 37 legal peer types (table).
    """
    return _legal(stage, ("PUSH", "PULL", "PAIR"))


@case(
    "C823",
    {"PUB": ["SUB", "XSUB"], "XPUB": ["SUB", "XSUB"], "SUB": ["PUB", "XPUB"], "XSUB": ["PUB", "XPUB"]},
)
def c823(stage):
    """For every one of these types a socket binds; a raw peer completes the handshake as each of the eleven types in
    turn: with which types does the connection stay open (150 ms)?

    Sockets: PUB, XPUB, SUB, XSUB, raw peer over tcp.

    Source: RFC 37 legal peer types (table).
    """
    return _legal(stage, ("PUB", "XPUB", "SUB", "XSUB"))


@case(
    "C826",
    {"events": ["LISTENING", "ACCEPTED", "HANDSHAKE_SUCCEEDED", "DISCONNECTED"]},
)
def c826(stage):
    """PULL (monitored, no heartbeat) binds; a hand-made PUSH sends one PING with ttl 2 (tenths of a second) and is
    silent; events for 0.8 s.

    Sockets: PULL, raw peer over tcp.

    Source: RFC 37 'If it receives a PING command with a non-zero TTL and then does not receive any further traffic
    within that TTL' the connection is dead.
    """
    pull = stage.socket(stage.zmq.PULL)
    watch = Watch(stage, pull)
    peer = dial(stage, stage.bind(pull))
    peer.handshake(b"PUSH")
    peer.send(command(b"PING", struct.pack(">H", 2)))
    return {"events": watch.names(0.8)}
