"""CONFLATE: pipes that hold one frame a direction, the newest (F11, F68-F72).

A frame is there to be read as soon as it is written, whether more of its message follow or not, and
the next one takes its place. So of a multipart message the last frame survives, of several
subscriptions written together the last, and of a message and the mark that ends the pipe, the mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.twin.msg import DATA, ROUTING_ID, Msg
from harness.twin.pipe import ACTIVE, Owner, Pipe, Queue, pipe_pair

if TYPE_CHECKING:
    from harness.twin.socket_base import SocketBase


class _Slot(Queue):
    """One direction: a frame or none; its reader counts as asleep always (F71)."""

    __slots__ = ("_writer",)

    def __init__(self, writer: Pipe) -> None:
        super().__init__()
        self.awake = False
        self._writer = writer

    def append(self, msg: Msg, /) -> None:
        """Put a frame in the place of the one that is there."""
        if self:
            old = self.popleft()
            if old.kind == DATA and not old.more:
                self._writer.owner.observer.lost("conflated", old, self._writer.remote)
        super().append(msg)


class ConflatePipe(Pipe):
    """One end of a connection whose queues are slots."""

    __slots__ = ()

    def write(self, msg: Msg) -> bool:
        """Overwrite; False when the pipe is closing, or when a mark was set after the connection was made (F72)."""
        if not self.check_write():
            return False
        assert self.out_queue is not None
        self.out_queue.append(msg)
        if not msg.more and msg.kind != ROUTING_ID:
            self.written_count += 1
        return True

    def flush(self) -> None:
        """Wake the reader, every time (F71)."""
        if self.out_queue:
            peer = self.peer
            peer.owner.post(peer.process_activate_read, None)

    def hiccup(self) -> None:
        """Tell the far end that the connection was lost; it starts again with an empty slot."""
        if self.state != ACTIVE:
            return
        slot = _Slot(self.peer)
        self.in_queue = slot
        self.in_active = True
        peer = self.peer
        peer.owner.post(peer.process_hiccup, slot)


def connection_pipes(
    owners: tuple[Owner, SocketBase] | tuple[SocketBase, Owner], hwms: tuple[int, int], conflate: bool
) -> tuple[Pipe, Pipe]:
    """Two ends, for ``owners`` in order, of an ordinary pipe or of one that conflates, which has no marks (F11)."""
    if not conflate:
        return pipe_pair(owners, hwms)
    first = ConflatePipe(owners[0], Queue(), Queue(), 0, 0)
    second = ConflatePipe(owners[1], Queue(), Queue(), 0, 0)
    first.peer, second.peer = second, first
    first.out_queue = second.in_queue = _Slot(first)
    second.out_queue = first.in_queue = _Slot(second)
    return first, second
