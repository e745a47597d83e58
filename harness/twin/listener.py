"""The binding side of a stream transport: a queue of connections in the kernel, and a session for each."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING

from harness.twin.accept_filter import Credentials
from harness.twin.session import Session

if TYPE_CHECKING:
    from harness.twin.engine import Engine
    from harness.twin.socket_base import SocketBase
    from harness.twin.transport.address import Target
    from harness.twin.transport.stream import Stream


class Listener:
    """A bound address.

    Attributes:
        options: as they were at bind (F12, F23).
        io: the I/O thread that accepts.
        where: the full address.
        fd: the descriptor that the monitor shows.
    """

    def __init__(self, stream: Stream, socket: SocketBase, where: str, key: Target | str) -> None:
        self.socket = socket
        self.options = socket.options.snapshot()
        self.io = socket.context.io_thread(self.options.affinity)
        self.io.load += 1
        self.where = where
        self.fd = socket.context.descriptors.take()
        self.closed = False
        self._stream = stream
        self._key = key
        self._sessions: dict[Session, None] = {}
        self._queue: deque[Engine] = deque()
        self._expected = 0

    # -- the kernel's queue ----------------------------------------------------------------------

    def take_place(self) -> bool:
        """A connection wants to get in: False when BACKLOG of them wait already (F136)."""
        if len(self._queue) + self._expected > self.options.backlog:
            return False
        self._expected += 1
        return True

    def arrived(self, engine: Engine) -> None:
        """The transport of a connection that has a place stands."""
        self._expected -= 1
        if self.closed:
            engine.close()
            return
        self._queue.append(engine)
        self.io.post(self._accept, None)

    # -- the I/O thread --------------------------------------------------------------------------

    def _accept(self, _: None) -> None:
        """A session of its own for a connection (F120), in the I/O thread that has least to do (F189)."""
        if not self._queue:
            return
        engine = self._queue.popleft()
        if not self.options.accept_filter.admits(engine.peer):
            engine.close()
            # What the kernel last said: over tcp that the queue is empty.
            over_ipc = isinstance(engine.peer, Credentials)
            self.socket.event("accept_failed", 0 if over_ipc else errno.EAGAIN, self.where)
            return
        io = self.socket.context.io_thread(self.options.affinity)
        session = self.socket.session_class(self.socket, self.options, io, None, self)
        self.socket.sessions[session] = None
        self._sessions[session] = None
        session.opened(self.where, self.socket.context.descriptors.take())
        session.event("accepted", session.fd)
        if io is self.io:
            session.start(engine)
        else:
            io.post(session.start, engine)

    def end_session(self, session: Session) -> None:
        """A session asks to be ended: LINGER as it was at bind."""
        session.post(session.process_term, self.options.linger)

    def session_ended(self, session: Session) -> None:
        """One of the sessions is gone."""
        self._sessions.pop(session, None)

    # -- the end ---------------------------------------------------------------------------------

    def close(self, linger_ms: int) -> None:
        """Stop listening and close what was accepted here (F173)."""
        if self.closed:
            return
        self.io.load -= 1
        self.vanish()
        for session in self._sessions:
            session.post(session.process_term, linger_ms)
        self.socket.context.descriptors.release(self.fd)
        self.socket.event("closed", self.fd, self.where)

    def vanish(self) -> None:
        """The kernel stops listening and resets what nobody has accepted."""
        if self.closed:
            return
        self.closed = True
        self._stream.forget(self._key, self)
        while self._queue:
            self._queue.popleft().close()
