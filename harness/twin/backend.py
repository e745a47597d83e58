"""The face: exactly the names that pyzmq's front end asks of a backend (``PYZMQ_BACKEND``).

pyzmq chooses its backend module by name when it is imported; with this one its own front end, and
any program on it, runs on the simulated library. Contexts and sockets can be made and used inside
simulated processes only; there every call takes virtual time.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import Final

from harness.twin.context_face import Context
from harness.twin.devices import monitored_queue, proxy, proxy_steerable
from harness.twin.face import raise_errno, strerror, zmq_errno
from harness.twin.frame import Frame
from harness.twin.kernel import NotInSimulationError, current_process
from harness.twin.keys import Z85_CHARS, public_of, z85_decode, z85_encode
from harness.twin.polling import zmq_poll
from harness.twin.socket_face import Socket

IPC_PATH_MAX_LEN: Final = 107
PYZMQ_DRAFT_API: Final = False

__all__ = [
    "IPC_PATH_MAX_LEN",
    "PYZMQ_DRAFT_API",
    "Context",
    "Frame",
    "Message",
    "Socket",
    "curve_keypair",
    "curve_public",
    "has",
    "monitored_queue",
    "proxy",
    "proxy_steerable",
    "strerror",
    "zmq_errno",
    "zmq_poll",
    "zmq_version_info",
]

Message = Frame


def zmq_version_info() -> tuple[int, int, int]:
    """The version of libzmq whose behaviour is simulated."""
    return (4, 3, 5)


def has(capability: str) -> bool:
    """Whether the simulated library has a capability; pgm when the twin that runs was asked for it."""
    if capability == "pgm":
        with suppress(NotInSimulationError):
            return bool(current_process().kernel.world.network.pgm)
    return capability in ("ipc", "curve")


def curve_keypair() -> tuple[bytes, bytes]:
    """zmq_curve_keypair: a new public and secret key, the same ones in every run with the same seed."""
    secret = current_process().kernel.world.keys.secret()
    return z85_encode(public_of(secret)), z85_encode(secret)


def curve_public(secret_key: bytes | str) -> bytes:
    """zmq_curve_public: the public key of a secret one. Raises ValueError, ZMQError (EINVAL)."""
    text = secret_key.encode() if isinstance(secret_key, str) else secret_key
    if len(text) != Z85_CHARS:
        raise ValueError("secret key must be a 40 byte z85 encoded string")
    secret = z85_decode(text)
    if secret is None:
        raise_errno(errno.EINVAL)
    return z85_encode(public_of(secret))
