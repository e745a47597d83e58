"""One frame, as it travels through pipes, batches and kernel buffers."""

from __future__ import annotations

from typing import Final

DATA: Final = 0
ROUTING_ID: Final = 1
DELIMITER: Final = 2
SUBSCRIBE: Final = 3
CANCEL: Final = 4
GREETING: Final = 5
COMMAND: Final = 6


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


def delimiter() -> Msg:
    """The mark behind the last message of a pipe that is being terminated (F27)."""
    return Msg(b"", False, DELIMITER)
