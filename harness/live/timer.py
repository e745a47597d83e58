"""A timer that wakes an epoll loop when it should: the timeout of epoll itself is rounded up to a millisecond."""

from __future__ import annotations

import ctypes
import os
import time

_CLOCK_MONOTONIC = 1
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_ABSOLUTE = 1
_SECOND_NS = 1_000_000_000


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class Timer:
    """A timerfd(2) (Linux; Python has it from 3.13 on).

    Attributes:
        fd: readable when the time has come.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = self._libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = _TimerSpec()
        self._reference = ctypes.byref(self._spec)
        self._set_ns = 0

    def set(self, monotonic_ns: int) -> None:
        """Wake up at that time; 0 is never."""
        if monotonic_ns == self._set_ns:
            return
        self._set_ns = monotonic_ns
        # A time that has passed would be taken for "never" only if it were 0.
        value = self._spec.value
        value.seconds, value.nanoseconds = divmod(monotonic_ns, _SECOND_NS)
        self._libc.timerfd_settime(self.fd, _ABSOLUTE, self._reference, None)

    def acknowledge(self) -> None:
        """It has fired."""
        self._set_ns = 0
        os.read(self.fd, 8)

    @staticmethod
    def now_ns() -> int:
        """Of CLOCK_MONOTONIC."""
        return time.monotonic_ns()
