"""What the queues of a process take of its memory, as libzmq keeps them: slots in chunks, contents beside them.

A pipe is a chain of chunks of 256 slots of 64 bytes (yqueue.hpp, message_pipe_granularity, zmq_msg_t). A message
of up to 33 bytes lies in its slot; the content of a longer one is allocated beside it with 40 bytes of libzmq's own
(max_vsm_size and content_t in msg.hpp), once for all pipes that hold it. Glibc adds eight bytes and rounds up to
sixteen, above 128 KiB to whole pages. The kernel's buffers are not the process's. What a receiving engine has read
is counted alike, though libzmq keeps small messages there in the buffers that they were read into.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.twin.msg import Msg

if TYPE_CHECKING:
    from harness.twin.context import Context
    from harness.twin.pipe import Queue

_CHUNK_SLOTS = 256
_CHUNK_BYTES = _CHUNK_SLOTS * 64 + 32
_IN_SLOT_BYTES = 33
_CONTENT_BYTES = 40
_MAPPED_BYTES = 128 * 1024
_PAGE_BYTES = 4096


def content_bytes(size_bytes: int) -> int:
    """Bytes that a message of that size takes besides its slot."""
    if size_bytes <= _IN_SLOT_BYTES:
        return 0
    chunk = _CONTENT_BYTES + size_bytes + 8
    if chunk > _MAPPED_BYTES:
        return -(-(chunk + 8) // _PAGE_BYTES) * _PAGE_BYTES
    return -(-chunk // 16) * 16


class Heap:
    """The memory of one process over time.

    Asked again, it looks only at what has come and gone since, so that a long queue costs no more than a short one.

    Args:
        contexts: gives those that the process has at present.
    """

    def __init__(self, contexts: Callable[[], Sequence[Context]]) -> None:
        self._contexts = contexts
        self._known: dict[int, tuple[Queue, deque[Msg]]] = {}
        self._holders: dict[int, int] = {}
        self._content_bytes = 0

    def taken_bytes(self) -> int:
        """What its queues take now."""
        before, self._known = self._known, {}
        for context in self._contexts():
            for queue in _queues(context):
                if id(queue) not in self._known:
                    self._known[id(queue)] = queue, before.pop(id(queue), (queue, deque()))[1]
        for _, gone in before.values():
            for msg in gone:
                self._release(msg)
        chunks = 0
        for queue, seen in self._known.values():
            self._follow(queue, seen)
            chunks += len(queue) // _CHUNK_SLOTS + 1
        return chunks * _CHUNK_BYTES + self._content_bytes

    def _follow(self, queue: Queue, seen: deque[Msg]) -> None:
        first = queue[0] if queue else None
        while seen and seen[0] is not first:
            self._release(seen.popleft())
        last = seen[-1] if seen else None
        new = []
        for msg in reversed(queue):
            if msg is last:
                break
            new.append(msg)
        for msg in reversed(new):
            seen.append(msg)
            holders = self._holders.get(id(msg), 0)
            self._holders[id(msg)] = holders + 1
            if not holders:
                self._content_bytes += content_bytes(len(msg.data))

    def _release(self, msg: Msg) -> None:
        holders = self._holders.pop(id(msg)) - 1
        if holders:
            self._holders[id(msg)] = holders
        else:
            self._content_bytes -= content_bytes(len(msg.data))


def _queues(context: Context) -> Iterator[Queue]:
    """All queues of a context, some of them twice."""
    for socket in context.sockets:
        pipes = [*socket.pipes, *socket.arriving_pipes()]
        pipes += [session.pipe for session in socket.sessions if session.pipe is not None]
        for pipe in pipes:
            for queue in (pipe.in_queue, pipe.out_queue):
                if queue is not None:
                    yield queue
