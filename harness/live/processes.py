"""The cells of a run as processes: started, looked after, ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.guard import Guard
from harness.topology import Topology

_TERM_S = 1.0
_POLL_S = 0.005
_SINGLE_THREADED = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def cells(topology: Topology) -> tuple[tuple[int, ...], ...]:
    """Positions of nodes that must share a process, because an inproc endpoint joins them; each node once."""
    home = list(range(len(topology.nodes)))
    for endpoint in topology.endpoints:
        if endpoint.transport == "inproc":
            members = [topology.node_id(name) for name in (endpoint.binder, *endpoint.connecters)]
            joined = {home[member] for member in members}
            home = [min(joined) if place in joined else place for place in home]
    return tuple(
        tuple(node for node, place in enumerate(home) if place == first)
        for first in range(len(home))
        if home[first] == first
    )


class Processes:
    """The processes of one run.

    Args:
        guard: is told of each, and kills what is left if this process is killed.
        life: read end of a pipe whose write end only this process has.
    """

    def __init__(self, guard: Guard, life: int) -> None:
        self._guard = guard
        self._life = life
        self._started: list[tuple[tuple[int, ...], subprocess.Popen[bytes]]] = []

    def start(self, nodes: tuple[int, ...], order: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        """Start the cell of these nodes; it finds ``descriptors`` open under the same numbers.

        Raises OSError.
        """
        text = json.dumps({**order, "supervisor": os.getpid(), "life": self._life})
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.live.cell", text],
            stdin=subprocess.DEVNULL,
            # What programs print is for people; stdout belongs to the command's own answer.
            stdout=sys.__stderr__ if _has_descriptor(sys.__stderr__) else subprocess.DEVNULL,
            pass_fds=(*descriptors, self._life),
            env=_environment(),
        )
        self._started.append((nodes, process))
        self._guard.watch_pid(process.pid)

    def dead(self) -> Iterator[tuple[tuple[int, ...], str]]:
        """The nodes of each cell that has ended, and in words how."""
        for nodes, process in self._started:
            status = process.poll()
            if status is not None:
                yield nodes, _how(status)

    def end(self, at_once: bool = False) -> None:
        """SIGTERM to all, SIGKILL to those that live a second later (``at_once``: to all), until none is left."""
        if not at_once:
            for _, process in self._started:
                process.terminate()
            deadline = time.monotonic() + _TERM_S
            while time.monotonic() < deadline and any(process.poll() is None for _, process in self._started):
                time.sleep(_POLL_S)
        for _, process in self._started:
            process.kill()
            process.wait()
            self._guard.forget_pid(process.pid)
        self._started.clear()


def _has_descriptor(file: Any) -> bool:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return bool(file.fileno() >= 0)
    return False


def _environment() -> dict[str, str]:
    """What this process can import, a cell can: programs may be the user's own modules."""
    places = [str(Path(place).absolute()) for place in sys.path]
    return {**os.environ, **dict.fromkeys(_SINGLE_THREADED, "1"), "PYTHONPATH": os.pathsep.join(dict.fromkeys(places))}


def _how(status: int) -> str:
    if status >= 0:
        return f"its process ended by itself with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"its process was ended by {name}"
