"""One frame, as it travels through pipes, batches and kernel buffers."""

from __future__ import annotations

from typing import Final

DATA: Final = 0
ROUTING_ID: Final = 1
DELIMITER: Final = 2
SUBSCRIBE: Final = 3
CANCEL: Final = 4
TOPIC: Final = 5
"""A (un)subscription that an XSUB's user sends as an ordinary message: 1 or 0, then the prefix."""
CREDENTIAL: Final = 6
"""Whom the authentication handler takes the peer for; readers pass over it (F25)."""
# The engine keeps these to itself; they are the last.
GREETING: Final = 7
COMMAND: Final = 8


class Msg:
    """A frame: its bytes, whether more frames of the same message follow, and what it is.

    Never changed once written, so that a publisher's pipes share it.
    """

    __slots__ = ("data", "kind", "more")

    def __init__(self, data: bytes, more: bool = False, kind: int = DATA) -> None:
        self.data = data
        self.more = more
        self.kind = kind

    def wire_bytes(self) -> int:
        """Bytes on the wire, header included (F180)."""
        size = len(self.data)
        if self.kind == SUBSCRIBE:
            size += 10
        elif self.kind == CANCEL:
            size += 7
        elif self.kind == GREETING:
            return size
        return size + 2 if size <= 255 else size + 9

    def copied(self) -> Msg:
        """The frame as the kernel has it, with data of its own."""
        return self


class SharedMsg(Msg):
    """A frame whose data are the program's own (zmq_msg_init_data).

    Attributes:
        hold: ends when nothing refers to it any more; then the program has its data back.
    """

    __slots__ = ("hold",)

    def __init__(self, data: bytes, more: bool, hold: object) -> None:
        super().__init__(data, more)
        self.hold = hold

    def copied(self) -> Msg:
        """The frame as the kernel has it, with data of its own."""
        return Msg(self.data, self.more, self.kind)


def delimiter() -> Msg:
    """The mark behind the last message of a pipe that is being terminated (F27)."""
    return Msg(b"", False, DELIMITER)
