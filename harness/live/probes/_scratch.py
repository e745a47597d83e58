"""A network of its own for the process that probes: it goes when the process ends, and nobody else sees it."""

from __future__ import annotations

import ctypes
import errno
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.live.namespaces import system

_PR_SET_DUMPABLE = 4


def enter() -> None:
    """Leave the machine's network for an empty one, as a run's namespaces are made. Raises OSError."""
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "this system has no namespaces")
    system.become_owner()
    system.new_network()


def become_readable() -> None:
    """After a change of user: let this process write its own files below /proc again."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


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
