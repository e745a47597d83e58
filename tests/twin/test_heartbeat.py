"""Heartbeats and the limit of a handshake, to the millisecond (F132, F157-F162)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.twin import Twin
from harness.twin.costs import Costs
from harness.twin.io_thread import IoThread
from harness.twin.kernel import Kernel

from .plays import ENDPOINT, play
from .witness import MS, SECOND, Witness


def peer(kind: str, seconds: float, bind: bool = False, **options: int) -> Callable[[Twin], None]:
    """A socket that does nothing but exist."""

    def program(twin: Twin) -> None:
        socket = twin.zmq.Context().socket(getattr(twin.zmq, kind))
        for name, value in options.items():
            setattr(socket, name, value)
        (socket.bind if bind else socket.connect)(ENDPOINT)
        twin.sleep_ns(int(seconds * SECOND))

    return program


def of(witness: Witness, name: str) -> list[int]:
    """Milliseconds since the connecter's first handshake."""
    began = min(witness.times("PULL handshake_succeeded"))
    return [round((time - began) / MS) for time in witness.times(name)]


def test_two_that_live_keep_their_connection() -> None:
    """F157: PING is answered by the engine; the application has no part in it."""
    _, witness, _ = play(
        peer("PUSH", 10, bind=True, heartbeat_ivl=50),
        peer("PULL", 10, heartbeat_ivl=70, heartbeat_timeout=20),
        until_s=9,
    )
    assert not [name for _, name, _ in witness.events if name.endswith("disconnected")]


def test_the_time_to_live_is_obeyed_by_whoever_is_pinged() -> None:
    """F159: nothing else comes within a tenth of a second, so the pinged side gives up."""
    _, witness, _ = play(peer("PUSH", 1, bind=True), peer("PULL", 1, heartbeat_ivl=250, heartbeat_ttl=100), until_s=0.9)
    assert of(witness, "PUSH disconnected")[0] == 250 + 100
    # The other side learns of it by the end of the connection and comes back after an interval.
    assert of(witness, "PULL disconnected")[0] == 250 + 100
    assert of(witness, "PULL connected")[1] == 250 + 100 + 183


@pytest.mark.parametrize(("ttl_ms", "acts_ms"), [(300, 300), (399, 300), (70_000, 70_000 - 65_536)])
def test_the_time_to_live_counts_tenths_and_wraps(ttl_ms: int, acts_ms: int) -> None:
    """F159, F160: truncated to tenths of a second, and sixteen bits of milliseconds at the receiver."""
    _, witness, _ = play(
        peer("PUSH", 80, bind=True), peer("PULL", 80, heartbeat_ivl=50_000, heartbeat_ttl=ttl_ms), until_s=70
    )
    assert of(witness, "PUSH disconnected")[0] == 50_000 + acts_ms


def stalled(heartbeat: dict[str, Any], side: str) -> tuple[Witness, list[int]]:
    """A PULL that reads nothing for two seconds while 300 messages wait for it."""
    options = {"PUSH": {"sndbuf": 4096}, "PULL": {"rcvbuf": 4096, "rcvhwm": 10}}
    options[side] |= heartbeat

    def push(twin: Twin) -> None:
        socket = twin.zmq.Context().socket(twin.zmq.PUSH)
        for name, value in options["PUSH"].items():
            setattr(socket, name, value)
        socket.connect(ENDPOINT)
        for number in range(300):
            socket.send(b"%08d" % number + bytes(1000))
        twin.sleep_ns(20 * SECOND)

    def pull(twin: Twin) -> list[int]:
        socket = twin.zmq.Context().socket(twin.zmq.PULL)
        for name, value in options["PULL"].items():
            setattr(socket, name, value)
        socket.bind(ENDPOINT)
        twin.sleep_ns(2 * SECOND)
        got = []
        while socket.poll(1000):
            got.append(int(socket.recv()[:8]))
        return got

    (_, got), witness, _ = play(push, pull, until_s=20)
    return witness, got


def test_a_stalled_receiver_is_no_trouble_without_heartbeats() -> None:
    """F154."""
    witness, got = stalled({}, "PUSH")
    assert got == list(range(300))
    assert witness.losses == []


@pytest.mark.parametrize("side", ["PUSH", "PULL"])
def test_heartbeats_drop_the_connection_of_a_stalled_receiver(side: str) -> None:
    """F161: PING is not answered, PONG is not read; what was on the way is lost each time."""
    witness, got = stalled({"heartbeat_ivl": 300}, side)
    lost = witness.causes
    # Both sides see each break: about every 300 + 300 ms and one interval of reconnection.
    assert 2 <= len(witness.times(f"{side} disconnected")) <= 5
    assert set(lost) == {"disconnect_wire"}
    assert lost["disconnect_wire"] == 300 - len(got) > 0


def test_a_timeout_of_its_own() -> None:
    """F157, F158: IVL after the handshake the first PING, TIMEOUT after it the end."""
    witness, _ = stalled({"heartbeat_ivl": 200, "heartbeat_timeout": 700}, "PUSH")
    ready, lost = witness.times("PUSH handshake_succeeded")[0], witness.times("PUSH disconnected")[0]
    assert 900 <= (lost - ready) // MS <= 901


def test_without_a_timeout_a_ping_demands_nothing() -> None:
    """zmq_setsockopt(3), ZMQ_HEARTBEAT_TIMEOUT."""
    witness, got = stalled({"heartbeat_ivl": 200, "heartbeat_timeout": 0}, "PUSH")
    assert got == list(range(300))
    assert all(time > 3 * SECOND for time in witness.times("PUSH disconnected"))  # when the PULL had gone


def test_no_ping_while_part_of_a_batch_waits_for_the_kernel() -> None:
    """F162: behind a large message that is half written no PING is made, so nothing is noticed."""

    def push(twin: Twin) -> None:
        socket = twin.zmq.Context().socket(twin.zmq.PUSH)
        socket.sndbuf, socket.heartbeat_ivl = 4096, 100
        socket.connect(ENDPOINT)
        for _ in range(3):
            socket.send(bytes(3_000_000))
        twin.sleep_ns(5 * SECOND)

    _, witness, _ = play(push, peer("PULL", 5, bind=True, rcvhwm=1, rcvbuf=4096), until_s=4)
    assert witness.times("PUSH disconnected") == []
    assert witness.losses == []


def test_a_run_ends_when_nothing_is_left_although_long_timers_had_been_started() -> None:
    """The default of HANDSHAKE_IVL is 30 s; a handshake that succeeds leaves nothing behind."""
    _, _, twin = play(peer("PUSH", 0.2, bind=True), peer("PULL", 0.1))
    assert twin.now_ns == 5 * SECOND
    twin = Twin()
    twin.spawn(peer("PUSH", 0.2, True), twin)
    twin.spawn(peer("PULL", 0.1), twin)
    twin.run()
    assert twin.now_ns < SECOND


def test_a_timer_that_is_due_can_still_be_cancelled() -> None:
    """It waits for the thread's turn; a connection that ends there, or before, must not beat for ever after."""
    kernel = Kernel()
    thread = IoThread(kernel, Costs(None, 1))
    fired: list[str] = []

    def first(_: None) -> None:
        fired.append("first")
        thread.timers.cancel(second)

    thread.timer(1, first, None)
    second = thread.timer(1, fired.append, "second")
    kernel.run_until()
    assert fired == ["first"]


def test_a_connection_that_comes_and_goes_leaves_no_beat_behind() -> None:
    """A receiver that does not read is given up and comes back, for ever; at no time are there more beats than that."""
    twin = Twin(seed=3)

    def reads_not() -> None:
        socket = twin.zmq.Context().socket(twin.zmq.PULL)
        socket.rcvhwm = 1
        socket.bind("tcp://127.0.0.1:5555")
        twin.sleep_ns(10_000 * MS)

    def sends() -> None:
        socket = twin.zmq.Context().socket(twin.zmq.PUSH)
        socket.heartbeat_ivl, socket.reconnect_ivl = 5, 1
        socket.connect("tcp://127.0.0.1:5555")
        while twin.now_ns < 1000 * MS:
            socket.send(b"")
            twin.sleep_ns(MS)
        twin.sleep_ns(10_000 * MS)

    twin.spawn(reads_not)
    twin.spawn(sends)
    twin.run(until_ns=1000 * MS)
    assert len(twin._contexts[1].io_threads[0].timers._heap) < 10
