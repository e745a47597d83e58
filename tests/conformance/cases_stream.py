"""Conformance cases: STREAM, the socket of plain connections."""

from __future__ import annotations

from tests.both.stage import text

from .cases import case
from .wire import dial


@case(
    "C791",
    {"received": ["", "GET", ""], "same_id": True, "id_len": 5, "client_got": "bye"},
)
def c791(stage):
    """STREAM binds. A raw TCP client connects, sends GET, STREAM answers bye to it, the client closes. What STREAM
    receives: [id, data].

    Sockets: STREAM, raw peer over tcp.

    Source: libzmq tests/test_stream.cpp, test_stream_disconnect.cpp.
    """
    stream = stage.socket(stage.zmq.STREAM)
    peer = dial(stage, stage.bind(stream))
    messages = [stream.recv_multipart()]
    peer.send(b"GET")
    messages.append(stream.recv_multipart())
    stream.send_multipart([messages[1][0], b"bye"])
    got = peer.recv(3)
    peer.close()
    messages.append(stream.recv_multipart())
    return {
        "received": [text(m[1]) for m in messages],
        "same_id": len({m[0] for m in messages}) == 1,
        "id_len": len(messages[0][0]),
        "client_got": text(got),
    }


@case(
    "C793",
    {"notification": "", "signature_len": 10, "first": 255, "last": 127},
)
def c793(stage):
    """STREAM binds, DEALER connects. STREAM's first two messages' data: the notification and the start of the ZMTP
    greeting (ten bytes of signature).

    Sockets: STREAM, DEALER over tcp.

    Source: libzmq tests/test_stream.cpp: test_stream_to_dealer.
    """
    stream, dealer = stage.socket(stage.zmq.STREAM), stage.socket(stage.zmq.DEALER)
    dealer.connect(stage.bind(stream))
    first = stream.recv_multipart()
    second = stream.recv_multipart()
    return {
        "notification": text(first[1]),
        "signature_len": len(second[1]),
        "first": second[1][0],
        "last": second[1][9],
    }


@case(
    "C881",
    {"starts_with": "deadbeef"},
)
def c881(stage):
    """STREAM connects to a raw listener that sends 8193 bytes starting de ad be ef; the first chunk STREAM receives
    starts so.

    Sockets: STREAM, raw peer over tcp.

    Source: libzmq tests/test_stream_exceeds_buffer.cpp.
    """
    listener, stream = stage.socket(stage.zmq.STREAM), stage.socket(stage.zmq.STREAM)
    stream.connect(stage.bind(listener))
    name, _ = listener.recv_multipart()
    stream.recv_multipart()
    listener.send_multipart([name, bytes.fromhex("deadbeef") + bytes(8189)])
    _, chunk = stream.recv_multipart()
    return {"starts_with": chunk[:4].hex()}


@case(
    "C882",
    {"notified": ["", ""], "request": "GET", "reply_complete": True, "client_sees_close": ""},
)
def c882(stage):
    """STREAM binds, STREAM connects (notifications on): each receives [id,'']; the client sends a request, the server
    answers, then sends an empty frame and is polled.

    Sockets: STREAM, STREAM over tcp.

    Source: libzmq tests/test_stream.cpp: test_stream_to_stream.

    The connection ends only when its socket is called again after the empty frame.
    """
    server, client = stage.socket(stage.zmq.STREAM), stage.socket(stage.zmq.STREAM)
    client.connect(stage.bind(server))
    at_client = client.recv_multipart()
    at_server = server.recv_multipart()
    client.send_multipart([at_client[0], b"GET"])
    name, request = server.recv_multipart()
    server.send_multipart([name, b"answer"])
    server.send_multipart([name, b""])
    stage.settle(0.1)
    reply = client.recv_multipart()
    end = client.recv_multipart()
    return {
        "notified": [text(at_client[1]), text(at_server[1])],
        "request": text(request),
        "reply_complete": reply[1] == b"answer",
        "client_sees_close": text(end[1]),
    }
