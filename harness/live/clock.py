"""Real time: waiting for a moment as exactly as the machine allows, without taking a core for it."""

from __future__ import annotations

import ctypes
import sys
import time

SPIN_NS = 100_000
"""At most so long is spun before a deadline. A sleep ends about 50 us late, even without timer slack."""

SPIN_FROM_NS = 400_000
"""Shorter waits are slept only: at higher rates spinning takes the core from libzmq's I/O thread."""

SO_TIMESTAMPNS = 35
"""Of Linux: have the kernel say when it got what is received, by the clock that people set."""

_PR_SET_TIMERSLACK = 29


def set_timer_slack() -> None:
    """Let sleeps of this thread end when they should, not up to 50 us later (prctl(2), Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)


def wait_until(monotonic_ns: int, spin: bool = True) -> None:
    """Return at that time of CLOCK_MONOTONIC, at once when it has passed.

    Args:
        monotonic_ns: the deadline.
        spin: whether the last moment may be spun. Not in a process of several nodes: a spinning
            thread holds the interpreter lock.
    """
    wait_ns = monotonic_ns - time.monotonic_ns()
    if wait_ns <= 0:
        return
    if not spin or wait_ns < SPIN_FROM_NS:
        time.sleep(wait_ns / 1e9)
        return
    time.sleep((wait_ns - SPIN_NS) / 1e9)
    while time.monotonic_ns() < monotonic_ns:
        pass
