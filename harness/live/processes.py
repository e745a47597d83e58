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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.guard import Guard

_TERM_S = 1.0
_POLL_S = 0.005
_STOP_S = 0.1
_STOP_POLL_S = 0.0005
_SINGLE_THREADED = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(slots=True)
class _Cell:
    process: subprocess.Popen[bytes]
    order: Mapping[str, Any]
    descriptors: Sequence[int]
    killed: bool = False


class Processes:
    """The processes of one run.

    Args:
        guard: is told of each, and kills what is left if this process is killed.
        life: from :func:`lifeline`.
        python, variables: the interpreter that cells run in, and its environment.
    """

    def __init__(self, guard: Guard, life: int, python: str, variables: Mapping[str, str]) -> None:
        self._guard = guard
        self._life = life
        self._python = python
        self._variables = variables
        self._cells: dict[tuple[int, ...], _Cell] = {}

    def start(self, nodes: tuple[int, ...], order: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        """Start the cell of these nodes; it finds ``descriptors`` open under the same numbers.

        Raises OSError.
        """
        text = json.dumps({**order, "supervisor": os.getpid(), "life": self._life})
        process = subprocess.Popen(
            [self._python, "-m", "harness.live.cell", text],
            stdin=subprocess.DEVNULL,
            # What programs print is for people; stdout belongs to the command's own answer.
            stdout=sys.__stderr__ if _has_descriptor(sys.__stderr__) else subprocess.DEVNULL,
            pass_fds=(*descriptors, self._life),
            env=self._variables,
        )
        self._cells[nodes] = _Cell(process, order, descriptors)
        self._guard.watch_pid(process.pid)

    def cell_of(self, node: int) -> tuple[int, ...]:
        """All nodes that share a process with this one, itself included."""
        return next(nodes for nodes in self._cells if node in nodes)

    def pids(self) -> Iterator[tuple[tuple[int, ...], int]]:
        """The nodes of each cell, and its process; those that were killed are left out."""
        return ((nodes, cell.process.pid) for nodes, cell in self._cells.items() if not cell.killed)

    def pause(self, nodes: tuple[int, ...]) -> None:
        """SIGSTOP; return when the process stands, which takes the kernel a moment."""
        process = self._cells[nodes].process
        process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + _STOP_S
        while not _stands(process.pid) and time.monotonic() < deadline:
            time.sleep(_STOP_POLL_S)

    def resume(self, nodes: tuple[int, ...]) -> None:
        """SIGCONT."""
        self._cells[nodes].process.send_signal(signal.SIGCONT)

    def kill(self, nodes: tuple[int, ...]) -> None:
        """SIGKILL, and no word about it in :meth:`dead`; return when the process is gone."""
        cell = self._cells[nodes]
        cell.killed = True
        cell.process.kill()
        cell.process.wait()
        self._guard.forget_pid(cell.process.pid)

    def restart(self, nodes: tuple[int, ...]) -> None:
        """Start a killed cell anew. Raises OSError."""
        cell = self._cells[nodes]
        self.start(nodes, {**cell.order, "anew": True}, cell.descriptors)

    def dead(self) -> Iterator[tuple[tuple[int, ...], str]]:
        """The nodes of each cell that has ended without being killed by a fault, and in words how."""
        for nodes, cell in self._cells.items():
            status = cell.process.poll()
            if status is not None and not cell.killed:
                yield nodes, _how(status)

    def end(self, at_once: bool = False) -> None:
        """SIGTERM to all, SIGKILL to those that live a second later (``at_once``: to all), until none is left."""
        processes = [cell.process for cell in self._cells.values() if not cell.killed]
        if not at_once:
            for process in processes:
                process.terminate()
                process.send_signal(signal.SIGCONT)
            deadline = time.monotonic() + _TERM_S
            while time.monotonic() < deadline and any(process.poll() is None for process in processes):
                time.sleep(_POLL_S)
        for process in processes:
            process.kill()
            process.wait()
            self._guard.forget_pid(process.pid)
        self._cells.clear()


def _stands(pid: int) -> bool:
    """Whether the process is stopped; True where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] in "TZX"


def _has_descriptor(file: Any) -> bool:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return bool(file.fileno() >= 0)
    return False


@contextlib.contextmanager
def lifeline() -> Iterator[int]:
    """The read end of a pipe whose write end only this process has: whoever has the read end learns when it is gone."""
    life, hold = os.pipe()
    try:
        yield life
    finally:
        os.close(life)
        os.close(hold)


def environment(first: Sequence[str] = ()) -> dict[str, str]:
    """What this process can import, a cell can, after what is in ``first``: programs may be the user's own modules."""
    places = [*first, *(str(Path(place).absolute()) for place in sys.path)]
    return {**os.environ, **dict.fromkeys(_SINGLE_THREADED, "1"), "PYTHONPATH": os.pathsep.join(dict.fromkeys(places))}


def _how(status: int) -> str:
    if status >= 0:
        return f"its process ended by itself with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"its process was ended by {name}"
