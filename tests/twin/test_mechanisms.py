"""The exchanges of the security mechanisms: who speaks when, and how many bytes (F179, F180; RFC 23, 24, 26)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.twin.errors import ProtocolError
from harness.twin.handshake import Handshake
from harness.twin.keys import KeySequence, public_of, z85_decode, z85_encode
from harness.twin.msg import CANCEL, COMMAND, SUBSCRIBE, Msg
from harness.twin.observer import Observer
from harness.twin.security import CURVE, NULL, PLAIN, Security

SECRET = bytes(range(32))


class Unasked:
    """A way to a ZAP handler that admits everybody, or to none."""

    def __init__(self, present: bool) -> None:
        self.present = present
        self._answer: list[Msg | None] = []

    def open(self) -> bool:
        return self.present

    def send(self, _frames: list[bytes]) -> None:
        frames = [b"", b"1.0", b"1", b"200", b"", b"me", b""]
        self._answer = [None, *(Msg(frame, more=index < 6) for index, frame in enumerate(frames))]

    def read(self) -> Msg | None:
        return self._answer.pop(0) if self._answer else None  # None: not yet


def end(kind: str, security: Security, events: list[Any], handler: bool = True) -> Handshake:
    """One end of a connection, without anything below it."""
    world = SimpleNamespace(session_keys=KeySequence(0, kind))
    session = SimpleNamespace(
        socket=SimpleNamespace(type_name=kind, receives_routing_id=False, kernel=SimpleNamespace(world=world)),
        options=SimpleNamespace(routing_id=b"", security=security),
        event=lambda name, value=0: events.append((name, value)),
        zap=Unasked(handler),
        peer_address="127.0.0.1",
        observer=Observer(),
        io=SimpleNamespace(kernel=SimpleNamespace(lag_ns=0)),
    )
    return Handshake(session)  # type: ignore[arg-type]


def talk(one: Handshake, other: Handshake) -> list[tuple[str, str, int]]:
    """Who says what, in bytes on the wire, until both are ready: ("binder", "HELLO", 12)."""
    said = []
    for _ in range(20):
        for name, speaker, listener in (("connecter", one, other), ("binder", other, one)):
            msg = speaker.next()
            while msg is not None:
                body = msg.data
                word = body[1 : 1 + body[0]].decode() if msg.kind == COMMAND else "greeting"
                said.append((name, word, msg.wire_bytes()))
                listener.process(msg)
                if listener.mechanism is not None:
                    listener.mechanism.zap_answered()
                msg = speaker.next()
    return said


CONNECTER = {
    "null": Security(),
    "plain": Security(PLAIN, plain_username=b"a", plain_password=b"b"),
    "curve": Security(
        CURVE,
        curve_serverkey=public_of(SECRET),
        curve_secretkey=SECRET[::-1],
        curve_publickey=public_of(SECRET[::-1]),
    ),
}
BINDER = {
    "null": Security(NULL),
    "plain": Security(PLAIN, as_server=True),
    "curve": Security(CURVE, as_server=True, curve_secretkey=SECRET),
}
COMMANDS = {
    "null": [("connecter", "READY", 28), ("binder", "READY", 28)],
    "plain": [
        ("connecter", "HELLO", 12),
        ("binder", "WELCOME", 10),
        ("connecter", "INITIATE", 31),
        ("binder", "READY", 28),
    ],
    "curve": [
        ("connecter", "HELLO", 202),
        ("binder", "WELCOME", 170),
        ("connecter", "INITIATE", 286),
        ("binder", "READY", 52),
    ],
}


@pytest.mark.parametrize("name", ["null", "plain", "curve"])
def test_rounds_and_sizes(name: str) -> None:
    events: list[Any] = []
    connecter, binder = end("PUSH", CONNECTER[name], events), end("PULL", BINDER[name], events)
    said = talk(connecter, binder)
    for side in ("connecter", "binder"):
        assert [size for who, word, size in said if (who, word) == (side, "greeting")] == [10, 1, 53]
    commands = [words for words in said if words[1] != "greeting"]
    if name == "null":
        commands.sort(reverse=True)  # neither waits for the other
    assert commands == COMMANDS[name]
    assert connecter.ready
    assert binder.ready
    assert events == []
    assert binder.mechanism is not None
    assert binder.mechanism.properties == {"Socket-Type": b"PUSH"}
    assert binder.mechanism.user_id == (b"" if name == "null" else b"me")


def test_an_encrypted_frame_is_longer() -> None:
    events: list[Any] = []
    connecter, binder = end("PUSH", CONNECTER["curve"], events), end("PULL", BINDER["curve"], events)
    talk(connecter, binder)
    assert connecter.mechanism is not None
    size = connecter.mechanism.wire_bytes
    assert size(Msg(bytes(10))) == 10 + 33 + 2
    assert size(Msg(bytes(222))) == 222 + 33 + 2
    assert size(Msg(bytes(223))) == 223 + 33 + 9
    assert size(Msg(b"topic", kind=SUBSCRIBE)) == 5 + 10 + 33 + 2
    assert size(Msg(b"topic", kind=CANCEL)) == 5 + 7 + 33 + 2


def test_a_key_exchange_takes_computing() -> None:
    """Ten secrets agreed upon, two key pairs: half a millisecond; a frame costs by its length."""
    events: list[Any] = []
    ends = end("PUSH", CONNECTER["curve"], events), end("PULL", BINDER["curve"], events)
    talk(*ends)
    spent = [one.mechanism.session.io.kernel.lag_ns for one in ends if one.mechanism is not None]
    assert spent == [5 * 52_000 + 15_000] * 2
    assert ends[0].mechanism is not None
    plain = SimpleNamespace(encode=lambda _: 100, decode=lambda _: 200)
    costs = ends[0].mechanism.frame_costs(plain)
    assert (costs.encode(10), costs.decode(10_000)) == (100 + 300 + 6, 200 + 300 + 6000)


@pytest.mark.parametrize(
    ("name", "command", "error"),
    [
        ("null", b"\5HELLO", 0x10000001),
        ("null", b"\5ERROR\x04400", 0x10000015),
        ("plain", b"\5HELLO", 0x10000013),
        ("plain", b"\5HELLO\1a\1bc", 0x10000013),
        ("plain", b"\5HELLX\1a\1b", 0x10000001),
        ("plain", b"\x20HELLO", 0x10000011),
        ("curve", b"\5HELLO" + bytes(193), 0x10000013),
        ("curve", b"\5HELLO" + bytes(194), 0x10000013),
        ("curve", b"\5HELLO\1\0" + bytes(192), 0x11000001),
        ("curve", b"\x08INITIATE", 0x10000001),
    ],
)
def test_what_a_stranger_gets_wrong(name: str, command: bytes, error: int) -> None:
    events: list[Any] = []
    connecter, binder = end("PUSH", CONNECTER[name], events), end("PULL", BINDER[name], events)
    while binder.mechanism is None:
        for speaker, listener in ((connecter, binder), (binder, connecter)):
            msg = speaker.next()
            assert msg is not None
            listener.process(msg)
    with pytest.raises(ProtocolError):
        binder.process(Msg(command, kind=COMMAND))
    assert events == [("handshake_failed_protocol", error)]


def test_public_keys_are_those_of_the_curve() -> None:
    """RFC 7748, 6.1 (Bob's); zmq_curve_keypair(3) for the text form."""
    secret = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    assert public_of(secret).hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    assert z85_decode(z85_encode(secret)) == secret
    assert z85_decode(b"#####") is None
    assert z85_decode(b"0000") is None
