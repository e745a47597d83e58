"""ROUTER: every message is addressed by the identity in its first frame (F91-F100; RFC 28)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from harness.twin.errors import TwinError
from harness.twin.msg import DATA, ROUTING_ID, Msg
from harness.twin.pipe import ACTIVE, Pipe
from harness.twin.sockets.routing import RoutingSocket, probe

if TYPE_CHECKING:
    from harness.twin.context import Context
    from harness.twin.socket_base import SocketBase


class Router(RoutingSocket):
    """The addressing server."""

    __slots__ = (
        "_anonymous",
        "_current_out",
        "_drop_cause",
        "_dropped_for",
        "_handover",
        "_mandatory",
        "_more_in",
        "_more_out",
        "_prefetched_id",
        "_prefetched_msg",
        "_probe",
        "_raw",
        "_superseded",
    )

    type_name = "ROUTER"
    type_number = 6
    receives_routing_id = True

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._anonymous: dict[Pipe, None] = {}
        self._mandatory = False
        self._handover = False
        self._probe = False
        self._raw = False
        self._current_out: Pipe | None = None
        self._more_out = False
        self._drop_cause = ""
        self._dropped_for: SocketBase | None = None
        self._more_in = False
        self._prefetched_id: Msg | None = None
        self._prefetched_msg: Msg | None = None
        # A pipe that was superseded while a message of it was being read: it ends with that message.
        self._superseded: Pipe | None = None

    def xset(self, name: str, value: int | bytes) -> bool:
        """ROUTER_MANDATORY (F91, F92), ROUTER_HANDOVER (F97), ROUTER_RAW (F98), PROBE_ROUTER (F90)."""
        if name == "router_mandatory":
            self._mandatory = bool(value)
        elif name == "router_handover":
            self._handover = bool(value)
        elif name == "router_raw":
            self._raw = bool(value)
            if value:
                self.options.raw_socket = 1
        elif name == "probe_router":
            self._probe = bool(value)
        else:
            return super().xset(name, value)
        return True

    # -- pipes -----------------------------------------------------------------------------------

    def xattach_pipe(self, pipe: Pipe, locally_initiated: bool) -> None:
        """A peer is served once its identity is known (F183)."""
        if self._probe:
            probe(pipe)
        if (locally_initiated and self._name_as_told(pipe)) or self._identify(pipe):
            self._fq.attach(pipe)
        else:
            self._anonymous[pipe] = None

    def xpipe_terminated(self, pipe: Pipe) -> None:
        """The identity is free again (F93)."""
        if pipe in self._anonymous:
            del self._anonymous[pipe]
            return
        self._forget(pipe)
        pipe.rollback()
        if pipe is self._current_out:
            self._current_out = None
            self._drop_cause = "disconnect_pipe"

    def read_activated(self, pipe: Pipe) -> None:
        """A peer has sent again, perhaps only now its identity."""
        if pipe not in self._anonymous:
            self._fq.activated(pipe)
        elif self._identify(pipe):
            del self._anonymous[pipe]
            self._fq.attach(pipe)

    def _identify(self, pipe: Pipe) -> bool:
        if self.options.raw_socket:
            self._name(pipe, self._generated_id())
            return True
        msg = pipe.read()
        if msg is None:
            return False
        if msg.kind == DATA and not msg.more:
            # A slot that holds the newest only: a message is there instead of the identity, and taken for it (F68).
            self.observer.lost("conflated", msg, self)
        identity = msg.data
        if not identity:
            identity = self._generated_id()
        elif identity in self._out_pipes:
            if not self._handover:
                return False  # a duplicate is never read and never addressable (F95)
            self._supersede(self._out_pipes.pop(identity))
        self._name(pipe, identity)
        return True

    def _supersede(self, old: Pipe) -> None:
        """The newcomer takes the identity: the old pipe gets another one and ends (F97)."""
        self._name(old, self._generated_id())
        old.unread_cause = "handover"
        if old is self._fq.last and (self._more_in or self._prefetched_msg is not None):
            self._superseded = old
        else:
            old.terminate(True)

    def _message_read(self) -> None:
        old, self._superseded = self._superseded, None
        if old is not None:
            old.terminate(True)

    # -- sending ---------------------------------------------------------------------------------

    def xsend(self, msg: Msg) -> bool:
        """First frame: whom to. The others: to that peer, or dropped (F91, F92)."""
        if not self._more_out:
            return self._address(msg)
        if self._raw:
            return self._send_raw(msg)
        self._more_out = msg.more
        pipe = self._current_out
        if pipe is not None:
            if pipe.write(msg):
                if not msg.more:
                    pipe.flush()
                    self._current_out = None
                return True
            pipe.rollback()
            self._current_out = None
            self._drop_cause = "disconnect_pipe"
        if not msg.more:
            self.observer.lost(self._drop_cause, msg, self._dropped_for)
        return True

    def _send_raw(self, msg: Msg) -> bool:
        """Bytes for a plain connection, or none to close it (F98)."""
        self._more_out = False
        pipe, self._current_out = self._current_out, None
        if pipe is None:
            self.observer.lost(self._drop_cause, msg, self._dropped_for)
        elif not msg.data:
            pipe.terminate(False)
        elif pipe.write(Msg(msg.data) if msg.more else msg):
            pipe.flush()
        return True

    def _address(self, msg: Msg) -> bool:
        if not msg.more:
            self.observer.lost("unroutable", msg, None)  # an address without a message is ignored
            return True
        self._more_out = True
        self._dropped_for = None
        pipe = self._out_pipes.get(msg.data)
        if pipe is None:
            if self._mandatory:
                self._more_out = False
                raise TwinError(errno.EHOSTUNREACH)
            self._drop_cause = "unroutable"
            return True
        if pipe.check_write():
            self._current_out = pipe
            return True
        full = not pipe.check_hwm()
        if self._mandatory:
            self._more_out = False
            if full:
                return False
            raise TwinError(errno.EHOSTUNREACH)
        self._dropped_for = pipe.remote
        self._drop_cause = "hwm_router" if pipe.state == ACTIVE else "disconnect_pipe"
        return True

    def rollback(self) -> None:
        """Forget the frames of a message that turned out malformed."""
        # Only if there is a pipe that takes the message: else the next message is taken for the rest of this one.
        if self._current_out is not None:
            self._current_out.rollback()
            self._current_out = None
            self._more_out = False

    def xhas_out(self) -> bool:
        """Always, but with MANDATORY only if any peer has room (F99)."""
        if not self._mandatory:
            return True
        return any(pipe.check_hwm() for pipe in self._out_pipes.values())

    # -- receiving -------------------------------------------------------------------------------

    def _fetch(self) -> Msg | None:
        msg = self._fq.recv()
        while msg is not None and msg.kind == ROUTING_ID:
            msg = self._fq.recv()
        return msg

    def xrecv(self) -> Msg | None:
        """The sender's identity first, then its frames (F100)."""
        if self._prefetched_id is not None:
            msg, self._prefetched_id = self._prefetched_id, None
            return msg
        if self._prefetched_msg is not None:
            msg, self._prefetched_msg = self._prefetched_msg, None
            self._more_in = msg.more
            if not msg.more and self._superseded is not None:
                self._message_read()
            return msg
        fetched = self._fetch()
        if fetched is None:
            return None
        if self._more_in:
            self._more_in = fetched.more
            if not fetched.more and self._superseded is not None:
                self._message_read()
            return fetched
        self._prefetched_msg = fetched
        return Msg(self._source(), more=True)

    def last_pipe(self) -> Pipe | None:
        """The pipe of the last frame."""
        return self._fq.last

    def xhas_in(self) -> bool:
        """Takes one message out of its queue in advance."""
        if self._more_in or self._prefetched_msg is not None:
            return True
        fetched = self._fetch()
        if fetched is None:
            return False
        self._prefetched_msg = fetched
        self._prefetched_id = Msg(self._source(), more=True)
        return True

    def _source(self) -> bytes:
        pipe = self._fq.last
        assert pipe is not None
        return pipe.routing_id

    def prefetched(self) -> list[Msg]:
        """The message taken in advance."""
        return [] if self._prefetched_msg is None else [self._prefetched_msg]
