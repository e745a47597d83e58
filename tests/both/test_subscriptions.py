"""Options of publishers and subscribers: what the application of an XPUB hears, and who gets what."""

from __future__ import annotations

from typing import Any

import pytest

from .stage import Stage, text

pytestmark = pytest.mark.timeout(60)


def notices(stage: Stage, xpub: Any) -> list[str]:
    """All notices that wait, in order."""
    return [text(message[0]) for message in stage.drain(xpub, 0.05)]


def a_subscriber_leaves(stage: Stage, option: str | None) -> list[str]:
    zmq = stage.zmq
    xpub = stage.socket(zmq.XPUB, **({option: 1} if option else {}))
    endpoint = stage.bind(xpub, "inproc")
    stays, leaves = stage.socket(zmq.SUB), stage.socket(zmq.SUB)
    for sub, topics in ((stays, b"B"), (leaves, b"CABa")):
        sub.connect(endpoint)
        for topic in topics:
            sub.subscribe(bytes([topic]))
    notices(stage, xpub)
    leaves.close()
    stage.settle(0.05)
    return notices(stage, xpub)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (None, ["\\x00A", "\\x00C", "\\x00a"]),
        ("XPUB_VERBOSE", ["\\x00A", "\\x00C", "\\x00a"]),
        ("XPUB_VERBOSER", ["\\x00A", "\\x00B", "\\x00C", "\\x00a"]),
        ("XPUB_MANUAL", ["\\x00A", "\\x00B", "\\x00C", "\\x00a"]),
    ],
)
def test_a_subscriber_that_leaves_takes_its_topics_along(stage: Stage, option: str | None, expected: list[str]) -> None:
    """In byte order; those that others want too only when VERBOSER or MANUAL (F106)."""
    assert stage.play(a_subscriber_leaves, option) == expected


def verbose_takes_back_verboser(stage: Stage) -> list[str]:
    zmq = stage.zmq
    xpub = stage.socket(zmq.XPUB, XPUB_VERBOSER=1)
    xpub.setsockopt(zmq.XPUB_VERBOSE, 1)
    endpoint = stage.bind(xpub, "inproc")
    subs = [stage.socket(zmq.SUB, SUBSCRIBE=b"A") for _ in range(2)]
    for sub in subs:
        sub.connect(endpoint)
    heard = notices(stage, xpub)
    subs[0].unsubscribe(b"A")
    return heard + notices(stage, xpub)


def test_verbose_after_verboser(stage: Stage) -> None:
    """VERBOSE sets both switches: subscriptions yes, their ends no (F106)."""
    assert stage.play(verbose_takes_back_verboser) == ["\\x01A", "\\x01A"]


def manual_by_many(stage: Stage) -> dict[str, Any]:
    zmq = stage.zmq
    xpub = stage.socket(zmq.XPUB, XPUB_MANUAL=1)
    endpoint = stage.bind(xpub, "inproc")
    subs = [stage.socket(zmq.XSUB) for _ in range(3)]
    for number, sub in enumerate(subs):
        sub.connect(endpoint)
        sub.send(b"\x01%d" % number)
    stage.settle(0.05)
    xpub.setsockopt(zmq.SUBSCRIBE, b"nobody read a notice yet")
    heard = []
    for decided in (b"A", None, b"B"):
        heard.append(text(xpub.recv()))
        if decided is not None:
            xpub.setsockopt(zmq.SUBSCRIBE, decided)
    xpub.setsockopt(zmq.SUBSCRIBE, b"C")
    xpub.setsockopt(zmq.UNSUBSCRIBE, b"B")
    for topic in (b"A", b"B", b"C", b"1"):
        xpub.send(topic)
    got = [text([frames[0] for frames in stage.drain(sub, 0.05)]) for sub in subs]
    return {"heard": heard, "got": got, "topics": xpub.getsockopt(zmq.TOPICS_COUNT)}


def test_manual_decides_for_the_peer_of_the_last_notice(stage: Stage) -> None:
    """Whatever was asked for, only what the application says counts (F106)."""
    assert stage.play(manual_by_many) == {
        "heard": ["\\x010", "\\x011", "\\x012"],
        "got": [["A"], [], ["C"]],
        "topics": 2,
    }


def manual_for_a_peer_that_left(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    xpub = stage.socket(zmq.XPUB, XPUB_MANUAL=1)
    endpoint = stage.bind(xpub, "inproc")
    sub = stage.socket(zmq.XSUB)
    sub.connect(endpoint)
    sub.send(b"\x01A")
    stage.settle(0.05)
    sub.close()
    stage.settle(0.2)
    heard = text(xpub.recv())
    decided = stage.attempt(xpub.setsockopt, zmq.SUBSCRIBE, b"A")
    return [heard, decided, xpub.getsockopt(zmq.TOPICS_COUNT), notices(stage, xpub)]


def test_manual_cannot_decide_for_who_has_left(stage: Stage) -> None:
    """The notice is still there; subscribing does nothing (F106)."""
    assert stage.play(manual_for_a_peer_that_left) == ["\\x01A", "ok", 0, ["\\x00A"]]


def last_value_to_newcomers(stage: Stage) -> list[list[str]]:
    zmq = stage.zmq
    xpub = stage.socket(zmq.XPUB, XPUB_MANUAL_LAST_VALUE=1)
    endpoint = stage.bind(xpub)
    subs = []
    for number in range(3):
        sub = stage.socket(zmq.SUB)
        sub.connect(endpoint)
        sub.subscribe(b"T")
        stage.take(xpub)
        xpub.setsockopt(zmq.SUBSCRIBE, b"T")
        for kind in (b"T snapshot ", b"T update "):
            xpub.send(kind + str(number).encode())
        subs.append(sub)
    return [[text(frames[0]) for frames in stage.drain(sub)] for sub in subs]


def test_last_value_goes_to_the_newcomer_alone(stage: Stage) -> None:
    """XPUB_MANUAL_LAST_VALUE: the first message after a decision, and only that one."""
    assert stage.play(last_value_to_newcomers) == [
        ["T snapshot 0", "T update 0", "T update 1", "T update 2"],
        ["T snapshot 1", "T update 1", "T update 2"],
        ["T snapshot 2", "T update 2"],
    ]


def welcomed(stage: Stage, transport: str) -> dict[str, Any]:
    zmq = stage.zmq
    pub = stage.socket(zmq.PUB, XPUB_WELCOME_MSG=b"hello")
    endpoint = stage.bind(pub, transport)
    subs = {name: stage.socket(zmq.SUB, SUBSCRIBE=name) for name in (b"", b"he", b"x")}
    for sub in subs.values():
        sub.connect(endpoint)
    stage.settle()
    pub.send(b"x")
    got = {text(name): text([m[0] for m in stage.drain(sub, 0.1)]) for name, sub in subs.items()}
    pub.setsockopt(zmq.XPUB_WELCOME_MSG, b"")
    late = stage.socket(zmq.SUB, SUBSCRIBE=b"")
    late.connect(endpoint)
    stage.settle()
    return {"got": got, "after it was taken back": stage.take(late, 0.1)}


@pytest.mark.parametrize("transport", ["tcp", "inproc"])
def test_welcome(stage: Stage, transport: str) -> None:
    """Sent before any subscription is known; the subscriber's own filter decides (F107)."""
    assert stage.play(welcomed, transport) == {
        "got": {"": ["hello", "x"], "he": ["hello"], "x": ["x"]},
        "after it was taken back": "EAGAIN",
    }


def inverted_on(stage: Stage, transport: str, pub_side: int, sub_side: int) -> list[str]:
    zmq = stage.zmq
    pub = stage.socket(zmq.PUB, INVERT_MATCHING=pub_side)
    sub = stage.socket(zmq.SUB, SUBSCRIBE=b"A", INVERT_MATCHING=sub_side)
    sub.connect(stage.bind(pub, transport))
    stage.settle()
    for topic in (b"A", b"AB", b"B", b"C"):
        pub.send_multipart([topic, b"body"])
    return [text(frames[0]) for frames in stage.drain(sub, 0.1)]


@pytest.mark.parametrize("transport", ["tcp", "inproc"])
@pytest.mark.parametrize(
    ("sides", "expected"),
    [((0, 0), ["A", "AB"]), ((1, 1), ["B", "C"]), ((1, 0), []), ((0, 1), [])],
)
def test_inverted_matching_belongs_on_both_sides(
    stage: Stage, transport: str, sides: tuple[int, int], expected: list[str]
) -> None:
    """On one side alone both filters must agree, which nothing satisfies (F108)."""
    assert stage.play(inverted_on, transport, *sides) == expected


def frames_from_upstream(stage: Stage, first_only: bool) -> list[Any]:
    zmq = stage.zmq
    options = {"ONLY_FIRST_SUBSCRIBE": 1} if first_only else {}
    xpub, xsub, _ = stage.pair("tcp", zmq.XPUB, zmq.XSUB, options, options)
    xsub.send_multipart([b"user", b"\x01A"])
    xsub.send_multipart([b"\x01B", b"\x01C"])
    xsub.send_multipart([b"plain", b"more"])
    xsub.send(b"")
    heard = [text(frames) for frames in stage.drain(xpub)]
    return [heard, xpub.getsockopt(zmq.TOPICS_COUNT), xsub.getsockopt(zmq.TOPICS_COUNT)]


@pytest.mark.parametrize(
    ("first_only", "expected"),
    [
        (False, [[["user", "\\x01A"], ["\\x01B"], ["\\x01C"], ["plain", "more"], [""]], 3, 3]),
        (True, [[["user", "\\x01A"], ["\\x01B"], ["\\x01C"], ["plain", "more"], [""]], 2, 2]),
    ],
)
def test_messages_from_upstream(stage: Stage, first_only: bool, expected: list[Any]) -> None:
    """Any frame that begins with 1 subscribes, unless only those of a message that begins with one may (F112)."""
    assert stage.play(frames_from_upstream, first_only) == expected


def nodrop_waits(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    xpub = stage.socket(zmq.XPUB, XPUB_NODROP=1, SNDHWM=1)
    endpoint = stage.bind(xpub, "inproc")
    slow, fast = (stage.socket(zmq.SUB, RCVHWM=1, SUBSCRIBE=b"") for _ in range(2))
    slow.connect(endpoint)
    fast.connect(endpoint)
    stage.settle(0.05)
    sent = [stage.offer(xpub, str(number)) for number in range(4)]
    out = bool(xpub.getsockopt(zmq.EVENTS) & zmq.POLLOUT)
    stage.hand_over(slow)

    def read() -> None:
        stage.sleep(0.2)
        slow.recv()
        stage.sleep(0.3)
        slow.close(0)

    task = stage.spawn(read)
    began_ns = stage.now_ns()
    stage.drain(fast, 0.01)
    waited = stage.attempt(xpub.send, b"waits")
    waited_ms = (stage.now_ns() - began_ns) // 1_000_000
    got = text(stage.drain(fast, 0.05))
    task.join()
    return [sent, out, waited, waited_ms > 100, got]


def test_nodrop_waits_for_the_slowest(stage: Stage) -> None:
    """All or nobody; POLLOUT says yes all the same (F66, F67)."""
    assert stage.play(nodrop_waits) == [["ok", "ok", "EAGAIN", "EAGAIN"], True, "ok", True, [["waits"]]]
