"""Heartbeats, as an application notices them (F157-F161)."""

from __future__ import annotations

from typing import Any

import pytest

from .stage import Stage

pytestmark = pytest.mark.timeout(30)


def received_after_a_stall(stage: Stage, push_options: dict[str, Any], pull_options: dict[str, Any]) -> int:
    """300 messages for a PULL with small buffers that reads nothing for 1.2 s."""
    zmq = stage.zmq
    pull, push, _ = stage.pair(
        "tcp",
        zmq.PULL,
        zmq.PUSH,
        {"RCVHWM": 10, "RCVBUF": 4096, **pull_options},
        {"SNDBUF": 4096, "RECONNECT_IVL": 20, **push_options},
    )
    assert stage.fill(push, 300, lambda number: [b"%d" % number, bytes(1000)]) == 300
    stage.sleep(1.2)
    return len(stage.drain(pull, 0.5))


def test_without_heartbeats_a_stall_loses_nothing(stage: Stage) -> None:
    """F154."""
    assert stage.play(received_after_a_stall, {}, {}) == 300


@pytest.mark.parametrize("side", ["PUSH", "PULL"])
def test_heartbeats_lose_what_was_on_its_way_to_a_stalled_receiver(stage: Stage, side: str) -> None:
    """F161: either side's heartbeat suffices."""
    options: list[dict[str, Any]] = [{}, {}]
    options[side == "PULL"] = {"HEARTBEAT_IVL": 200}
    assert 0 < stage.play(received_after_a_stall, *options) < 295


def idle(stage: Stage, options: dict[str, Any]) -> list[Any]:
    zmq = stage.zmq
    server, client, _ = stage.pair("tcp", zmq.DEALER, zmq.DEALER, options, options)
    stage.sleep(1.0)
    server.send(b"down")
    client.send(b"up")
    return [stage.take(server, 0.5), stage.take(client, 0.5)]


@pytest.mark.parametrize(
    "options", [{"HEARTBEAT_IVL": 50}, {"HEARTBEAT_IVL": 100, "HEARTBEAT_TIMEOUT": 50, "HEARTBEAT_TTL": 300}], ids=str
)
def test_an_idle_connection_with_heartbeats_stays(stage: Stage, options: dict[str, Any]) -> None:
    """F157: PONG comes from the engine, however idle the applications are."""
    assert stage.play(idle, options) == [["up"], ["down"]]


def kept(stage: Stage, value: int) -> Any:
    socket = stage.socket(stage.zmq.PAIR)
    said = stage.attempt(socket.setsockopt, stage.zmq.HEARTBEAT_TTL, value)
    return socket.getsockopt(stage.zmq.HEARTBEAT_TTL) if said == "ok" else said


@pytest.mark.parametrize(
    ("value", "expected"), [(99, 0), (100, 100), (6553599, 6553500), (6553600, "EINVAL"), (-99, 0), (-100, "EINVAL")]
)
def test_the_time_to_live_is_kept_in_tenths_of_a_second(stage: Stage, value: int, expected: Any) -> None:
    """zmq_setsockopt(3), ZMQ_HEARTBEAT_TTL."""
    assert stage.play(kept, value) == expected
