"""A network of its own for the process that probes: it goes when the process ends, and nobody else sees it."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ROOT_AT_START = os.geteuid() == 0
_PR_SET_DUMPABLE = 4
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000


def enter() -> None:
    """Leave the machine's network for an empty one; without root by way of a user namespace.

    Raises OSError.
    """
    if os.geteuid() == 0:
        _unshare(_CLONE_NEWNET)
    else:
        enter_as_user()


def enter_as_user() -> None:
    """As :func:`enter` does it for an ordinary user, who is root in a user namespace then. Raises OSError."""
    user, group = os.geteuid(), os.getegid()
    _unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def was_root() -> bool:
    """Whether this process has begun as root's; inside a user namespace it always looks so."""
    return _ROOT_AT_START


def become_readable() -> None:
    """After a change of user: let this process write its own files below /proc again."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


def _unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare"):
        raise OSError(errno.ENOSYS, "this system has no namespaces")
    if libc.unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")


@contextmanager
def wire() -> Iterator[tuple[Any, int, int]]:
    """Enter, and make the two ends of a cable, both up: pyroute2's IPRoute, indices of ``left`` and ``right``."""
    from pyroute2 import IPRoute  # takes 0.2 s; the other probes need not wait for it

    enter()
    with IPRoute() as routes:
        routes.link("add", ifname="left", kind="veth", peer={"ifname": "right"})
        left, right = (routes.link_lookup(ifname=name)[0] for name in ("left", "right"))
        for index in (left, right):
            routes.link("set", index=index, state="up")
        yield routes, left, right


@contextmanager
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A tcp connection over 127.0.0.1: who connected, who accepted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(1)
        with socket.create_connection(listener.getsockname(), timeout=1) as near, listener.accept()[0] as far:
            far.settimeout(1)
            yield near, far
