"""What a socket's options say of its security: mechanism, credentials, ZAP domain, properties told.

Setting a credential chooses the mechanism, and the last one set wins; a key or name of the client's
makes the socket a client (zmq_setsockopt(3); measured on libzmq 4.3.5).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from typing import Final

from harness.twin.errors import TwinError
from harness.twin.keys import KEY_BYTES, Z85_CHARS, z85_decode

NULL: Final = 0
PLAIN: Final = 1
CURVE: Final = 2

NAMES: Final = {NULL: b"NULL", PLAIN: b"PLAIN", CURVE: b"CURVE"}
"""As the greeting and ZAP say them."""

_LONGEST: Final = 255
_BUFFER_BYTES: Final = 255  # what pyzmq offers getsockopt for a value and the zero behind it


@dataclass(frozen=True, slots=True)
class Security:
    """One socket's settings; replaced, never changed, so that sessions may share them."""

    mechanism: int = NULL
    as_server: bool = False
    plain_username: bytes = b""
    plain_password: bytes = b""
    curve_publickey: bytes = bytes(KEY_BYTES)
    curve_secretkey: bytes = bytes(KEY_BYTES)
    curve_serverkey: bytes = bytes(KEY_BYTES)
    zap_domain: bytes = b""
    zap_enforce_domain: bool = False
    metadata: tuple[tuple[str, bytes], ...] = ()


DEFAULT: Final = Security()

OPTIONS: Final = (
    "mechanism",
    "plain_server",
    "plain_username",
    "plain_password",
    "curve_server",
    "curve_publickey",
    "curve_secretkey",
    "curve_serverkey",
    "zap_domain",
    "zap_enforce_domain",
    "metadata",
)
"""The socket options that are kept here, by their names in lower case."""


def changed(old: Security, name: str, value: int | bytes) -> Security:
    """The settings after setting one option. Raises TwinError (EINVAL)."""
    if name in ("plain_server", "curve_server"):
        mechanism = PLAIN if name == "plain_server" else CURVE
        return replace(old, as_server=bool(value), mechanism=mechanism if value else NULL)
    if name == "zap_enforce_domain":
        return replace(old, zap_enforce_domain=bool(value))
    if not isinstance(value, bytes) or not len(value) > 0:
        raise TwinError(errno.EINVAL)
    if name == "metadata":
        return replace(old, metadata=_with(old.metadata, value))
    if name.startswith("curve_"):
        as_server = old.as_server and name != "curve_serverkey"
        return replace(old, **{name: _key(value)}, mechanism=CURVE, as_server=as_server)  # type: ignore[arg-type]
    if len(value) > _LONGEST:
        raise TwinError(errno.EINVAL)
    if name == "zap_domain":
        return replace(old, zap_domain=value)
    return replace(old, **{name: value}, mechanism=PLAIN, as_server=False)  # type: ignore[arg-type]


def value_of(security: Security, name: str) -> int | bytes:
    """What getsockopt gives. Raises TwinError (EINVAL): keys and the longest names do not fit pyzmq's buffer."""
    if name == "mechanism":
        return security.mechanism
    if name == "plain_server":
        return int(security.as_server and security.mechanism == PLAIN)
    if name == "curve_server":
        return int(security.as_server and security.mechanism == CURVE)
    if name == "zap_enforce_domain":
        return int(security.zap_enforce_domain)
    value = b"" if name == "metadata" or name.startswith("curve_") else getattr(security, name)
    if name == "metadata" or name.startswith("curve_") or len(value) >= _BUFFER_BYTES:
        raise TwinError(errno.EINVAL)
    return bytes(value)


def _key(value: bytes) -> bytes:
    if len(value) == Z85_CHARS + 1:
        value = value[:Z85_CHARS] if value[Z85_CHARS] == 0 else b""
    if len(value) == Z85_CHARS:
        decoded = z85_decode(value)
        value = b"" if decoded is None else decoded
    if len(value) != KEY_BYTES:
        raise TwinError(errno.EINVAL)
    return value


def _with(told: tuple[tuple[str, bytes], ...], value: bytes) -> tuple[tuple[str, bytes], ...]:
    # "X-name:value"; the first value given for a name stays, and they are told in the order of names.
    name, separator, rest = value.partition(b":")
    if not separator or not rest or not name.startswith(b"X-") or len(name) > _LONGEST:
        raise TwinError(errno.EINVAL)
    properties = dict(told)
    properties.setdefault(name.decode("latin-1"), rest)
    return tuple(sorted(properties.items()))
