"""What the processes of a run take of the machine, over time: memory, processor time, context switches (Linux)."""

from __future__ import annotations

import os
from pathlib import Path

from harness.live.processes import Processes
from harness.trace import EVENTS, NONE, Kind, Recorder

PERIOD_NS = 100_000_000
"""From one sample to the next."""

_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
_TICK_MS = 1000 // os.sysconf("SC_CLK_TCK")
_SAMPLES = tuple(EVENTS.index(name) for name in ("rss_kib", "cpu_ms", "switches"))


class Usage:
    """Takes the samples when asked; nodes that share a process share its figures.

    Args:
        processes: of the run.
        recorder: the supervisor's own.
    """

    def __init__(self, processes: Processes, recorder: Recorder) -> None:
        self._processes = processes
        self._recorder = recorder
        self._due_ns = 0

    def sample(self, now_ns: int) -> None:
        """Write down what each process takes, if it is time; ``now_ns`` after the start line."""
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + PERIOD_NS
        for nodes, pid in self._processes.pids():
            taken = _taken(pid)
            for flag, value in zip(_SAMPLES, taken or (), strict=False):
                for node in nodes:
                    self._recorder.append(Kind.EVENT, flag, NONE, node, NONE, -1, now_ns, 0, 0, value)


def _taken(pid: int) -> tuple[int, int, int] | None:
    """Memory in KiB, processor time in ms, context switches; None for a process that is gone, or where not told."""
    process = Path("/proc") / str(pid)
    try:
        pages = int((process / "statm").read_text().split()[1])
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        status = (process / "status").read_text()
    except (OSError, IndexError):
        return None
    switches = sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)
    return pages * _PAGE_KIB, (int(fields[11]) + int(fields[12])) * _TICK_MS, switches
