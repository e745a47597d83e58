"""A process of the live world: one node, or those nodes that inproc endpoints join, a thread each.

Started by the supervisor as ``python -m harness.live.cell ORDER``. It dies with the supervisor, however
that dies: the kernel kills it (Linux), and a thread that waits at the end of a pipe ends it (any Unix).
Only when that is seen to is the rest imported.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from typing import NoReturn

from harness.live.doors import enter

ORPHANED = 3
"""Exit status of a cell whose supervisor is gone."""

_PR_SET_PDEATHSIG = 1


def main(text: str) -> NoReturn:
    """Run the nodes of one cell; ``text`` is the JSON that :mod:`harness.live.supervisor` wrote."""
    order = json.loads(text)
    enter(order["doors"])  # before there is a thread
    die_with(order["supervisor"], order["life"])
    # Ctrl-C goes to every process of the terminal; the supervisor alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from harness.live.player import Cell

    cell = Cell(order)
    # A handler runs in the main thread, and what it raises breaks the wait there, libzmq's included (PEP 475).
    signal.signal(signal.SIGTERM, cell.end)
    try:
        cell.play()
    except SystemExit:
        cell.say_goodbye()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not by way of the interpreter's end: a context that still has messages to send would wait there.
    os._exit(0)


def die_with(supervisor: int, life: int) -> None:
    """End this process when that one is gone, or the pipe ``life`` is closed."""
    die_with_parent(supervisor)

    def watch() -> None:
        while os.read(life, 1):
            pass
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="life", daemon=True).start()


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process when the thread that forked it is gone (Linux); end it if ``parent`` is."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:  # it died before the line above
        os._exit(ORPHANED)


if __name__ == "__main__":
    main(sys.argv[1])
