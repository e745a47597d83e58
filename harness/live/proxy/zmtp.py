"""Where messages begin and end in a ZMTP byte stream (RFC 23, "Greeting" and "Framing"; RFC 37, "SUBSCRIBE")."""

from __future__ import annotations

from harness.relay.line import Mark, What

GREETING_BYTES = 64
_MORE, _LONG, _COMMAND = 1, 2, 4
_SUBSCRIBE = b"\x09SUBSCRIBE"


class Frames:
    """Follows one direction of a connection."""

    def __init__(self) -> None:
        self._position = 0
        self._head = b""
        self._left = GREETING_BYTES
        self._start = 0
        self._flags = 0
        self._name = b""

    def feed(self, data: bytes) -> list[Mark]:
        """Follow what passes: the frames that end in it, in order; a subscription as soon as it can be told for one."""
        found: list[Mark] = []
        at, end = 0, len(data)
        while at < end:
            if self._left:
                step = min(self._left, end - at)
                if self._flags & _COMMAND and len(self._name) < len(_SUBSCRIBE):
                    self._look(data[at : at + step], found)
                at += step
                self._left -= step
                if self._left == 0:
                    self._finish(self._position + at, found)
                continue
            take = min(9 - len(self._head), end - at)
            if not self._head:
                self._start = self._position + at
            used = self._begin(self._head + data[at : at + take], len(self._head))
            if used < 0:
                self._head += data[at : at + take]
                at += take
                continue
            at += used
            if self._left == 0:
                self._finish(self._position + at, found)
        self._position += end
        return found

    def _look(self, body: bytes, found: list[Mark]) -> None:
        """The name of a command."""
        self._name += body[: len(_SUBSCRIBE) - len(self._name)]
        if self._name == _SUBSCRIBE:
            found.append(Mark(self._start, self._start, "subscribe"))

    def _begin(self, head: bytes, old: int) -> int:
        """Read a frame's head; how many of the new bytes belong to it, or -1 when it is not whole yet."""
        size = 9 if head[0] & _LONG else 2
        if len(head) < size:
            return -1
        self._flags = head[0]
        self._left = int.from_bytes(head[1:size], "big")
        self._head = self._name = b""
        return size - old

    def _finish(self, position: int, found: list[Mark]) -> None:
        if position <= GREETING_BYTES:
            return
        kind: What = "command" if self._flags & _COMMAND else "part" if self._flags & _MORE else "message"
        found.append(Mark(self._start, position, kind))
