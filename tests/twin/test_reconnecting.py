"""When a connecting side tries again, and in which I/O thread: what only the simulation can show exactly."""

from __future__ import annotations

import pytest

from .plays import ENDPOINT
from .witness import MS, SECOND, Witness, watched


def retries(seconds: int, **options: int) -> Witness:
    """A PUSH with nobody to connect to, for so long."""
    twin, witness = watched()

    def program() -> None:
        socket = twin.zmq.Context().socket(twin.zmq.PUSH)
        for name, value in options.items():
            setattr(socket, name, value)
        socket.connect(ENDPOINT)
        twin.sleep_ns(seconds * SECOND)

    twin.spawn(program)
    twin.run(until_ns=seconds * SECOND)
    return witness


def intervals(witness: Witness) -> list[int]:
    return [value for _, name, value in witness.events if name == "PUSH connect_retried"]


def test_intervals_are_drawn_from_the_sequence_that_every_process_has() -> None:
    """F128."""
    assert intervals(retries(2))[:11] == [183, 125, 141, 186, 197, 110, 138, 163, 140, 172, 111]


@pytest.mark.parametrize(
    ("first_ms", "most_ms", "expected"),
    [(50, 400, [50, 100, 200, 400, 400]), (500, 100, [100] * 5), (100, 100, [100] * 5)],
)
def test_intervals_double_up_to_the_limit(first_ms: int, most_ms: int, expected: list[int]) -> None:
    """F129; a limit below the interval is obeyed, whatever the manual says."""
    assert intervals(retries(3, reconnect_ivl=first_ms, reconnect_ivl_max=most_ms))[:5] == expected


def test_doubling_starts_again_after_a_connection() -> None:
    """F129: the sequence belongs to one run of attempts."""
    twin, witness = watched()

    def connecter() -> None:
        socket = twin.zmq.Context().socket(twin.zmq.PUSH)
        socket.reconnect_ivl, socket.reconnect_ivl_max = 50, 1000
        socket.connect(ENDPOINT)
        twin.sleep_ns(3 * SECOND)

    def binder() -> None:
        twin.sleep_ns(500 * MS)
        socket = twin.zmq.Context().socket(twin.zmq.PULL)
        socket.bind(ENDPOINT)
        twin.sleep_ns(500 * MS)
        socket.close()
        twin.sleep_ns(2 * SECOND)

    twin.spawn(connecter)
    twin.spawn(binder)
    twin.run(until_ns=3 * SECOND)
    assert intervals(witness)[:7] == [50, 100, 200, 400, 50, 100, 200]


@pytest.mark.parametrize("interval_ms", [-1, 0])
def test_without_an_interval_there_is_one_attempt(interval_ms: int) -> None:
    """F130."""
    witness = retries(5, reconnect_ivl=interval_ms)
    assert len(witness.times("PUSH connect_delayed")) == 1
    assert intervals(witness) == []


def test_connections_made_one_after_the_other_are_spread_over_the_threads() -> None:
    """F189: the load of a thread is what it polls."""
    twin, _ = watched()
    loads: list[int] = []

    def program() -> None:
        context = twin.zmq.Context(io_threads=4)
        pull = twin.zmq.Context().socket(twin.zmq.PULL)
        pull.bind(ENDPOINT)
        sockets = [context.socket(twin.zmq.PUSH) for _ in range(8)]
        for socket in sockets:
            socket.connect(ENDPOINT)
            twin.sleep_ns(50 * MS)
        twin.sleep_ns(SECOND)
        loads.extend(thread.load for thread in context._core.io_threads)

    twin.spawn(program)
    twin.run(until_ns=3 * SECOND)
    assert loads == [2, 2, 2, 2]


def test_affinity_chooses_the_thread() -> None:
    """F189."""
    twin, _ = watched()
    loads: list[int] = []

    def program() -> None:
        context = twin.zmq.Context(io_threads=4)
        sockets = [context.socket(twin.zmq.PULL) for _ in range(3)]
        for socket, number in zip(sockets, (1, 3, 3), strict=True):
            socket.affinity = 1 << number
            socket.bind("tcp://127.0.0.1:*")
        loads.extend(thread.load for thread in context._core.io_threads)

    twin.spawn(program)
    twin.run(until_ns=SECOND)
    assert loads == [0, 1, 0, 2]


def test_more_connections_than_the_backlog_wait_a_second() -> None:
    """F136: a listener whose I/O thread has no time to accept; the kernel drops what does not fit its queue."""
    twin, _ = watched()
    at: list[int] = []

    def binder() -> None:
        zmq = twin.zmq
        pull = zmq.Context().socket(zmq.PULL)
        pull.backlog = 1
        pull.bind(ENDPOINT)
        # Everybody tries in one moment, before the sleeping I/O thread can have woken.
        listener = pull._core.endpoints._opened[ENDPOINT][0]
        taken = [listener.take_place() for _ in range(4)]
        assert taken == [True, True, False, False]
        listener._expected = 2
        twin.sleep_ns(500 * MS)
        listener._expected = 0
        at.append(1 if pull.poll(300) else 0)
        pull.recv()
        at.append(twin.now_ns // MS)

    def sender() -> None:
        twin.sleep_ns(10 * MS)
        push = twin.zmq.Context().socket(twin.zmq.PUSH)
        push.connect(ENDPOINT)
        push.send(b"late")
        twin.sleep_ns(3 * SECOND)

    twin.spawn(binder)
    twin.spawn(sender)
    twin.run(until_ns=3 * SECOND)
    assert at == [0, 1010]
