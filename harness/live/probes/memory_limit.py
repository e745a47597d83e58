"""A limit on the memory of a process, which ends a node and not the machine."""

from __future__ import annotations

import mmap
import resource

HELP = "it needs a system whose RLIMIT_AS is obeyed (Linux)"

_ROOM_BYTES = 64 << 20


def probe() -> str | None:
    """What is beyond the limit is refused."""
    resource.setrlimit(resource.RLIMIT_AS, (_ROOM_BYTES, resource.RLIM_INFINITY))
    try:
        mmap.mmap(-1, 2 * _ROOM_BYTES)
    except (OSError, MemoryError):
        return None
    return "the limit is not obeyed"
