"""ZMTP as bytes, for connections whose other end reads and writes bytes itself (a STREAM or raw ROUTER socket).

Between two sockets that both speak ZMTP frames travel as objects, and only their sizes count. Here they
are written out and read in, in the dialect of whoever is older: ZMTP 3.1, 3.0 (subscriptions are
messages), 2.0, and 1.0 (another framing; F184, F186).
"""

from __future__ import annotations

from typing import Final

from harness.twin.errors import ProtocolError
from harness.twin.msg import CANCEL, COMMAND, DATA, GREETING, SUBSCRIBE, Msg

V1: Final = 10
V2: Final = 20
V3_0: Final = 30
V3_1: Final = 31

SIGNATURE_BYTES: Final = 10
_V2_REST_BYTES: Final = 1
_V3_REST_BYTES: Final = 53
_MORE: Final = 1
_LONG: Final = 2
_COMMAND: Final = 4
_SHORT_MAX: Final = 255
_LENGTH_BYTES: Final = 8
_NAMES: Final = {SUBSCRIBE: b"\x09SUBSCRIBE", CANCEL: b"\x06CANCEL"}


def render(msg: Msg, dialect: int) -> bytes:
    """A frame, command or piece of the greeting as its bytes on the wire."""
    if msg.kind == GREETING:
        return msg.data
    body, flags = msg.data, _MORE if msg.more else 0
    if msg.kind in _NAMES:
        if dialect == V3_1:
            body, flags = _NAMES[msg.kind] + body, _COMMAND
        else:
            body = (b"\1" if msg.kind == SUBSCRIBE else b"\0") + body
    elif msg.kind == COMMAND:
        flags = _COMMAND
    if dialect == V1:
        size = len(body) + 1
        head = bytes([size]) if size < _SHORT_MAX else b"\xff" + size.to_bytes(_LENGTH_BYTES, "big")
        return head + bytes([flags]) + body
    if len(body) > _SHORT_MAX:
        return bytes([flags | _LONG]) + len(body).to_bytes(_LENGTH_BYTES, "big") + body
    return bytes([flags, len(body)]) + body


class Reader:
    """Takes bytes in, gives greeting pieces, commands and frames out.

    Attributes:
        dialect: of the peer, 0 until its greeting tells.
        most_bytes: MAXMSGSIZE: a frame that says it is longer is refused before its body has come; -1: no limit.
    """

    __slots__ = ("_buffer", "_pieces", "dialect", "most_bytes")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._pieces = 0
        self.dialect = 0
        self.most_bytes = -1

    def feed(self, data: bytes) -> None:
        """More bytes have come."""
        self._buffer += data

    def next(self) -> Msg | None:
        """The next piece, command or frame; None when it is not there yet. Raises ProtocolError."""
        if not self.dialect:
            return self._greeting()
        return self._frame_v1() if self.dialect == V1 else self._frame()

    def _take(self, size: int) -> bytes | None:
        buffer = self._buffer
        if len(buffer) < size:
            return None
        data = bytes(buffer[:size])
        del buffer[:size]
        return data

    # -- greeting ------------------------------------------------------------------------------

    def _greeting(self) -> Msg | None:
        buffer = self._buffer
        if self._pieces == 0 and buffer and not _versioned(buffer):
            self.dialect = V1  # what looks like a signature is the head of an identity frame
            return Msg(b"", kind=GREETING)
        size = (SIGNATURE_BYTES, 1, _V3_REST_BYTES)[self._pieces]
        piece = self._take(size)
        if piece is None:
            return None
        self._pieces += 1
        if self._pieces == 2 and piece[0] < 3:
            # The revision byte is followed by the socket type in these; frames come next.
            if self._take(_V2_REST_BYTES) is None:
                self._pieces = 1
                buffer[:0] = piece
                return None
            self.dialect = V1 if piece[0] == 0 else V2
        elif self._pieces == 3:
            self.dialect = V3_1 if piece[0] else V3_0
        return Msg(piece, kind=GREETING)

    # -- frames --------------------------------------------------------------------------------

    def _frame(self) -> Msg | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        flags, size, head = buffer[0], buffer[1], 2
        if flags & _LONG:
            head = 1 + _LENGTH_BYTES
            if len(buffer) < head:
                return None
            size = int.from_bytes(buffer[1:head], "big")
        self._check(size)
        if len(buffer) < head + size:
            return None
        body = bytes(buffer[head : head + size])
        del buffer[: head + size]
        if not flags & _COMMAND:
            return Msg(body, (flags & _MORE) != 0)
        for kind, name in _NAMES.items():
            if body.startswith(name):
                return Msg(body[len(name) :], kind=kind)
        return Msg(body, kind=COMMAND)

    def _check(self, size: int) -> None:
        if 0 <= self.most_bytes < size:
            raise ProtocolError

    def _frame_v1(self) -> Msg | None:
        buffer = self._buffer
        if not buffer:
            return None
        size, head = buffer[0], 1
        if size == _SHORT_MAX:
            head = 1 + _LENGTH_BYTES
            if len(buffer) < head:
                return None
            size = int.from_bytes(buffer[1:head], "big")
        if size == 0:
            raise ProtocolError
        self._check(size - 1)
        if len(buffer) < head + size:
            return None
        flags = buffer[head]
        body = bytes(buffer[head + 1 : head + size])
        del buffer[: head + size]
        return Msg(body, (flags & _MORE) != 0, DATA)


def _versioned(buffer: bytearray) -> bool:
    return buffer[0] == _SHORT_MAX and (len(buffer) < SIGNATURE_BYTES or (buffer[SIGNATURE_BYTES - 1] & 1) == 1)
