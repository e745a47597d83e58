"""When things happen at the start of a connection: handshake, first messages, attempts to connect."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from harness.twin import Twin
from harness.twin.profile import PROFILES, load

from .plays import ENDPOINT, play, receiver, sender
from .witness import MS, SECOND, Witness, watched

HOP = MS


@pytest.fixture
def hops(tmp_path: Path) -> tuple[Twin, Witness]:
    """A world in which nothing takes any time but a hop from one kernel to the other: a millisecond."""
    content = tomllib.loads((PROFILES / "default.toml").read_text())
    for key, value in content.items():
        if isinstance(value, dict):
            content[key] = {"base_ns": 0}
        elif key.startswith(("tcp_", "unix_")):
            continue
        elif key.endswith("_ns"):
            content[key] = [0, 0] if isinstance(value, list) else 0
    content["engine_wake_ns"] = [HOP, HOP]
    content["run_level_permille"] = [1000, 1000]
    path = tmp_path / "hops.toml"
    path.write_text(tomli_w.dumps(content))
    twin, witness = watched(profile=str(path))
    twin.costs.hop_ns["tcp"] = HOP  # of the kernels' own handshake; a profile has no price of its own for it
    return twin, witness


def spawn_sender(twin: Twin, kind: str, **options: Any) -> None:
    """A process whose socket sends as soon as it may, and then waits."""

    def program() -> None:
        socket = twin.zmq.Context().socket(getattr(twin.zmq, kind))
        if options.get("bind"):
            socket.bind(ENDPOINT)
        else:
            socket.connect(ENDPOINT)
        socket.send(b"early")
        twin.sleep_ns(100 * SECOND)

    twin.spawn(program)


def spawn_receiver(twin: Twin, kind: str, received: list[int], bind: bool = False) -> None:
    def program() -> None:
        socket = twin.zmq.Context().socket(getattr(twin.zmq, kind))
        if kind == "SUB":
            socket.subscribe(b"")
        if bind:
            socket.bind(ENDPOINT)
        else:
            socket.connect(ENDPOINT)
        while True:
            socket.recv()
            received.append(twin.now_ns)

    twin.spawn(program)


def test_the_handshake_takes_its_hops(hops: tuple[Twin, Witness]) -> None:
    """F177, F178, one way d: tcp 2d / 3d, ready 6d / 7d, the first message to the binder 7d."""
    twin, witness = hops
    received: list[int] = []
    spawn_receiver(twin, "PULL", received, bind=True)
    spawn_sender(twin, "PUSH")
    twin.run(until_ns=SECOND)
    assert witness.times("PUSH connected") == [2 * HOP]
    assert witness.times("PULL accepted") == [3 * HOP]
    assert witness.times("PUSH handshake_succeeded") == [6 * HOP]
    assert witness.times("PULL handshake_succeeded") == [7 * HOP]
    assert received == [7 * HOP]


def test_the_first_message_to_the_connecter_takes_one_hop_more(hops: tuple[Twin, Witness]) -> None:
    """F178: 8d."""
    twin, _ = hops
    received: list[int] = []
    spawn_receiver(twin, "PULL", received)
    spawn_sender(twin, "PUSH", bind=True)
    twin.run(until_ns=SECOND)
    assert received == [8 * HOP]


@pytest.mark.parametrize(("sub_binds", "first"), [(False, 8), (True, 9)])
def test_a_subscriber_has_missed_all_before_its_subscription_arrived(
    hops: tuple[Twin, Witness], sub_binds: bool, first: int
) -> None:
    """F178: the first message that matches arrives after 8d, after 9d when the publisher connects."""
    twin, _ = hops
    received: list[int] = []
    spawn_receiver(twin, "SUB", received, bind=sub_binds)
    spacing = HOP // 20

    def publish() -> None:
        socket = twin.zmq.Context().socket(twin.zmq.PUB)
        if sub_binds:
            socket.connect(ENDPOINT)
        else:
            socket.bind(ENDPOINT)
        for _ in range(400):
            socket.send(b"news")
            twin.sleep_ns(spacing)

    twin.spawn(publish)
    twin.run(until_ns=20 * HOP)
    assert first * HOP <= received[0] <= first * HOP + spacing


def test_the_order_of_events_of_one_connection() -> None:
    """zmq_socket_monitor(3): in this order on either side, whatever the delays."""
    for seed in range(20):
        twin, witness = watched(seed=seed)
        received: list[int] = []
        spawn_receiver(twin, "PULL", received, bind=True)
        spawn_sender(twin, "PUSH")
        twin.run(until_ns=SECOND)
        for kind, order in (
            ("PUSH", ["connect_delayed", "connected", "handshake_succeeded"]),
            ("PULL", ["listening", "accepted", "handshake_succeeded"]),
        ):
            assert [name.split()[1] for _, name, _ in witness.events if name.startswith(kind)] == order
        (connected,), (accepted,) = witness.times("PUSH connected"), witness.times("PULL accepted")
        (ready,), (bound_ready,) = witness.times("PUSH handshake_succeeded"), witness.times("PULL handshake_succeeded")
        assert max(connected, accepted) < min(ready, bound_ready)
        assert received[0] > bound_ready


def test_the_handshake_takes_about_as_long_as_measured() -> None:
    """The profile's own figures, from which the twin does not draw: by the median, to a factor of two."""
    took = []
    for seed in range(60):
        twin, witness = watched(seed=seed)
        spawn_receiver(twin, "PULL", [], bind=True)
        spawn_sender(twin, "PUSH")
        twin.run(until_ns=SECOND)
        took.append(witness.times("PUSH handshake_succeeded")[0])
    assert 0.5 < np.median(took) / np.median(load().handshake_connecter_ns) < 2


# -- before there is a connection ------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
@pytest.mark.parametrize("start_ms", [0, 50, 1000])
def test_what_is_sent_before_there_is_a_connection_is_delivered(transport: str, start_ms: int) -> None:
    """F119: connect makes the pipe; F123, F127: a bind that comes later is found by the next attempt."""
    (got, out), witness, _ = play(
        receiver(transport, start_ms=start_ms, wait_ms=600), sender(20, -1, transport=transport), until_s=10
    )
    assert got == list(range(20))
    assert out["sent"] == 20
    assert witness.losses == []
    retries = witness.times("PUSH connect_retried")
    assert bool(retries) is (start_ms > 0)


def test_a_late_bind_is_found_by_the_first_attempt_after_it() -> None:
    """F128: attempts after 183, 183 + 125, ... ms."""
    (got, _), witness, _ = play(receiver(start_ms=200), sender(1, -1))
    assert got == [0]
    (connected,) = witness.times("PUSH connected")
    assert 308 * MS < connected < 310 * MS
