"""REP: strictly receive, send, receive, send; the envelope goes back by itself (F88, F89; RFC 28)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.twin.errors import EFSM, AbortError, TwinError
from harness.twin.msg import Msg
from harness.twin.sockets.router import Router

if TYPE_CHECKING:
    from harness.twin.context import Context


class Rep(Router):
    """The synchronous server: a ROUTER with a lockstep."""

    __slots__ = ("_request_begins", "_sending_reply")

    type_name = "REP"
    type_number = 4

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._sending_reply = False
        self._request_begins = True

    def xsend(self, msg: Msg) -> bool:
        """Out of turn: EFSM. Never blocks: a reply that cannot go is dropped (F88)."""
        if not self._sending_reply:
            raise TwinError(EFSM)
        super().xsend(msg)
        if not msg.more:
            self._sending_reply = False
        return True

    def xrecv(self) -> Msg | None:
        """Out of turn: EFSM. The frames up to the empty one are copied to the reply (F88)."""
        if self._sending_reply:
            raise TwinError(EFSM)
        if self._request_begins and not self._take_envelope():
            return None
        msg = super().xrecv()
        if msg is not None and not msg.more:
            self._sending_reply = True
            self._request_begins = True
        return msg

    def _take_envelope(self) -> bool:
        while True:
            msg = super().xrecv()
            if msg is None:
                return False
            if msg.more:
                self._copy_to_reply(msg)
                if not msg.data:
                    self._request_begins = False
                    return True
            else:
                self.rollback()  # no empty frame: the request is discarded whole (F89)
                self.observer.lost("filtered", msg, self)

    def _copy_to_reply(self, msg: Msg) -> None:
        try:
            copied = super().xsend(msg)
        except TwinError:
            copied = False
        if not copied:
            # Only with ROUTER_MANDATORY, which REP inherits and cannot bear.
            raise AbortError("REP with ROUTER_MANDATORY cannot reach the peer whose request it has")

    def xhas_in(self) -> bool:
        """Only while a request may come."""
        return not self._sending_reply and super().xhas_in()

    def xhas_out(self) -> bool:
        """Only while a reply is due."""
        return self._sending_reply and super().xhas_out()
