"""What the security mechanisms of ZMTP share: their state, metadata on the wire, and how they fail.

A mechanism is asked for its next command whenever the engine can write, and is given each command of
the peer (F179). Commands are real bytes, so that their sizes (F180) and what is wrong with a malformed
one come out by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from harness.twin.errors import ProtocolError
from harness.twin.msg import Msg

if TYPE_CHECKING:
    from harness.twin.session import Session

# The states of a mechanism.
HANDSHAKING: Final = 0
READY: Final = 1
FAILED: Final = 2

# Values of HANDSHAKE_FAILED_PROTOCOL, as in zmq.h.
UNSPECIFIED: Final = 0x10000000
UNEXPECTED_COMMAND: Final = 0x10000001
KEY_EXCHANGE: Final = 0x10000003
MALFORMED_COMMAND: Final = 0x10000011
MALFORMED_HELLO: Final = 0x10000013
MALFORMED_INITIATE: Final = 0x10000014
MALFORMED_ERROR: Final = 0x10000015
MALFORMED_READY: Final = 0x10000016
MALFORMED_WELCOME: Final = 0x10000017
INVALID_METADATA: Final = 0x10000018
CRYPTOGRAPHIC: Final = 0x11000001
MECHANISM_MISMATCH: Final = 0x11000002

READY_NAME: Final = b"\5READY"
ERROR_NAME: Final = b"\5ERROR"

SOCKET_TYPE: Final = "Socket-Type"
IDENTITY: Final = "Identity"

COMPATIBLE: Final = {
    "PUB": (b"SUB", b"XSUB"),
    "XPUB": (b"SUB", b"XSUB"),
    "SUB": (b"PUB", b"XPUB"),
    "XSUB": (b"PUB", b"XPUB"),
    "PUSH": (b"PULL",),
    "PULL": (b"PUSH",),
    "REQ": (b"REP", b"ROUTER"),
    "REP": (b"REQ", b"DEALER"),
    "DEALER": (b"REP", b"DEALER", b"ROUTER"),
    "ROUTER": (b"REQ", b"DEALER", b"ROUTER"),
    "PAIR": (b"PAIR",),
}
"""Which socket types may talk (F184; RFC 28-31)."""

_WITH_IDENTITY: Final = ("REQ", "DEALER", "ROUTER")
_LENGTH_BYTES: Final = 4


def encode_property(name: str, value: bytes) -> bytes:
    """One property as ZMTP and ZAP write it."""
    return bytes([len(name)]) + name.encode() + len(value).to_bytes(_LENGTH_BYTES, "big") + value


def decode_properties(data: bytes) -> list[tuple[str, bytes]] | None:
    """All properties in order; None when the last one is cut off."""
    properties = []
    at, end = 0, len(data)
    while end - at > 1:
        value_at = at + 1 + data[at] + _LENGTH_BYTES
        value_end = value_at + int.from_bytes(data[value_at - _LENGTH_BYTES : value_at], "big")
        if value_at > end or value_end > end:
            return None
        properties.append((data[at + 1 : value_at - _LENGTH_BYTES].decode("latin-1"), data[value_at:value_end]))
        at = value_end
    return properties if at == end else None


def error_command(status: bytes) -> bytes:
    """ERROR with a status of the ZAP handler."""
    return ERROR_NAME + bytes([len(status)]) + status


class FrameCosts(Protocol):
    """What a frame of so many bytes on the wire costs its I/O thread, in ns."""

    @property
    def encode(self) -> Callable[[int], int]:
        """Into a batch."""

    @property
    def decode(self) -> Callable[[int], int]:
        """Out of what was read."""


class Mechanism:
    """One end's part in the exchange; a mechanism is a subclass.

    Attributes:
        state: HANDSHAKING, READY or FAILED.
        routing_id: the identity that the peer has told.
        properties, zap_properties: what the peer has told of itself, and the ZAP handler of it.
        user_id: whom the ZAP handler takes the peer for.
        wire_bytes: bytes that a frame takes on the wire once the handshake is done, where that is more than
            the frame itself (F180).
    """

    __slots__ = ("properties", "routing_id", "session", "state", "user_id", "wire_bytes", "zap_properties")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.state = HANDSHAKING
        self.routing_id = b""
        self.properties: dict[str, bytes] = {}
        self.zap_properties: dict[str, bytes] = {}
        self.user_id = b""
        self.wire_bytes: Callable[[Msg], int] | None = None

    # -- what a mechanism defines ----------------------------------------------------------------

    def next_command(self) -> bytes | None:
        """The next command to send, None when it is the peer's turn."""
        raise NotImplementedError

    def process_command(self, body: bytes) -> None:
        """The peer's command. Raises ProtocolError when the connection has to be given up."""
        raise NotImplementedError

    def zap_answered(self) -> None:
        """There is something in the pipe from the ZAP handler. Raises ProtocolError."""

    def frame_costs(self, costs: FrameCosts) -> FrameCosts:
        """What a frame costs once the handshake is done, given what it costs as it is."""
        return costs

    # -- shared ----------------------------------------------------------------------------------

    def fail(self, error: int) -> NoReturn:
        """The peer broke the rules: say so to the monitor and give the connection up (F133)."""
        self.session.event("handshake_failed_protocol", error)
        raise ProtocolError

    def spend(self, duration_ns: int) -> None:
        """Computing that holds up the whole I/O thread (F198)."""
        self.session.io.kernel.lag_ns += duration_ns

    def own_properties(self) -> bytes:
        """What this end tells of itself."""
        session = self.session
        kind = session.socket.type_name
        told = encode_property(SOCKET_TYPE, kind.encode())
        if kind in _WITH_IDENTITY:
            told += encode_property(IDENTITY, session.options.routing_id)
        return told + b"".join(encode_property(*told_too) for told_too in session.options.security.metadata)

    def all_properties(self) -> dict[str, str]:
        """What frames tell of the connection; where two say something, the first one counts."""
        own = {"Peer-Address": self.session.peer_address, "__fd": str(self.session.fd)}
        told = {**self.properties, **self.zap_properties}
        return {**{name: value.decode("utf-8", "replace") for name, value in told.items()}, **own}

    def take_properties(self, data: bytes) -> bool:
        """What the peer tells of itself; False when it is malformed or of a type that does not fit."""
        properties = decode_properties(data)
        if properties is None:
            return False
        for name, value in properties:
            if name == IDENTITY and self.session.socket.receives_routing_id:
                self.routing_id = value
            elif name == SOCKET_TYPE and value not in COMPATIBLE[self.session.socket.type_name]:
                return False
            self.properties.setdefault(name, value)
        return True

    def take_error(self, body: bytes) -> None:
        """The peer's ERROR: a status of its ZAP handler is an authentication failure. Raises ProtocolError."""
        size = body[len(ERROR_NAME) : len(ERROR_NAME) + 1]
        reason = body[len(ERROR_NAME) + 1 :]
        if not size or size[0] > len(reason):
            self.fail(MALFORMED_ERROR)
        reason = reason[: size[0]]
        if reason in (b"300", b"400", b"500"):
            self.session.event("handshake_failed_auth", int(reason))
