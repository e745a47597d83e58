"""What is unfinished has a marked name, and a lock on it while its owner lives; what nobody holds is swept.

When the harness is killed, its janitor (:mod:`harness.guard`) removes what was unfinished. Both may be killed at
once: then the next start finds what was left by its name, and knows by the lock, which the kernel takes from the
dead, that nobody will finish it. A process id in a name would not do: those of another container or machine that
shares the folder mean nothing here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

_PARTIAL = ".partial-"
_SCRATCH = "zmq-harness-run-"
_MARKED = re.compile(rf"({re.escape(_PARTIAL)}|{_SCRATCH})\d+-.+")
"""Whole names: in a folder that belongs to all, something else may begin like that."""


class Guard(Protocol):
    """Who removes what is unfinished when this process is killed."""

    def watch_path(self, path: Path) -> Any:
        """From now on, remove ``path`` when this process dies."""

    def forget_path(self, path: Path) -> Any:
        """No longer."""


def partial(where: Path, what: str) -> Path:
    """A marked path of this process in that folder, for something that will be renamed to its true name."""
    return where / f"{_PARTIAL}{os.getpid()}-{what}"


def scratch(where: Path, what: str) -> Path:
    """A marked path of this process in that folder, for something that lives as long as a run."""
    return where / f"{_SCRATCH}{os.getpid()}-{what}"


@contextlib.contextmanager
def unfinished(path: Path, guard: Guard | None = None, *, folder: bool = True) -> Iterator[Path]:
    """A new folder (or file) of a marked name, held; it is gone afterwards, unless it was renamed.

    Args:
        path: from :func:`partial` or :func:`scratch`. What stands there goes first.
        guard: told of it before it is there and after it is gone.
        folder: False for an empty file.

    Raises OSError.
    """
    if guard is not None:
        guard.watch_path(path)
    try:
        _remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _make(path, folder=folder)
        try:
            yield path
        finally:
            _remove(path)
            os.close(descriptor)
    finally:
        if guard is not None:
            guard.forget_path(path)


def sweep(*folders: Path) -> list[Path]:
    """Remove what lies in these folders under a marked name and is held by nobody; what was removed.

    What cannot be removed, or not be locked, stays, without an error.
    """
    found = []
    for folder in folders:
        with contextlib.suppress(OSError):
            found += [path for path in sorted(folder.iterdir()) if _MARKED.fullmatch(path.name)]
    return [path for path in found if _take(path)]


def _make(path: Path, *, folder: bool) -> int:
    """The thing, and an open descriptor that holds it."""
    while True:
        if folder:
            path.mkdir(exist_ok=True, mode=0o700 if path.name.startswith(_SCRATCH) else 0o777)
        else:
            path.touch()
        # Between this and the lock a sweeper may come by: then it is gone, or about to be, and is made again.
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY)
            with contextlib.suppress(OSError):  # a file system without locks: nobody can sweep there, either
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_still(path, descriptor):
                return descriptor
            os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _take(path: Path) -> bool:
    """Remove it if nobody holds it; whether that was done."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_still(path, descriptor):
            return False
        _remove(path)
        return not os.path.lexists(path)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
