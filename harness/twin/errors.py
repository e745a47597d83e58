"""The one exception of the simulated library: an errno, as libzmq gives it."""

from __future__ import annotations


class TwinError(Exception):
    """A call failed with this errno; the face turns it into pyzmq's own exceptions."""

    def __init__(self, errno: int) -> None:
        super().__init__(errno)
        self.errno = errno
