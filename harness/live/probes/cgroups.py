"""Control groups: memory in all of a process tree, share of processor time, freezing."""

from __future__ import annotations

import os
from pathlib import Path

HELP = "run as root with /sys/fs/cgroup writable, or have a subtree of it delegated"

_ROOT = Path("/sys/fs/cgroup")
_OF_USE = ("cpu", "memory", "freezer", "cpuset", "pids")


def probe() -> str | None:
    """A group can be made."""
    if not _found():
        return "no control groups are mounted"
    refused = ""
    for place in _found().values():
        group = place / f"zmq-harness-{os.getpid()}"
        try:
            group.mkdir()
        except OSError as error:
            refused = f"{place}: {error.strerror}"
        else:
            group.rmdir()
            return None
    return refused


def detail() -> str:
    """Which controllers, of which version."""
    version = "v2" if (_ROOT / "cgroup.controllers").is_file() else "v1"
    return f"{version}: {', '.join(_found())}"


def _found() -> dict[str, Path]:
    """Controllers of use, and where groups of theirs are made."""
    unified = _ROOT / "cgroup.controllers"
    if unified.is_file():
        there = unified.read_text().split()
        # Freezing needs no controller there.
        return {name: _ROOT for name in _OF_USE if name in there or name == "freezer"}
    return {name: _ROOT / name for name in _OF_USE if (_ROOT / name).is_dir()}
