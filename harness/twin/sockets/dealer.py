"""DEALER: load-balanced out, fair-queued in, no state (F90; RFC 28)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.twin.fq import FairQueue
from harness.twin.lb import LoadBalancer
from harness.twin.msg import Msg
from harness.twin.pipe import Pipe
from harness.twin.socket_base import SocketBase
from harness.twin.sockets.routing import probe

if TYPE_CHECKING:
    from harness.twin.context import Context


class Dealer(SocketBase):
    """The asynchronous client."""

    __slots__ = ("_fq", "_lb", "_probe")

    type_name = "DEALER"
    type_number = 5
    can_conflate = True
    single_connect = True

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._lb = LoadBalancer(self.observer)
        self._fq = FairQueue()
        self._probe = False

    def xset(self, name: str, value: int | bytes) -> bool:
        """PROBE_ROUTER (F90)."""
        if name != "probe_router":
            return False
        self._probe = bool(value)
        return True

    def xattach_pipe(self, pipe: Pipe, locally_initiated: bool) -> None:
        """A new peer, both ways."""
        if self._probe:
            probe(pipe)
        self._fq.attach(pipe)
        self._lb.attach(pipe)

    def xpipe_terminated(self, pipe: Pipe) -> None:
        """A peer has gone."""
        self._fq.pipe_terminated(pipe)
        self._lb.pipe_terminated(pipe)

    def read_activated(self, pipe: Pipe) -> None:
        """A peer has sent again."""
        self._fq.activated(pipe)

    def write_activated(self, pipe: Pipe) -> None:
        """A peer has room again."""
        self._lb.activated(pipe)

    def xsend(self, msg: Msg) -> bool:
        """To the next peer that has room."""
        return self._lb.send(msg) is not False

    def xrecv(self) -> Msg | None:
        """The next frame in turn."""
        return self._fq.recv()

    def last_pipe(self) -> Pipe | None:
        """The pipe of the last frame."""
        return self._fq.last

    def xhas_in(self) -> bool:
        """Whether any peer has sent."""
        return self._fq.has_in()

    def xhas_out(self) -> bool:
        """Whether any peer has room."""
        return self._lb.has_out()
