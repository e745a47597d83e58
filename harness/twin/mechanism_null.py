"""NULL: READY both ways; each side is ready when it has sent and received one (F179)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.twin.mechanism import FAILED, MALFORMED_ERROR, READY, UNEXPECTED_COMMAND, Mechanism
from harness.twin.session import ProtocolError

if TYPE_CHECKING:
    from harness.twin.session import Session

READY_NAME: Final = b"\5READY"
ERROR_NAME: Final = b"\5ERROR"


def error_reason(body: bytes) -> bytes | None:
    """The reason in an ERROR command, None when it is cut off."""
    reason = body[len(ERROR_NAME) + 1 :]
    if len(body) <= len(ERROR_NAME) or body[len(ERROR_NAME)] > len(reason):
        return None
    return reason[: body[len(ERROR_NAME)]]


class Null(Mechanism):
    """No authentication."""

    __slots__ = ("_received", "_sent")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._sent = b""
        self._received = b""

    def next_command(self) -> bytes | None:
        """READY, once."""
        if self._sent:
            return None
        self._sent = READY_NAME
        self._settle()
        return READY_NAME + self.own_properties()

    def process_command(self, body: bytes) -> None:
        """READY or ERROR, once."""
        name = body[:6]
        if self._received or name not in (READY_NAME, ERROR_NAME):
            self.fail(UNEXPECTED_COMMAND)
        self._received = name
        if name == READY_NAME:
            if not self.take_properties(body[len(READY_NAME) :]):
                raise ProtocolError
        else:
            reason = error_reason(body)
            if reason is None:
                self.fail(MALFORMED_ERROR)
            self.take_reason(reason)
        self._settle()

    def _settle(self) -> None:
        if self._sent and self._received:
            self.state = READY if self._sent == self._received == READY_NAME else FAILED
