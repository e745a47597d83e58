"""PLAIN: HELLO with name and password, WELCOME, INITIATE, READY (F179, F180; RFC 24)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from harness.twin.errors import ProtocolError
from harness.twin.mechanism import (
    ERROR_NAME,
    FAILED,
    INVALID_METADATA,
    MALFORMED_COMMAND,
    MALFORMED_HELLO,
    MALFORMED_WELCOME,
    READY,
    READY_NAME,
    UNEXPECTED_COMMAND,
    UNSPECIFIED,
    Mechanism,
    error_command,
)
from harness.twin.zap import EFAULT, ZapClient

if TYPE_CHECKING:
    from harness.twin.session import Session

HELLO_NAME: Final = b"\5HELLO"
WELCOME_NAME: Final = b"\7WELCOME"
INITIATE_NAME: Final = b"\x08INITIATE"

# What is to be done next.
_SEND_FIRST: Final = 0
_WAIT_FIRST: Final = 1
_SEND_SECOND: Final = 2
_WAIT_SECOND: Final = 3
_WAIT_ZAP: Final = 4
_SEND_ERROR: Final = 5
_DONE: Final = 6


class ClientSteps(Mechanism):
    """A client of PLAIN or CURVE: HELLO, wait for WELCOME, INITIATE, wait for READY."""

    __slots__ = ("_step",)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._step = _SEND_FIRST

    def hello(self) -> bytes | None:
        """The first command; None when it cannot be made."""
        raise NotImplementedError

    def take_welcome(self, body: bytes) -> None:
        """The server's answer to it. Raises ProtocolError."""
        raise NotImplementedError

    def initiate(self) -> bytes:
        """The second command."""
        raise NotImplementedError

    def take_ready(self, body: bytes) -> None:
        """The server's answer to it. Raises ProtocolError."""
        raise NotImplementedError

    def next_command(self) -> bytes | None:
        """HELLO or INITIATE when it is our turn."""
        if self._step == _SEND_FIRST:
            hello = self.hello()
            if hello is not None:
                self._step = _WAIT_FIRST
            return hello
        if self._step == _SEND_SECOND:
            self._step = _WAIT_SECOND
            return self.initiate()
        return None

    def process_command(self, body: bytes) -> None:
        """WELCOME, READY or ERROR, each in its place only."""
        if body.startswith(WELCOME_NAME) and self._step == _WAIT_FIRST:
            self.take_welcome(body)
            self._step = _SEND_SECOND
        elif body.startswith(READY_NAME) and self._step == _WAIT_SECOND:
            self.take_ready(body)
            self._step = _DONE
            self.state = READY
        elif body.startswith(ERROR_NAME) and self._step in (_WAIT_FIRST, _WAIT_SECOND):
            self.take_error(body)
            self.state = FAILED
        else:
            self.fail(UNEXPECTED_COMMAND)


class ServerSteps(Mechanism):
    """A server of PLAIN or CURVE, and the ZAP handler's part in it."""

    __slots__ = ("_after_zap", "_step", "_zap")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._step = _WAIT_FIRST
        self._zap = ZapClient(self)
        self._after_zap = _SEND_FIRST

    def take_hello(self, body: bytes) -> None:
        """The client's first command. Raises ProtocolError."""
        raise NotImplementedError

    def welcome(self) -> bytes:
        """The answer to it."""
        raise NotImplementedError

    def take_initiate(self, body: bytes) -> None:
        """The client's second command. Raises ProtocolError."""
        raise NotImplementedError

    def ready(self) -> bytes:
        """The answer to it."""
        raise NotImplementedError

    def ask(self, credentials: list[bytes]) -> bool:
        """Wait for the handler's verdict; False when there is no handler."""
        if not self._zap.ask(credentials):
            return False
        self._step = _WAIT_ZAP
        return True

    def no_handler(self) -> NoReturn:
        """There has to be a handler and is none: the connection is given up. Raises ProtocolError."""
        self.session.event("handshake_failed_no_detail", EFAULT)
        raise ProtocolError

    def next_command(self) -> bytes | None:
        """WELCOME, READY or ERROR when it is our turn."""
        if self._step == _SEND_FIRST:
            self._step = _WAIT_SECOND
            return self.welcome()
        if self._step == _SEND_SECOND:
            self._step = _DONE
            self.state = READY
            return self.ready()
        if self._step == _SEND_ERROR:
            self._step = _DONE
            self.state = FAILED
            return error_command(self._zap.status)
        return None

    def process_command(self, body: bytes) -> None:
        """HELLO or INITIATE, each in its place only."""
        if self._step not in (_WAIT_FIRST, _WAIT_SECOND):
            self.fail(UNSPECIFIED)
        if self._step == _WAIT_FIRST:
            self.check_structure(body)
            if not body.startswith(HELLO_NAME):
                self.fail(UNEXPECTED_COMMAND)
            self._step = self._after_zap = _SEND_FIRST
            self.take_hello(body)
        else:
            if not body.startswith(INITIATE_NAME):
                self.fail(UNEXPECTED_COMMAND)
            self._step = self._after_zap = _SEND_SECOND
            self.take_initiate(body)

    def check_structure(self, body: bytes) -> None:
        """A command is a name behind its length. Raises ProtocolError."""
        if len(body) <= 1 or len(body) <= body[0]:
            self.fail(MALFORMED_COMMAND)

    def zap_answered(self) -> None:
        """200 goes on, 400 and 500 are told to the client, 300 is not: the connection hangs (F135)."""
        if self._step != _WAIT_ZAP or not self._zap.take_answer():
            return
        if self._zap.status == b"200":
            self._step = self._after_zap
        elif self._zap.status == b"300":
            self._step = _DONE
            self.state = FAILED
        else:
            self._step = _SEND_ERROR


class PlainClient(ClientSteps):
    """The side with name and password."""

    __slots__ = ()

    def hello(self) -> bytes:
        """Name and password."""
        security = self.session.options.security
        name, password = security.plain_username, security.plain_password
        return HELLO_NAME + bytes([len(name)]) + name + bytes([len(password)]) + password

    def take_welcome(self, body: bytes) -> None:
        """Nothing in it."""
        if body != WELCOME_NAME:
            self.fail(MALFORMED_WELCOME)

    def initiate(self) -> bytes:
        """What we tell of ourselves."""
        return INITIATE_NAME + self.own_properties()

    def take_ready(self, body: bytes) -> None:
        """What the server tells of itself."""
        if not self.take_properties(body[len(READY_NAME) :]):
            self.fail(INVALID_METADATA)


class PlainServer(ServerSteps):
    """The side that has the handler judge; without one nobody gets in."""

    __slots__ = ()

    def take_hello(self, body: bytes) -> None:
        """Name and password, for the handler."""
        rest = body[len(HELLO_NAME) :]
        credentials = []
        for _ in range(2):
            if not rest or len(rest) <= rest[0]:
                self.fail(MALFORMED_HELLO)
            credentials.append(rest[1 : 1 + rest[0]])
            rest = rest[1 + rest[0] :]
        if rest:
            self.fail(MALFORMED_HELLO)
        if not self.ask(credentials):
            self.no_handler()

    def welcome(self) -> bytes:
        """Nothing in it."""
        return WELCOME_NAME

    def take_initiate(self, body: bytes) -> None:
        """What the client tells of itself."""
        if not self.take_properties(body[len(INITIATE_NAME) :]):
            raise ProtocolError

    def ready(self) -> bytes:
        """What we tell of ourselves."""
        return READY_NAME + self.own_properties()
