"""Where messages begin and end in a ZMTP byte stream (RFC 23, sections "Greeting" and "Framing")."""

from __future__ import annotations

GREETING_BYTES = 64
_MORE, _LONG, _COMMAND = 1, 2, 4


class Frames:
    """Follows one direction of a connection.

    Attributes:
        messages: whole messages that have passed.
        position: bytes that have passed.
    """

    def __init__(self) -> None:
        self.messages = 0
        self.position = 0
        self._head = b""
        self._left = GREETING_BYTES
        self._ends_message = False
        self._flags = 0
        self._commands = 0

    @property
    def is_greeted(self) -> bool:
        """Whether the greeting and the first command (READY) of this side have passed."""
        return self._commands > 0

    def feed(self, data: bytes) -> list[int]:
        """Follow what passes; positions of the boundaries in it, ascending."""
        found: list[int] = []
        at, end = 0, len(data)
        while at < end:
            if self._left:
                step = min(self._left, end - at)
                at += step
                self._left -= step
                if self._left == 0:
                    self._finish(self.position + at, found)
                continue
            take = min(9 - len(self._head), end - at)
            used = self._begin(self._head + data[at : at + take], len(self._head))
            if used < 0:
                self._head += data[at : at + take]
                at += take
                continue
            at += used
            if self._left == 0:
                self._finish(self.position + at, found)
        self.position += end
        return found

    def _begin(self, head: bytes, old: int) -> int:
        """Read a frame's head; how many of the new bytes belong to it, or -1 when it is not whole yet."""
        size = 9 if head[0] & _LONG else 2
        if len(head) < size:
            return -1
        self._flags = head[0]
        self._left = int.from_bytes(head[1:size], "big")
        self._ends_message = not head[0] & (_MORE | _COMMAND)
        self._head = b""
        return size - old

    def _finish(self, position: int, found: list[int]) -> None:
        if position > GREETING_BYTES:
            self._commands += bool(self._flags & _COMMAND)
        self.messages += self._ends_message
        if not self._flags & _MORE:
            found.append(position)
        self._ends_message = False
