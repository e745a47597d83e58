"""The socket monitor, in both worlds: which events, in which order, with which values and addresses (F230-F236)."""

from __future__ import annotations

import errno
import struct
from typing import Any

import pytest

from .stage import Stage

HEAD = struct.Struct("=HI")


def watch(stage: Stage, socket: Any, events: int | None = None) -> Any:
    """The reader of a new monitor of that socket."""
    reader = socket.get_monitor_socket(events)
    stage.adopt(reader)
    return reader


def told(stage: Stage, reader: Any, idle_ms: int = 300, limit: int = 100) -> list[tuple[str, int, str]]:
    """Events (name, value, address) until none has come for a while."""
    events = []
    while len(events) < limit and reader.poll(idle_ms):
        head, where = reader.recv_multipart()
        number, value = HEAD.unpack(head)
        events.append((stage.zmq.Event(number).name, value, where.decode()))
    return events


def names(stage: Stage, reader: Any, idle_ms: int = 300, limit: int = 100) -> list[str]:
    """The same, names only."""
    return [event[0] for event in told(stage, reader, idle_ms, limit)]


def test_a_connection_from_its_beginning_to_its_end(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        bound, connected = stage.socket(zmq.DEALER), stage.socket(zmq.DEALER, RECONNECT_IVL=1000)
        at_bound, at_connected = watch(stage, bound), watch(stage, connected)
        endpoint = stage.bind(bound)
        connected.connect(endpoint)
        stage.settle()
        begun = told(stage, at_bound)
        assert [event[0] for event in begun] == ["LISTENING", "ACCEPTED", "HANDSHAKE_SUCCEEDED"]
        assert {event[2] for event in begun} == {endpoint}
        listening, accepted, succeeded = (event[1] for event in begun)
        assert listening != accepted
        assert succeeded == 0
        delayed, up, ready = told(stage, at_connected)
        assert delayed == ("CONNECT_DELAYED", errno.EINPROGRESS, endpoint)
        assert up[0::2] == ("CONNECTED", endpoint)
        assert ready == ("HANDSHAKE_SUCCEEDED", 0, endpoint)
        bound.close()
        ended = told(stage, at_bound)
        assert ended == [("CLOSED", listening, endpoint), ("MONITOR_STOPPED", 0, "")]
        lost, retried = told(stage, at_connected)
        assert lost == ("DISCONNECTED", up[1], endpoint)
        assert retried[0::2] == ("CONNECT_RETRIED", endpoint)
        assert 1000 <= retried[1] < 2000
        connected.close()
        assert told(stage, at_connected) == [("MONITOR_STOPPED", 0, "")]

    stage.play(body)


def test_the_binding_side_sees_its_peer_leave(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        bound, connected = stage.socket(zmq.PULL), stage.socket(zmq.PUSH)
        reader = watch(stage, bound)
        connected.connect(stage.bind(bound))
        stage.settle()
        assert told(stage, reader)[1][0] == "ACCEPTED"
        connected.close()
        assert names(stage, reader) == ["DISCONNECTED"]

    stage.play(body)


def test_a_refused_connection_is_tried_again(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        socket = stage.socket(zmq.DEALER, RECONNECT_IVL=50)
        reader = watch(stage, socket)
        endpoint, _ = stage.free_endpoint()
        socket.connect(endpoint)
        events = told(stage, reader, limit=6)
        assert [event[0] for event in events] == ["CONNECT_DELAYED", "CLOSED", "CONNECT_RETRIED"] * 2
        assert 50 <= events[2][1] < 100
        assert {event[2] for event in events} == {endpoint}

    stage.play(body)


def test_ipc_connects_at_once_or_fails_at_once(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        connected, bound = stage.socket(zmq.DEALER, RECONNECT_IVL=100), stage.socket(zmq.DEALER)
        reader = watch(stage, connected)
        endpoint = stage.endpoint("ipc")
        connected.connect(endpoint)
        assert names(stage, reader, limit=2) == ["CLOSED", "CONNECT_RETRIED"]
        bound.bind(endpoint)
        assert names(stage, reader)[-2:] == ["CONNECTED", "HANDSHAKE_SUCCEEDED"]

    stage.play(body)


def test_an_address_in_use(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        first, second = stage.socket(zmq.PULL), stage.socket(zmq.PULL)
        reader = watch(stage, second)
        endpoint = stage.bind(first)
        assert stage.attempt(second.bind, endpoint) == "EADDRINUSE"
        closed, failed = told(stage, reader)
        assert closed[0::2] == ("CLOSED", "")
        assert failed == ("BIND_FAILED", errno.EADDRINUSE, endpoint.removeprefix("tcp://"))

    stage.play(body)


def test_unbind_closes_the_listener(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        socket = stage.socket(stage.zmq.PULL)
        reader = watch(stage, socket)
        endpoint = stage.bind(socket)
        socket.unbind(endpoint)
        listening, closed = told(stage, reader)
        assert (listening[0], closed[0]) == ("LISTENING", "CLOSED")
        assert listening[1:] == closed[1:]

    stage.play(body)


def test_types_that_do_not_fit(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        bound, connected = stage.socket(zmq.PUB), stage.socket(zmq.DEALER)
        at_bound, at_connected = watch(stage, bound), watch(stage, connected)
        connected.connect(stage.bind(bound))
        stage.settle()
        # Whichever of the two gives up first, neither tries again (F133, F184).
        assert [name for name in names(stage, at_bound) if "HANDSHAKE" not in name] == [
            "LISTENING",
            "ACCEPTED",
            "DISCONNECTED",
        ]
        assert "CONNECT_RETRIED" not in names(stage, at_connected, limit=3)

    stage.play(body)


def test_inproc_is_silent(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        bound, connected = stage.socket(zmq.PAIR), stage.socket(zmq.PAIR)
        at_bound, at_connected = watch(stage, bound), watch(stage, connected)
        connected.connect(stage.bind(bound, "inproc"))
        connected.send(b"x")
        assert bound.recv() == b"x"
        connected.close()
        stage.settle()
        assert names(stage, at_bound) == []
        assert names(stage, at_connected) == ["MONITOR_STOPPED"]

    stage.play(body)


def test_only_what_was_asked_for(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        bound, connected = stage.socket(zmq.REP), stage.socket(zmq.REQ)
        reader = watch(stage, connected, zmq.EVENT_CONNECTED | zmq.EVENT_MONITOR_STOPPED)
        connected.connect(stage.bind(bound))
        stage.settle()
        connected.disable_monitor()
        assert names(stage, reader) == ["CONNECTED", "MONITOR_STOPPED"]

    stage.play(body)


def test_a_new_monitor_ends_the_old_one(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        socket, reader = stage.socket(zmq.DEALER), stage.socket(zmq.PAIR)
        reader.connect("inproc://first")
        socket.monitor("inproc://first", zmq.EVENT_ALL)
        socket.monitor("inproc://second", zmq.EVENT_ALL)
        assert names(stage, reader) == ["MONITOR_STOPPED"]

    stage.play(body)


@pytest.mark.parametrize(
    ("address", "events", "error"),
    [
        ("tcp://127.0.0.1:5555", 1, "EPROTONOSUPPORT"),
        ("nonsense", 1, "EINVAL"),
        ("inproc://m", 0x1FFFF, "EINVAL"),
        ("inproc://taken", 1, "EADDRINUSE"),
        (None, 0, "ok"),
    ],
)
def test_what_a_monitor_refuses(stage: Stage, address: str | None, events: int, error: str) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        other, socket = stage.socket(zmq.PAIR), stage.socket(zmq.DEALER)
        other.bind("inproc://taken")
        assert stage.attempt(socket.monitor, address, events) == error

    stage.play(body)


def test_it_stops_when_the_socket_has_lingered(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        socket = stage.socket(zmq.DEALER, RECONNECT_IVL=10_000, LINGER=400)
        reader = watch(stage, socket)
        endpoint, _ = stage.free_endpoint()
        socket.connect(endpoint)
        assert names(stage, reader, limit=3)[-1] == "CONNECT_RETRIED"
        socket.send(b"nobody gets this")
        before = stage.now_ns()
        socket.close()
        assert names(stage, reader, idle_ms=1000, limit=1) == ["MONITOR_STOPPED"]
        assert 0.35e9 < stage.now_ns() - before < 0.7e9

    stage.play(body)


def test_without_a_reader_the_io_thread_stands_still(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        pull, push = stage.socket(zmq.PULL), stage.socket(zmq.PUSH, context=stage.context())
        endpoint = stage.bind(pull)
        pull.monitor("inproc://unread", zmq.EVENT_ALL)
        push.connect(endpoint)
        push.send(b"x")
        assert stage.take(pull, 0.5) == "EAGAIN"
        reader = stage.socket(zmq.PAIR)
        reader.connect("inproc://unread")
        assert stage.take(pull, 1.0) == ["x"]
        assert names(stage, reader) == ["ACCEPTED", "HANDSHAKE_SUCCEEDED"]

    stage.play(body)


def test_a_monitor_that_is_full_stops_the_io_thread(stage: Stage) -> None:
    """An inproc connection holds the sum of both marks: the monitor's 1000 and the reader's 10 (F8, F234)."""

    def body(stage: Stage) -> None:
        zmq = stage.zmq
        # Three events an attempt, about one attempt a millisecond.
        restless = stage.socket(zmq.DEALER, RECONNECT_IVL=1)
        reader = stage.socket(zmq.PAIR, RCVHWM=10)
        restless.monitor("inproc://events", zmq.EVENT_ALL)
        reader.connect("inproc://events")
        endpoint, _ = stage.free_endpoint()
        restless.connect(endpoint)
        stage.sleep(4)
        pull, push = stage.socket(zmq.PULL), stage.socket(zmq.PUSH, context=stage.context())
        push.connect(stage.bind(pull))
        push.send(b"x")
        assert stage.take(pull, 0.3) == "EAGAIN"
        for _ in range(1010):
            assert reader.poll(0)
            reader.recv_multipart()
        assert stage.take(pull, 1.0) == ["x"]

    stage.play(body)
