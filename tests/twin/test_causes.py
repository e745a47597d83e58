"""What an observer is told of the losses that options of socket types bring about."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from harness.twin import Twin

from .plays import TRANSPORTS, endpoint_of, play, receiver, sender
from .witness import MS, SECOND, watched


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("side", ["sender", "receiver"])
def test_what_is_overwritten_was_conflated(transport: str, side: str) -> None:
    """Each message has one fate: received, or overwritten in a slot (F68)."""
    options: dict[str, Any] = {"conflate": 1}
    if transport == "inproc":
        (got, count), witness, _ = _inproc(side)
    else:
        (got, out), witness, _ = play(
            receiver(transport, idle_ms=200, wait_ms=100, **(options if side == "receiver" else {})),
            sender(200, 1000, transport=transport, wait_ms=50, close_ms=300, **(options if side == "sender" else {})),
        )
        count = out["sent"]
    assert got[-1] == count - 1
    assert set(witness.causes) == {"conflated"}
    assert sorted(got + [int(data) for _, data in witness.losses]) == list(range(count))


def _inproc(side: str) -> tuple[tuple[list[int], int], Any, Twin]:
    twin, witness = watched()
    got: list[int] = []

    def program() -> None:
        zmq = twin.zmq
        context = zmq.Context()
        push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        binder, connecter = (pull, push) if side == "sender" else (push, pull)
        connecter.conflate = 1
        binder.bind(endpoint_of("inproc"))
        connecter.connect(endpoint_of("inproc"))
        for number in range(200):
            push.send(b"%d" % number)
        twin.sleep_ns(MS)
        while pull.poll(10):
            got.append(int(pull.recv()))

    twin.spawn(program)
    twin.run(until_ns=SECOND)
    return (got, 200), witness, twin


def test_a_slot_that_the_end_overwrites_was_conflated_too() -> None:
    """A conflating socket that closes before its message has left loses it, whatever LINGER says."""
    (got, _), witness, _ = play(receiver(start_ms=100), sender(3, -1, conflate=1))
    assert got == []
    assert witness.causes == {"conflated": 3}


def test_a_superseded_peer_loses_what_it_had_sent_by_handover() -> None:
    """Unread at the ROUTER: `handover`; what it goes on sending is under way for ever (F97)."""
    twin, witness = watched()
    got: list[bytes] = []

    def program() -> None:
        zmq = twin.zmq
        context = zmq.Context()
        router = context.socket(zmq.ROUTER)
        router.router_handover = 1
        port = router.bind_to_random_port("tcp://127.0.0.1")
        dealers = []
        for name in (b"old", b"new"):
            dealer = context.socket(zmq.DEALER)
            dealer.routing_id = b"X"
            dealer.connect(f"tcp://127.0.0.1:{port}")
            for number in range(10):
                dealer.send(b"%s %d" % (name, number))
            dealers.append(dealer)
            twin.sleep_ns(100 * MS)
        while router.poll(50):
            got.append(router.recv_multipart()[1])

    twin.spawn(program)
    twin.run(until_ns=5 * SECOND)
    assert [data for data in got if data.startswith(b"new")] == [b"new %d" % number for number in range(10)]
    assert witness.causes == {"handover": 10 - len(got) + 10}


def test_a_late_reply_is_told() -> None:
    """REQ_RELAXED and REQ_CORRELATE: the answer to a request that was given up is dropped (F86)."""
    twin, witness = watched()
    got: list[bytes] = []

    def server() -> None:
        zmq = twin.zmq
        rep = zmq.Context().socket(zmq.REP)
        rep.bind("tcp://127.0.0.1:5555")
        for pause_ms in (200, 0):
            request = rep.recv()
            twin.sleep_ns(pause_ms * MS)
            rep.send(b"answer to " + request)

    def client() -> None:
        zmq = twin.zmq
        req = zmq.Context().socket(zmq.REQ)
        req.req_relaxed = req.req_correlate = 1
        req.connect("tcp://127.0.0.1:5555")
        for request in (b"1", b"2"):
            req.send(request)
            if req.poll(100):
                got.append(req.recv())
        if req.poll(1000):
            got.append(req.recv())

    twin.spawn(server)
    twin.spawn(client)
    twin.run(until_ns=5 * SECOND)
    assert got == [b"answer to 2"]
    assert Counter(witness.losses) == {("late_reply", b"answer to 1"): 1}
