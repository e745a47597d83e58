"""Which cores the processes of a run may have."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Literal


@contextlib.contextmanager
def pinned(cpu: Literal["all", "one"]) -> Iterator[None]:
    """Inside, this thread and every process that it starts has all cores that it had, or only the last of them.

    What a process starts inherits its cores, threads of libzmq included; so nobody else need know of this. The last
    core, since the first is where a machine's interrupts mostly go. Raises OSError where cores cannot be chosen.
    """
    if cpu == "all":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def allowed() -> list[int]:
    """The cores that this thread may have, by number."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 0))
