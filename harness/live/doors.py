"""Namespaces of the kernel, entered by those who were given a descriptor of each.

A process enters while it is young: before it has a thread, which a namespace of users would not admit, and before it
has a socket, which would stay outside. :func:`main` is for a process that is not made to enter anything by itself::

    python -m harness.live.doors 7,8 MODULE ARGUMENT...
"""

from __future__ import annotations

import ctypes
import os
import runpy
import sys
from collections.abc import Iterable, Sequence


def enter(doors: Iterable[int]) -> None:
    """Enter the namespaces with these descriptors, one after the other. Raises OSError.

    Without root the first is that of the users' namespace which owns the others.
    """
    for door in doors:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(door, 0):
            number = ctypes.get_errno()
            raise OSError(number, f"setns: {os.strerror(number)}")


def command(doors: Sequence[int], module: str) -> list[str]:
    """What starts a module of Python inside; its arguments are still to be added, and the doors to be passed on."""
    if not doors:
        return [sys.executable, "-m", module]
    return [sys.executable, "-m", __name__, ",".join(map(str, doors)), module]


def main(arguments: Sequence[str]) -> None:
    """Enter, and become the module that the arguments name after the descriptors."""
    doors, module, *rest = arguments
    enter(map(int, doors.split(",")))
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
