"""Timeouts, polling, errors, atomicity, fairness and the small options of normal life, in both worlds.

Durations are measured by the stage's clock. A live call may return late on a busy machine, never early; simulated
time has no noise, so there the expiry is exact to the cost of the calls (a millisecond covers them many times).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .stage import Stage, text

TRANSPORTS = ("inproc", "ipc", "tcp")
MS = 1_000_000

pytestmark = pytest.mark.timeout(60)


def check_duration(stage: Stage, took_ns: int, wanted_ns: int) -> None:
    """At least what was asked for; in the simulation no more either."""
    # zmq counts whole milliseconds on its own clock: a live wait may be up to one millisecond short.
    assert took_ns >= wanted_ns - MS
    if stage.world == "sim":
        assert took_ns <= wanted_ns + MS


def timed(stage: Stage, function: Callable[..., Any], *args: Any) -> tuple[str, int]:
    """(outcome, ns it took)."""
    began_ns = stage.now_ns()
    outcome = stage.attempt(function, *args)
    return outcome, stage.now_ns() - began_ns


# -- timeouts -----------------------------------------------------------------------------------------------------


def receive_timeout(stage: Stage, transport: str, limit_ms: int) -> tuple[str, int]:
    zmq = stage.zmq
    pull, _, _ = stage.pair(transport, zmq.PULL, zmq.PUSH, settle_s=0.1)
    pull.rcvtimeo = limit_ms
    return timed(stage, pull.recv)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("limit_ms", [0, 1, 30, 150])
def test_rcvtimeo_expires(stage: Stage, transport: str, limit_ms: int) -> None:
    """zmq_setsockopt(3) ZMQ_RCVTIMEO: EAGAIN after that time."""
    outcome, took_ns = stage.play(receive_timeout, transport, limit_ms)
    assert outcome == "EAGAIN"
    check_duration(stage, took_ns, limit_ms * MS)


def send_timeout(stage: Stage, peer: str, limit_ms: int) -> tuple[str, int]:
    zmq = stage.zmq
    push = stage.socket(zmq.PUSH, SNDHWM=1)
    endpoint = stage.bind(push, "inproc")
    if peer == "full":
        stage.socket(zmq.PULL, RCVHWM=1).connect(endpoint)
        stage.settle(0.05)
        assert stage.fill(push) == 2
    push.sndtimeo = limit_ms
    return timed(stage, push.send, b"x")


@pytest.mark.parametrize("peer", ["absent", "full"])
@pytest.mark.parametrize("limit_ms", [0, 1, 30, 150])
def test_sndtimeo_expires(stage: Stage, peer: str, limit_ms: int) -> None:
    """zmq_setsockopt(3) ZMQ_SNDTIMEO: a PUSH without room blocks, then EAGAIN (F45, F76)."""
    outcome, took_ns = stage.play(send_timeout, peer, limit_ms)
    assert outcome == "EAGAIN"
    check_duration(stage, took_ns, limit_ms * MS)


def dontwait(stage: Stage) -> dict[str, tuple[str, int]]:
    zmq = stage.zmq
    push, pull = stage.socket(zmq.PUSH), stage.socket(zmq.PULL)
    stage.bind(push)
    stage.bind(pull)
    return {
        "send": timed(stage, push.send, b"x", zmq.DONTWAIT),
        "recv": timed(stage, pull.recv, zmq.DONTWAIT),
        "multipart": timed(stage, push.send_multipart, [b"x", b"y"], zmq.DONTWAIT),
    }


def test_dontwait_does_not_wait(stage: Stage) -> None:
    """EAGAIN at once, whatever the timeouts say (2 s here)."""
    for outcome, took_ns in stage.play(dontwait).values():
        assert outcome == "EAGAIN"
        if stage.world == "sim":
            assert took_ns < MS


def late_message(stage: Stage, transport: str) -> tuple[bytes, int]:
    zmq = stage.zmq
    pull, push, _ = stage.pair(transport, zmq.PULL, zmq.PUSH, settle_s=0.2)
    stage.hand_over(push)

    def send_later() -> None:
        stage.sleep(0.15)
        push.send(b"late")
        push.close(1000)

    began_ns = stage.now_ns()
    task = stage.spawn(send_later)
    got = pull.recv()
    took_ns = stage.now_ns() - began_ns
    task.join()
    return got, took_ns


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_blocked_recv_wakes_when_a_message_comes(stage: Stage, transport: str) -> None:
    """A blocking recv waits on the mailbox and is woken by the arrival (F49)."""
    got, took_ns = stage.play(late_message, transport)
    assert got == b"late"
    assert 150 * MS <= took_ns < 1900 * MS


def late_room(stage: Stage, transport: str) -> dict[str, Any]:
    zmq = stage.zmq
    buffers = {"SNDBUF": 8192, "RCVBUF": 8192} if transport == "tcp" else {}
    pull, push, _ = stage.pair(
        transport, zmq.PULL, zmq.PUSH, {"RCVHWM": 2, **buffers}, {"SNDHWM": 2, **buffers}, settle_s=0.2
    )
    stage.hand_over(pull)
    accepted = stage.stuff(push, 4000)

    def read_later() -> int:
        stage.sleep(0.15)
        return len(stage.drain(pull, 0.4))

    began_ns = stage.now_ns()
    task = stage.spawn(read_later)
    push.send(bytes(4000))
    took_ns = stage.now_ns() - began_ns
    drained = task.join()
    pull.close(0)
    return {"accepted": accepted, "drained": drained, "took_ns": took_ns}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_blocked_send_wakes_when_there_is_room(stage: Stage, transport: str) -> None:
    """A refused blocking send waits for the credit; nothing is lost (F45, RFC 30)."""
    got = stage.play(late_room, transport)
    assert got["drained"] == got["accepted"] + 1
    assert 150 * MS <= got["took_ns"] < 1900 * MS


def no_limits(stage: Stage) -> list[Any]:
    socket = stage.zmq.Context()
    made = socket.socket(stage.zmq.DEALER)
    values = [made.rcvtimeo, made.sndtimeo, made.linger, made.sndhwm, made.rcvhwm, made.sndbuf, made.rcvbuf]
    made.close(0)
    socket.term()
    return values


def test_defaults(stage: Stage) -> None:
    """zmq_setsockopt(3): no limits, LINGER -1, marks 1000, buffers left to the kernel."""
    assert stage.play(no_limits) == [-1, -1, -1, 1000, 1000, -1, -1]


# -- Poller -------------------------------------------------------------------------------------------------------


def poll_directions(stage: Stage, transport: str) -> dict[str, Any]:
    zmq = stage.zmq
    a, b, _ = stage.pair(transport, zmq.PAIR, zmq.PAIR)
    names = {a: "a", b: "b"}

    def polled(flags_a: int, flags_b: int) -> dict[str, int]:
        poller = zmq.Poller()
        poller.register(a, flags_a)
        poller.register(b, flags_b)
        return {names[socket]: int(event) for socket, event in poller.poll(0)}

    idle_in, idle_out = polled(zmq.POLLIN, zmq.POLLIN), polled(zmq.POLLOUT, zmq.POLLOUT)
    a.send(b"to b")
    stage.settle()
    both = zmq.POLLIN | zmq.POLLOUT
    sent_in, sent_both = polled(zmq.POLLIN, zmq.POLLIN), polled(both, both)
    b.recv()
    return {
        "idle_in": idle_in,
        "idle_out": idle_out,
        "sent_in": sent_in,
        "sent_both": sent_both,
        "after": polled(zmq.POLLIN, zmq.POLLIN),
    }


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_poller_in_out_both(stage: Stage, transport: str) -> None:
    """zmq_poll(3): POLLIN 1, POLLOUT 2, several sockets at once."""
    assert stage.play(poll_directions, transport) == {
        "idle_in": {},
        "idle_out": {"a": 2, "b": 2},
        "sent_in": {"b": 1},
        "sent_both": {"a": 2, "b": 3},
        "after": {},
    }


def poll_timeout(stage: Stage, limit_ms: int) -> tuple[list[Any], int]:
    zmq = stage.zmq
    poller = zmq.Poller()
    for _ in range(3):
        pull, _, _ = stage.pair("inproc", zmq.PULL, zmq.PUSH, settle_s=0.0)
        poller.register(pull, zmq.POLLIN)
    began_ns = stage.now_ns()
    events = poller.poll(limit_ms)
    return events, stage.now_ns() - began_ns


@pytest.mark.parametrize("limit_ms", [0, 1, 30, 150])
def test_poller_gives_up_after_its_time(stage: Stage, limit_ms: int) -> None:
    """zmq_poll(3): an empty list after the timeout."""
    events, took_ns = stage.play(poll_timeout, limit_ms)
    assert events == []
    check_duration(stage, took_ns, limit_ms * MS)


def poll_several(stage: Stage, transport: str) -> dict[str, Any]:
    zmq = stage.zmq
    pairs = [stage.pair(transport, zmq.PULL, zmq.PUSH, settle_s=0.05) for _ in range(3)]
    stage.settle()
    pulls, pushes = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    for push in pushes:
        stage.hand_over(push)
    poller = zmq.Poller()
    for pull in pulls:
        poller.register(pull, zmq.POLLIN)

    def send_in_turn() -> None:
        for number in (2, 0, 1):
            stage.sleep(0.1)
            pushes[number].send(b"%d" % number)
        for push in pushes:
            push.close(1000)

    task = stage.spawn(send_in_turn)
    order = []
    for _ in range(3):
        for socket, _event in poller.poll(2000):
            order.append(text(socket.recv()))
    poller.unregister(pulls[0])
    task.join()
    return {"order": order, "left": poller.poll(0), "registered": pulls[0] in poller}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_waiting_poller_wakes_for_any_of_its_sockets(stage: Stage, transport: str) -> None:
    """Any command on any item wakes the call (F55)."""
    assert stage.play(poll_several, transport) == {"order": ["2", "0", "1"], "left": [], "registered": False}


def poll_room(stage: Stage) -> dict[str, Any]:
    zmq = stage.zmq
    pull, push, _ = stage.pair("inproc", zmq.PULL, zmq.PUSH, {"RCVHWM": 2}, {"SNDHWM": 2}, settle_s=0.05)
    before = push.poll(0, zmq.POLLOUT)
    filled = stage.fill(push)
    full = push.poll(0, zmq.POLLOUT)
    pull.recv()
    one_read = push.poll(0, zmq.POLLOUT)
    pull.recv()
    return {
        "before": before,
        "filled": filled,
        "full": full,
        "one_read": one_read,
        "two_read": push.poll(0, zmq.POLLOUT),
    }


def test_pollout_follows_the_credit(stage: Stage) -> None:
    """Not writable when full; writable again after L = 2 of H = 4 were read, not after one (F29, F30)."""
    assert stage.play(poll_room) == {"before": 2, "filled": 4, "full": 0, "one_read": 0, "two_read": 2}


# -- errors -------------------------------------------------------------------------------------------------------


def state_errors(stage: Stage, transport: str) -> dict[str, str]:
    zmq = stage.zmq
    rep, req, _ = stage.pair(transport, zmq.REP, zmq.REQ)
    out = {"req recv first": stage.attempt(req.recv, zmq.DONTWAIT), "rep send first": stage.attempt(rep.send, b"x")}
    out["req send"] = stage.attempt(req.send, b"q")
    out["req send again"] = stage.attempt(req.send, b"q2", zmq.DONTWAIT)
    out["req recv early"] = stage.attempt(req.recv, zmq.DONTWAIT)
    out["rep recv"] = stage.attempt(rep.recv)
    out["rep recv again"] = stage.attempt(rep.recv, zmq.DONTWAIT)
    out["rep send"] = stage.attempt(rep.send, b"a")
    out["req recv"] = stage.attempt(req.recv)
    out["req recv again"] = stage.attempt(req.recv, zmq.DONTWAIT)
    return out


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_request_reply_alternates(stage: Stage, transport: str) -> None:
    """RFC 28: out of turn is EFSM, which is not EAGAIN (F83)."""
    assert stage.play(state_errors, transport) == {
        "req recv first": "EFSM",
        "rep send first": "EFSM",
        "req send": "ok",
        "req send again": "EFSM",
        "req recv early": "EAGAIN",
        "rep recv": "ok",
        "rep recv again": "EFSM",
        "rep send": "ok",
        "req recv": "ok",
        "req recv again": "EFSM",
    }


def error_classes(stage: Stage) -> dict[str, Any]:
    zmq = stage.zmq
    req, push = stage.socket(zmq.REQ), stage.socket(zmq.PUSH)
    out: dict[str, Any] = {}
    for name, call in (
        ("again", lambda: push.send(b"x", zmq.DONTWAIT)),
        ("state", req.recv),
        ("invalid", lambda: push.connect("nonsense")),
    ):
        try:
            call()
        except zmq.ZMQError as error:
            out[name] = [type(error).__name__, isinstance(error, zmq.Again), stage.error_name(error), bool(str(error))]
    return out


def test_classes_of_errors(stage: Stage) -> None:
    """pyzmq: EAGAIN is zmq.Again, every other errno a plain ZMQError."""
    assert stage.play(error_classes) == {
        "again": ["Again", True, "EAGAIN", True],
        "state": ["ZMQError", False, "EFSM", True],
        "invalid": ["ZMQError", False, "EINVAL", True],
    }


def wrong_way(stage: Stage) -> dict[str, str]:
    zmq = stage.zmq
    receivers, senders = ("PULL", "SUB"), ("PUSH", "PUB")
    out = {kind: stage.attempt(stage.socket(getattr(zmq, kind)).send, b"x", zmq.DONTWAIT) for kind in receivers}
    out |= {kind: stage.attempt(stage.socket(getattr(zmq, kind)).recv, zmq.DONTWAIT) for kind in senders}
    return out


def test_one_way_sockets(stage: Stage) -> None:
    """RFC 29, RFC 30: PULL and SUB do not send, PUSH and PUB do not receive."""
    assert stage.play(wrong_way) == dict.fromkeys(("PULL", "SUB", "PUSH", "PUB"), "ENOTSUP")


def after_close(stage: Stage) -> dict[str, Any]:
    zmq = stage.zmq
    pull, push, endpoint = stage.pair("inproc", zmq.PULL, zmq.PUSH, settle_s=0.05)
    push.close()
    push.close()
    out: dict[str, Any] = {
        "send": stage.attempt(push.send, b"x"),
        "connect": stage.attempt(push.connect, endpoint),
        "set": stage.attempt(push.setsockopt, zmq.SNDHWM, 5),
        "get": stage.attempt(push.getsockopt, zmq.SNDHWM),
        "poll": stage.attempt(push.poll, 0),
        "closed": push.closed,
    }
    pull.close()
    out["recv"] = stage.attempt(pull.recv)
    return out


def test_a_closed_socket_is_no_socket(stage: Stage) -> None:
    """zmq_close(3): closing twice is harmless, all else is ENOTSOCK (pyzmq refuses to poll it on its own)."""
    assert stage.play(after_close) == {
        "send": "ENOTSOCK",
        "connect": "ENOTSOCK",
        "set": "ENOTSOCK",
        "get": "ENOTSOCK",
        "poll": "ENOTSUP",
        "closed": True,
        "recv": "ENOTSOCK",
    }


WRONG_VALUES = (
    ("SNDHWM", -1),
    ("RCVHWM", -5),
    ("SNDTIMEO", -2),
    ("RCVTIMEO", -2),
    ("LINGER", -2),
    ("RECONNECT_IVL", -2),
    ("ROUTING_ID", b""),
    ("ROUTING_ID", b"x" * 256),
    ("SUBSCRIBE", b"on a PUSH"),
    ("RCVMORE", 1),
    ("LAST_ENDPOINT", b"x"),
)


def set_wrong(stage: Stage, option: str, value: Any) -> list[Any]:
    zmq = stage.zmq
    push = stage.socket(zmq.PUSH)
    return [stage.attempt(push.setsockopt, getattr(zmq, option), value), push.sndhwm, push.linger]


@pytest.mark.parametrize(("option", "value"), WRONG_VALUES)
def test_a_wrong_value_is_refused(stage: Stage, option: str, value: Any) -> None:
    """zmq_setsockopt(3): EINVAL, and nothing has changed."""
    assert stage.play(set_wrong, option, value) == ["EINVAL", 1000, 0]


def endpoint_errors(stage: Stage) -> dict[str, str]:
    zmq = stage.zmq
    one, other = stage.socket(zmq.PULL), stage.socket(zmq.PULL)
    tcp, inproc = stage.bind(one, "tcp"), stage.bind(one, "inproc")
    return {
        "tcp in use": stage.attempt(other.bind, tcp),
        "inproc in use": stage.attempt(other.bind, inproc),
        "no transport": stage.attempt(other.bind, "127.0.0.1:5555"),
        "unknown transport": stage.attempt(other.bind, "carrier://pigeon"),
        "no port": stage.attempt(other.connect, "tcp://127.0.0.1"),
        "never bound": stage.attempt(other.unbind, tcp),
        "never connected": stage.attempt(other.disconnect, "tcp://127.0.0.1:1"),
    }


def test_wrong_endpoints(stage: Stage) -> None:
    """zmq_bind(3), zmq_connect(3), zmq_unbind(3)."""
    assert stage.play(endpoint_errors) == {
        "tcp in use": "EADDRINUSE",
        "inproc in use": "EADDRINUSE",
        "no transport": "EINVAL",
        "unknown transport": "EPROTONOSUPPORT",
        "no port": "EINVAL",
        "never bound": "ENOENT",
        "never connected": "ENOENT",
    }


def late_reply(stage: Stage, correlate: int) -> list[Any]:
    """A second question overtakes the first; the answer to the first comes late, then that to the second."""
    zmq = stage.zmq
    router, req, _ = stage.pair("tcp", zmq.ROUTER, zmq.REQ, None, {"REQ_RELAXED": 1, "REQ_CORRELATE": correlate})
    req.send(b"one")
    first = router.recv_multipart()
    req.send(b"two")
    second = router.recv_multipart()
    for request, answer in ((first, b"answer one"), (second, b"answer two")):
        router.send_multipart([*request[:-1], answer])
    return [text(first[-1]), text(second[-1]), stage.take(req)]


@pytest.mark.parametrize(("correlate", "answer"), [(0, "answer one"), (1, "answer two")])
def test_a_relaxed_request_may_get_the_late_answer(stage: Stage, correlate: int, answer: str) -> None:
    """Only with REQ_CORRELATE is the late answer dropped (F86)."""
    assert stage.play(late_reply, correlate) == ["one", "two", [answer]]


# -- messages -----------------------------------------------------------------------------------------------------


def whole_messages(stage: Stage, transport: str) -> dict[str, Any]:
    zmq = stage.zmq
    pull, push, _ = stage.pair(transport, zmq.PULL, zmq.PUSH)
    push.send(b"one", zmq.SNDMORE)
    push.send(b"two", zmq.SNDMORE)
    stage.settle()
    unfinished = stage.take(pull, 0.1)
    push.send(b"three")
    first = pull.recv()
    more = [bool(pull.rcvmore)]
    second = pull.recv()
    more.append(bool(pull.getsockopt(zmq.RCVMORE)))
    third = pull.recv()
    more.append(bool(pull.rcvmore))
    push.send_multipart([b"", b"x" * 20_000, b""])
    return {
        "unfinished": unfinished,
        "frames": text([first, second, third]),
        "more": more,
        "sizes": [len(frame) for frame in pull.recv_multipart()],
    }


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_multipart_message_arrives_whole_or_not_at_all(stage: Stage, transport: str) -> None:
    """Nothing is readable before the last frame was sent (F3); RCVMORE says whether more frames follow."""
    assert stage.play(whole_messages, transport) == {
        "unfinished": "EAGAIN",
        "frames": ["one", "two", "three"],
        "more": [True, True, False],
        "sizes": [0, 20_000, 0],
    }


def any_size(stage: Stage, transport: str) -> list[bool]:
    zmq = stage.zmq
    pull, push, _ = stage.pair(transport, zmq.PULL, zmq.PUSH)
    outcome = []
    for size in (0, 1, 255, 256, 8191, 8192, 8193, 100_000, 1_000_000):
        body = (b"%d." % size * (size // 2 + 1))[:size]
        push.send(body)
        outcome.append(pull.recv() == body)
    return outcome


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_any_size_arrives_unchanged(stage: Stage, transport: str) -> None:
    """Around the short frame of 255 bytes, the batch of 8192 and far above (F15, F16, F18)."""
    assert stage.play(any_size, transport) == [True] * 9


def conveniences(stage: Stage) -> dict[str, Any]:
    zmq = stage.zmq
    a, b, _ = stage.pair("tcp", zmq.PAIR, zmq.PAIR)
    a.send_string("grüße")
    a.send_json({"n": 1})
    a.send_pyobj((1, "two"))
    a.send(zmq.Frame(b"frame"), copy=False)
    a.send_multipart([b"x", memoryview(b"y"), bytearray(b"z")])
    out = {"string": b.recv_string(), "json": b.recv_json(), "object": b.recv_pyobj()}
    frame = b.recv(copy=False)
    return {**out, "frame": [bytes(frame), frame.more, len(frame)], "multipart": text(b.recv_multipart())}


def test_conveniences_of_the_front_end(stage: Stage) -> None:
    """pyzmq's own helpers end in the same backend."""
    assert stage.play(conveniences) == {
        "string": "grüße",
        "json": {"n": 1},
        "object": (1, "two"),
        "frame": [b"frame", False, 5],
        "multipart": ["x", "y", "z"],
    }


# -- fairness and rotation ----------------------------------------------------------------------------------------


def fair_queueing(stage: Stage, transport: str, kind: str, senders: int) -> list[str]:
    zmq = stage.zmq
    receiver_kind, sender_kind = {"PULL": ("PULL", "PUSH"), "DEALER": ("DEALER", "DEALER"), "SUB": ("SUB", "PUB")}[kind]
    receiver = stage.socket(getattr(zmq, receiver_kind))
    if kind == "SUB":
        receiver.subscribe(b"")
    endpoint = stage.bind(receiver, transport)
    peers = []
    for _ in range(senders):
        peers.append(stage.socket(getattr(zmq, sender_kind)))
        peers[-1].connect(endpoint)
        stage.settle(0.05)
    stage.settle()
    for name, peer in zip("abcde", peers, strict=False):
        for number in range(6):
            peer.send(b"%s%d" % (name.encode(), number))
    stage.sleep(0.3)
    return [text(message[0]) for message in stage.drain(receiver)]


@pytest.mark.parametrize("kind", ["PULL", "DEALER", "SUB"])
@pytest.mark.parametrize("transport", ["inproc", "tcp"])
@pytest.mark.parametrize("senders", [1, 3])
def test_backlogged_senders_take_turns(stage: Stage, transport: str, kind: str, senders: int) -> None:
    """RFC 28-30 'fair-queuing': while all have something, one message of each in every round (F77)."""
    got = stage.play(fair_queueing, transport, kind, senders)
    names = "abc"[:senders]
    assert sorted(got) == [f"{name}{number}" for name in names for number in range(6)]
    rounds = [got[at : at + senders] for at in range(0, len(got), senders)]
    # The receiver learns of its peers one after the other, so a sender may have started a round earlier.
    full = [{one[0] for one in turn} for turn in rounds[1:-1]]
    assert full == [set(names)] * 4
    for name in names:
        assert [one for one in got if one[0] == name] == [f"{name}{number}" for number in range(6)]


def round_robin(stage: Stage, transport: str, kind: str, peers: int) -> list[list[str]]:
    zmq = stage.zmq
    sender = stage.socket(getattr(zmq, kind))
    endpoint = stage.bind(sender, transport)
    receivers = []
    for _ in range(peers):
        receivers.append(stage.socket(zmq.PULL if kind == "PUSH" else zmq.DEALER))
        receivers[-1].connect(endpoint)
        stage.settle(0.05)
    stage.settle()
    for number in range(4 * peers):
        sender.send_multipart([b"%d" % number, b"more"])
    return [[text(message[0]) for message in stage.drain(receiver)] for receiver in receivers]


@pytest.mark.parametrize("kind", ["PUSH", "DEALER"])
@pytest.mark.parametrize("transport", ["inproc", "tcp"])
@pytest.mark.parametrize("peers", [1, 3])
def test_messages_are_dealt_out_in_turn(stage: Stage, transport: str, kind: str, peers: int) -> None:
    """RFC 28, RFC 30 'round-robin': whole messages, in the order in which the peers came (F73)."""
    got = stage.play(round_robin, transport, kind, peers)
    assert got == [[str(number) for number in range(first, 4 * peers, peers)] for first in range(peers)]


def skips_the_full_one(stage: Stage) -> list[int]:
    zmq = stage.zmq
    push = stage.socket(zmq.PUSH, SNDHWM=1)
    endpoint = stage.bind(push, "inproc")
    small, big = stage.socket(zmq.PULL, RCVHWM=1), stage.socket(zmq.PULL, RCVHWM=9)
    small.connect(endpoint)
    big.connect(endpoint)
    stage.settle(0.1)
    return [stage.fill(push), len(stage.drain(small)), len(stage.drain(big))]


def test_a_full_peer_is_skipped(stage: Stage) -> None:
    """The rotation goes on with the others until all are full (F6, F73)."""
    assert stage.play(skips_the_full_one) == [12, 2, 10]


# -- subscriptions ------------------------------------------------------------------------------------------------


def one_full_subscriber(stage: Stage) -> dict[str, Any]:
    zmq = stage.zmq
    pub = stage.socket(zmq.PUB, SNDHWM=3)
    endpoint = stage.bind(pub, "inproc")
    slow, fast = stage.socket(zmq.SUB, RCVHWM=2, SUBSCRIBE=b""), stage.socket(zmq.SUB, RCVHWM=0, SUBSCRIBE=b"")
    picky = stage.socket(zmq.SUB, SUBSCRIBE=b"1")
    for subscriber in (slow, fast, picky):
        subscriber.connect(endpoint)
    stage.settle(0.1)
    for number in range(20):
        pub.send(b"%d" % number)
    return {
        name: [int(message[0]) for message in stage.drain(subscriber)]
        for name, subscriber in (("slow", slow), ("fast", fast), ("picky", picky))
    }


def test_a_full_subscriber_does_not_hurt_the_others(stage: Stage) -> None:
    """Each pipe gets or loses each message on its own; what does not match costs no mark (F6, F62, F63, F101)."""
    got = stage.play(one_full_subscriber)
    assert got == {"slow": [0, 1, 2, 3, 4], "fast": list(range(20)), "picky": [1, *range(10, 20)]}


def late_joiner(stage: Stage, transport: str) -> list[int]:
    zmq = stage.zmq
    pub = stage.socket(zmq.PUB)
    endpoint = stage.bind(pub, transport)
    for number in range(5):
        pub.send(b"%d" % number)
    sub = stage.socket(zmq.SUB, SUBSCRIBE=b"")
    sub.connect(endpoint)
    stage.settle()
    for number in range(5, 10):
        pub.send(b"%d" % number)
    sub.unsubscribe(b"")
    stage.settle()
    pub.send(b"10")
    return [int(message[0]) for message in stage.drain(sub)]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_subscriber_gets_what_is_published_while_it_is_subscribed(stage: Stage, transport: str) -> None:
    """RFC 29: no history for a late joiner (F65); after unsubscribe what is under way is filtered (F79, F111).

    A settle polls the SUB, which may take one message out in advance: that one is still delivered.
    """
    got = stage.play(late_joiner, transport)
    assert got in ([], [5])


# -- small options ------------------------------------------------------------------------------------------------


def event_flags(stage: Stage, transport: str) -> list[int]:
    zmq = stage.zmq
    a, b, _ = stage.pair(transport, zmq.DEALER, zmq.DEALER)
    seen = [a.getsockopt(zmq.EVENTS), b.events]
    a.send(b"x")
    stage.settle()
    seen.append(b.getsockopt(zmq.EVENTS))
    b.recv()
    seen.append(b.getsockopt(zmq.EVENTS))
    seen.append(stage.socket(zmq.DEALER).getsockopt(zmq.EVENTS))
    return [int(flags) for flags in seen]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_events(stage: Stage, transport: str) -> None:
    """zmq_getsockopt(3) ZMQ_EVENTS: 1 readable, 2 writable, 0 for a socket without any peer."""
    assert stage.play(event_flags, transport) == [2, 2, 3, 2, 0]


def addresses(stage: Stage) -> dict[str, Any]:
    zmq = stage.zmq
    socket = stage.socket(zmq.ROUTER)
    empty = socket.getsockopt(zmq.LAST_ENDPOINT)
    tcp = stage.bind(socket, "tcp")
    again = stage.last_endpoint(socket)
    inproc = stage.bind(socket, "inproc")
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    return {
        "before": text(empty.rstrip(b"\0")),
        "tcp": tcp == again and tcp.startswith("tcp://127.0.0.1:") and int(tcp.rsplit(":", 1)[1]) > 0,
        "inproc": inproc.startswith("inproc://"),
        "random": stage.last_endpoint(socket) == f"tcp://127.0.0.1:{port}",
        "kind": int(socket.getsockopt(zmq.TYPE)),
    }


def test_last_endpoint_and_type(stage: Stage) -> None:
    """zmq_getsockopt(3): the address really bound, wildcards resolved."""
    assert stage.play(addresses) == {"before": "", "tcp": True, "inproc": True, "random": True, "kind": 6}


def read_only_values(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    socket = stage.socket(zmq.DEALER, ROUTING_ID=b"me", SNDHWM=7, RCVHWM=8, LINGER=9, SNDTIMEO=10, RCVTIMEO=11)
    socket.hwm = 12
    return [socket.routing_id, socket.sndhwm, socket.rcvhwm, socket.linger, socket.sndtimeo, socket.rcvtimeo]


def test_options_read_back(stage: Stage) -> None:
    """zmq_setsockopt(3): what was set is what is read; pyzmq's ``hwm`` sets both marks."""
    assert stage.play(read_only_values) == [b"me", 12, 12, 9, 10, 11]


def linger_delivers(stage: Stage, linger_ms: int) -> int:
    zmq = stage.zmq
    pull, push, _ = stage.pair("tcp", zmq.PULL, zmq.PUSH)
    for number in range(50):
        push.send(b"%d" % number)
    push.close(linger_ms)
    return len(stage.drain(pull, 0.4))


@pytest.mark.parametrize("linger_ms", [-1, 2000])
def test_closing_with_linger_delivers_what_was_sent(stage: Stage, linger_ms: int) -> None:
    """zmq_setsockopt(3) ZMQ_LINGER: messages go on being sent after close; the reader empties its queue (F166)."""
    assert stage.play(linger_delivers, linger_ms) == 50


def peer_leaves(stage: Stage, transport: str) -> dict[str, Any]:
    zmq = stage.zmq
    push, first, endpoint = stage.pair(transport, zmq.PUSH, zmq.PULL)
    push.send(b"a")
    got = [stage.take(first)]
    first.close(0)
    stage.settle()
    alone = stage.offer(push, "b")
    second = stage.socket(zmq.PULL)
    second.connect(endpoint)
    stage.settle()
    back = stage.offer(push, "c")
    got.append(stage.take(second))
    return {"got": got, "alone": alone, "back": back}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_bound_socket_forgets_a_peer_that_closed(stage: Stage, transport: str) -> None:
    """The binder's pipe goes with the peer; a new peer is served at once (F138, F140)."""
    assert stage.play(peer_leaves, transport) == {"got": [["a"], ["c"]], "alone": "EAGAIN", "back": "ok"}
