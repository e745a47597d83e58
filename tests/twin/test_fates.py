"""Messages whose fate the twin once did not tell: found by the swarm, kept small here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.twin import Twin
from harness.twin.kernel import Kernel

from .witness import MS, Witness, watched


def fates(*programs: Callable[[Twin], Any], until_ms: int = 1000) -> tuple[Witness, list[bytes]]:
    """Each program in a process of its own; losses, and what is under way at the end (last frames)."""
    twin, witness = watched(seed=1)
    kept: list[Any] = []
    for program in programs:
        twin.spawn(lambda program=program: kept.append(program(twin)))
    twin.run(until_ns=until_ms * MS)
    return witness, [msg.data for msg, _ in twin.census()]


@pytest.mark.parametrize("receiver", ["PULL", "ROUTER"])
def test_a_slot_holds_a_message_where_the_routing_id_was(receiver: str) -> None:
    """Over inproc a connection that waits for its bind begins with the routing id; CONFLATE overwrites it.

    libzmq takes the frame that is there for the routing id, and the message is gone (measured: PUSH, PULL).
    """

    def program(twin: Twin) -> Any:
        context = twin.zmq.Context()
        sender = context.socket(twin.zmq.PUSH if receiver == "PULL" else twin.zmq.DEALER)
        sender.conflate = 1
        sender.connect("inproc://place")
        sender.send(b"old")
        sender.send(b"new")
        socket = context.socket(getattr(twin.zmq, receiver))
        socket.bind("inproc://place")
        assert not socket.poll(10)
        sender.send(b"later")
        assert socket.recv_multipart()[-1] == b"later"
        return sender, socket

    witness, under_way = fates(program)
    assert witness.losses == [("conflated", b"old"), ("conflated", b"new")]
    assert under_way == []


def test_a_pipe_that_nobody_has_noticed_is_under_way_all_the_same() -> None:
    """IMMEDIATE: the session gives its pipe up when the peer goes, before the application knows of it (F139)."""

    def asks(twin: Twin) -> Any:
        socket = twin.zmq.Context().socket(twin.zmq.REQ)
        socket.bind("ipc://place")
        socket.send(b"question")
        twin.sleep_ns(20 * MS)
        socket.close(0)

    def is_busy(twin: Twin) -> Any:
        socket = twin.zmq.Context().socket(twin.zmq.REP)
        socket.immediate = 1
        socket.connect("ipc://place")
        twin.sleep_ns(1 << 60)
        return socket

    assert fates(asks, is_busy)[1] == [b"question"]


def test_a_pipe_that_is_noticed_too_late_loses_what_it_holds() -> None:
    def asks(twin: Twin) -> Any:
        socket = twin.zmq.Context().socket(twin.zmq.REQ)
        socket.bind("ipc://place")
        socket.send(b"question")
        twin.sleep_ns(20 * MS)
        socket.close(0)

    def is_late(twin: Twin) -> Any:
        socket = twin.zmq.Context().socket(twin.zmq.REP)
        socket.immediate = 1
        socket.connect("ipc://place")
        twin.sleep_ns(100 * MS)
        assert not socket.poll(10)
        return socket

    witness, under_way = fates(asks, is_late)
    assert [data for _, data in witness.losses] == [b"question"]
    assert under_way == []


def test_what_was_written_for_a_connection_that_is_gone_is_under_way_until_that_is_noticed() -> None:
    """IMMEDIATE: the session has started again with an empty queue, the application still writes to the old one."""

    def leaves(twin: Twin) -> Any:
        socket = twin.zmq.Context().socket(twin.zmq.XSUB)
        socket.bind("ipc://place")
        socket.send(b"\1a")
        socket.poll(10)
        twin.sleep_ns(20 * MS - twin.now_ns)
        socket.close(0)

    def publishes(twin: Twin) -> Any:
        socket = twin.zmq.Context().socket(twin.zmq.PUB)
        socket.immediate = 1
        socket.connect("ipc://place")
        twin.sleep_ns(20 * MS - 100_000)
        socket.send(b"a: early")
        twin.sleep_ns(300_000)
        socket.send(b"a: late")  # less than a command window after the first: nothing is noticed (F43)
        twin.sleep_ns(1 << 60)
        return socket

    witness, under_way = fates(leaves, publishes)
    assert under_way == [b"a: late"]
    assert [data for _, data in witness.losses] == [b"a: early"]


def test_a_reply_that_breaks_the_rules_behind_a_full_pipe_ends_the_connection() -> None:
    """It is decoded when the application has made room, no sooner (F20, F87)."""

    def serves(twin: Twin) -> Any:
        socket = twin.zmq.Context().socket(twin.zmq.ROUTER)
        socket.bind("ipc://place")
        identity = socket.recv_multipart()[0]
        for frames in ([b"", b"one"], [b"", b"two"], [b"wrong"]):
            socket.send_multipart([identity, *frames])
        twin.sleep_ns(1 << 60)
        return socket

    def asks(twin: Twin) -> Any:
        socket = twin.zmq.Context().socket(twin.zmq.REQ)
        socket.rcvhwm = 1
        socket.connect("ipc://place")
        socket.send(b"question")
        assert socket.recv() == b"one"
        return socket

    witness, under_way = fates(serves, asks)
    assert len(witness.times("REQ disconnected")) == 1
    assert witness.losses == [("disconnect_wire", b"wrong")]
    assert under_way == [b"two"]


def test_a_hang_up_that_a_stalled_engine_hears_of_is_news_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes came long ago (F144); the clock once went back to that time."""
    whole = Kernel.call_at

    def checked(kernel: Kernel, time_ns: int, function: Callable[[], Any]) -> Any:
        assert time_ns >= kernel.now_ns
        return whole(kernel, time_ns, function)

    monkeypatch.setattr(Kernel, "call_at", checked)

    def asks(twin: Twin) -> Any:
        context = twin.zmq.Context()
        socket = context.socket(twin.zmq.REQ)
        socket.req_relaxed = 1
        socket.connect("ipc://place")
        for _ in range(4):
            socket.send(b"question")
            socket.poll(20)
        socket.close(0)
        twin.sleep_ns(20 * MS)

    def is_busy(twin: Twin) -> Any:
        socket = twin.zmq.Context().socket(twin.zmq.REP)
        socket.rcvhwm = 2
        socket.bind("ipc://place")
        twin.sleep_ns(1 << 60)
        return socket

    witness, _ = fates(is_busy, asks)
    assert len(witness.times("REP accepted")) == 1
