"""The face: exactly the names that pyzmq's front end asks of a backend (``PYZMQ_BACKEND``).

pyzmq chooses its backend module by name when it is imported; with this one its own front end, and
any program on it, runs on the simulated library. Contexts and sockets can be made and used inside
simulated processes only; there every call takes virtual time.
"""

from __future__ import annotations

from typing import Final

from harness.twin.context_face import Context
from harness.twin.devices import monitored_queue, proxy, proxy_steerable
from harness.twin.face import strerror, zmq_errno
from harness.twin.frame import Frame
from harness.twin.options import NotSimulatedYet
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
    """Whether the simulated library has a capability."""
    return capability == "ipc"


def curve_keypair() -> tuple[bytes, bytes]:
    """Not simulated yet."""
    raise NotSimulatedYet("CURVE")


def curve_public(secret_key: bytes | str) -> bytes:
    """Not simulated yet."""
    raise NotSimulatedYet("CURVE")
