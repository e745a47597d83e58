"""Which messages are under way in a context, and to whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from harness.twin.msg import DATA, Msg

if TYPE_CHECKING:
    from harness.twin.context import Context
    from harness.twin.pipe import Queue
    from harness.twin.socket_base import SocketBase

Found = Iterator[tuple[Msg, "SocketBase | None"]]


def census_of(context: Context) -> Found:
    """Messages under way (their last frame), each with the socket it is under way to (None: nobody yet)."""
    seen: dict[int, None] = {}
    for pipe in context.inproc.pending_pipes():
        yield from _unread(pipe.in_queue, None, seen)
    for socket in context.sockets:
        for msg in socket.prefetched():
            if not msg.more and not socket.closed:
                yield msg, socket
        for pipe in (*socket.pipes, *socket.arriving_pipes()):
            yield from _unread(pipe.in_queue, socket, seen)
            # After a hiccup that has not been noticed the far end reads another queue (F39).
            yield from _unread(pipe.out_queue, pipe.remote, seen)
            yield from _unread(pipe.peer.in_queue, pipe.remote, seen)
        for session in socket.sessions:
            if session.pipe is not None:
                yield from _unread(session.pipe.in_queue, session.remote, seen)
                yield from _unread(session.pipe.peer.in_queue, socket, seen)
            if session.engine is not None:
                yield from _whole(session.engine.coming_in(), socket)
                yield from _whole(session.engine.stranded(), session.remote)


def _whole(frames: Iterable[Msg], reader: SocketBase | None) -> Found:
    for msg in frames:
        if msg.kind == DATA and not msg.more:
            yield msg, reader


def _unread(queue: Queue | None, reader: SocketBase | None, seen: dict[int, None]) -> Found:
    if queue is None or id(queue) in seen:
        return
    seen[id(queue)] = None
    yield from _whole(queue, reader)
