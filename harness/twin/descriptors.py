"""Numbers in place of file descriptors: what FD and the events of a socket monitor tell.

The lowest free number is taken, as a kernel does. They begin where no real descriptor of the process
is, so that a program that hands one to the operating system gets an error and not somebody's file.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from harness.twin.socket_base import SocketBase

FIRST: Final = 1 << 20


class Descriptors:
    """The descriptors of one simulated world; no two processes have the same."""

    __slots__ = ("_free", "_next", "_sockets")

    def __init__(self) -> None:
        self._free: list[int] = []
        self._next = FIRST
        self._sockets: dict[int, SocketBase] = {}

    def take(self, socket: SocketBase | None = None) -> int:
        """A number that nobody has; ``socket`` is found by it."""
        if self._free:
            number = heappop(self._free)
        else:
            number = self._next
            self._next += 1
        if socket is not None:
            self._sockets[number] = socket
        return number

    def release(self, number: int) -> None:
        """The number is free again."""
        self._sockets.pop(number, None)
        heappush(self._free, number)

    def socket(self, number: int) -> SocketBase | None:
        """The socket whose FD that is."""
        return self._sockets.get(number)
