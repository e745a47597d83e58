"""CURVE: the rounds, sizes and refusals of CurveZMQ, without its secrecy (F179, F180; RFC 26).

A box is a tag, made of the two keys that would have sealed it, in front of the plain text; it opens for
whoever makes the same tag. So what fails with the real library fails here, in the same place: a wrong
server key at HELLO, a public key that does not belong to the secret one at INITIATE.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from harness.twin.errors import ProtocolError
from harness.twin.keys import KEY_BYTES, public_of
from harness.twin.mechanism import (
    CRYPTOGRAPHIC,
    INVALID_METADATA,
    KEY_EXCHANGE,
    MALFORMED_HELLO,
    MALFORMED_INITIATE,
    MALFORMED_READY,
    READY_NAME,
    FrameCosts,
)
from harness.twin.mechanism_plain import HELLO_NAME, INITIATE_NAME, WELCOME_NAME, ClientSteps, ServerSteps
from harness.twin.msg import CANCEL, SUBSCRIBE, Msg

if TYPE_CHECKING:
    from harness.twin.session import Session

_TAG_BYTES: Final = 16
_VERSION: Final = b"\1\0"
_NONCE: Final = bytes(8)
_LONG_NONCE: Final = bytes(16)
_HELLO_BYTES: Final = 200
_HELLO_KEY_AT: Final = 80
_HELLO_BOX_AT: Final = 120
_WELCOME_BOX_AT: Final = 24
_COOKIE_BYTES: Final = 96  # its nonce included
_INITIATE_BOX_AT: Final = 113
_LEAST_INITIATE_BYTES: Final = 257
_LEAST_READY_BYTES: Final = 30
_READY_BOX_AT: Final = 14
_VOUCH_BYTES: Final = 80
_NO_KEY: Final = bytes(KEY_BYTES)
# What the computing costs, as measured for the libsodium of pyzmq's wheels on the machine of the default profile.
_AGREEMENT_NS: Final = 52_000  # a secret out of one's own secret key and a public one
_KEY_PAIR_NS: Final = 15_000
_BOX_NS: Final = 300
_BOX_BYTE_NS: Final = 0.6

_MESSAGE_BYTES: Final = 33
"""What a MESSAGE command adds to a frame: its name, a nonce, a tag, the flags (F180)."""


def _tag(public: bytes, other: bytes) -> bytes:
    # The same for both ends, as the real shared secret is.
    return hashlib.blake2b(b"".join(sorted((public, other))), digest_size=_TAG_BYTES).digest()


def _seal(own_public: bytes, peer_public: bytes, plain: bytes) -> bytes:
    return _tag(own_public, peer_public) + plain


def _open(own_public: bytes, peer_public: bytes, box: bytes) -> bytes | None:
    if peer_public == _NO_KEY or box[:_TAG_BYTES] != _tag(own_public, peer_public):
        return None
    return box[_TAG_BYTES:]


def _wire_bytes(msg: Msg) -> int:
    """A frame, or a PING, as a MESSAGE command."""
    size = len(msg.data) + _MESSAGE_BYTES
    if msg.kind == SUBSCRIBE:
        size += 10
    elif msg.kind == CANCEL:
        size += 7
    return size + 2 if size <= 255 else size + 9


class _Ciphered:
    """What a frame costs that is enciphered and opened, too."""

    __slots__ = ("decode", "encode")

    def __init__(self, costs: FrameCosts) -> None:
        encode, decode = costs.encode, costs.decode
        self.encode = lambda size: encode(size) + _cipher_ns(size)
        self.decode = lambda size: decode(size) + _cipher_ns(size)


def _cipher_ns(size: int) -> int:
    return _BOX_NS + int(_BOX_BYTE_NS * size)


class CurveClient(ClientSteps):
    """The side that has to know the server's public key."""

    __slots__ = ("_server_short", "_short")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.wire_bytes = _wire_bytes
        # A short-term key is never computed with: any bytes of its own will do for both halves.
        self._short: bytes = session.socket.kernel.world.session_keys.secret()
        self._server_short = b""

    def frame_costs(self, costs: FrameCosts) -> FrameCosts:
        """Every frame is a box."""
        return _Ciphered(costs)

    def hello(self) -> bytes | None:
        """Our short-term key, and proof that we know the server's; nothing can be sealed for a key of zeros."""
        server = self.session.options.security.curve_serverkey
        if server == _NO_KEY:
            self.session.event("handshake_failed_protocol", CRYPTOGRAPHIC)
            return None
        self.spend(_KEY_PAIR_NS + _AGREEMENT_NS)
        box = _seal(self._short, server, bytes(64))
        return HELLO_NAME + _VERSION + bytes(72) + self._short + _NONCE + box

    def take_welcome(self, body: bytes) -> None:
        """The server's short-term key and its cookie."""
        self.spend(2 * _AGREEMENT_NS)
        server = self.session.options.security.curve_serverkey
        plain = _open(self._short, server, body[_WELCOME_BOX_AT:])
        if plain is None:
            self.fail(CRYPTOGRAPHIC)
        self._server_short = plain

    def initiate(self) -> bytes:
        """The cookie back, our long-term key and a vouch for it, and what we tell of ourselves."""
        self.spend(2 * _AGREEMENT_NS)
        security = self.session.options.security
        server, cookie = self._server_short[:KEY_BYTES], self._server_short[KEY_BYTES:]
        vouch = _seal(public_of(security.curve_secretkey), server, self._short + security.curve_serverkey)
        plain = security.curve_publickey + _LONG_NONCE + vouch + self.own_properties()
        return INITIATE_NAME + cookie + _NONCE + _seal(self._short, server, plain)

    def take_ready(self, body: bytes) -> None:
        """What the server tells of itself."""
        if len(body) < _LEAST_READY_BYTES:
            self.fail(MALFORMED_READY)
        plain = _open(self._short, self._server_short[:KEY_BYTES], body[_READY_BOX_AT:])
        if plain is None:
            self.fail(CRYPTOGRAPHIC)
        if not self.take_properties(plain):
            self.fail(INVALID_METADATA)


class CurveServer(ServerSteps):
    """The side with the secret key; without a handler it lets everybody in, unless a domain is enforced."""

    __slots__ = ("_client_short", "_cookie_key", "_short")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.wire_bytes = _wire_bytes
        keys = session.socket.kernel.world.session_keys
        self._short: bytes = keys.secret()
        self._cookie_key = keys.secret()
        self._client_short = b""

    def frame_costs(self, costs: FrameCosts) -> FrameCosts:
        """Every frame is a box."""
        return _Ciphered(costs)

    def take_hello(self, body: bytes) -> None:
        """The client's short-term key, and proof that it knows our public one."""
        if len(body) != _HELLO_BYTES or body[6:8] != _VERSION:
            self.fail(MALFORMED_HELLO)
        self.spend(_KEY_PAIR_NS + _AGREEMENT_NS)
        self._client_short = body[_HELLO_KEY_AT : _HELLO_KEY_AT + KEY_BYTES]
        own = public_of(self.session.options.security.curve_secretkey)
        if _open(own, self._client_short, body[_HELLO_BOX_AT:]) is None:
            self.fail(CRYPTOGRAPHIC)

    def welcome(self) -> bytes:
        """Our short-term key, and a cookie that only we can read."""
        self.spend(_AGREEMENT_NS)
        own = public_of(self.session.options.security.curve_secretkey)
        box = _seal(own, self._client_short, self._short + self._cookie())
        return WELCOME_NAME + _LONG_NONCE + box

    def _cookie(self) -> bytes:
        return _LONG_NONCE + _seal(self._cookie_key, self._short, self._client_short + self._short)

    def take_initiate(self, body: bytes) -> None:
        """The client's long-term key, for the handler, and what it tells of itself."""
        if len(body) < _LEAST_INITIATE_BYTES:
            self.fail(MALFORMED_INITIATE)
        self.spend(3 * _AGREEMENT_NS)
        cookie_at = len(INITIATE_NAME)
        plain = _open(self._short, self._client_short, body[_INITIATE_BOX_AT:])
        if body[cookie_at : cookie_at + _COOKIE_BYTES] != self._cookie() or plain is None:
            self.fail(CRYPTOGRAPHIC)
        client, vouch_at = plain[:KEY_BYTES], KEY_BYTES + len(_LONG_NONCE)
        vouch = _open(self._short, client, plain[vouch_at : vouch_at + _VOUCH_BYTES])
        if vouch is None:
            self.fail(CRYPTOGRAPHIC)
        if vouch[:KEY_BYTES] != self._client_short:
            self.fail(KEY_EXCHANGE)
        security = self.session.options.security
        optional = not security.zap_enforce_domain
        if (security.zap_domain or optional) and not self.ask([client]) and not optional:
            self.no_handler()
        if not self.take_properties(plain[vouch_at + _VOUCH_BYTES :]):
            raise ProtocolError

    def ready(self) -> bytes:
        """What we tell of ourselves."""
        return READY_NAME + _NONCE + _seal(self._short, self._client_short, self.own_properties())
