"""STREAM: plain tcp, every message a routing id and some bytes (F98, F115)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from harness.twin.errors import TwinError
from harness.twin.msg import Msg
from harness.twin.pipe import Pipe
from harness.twin.sockets.routing import RoutingSocket

if TYPE_CHECKING:
    from harness.twin.context import Context


class Stream(RoutingSocket):
    """Whoever speaks to peers that do not speak ZMTP."""

    __slots__ = ("_current_out", "_id_read", "_more_out", "_prefetched")

    type_name = "STREAM"
    type_number = 11

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.options.raw_socket = 1
        self._current_out: Pipe | None = None
        self._more_out = False
        self._prefetched: Msg | None = None
        self._id_read = False

    def xset(self, name: str, value: int | bytes) -> bool:
        """STREAM_NOTIFY, CONNECT_ROUTING_ID (F94)."""
        if name != "stream_notify":
            return super().xset(name, value)
        assert isinstance(value, int)
        self.options.raw_notify = value
        return True

    # -- pipes -----------------------------------------------------------------------------------

    def xattach_pipe(self, pipe: Pipe, locally_initiated: bool) -> None:
        """A connection, named by this end."""
        if not (locally_initiated and self._name_as_told(pipe)):
            identity = self._generated_id()
            self.options.routing_id = identity
            self._name(pipe, identity)
        self._fq.attach(pipe)

    def xpipe_terminated(self, pipe: Pipe) -> None:
        """A connection has gone."""
        self._forget(pipe)
        if pipe is self._current_out:
            self._current_out = None

    def read_activated(self, pipe: Pipe) -> None:
        """Bytes have come."""
        self._fq.activated(pipe)

    # -- sending ---------------------------------------------------------------------------------

    def xsend(self, msg: Msg) -> bool:
        """First frame: which connection. Second: bytes for it, or none to close it (F98).

        Raises TwinError (EHOSTUNREACH); False for EAGAIN: the connection's pipe is full, or closing.
        """
        if not self._more_out:
            return self._address(msg)
        self._more_out = False
        pipe, self._current_out = self._current_out, None
        if pipe is None:
            self.observer.lost("unroutable", msg, None)
        elif not msg.data:
            pipe.terminate(False)
        elif pipe.write(Msg(msg.data) if msg.more else msg):
            pipe.flush()
        else:
            self.observer.lost("disconnect_pipe", msg, pipe.remote)
        return True

    def _address(self, msg: Msg) -> bool:
        if msg.more:
            pipe = self._out_pipes.get(msg.data)
            if pipe is None:
                raise TwinError(errno.EHOSTUNREACH)
            if not pipe.check_write():
                return False
            self._current_out = pipe
        # Also without a second frame to come: then the next message is what is swallowed.
        self._more_out = True
        return True

    def xhas_out(self) -> bool:
        """Always."""
        return True

    # -- receiving -------------------------------------------------------------------------------

    def xrecv(self) -> Msg | None:
        """The connection's name, then what came over it in one read."""
        if not self.xhas_in():
            return None
        msg = self._prefetched
        assert msg is not None
        if self._id_read:
            self._prefetched = None
            self._id_read = False
            return msg
        self._id_read = True
        pipe = self._fq.last
        assert pipe is not None
        return Msg(pipe.routing_id, more=True)

    def xhas_in(self) -> bool:
        """Takes one message out of its queue in advance."""
        if self._prefetched is None:
            self._prefetched = self._fq.recv()
        return self._prefetched is not None

    def prefetched(self) -> list[Msg]:
        """The message taken in advance."""
        return [] if self._prefetched is None else [self._prefetched]
