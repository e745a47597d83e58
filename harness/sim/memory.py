"""Processes that may take only so much memory: what their queues take, sampled, and their end at the limit."""

from __future__ import annotations

from collections.abc import Mapping

from harness.run import MEMORY_PERIOD_NS, SETTLE_NS
from harness.topology import Topology
from harness.trace import EVENTS, NONE, Kind, Recorder
from harness.twin import Heap, Process, Twin

_GROWN = EVENTS.index("grown_kib")
_LIMIT = EVENTS.index("memory_limit")


class Memory:
    """Samples as often as the live world does, and ends a process as the kernel would that ran out of memory.

    Args:
        topology: says whose memory is limited.
        twin: whose queues take the memory.
        processes: node name to its present process.
        recorder: for the samples, and the end.
    """

    def __init__(self, topology: Topology, twin: Twin, processes: Mapping[str, Process], recorder: Recorder) -> None:
        self._names = [node.name for node in topology.nodes]
        self._limits = topology.memory_limits()
        self._twin = twin
        self._processes = processes
        self._recorder = recorder
        self._watched: dict[tuple[int, ...], tuple[Process, Heap, int]] = {}
        self._dead: dict[Process, None] = {}

    def watch(self) -> None:
        """Begin at the start line, if anybody's memory is limited."""
        if self._limits:
            self._twin.at(SETTLE_NS, self._sample)

    def _sample(self) -> None:
        for nodes, limit_bytes in self._limits.items():
            process = self._processes[self._names[nodes[0]]]
            if process in self._dead:
                continue
            watched = self._watched.get(nodes)
            if watched is None or watched[0] is not process:
                heap = self._twin.heap(process)
                self._watched[nodes] = watched = process, heap, heap.taken_bytes()
            _, heap, before_bytes = watched
            grown_kib = max(0, heap.taken_bytes() - before_bytes) // 1024
            self._record(_GROWN, nodes, grown_kib)
            if grown_kib * 1024 >= limit_bytes:
                self._record(_LIMIT, nodes, grown_kib)
                for node in nodes:
                    self._dead[self._processes[self._names[node]]] = None
                    self._twin.kill(self._processes[self._names[node]])
        if self._twin.kernel.has_more():  # else nothing would ever change again
            self._twin.at(self._twin.now_ns + MEMORY_PERIOD_NS, self._sample)

    def _record(self, flag: int, nodes: tuple[int, ...], value: int) -> None:
        now_ns = self._twin.now_ns - SETTLE_NS
        for node in nodes:
            self._recorder.append(Kind.EVENT, flag, NONE, node, NONE, -1, now_ns, 0, 0, value)
