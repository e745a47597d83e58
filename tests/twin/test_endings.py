"""How connections end: LINGER, a side that goes, unbind, disconnect, term."""

from __future__ import annotations

from typing import Any

import pytest

from harness.twin import Twin

from .plays import ENDPOINT, TRANSPORTS, endpoint_of, play, receiver, sender
from .witness import MS, SECOND, Witness, watched

# -- close with LINGER ---------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_without_linger_what_waits_for_a_connection_is_lost_at_once(transport: str) -> None:
    """F166."""
    (got, out), witness, _ = play(receiver(transport, start_ms=100), sender(20, 0, transport=transport))
    assert got == []
    assert out["took_ms"] < 1
    assert witness.causes == {"linger": 20}


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_the_end_waits_so_long_as_linger_says_and_then_it_is_lost(transport: str) -> None:
    """F167."""
    (got, out), witness, _ = play(receiver(transport, start_ms=1000), sender(20, 500, transport=transport))
    assert got == []
    assert 500 <= out["took_ms"] < 501
    assert witness.causes == {"linger": 20}


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
@pytest.mark.parametrize("linger_ms", [-1, 5000])
def test_attempts_to_connect_go_on_while_a_socket_lingers(transport: str, linger_ms: int) -> None:
    """F167, F169: whoever binds within that time gets all, and only then the context is terminated."""
    (got, out), witness, _ = play(
        receiver(transport, start_ms=1000), sender(20, linger_ms, transport=transport), until_s=20
    )
    assert got == list(range(20))
    assert 1000 < out["took_ms"] < 1400
    assert witness.losses == []


def test_with_nobody_and_no_limit_the_context_is_never_terminated() -> None:
    """F169."""
    (out,), witness, twin = play(sender(20, -1), until_s=60)
    assert out is None
    assert witness.losses == []
    assert len(list(twin.census())) == 20


def test_a_socket_without_messages_does_not_linger() -> None:
    (out,), _, _ = play(sender(0, -1))
    assert out["took_ms"] < 1


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_with_a_connection_all_is_handed_over_before_the_end(transport: str) -> None:
    """F168 apart: the kernel had room."""
    (got, out), witness, _ = play(receiver(transport), sender(1000, -1, transport=transport, wait_ms=100, size=100))
    assert got == list(range(1000))
    assert out["took_ms"] < 100
    assert witness.losses == []


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_without_linger_what_the_kernel_has_still_goes_out(transport: str) -> None:
    """F166: the queue is lost, what had left it arrives; nothing is lost twice or in silence."""
    (got, out), witness, _ = play(
        receiver(transport, idle_ms=500, rcvhwm=1, rcvbuf=4096),
        sender(900, 0, transport=transport, wait_ms=100, size=2000, sndbuf=4096, close_ms=1),
    )
    assert out["sent"] == 900
    assert 0 < len(got) < 900
    assert got == list(range(len(got)))
    assert sum(witness.causes.values()) == 900 - len(got)
    assert set(witness.causes) <= {"linger", "disconnect_wire"}


@pytest.mark.parametrize("bind", [False, True])
@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_a_lingering_socket_whose_peer_goes_does_not_wait_for_ever(transport: str, bind: bool) -> None:
    """A binder's queue goes with the peer (F138), a connecter's stays for the next one (F137) while it lingers."""
    (got, out), witness, twin = play(
        receiver(transport, bind=not bind, idle_ms=300, close_after=5, rcvhwm=1, rcvbuf=4096),
        sender(900, 1000, transport=transport, bind=bind, wait_ms=100, size=2000, sndbuf=4096),
        until_s=10,
    )
    assert got == list(range(5))
    assert out is not None, "the context was never terminated"
    if bind:
        assert out["took_ms"] < 500
        assert "disconnect_pipe" in witness.causes
    else:
        assert 1000 <= out["took_ms"] < 1001
        assert "linger" in witness.causes
    assert sum(witness.causes.values()) == 895
    assert list(twin.census()) == []


def test_a_lingering_socket_whose_last_message_broke_with_the_connection_has_nothing_to_wait_for() -> None:
    """F137: one is in the peer's queue, one parked there, one in the batch; only the delimiter waits."""
    (_, out), witness, _ = play(
        receiver(idle_ms=300, close_after=0, rcvhwm=1, rcvbuf=4096),
        sender(3, -1, wait_ms=100, size=500_000, sndbuf=4096),
    )
    assert out is not None, "the context was never terminated"
    assert 199 < out["took_ms"] < 250
    assert witness.causes == {"close_unread": 1, "disconnect_wire": 2}


# -- one side goes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bind", [False, True])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_unread_messages_of_a_sender_that_has_gone_stay_readable(transport: str, bind: bool) -> None:
    """F114, F138, F174."""
    twin, witness = watched()
    got: list[int] = []

    def program() -> None:
        zmq = twin.zmq
        context = zmq.Context()
        others = context if transport == "inproc" else zmq.Context()
        push, pull = context.socket(zmq.PUSH), others.socket(zmq.PULL)
        first, second = (push, pull) if bind else (pull, push)
        first.bind(endpoint_of(transport))
        second.connect(endpoint_of(transport))
        twin.sleep_ns(50 * MS)
        for number in range(100):
            push.send(b"%d" % number)
        twin.sleep_ns(50 * MS)
        push.close(0)
        twin.sleep_ns(SECOND)
        while pull.poll(100):
            got.append(int(pull.recv()))

    twin.spawn(program)
    twin.run(until_ns=10 * SECOND)
    assert got == list(range(100))
    assert witness.losses == []


def test_a_bound_push_loses_the_queue_of_a_peer_that_goes() -> None:
    """F138, F176: what was in its pipe is told as disconnect_pipe, what had left it as disconnect_wire."""
    after: list[str] = []

    def push(twin: Twin) -> None:
        socket = twin.zmq.Context().socket(twin.zmq.PUSH)
        socket.sndbuf = 4096
        socket.bind(ENDPOINT)
        socket.poll(1000, twin.zmq.POLLOUT)
        for _ in range(500):
            socket.send(b"%02000d" % 0, twin.zmq.DONTWAIT)
        twin.sleep_ns(SECOND)
        try:
            socket.send(b"", twin.zmq.DONTWAIT)
        except twin.zmq.Again:
            after.append("nobody is left")

    (got, _), witness, _ = play(receiver(bind=False, close_after=3, rcvhwm=1, rcvbuf=4096), push)
    assert len(got) == 3
    assert after == ["nobody is left"]
    causes = witness.causes
    assert sum(causes.values()) == 497
    assert causes["disconnect_pipe"] > 400
    assert causes["disconnect_wire"] > 0


def test_a_connected_push_keeps_its_queue_for_the_next_peer() -> None:
    """F137: lost is what had left the pipe, the rest arrives in order at whoever binds next."""
    (first, second, out), witness, _ = play(
        receiver(close_after=3, rcvhwm=1, rcvbuf=4096),
        receiver(start_ms=400, rcvbuf=4096),
        sender(500, -1, wait_ms=100, size=2000, sndbuf=4096, close_ms=2000),
        until_s=20,
    )
    assert first == [0, 1, 2]
    lost = sum(witness.causes.values())
    assert set(witness.causes) <= {"disconnect_wire", "close_unread"}
    assert 0 < lost < 60
    assert second == list(range(3 + lost, 500))
    assert out["sent"] == 500


def test_a_peer_that_is_back_is_found_after_one_interval() -> None:
    """F123: after the loss of a connection that stood the next attempt waits."""
    _, witness, _ = play(receiver(close_after=1), receiver(start_ms=300), sender(1, -1, close_ms=3000), until_s=5)
    (lost,) = witness.times("PUSH disconnected")[:1]
    connected = witness.times("PUSH connected")
    assert 183 * MS <= connected[1] - lost < 184 * MS or 308 * MS <= connected[1] - lost < 310 * MS


@pytest.mark.parametrize("delay_ns", range(0, 40_000, 2_000))
def test_a_listener_that_closes_in_the_moment_of_a_connection_is_noticed(delay_ns: int) -> None:
    """The kernel resets what nobody has accepted; the connecter tries again and finds whoever binds next."""
    twin, _ = watched()
    got: list[bytes] = []
    start_ns = 10 * MS

    def listeners() -> None:
        context = twin.zmq.Context()
        first = context.socket(twin.zmq.PULL)
        first.bind(ENDPOINT)
        twin.sleep_ns(start_ns + delay_ns - twin.now_ns)
        first.close(0)
        second = context.socket(twin.zmq.PULL)
        second.bind(ENDPOINT)
        while second.poll(1000):
            got.append(second.recv())

    def push() -> None:
        twin.sleep_ns(start_ns)
        socket = twin.zmq.Context().socket(twin.zmq.PUSH)
        socket.connect(ENDPOINT)
        socket.send(b"for the second")
        twin.sleep_ns(3 * SECOND)

    twin.spawn(listeners)
    twin.spawn(push)
    twin.run(until_ns=5 * SECOND)
    assert got == [b"for the second"]


# -- unbind, disconnect, term ------------------------------------------------------------------------


def endpoint_calls(call: str, linger_ms: int) -> tuple[list[int], Witness, int]:
    """A PUSH with a backlog undoes its endpoint; what its PULL gets, reading from a second later on."""
    twin, witness = watched()
    got: list[int] = []
    sent: list[int] = []

    def push() -> None:
        socket = twin.zmq.Context().socket(twin.zmq.PUSH)
        socket.sndbuf = 4096
        socket.linger = linger_ms
        (socket.bind if call == "unbind" else socket.connect)(ENDPOINT)
        socket.poll(1000, twin.zmq.POLLOUT)
        twin.sleep_ns(50 * MS)
        for number in range(900):
            socket.send(b"%08d" % number + bytes(1000), twin.zmq.DONTWAIT)
            sent.append(number)
        getattr(socket, call)(ENDPOINT)
        while True:  # so that it hears of the end
            socket.poll(10)

    def pull() -> None:
        socket = twin.zmq.Context().socket(twin.zmq.PULL)
        socket.rcvhwm, socket.rcvbuf = 10, 4096
        (socket.connect if call == "unbind" else socket.bind)(ENDPOINT)
        twin.sleep_ns(SECOND)
        while socket.poll(1000):
            got.append(int(socket.recv()[:8]))

    twin.spawn(pull)
    twin.spawn(push)
    twin.run(until_ns=20 * SECOND)
    assert len(sent) == 900
    return got, witness, len(sent)


def test_disconnect_sends_its_queue_under_linger() -> None:
    """F172: all but the batch that the kernel has not taken when the queue is empty (F168)."""
    got, witness, sent = endpoint_calls("disconnect", -1)
    lost = sum(witness.causes.values())
    assert got == list(range(sent - lost))
    assert lost <= 8
    assert set(witness.causes) <= {"disconnect_wire"}


@pytest.mark.parametrize(("call", "linger_ms"), [("disconnect", 0), ("unbind", -1), ("unbind", 0)])
def test_unbind_and_disconnect_without_linger_lose_the_queue(call: str, linger_ms: int) -> None:
    """F173: unbind whatever LINGER says; what the kernel has is delivered."""
    got, witness, sent = endpoint_calls(call, linger_ms)
    assert 0 < len(got) < 100
    assert got == list(range(len(got)))
    assert sum(witness.causes.values()) == sent - len(got)


def test_over_inproc_the_receivers_close_discards_and_the_senders_does_not() -> None:
    """F174."""
    for closes, expected in (("PUSH", 10), ("PULL", 0)):
        twin, witness = watched()
        got: list[bytes] = []

        def program(closes: str = closes, twin: Twin = twin, got: list[bytes] = got) -> None:
            zmq = twin.zmq
            context = zmq.Context()
            sockets = {"PUSH": context.socket(zmq.PUSH), "PULL": context.socket(zmq.PULL)}
            sockets["PULL"].bind("inproc://a")
            sockets["PUSH"].connect("inproc://a")
            for _ in range(10):
                sockets["PUSH"].send(b"x")
            sockets[closes].close(0)
            twin.sleep_ns(SECOND)
            if closes == "PUSH":
                while sockets["PULL"].poll(10):
                    got.append(sockets["PULL"].recv())
            for socket in sockets.values():
                socket.close()
            context.term()

        twin.spawn(program)
        twin.run()
        assert len(got) == expected
        assert witness.causes == ({} if expected else {"close_unread": 10})


def test_term_ends_blocked_calls_and_waits_for_their_sockets() -> None:
    """F171."""
    twin, _ = watched()
    log: list[tuple[str, int]] = []
    context: list[Any] = []

    def blocked() -> None:
        context.append(twin.zmq.Context())
        socket = context[0].socket(twin.zmq.PULL)
        socket.bind(ENDPOINT)
        try:
            socket.recv()
        except twin.zmq.ContextTerminated:
            log.append(("ETERM", twin.now_ns // MS))
        twin.sleep_ns(30 * MS)
        socket.close()

    def ending() -> None:
        twin.sleep_ns(10 * MS)
        context[0].term()
        log.append(("terminated", twin.now_ns // MS))

    twin.spawn(blocked)
    twin.spawn(ending)
    twin.run()
    assert log == [("ETERM", 10), ("terminated", 40)]


@pytest.mark.parametrize("call", ["send", "recv", "poll", "bind", "connect"])
def test_every_call_after_term_says_so(call: str) -> None:
    """F171."""
    twin, _ = watched()
    log: list[str] = []
    context: list[Any] = []

    def late() -> None:
        context.append(twin.zmq.Context())
        socket = context[0].socket(twin.zmq.DEALER)
        twin.sleep_ns(20 * MS)
        arguments = {"send": [b""], "recv": [], "poll": [10], "bind": [ENDPOINT], "connect": [ENDPOINT]}[call]
        try:
            getattr(socket, call)(*arguments)
        except twin.zmq.ContextTerminated:
            log.append("ETERM")
        socket.close()

    twin.spawn(late)
    twin.spawn(lambda: (twin.sleep_ns(10 * MS), context[0].term(), log.append("terminated")))
    twin.run()
    assert log == ["ETERM", "terminated"]
