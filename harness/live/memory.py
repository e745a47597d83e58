"""Processes that may take only so much memory: sampled often, and killed at their limit, never at the machine's.

What counts is anonymous memory beyond what the process had when its programs were ready: Python and pyzmq
are not what is studied, and the records lie in a shared mapping. Between two samples a process could take a lot; so
its address space is limited as well (RLIMIT_AS), well above. What libzmq does there is not defined: ``send`` raises
ENOMEM, the process aborts, or anything else. An end of that kind is the end by the limit, too, and is named.
"""

from __future__ import annotations

import re
import resource
from dataclasses import dataclass
from pathlib import Path

from harness.live.control import Control, State
from harness.live.processes import Processes
from harness.run import MEMORY_PERIOD_NS
from harness.topology import Topology
from harness.trace import EVENTS, NONE, Kind, Recorder

_GROWN = EVENTS.index("grown_kib")
_LIMIT = EVENTS.index("memory_limit")
_PAGE_BYTES = resource.getpagesize()
_BACKSTOP_TIMES = 2
_BACKSTOP_BYTES = 256 << 20
"""The address space may grow by twice the limit and this: allocators reserve more than they use."""
_NO_MEMORY = re.compile("MemoryError|Cannot allocate memory")


@dataclass(slots=True)
class _Watched:
    pid: int
    before_bytes: int
    grown_bytes: int = 0


class MemoryLimits:
    """The limits of one run.

    Args:
        topology: says whose memory is limited.
        processes: of the nodes.
        control: says when a node is ready, and is told of those that were killed.
        recorder: the supervisor's own.

    Attributes:
        ends: node name to how its process came to its end at the limit.
        due_ns: when the next sample is due, in ns after the start line; None when nobody's memory is limited.
    """

    def __init__(self, topology: Topology, processes: Processes, control: Control, recorder: Recorder) -> None:
        self._names = [node.name for node in topology.nodes]
        self._limits = topology.memory_limits()
        self._processes = processes
        self._control = control
        self._recorder = recorder
        self._watched: dict[tuple[int, ...], _Watched] = {}
        self.ends: dict[str, str] = {}
        self.due_ns: int | None = 0 if self._limits else None

    def sample(self, now_ns: int) -> None:
        """Look at each process that is limited, if it is time, and end those that have taken too much."""
        if self.due_ns is None or now_ns < self.due_ns:
            return
        self.due_ns = now_ns + MEMORY_PERIOD_NS
        for nodes, pid in list(self._processes.pids()):
            taken_bytes = _anonymous_bytes(pid) if nodes in self._limits else None
            if taken_bytes is None:
                continue
            watched = self._watched.get(nodes)
            if watched is None or watched.pid != pid:
                self._begin(nodes, pid, taken_bytes)
                continue
            watched.grown_bytes = max(0, taken_bytes - watched.before_bytes)
            self._record(_GROWN, nodes, now_ns, watched.grown_bytes)
            if watched.grown_bytes >= self._limits[nodes]:
                self._end(nodes, now_ns, "killed at its memory limit")

    def explains(self, nodes: tuple[int, ...], how: str, now_ns: int) -> bool:
        """Whether a process that is in trouble got there by its limit; it is then ended, and no error of the run.

        ``how``: its program's error, or how the process ended.
        """
        watched = self._watched.get(nodes)
        if watched is None or not (_NO_MEMORY.search(how) or 2 * watched.grown_bytes >= self._limits[nodes]):
            return False
        last = how.strip().splitlines()[-1] if how.strip() else "it ended"
        self._end(nodes, now_ns, f"ended by itself for want of memory: {last}")
        return True

    def _begin(self, nodes: tuple[int, ...], pid: int, taken_bytes: int) -> None:
        if all(self._control.state(node) >= State.READY for node in nodes):
            self._watched[nodes] = _Watched(pid, taken_bytes)
            _limit_address_space(pid, _BACKSTOP_TIMES * self._limits[nodes] + _BACKSTOP_BYTES)

    def _end(self, nodes: tuple[int, ...], now_ns: int, how: str) -> None:
        self._record(_LIMIT, nodes, now_ns, self._watched.pop(nodes).grown_bytes)
        self._processes.kill(nodes)
        for node in nodes:
            self._control.set_state(node, State.DOWN)
            self.ends[self._names[node]] = how

    def _record(self, flag: int, nodes: tuple[int, ...], now_ns: int, value_bytes: int) -> None:
        for node in nodes:
            self._recorder.append(Kind.EVENT, flag, NONE, node, NONE, -1, now_ns, 0, 0, value_bytes // 1024)


def _anonymous_bytes(pid: int) -> int | None:
    """Resident memory that no file and no shared mapping stands behind; None for a process that is gone."""
    try:
        _, resident, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
    except (OSError, ValueError):
        return None
    return (resident - shared) * _PAGE_BYTES


def _limit_address_space(pid: int, room_bytes: int) -> None:
    """So much more than it has now, and no further."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
        limit = pages * _PAGE_BYTES + room_bytes
        resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))
    except (OSError, ValueError, IndexError):
        return  # it is gone
