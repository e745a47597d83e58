"""What comes up from a world: fixed records, forty bytes each, in columns.

Both worlds write the same records, the simulation into memory, a live node into a shared mapping
that outlives it (SIGKILL included). A record is written where the event happens and never
interpreted there; ledger and metrics read.

======== ==== =====================================================================================
column   type meaning
======== ==== =====================================================================================
seq      i8   the sender's number of the message in that flow, from 0; -1 when not stamped (a mark's
              name stands in seq and other_ns, see :func:`pack_mark`; and see :data:`EVENTS`)
time_ns  i8   when, in ns after the start line (negative before it)
other_ns i8   SENT, ATTEMPT, REJECTED: intended time; RECEIVED: the time stamped by the sender
size     u4   bytes of the whole message, all frames
aux      u4   EVENT: a value that the event defines; else 0
kind     u1   one of :class:`Kind`
flag     u1   LOST: position in :data:`CAUSES`; EVENT: position in :data:`EVENTS`; IN_FLIGHT: 0
flow     u2   position of the flow in the topology, or NONE
node     u2   who wrote it, as position in the topology (LOST, IN_FLIGHT: the sender)
peer     u2   the other node (SENT: the one addressed; RECEIVED: the sender; LOST, IN_FLIGHT: the
              receiver it was under way to; EVENT: the node at the other end), or NONE
======== ==== =====================================================================================

The kind stands behind what it speaks of, because a record is written front to back: one whose kind
is not 0 is whole. A mapping needs no count of them, then, which costs a store and a load a message.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

NONE = 0xFFFF
"""No node, no flow."""

RECORD_DTYPE = np.dtype(
    [
        ("seq", "<i8"),
        ("time_ns", "<i8"),
        ("other_ns", "<i8"),
        ("size", "<u4"),
        ("aux", "<u4"),
        ("kind", "<u1"),
        ("flag", "<u1"),
        ("flow", "<u2"),
        ("node", "<u2"),
        ("peer", "<u2"),
    ]
)
RECORD_BYTES = RECORD_DTYPE.itemsize
KIND_AT = 32
"""Where in a record its kind stands."""
assert RECORD_BYTES == 40
assert RECORD_DTYPE.fields is not None
assert RECORD_DTYPE.fields["kind"][1] == KIND_AT

CAUSES = (
    "no_peer",
    "not_subscribed",
    "hwm_sender",
    "hwm_router",
    "unroutable",
    "rejected",
    "disconnect_pipe",
    "disconnect_wire",
    "crash_unread",
    "crash_state",
    "linger",
    "conflated",
    "filtered",
    "late_reply",
    "datagram",
    "subscription_lost",
    "close_unread",
    "handover",
    "crash_unsent",
)
"""Why a message was lost; a new cause is added at the end, and never called ``other``."""

EVENTS = (
    "listening",
    "accepted",
    "connect_delayed",
    "connected",
    "handshake_succeeded",
    "connect_retried",
    "disconnected",
    "closed",
    "attached",
    "detached",
    "fault_on",
    "fault_off",
    "mark",
    "hwm_reached",
    "started",
    "finished",
    "bind_failed",
    "handshake_failed_no_detail",
    "handshake_failed_protocol",
    "handshake_failed_auth",
    "rss_kib",
    "cpu_ms",
    "switches",
    "link_broke",
    "grown_kib",
    "memory_limit",
    "fault_done",
)
"""What else happens: socket monitor events, pipes known to a socket, faults (aux: position of the
fault in the run; node: whom it hits; live, it took effect between ``fault_on`` or ``fault_off`` and the
``fault_done`` that follows), marks of programs, a program's start and end, and samples of a
live process (aux: memory in KiB, processor time in ms, context switches, the last two since its start);
connections that a link's relay has seen break (aux: bytes in its hands and in the kernel's; node connected and
peer bound; seq, other_ns: messages in flight to the peer and to the node, -1 where frames are not followed); of a
process whose memory is limited, what it has taken since it was ready, and its end at that limit (aux: KiB)."""


class Kind(IntEnum):
    """What a record says."""

    EMPTY = 0
    ATTEMPT = 1
    """Entered ``send``; no outcome yet (blocked, or ended there)."""
    SENT = 2
    REJECTED = 3
    """``send`` gave EAGAIN to the caller."""
    RECEIVED = 4
    LOST = 5
    """The simulation knows: this message will not reach this receiver (flag: cause)."""
    IN_FLIGHT = 6
    """The simulation found it in a pipe, batch or kernel buffer at the end."""
    EVENT = 7


class TraceFullError(Exception):
    """A recorder has no room left: the limit on records was hit."""


class Recorder:
    """Appends records to a buffer (a ``bytearray`` that grows, or a shared mapping that does not).

    In a mapping that holds records already, of a process that died, it goes on behind the last.

    Attributes:
        buffer: what is written to; all zero where no record stands yet.
        end: its one item is the byte offset of the next record.
        last: the last offset at which a record has room.
    """

    def __init__(self, buffer: Any = None, limit: int = 50_000_000) -> None:
        self._grows = buffer is None
        self._limit = limit
        self.buffer = bytearray(4096 * RECORD_BYTES) if buffer is None else buffer
        self.end = [0 if buffer is None else count_records(buffer) * RECORD_BYTES]
        self.last = len(self.buffer) - RECORD_BYTES

    def append(
        self,
        kind: int,
        flag: int,
        flow: int,
        node: int,
        peer: int,
        seq: int,
        time_ns: int,
        other_ns: int,
        size: int,
        aux: int,
    ) -> int:
        """Write one record; give what :meth:`settle` wants to know of it.

        Raises TraceFullError when there is no room.
        """
        return self.append_row(row_head(kind, flag, flow, node, peer), seq, time_ns, other_ns, size | aux << 32)

    def append_row(self, head: int, seq: int, time_ns: int, other_ns: int, tail: int) -> int:
        """As :meth:`append`, with ``head`` made by :func:`row_head` and ``tail`` = size | aux << 32.

        Half the price: most of a row's head is the same for every message of a flow.
        """
        offset = self.end[0]
        if offset > self.last:
            self._grow()
        pack_row_into(self.buffer, offset, seq, time_ns, other_ns, tail, head)
        self.end[0] = offset + RECORD_BYTES
        return offset + KIND_AT

    def settle(self, record: int, kind: int) -> None:
        """Change the kind of a record, once its outcome is known."""
        self.buffer[record] = kind

    def messages_since(self, count: int) -> bool:
        """Whether anything but events was written after the first ``count`` records."""
        kinds = self.buffer[count * RECORD_BYTES + KIND_AT : self.end[0] : RECORD_BYTES]
        return any(kind != Kind.EVENT for kind in kinds)

    def _grow(self) -> None:
        if not self._grows or len(self) >= self._limit:
            raise TraceFullError(f"the trace holds {len(self)} records and may hold no more")
        self.buffer.extend(bytes(min(len(self.buffer), 64 * 1024 * 1024)))
        self.last = len(self.buffer) - RECORD_BYTES

    def __len__(self) -> int:
        return self.end[0] // RECORD_BYTES

    def records(self) -> npt.NDArray[Any]:
        """A copy of what was written, shape (n,), dtype :data:`RECORD_DTYPE`."""
        return read_records(self.buffer, len(self))


def row_head(kind: int, flag: int, flow: int, node: int, peer: int) -> int:
    """The last five columns of a record as one integer, for :meth:`Recorder.append_row`."""
    return kind | flag << 8 | flow << 16 | node << 32 | peer << 48


pack_row_into = struct.Struct("<qqqQQ").pack_into
"""Writes one record: buffer, offset, seq, time, other time, size | aux << 32, head."""


_MARK_BYTES = 16
_MARK = struct.Struct("<qq")


def pack_mark(name: str) -> tuple[int, int]:
    """The name of a mark in two columns, ``seq`` and ``other_ns``. Raises ValueError beyond 16 bytes."""
    data = name.encode()
    if len(data) > _MARK_BYTES:
        raise ValueError(f"a mark's name has at most {_MARK_BYTES} bytes in UTF-8, not {len(data)}: {name!r}")
    first, second = _MARK.unpack(data.ljust(_MARK_BYTES, b"\0"))
    return first, second


def unpack_mark(seq: int, other_ns: int) -> str:
    """The inverse of :func:`pack_mark`."""
    return _MARK.pack(seq, other_ns).rstrip(b"\0").decode(errors="replace")


def count_records(buffer: Any) -> int:
    """How many records stand in a mapping that a recorder writes to or has written to."""

    def is_absent(index: int) -> bool:
        return int(buffer[index * RECORD_BYTES + KIND_AT]) == Kind.EMPTY

    return bisect_left(range(len(buffer) // RECORD_BYTES), True, key=is_absent)


def read_records(buffer: Any, count: int | None = None) -> npt.NDArray[Any]:
    """Records in a recorder's buffer, shape (n,), dtype :data:`RECORD_DTYPE`; a copy.

    Args:
        buffer: of a recorder.
        count: how many; by default all that a mapping holds.
    """
    if count is None:
        count = count_records(buffer)
    return np.frombuffer(buffer, dtype=RECORD_DTYPE, count=count).copy()


@dataclass(frozen=True, slots=True)
class Trace:
    """All that one execution has left behind.

    Attributes:
        run_id: the run that was executed.
        world: ``"sim"`` or ``"live"``.
        nodes, flows: names; their positions are the ids in the records.
        records: shape (n,), dtype :data:`RECORD_DTYPE`. A node's records stand in the order in
            which they happened; in the simulation so do all.
        end_ns: when the run was over, drain included.
        limits_hit: sentences, one for each limit that the run has hit (empty: it was complete).
        broken_off: the run was ended at an arbitrary moment (real time or records ran out), perhaps with
            a message in somebody's hand; a drain that is cut off ends between two events and is not that.
        errors: node name to the text of the exception that ended its program.
        violations: sentences of the twin's own checks (HWM, order, clock), simulation only.
        environment: versions, machine, profile: whatever is needed to judge the figures.
    """

    run_id: str
    world: str
    nodes: tuple[str, ...]
    flows: tuple[str, ...]
    records: npt.NDArray[Any]
    end_ns: int
    limits_hit: tuple[str, ...] = ()
    broken_off: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
