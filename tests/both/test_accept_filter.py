"""Whom a listener lets in: TCP_ACCEPT_FILTER, IPC_FILTER_UID, _GID and _PID (zmq_setsockopt(3))."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.watch import Watch

from .stage import Stage

pytestmark = pytest.mark.timeout(30)

TAKEN = (
    b"0",
    b"0.0.0.0/0",
    b"127.0.0.1",
    b"127.0.0.1/8",
    b"127.1/8",
    b"127.0.0.1/08",
    b"127.0.0.1/ 8",
    b"127.0.0.1/8x",
)
REFUSED = (b"", b"/8", b"localhost", b"lo/8", b"*", b"::1", b"127.0.0.1/x", b"127.0.0.1/8/9", b"x" * 300)


def results(stage: Stage, option: str, values: tuple[Any, ...]) -> list[str]:
    socket = stage.socket(stage.zmq.PAIR)
    return [stage.attempt(socket.setsockopt, getattr(stage.zmq, option), value) for value in values]


def test_addresses_and_masks(stage: Stage) -> None:
    """Numbers only, read as C reads them."""

    def body(stage: Stage) -> tuple[list[str], list[str]]:
        return results(stage, "TCP_ACCEPT_FILTER", TAKEN), results(stage, "TCP_ACCEPT_FILTER", REFUSED)

    assert stage.play(body) == (["ok"] * len(TAKEN), ["EINVAL"] * len(REFUSED))


@pytest.mark.parametrize("option", ["TCP_ACCEPT_FILTER", "IPC_FILTER_UID", "IPC_FILTER_GID", "IPC_FILTER_PID"])
def test_they_cannot_be_read(stage: Stage, option: str) -> None:
    def body(stage: Stage) -> str:
        return stage.attempt(stage.socket(stage.zmq.PAIR).getsockopt, getattr(stage.zmq, option))

    assert stage.play(body) == "EINVAL"


def let_in(stage: Stage, transport: str, filters: list[tuple[str, Any]]) -> dict[str, Any]:
    """Bind with the filters, connect, send; what arrives and what both monitors say until the first disconnection."""
    zmq = stage.zmq
    binder, connecter = stage.socket(zmq.PAIR), stage.socket(zmq.PAIR, RECONNECT_IVL=60_000)
    for option, value in filters:
        binder.setsockopt(getattr(zmq, option), value)
    at_binder, at_connecter = Watch(stage, binder), Watch(stage, connecter)
    connecter.connect(stage.bind(binder, transport))
    stage.offer(connecter, "x")
    got = stage.take(binder, 0.3)
    bound = [(event.name, event.value) for event in at_binder.all(0.1) if event.name == "ACCEPT_FAILED"]
    return {"got": got, "refused": bound, "connecter": at_connecter.names(0.1)[-3:]}


HEARD = {"got": ["x"], "refused": []}
FAILED = ["HANDSHAKE_FAILED_NO_DETAIL", "DISCONNECTED", "CONNECT_RETRIED"]


@pytest.mark.parametrize(
    "filters",
    [
        [("TCP_ACCEPT_FILTER", b"127.0.0.0/8")],
        [("TCP_ACCEPT_FILTER", b"10.0.0.0/8"), ("TCP_ACCEPT_FILTER", b"127.0.0.1")],
        [("TCP_ACCEPT_FILTER", b"10.0.0.0/0")],
        [("IPC_FILTER_PID", 0)],
    ],
    ids=["network", "second", "anybody", "ipc-only"],
)
def test_let_in_over_tcp(stage: Stage, filters: list[tuple[str, Any]]) -> None:
    seen = stage.play(let_in, "tcp", filters)
    assert {key: seen[key] for key in HEARD} == HEARD


def test_kept_out_over_tcp(stage: Stage) -> None:
    """The connection is closed as soon as it is accepted, and the connecter tries again."""
    seen = stage.play(let_in, "tcp", [("TCP_ACCEPT_FILTER", b"10.0.0.0/8")])
    assert seen == {"got": "EAGAIN", "refused": [("ACCEPT_FAILED", 11)], "connecter": FAILED}


def test_ipc_filters(stage: Stage) -> None:
    """One that fits is enough; those of tcp do not count."""

    def body(stage: Stage) -> list[Any]:
        user, _, process = stage.credentials()
        other = ("IPC_FILTER_UID", user + 1)
        return [
            let_in(stage, "ipc", [other]),
            let_in(stage, "ipc", [other, ("IPC_FILTER_PID", process)])["got"],
            let_in(stage, "ipc", [("TCP_ACCEPT_FILTER", b"10.0.0.0/8")])["got"],
        ]

    refused = {"got": "EAGAIN", "refused": [("ACCEPT_FAILED", 0)], "connecter": FAILED}
    assert stage.play(body) == [refused, ["x"], ["x"]]
