"""The one exception of the simulated library: an errno, as libzmq gives it."""

from __future__ import annotations

from errno import EAGAIN
from typing import Final

EFSM: Final = 156384763
ENOCOMPATPROTO: Final = 156384764
ETERM: Final = 156384765
EMTHREAD: Final = 156384766


class TwinError(Exception):
    """A call failed with this errno; the face turns it into pyzmq's own exceptions."""

    def __init__(self, errno: int) -> None:
        super().__init__(errno)
        self.errno = errno


class HalfSentError(TwinError):
    """The peer has gone in the middle of a message: the rest of it cannot be sent to anybody (F75)."""

    def __init__(self) -> None:
        super().__init__(EAGAIN)


class AbortError(RuntimeError):
    """The real library ends the whole process here, with an assertion that failed."""

    def __init__(self, why: str) -> None:
        super().__init__(f"libzmq would end the process here (assertion failed): {why}")


class ProtocolError(Exception):
    """The peer broke the rules of ZMTP or of its socket type: the connection is closed for good (F133)."""
