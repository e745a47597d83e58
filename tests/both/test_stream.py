"""STREAM and raw ROUTER: plain connections, told apart by names, and what they see of peers that speak ZMTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.watch import Watch

from .stage import Stage, text

pytestmark = pytest.mark.timeout(60)


def joined(stage: Stage, server_options: Any = None, client_options: Any = None) -> tuple[Any, Any, str]:
    """(server, client, endpoint): two STREAM sockets with a connection."""
    return stage.pair("tcp", stage.zmq.STREAM, stage.zmq.STREAM, server_options, client_options)


def both_ways(stage: Stage, kind: str) -> dict[str, Any]:
    zmq = stage.zmq
    options = {"ROUTER_RAW": 1} if kind == "ROUTER" else {}
    server = stage.socket(getattr(zmq, kind), **options)
    client = stage.socket(zmq.STREAM)
    endpoint = stage.bind(server)
    client.connect(endpoint)
    stage.settle()
    hello, there = server.recv_multipart(), client.recv_multipart()
    client.send_multipart([there[0], b"request"])
    name, request = server.recv_multipart()
    server.send_multipart([name, b"reply"])
    reply = client.recv_multipart()
    client.disconnect(endpoint)
    stage.settle()
    return {
        "notices": [text(hello[1]), text(there[1])],
        "names": [len(name), name[:1] == b"\0", name == hello[0], reply[0] == there[0]],
        "request": text(request),
        "reply": text(reply[1]),
        "end": text(server.recv_multipart()[1]),
    }


@pytest.mark.parametrize("kind", ["STREAM", "ROUTER"])
def test_a_plain_connection(stage: Stage, kind: str) -> None:
    """Notices of beginning and end, generated names of five bytes (F94, F115)."""
    assert stage.play(both_ways, kind) == {
        "notices": ["", ""],
        "names": [5, True, True, True],
        "request": "request",
        "reply": "reply",
        "end": "",
    }


def without_notices(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    server, client, endpoint = joined(stage, {"STREAM_NOTIFY": 0})
    name, _ = client.recv_multipart()
    client.send_multipart([name, b"data"])
    got = stage.take(server)
    client.disconnect(endpoint)
    return [got[1], stage.take(server, 0.3), stage.attempt(server.setsockopt, zmq.STREAM_NOTIFY, 2)]


def test_notices_can_be_switched_off(stage: Stage) -> None:
    """STREAM_NOTIFY=0; other values than 0 and 1 are wrong (F115)."""
    assert stage.play(without_notices) == ["data", "EAGAIN", "EINVAL"]


def chunks(stage: Stage) -> dict[str, Any]:
    server, client, _ = joined(stage)
    name, _ = client.recv_multipart()
    server.recv_multipart()
    client.send_multipart([name, bytes(100_000)])
    client.send_multipart([name, b"the end"])
    stage.sleep(0.3)
    sizes = []
    last = b""
    while server.poll(200):
        sizes.append(len(last := server.recv_multipart()[1]))
    return {"bytes": sum(sizes), "largest": max(sizes), "end": last.endswith(b"the end"), "many": len(sizes) > 12}


def test_what_arrives_is_cut_into_reads(stage: Stage) -> None:
    """At most 8192 bytes each; messages are not kept apart (F115)."""
    assert stage.play(chunks) == {"bytes": 100_007, "largest": 8192, "end": True, "many": True}


def addressing(stage: Stage) -> dict[str, Any]:
    zmq = stage.zmq
    server, client, endpoint = joined(stage)
    name, _ = client.recv_multipart()
    own, _ = server.recv_multipart()
    unknown = stage.offer(client, "nobody", "data")
    # An address without a message: the frame that comes next is swallowed, whatever it is.
    client.send(b"alone")
    client.send(b"swallowed")
    client.send_multipart([name, b"after"])
    after = text(server.recv_multipart()[1])
    named = server.getsockopt(zmq.ROUTING_ID) == own
    other = stage.socket(zmq.STREAM, CONNECT_ROUTING_ID=b"my name")
    other.connect(endpoint)
    stage.settle()
    return {"unknown": unknown, "after": after, "named": named, "other": text(other.recv_multipart())}


def test_addresses(stage: Stage) -> None:
    """Unknown ones fail; a name of one's own is possible; ROUTING_ID is the name given last (F94, F115)."""
    assert stage.play(addressing) == {
        "unknown": "EHOSTUNREACH",
        "after": "after",
        "named": True,
        "other": ["my name", ""],
    }


def a_full_connection(stage: Stage) -> list[Any]:
    options = {"SNDHWM": 1, "RCVHWM": 1, "SNDBUF": 4096, "RCVBUF": 4096}
    server, client, _ = joined(stage, options, options)
    name, _ = client.recv_multipart()
    server.recv_multipart()
    sent = 0
    while sent < 1000 and stage.offer(client, name, bytes(4000)) == "ok":
        sent += 1
        stage.sleep(0.01)
    return [0 < sent < 1000, stage.offer(client, name, b"more"), bool(client.getsockopt(stage.zmq.EVENTS) & 2)]


def test_a_full_connection(stage: Stage) -> None:
    """EAGAIN although POLLOUT says yes (F115)."""
    assert stage.play(a_full_connection) == [True, "EAGAIN", True]


def closed_by_an_empty_frame(stage: Stage, kind: str) -> list[Any]:
    zmq = stage.zmq
    options = {"ROUTER_RAW": 1} if kind == "ROUTER" else {}
    server = stage.socket(getattr(zmq, kind), **options)
    client = stage.socket(zmq.STREAM, RECONNECT_IVL=60_000)
    client.connect(stage.bind(server))
    stage.settle()
    name, _ = server.recv_multipart()
    client.recv_multipart()
    server.send_multipart([name, b"good bye"])
    server.send_multipart([name, b""])
    stage.settle()
    seen = [text(client.recv_multipart()[1]) for _ in range(2)]
    again = stage.offer(server, name, "?") if kind == "STREAM" else "EHOSTUNREACH"
    return [seen, again, stage.take(server, 0.1)]


@pytest.mark.parametrize("kind", ["STREAM", "ROUTER"])
def test_an_empty_frame_closes(stage: Stage, kind: str) -> None:
    """The peer gets what was queued, then the end; the name is gone, without a notice (F98)."""
    assert stage.play(closed_by_an_empty_frame, kind) == [["good bye", ""], "EHOSTUNREACH", "EAGAIN"]


# -- peers that speak ZMTP -------------------------------------------------------------------------------


class Hand:
    """A peer made by hand."""

    def __init__(self, stage: Stage, endpoint: str) -> None:
        self._socket = stage.socket(stage.zmq.STREAM, RECONNECT_IVL=60_000)
        self._socket.connect(endpoint)
        self._name, _ = self._socket.recv_multipart()
        self._stage = stage

    def say(self, data: bytes) -> None:
        self._socket.send_multipart([self._name, data])

    def hear(self) -> bytes:
        return b"".join(frames[1] for frames in self._stage.drain(self._socket))


def greeting(minor: int) -> bytes:
    return b"\xff" + bytes(8) + b"\x7f\x03" + bytes([minor]) + b"NULL".ljust(20, b"\0") + bytes(32)


READY_PUSH = b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH"


def hasty_peer(stage: Stage, pieces: list[bytes]) -> list[Any]:
    zmq = stage.zmq
    pull = stage.socket(zmq.PULL)
    watch = Watch(stage, pull)
    peer = Hand(stage, stage.bind(pull))
    for piece in pieces:
        peer.say(piece)
        stage.settle(0.1)
    return [stage.take(pull, 0.1), watch.names(0.3)[2]]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([greeting(1) + READY_PUSH + b"\0\x01m"], ["EAGAIN", "HANDSHAKE_FAILED_PROTOCOL"]),
        ([greeting(1), READY_PUSH + b"\0\x01m"], [["m"], "HANDSHAKE_SUCCEEDED"]),
        ([greeting(1) + READY_PUSH, b"\0\x01m"], [["m"], "HANDSHAKE_SUCCEEDED"]),
    ],
    ids=["all at once", "greeting first", "message last"],
)
def test_a_peer_that_does_not_wait(stage: Stage, pieces: list[bytes], expected: list[Any]) -> None:
    """A message may come only when this end's READY has left: before that it is an unexpected command."""
    assert stage.play(hasty_peer, pieces) == expected


def publishes_to(stage: Stage, kind: str) -> list[Any]:
    """A hand-made publisher of ZMTP 3.0 or 2.0, and what a SUB says to it."""
    zmq = stage.zmq
    sub = stage.socket(zmq.SUB, SUBSCRIBE=b"A")
    peer = Hand(stage, stage.bind(sub))
    if kind == "3.0":
        peer.say(greeting(0) + b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03PUB")
    else:
        peer.say(b"\xff" + bytes(8) + b"\x7f\x01\x01" + b"\0\0")
    stage.settle()
    heard = peer.hear()
    peer.say(b"\0\x02AB" + b"\0\x02BC")
    return [text(heard[-4:]), text(stage.drain(sub)), len(heard)]


@pytest.mark.parametrize(("kind", "bytes_heard"), [("3.0", 64 + 27 + 4), ("2.0", 12 + 2 + 4)])
def test_subscriptions_to_older_peers_are_messages(stage: Stage, kind: str, bytes_heard: int) -> None:
    r"""Commands are new in ZMTP 3.1: before, \x01A in a frame of two bytes."""
    assert stage.play(publishes_to, kind) == ["\\x00\\x02\\x01A", [["AB"]], bytes_heard]


def oldest_of_all(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    pub = stage.socket(zmq.PUB)
    peer = Hand(stage, stage.bind(pub))
    peer.say(b"\x01\0")  # an anonymous identity
    stage.settle()
    pub.send_multipart([b"topic", b"body"])
    heard = peer.hear()
    router = stage.socket(zmq.ROUTER)
    other = Hand(stage, stage.bind(router))
    other.say(b"\x03\0me" + b"\x02\x01a" + b"\x02\0b")
    got = stage.take(router)
    router.send_multipart([b"me", b"c" * 300])
    return [text(heard[10:]), got, text(other.hear()[10:20]), text(heard[:10])]


def test_a_peer_of_zmtp_1(stage: Stage) -> None:
    """No greeting but an identity, other frames, and nobody subscribes: so it gets everything (F184)."""
    assert stage.play(oldest_of_all) == [
        "\\x06\\x01topic\\x05\\x00body",
        ["me", "a", "b"],
        "\\xff\\x00\\x00\\x00\\x00\\x00\\x00\\x01-\\x00",
        "\\xff\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x7f",
    ]


def piece_by_piece(stage: Stage) -> Any:
    zmq = stage.zmq
    pull = stage.socket(zmq.PULL)
    peer = Hand(stage, stage.bind(pull))
    told = greeting(1) + READY_PUSH + b"\x02" + (300).to_bytes(8, "big")
    for byte in told + bytes(300) + b"\x01\x01a\0\x01b":
        peer.say(bytes([byte]))
        stage.sleep(0.0005)
    return [len(pull.recv()), stage.take(pull)]


def test_bytes_may_come_one_by_one(stage: Stage) -> None:
    """Frames are put together, however they were cut."""
    assert stage.play(piece_by_piece) == [300, ["a", "b"]]


def too_long(stage: Stage, first: bytes) -> list[Any]:
    zmq = stage.zmq
    pull = stage.socket(zmq.PULL, MAXMSGSIZE=60)
    watch = Watch(stage, pull)
    peer = Hand(stage, stage.bind(pull))
    peer.say(greeting(1))
    stage.settle(0.1)
    peer.say(READY_PUSH + b"\0\x3c" + bytes(60))
    peer.say(first)
    return [len(stage.take(pull)[0]), watch.names(0.3)[-1], stage.take(pull, 0.1)]


@pytest.mark.parametrize("first", [b"\0\x3d", b"\2\0\0\0\0\0\0\0\x3d", b"\0\x3d" + bytes(61)])
def test_a_frame_that_says_it_is_too_long(stage: Stage, first: bytes) -> None:
    """MAXMSGSIZE: the head is enough, and the connection is closed (F133)."""
    assert stage.play(too_long, first) == [240, "DISCONNECTED", "EAGAIN"]


def many_topics_to_an_old_peer(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    sub = stage.socket(zmq.SUB)
    for number in range(50):
        sub.subscribe(b"topic %02d" % number)
    peer = Hand(stage, stage.bind(sub))
    peer.say(greeting(0) + b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03PUB")
    stage.settle()
    heard = peer.hear()[64 + 27 :]
    return [heard == b"".join(b"\0\x09\x01topic %02d" % number for number in range(50)), len(heard)]


def test_many_frames_in_a_read(stage: Stage) -> None:
    """Each has its own place in the stream of bytes."""
    assert stage.play(many_topics_to_an_old_peer) == [True, 550]


def monitored(stage: Stage) -> list[list[str]]:
    zmq = stage.zmq
    server = stage.socket(zmq.STREAM)
    client = stage.socket(zmq.STREAM, RECONNECT_IVL=60_000)
    watches = [Watch(stage, socket) for socket in (server, client)]
    endpoint = stage.bind(server)
    client.connect(endpoint)
    stage.settle()
    name, _ = server.recv_multipart()
    server.send_multipart([name, b""])
    stage.settle()
    return [watch.names(0.3) for watch in watches]


def test_what_a_monitor_says_of_plain_connections(stage: Stage) -> None:
    """There is no handshake that could succeed, so a connection that is lost is one whose handshake has failed."""
    assert stage.play(monitored) == [
        ["LISTENING", "ACCEPTED"],
        ["CONNECT_DELAYED", "CONNECTED", "HANDSHAKE_FAILED_NO_DETAIL", "DISCONNECTED", "CONNECT_RETRIED"],
    ]


def comes_back(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    client = stage.socket(zmq.STREAM, RECONNECT_IVL=50)
    server = stage.socket(zmq.STREAM)
    client.connect(stage.bind(server))
    stage.settle()
    names = [client.recv_multipart()[0]]
    at_server = server.recv_multipart()[0]
    server.send_multipart([at_server, b""])
    stage.settle(0.5)
    seen = []
    for _ in range(2):
        name, data = client.recv_multipart()
        names.append(name)
        seen.append(text(data))
    client.send_multipart([names[0], b"again"])
    other, notice = server.recv_multipart()
    return [seen, len(set(names)), other != at_server, text(notice), text(server.recv_multipart()[1])]


def test_a_connecting_stream_comes_back_under_its_name(stage: Stage) -> None:
    """Its pipe outlives the connection: both are told; to the other side it is somebody new (F94, F137)."""
    assert stage.play(comes_back) == [["", ""], 1, True, "", "again"]
