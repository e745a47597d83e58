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


def peer_leaves_within_a_message(stage: Stage, transport: str) -> dict[str, Any]:
    zmq = stage.zmq
    router = stage.socket(zmq.ROUTER, ROUTER_MANDATORY=1)
    endpoint = stage.bind(router, transport)
    leaves = named(stage, zmq.DEALER, endpoint, b"X")
    stays = named(stage, zmq.DEALER, endpoint, b"Y")
    stage.settle()
    router.send(b"X", zmq.SNDMORE)
    router.send(b"first", zmq.SNDMORE)
    leaves.close()
    stage.settle()
    rest = stage.attempt(router.send, b"last")
    after = stage.offer(router, "X", "?")
    other = stage.offer(router, "Y", "whole")
    back = named(stage, zmq.DEALER, endpoint, b"X")
    stage.settle()
    return {"rest": rest, "after": after, "other": other, "got": [stage.take(stays), stage.take(back, 0.2)]}


@pytest.mark.parametrize("transport", ["tcp", "inproc"])
def test_a_peer_that_leaves_within_a_message(stage: Stage, transport: str) -> None:
    """The rest is swallowed without a word; nothing of it reaches a successor of that name (F22, F93)."""
    assert stage.play(peer_leaves_within_a_message, transport) == {
        "rest": "ok",
        "after": "EHOSTUNREACH",
        "other": "ok",
        "got": [["whole"], "EAGAIN"],
    }


def dealer_loses_its_peer_within_a_message(stage: Stage, polled: bool) -> dict[str, Any]:
    zmq = stage.zmq
    dealer = stage.socket(zmq.DEALER)
    endpoint = stage.bind(dealer, "inproc")
    first = stage.socket(zmq.DEALER)
    first.connect(endpoint)
    stage.settle(0.05)
    dealer.send(b"one", zmq.SNDMORE)
    first.close()
    stage.sleep(0.05)
    if polled:
        stage.settle(0.2)
    rest = [stage.attempt(dealer.send, b"two", zmq.SNDMORE), stage.attempt(dealer.send, b"three")]
    second = stage.socket(zmq.DEALER)
    second.connect(endpoint)
    stage.settle(0.05)
    whole = stage.offer(dealer, "whole")
    return {"rest": rest, "whole": whole, "got": text(stage.drain(second, 0.1))}


@pytest.mark.parametrize("polled", [False, True])
def test_a_dealer_that_loses_its_peer_within_a_message(stage: Stage, polled: bool) -> None:
    """The frames that are still to come are swallowed, the next message goes to the next peer whole (F75)."""
    assert stage.play(dealer_loses_its_peer_within_a_message, polled) == {
        "rest": ["ok", "ok"],
        "whole": "ok",
        "got": [["whole"]],
    }


def two_routers(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    one = stage.socket(zmq.ROUTER, ROUTING_ID=b"one", ROUTER_MANDATORY=1)
    two = stage.socket(zmq.ROUTER, ROUTING_ID=b"two", ROUTER_MANDATORY=1)
    two.connect(stage.bind(one))
    early = stage.offer(one, "two", "too early")
    stage.settle()
    there = stage.offer(one, "two", "hi", "there")
    at_two = stage.take(two)
    back = stage.offer(two, "one", "ho")
    return [early, there, at_two, back, stage.take(one)]


def test_two_routers_know_each_other_by_name(stage: Stage) -> None:
    """As soon as the identities were exchanged (F183)."""
    assert stage.play(two_routers) == ["EHOSTUNREACH", "ok", ["one", "hi", "there"], "ok", ["two", "ho"]]


def probe_before_the_identity(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    waiting = stage.socket(zmq.ROUTER)
    place = stage.endpoint("inproc")
    waiting.connect(place)
    prober = stage.socket(zmq.ROUTER, ROUTING_ID=b"P", PROBE_ROUTER=1)
    prober.bind(place)
    stage.settle(0.05)
    probed = stage.take(waiting, 0.2)
    waiting.setsockopt(zmq.ROUTER_MANDATORY, 1)
    return [probed, stage.offer(waiting, "P", "by name")]


def test_a_probe_that_comes_before_the_identity_is_taken_for_it(stage: Stage) -> None:
    """Over inproc, where a ROUTER was connected before the other was bound: the probe is lost, and so is the name."""
    assert stage.play(probe_before_the_identity) == ["EAGAIN", "EHOSTUNREACH"]


def nothing_left_to_disconnect(stage: Stage) -> list[str]:
    zmq = stage.zmq
    pull, push, place = stage.pair("inproc", zmq.PULL, zmq.PUSH)
    pull.close()
    stage.settle(0.1)
    return [stage.attempt(push.disconnect, place), stage.attempt(push.disconnect, place)]


def test_an_inproc_connection_goes_with_its_peer(stage: Stage) -> None:
    """There is no reconnection over inproc, so its address is forgotten with the pipe (F203)."""
    assert stage.play(nothing_left_to_disconnect) == ["ENOENT", "ENOENT"]


def options_after_bind(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    router = stage.socket(zmq.ROUTER, ROUTER_MANDATORY=1)
    dealer = stage.socket(zmq.DEALER, ROUTING_ID=b"early", RCVHWM=3)
    place = stage.bind(dealer, "inproc")
    dealer.setsockopt(zmq.ROUTING_ID, b"late")
    dealer.setsockopt(zmq.RCVHWM, 1)
    router.setsockopt(zmq.SNDHWM, 2)
    router.connect(place)
    stage.settle(0.05)
    return [stage.offer(router, "late", "?"), stage.fill(router, 20, lambda _: [b"early", b"x"])]


def test_inproc_takes_the_binder_as_it_was_at_bind(stage: Stage) -> None:
    """Its identity and marks of that moment count for whoever connects later (F12, F23)."""
    assert stage.play(options_after_bind) == ["EHOSTUNREACH", 5]
