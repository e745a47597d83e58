"""What becomes of a connection, and of what it held: lost, refused, given up, undone.

Each body runs on real sockets and in the simulation. Facts: F119-F142, F172, F173.
"""

from __future__ import annotations

from typing import Any

import pytest

from .stage import Stage, text

pytestmark = pytest.mark.timeout(30)


def unread_at_a_connecter(stage: Stage, immediate: int) -> int:
    zmq = stage.zmq
    server, client, _ = stage.pair("tcp", zmq.DEALER, zmq.DEALER, connect_options={"IMMEDIATE": immediate})
    for number in range(100):
        server.send(b"%d" % number)
    stage.settle()
    server.close(0)
    stage.settle()
    return len(stage.drain(client))


@pytest.mark.parametrize(("immediate", "readable"), [(0, 100), (1, 0)])
def test_what_came_in_survives_the_connection_but_not_with_immediate(
    stage: Stage, immediate: int, readable: int
) -> None:
    """F139: with IMMEDIATE the pipe goes with the connection, unread messages and all."""
    assert stage.play(unread_at_a_connecter, immediate) == readable


def queue_at_a_connecter(stage: Stage, immediate: int) -> tuple[int, int]:
    """900 queued behind small buffers; the peer goes, another one takes its place: (sent, what that one gets)."""
    zmq = stage.zmq
    small = {"RCVHWM": 10, "RCVBUF": 4096}
    binder, push, endpoint = stage.pair(
        "tcp", zmq.PULL, zmq.PUSH, small, {"SNDBUF": 4096, "IMMEDIATE": immediate, "RECONNECT_IVL": 50}
    )
    sent = stage.fill(push, 900, lambda number: [b"%d" % number, bytes(1000)])
    binder.close(0)
    stage.settle()
    second = stage.socket(zmq.PULL)
    second.bind(endpoint)
    return sent, len(stage.drain(second, 1.0))


def test_a_connecter_keeps_its_queue_for_whoever_binds_next(stage: Stage) -> None:
    """F137: lost is what had left the pipe."""
    sent, received = stage.play(queue_at_a_connecter, 0)
    assert sent == 900
    assert 800 < received < 900


def test_with_immediate_the_queue_goes_with_the_connection(stage: Stage) -> None:
    """F139."""
    assert stage.play(queue_at_a_connecter, 1) == (900, 0)


def disconnect_with_a_queue(stage: Stage, immediate: int) -> int:
    zmq = stage.zmq
    small = {"RCVHWM": 10, "RCVBUF": 4096}
    pull, push, endpoint = stage.pair(
        "tcp", zmq.PULL, zmq.PUSH, small, {"SNDBUF": 4096, "IMMEDIATE": immediate, "LINGER": -1}
    )
    stage.fill(push, 900, lambda number: [b"%d" % number, bytes(1000)])
    push.disconnect(endpoint)
    stage.settle()
    return len(stage.drain(pull, 0.5))


@pytest.mark.parametrize(("immediate", "low", "high"), [(0, 890, 900), (1, 1, 100)])
def test_disconnect_flushes_its_queue_but_not_with_immediate(stage: Stage, immediate: int, low: int, high: int) -> None:
    """F172. With IMMEDIATE the library does not know the pipe under that address, so only the session is ended."""
    assert low <= stage.play(disconnect_with_a_queue, immediate) <= high


def endpoint_after(stage: Stage, options: dict[str, Any], lost: bool) -> str:
    """What disconnect says of an endpoint: after its connection was lost, or after it was refused."""
    zmq = stage.zmq
    if lost:
        server, client, endpoint = stage.pair("tcp", zmq.DEALER, zmq.DEALER, connect_options=options)
        server.close(0)
    else:
        client = stage.socket(zmq.DEALER, **options)
        endpoint, _ = stage.free_endpoint()
        client.connect(endpoint)
    stage.settle()
    return stage.attempt(client.disconnect, endpoint)


@pytest.mark.parametrize(
    ("options", "lost", "said"),
    [
        ({}, True, "ok"),
        ({}, False, "ok"),
        ({"RECONNECT_IVL": -1}, True, "ENOENT"),
        ({"RECONNECT_IVL": 0}, True, "ENOENT"),
        ({"RECONNECT_IVL": -1}, False, "ok"),
        ({"RECONNECT_STOP": 1}, False, "ENOENT"),
        ({"RECONNECT_STOP": 1}, True, "ENOENT"),
        ({"RECONNECT_STOP": 2}, False, "ok"),
    ],
    ids=str,
)
def test_an_endpoint_that_is_given_up_is_forgotten(
    stage: Stage, options: dict[str, Any], lost: bool, said: str
) -> None:
    """F130, F131: without reconnection a lost endpoint is removed, one that was never connected is not."""
    assert stage.play(endpoint_after, options, lost) == said


def bounces(stage: Stage) -> list[bool]:
    zmq = stage.zmq
    binder, connecter, endpoint = stage.pair("tcp", zmq.PAIR, zmq.PAIR, connect_options={"RECONNECT_IVL": -1})

    def bounce() -> bool:
        went = stage.offer(connecter, "there") == "ok" and stage.offer(binder, "back") == "ok"
        return went and stage.take(binder, 0.3) == ["there"] and stage.take(connecter, 0.3) == ["back"]

    seen = [bounce()]
    binder.unbind(endpoint)
    stage.settle()
    seen.append(bounce())
    binder.bind(endpoint)
    stage.settle()
    seen.append(bounce())
    connecter.connect(endpoint)
    stage.settle()
    return [*seen, bounce()]


def test_without_reconnection_only_another_connect_helps(stage: Stage) -> None:
    """F130; libzmq tests/test_reconnect_ivl.cpp."""
    assert stage.play(bounces) == [True, False, False, True]


def sends_after_a_mismatch(stage: Stage) -> list[str]:
    zmq = stage.zmq
    pub = stage.socket(zmq.PUB)
    endpoint = stage.bind(pub)
    push = stage.socket(zmq.PUSH)
    push.connect(endpoint)
    said = []
    for _ in range(3):
        stage.sleep(0.3)
        said.append(stage.attempt(push.send, b"x", zmq.DONTWAIT))
    return said


def test_a_session_dies_in_two_passes_through_the_application(stage: Stage) -> None:
    """F133, F134: what is sent in between succeeds and is lost.

    Live the I/O thread sometimes answers while the send still drains its mailbox: then that is both passes.
    """
    first, *others = stage.play(sends_after_a_mismatch)
    assert first == "ok" or (stage.world == "live" and first == "EAGAIN")
    assert others == ["EAGAIN", "EAGAIN"]


def revived(stage: Stage, again: str) -> Any:
    """A DEALER meets a PUB, later a DEALER binds there: does connecting once more help?"""
    zmq = stage.zmq
    wrong, client, endpoint = stage.pair("tcp", zmq.PUB, zmq.DEALER)
    wrong.close(0)
    stage.settle()
    right = stage.socket(zmq.DEALER)
    right.bind(endpoint)
    if again == "disconnect":
        client.disconnect(endpoint)
    client.connect(endpoint)
    stage.settle()
    return stage.offer(client, "hello"), stage.take(right, 0.3)


@pytest.mark.parametrize(("again", "expected"), [("connect", ("EAGAIN", "EAGAIN")), ("disconnect", ("ok", ["hello"]))])
def test_connect_does_not_revive_a_dead_session(stage: Stage, again: str, expected: Any) -> None:
    """F122, F133: the address is still taken, so a second connect is a silent no-op."""
    assert stage.play(revived, again) == expected


def attempts(stage: Stage, threads: int) -> list[bytes]:
    """A round trip through a context with several I/O threads, each side bound to one of its own."""
    zmq = stage.zmq
    context = zmq.Context(threads)
    stage._contexts.append(context)
    rep = stage.socket(zmq.REP, context, AFFINITY=1)
    req = stage.socket(zmq.REQ, context, AFFINITY=1 << (threads - 1))
    req.connect(stage.bind(rep))
    req.send(b"through")
    rep.send(rep.recv())
    return [req.recv()]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_several_io_threads(stage: Stage, threads: int) -> None:
    """F188, F189."""
    assert stage.play(attempts, threads) == [b"through"]


def no_thread(stage: Stage) -> str:
    zmq = stage.zmq
    return stage.attempt(stage.socket(zmq.REP, AFFINITY=2).bind, "tcp://127.0.0.1:*")


def test_an_affinity_to_threads_that_do_not_exist(stage: Stage) -> None:
    """zmq_setsockopt(3), ZMQ_AFFINITY; F201."""
    assert stage.play(no_thread) == "EMTHREAD"


def above_the_limit(stage: Stage, limit: int, size: int, limited: str) -> list[str]:
    """What a PULL with MAXMSGSIZE gets of 0, one of that size, "after", and "later" half a second afterwards."""
    zmq = stage.zmq
    options: dict[str, Any] = {"MAXMSGSIZE": limit}
    if limited == "binder":
        pull, push, _ = stage.pair("tcp", zmq.PULL, zmq.PUSH, options, {"RECONNECT_IVL": 50})
    else:
        push, pull, _ = stage.pair("tcp", zmq.PUSH, zmq.PULL, {}, options)
    stage.offer(push, "0")
    stage.settle(0.1)
    stage.offer(push, bytes(size))
    stage.offer(push, "after")
    stage.settle(0.5)
    stage.offer(push, "later")
    return ["large" if len(frames[0]) == size else text(frames[0]) for frames in stage.drain(pull, 0.3)]


@pytest.mark.parametrize(
    ("limit", "size", "limited", "expected"),
    [
        (100, 100, "binder", ["0", "large", "after", "later"]),
        (100, 100, "connecter", ["0", "large", "after", "later"]),
        (100, 101, "binder", ["0", "later"]),
        (100, 101, "connecter", ["0"]),
        (300, 100_000, "binder", ["0", "later"]),
        (300, 100_000, "connecter", ["0"]),
        (26, 20, "binder", ["0", "large", "after", "later"]),
        (25, 20, "binder", []),
        (25, 20, "connecter", []),
        (0, 20, "binder", []),
    ],
)
def test_a_message_above_the_limit_ends_the_connection(
    stage: Stage, limit: int, size: int, limited: str, expected: list[str]
) -> None:
    """F133, F187: whoever connected is deaf from then on, whoever bound loses what was on the wire.

    READY of a PUSH has 26 bytes: below that there is no handshake. Behind a message of several batches the next
    one may still be in its pipe when the connection breaks, and then goes with the next connection.
    """
    got = stage.play(above_the_limit, limit, size, limited)
    if size > 8192:
        got = [name for name in got if name != "after"]
    assert got == expected


def after_a_reconnection(stage: Stage, mark: int) -> int:
    """How many of 30 subscriptions of a connecting SUB a new publisher knows."""
    zmq = stage.zmq
    pub, sub, endpoint = stage.pair("tcp", zmq.XPUB, zmq.SUB, None, {"SNDHWM": mark, "RECONNECT_IVL": 50})
    for number in range(30):
        sub.setsockopt(zmq.SUBSCRIBE, b"%d" % (100 + number))
        stage.settle(0.01)
    pub.close(0)
    stage.settle(0.2)
    again = stage.socket(zmq.XPUB)
    again.bind(endpoint)
    stage.settle()
    return len(stage.drain(again, 0.3))


@pytest.mark.parametrize(("mark", "known"), [(1000, 30), (10, 10)])
def test_after_a_reconnection_all_subscriptions_are_sent_again_up_to_the_mark(
    stage: Stage, mark: int, known: int
) -> None:
    """F110, F146: what does not fit the pipe at the hiccup is lost without a word."""
    assert stage.play(after_a_reconnection, mark) == known
