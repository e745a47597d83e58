"""What a harness may leave behind, as far as one can list it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

MARK = "ZMQ_HARNESS_TEST"
"""Variable that a harness under test is started with; its processes inherit it."""

Inventory = dict[str, frozenset[str]]


def processes(mark: str) -> frozenset[str]:
    """Process id and command line of all that have inherited the mark, zombies left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found.append(f"{folder.name} {command.strip()}")
    return frozenset(found)


def of_harness(mark: str, *folders: Path) -> Inventory:
    """What there is now of the harness with that mark, and in the folders that only it uses.

    A namespace without a name, an abstract socket and a memfd are gone with the last process that holds them, which
    bears the mark.
    """
    return {"processes": processes(mark), "files": frozenset(_names(folders))}


def of_machine() -> Inventory:
    """What there is now on the machine that outlives processes and belongs to no folder of a user."""
    return {
        "namespaces": frozenset(_namespaces()),
        "interfaces": frozenset(name for _, name in socket.if_nameindex()),
        "queueing disciplines": frozenset(_queueing_disciplines()),
        "shared memory": frozenset((*_names([Path("/dev/shm")]), *_segments())) - _mapped(),
        "control groups": frozenset(str(path) for path in _folders_below(Path("/sys/fs/cgroup"))),
    }


def left(before: Inventory, after: Inventory) -> dict[str, list[str]]:
    """What is there and was not, by kind; empty when nothing is."""
    return {kind: sorted(found - before[kind]) for kind, found in after.items() if found - before[kind]}


def _namespaces() -> Iterator[str]:
    """Those that a name or a mount keeps."""
    yield from _names([Path("/run/netns")])
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - nsfs " in line:
            yield line.split()[4]


def _queueing_disciplines() -> Iterator[str]:
    """Of the interfaces of this network: interface and kind."""
    from pyroute2 import IPRoute

    with IPRoute() as routes:
        for one in routes.get_qdiscs():
            yield f"{one['index']} {one.get_attr('TCA_KIND')}"


def _mapped() -> frozenset[str]:
    """Shared memory with a name that a living process uses: others may be at work on this machine."""
    found = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            found |= {line.split()[-1] for line in maps.read_text().splitlines() if "/dev/shm/" in line}
    return frozenset(found)


def _segments() -> list[str]:
    return Path("/proc/sysvipc/shm").read_text().splitlines()[1:]


def _names(folders: Iterable[Path]) -> Iterator[str]:
    """Everything in and below these folders."""
    for folder in folders:
        yield from (str(path) for path in folder.rglob("*"))


def _folders_below(root: Path) -> Iterator[Path]:
    """Of that file system, links not followed."""
    for place, folders, _ in os.walk(root):
        yield from (Path(place, name) for name in folders)
