"""Options of ROUTER and of those that speak to it: who has which name, and what becomes of the others."""

from __future__ import annotations

from typing import Any

import pytest

from .stage import BLOCK_LIMIT_MS, Stage, text

pytestmark = pytest.mark.timeout(60)


def named(stage: Stage, kind: int, endpoint: str, name: bytes, **options: Any) -> Any:
    """A peer with that identity, connected and settled."""
    peer = stage.socket(kind, ROUTING_ID=name, **options)
    peer.connect(endpoint)
    return peer


def superseded_with_a_backlog(stage: Stage) -> dict[str, Any]:
    zmq = stage.zmq
    router = stage.socket(zmq.ROUTER, ROUTER_HANDOVER=1)
    endpoint = stage.bind(router)
    old = named(stage, zmq.DEALER, endpoint, b"X")
    old.send(b"read")
    first = stage.take(router)
    for number in range(5):
        old.send(b"old %d" % number)
    stage.sleep(0.3)
    new = named(stage, zmq.DEALER, endpoint, b"X")
    new.send(b"new")
    stage.sleep(0.3)
    return {"first": first, "then": text(stage.drain(router)), "old still sends": stage.offer(old, "zombie")}


def test_handover_loses_what_the_old_peer_had_sent(stage: Stage) -> None:
    """The old pipe is ended from here, unread input with it; its connection stays as a zombie (F97).

    One message was there already when the newcomer was noticed: fair queueing gives it first, then ends the pipe.
    """
    got = stage.play(superseded_with_a_backlog)
    assert got["first"] == ["X", "read"]
    assert got["then"][-1] == ["X", "new"]
    assert got["then"][:-1] in ([], [["X", "old 0"]])
    assert got["old still sends"] == "ok"


def superseded_within_a_message(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    router = stage.socket(zmq.ROUTER, ROUTER_HANDOVER=1)
    endpoint = stage.bind(router)
    old = named(stage, zmq.DEALER, endpoint, b"X")
    old.send_multipart([b"a", b"b", b"c"])
    old.send(b"unread")
    stage.sleep(0.3)
    parts = [router.recv(), router.recv()]
    new = named(stage, zmq.DEALER, endpoint, b"X")
    new.send(b"new")
    stage.sleep(0.3)
    router.getsockopt(zmq.EVENTS)
    router.send_multipart([b"X", b"for the newcomer"])
    while router.getsockopt(zmq.RCVMORE):
        parts.append(router.recv())
    return [text(parts), text(stage.drain(router)), stage.take(new), stage.take(old, 0.2)]


def test_a_message_that_is_being_read_is_read_to_its_end(stage: Stage) -> None:
    """The old pipe ends after the last frame (F97)."""
    assert stage.play(superseded_within_a_message) == [
        ["X", "a", "b", "c"],
        [["X", "new"]],
        ["for the newcomer"],
        "EAGAIN",
    ]


def connect_names(stage: Stage) -> dict[str, Any]:
    zmq = stage.zmq
    servers = [stage.socket(zmq.ROUTER, ROUTING_ID=name) for name in (b"one", b"two")]
    client = stage.socket(zmq.ROUTER)
    empty = stage.attempt(client.setsockopt, zmq.CONNECT_ROUTING_ID, b"")
    client.setsockopt(zmq.CONNECT_ROUTING_ID, b"mine")
    for server in servers:
        client.connect(stage.bind(server))
    stage.settle()
    client.setsockopt(zmq.ROUTER_MANDATORY, 1)
    reached = {name: stage.offer(client, name, "hi") for name in ("mine", "one", "two")}
    return {"empty": empty, "reached": reached}


def test_a_local_name_is_for_the_next_connection_only(stage: Stage) -> None:
    """CONNECT_ROUTING_ID wins over the peer's own identity, once (F94)."""
    assert stage.play(connect_names) == {
        "empty": "EINVAL",
        "reached": {"mine": "ok", "one": "EHOSTUNREACH", "two": "ok"},
    }


def mandatory_by_state(stage: Stage) -> dict[str, Any]:
    zmq = stage.zmq
    router = stage.socket(zmq.ROUTER, SNDHWM=2, ROUTER_MANDATORY=1)
    nobody = bool(router.getsockopt(zmq.EVENTS) & zmq.POLLOUT)
    endpoint = stage.bind(router, "inproc")
    dealer = named(stage, zmq.DEALER, endpoint, b"X", RCVHWM=2)
    stage.settle(0.05)
    seen = [stage.offer(router, "X", str(number)) for number in range(6)]
    full = bool(router.getsockopt(zmq.EVENTS) & zmq.POLLOUT)
    stage.drain(dealer, 0.05)
    room = stage.offer(router, "X", "again")
    unknown = stage.offer(router, "Y", "?")
    dealer.close()
    stage.settle(0.05)
    return {
        "seen": seen,
        "out": [nobody, full],
        "room": room,
        "unknown": unknown,
        "gone": stage.offer(router, "X", "?"),
    }


def test_mandatory_tells_full_from_unknown(stage: Stage) -> None:
    """EAGAIN for a full peer, EHOSTUNREACH for none; POLLOUT if any peer has room (F91-F93, F99)."""
    assert stage.play(mandatory_by_state) == {
        "seen": ["ok"] * 4 + ["EAGAIN"] * 2,
        "out": [False, False],
        "room": "ok",
        "unknown": "EHOSTUNREACH",
        "gone": "EHOSTUNREACH",
    }


def mandatory_waits(stage: Stage, leaves: bool) -> list[Any]:
    zmq = stage.zmq
    router = stage.socket(zmq.ROUTER, SNDHWM=1, ROUTER_MANDATORY=1)
    dealer = named(stage, zmq.DEALER, stage.bind(router, "inproc"), b"X", RCVHWM=1)
    stage.settle(0.05)
    stage.hand_over(dealer)

    def peer() -> None:
        stage.sleep(0.2)
        if not leaves:
            dealer.recv()
            stage.sleep(0.3)
        dealer.close(0)

    assert [stage.offer(router, "X", "fill"), stage.offer(router, "X", "fill")] == ["ok", "ok"]
    began_ns = stage.now_ns()
    task = stage.spawn(peer)
    waited = stage.attempt(router.send_multipart, [b"X", b"waits"])
    waited_ms = (stage.now_ns() - began_ns) // 1_000_000
    task.join()
    stage.settle(0.1)
    polled = stage.offer(router, "X", "after a poll")
    return [waited, waited_ms >= BLOCK_LIMIT_MS - 1, 150 < waited_ms < 450, polled]


@pytest.mark.parametrize("leaves", [False, True])
def test_mandatory_waits_for_that_one_peer(stage: Stage, leaves: bool) -> None:
    """A blocking send to a full peer goes on when it reads; it never learns that the peer has gone (F92, F93).

    Only a receive or a poll reads the mark behind the peer's last message, and until then its pipe is "full".
    """
    expected = ["EAGAIN", True, False, "EHOSTUNREACH"] if leaves else ["ok", False, True, "EHOSTUNREACH"]
    assert stage.play(mandatory_waits, leaves) == expected


def probes(stage: Stage, kind: str, transport: str) -> list[Any]:
    zmq = stage.zmq
    router = stage.socket(zmq.ROUTER)
    endpoint = stage.bind(router, transport)
    peer = stage.socket(getattr(zmq, kind), ROUTING_ID=b"P", PROBE_ROUTER=1)
    peer.connect(endpoint)
    stage.settle()
    return [stage.take(router), stage.take(router, 0.1)]


@pytest.mark.parametrize("transport", ["tcp", "inproc"])
@pytest.mark.parametrize("kind", ["DEALER", "REQ", "ROUTER"])
def test_a_probe_is_one_empty_message(stage: Stage, kind: str, transport: str) -> None:
    """PROBE_ROUTER: once, when the pipe is attached (F90)."""
    assert stage.play(probes, kind, transport) == [["P", ""], "EAGAIN"]


def probe_from_the_binder(stage: Stage) -> Any:
    zmq = stage.zmq
    router = stage.socket(zmq.ROUTER, PROBE_ROUTER=1)
    dealer = stage.socket(zmq.DEALER)
    dealer.connect(stage.bind(router))
    stage.settle()
    return stage.take(dealer)


def test_a_binding_router_probes_too(stage: Stage) -> None:
    """Each new pipe gets the empty message, whoever connected (F90)."""
    assert stage.play(probe_from_the_binder) == [""]


def malformed_request_from_a_full_peer(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    rep = stage.socket(zmq.REP)
    endpoint = stage.bind(rep, "inproc")
    dealer = stage.socket(zmq.DEALER)
    dealer.connect(endpoint)
    stage.settle(0.05)
    dealer.send_multipart([b"no", b"delimiter"])
    dealer.send_multipart([b"", b"question"])
    asked = stage.take(rep)
    answered = stage.offer(rep, "answer")
    return [asked, answered, stage.take(dealer, 0.5)]


def test_a_malformed_request_leaves_the_next_one_whole(stage: Stage) -> None:
    """What was copied of it into the reply pipe is taken back (F89)."""
    assert stage.play(malformed_request_from_a_full_peer) == [["question"], "ok", ["", "answer"]]


ERRORS = (
    ("ROUTER", "ROUTER_HANDOVER", -1, "EINVAL"),
    ("ROUTER", "ROUTER_HANDOVER", 2, "ok"),
    ("ROUTER", "PROBE_ROUTER", -1, "EINVAL"),
    ("DEALER", "ROUTER_HANDOVER", 1, "EINVAL"),
    ("DEALER", "CONNECT_ROUTING_ID", b"name", "EINVAL"),
    ("DEALER", "PROBE_ROUTER", 1, "ok"),
    ("REQ", "PROBE_ROUTER", 1, "ok"),
    ("REP", "ROUTER_HANDOVER", 1, "ok"),
    ("REP", "ROUTER_MANDATORY", 1, "ok"),
    ("REP", "PROBE_ROUTER", 1, "ok"),
    ("PUSH", "PROBE_ROUTER", 1, "EINVAL"),
    ("PAIR", "REQ_RELAXED", 1, "EINVAL"),
    ("ROUTER", "ROUTER_NOTIFY", 1, "EINVAL"),
    ("XSUB", 115, 1, "EINVAL"),
    ("XPUB", "SUBSCRIBE", b"A", "EINVAL"),
    ("SUB", "ONLY_FIRST_SUBSCRIBE", 1, "EINVAL"),
    ("XSUB", "ONLY_FIRST_SUBSCRIBE", 1, "ok"),
    ("PUB", "XPUB_MANUAL", 1, "ok"),
    ("PUB", "XPUB_WELCOME_MSG", b"W", "ok"),
    ("SUB", "XPUB_VERBOSE", 1, "EINVAL"),
    ("PULL", "INVERT_MATCHING", 1, "ok"),
)


def set_it(stage: Stage, kind: str, option: str | int, value: Any) -> str:
    number = getattr(stage.zmq, option) if isinstance(option, str) else option
    return stage.attempt(stage.socket(getattr(stage.zmq, kind)).setsockopt, number, value)


@pytest.mark.parametrize(("kind", "option", "value", "expected"), ERRORS)
def test_which_type_takes_which_option(stage: Stage, kind: str, option: str | int, value: Any, expected: str) -> None:
    """A type takes what its ancestors take: REQ what DEALER, REP what ROUTER, PUB what XPUB; drafts are unknown."""
    assert stage.play(set_it, kind, option, value) == expected


def read_it(stage: Stage, kind: str, option: str) -> str:
    return stage.attempt(stage.socket(getattr(stage.zmq, kind)).getsockopt, getattr(stage.zmq, option))


@pytest.mark.parametrize(
    ("kind", "option", "expected"),
    [
        ("ROUTER", "ROUTER_HANDOVER", "EINVAL"),
        ("ROUTER", "CONNECT_ROUTING_ID", "EINVAL"),
        ("DEALER", "PROBE_ROUTER", "EINVAL"),
        ("XPUB", "XPUB_MANUAL", "EINVAL"),
        ("XPUB", "XPUB_WELCOME_MSG", "EINVAL"),
        ("XPUB", "INVERT_MATCHING", "ok"),
        ("XPUB", "TOPICS_COUNT", "ok"),
        ("PULL", "TOPICS_COUNT", "EINVAL"),
    ],
)
def test_options_of_a_type_cannot_be_read(stage: Stage, kind: str, option: str, expected: str) -> None:
    """Only what all types share, and TOPICS_COUNT, can be read."""
    assert stage.play(read_it, kind, option) == expected
