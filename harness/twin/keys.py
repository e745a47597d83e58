"""CURVE keys: Z85, and the public key of a secret one (Curve25519, RFC 7748).

The public key is the real one, so that keys and certificates made with the real library work in a
simulation. Nothing here protects anything: it is neither constant in time nor ever used to encipher.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

KEY_BYTES: Final = 32
Z85_CHARS: Final = 40

_ALPHABET: Final = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_VALUES: Final = {char: value for value, char in enumerate(_ALPHABET)}
_GROUP: Final = 5
_WORD: Final = 4
_BASE: Final = 85

_PRIME: Final = 2**255 - 19
_A24: Final = 121665
_LADDER_BITS: Final = 255


def z85_encode(data: bytes) -> bytes:
    """Four bytes as five characters (RFC 32)."""
    text = bytearray()
    for at in range(0, len(data), _WORD):
        value = int.from_bytes(data[at : at + _WORD], "big")
        text += bytes(_ALPHABET[value // _BASE**power % _BASE] for power in range(_GROUP - 1, -1, -1))
    return bytes(text)


def z85_decode(text: bytes) -> bytes | None:
    """The bytes; None when it is not Z85."""
    if len(text) % _GROUP or any(char not in _VALUES for char in text):
        return None
    data = bytearray()
    for at in range(0, len(text), _GROUP):
        value = 0
        for char in text[at : at + _GROUP]:
            value = value * _BASE + _VALUES[char]
        if value >> 8 * _WORD:
            return None
        data += value.to_bytes(_WORD, "big")
    return bytes(data)


@lru_cache(maxsize=4096)
def public_of(secret: bytes) -> bytes:
    """The public key that belongs to 32 secret bytes: nine times the clamped secret, on the curve."""
    clamped = bytearray(secret)
    clamped[0] &= 248
    clamped[31] = clamped[31] & 127 | 64
    scalar = int.from_bytes(clamped, "little")
    x1, x2, z2, x3, z3, swap = 9, 1, 0, 9, 1, 0
    for position in range(_LADDER_BITS - 1, -1, -1):
        bit = scalar >> position & 1
        if swap != bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        total, difference = x2 + z2, x2 - z2
        squared, other = total * total % _PRIME, difference * difference % _PRIME
        gap = squared - other
        cross, crossed = (x3 - z3) * total, (x3 + z3) * difference
        x3 = (cross + crossed) ** 2 % _PRIME
        z3 = x1 * (cross - crossed) ** 2 % _PRIME
        x2 = squared * other % _PRIME
        z2 = gap * (squared + _A24 * gap) % _PRIME
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, _PRIME - 2, _PRIME) % _PRIME).to_bytes(KEY_BYTES, "little")


class KeySequence:
    """New secret keys for one purpose, the same ones in every run with the same seed."""

    __slots__ = ("_count", "_name")

    def __init__(self, seed: int, purpose: str) -> None:
        self._name = f"{seed}/{purpose}"
        self._count = 0

    def secret(self) -> bytes:
        """32 bytes that nobody else was given."""
        self._count += 1
        return hashlib.sha256(f"{self._name}/{self._count}".encode()).digest()
