"""All processes of a run on one core: steadier latency at low rates."""

from __future__ import annotations

import os

HELP = "it needs Linux, and a sandbox that lets a process choose its cores"


def probe() -> str | None:
    """This process goes to one of its cores."""
    if not hasattr(os, "sched_setaffinity"):
        return "this system does not let a process choose its cores"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return None if os.sched_getaffinity(0) == {core} else "the choice has no effect"


def detail() -> str:
    """How many cores there are."""
    return f"{os.cpu_count()} cores"
