"""The two calls that run for every message, for the common case: one frame, a known sender, room for the record.

They do what :meth:`harness.node.Node.send` and :meth:`~harness.node.Node.recv` do, and give all else to
them. Everything they need is a local name here, and nothing is called that need not be: the price of
the harness on a message falls by a fifth, and with it what it takes from a throughput that is measured.

The same are there compiled (``_fast.c``), for a fifth of that price, if the package was installed where there is
a C compiler (docs/decisions/0009-a-compiled-recorder.md).
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import zmq
import zmq.backend

from harness.node import STAMP_BYTES, Message, Outlet, Stamp, unpack_stamp
from harness.trace import KIND_AT, RECORD_BYTES, Kind, Recorder, pack_row_into

try:
    from harness.live import _fast
except ImportError:
    _fast = None  # type: ignore[assignment]

CHOICE = "HARNESS_RECORDER"
"""The environment variable that, set to ``python``, has the calls run in Python even if they are there compiled."""

SOURCE = Path(__file__).with_name("_fast.c")

_SENT = int(Kind.SENT)
_REJECTED = int(Kind.REJECTED)
_LAYOUT = (STAMP_BYTES, RECORD_BYTES, KIND_AT, _SENT, _REJECTED)


def recorder() -> Literal["compiled", "python"]:
    """Which calls the nodes of a run get.

    Compiled ones must be of the very source that lies here, and write the stamps and records of today:
    what is left of another version is not used.
    """
    if _fast is None or os.environ.get(CHOICE) == "python" or _fast.LAYOUT != _LAYOUT:
        return "python"
    try:
        digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    except OSError:
        return "python"
    return "compiled" if digest == _fast.SOURCE else "python"


class Parts(NamedTuple):
    """What a node lends to its fast calls; shared with the slow ones, so that they may take turns.

    Attributes:
        line_ns: the start line, in ns of CLOCK_MONOTONIC.
        recorder: over a mapping.
        outlets: flow name to what is known of it.
        stamps: size in bytes to what makes a message of that size; filled by the slow send.
        heads: key of a stamp to the head of the record of its reception; filled by the slow recv.
        seen: one item, the time of the last send in ns after the start line: what was due by then is due.
    """

    line_ns: int
    recorder: Recorder
    outlets: dict[str, Outlet]
    stamps: dict[int, Stamp]
    heads: dict[int, int]
    seen: list[int]


def make_calls(
    parts: Parts, slow: Callable[..., bool], rest: Callable[[Any, bytes], Message], sleep: Callable[[int], None]
) -> tuple[Callable[..., bool], Callable[..., Message], Callable[[int], None]]:
    """``send``, ``recv`` and ``sleep_until`` of a node, compiled or in Python (:func:`recorder`).

    Args:
        parts: shared with the slow calls.
        slow: the node's own ``send``, for what is rare.
        rest: takes over when a first frame is nothing that ``recv`` knows.
        sleep: the node's own ``sleep_until``.
    """
    if recorder() == "python":
        return make_send(parts, slow), make_recv(parts, rest), make_sleep_until(parts, sleep)
    made = _fast.Calls(
        parts.recorder.buffer,
        parts.line_ns,
        parts.recorder.end,
        parts.outlets,
        parts.heads,
        Message,
        zmq.Again,
        zmq.backend.Socket.send,
        zmq.backend.Socket.recv,
        slow,
        rest,
        sleep,
    )
    return made.send, made.recv, made.sleep_until


def make_send(parts: Parts, slow: Callable[..., bool]) -> Callable[..., bool]:
    """``send`` of a node; ``slow`` is what it falls back on."""
    line_ns, recorder, outlets, stamps, _, seen = parts
    end, last = recorder.end, recorder.last
    buffer = memoryview(recorder.buffer)
    monotonic_ns = time.monotonic_ns
    # pyzmq's front end costs more than libzmq itself at small sizes; its backend does the same.
    send_frame = zmq.backend.Socket.send
    again = zmq.Again

    def send(
        socket: Any,
        *,
        flow: str,
        size_bytes: int = STAMP_BYTES,
        intended_ns: int | None = None,
        answers: Message | None = None,
        prefix: Sequence[bytes] = (),
        flags: int = 0,
    ) -> bool:
        offset = end[0]
        if answers is not None or prefix or offset > last or size_bytes not in stamps:
            return slow(
                socket,
                flow=flow,
                size_bytes=size_bytes,
                intended_ns=intended_ns,
                answers=answers,
                prefix=prefix,
                flags=flags,
            )
        outlet = outlets[flow]
        seq = next(outlet.numbers)
        now = seen[0] = monotonic_ns() - line_ns
        if intended_ns is None:
            intended_ns = now
        body = stamps[size_bytes](outlet.key, seq, intended_ns, now)
        pack_row_into(buffer, offset, seq, now, intended_ns, size_bytes, outlet.row_head)
        end[0] = offset + RECORD_BYTES
        try:
            send_frame(socket, body, flags)
        except again:
            buffer[offset + KIND_AT] = _REJECTED
            return False
        buffer[offset + KIND_AT] = _SENT
        return True

    return send


def make_recv(parts: Parts, rest: Callable[[Any, bytes], Message]) -> Callable[..., Message]:
    """``recv`` of a node; ``rest`` takes over when a first frame is nothing it knows."""
    line_ns, recorder, _, _, heads, _ = parts
    end, last = recorder.end, recorder.last
    buffer = memoryview(recorder.buffer)
    monotonic_ns = time.monotonic_ns
    recv_frame = zmq.backend.Socket.recv
    # What a constructor written in Python does costs as much as reading the clock.
    new_message = Message.__new__
    unknown = (KeyError, struct.error)

    def recv(socket: Any, flags: int = 0) -> Message:
        body = recv_frame(socket, flags)
        offset = end[0]
        try:
            key, seq, _, sent_ns = unpack_stamp(body)
            head = heads[key]
        except unknown:
            return rest(socket, body)
        if offset > last:
            return rest(socket, body)
        pack_row_into(buffer, offset, seq, monotonic_ns() - line_ns, sent_ns, len(body), head)
        end[0] = offset + RECORD_BYTES
        message = new_message(Message)
        message._frames = body
        return message

    return recv


def make_sleep_until(parts: Parts, slow: Callable[[int], None]) -> Callable[[int], None]:
    """``sleep_until`` of a node: a time that a send has seen pass needs no look at the clock."""
    seen = parts.seen

    def sleep_until(time_ns: int) -> None:
        if time_ns > seen[0]:
            slow(time_ns)

    return sleep_until


def make_work(slow: Callable[[int], None]) -> Callable[[int], None]:
    """``work`` of a node: nothing to do takes no time."""

    def work(duration_ns: int) -> None:
        if duration_ns > 0:
            slow(duration_ns)

    return work
