"""The ZMTP handshake of one end: the greeting in three dependent pieces, then a mechanism (F177-F180)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from harness.twin.errors import ProtocolError
from harness.twin.mechanism import FAILED, HANDSHAKING, MECHANISM_MISMATCH, READY, Mechanism
from harness.twin.mechanism_curve import CurveClient, CurveServer
from harness.twin.mechanism_null import Null
from harness.twin.mechanism_plain import PlainClient, PlainServer
from harness.twin.msg import COMMAND, GREETING, Msg
from harness.twin.security import CURVE, NAMES, NULL, PLAIN

if TYPE_CHECKING:
    from harness.twin.session import Session

_PIECES: Final = 3
_MECHANISM_BYTES: Final = 20


_MECHANISMS: Final[dict[int, tuple[type[Mechanism], type[Mechanism]]]] = {
    NULL: (Null, Null),
    PLAIN: (PlainClient, PlainServer),
    CURVE: (CurveClient, CurveServer),
}
"""The client's side and the server's."""


class Handshake:
    """What has been said and heard until frames may flow."""

    __slots__ = ("_heard", "_out", "_session", "mechanism")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._heard = 0
        # As older peers read it: the size of an identity frame, whose last bit says "versioned".
        size = len(session.options.routing_id) + 1
        self._out: deque[bytes] = deque([b"\xff" + size.to_bytes(8, "big") + b"\x7f"])
        self.mechanism: Mechanism | None = None

    @property
    def ready(self) -> bool:
        """Whether frames may flow now."""
        return self.mechanism is not None and self.mechanism.state == READY

    @property
    def under_way(self) -> bool:
        """Whether it has neither succeeded nor failed."""
        return self.mechanism is None or self.mechanism.state == HANDSHAKING

    def next(self) -> Msg | None:
        """The next piece or command to send, None when it is the peer's turn."""
        if self._out:
            return Msg(self._out.popleft(), kind=GREETING)
        mechanism = self.mechanism
        if mechanism is None or mechanism.state:
            return None
        body = mechanism.next_command()
        return None if body is None else Msg(body, kind=COMMAND)

    def process(self, msg: Msg) -> None:
        """A piece or a command of the peer. Raises ProtocolError."""
        if msg.kind == GREETING:
            self._greeted(msg.data)
            return
        mechanism = self.mechanism
        if mechanism is None:
            raise ProtocolError
        mechanism.process_command(msg.data)
        if mechanism.state == FAILED:
            raise ProtocolError

    def _greeted(self, piece: bytes) -> None:
        self._heard += 1
        if self._heard == 1:
            self._out.append(b"\3")
        elif self._heard == _PIECES - 1:
            self._out.append(b"\1" + _name(self._session) + bytes(32))
        elif piece[1 : 1 + _MECHANISM_BYTES] != _name(self._session):
            self._session.event("handshake_failed_protocol", MECHANISM_MISMATCH)
            raise ProtocolError
        else:
            security = self._session.options.security
            self.mechanism = _MECHANISMS[security.mechanism][security.as_server](self._session)


def _name(session: Session) -> bytes:
    return NAMES[session.options.security.mechanism].ljust(_MECHANISM_BYTES, b"\0")
