"""A connection as a socket sees it: two one-way queues with one end in each thread.

Theory of operation. A pair of :class:`Pipe` objects, one an end, shares two :class:`Queue` objects.
Each end is used by one thread only; to the other it sends *commands* through that thread's mailbox:
``activate_read`` (there is data again), ``activate_write`` (so many messages have been read),
``pipe_term`` and ``pipe_term_ack``. Nothing takes effect before the other thread looks into its
mailbox (F2, F28, F42).

Flow control: the writer may be ``hwm`` messages ahead of what the reader has last announced; the
reader announces its count whenever it is a multiple of ``lwm`` = (hwm + 1) // 2 (F29-F33). Frames
with MORE are invisible until the last frame is there (F3) and count nothing (F5).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from harness.twin.msg import CREDENTIAL, DATA, DELIMITER, ROUTING_ID, Msg, delimiter

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from harness.twin.observer import Observer

# The states of a pipe end (F27).
ACTIVE: Final = 0
WAITING_FOR_DELIMITER: Final = 1
DELIMITER_RECEIVED: Final = 2
TERM_REQ_SENT1: Final = 3
TERM_REQ_SENT2: Final = 4
TERM_ACK_SENT: Final = 5


class Owner(Protocol):
    """The object on whose thread a pipe end lives: a socket, or a session in an I/O thread."""

    observer: Observer

    def post(self, command: Callable[[Any], None], argument: Any) -> None:
        """Put a command into the mailbox of the thread of this object."""

    def read_activated(self, pipe: Pipe) -> None:
        """There may be something to read again."""

    def write_activated(self, pipe: Pipe) -> None:
        """There may be room again."""

    def hiccuped(self, pipe: Pipe) -> None:
        """The connection under the pipe was lost; the pipe lives on."""

    def pipe_terminated(self, pipe: Pipe) -> None:
        """The pipe is dead."""


class Queue(deque[Msg]):
    """One direction: visible frames, and whether its reader is awake (F3, F4)."""

    __slots__ = ("awake",)

    def __init__(self) -> None:
        super().__init__()
        self.awake = True


def lwm(hwm: int) -> int:
    """The credit quantum of a high-water mark: (hwm + 1) // 2, 0 for "no limit" (F29)."""
    return (hwm + 1) // 2 if hwm > 0 else 0


class Pipe:
    """One end of a connection.

    Attributes:
        hwm: messages that may be written ahead of credit; 0 is no limit (F10).
        highest_hwm: the largest mark that this end has had; lowering one discards nothing (F13).
        lwm: messages after which this end, as a reader, announces credit.
        read_count, written_count, credit: complete messages read here, written here, and the last
            count that the far reader has announced (F31).
        unread_cause: why what this end has not read is lost when the pipe dies.
    """

    __slots__ = (
        "_delay",
        "_partial",
        "credit",
        "highest_hwm",
        "hwm",
        "in_active",
        "in_boost",
        "in_queue",
        "lwm",
        "out_active",
        "out_boost",
        "out_queue",
        "owner",
        "peer",
        "read_count",
        "remote",
        "routing_id",
        "state",
        "unread_cause",
        "written_count",
    )

    def __init__(self, owner: Owner, in_queue: Queue, out_queue: Queue, in_hwm: int, out_hwm: int) -> None:
        self.owner = owner
        self.in_queue: Queue | None = in_queue
        self.out_queue: Queue | None = out_queue
        self.hwm = self.highest_hwm = out_hwm
        self.lwm = lwm(in_hwm)
        self.in_boost = -1
        self.out_boost = -1
        self.in_active = True
        self.out_active = True
        self.read_count = 0
        self.written_count = 0
        self.credit = 0
        self.state = ACTIVE
        self.peer: Pipe = self  # replaced by pipe_pair
        self.routing_id = b""
        self.remote: Any = None
        self.unread_cause = "close_unread"
        self._delay = True
        self._partial: list[Msg] = []

    # -- reading -------------------------------------------------------------------------------

    def check_read(self) -> bool:
        """Whether a frame can be read; consumes a delimiter that has come to the front."""
        if not self.in_active or self.state > WAITING_FOR_DELIMITER:
            return False
        queue = self.in_queue
        assert queue is not None
        if not queue:
            queue.awake = False
            self.in_active = False
            return False
        if queue[0].kind == CREDENTIAL:
            queue.popleft()
            return self.check_read()
        if queue[0].kind == DELIMITER:
            queue.popleft()
            self._process_delimiter()
            return False
        return True

    def read(self) -> Msg | None:
        """The next frame, or None; announces credit at every multiple of the LWM (F30)."""
        if not self.in_active or self.state > WAITING_FOR_DELIMITER:
            return None
        queue = self.in_queue
        if not queue:
            queue.awake = False  # type: ignore[union-attr]
            self.in_active = False
            return None
        msg = queue.popleft()
        kind = msg.kind
        if kind:
            if kind == DELIMITER:
                self._process_delimiter()
                return None
            if kind == CREDENTIAL:
                return self.read()
        if not msg.more and kind != ROUTING_ID:
            self.read_count += 1
        if self.lwm and self.read_count % self.lwm == 0:
            peer = self.peer
            peer.owner.post(peer.process_activate_write, self.read_count)
        return msg

    # -- writing -------------------------------------------------------------------------------

    def check_hwm(self) -> bool:
        """Whether credit allows another message; unlike a refused write this leaves no mark (F33)."""
        return not (self.hwm > 0 and self.written_count - self.credit >= self.hwm)

    def check_write(self) -> bool:
        """Whether a message can be written; when full, output is off until credit comes (F33)."""
        if not self.out_active or self.state:
            return False
        if self.hwm > 0 and self.written_count - self.credit >= self.hwm:
            self.out_active = False
            self.owner.observer.hwm_reached(self)
            return False
        return True

    def write(self, msg: Msg) -> bool:
        """Append one frame; False when the pipe is full or closing. See :meth:`flush`."""
        if not self.out_active or self.state:
            return False
        if self.hwm > 0 and self.written_count - self.credit >= self.hwm:
            self.out_active = False
            self.owner.observer.hwm_reached(self)
            return False
        if msg.more:
            self._partial.append(msg)
            return True
        queue = self.out_queue
        if self._partial:
            queue.extend(self._partial)  # type: ignore[union-attr]
            self._partial.clear()
        queue.append(msg)  # type: ignore[union-attr]
        if msg.kind != ROUTING_ID:
            self.written_count += 1
        return True

    def flush(self) -> None:
        """Wake the reader if it sleeps (F4)."""
        queue = self.out_queue
        if queue is None or queue.awake or not queue:
            return
        queue.awake = True
        peer = self.peer
        peer.owner.post(peer.process_activate_read, None)

    def rollback(self) -> None:
        """Take back the frames of an unfinished message (F22)."""
        self._partial.clear()

    # -- commands from the far end ----------------------------------------------------------------

    def process_activate_read(self, _: None) -> None:
        """The far end has flushed something."""
        if not self.in_active and self.state <= WAITING_FOR_DELIMITER:
            self.in_active = True
            self.owner.read_activated(self)

    def process_activate_write(self, read_count: int) -> None:
        """The far end has read so many messages in all."""
        self.credit = read_count
        if not self.out_active and self.state == ACTIVE:
            self.out_active = True
            self.owner.write_activated(self)

    def process_pipe_term(self, _: None) -> None:
        """The far end wants to close."""
        if self.state == ACTIVE:
            if self._delay:
                self.state = WAITING_FOR_DELIMITER
            else:
                self._acknowledge(TERM_ACK_SENT)
        elif self.state == DELIMITER_RECEIVED:
            self._acknowledge(TERM_ACK_SENT)
        elif self.state == TERM_REQ_SENT1:
            self._acknowledge(TERM_REQ_SENT2)

    def process_pipe_term_ack(self, _: None) -> None:
        """The far end will not write again: what is unread now is lost."""
        self.owner.pipe_terminated(self)
        if self.state == TERM_REQ_SENT1:
            self._acknowledge(TERM_REQ_SENT2)
        queue, self.in_queue = self.in_queue, None
        if queue is not None:
            self._lose(queue)

    def process_hwm(self, marks: tuple[int, int]) -> None:
        """The far end's marks were changed (F12): (in, out) as this end sees them."""
        self.set_hwms(*marks)

    def process_hiccup(self, queue: Queue) -> None:
        """The far end lost its connection: a new, empty queue replaces the old one (F39)."""
        old = self.out_queue
        assert old is not None
        for msg in old:
            if not msg.more:
                self.written_count -= 1
                if msg.kind == DATA:
                    self.owner.observer.lost("disconnect_pipe", msg, self.remote)
        self.out_queue = queue
        self.out_active = True
        if self.state == ACTIVE:
            self.owner.hiccuped(self)

    # -- termination -----------------------------------------------------------------------------

    def set_nodelay(self) -> None:
        """Do not wait for the delimiter when the far end closes (F140)."""
        self._delay = False

    def terminate(self, delay: bool) -> None:
        """Close from this end; ``delay``: what the far end has written may still be read."""
        self._delay = delay
        state = self.state
        if state in (TERM_REQ_SENT1, TERM_REQ_SENT2, TERM_ACK_SENT):
            return
        if state in (ACTIVE, DELIMITER_RECEIVED):
            self.state = TERM_REQ_SENT1
            peer = self.peer
            peer.owner.post(peer.process_pipe_term, None)
        elif not delay:
            self.rollback()
            self._acknowledge(TERM_ACK_SENT)
        self.out_active = False
        if self.out_queue is not None:
            self.rollback()
            self.out_queue.append(delimiter())
            self.flush()

    def hiccup(self) -> None:
        """Tell the far end that the connection was lost; it starts again with an empty queue."""
        if self.state != ACTIVE:
            return
        queue = Queue()
        self.in_queue = queue
        self.in_active = True
        peer = self.peer
        peer.owner.post(peer.process_hiccup, queue)

    def _process_delimiter(self) -> None:
        if self.state == ACTIVE:
            self.state = DELIMITER_RECEIVED
        else:
            self.rollback()
            self._acknowledge(TERM_ACK_SENT)

    def _acknowledge(self, state: int) -> None:
        self.state = state
        self.out_queue = None
        peer = self.peer
        peer.owner.post(peer.process_pipe_term_ack, None)

    def _lose(self, queue: Queue) -> None:
        observer = self.owner.observer
        for msg in queue:
            if not msg.more and msg.kind == DATA:
                observer.lost(self.unread_cause, msg, self.peer.remote)
        queue.clear()

    # -- marks -----------------------------------------------------------------------------------

    def set_hwms(self, in_hwm: int, out_hwm: int) -> None:
        """New marks for both directions; inproc adds the partner's (F8, F12, F14)."""
        full_in = in_hwm + max(self.in_boost, 0)
        full_out = out_hwm + max(self.out_boost, 0)
        if in_hwm <= 0 or self.in_boost == 0:
            full_in = 0
        if out_hwm <= 0 or self.out_boost == 0:
            full_out = 0
        self.lwm = lwm(full_in)
        self.hwm = full_out
        self.highest_hwm = max(self.highest_hwm, full_out) if self.highest_hwm and full_out else 0

    def set_hwms_boost(self, in_boost: int, out_boost: int) -> None:
        """What the partner of an inproc pipe adds: its SNDHWM in, its RCVHWM out."""
        self.in_boost = in_boost
        self.out_boost = out_boost


def pipe_pair(owners: tuple[Owner, Owner], hwms: tuple[int, int]) -> tuple[Pipe, Pipe]:
    """Two ends, for ``owners`` in order; ``hwms``: of the direction first to second, second to first."""
    forward, backward = Queue(), Queue()
    first = Pipe(owners[0], backward, forward, hwms[1], hwms[0])
    second = Pipe(owners[1], forward, backward, hwms[0], hwms[1])
    first.peer, second.peer = second, first
    return first, second
