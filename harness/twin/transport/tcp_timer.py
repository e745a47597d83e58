"""When a timer of the kernel fires: not before its time, and the later the longer it was asked for.

Linux keeps timers in a wheel whose levels are ever coarser, and rounds up (HZ=250, as distributions build it). A
retransmission after a second comes after 1.024 s therefore, one after 4 s after 4.25 s.
"""

from __future__ import annotations

from typing import Final

_JIFFY_NS: Final = 4_000_000
_LEVEL: Final = 64
"""Slots of the finest level; each level is eight times as coarse as the one below and eight times as long."""


def due_ns(now_ns: int, wait_ns: int) -> int:
    """When a timer of ``wait_ns`` set now fires."""
    unit, span = _JIFFY_NS, _JIFFY_NS * (_LEVEL - 1)
    while wait_ns > span:
        unit, span = 8 * unit, 8 * span
    return -(-(now_ns + wait_ns) // unit) * unit
