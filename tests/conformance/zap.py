"""A ZAP handler (RFC 27) beside the body, and key pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.both.stage import Stage


@dataclass(frozen=True)
class Question:
    """A ZAP request."""

    version: bytes
    number: bytes
    domain: bytes
    address: bytes
    identity: bytes
    mechanism: bytes
    credentials: list[bytes]


Reply = list[bytes]


def handler(stage: Stage, answer: Callable[[Question], Reply | None]) -> list[Question]:
    """Start a handler; the list fills with what it is asked. After an answer of None it closes its socket."""
    socket = stage.socket(stage.zmq.REP)
    socket.rcvtimeo = socket.sndtimeo = -1
    socket.bind("inproc://zeromq.zap.01")
    stage.hand_over(socket)
    asked: list[Question] = []

    def run() -> None:
        try:
            while True:
                frames = socket.recv_multipart()
                asked.append(Question(*frames[:6], frames[6:]))
                reply = answer(asked[-1])
                if reply is None:
                    break
                socket.send_multipart(reply)
        except stage.zmq.ZMQError:
            pass  # the context ended
        socket.close(0)

    stage.spawn(run)
    return asked


def accept(question: Question, metadata: bytes = b"") -> Reply:
    """Status 200."""
    return [question.version, question.number, b"200", b"OK", b"anonymous", metadata]


def refuse(question: Question, status: bytes = b"400") -> Reply:
    """Any other status."""
    return [question.version, question.number, status, b"no", b"", b""]


def curve(stage: Stage) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of a CURVE server, and of a client that knows its key."""
    server, server_secret = stage.zmq.curve_keypair()
    client, client_secret = stage.zmq.curve_keypair()
    return (
        {"CURVE_SERVER": 1, "CURVE_PUBLICKEY": server, "CURVE_SECRETKEY": server_secret},
        {"CURVE_SERVERKEY": server, "CURVE_PUBLICKEY": client, "CURVE_SECRETKEY": client_secret},
    )
