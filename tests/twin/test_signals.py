"""Programs that are killed, stopped and resumed (F152, F153, F170)."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

from harness.twin import Process, Twin

from .plays import ENDPOINT, endpoint_of
from .witness import MS, SECOND, Witness, watched

STREAMS = ["tcp", "ipc"]


def push(twin: Twin, count: int, transport: str = "tcp", bind: bool = False, **options: int) -> Callable[[], None]:
    """Sends numbered messages of 1 kB as fast as it can, then waits."""

    def program() -> None:
        socket = twin.zmq.Context().socket(twin.zmq.PUSH)
        for name, value in options.items():
            setattr(socket, name, value)
        (socket.bind if bind else socket.connect)(endpoint_of(transport))
        for number in range(count):
            socket.send(b"%08d" % number + bytes(1000))
        twin.sleep_ns(100 * SECOND)

    return program


def pull(
    twin: Twin, got: list[int], transport: str = "tcp", *, reads_ms: int = 0, **options: int
) -> Callable[[], None]:
    """Reads everything from that time on, for ever."""

    def program() -> None:
        socket = twin.zmq.Context().socket(twin.zmq.PULL)
        for name, value in options.items():
            setattr(socket, name, value)
        socket.bind(endpoint_of(transport))
        twin.sleep_ns(reads_ms * MS)
        while True:
            got.append(int(socket.recv()[:8]))

    return program


def closes(twin: Twin, witness: Witness, sent: int, got: list[int]) -> None:
    """The ledger: everything was received, lost by a cause, or is under way."""
    assert sent == len(got) + len(witness.losses) + len(list(twin.census()))


@pytest.mark.parametrize("transport", STREAMS)
def test_a_killed_sender_loses_its_queue_and_its_batch_but_not_what_its_kernel_has(transport: str) -> None:
    """F152: what was in the kernel still arrives, although nobody reads for a second after the death."""
    twin, witness = watched()
    got: list[int] = []
    sender = twin.spawn(push(twin, 900, transport, sndbuf=4096))
    twin.spawn(pull(twin, got, transport, reads_ms=1000, rcvhwm=10, rcvbuf=4096))
    twin.at(500 * MS, lambda: twin.kill(sender))
    twin.run(until_ns=10 * SECOND)
    assert sender.finished
    lost = witness.causes
    assert lost["crash_unsent"] > 300
    # What AF_UNIX still holds when a reader that had stopped finds its peer gone is never read (F144).
    assert set(lost) == {"crash_unsent"} | ({"disconnect_wire"} if transport == "ipc" else set())
    assert got == list(range(len(got)))
    assert 10 < len(got) < 600
    closes(twin, witness, 900, got)


@pytest.mark.parametrize("transport", STREAMS)
def test_a_killed_receiver_loses_what_it_had_and_the_sender_goes_on_with_the_next(transport: str) -> None:
    """F152, F137: unread at the receiver, on the wire, and kept by the connecting side."""
    twin, witness = watched()
    got: list[int] = []
    twin.spawn(push(twin, 900, transport, sndbuf=4096))
    receiver = twin.spawn(pull(twin, [], transport, reads_ms=5000, rcvhwm=10, rcvbuf=4096))
    twin.at(500 * MS, lambda: twin.kill(receiver))
    twin.kernel.spawn(pull(twin, got, transport), delay_ns=SECOND)
    twin.run(until_ns=10 * SECOND)
    lost = witness.causes
    assert lost["crash_unread"] > 10
    assert set(lost) <= {"crash_unread", "disconnect_wire"}
    assert got == list(range(len(witness.losses), 900))
    closes(twin, witness, 900, got)


def test_a_bound_sender_loses_all_for_a_receiver_that_is_killed() -> None:
    """F138, F152; what is in the pipe is booked when the application next looks (F42), which this one does not."""
    twin, witness = watched()

    def victim() -> None:
        socket = twin.zmq.Context().socket(twin.zmq.PULL)
        socket.rcvhwm, socket.rcvbuf = 10, 4096
        socket.connect(ENDPOINT)
        twin.sleep_ns(100 * SECOND)

    twin.spawn(push(twin, 900, bind=True, sndbuf=4096))
    receiver = twin.spawn(victim)
    twin.at(500 * MS, lambda: twin.kill(receiver))
    twin.run(until_ns=5 * SECOND)
    assert set(witness.causes) == {"crash_unread", "disconnect_wire"}
    assert len(list(twin.census())) > 800
    closes(twin, witness, 900, [])


def test_neither_finally_nor_linger_nor_exit_handlers() -> None:
    """SIGKILL cannot be caught; not even the collector runs what the program had meant to do."""
    twin, witness = watched()
    log: list[str] = []

    def program() -> None:
        socket = twin.zmq.Context().socket(twin.zmq.PUSH)
        socket.connect(ENDPOINT)
        try:
            socket.send(b"queued")
            twin.sleep_ns(SECOND)
        finally:
            log.append("finally")
            socket.close()

    victim = twin.spawn(program)
    victim.on_exit = lambda: log.append("exit")
    twin.at(100 * MS, lambda: twin.kill(victim))
    twin.run(until_ns=5 * SECOND)
    gc.collect()
    assert log == []
    assert witness.causes == {"crash_unsent": 1}
    assert witness.times("PUSH connect_delayed")[-1] < 100 * MS
    assert victim.error is None


def test_a_program_that_kills_itself_does_not_come_back() -> None:
    twin, _ = watched()
    log: list[str] = []
    victims: list[Process] = []

    def program() -> None:
        log.append("before")
        twin.kill(victims[0])
        log.append("after")

    victims.append(twin.spawn(program))
    twin.spawn(lambda: (twin.sleep_ns(SECOND), log.append("others go on")))
    twin.run()
    assert log == ["before", "others go on"]


def test_the_address_of_a_killed_program_is_free_at_once_and_attempts_are_refused() -> None:
    """F127: the kernel stops listening."""
    twin, witness = watched()
    log: list[str] = []

    def server() -> None:
        socket = twin.zmq.Context().socket(twin.zmq.PULL)
        socket.bind(ENDPOINT)
        log.append("bound")
        twin.sleep_ns(100 * SECOND)

    first = twin.spawn(server)
    twin.spawn(push(twin, 1))
    twin.at(100 * MS, lambda: twin.kill(first))
    twin.at(600 * MS, lambda: twin.spawn(server) and None)
    twin.run(until_ns=2 * SECOND)
    assert log == ["bound", "bound"]
    assert len(witness.times("PUSH disconnected")) == 1
    assert len(witness.times("PUSH closed")) >= 1
    assert len(witness.times("PUSH connected")) == 2


def test_inproc_partners_die_together() -> None:
    twin, witness = watched()

    def program() -> None:
        zmq = twin.zmq
        context = zmq.Context()
        sender, reader = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        reader.bind("inproc://a")
        sender.connect("inproc://a")
        lonely = context.socket(zmq.PUSH)
        lonely.connect("inproc://b")
        for _ in range(10):
            sender.send(b"x")
            lonely.send(b"y")
        twin.sleep_ns(SECOND)

    victim = twin.spawn(program)
    twin.at(100 * MS, lambda: twin.kill(victim))
    twin.run()
    assert witness.causes == {"crash_unread": 10, "crash_unsent": 10}
    assert list(twin.census()) == []


@pytest.mark.parametrize("transport", STREAMS)
def test_a_stopped_receiver_loses_nothing_and_its_kernel_goes_on_taking(transport: str) -> None:
    """F153: buffers fill, nobody is told, and after SIGCONT everything is there."""
    twin, witness = watched()
    got: list[int] = []
    twin.spawn(push(twin, 4000, transport, sndhwm=100, sndbuf=4096))
    receiver = twin.spawn(pull(twin, got, transport, rcvbuf=4096))
    seen: list[int] = []
    twin.at(2 * MS, lambda: twin.pause(receiver))
    twin.at(3 * SECOND, lambda: seen.append(len(got)))
    twin.at(3 * SECOND, lambda: twin.resume(receiver))
    twin.run(until_ns=10 * SECOND)
    assert 0 < seen[0] < 2000
    assert got == list(range(4000))
    assert witness.losses == []
    assert witness.times("PUSH disconnected") == []


def test_a_stopped_program_sleeps_its_sleep_but_computes_later() -> None:
    """A sleep ends by the clock; work that was under way needs as much time as before."""
    twin, _ = watched()
    log: dict[str, int] = {}

    def sleeper() -> None:
        twin.sleep_ns(100 * MS)
        log["slept"] = twin.now_ns // MS

    def worker() -> None:
        twin.kernel.compute(100 * MS)
        log["worked"] = twin.now_ns // MS

    victims = [twin.spawn(sleeper), twin.spawn(worker)]
    for victim in victims:
        twin.at(30 * MS, lambda victim=victim: twin.pause(victim))
        twin.at(60 * MS, lambda victim=victim: twin.resume(victim))
    twin.run()
    assert log == {"slept": 100, "worked": 130}


def test_a_sleep_that_ends_while_stopped_ends_when_it_goes_on() -> None:
    twin, _ = watched()
    log: list[int] = []
    victim = twin.spawn(lambda: (twin.sleep_ns(50 * MS), log.append(twin.now_ns // MS)))
    twin.at(30 * MS, lambda: twin.pause(victim))
    twin.at(31 * MS, lambda: twin.pause(victim))
    twin.at(200 * MS, lambda: twin.resume(victim))
    twin.at(201 * MS, lambda: twin.resume(victim))
    twin.run()
    assert log == [200]


def test_a_program_that_stops_itself_waits_for_somebody_to_let_it_go_on() -> None:
    twin, _ = watched()
    log: list[int] = []
    victims: list[Process] = []

    def program() -> None:
        twin.pause(victims[0])
        log.append(twin.now_ns // MS)

    victims.append(twin.spawn(program))
    twin.at(70 * MS, lambda: twin.resume(victims[0]))
    twin.run()
    assert log == [70]


def silent(options: dict[str, Any], until_ms: int) -> Witness:
    """A PUSH connects to a PULL whose program was stopped after it had bound."""
    twin, witness = watched()

    def client() -> None:
        twin.sleep_ns(10 * MS)
        socket = twin.zmq.Context().socket(twin.zmq.PUSH)
        for name, value in options.items():
            setattr(socket, name, value)
        socket.connect(ENDPOINT)
        socket.send(b"x")
        twin.sleep_ns(100 * SECOND)

    server = twin.spawn(pull(twin, []))
    twin.at(5 * MS, lambda: twin.pause(server))
    twin.spawn(client)
    twin.run(until_ns=until_ms * MS)
    return witness


def test_a_handshake_with_a_stopped_program_waits_for_its_limit() -> None:
    """F132, F153: its kernel accepts; then comes silence, and after HANDSHAKE_IVL the next attempt."""
    witness = silent({"handshake_ivl": 300}, 700)
    connected = witness.times("PUSH connected")
    failed = witness.times("PUSH handshake_failed_no_detail")
    assert (failed[0] - connected[0]) // MS == 300
    assert (connected[1] - failed[0]) // MS == 183
    assert witness.times("PUSH disconnected") == failed[:1]


def test_without_a_limit_it_waits_for_ever_and_by_default_for_thirty_seconds() -> None:
    """F132."""
    assert silent({"handshake_ivl": 0}, 100_000).times("PUSH disconnected") == []
    assert [time // SECOND for time in silent({}, 31_000).times("PUSH disconnected")] == [30]


def test_whoever_stops_after_a_failed_handshake_stops() -> None:
    """F131: RECONNECT_STOP_HANDSHAKE_FAILED."""
    witness = silent({"handshake_ivl": 300, "reconnect_stop": 2}, 5000)
    assert len(witness.times("PUSH connected")) == 1


def test_heartbeats_tell_a_stopped_program_from_an_idle_one() -> None:
    """F158: between TIMEOUT and IVL + TIMEOUT after the silence began."""
    twin, witness = watched()
    server = twin.spawn(pull(twin, []))
    twin.spawn(push(twin, 1, heartbeat_ivl=500))
    twin.at(4 * SECOND, lambda: twin.pause(server))
    twin.run(until_ns=6 * SECOND)
    (lost,) = witness.times("PUSH disconnected")
    assert 4.5 * SECOND <= lost <= 5.0 * SECOND + MS


def test_timers_that_came_due_act_first_when_it_goes_on() -> None:
    """Stopped for longer than its own heartbeat allows, it gives the connection up although PONG has come."""
    twin, witness = watched()
    server = twin.spawn(pull(twin, []))
    client = twin.spawn(push(twin, 1, heartbeat_ivl=500))
    twin.at(3900 * MS, lambda: twin.pause(server))
    twin.at(4200 * MS, lambda: twin.pause(client))
    twin.at(4300 * MS, lambda: twin.resume(server))
    twin.at(7000 * MS, lambda: twin.resume(client))
    twin.run(until_ns=9 * SECOND)
    assert [time // MS for time in witness.times("PUSH disconnected")] == [7000]
    assert len(witness.times("PUSH connected")) == 2
