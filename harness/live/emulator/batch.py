"""What has come to a packet socket, many frames at a time and each with the time at which it came (recvmmsg(2)).

The time is the kernel's own: a frame that waited until this process had a processor to read it is not delayed for
longer, and does not fill a queue that had room when it came. Python's ``recvmsg`` gives it as well, but takes three
system calls for each frame.
"""

from __future__ import annotations

import ctypes
import os
import socket
import time
from errno import EAGAIN, EINTR

FRAMES = 32
"""At most so many are read at once."""

_CONTROL_BYTES = 32
_OLDEST_NS = 10_000_000_000


class _Piece(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint),
        ("pieces", ctypes.POINTER(_Piece)),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_ulong),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    _fields_ = (("header", _Header), ("size", ctypes.c_uint))


_CONTROL_AT = (_Message.header.offset + _Header.control_size.offset) // ctypes.sizeof(ctypes.c_ulong)


class Batch:
    """Room for some frames, to be used for one socket after the other.

    Args:
        frame_bytes: of the longest.
    """

    def __init__(self, frame_bytes: int) -> None:
        self._slot_bytes = frame_bytes
        self._frames = ctypes.create_string_buffer(FRAMES * frame_bytes)
        self._controls = ctypes.create_string_buffer(FRAMES * _CONTROL_BYTES)
        self._pieces = (_Piece * FRAMES)()
        self._messages = (_Message * FRAMES)()
        frames, controls = ctypes.addressof(self._frames), ctypes.addressof(self._controls)
        for index, (piece, message) in enumerate(zip(self._pieces, self._messages, strict=True)):
            piece.base, piece.size = frames + index * frame_bytes, frame_bytes
            header = message.header
            header.pieces, header.piece_count = ctypes.pointer(piece), 1
            header.control, header.control_size = controls + index * _CONTROL_BYTES, _CONTROL_BYTES
        self._bytes = memoryview(self._frames).cast("B")
        # A control message is its length and kind, 16 bytes, and then seconds and nanoseconds.
        self._times = memoryview(self._controls).cast("B").cast("q")
        # Fields of the messages, read and written as plain words, which is faster than as those of structures.
        words = memoryview(self._messages).cast("B")
        self._sizes = words.cast("I")[_Message.size.offset // 4 :: ctypes.sizeof(_Message) // 4]
        self._control_sizes = words.cast("L")[_CONTROL_AT :: ctypes.sizeof(_Message) // ctypes.sizeof(ctypes.c_ulong)]
        self._call = ctypes.CDLL(None, use_errno=True).recvmmsg

    def read(self, fd: int) -> list[tuple[int, bytes]]:
        """When each frame came (CLOCK_MONOTONIC, ns), and the frame; empty when there is none. Raises OSError."""
        messages = self._messages
        count = self._call(fd, messages, FRAMES, socket.MSG_DONTWAIT, None)
        if count < 0:
            number = ctypes.get_errno()
            if number in (EAGAIN, EINTR):
                return []
            raise OSError(number, os.strerror(number))
        now = time.monotonic_ns()
        behind = time.time_ns() - now
        found, at, times, frames = [], 0, self._times, self._bytes
        sizes, control_sizes = self._sizes, self._control_sizes
        for index in range(count):
            came = times[4 * index + 2] * 1_000_000_000 + times[4 * index + 3] - behind
            if control_sizes[index] != _CONTROL_BYTES or not now - _OLDEST_NS < came <= now:
                came = now  # the clock was set, or has not been asked for yet
            control_sizes[index] = _CONTROL_BYTES
            found.append((came, bytes(frames[at : at + sizes[index]])))
            at += self._slot_bytes
        return found
