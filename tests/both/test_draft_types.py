"""The draft socket types as a stable build has them: one frame a message, over inproc, never polled."""

from __future__ import annotations

from typing import Any

import pytest

from .stage import Stage

pytestmark = pytest.mark.timeout(30)


def exchange(stage: Stage, binder: str, connecter: str) -> list[Any]:
    """[poll, and each way: send, receive, send of two frames]."""
    zmq = stage.zmq
    a, b = stage.socket(getattr(zmq, binder)), stage.socket(getattr(zmq, connecter))
    b.connect(stage.bind(a, "inproc"))
    out: list[Any] = [stage.attempt(a.poll, 0)]
    for giver, taker in ((a, b), (b, a)):
        sent = stage.attempt(giver.send, b"hi", zmq.DONTWAIT)
        got = stage.attempt(taker.recv, zmq.DONTWAIT)
        out.append([sent, got, stage.attempt(giver.send, b"x", zmq.DONTWAIT | zmq.SNDMORE)])
    return out


EXPECTED = {
    ("CHANNEL", "CHANNEL"): [["ok", "ok", "EINVAL"], ["ok", "ok", "EINVAL"]],
    ("GATHER", "SCATTER"): [["ENOTSUP", "ENOTSUP", "ENOTSUP"], ["ok", "ok", "EINVAL"]],
    ("SERVER", "CLIENT"): [["EHOSTUNREACH", "EAGAIN", "EINVAL"], ["ok", "ok", "EINVAL"]],
}


@pytest.mark.parametrize("types", EXPECTED, ids="-".join)
def test_one_frame_each_way(stage: Stage, types: tuple[str, str]) -> None:
    assert stage.play(exchange, *types) == ["EINVAL", *EXPECTED[types]]
