"""Asking the authentication handler: ZAP over an inproc pipe from a session (RFC 27, F135, F182).

The handler is whoever has bound ``inproc://zeromq.zap.01`` in the same context, a REP or a ROUTER. The
pipe belongs to the session, has no high-water mark, and outlives a connection as the session does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from harness.twin.errors import AbortError
from harness.twin.mechanism import Mechanism, decode_properties
from harness.twin.msg import ROUTING_ID, Msg
from harness.twin.pipe import Pipe, pipe_pair
from harness.twin.security import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.twin.session import Session

ADDRESS: Final = "zeromq.zap.01"
EFAULT: Final = 14
"""Value of HANDSHAKE_FAILED_NO_DETAIL when there has to be a handler and is none."""

_VERSION: Final = b"1.0"
_REQUEST_ID: Final = b"1"
_REPLY_FRAMES: Final = 7
_STATUSES: Final = (b"200", b"300", b"400", b"500")
_HANDLERS: Final = ("REP", "ROUTER")

# Values of HANDSHAKE_FAILED_PROTOCOL, as in zmq.h.
_UNSPECIFIED: Final = 0x20000000
_MALFORMED_REPLY: Final = 0x20000001
_BAD_REQUEST_ID: Final = 0x20000002
_BAD_VERSION: Final = 0x20000003
_INVALID_STATUS_CODE: Final = 0x20000004
_INVALID_METADATA: Final = 0x20000005


class ZapPipe:
    """A session's end of the pipe to the handler, on the session's I/O thread."""

    __slots__ = ("_session", "observer", "pipe")

    def __init__(self, session: Session) -> None:
        self._session = session
        self.observer = session.observer
        self.pipe: Pipe | None = None

    def open(self) -> bool:
        """Connect to the handler; False when there is none."""
        if self.pipe is not None:
            return True
        socket = self._session.socket
        handler = socket.context.inproc.find(ADDRESS)
        if handler is None:
            return False
        if handler.type_name not in _HANDLERS:
            raise AbortError(f"inproc://{ADDRESS} is bound by a {handler.type_name}, not by a REP or ROUTER")
        near, far = pipe_pair((self, handler), (0, 0))
        near.set_nodelay()
        near.remote, far.remote = handler, socket
        self.pipe = near
        handler.post(handler.process_bind, far)
        near.write(Msg(b"", kind=ROUTING_ID))
        near.flush()
        return True

    def send(self, frames: list[bytes]) -> None:
        """Write one message."""
        pipe = self.pipe
        assert pipe is not None
        for frame in frames[:-1]:
            pipe.write(Msg(frame, more=True))
        pipe.write(Msg(frames[-1]))
        pipe.flush()

    def read(self) -> Msg | None:
        """The next frame of a reply."""
        return None if self.pipe is None else self.pipe.read()

    def close(self) -> None:
        """Nobody will ask any more."""
        if self.pipe is not None:
            self.pipe.terminate(False)

    # -- as owner of a pipe end ------------------------------------------------------------------

    def post(self, command: Callable[[Any], None], argument: Any) -> None:
        """To the mailbox of the session's I/O thread."""
        self._session.io.post(command, argument)

    def read_activated(self, pipe: Pipe) -> None:
        """The handler has answered."""
        engine = self._session.engine
        if engine is not None:
            engine.zap_answered()
        elif pipe is self.pipe:
            pipe.check_read()

    def write_activated(self, pipe: Pipe) -> None:
        """There is no mark that could have been reached."""

    def hiccuped(self, pipe: Pipe) -> None:
        """The handler's end is a socket: it never loses a connection."""

    def pipe_terminated(self, pipe: Pipe) -> None:
        """The pipe is dead."""
        if pipe is self.pipe:
            self.pipe = None
            self._session.zap_ended()


class ZapClient:
    """One mechanism's question and its answer.

    Attributes:
        status: the handler's answer, empty until there is one.
    """

    __slots__ = ("_mechanism", "status")

    def __init__(self, mechanism: Mechanism) -> None:
        self._mechanism = mechanism
        self.status = b""

    def ask(self, credentials: list[bytes]) -> bool:
        """Send the request; False when there is nobody to ask."""
        session = self._mechanism.session
        if not session.zap.open():
            return False
        options = session.options
        security = options.security
        name = NAMES[security.mechanism]
        head = [
            b"",
            _VERSION,
            _REQUEST_ID,
            security.zap_domain,
            session.peer_address.encode(),
            options.routing_id,
            name,
        ]
        session.zap.send(head + credentials)
        self.take_answer()  # never there yet; but the pipe now knows that somebody waits for it
        return True

    def take_answer(self) -> bool:
        """Read the reply; whether there was one. Raises ProtocolError when it is malformed."""
        frames = []
        mechanism = self._mechanism
        session = mechanism.session
        for position in range(_REPLY_FRAMES):
            msg = session.zap.read()
            if msg is None:
                return False
            if not msg.more:
                session.observer.taken(session.socket, msg)
            if msg.more == (position == _REPLY_FRAMES - 1):
                mechanism.fail(_MALFORMED_REPLY)
            frames.append(msg.data)
        delimiter, version, request_id, status, _, user_id, metadata = frames
        if delimiter:
            mechanism.fail(_UNSPECIFIED)
        if version != _VERSION:
            mechanism.fail(_BAD_VERSION)
        if request_id != _REQUEST_ID:
            mechanism.fail(_BAD_REQUEST_ID)
        if status not in _STATUSES:
            mechanism.fail(_INVALID_STATUS_CODE)
        properties = decode_properties(metadata)
        if properties is None:
            mechanism.fail(_INVALID_METADATA)
        self.status, mechanism.user_id = status, user_id
        mechanism.zap_properties = {**dict(reversed(properties)), "User-Id": user_id}
        if status != b"200":
            session.event("handshake_failed_auth", int(status))
        return True
