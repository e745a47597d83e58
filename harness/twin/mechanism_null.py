"""NULL: READY both ways; each side is ready when it has sent and received one (F179).

With a ZAP domain the handler is asked before READY is sent, on whichever side the domain is set (F182).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.twin.errors import ProtocolError
from harness.twin.mechanism import (
    ERROR_NAME,
    FAILED,
    READY,
    READY_NAME,
    UNEXPECTED_COMMAND,
    Mechanism,
    error_command,
)
from harness.twin.zap import EFAULT, ZapClient

if TYPE_CHECKING:
    from harness.twin.session import Session

_SILENCE: Final = b"-"


class Null(Mechanism):
    """No credentials."""

    __slots__ = ("_asked", "_received", "_sent", "_zap")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._sent = b""
        self._received = b""
        self._zap = ZapClient(self)
        self._asked = False

    def next_command(self) -> bytes | None:
        """READY once the ZAP handler, if there is one for us, says 200; else ERROR, or nothing at all."""
        security = self.session.options.security
        if self._sent or (security.zap_domain and not self._may_go_on(security.zap_enforce_domain)):
            return None
        status = self._zap.status
        if status in (b"", b"200"):
            self._say(READY_NAME)
            return READY_NAME + self.own_properties()
        self._say(_SILENCE if status == b"300" else ERROR_NAME)
        return None if status == b"300" else error_command(status)

    def _may_go_on(self, enforce: bool) -> bool:
        if self._asked or self._zap.status:
            return bool(self._zap.status)
        self._asked = self._zap.ask([])
        if not self._asked and enforce:
            self.session.event("handshake_failed_no_detail", EFAULT)
        return not self._asked and not enforce

    def zap_answered(self) -> None:
        """The handler has answered."""
        self._zap.take_answer()

    def process_command(self, body: bytes) -> None:
        """READY or ERROR, once."""
        name = body[:6]
        if self._received or name not in (READY_NAME, ERROR_NAME):
            self.fail(UNEXPECTED_COMMAND)
        if name == ERROR_NAME:
            self.take_error(body)
        elif not self.take_properties(body[len(READY_NAME) :]):
            raise ProtocolError
        self._received = name
        self._settle()

    def _say(self, name: bytes) -> None:
        self._sent = name
        self._settle()

    def _settle(self) -> None:
        if self._sent and self._received:
            self.state = READY if self._sent == self._received == READY_NAME else FAILED
