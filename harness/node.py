"""Waist 1: what a program may ask of the world it runs in.

A program is an ordinary synchronous function over pyzmq, ``program(node, options)``. The node
gives what pyzmq does not: a clock whose zero is the start line, work, chance, addresses, and two
helpers that stamp and record messages. Nothing else. The same program runs in both worlds.
"""

from __future__ import annotations

import itertools
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.trace import EVENTS, NONE, Kind, Recorder, pack_mark, row_head

STAMP = struct.Struct("<4sHHqqq")
"""At the start of the last frame: magic, sender, flow, seq, intended ns, sent ns (32 bytes)."""
STAMP_BYTES = STAMP.size
STAMP_MAGIC = b"\xf7zh\x01"

_MARK = EVENTS.index("mark")
_SENT = int(Kind.SENT)
_REJECTED = int(Kind.REJECTED)

# The stamp once more, its first three fields as one integer (the key): what is the same for every
# message of a sender and flow is then one item to pack, and one to look up when it arrives.
_STAMP_BY_KEY = struct.Struct("<Qqqq")
unpack_stamp = _STAMP_BY_KEY.unpack_from
_MAGIC = int.from_bytes(STAMP_MAGIC, "little")

Stamp = Callable[[int, int, int, int], bytes]
"""Makes the last frame of a message of one size: key, seq, intended ns, sent ns."""


class Message:
    """A received message.

    Attributes:
        frames: all frames, envelope included.
        sender, flow: positions in the topology; -1 when the message carries no stamp.
        seq: the sender's number in that flow, from 0; -1 without a stamp.
        intended_ns, sent_ns: as stamped by the sender, ns after the start line; 0 without a stamp.
    """

    __slots__ = ("_frames",)

    def __init__(self, frames: list[bytes] | bytes) -> None:
        """``frames``: all, or the only one. It is looked into when somebody asks, which most do not."""
        self._frames = frames

    @property
    def frames(self) -> list[bytes]:
        """All frames, envelope included."""
        if isinstance(self._frames, bytes):
            self._frames = [self._frames]
        return self._frames

    def _stamp(self) -> tuple[int, int, int, int] | None:
        """Key, seq, intended ns, sent ns."""
        body = self._frames if isinstance(self._frames, bytes) else self._frames[-1]
        if body[:4] == STAMP_MAGIC and len(body) >= STAMP_BYTES:
            return unpack_stamp(body)
        return None

    @property
    def sender(self) -> int:
        """Position of the sender in the topology, or -1."""
        stamp = self._stamp()
        return stamp[0] >> 32 & 0xFFFF if stamp else -1

    @property
    def flow(self) -> int:
        """Position of the flow in the topology, or -1."""
        stamp = self._stamp()
        return stamp[0] >> 48 if stamp else -1

    @property
    def seq(self) -> int:
        """The sender's number of the message in that flow, or -1."""
        stamp = self._stamp()
        return stamp[1] if stamp else -1

    @property
    def intended_ns(self) -> int:
        """When the message was due, by the sender's stamp."""
        stamp = self._stamp()
        return stamp[2] if stamp else 0

    @property
    def sent_ns(self) -> int:
        """When the message was sent, by the sender's stamp."""
        stamp = self._stamp()
        return stamp[3] if stamp else 0


def configure(socket: Any, options: Mapping[str, int | str | bytes]) -> None:
    """Set socket options by pyzmq's names, e.g. ``{"rcvhwm": 100}``; texts as UTF-8. Raises zmq.ZMQError."""
    for name, value in options.items():
        setattr(socket, name, value.encode() if isinstance(value, str) else value)


def keeping(context_class: Any, watch: Callable[[Any], None] | None = None) -> Any:
    """A kind of that context whose sockets stay open when a program leaves them so, as long as the class lives.

    Else pyzmq would close them when the program returns; and what an ipc socket has handed to the kernel, and
    its peer has not read yet, is lost when it closes, whatever its LINGER says. ``watch`` is told of each new socket.
    """
    kept: list[Any] = []

    class Keeping(context_class):  # type: ignore[misc]
        """Of one node, or of those that share a process."""

        def socket(self, *arguments: Any, **named: Any) -> Any:
            """As of the context class."""
            made = super().socket(*arguments, **named)
            kept[:] = [*(socket for socket in kept if not socket.closed), made]
            if watch is not None:
                watch(made)
            return made

    return Keeping


class Outlet:
    """What a node needs to know of one flow to send in it."""

    __slots__ = ("flow_id", "key", "numbers", "row_head")

    def __init__(self, node_id: int, flow_id: int) -> None:
        self.flow_id = flow_id
        self.key = _MAGIC | node_id << 32 | flow_id << 48
        self.row_head = row_head(Kind.ATTEMPT, 0, flow_id, node_id, NONE)
        self.numbers = itertools.count()


class Node(ABC):
    """What a program is given; each world has its own.

    Attributes:
        name: the node's name.
        zmq: pyzmq of this world (the real one, or its front end on the twin).
        context: a ``zmq.Context`` of this node.
        rng: the node's own source of chance, the same draws in both worlds.
        began_ns: when its program was started, if that was after the start line (late, or anew after a crash), in ns
            after the start line; else 0.
    """

    name: str
    zmq: Any
    context: Any
    rng: np.random.Generator
    began_ns: int = 0

    def __init__(self, node_id: int, flow_ids: Mapping[str, int], recorder: Recorder) -> None:
        self._id = node_id
        self._recorder = recorder
        self._outlets = {name: Outlet(node_id, flow_id) for name, flow_id in flow_ids.items()}
        self._stamps: dict[int, Stamp] = {}
        self._received_heads: dict[int, int] = {}

    def continue_numbers(self) -> None:
        """Number messages on from where the records end: after a crash nobody else's number is used again."""
        records = self._recorder.records()
        sends = records[(records["node"] == self._id) & (records["kind"] <= Kind.REJECTED)]
        for outlet in self._outlets.values():
            used = sends["seq"][sends["flow"] == outlet.flow_id]
            outlet.numbers = itertools.count(int(used.max()) + 1 if len(used) else 0)

    @abstractmethod
    def endpoint(self, name: str) -> str:
        """The address to bind or connect, e.g. ``"tcp://127.0.0.1:5555"``. Raises KeyError."""

    @abstractmethod
    def now(self) -> int:
        """Time in ns after the start line; negative before it."""

    @abstractmethod
    def sleep_until(self, time_ns: int) -> None:
        """Return at ``time_ns`` after the start line, at once when that has passed."""

    @abstractmethod
    def work(self, duration_ns: int) -> None:
        """Compute for that long (times the factor of a ``slow`` fault). libzmq's I/O thread goes on."""

    def mark(self, event: str) -> None:
        """Put a moment of the program's own into the trace, under a name of at most 16 bytes.

        Raises ValueError when the name is longer.
        """
        first, second = pack_mark(event)
        self._recorder.append(Kind.EVENT, _MARK, NONE, self._id, NONE, first, self.now(), second, 0, 0)

    def send(
        self,
        socket: Any,
        *,
        flow: str,
        size_bytes: int = STAMP_BYTES,
        intended_ns: int | None = None,
        answers: Message | None = None,
        prefix: Sequence[bytes] = (),
        flags: int = 0,
    ) -> bool:
        """Stamp, record and send one message of ``flow``; False when the socket gave EAGAIN.

        Args:
            size_bytes: of the last frame, at least :data:`STAMP_BYTES`.
            intended_ns: when it was due (default: now). Latency counts from here.
            answers: the request that this message replies to: its intended time is kept, so that
                latency is the round trip, and its sender is whom the flow owes this message.
            prefix: frames to go before (a topic, an envelope).
        """
        outlet = self._outlets[flow]
        seq = next(outlet.numbers)
        size_bytes = max(size_bytes, STAMP_BYTES)
        stamp = self._stamps.get(size_bytes)
        if stamp is None:
            # One call fills in the stamp and whatever the message is longer than that.
            stamp = struct.Struct(f"{_STAMP_BY_KEY.format}{size_bytes - STAMP_BYTES}x").pack
            self._stamps[size_bytes] = stamp
        now = self.now()
        head = outlet.row_head
        if answers is not None:
            intended_ns = answers.intended_ns
            head = row_head(Kind.ATTEMPT, 0, outlet.flow_id, self._id, answers.sender & NONE)
        elif intended_ns is None:
            intended_ns = now
        body = stamp(outlet.key, seq, intended_ns, now)
        size = len(body)
        for frame in prefix:
            size += len(frame)
        recorder = self._recorder
        record = recorder.append_row(head, seq, now, intended_ns, size)
        try:
            if prefix:
                socket.send_multipart([*prefix, body], flags)
            else:
                self._send_frame(socket, body, flags)
        except self.zmq.Again:
            recorder.settle(record, _REJECTED)
            return False
        recorder.settle(record, _SENT)
        return True

    def recv(self, socket: Any, flags: int = 0) -> Message:
        """Receive and record one message, all its frames. Raises zmq.Again as the socket does.

        A frame that carries a stamp is taken for the last one (:meth:`send` makes it so): asking
        libzmq for RCVMORE costs more than receiving.
        """
        body = self._recv_frame(socket, flags)
        try:
            key, seq, _, sent_ns = unpack_stamp(body)
            head = self._received_heads[key]
        except (KeyError, struct.error):
            return self._recv_rest(socket, body)
        self._recorder.append_row(head, seq, self.now(), sent_ns, len(body))
        return Message(body)

    def _recv_rest(self, socket: Any, first: bytes) -> Message:
        """The same for the first message of a sender and flow, one of several frames, or an unstamped one."""
        message = Message([first])
        if message.sender < 0 and socket.getsockopt(self.zmq.RCVMORE):
            message = Message([first, *socket.recv_multipart()])
        sender, flow = message.sender, message.flow
        if sender < 0:
            sender = flow = NONE
        head = row_head(Kind.RECEIVED, 0, flow, self._id, sender)
        if sender != NONE:
            self._received_heads[_MAGIC | sender << 32 | flow << 48] = head
        size = sum(map(len, message.frames))
        self._recorder.append_row(head, message.seq, self.now(), message.sent_ns, size)
        return message

    _send_frame: Callable[[Any, bytes, int], Any] = staticmethod(lambda socket, frame, flags: socket.send(frame, flags))
    _recv_frame: Callable[[Any, int], bytes] = staticmethod(lambda socket, flags: socket.recv(flags))
