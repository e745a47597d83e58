"""Connections of a network namespace, listed and broken from outside (sock_diag(7))."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_SOCK_DIAG = 4
_BY_FAMILY, _DESTROY = 20, 21
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_HEADER = struct.Struct("=IHHII")
_REQUESTED = struct.Struct("=BBBBI")
_ANSWER = struct.Struct("=BBBB48sIIIII")
_ENDS = struct.Struct("!HH4s12x4s")
_STATES = 0xFFFFFFFF & ~(1 << 6 | 1 << 7 | 1 << 10)
"""All but TIME_WAIT, CLOSE and LISTEN."""
_RETRANSMISSION = 1
"""The timer that a connection has while what it sent is not acknowledged."""

_CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Connection:
    """One end of a tcp connection.

    Attributes:
        local, remote: address and port.
        unsent_bytes: what this end was given and the other one has not acknowledged.
        repeats: whether it has sent something again, and waits for an answer to it.
        identity: as the kernel knows it.
    """

    local: tuple[str, int]
    remote: tuple[str, int]
    unsent_bytes: int
    repeats: bool
    identity: bytes


def open_channel() -> socket.socket:
    """To the kernel, about the namespace of this thread."""
    return socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _SOCK_DIAG)


def connections(channel: socket.socket) -> list[Connection]:
    """All that are there, those over loopback included. Raises OSError."""
    channel.send(_message(_BY_FAMILY, _REQUEST | _DUMP, _STATES, bytes(48)))
    found = []
    for kind, body in _answers(channel):
        if kind == _BY_FAMILY:
            _, _, timer, repetitions, identity, _, _, unsent_bytes, _, _ = _ANSWER.unpack_from(body)
            near, far, source, destination = _ENDS.unpack_from(identity)
            local, remote = (socket.inet_ntoa(source), near), (socket.inet_ntoa(destination), far)
            repeats = timer == _RETRANSMISSION and repetitions > 0
            found.append(Connection(local, remote, unsent_bytes, repeats, identity))
    return found


def destroy(channel: socket.socket, connection: Connection) -> None:
    """End it as an error would: its owner is told, its peer gets an RST. Nothing when it is gone already.

    Raises OSError.
    """
    channel.send(_message(_DESTROY, _REQUEST | _ACK, _STATES, connection.identity))
    for _ in _answers(channel):
        pass


def _message(kind: int, flags: int, states: int, identity: bytes) -> bytes:
    body = _REQUESTED.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, states) + identity
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body


def _answers(channel: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Messages until the kernel says that this was all."""
    while True:
        data = channel.recv(_CHUNK_BYTES)
        while len(data) >= _HEADER.size:
            size, kind, _, _, _ = _HEADER.unpack_from(data)
            body, data = data[_HEADER.size : size], data[(size + 3) & ~3 :]
            if kind == _DONE:
                return
            if kind == _ERROR:
                number = -struct.unpack_from("=i", body)[0]
                if number and number != errno.ENOENT:
                    raise OSError(number, f"sock_diag: {os.strerror(number)}")
                return
            yield kind, body
