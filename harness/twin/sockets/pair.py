"""PAIR: one peer, no discipline; lossless while the pipe lives (F80-F82; RFC 31)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.twin.msg import ROUTING_ID, Msg
from harness.twin.pipe import Pipe
from harness.twin.socket_base import SocketBase

if TYPE_CHECKING:
    from harness.twin.context import Context


class Pair(SocketBase):
    """The exclusive pair."""

    __slots__ = ("_pipe",)

    type_name = "PAIR"
    type_number = 0

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._pipe: Pipe | None = None

    def xattach_pipe(self, pipe: Pipe, locally_initiated: bool) -> None:
        """The first peer is taken, any further one refused (F81)."""
        if self._pipe is None:
            self._pipe = pipe
        else:
            pipe.terminate(False)

    def xpipe_terminated(self, pipe: Pipe) -> None:
        """The place is free for a new connection."""
        if pipe is self._pipe:
            self._pipe = None

    def xsend(self, msg: Msg) -> bool:
        """No peer, or a full pipe: EAGAIN (F80)."""
        pipe = self._pipe
        if pipe is None or not pipe.write(msg):
            return False
        if not msg.more:
            pipe.flush()
        return True

    def xrecv(self) -> Msg | None:
        """The next frame of the one pipe."""
        if self._pipe is None:
            return None
        msg = self._pipe.read()
        while msg is not None and msg.kind == ROUTING_ID:
            msg = self._pipe.read() if self._pipe is not None else None
        return msg

    def last_pipe(self) -> Pipe | None:
        """The pipe of the last frame."""
        return self._pipe

    def xhas_in(self) -> bool:
        """Whether there is something to read."""
        return self._pipe is not None and self._pipe.check_read()

    def xhas_out(self) -> bool:
        """Whether there is room."""
        return self._pipe is not None and self._pipe.check_write()
