"""The send buffer of a tcp connection over a link, as Linux keeps its books: bytes, and an overhead for each piece."""

from __future__ import annotations

from collections import deque
from typing import Final

_START_BYTES: Final = 87_040
_MAX_BYTES: Final = 4_194_304
_PACKET_MEMORY_BYTES: Final = 4352
_PIECE_BYTES: Final = 65_160


class SendBuffer:
    """What a program has written and the peer has not acknowledged.

    Args:
        size_bytes: in force, -1 when the kernel is to size it.
        overhead_bytes: charged for each piece besides its bytes.
    """

    __slots__ = ("_charge", "_grows", "_overhead", "_pieces", "_size")

    def __init__(self, size_bytes: int, overhead_bytes: int) -> None:
        self._grows = size_bytes < 0
        self._size = _START_BYTES if self._grows else size_bytes
        self._overhead = overhead_bytes
        self._charge = 0
        self._pieces: deque[list[int]] = deque()  # where each ends in the stream, and its bytes

    def take(self, size_bytes: int, total: int, sent: int) -> int:
        """How many bytes there is room for, behind ``total`` of which ``sent`` have left; they are in it now."""
        left = size_bytes
        pieces = self._pieces
        while left:
            last = pieces[-1] if pieces else None
            if last is not None and last[0] > sent and last[1] < _PIECE_BYTES:
                taken = min(left, _PIECE_BYTES - last[1])
                last[0] += taken
                last[1] += taken
            elif self._charge >= self._size:
                break
            else:
                taken = min(left, _PIECE_BYTES)
                pieces.append([total + taken, taken])
                self._charge += self._overhead
            total += taken
            self._charge += taken
            left -= taken
        return size_bytes - left

    def free(self, acked: int) -> None:
        """All before ``acked`` has arrived."""
        pieces = self._pieces
        while pieces and pieces[0][0] <= acked:
            self._charge -= pieces.popleft()[1] + self._overhead

    @property
    def is_writable(self) -> bool:
        """What poll says: at least a third of the buffer is free (a write may succeed before)."""
        return self._size - self._charge >= self._charge >> 1

    def grow(self, window_packets: int) -> None:
        """Room for twice the window, if the kernel sizes the buffer."""
        if self._grows:
            self._size = max(self._size, min(2 * window_packets * _PACKET_MEMORY_BYTES, _MAX_BYTES))

    def clear(self) -> None:
        """The connection is no more."""
        self._pieces.clear()
        self._charge = 0
