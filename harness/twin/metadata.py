"""What a frame tells of the connection that it came over (zmq_msg_gets)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from harness.twin.session import Session

if TYPE_CHECKING:
    from harness.twin.socket_base import SocketBase

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


def last_properties(socket: SocketBase) -> Mapping[str, str]:
    """Properties of the frame that the application was given last; none over inproc, which has no connection."""
    pipe = socket.last_pipe()
    session = pipe.peer.owner if pipe is not None else None
    return session.properties if isinstance(session, Session) else _NONE
