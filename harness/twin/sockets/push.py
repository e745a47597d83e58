"""PUSH: load-balanced to workers, blocks rather than drops (F113; RFC 30)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.twin.lb import LoadBalancer
from harness.twin.msg import Msg
from harness.twin.pipe import Pipe
from harness.twin.socket_base import SocketBase

if TYPE_CHECKING:
    from harness.twin.context import Context


class Push(SocketBase):
    """The ventilator's socket."""

    __slots__ = ("_lb",)

    type_name = "PUSH"
    type_number = 8
    can_conflate = True

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._lb = LoadBalancer(self.observer)

    def xattach_pipe(self, pipe: Pipe, locally_initiated: bool) -> None:
        """A new worker; when it goes its pipe goes at once (F140)."""
        pipe.set_nodelay()
        self._lb.attach(pipe)

    def xpipe_terminated(self, pipe: Pipe) -> None:
        """A worker has gone."""
        self._lb.pipe_terminated(pipe)

    def write_activated(self, pipe: Pipe) -> None:
        """A worker has room again."""
        self._lb.activated(pipe)

    def xsend(self, msg: Msg) -> bool:
        """To the next worker that has room (F73)."""
        return self._lb.send(msg) is not False

    def xhas_out(self) -> bool:
        """Whether any worker has room."""
        return self._lb.has_out()
