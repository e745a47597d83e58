"""A peer made by hand: bytes over a plain connection, and the few words of ZMTP it needs (RFC 23, RFC 37).

The connection is a STREAM socket's, so that the same bytes reach both worlds.
"""

from __future__ import annotations

import struct
from typing import Any

from tests.both.stage import Stage


class Wire:
    """One end of a plain connection."""

    def __init__(self, stage: Stage, socket: Any, name: bytes) -> None:
        self._stage = stage
        self._socket = socket
        self._name = name
        self._buffer = b""
        self._over = False

    def send(self, data: bytes) -> None:
        """Hand bytes over."""
        self._socket.send_multipart([self._name, data])

    def close(self) -> None:
        """End the connection. What has not left by now is lost."""
        # An empty frame would not do: the connection would end only when its socket is called again.
        self._socket.close(0)

    def _more(self, end_ns: int) -> bool:
        left_ms = (end_ns - self._stage.now_ns()) // 1_000_000
        if self._over or left_ms <= 0 or not self._socket.poll(left_ms):
            return False
        name, data = self._socket.recv_multipart()
        if name == self._name:
            self._buffer += data
            self._over = not data
        return True

    def recv(self, count: int, limit_s: float = 2.0) -> bytes:
        """That many bytes; fewer when the other side closes or time is up."""
        end_ns = self._stage.now_ns() + int(limit_s * 1e9)
        while len(self._buffer) < count and self._more(end_ns):
            pass
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def closed(self, limit_s: float = 1.0) -> bool:
        """Whether the other side closes within the time; bytes are skipped."""
        end_ns = self._stage.now_ns() + int(limit_s * 1e9)
        while self._more(end_ns):
            pass
        return self._over

    def read_frame(self, limit_s: float = 2.0) -> tuple[int, bytes] | None:
        """(flags, body) of the next frame, or None."""
        head = self.recv(2, limit_s)
        if len(head) < 2:
            return None
        size = head[1]
        if head[0] & 2:
            (size,) = struct.unpack(">Q", head[1:] + self.recv(7, limit_s))
        return head[0], self.recv(size, limit_s)

    def handshake(self, kind: bytes, minor: int = 1) -> None:
        """Greeting and READY, both ways."""
        self.send(greeting(minor))
        self.recv(64)
        self.send(ready(kind))
        self.read_frame()


def dial(stage: Stage, endpoint: str) -> Wire:
    """A plain connection to whoever listens there."""
    # Without a reconnection at all (-1) the notice that the peer has closed would be lost with the pipe.
    socket = stage.socket(stage.zmq.STREAM, RECONNECT_IVL=60_000)
    socket.connect(endpoint)
    name, _ = socket.recv_multipart()
    return Wire(stage, socket, name)


def listen(stage: Stage) -> tuple[Any, str]:
    """(STREAM socket, endpoint): it accepts connections and says nothing."""
    socket = stage.socket(stage.zmq.STREAM)
    return socket, stage.bind(socket)


def greeting(minor: int = 1, mechanism: bytes = b"NULL", padding: bytes = bytes(8), *, as_server: int = 0) -> bytes:
    """The 64 bytes of a ZMTP 3 greeting."""
    return (
        b"\xff" + padding + b"\x7f\x03" + bytes([minor]) + mechanism.ljust(20, b"\0") + bytes([as_server, *bytes(31)])
    )


def frame(body: bytes, more: int = 0) -> bytes:
    """One frame of a message."""
    if len(body) < 256:
        return bytes([more, len(body)]) + body
    return bytes([2 | more]) + struct.pack(">Q", len(body)) + body


def command(name: bytes, data: bytes = b"") -> bytes:
    """A command in a short frame."""
    body = bytes([len(name)]) + name + data
    return bytes([4, len(body)]) + body


def ready(kind: bytes, identity: bytes = b"") -> bytes:
    """The READY command of the NULL mechanism."""
    properties = _property(b"Socket-Type", kind)
    if kind in (b"REQ", b"DEALER", b"ROUTER"):
        properties += _property(b"Identity", identity)
    return command(b"READY", properties)


def _property(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
