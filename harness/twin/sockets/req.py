"""REQ: strictly send, receive, send, receive (F83-F87; RFC 28)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from harness.twin.errors import EFSM, ProtocolError, TwinError
from harness.twin.msg import Msg
from harness.twin.pipe import Pipe
from harness.twin.session import Session
from harness.twin.sockets.dealer import Dealer

if TYPE_CHECKING:
    from harness.twin.context import Context

_BOTTOM: Final = 0
_AFTER_ID: Final = 1
_BODY: Final = 2
_REQUEST_ID_BYTES: Final = 4


class ReqSession(Session):
    """Lets only well-formed replies through: [id,] empty frame, body (F87)."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._expects = _BOTTOM

    def push_msg(self, msg: Msg) -> bool:
        """Raises ProtocolError for a reply without the empty frame."""
        expects = self._expects
        if expects == _BODY:
            following = _BODY if msg.more else _BOTTOM
        elif msg.more and not msg.data:
            following = _BODY
        elif expects == _BOTTOM and msg.more and len(msg.data) == _REQUEST_ID_BYTES:
            following = _AFTER_ID
        else:
            raise ProtocolError
        if not super().push_msg(msg):
            return False
        self._expects = following
        return True

    def engine_error(self, protocol: bool) -> None:
        """A new connection starts with a new reply."""
        self._expects = _BOTTOM
        super().engine_error(protocol)


class Req(Dealer):
    """The synchronous client: a DEALER with a delimiter frame and a lockstep."""

    __slots__ = ("_correlate", "_message_begins", "_receiving_reply", "_reply_pipe", "_request_id", "_strict")

    type_name = "REQ"
    type_number = 3
    can_conflate = False
    session_class = ReqSession

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._receiving_reply = False
        self._message_begins = True
        self._reply_pipe: Pipe | None = None
        self._strict = True
        self._correlate = False
        self._request_id = context.random.generate_random()

    def xset(self, name: str, value: int | bytes) -> bool:
        """REQ_RELAXED and REQ_CORRELATE (F86)."""
        if name == "req_relaxed":
            self._strict = not value
        elif name == "req_correlate":
            self._correlate = bool(value)
        else:
            return super().xset(name, value)
        return True

    def xpipe_terminated(self, pipe: Pipe) -> None:
        """The reply may come from anywhere now (F85)."""
        if pipe is self._reply_pipe:
            self._reply_pipe = None
        super().xpipe_terminated(pipe)

    def xsend(self, msg: Msg) -> bool:
        """Out of turn: EFSM (F83)."""
        if self._receiving_reply:
            if self._strict:
                raise TwinError(EFSM)
            self._receiving_reply = False
            self._message_begins = True
        if self._message_begins and not self._begin():
            return False
        if self._lb.send(msg) is False:
            return False
        if not msg.more:
            self._receiving_reply = True
            self._message_begins = True
        return True

    def _begin(self) -> bool:
        self._reply_pipe = None
        if self._correlate:
            self._request_id = (self._request_id + 1) & 0xFFFFFFFF
            taker = self._lb.send(Msg(self._request_id.to_bytes(4, "little"), more=True))
            if taker is False:
                return False
        taker = self._lb.send(Msg(b"", more=True))
        if taker is False:
            return False
        self._reply_pipe = taker if isinstance(taker, Pipe) else None
        self._message_begins = False
        # Old replies are thrown away before the new request is out (F85).
        while (old := self._fq.recv()) is not None:
            if not old.more:
                self.observer.lost("late_reply", old, self)
        return True

    def xrecv(self) -> Msg | None:
        """The reply from the pipe that took the request (F85)."""
        if not self._receiving_reply:
            raise TwinError(EFSM)
        while self._message_begins:
            if self._correlate:
                msg = self._recv_reply_pipe()
                if msg is None:
                    return None
                if not msg.more or msg.data != self._request_id.to_bytes(4, "little"):
                    self._skip(msg)
                    continue
            msg = self._recv_reply_pipe()
            if msg is None:
                return None
            if not msg.more or msg.data:
                self._skip(msg)
                continue
            self._message_begins = False
        msg = self._recv_reply_pipe()
        if msg is not None and not msg.more:
            self._receiving_reply = False
            self._message_begins = True
        return msg

    def _skip(self, msg: Msg | None) -> None:
        while msg is not None and msg.more:
            msg = self._recv_reply_pipe()
        if msg is not None:
            self.observer.lost("late_reply", msg, self)

    def _recv_reply_pipe(self) -> Msg | None:
        while True:
            msg = self._fq.recv()
            if msg is None or self._reply_pipe is None or self._fq.last is self._reply_pipe:
                return msg
            if not msg.more:
                self.observer.lost("late_reply", msg, self)

    def xhas_in(self) -> bool:
        """Only while a reply is due."""
        return self._receiving_reply and super().xhas_in()

    def xhas_out(self) -> bool:
        """Only while no reply is due."""
        return not (self._receiving_reply and self._strict) and super().xhas_out()
