"""PULL: fair-queued from all senders (F114; RFC 30)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.twin.fq import FairQueue
from harness.twin.msg import Msg
from harness.twin.pipe import Pipe
from harness.twin.socket_base import SocketBase

if TYPE_CHECKING:
    from harness.twin.context import Context


class Pull(SocketBase):
    """The worker's, or the sink's, socket."""

    __slots__ = ("_fq",)

    type_name = "PULL"
    type_number = 7
    can_conflate = True

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._fq = FairQueue()

    def xattach_pipe(self, pipe: Pipe, locally_initiated: bool) -> None:
        """A new sender."""
        self._fq.attach(pipe)

    def xpipe_terminated(self, pipe: Pipe) -> None:
        """A sender has gone and all it sent was read."""
        self._fq.pipe_terminated(pipe)

    def read_activated(self, pipe: Pipe) -> None:
        """A sender has sent again."""
        self._fq.activated(pipe)

    def xrecv(self) -> Msg | None:
        """The next frame in turn (F77)."""
        return self._fq.recv()

    def last_pipe(self) -> Pipe | None:
        """The pipe of the last frame."""
        return self._fq.last

    def xhas_in(self) -> bool:
        """Whether any sender has sent."""
        return self._fq.has_in()
