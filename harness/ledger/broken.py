"""What a publisher's pipe had taken and what it had refused when its connection ended, as it looks from outside.

Behind the last message that a receiver got, some were in the connection when it ended, and others had been dropped
before because the pipe was full. Both are missing, and which is which the arithmetic of credit tells: a full pipe has
taken its mark and a number of lumps, and takes a lump more when its reader, the engine, has read as many (F29 to F34).
The engine is ahead of the receiver's program by what kernels and the receiver hold, and how much that is, the refills
before the end have shown: when the pipe took messages again, the engine had just read a multiple of the lump. Without
a refill nobody knows, and what came after the pipe may have been full has no cause that can be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.ledger.marks import low_water_mark
from harness.ledger.stays import UNTOLD, Stay
from harness.trace import CAUSES

Array = npt.NDArray[Any]

_NO_PEER = CAUSES.index("no_peer")
_WIRE = CAUSES.index("disconnect_wire")
_UNREAD = CAUSES.index("crash_unread")
_UNSENT = CAUSES.index("crash_unsent")
_CLOSED = CAUSES.index("close_unread")
_HWM_SENDER = CAUSES.index("hwm_sender")
_REFILLS = 5
"""So many of the last refills say how far the engine is ahead."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Messages of one publisher for one receiver, in the order of sending: arrays of shape (messages,).

    Attributes:
        sent_ns, received_ns: ns after the start line; the latter means nothing where not ``received``.
        received: whether it was.
    """

    sent_ns: Array
    received_ns: Array
    received: Array

    def take(self, rows: slice) -> Seen:
        """Only these."""
        return Seen(self.sent_ns[rows], self.received_ns[rows], self.received[rows])


@dataclass(frozen=True, slots=True)
class Marks:
    """What can wait at either end.

    Attributes:
        pipe: the high-water mark of the publisher's pipe; 0 is none, None is unknown.
        receiver: messages that wait in the receiver's process at most.
    """

    pipe: int | None
    receiver: int


def infer_broken(seen: Seen, causes: Array, stay: Stay, marks: Marks) -> None:
    """A connection that ended; written into ``causes``, one of a join for all that came before the first reception."""
    received = seen.received
    if not received.any():
        causes[:] = _NO_PEER
        return
    first, last = int(np.argmax(received)), len(received) - int(np.argmax(received[::-1]))
    causes[:first] = _NO_PEER
    causes[first:] = _HWM_SENDER
    certain, taken = _taken(seen, first, last, marks)
    causes[last + certain :] = UNTOLD
    held = last + np.flatnonzero(taken)
    causes[held] = _UNSENT if stay.sender_died else _WIRE
    if stay.receiver_died or stay.receiver_left:
        causes[held[: marks.receiver]] = _UNREAD if stay.receiver_died else _CLOSED


def _taken(seen: Seen, first: int, last: int, marks: Marks) -> tuple[int, Array]:
    """Of how many messages from ``last`` on it is certain whether the pipe took them; and which of these it took.

    ``first``: the first one received.
    """
    hwm = marks.pipe
    if not hwm:
        return len(seen.sent_ns) - last, np.ones(len(seen.sent_ns) - last, dtype=bool)
    lump = low_water_mark(hwm)
    reads = np.searchsorted(np.sort(seen.received_ns[seen.received]), seen.sent_ns, side="right")
    ahead, shown = _ahead(seen, reads, first, last, hwm)
    written = int(np.count_nonzero(seen.received))
    taken = []
    for read in reads[last:].tolist():
        takes = written - min(read + ahead, written) // lump * lump < hwm
        if not takes and not shown:
            break
        taken.append(takes)
        written += takes
    return len(taken), np.array(taken, dtype=bool)


def _ahead(seen: Seen, reads: Array, first: int, last: int, hwm: int) -> tuple[int, bool]:
    """By how many messages the engine is ahead of the receiver's program; whether a refill has shown it."""
    lump, received = low_water_mark(hwm), seen.received
    written = np.cumsum(received) - received
    refills = first + 1 + np.flatnonzero(received[first + 1 : last] & ~received[first : last - 1])
    if len(refills):
        chosen = refills[-_REFILLS:]
        credit = ((written[chosen] - hwm) // lump + 1) * lump
        return max(0, int(np.median(credit - reads[chosen]))), True
    # So much at least was once under way.
    return max(0, int((written[first:last] + 1 - reads[first:last]).max()) - hwm), False
