"""Faults of the live world: what happens when, and the trace of when it really did."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from harness import faults
from harness.live.control import Control, State
from harness.live.processes import Processes
from harness.run import Run
from harness.trace import EVENTS, NONE, Kind, Recorder
from harness.world import LinkVerbs, NotedLinks


class Timeline(NotedLinks):
    """The verbs of :class:`harness.world.World`; the supervisor asks it what is due.

    Args:
        run: its faults are scheduled at once. Raises KeyError for an unknown kind or node, TypeError for
            options that the kind does not have.
        control: through which nodes are told.
        processes: of the nodes.
        links: of the nodes.
        recorder: the supervisor's own.
        clock: time in ns after the start line.
    """

    def __init__(
        self,
        run: Run,
        control: Control,
        processes: Processes,
        links: LinkVerbs,
        recorder: Recorder,
        clock: Callable[[], int],
    ) -> None:
        self._topology = run.topology
        self._control = control
        self._processes = processes
        self.links = links
        self._recorder = recorder
        self._clock = clock
        self._actions: list[tuple[int, int, int, Callable[[], None]]] = []
        self._order = 0
        self._fault = 0
        self._hit_nodes: list[int] = []
        for self._fault, fault in enumerate(run.faults):
            faults.schedule(self, fault)

    def at(self, time_ns: int, action: Callable[[], None]) -> None:
        """Do ``action`` at that time after the start line."""
        heapq.heappush(self._actions, (time_ns, self._order, self._fault, action))
        self._order += 1

    def slow(self, node: str, factor: float) -> None:
        """Work that ``node`` begins from now on takes ``factor`` times as long. Raises KeyError."""
        node_id = self._topology.node_id(node)
        self._control.set_slow_factor(node_id, factor)
        self._note("fault_off" if factor == 1.0 else "fault_on", node_id)

    def pause(self, node: str) -> None:
        """SIGSTOP to the process of that node. Raises KeyError."""
        self._processes.pause(self._hit("fault_on", node))

    def resume(self, node: str) -> None:
        """SIGCONT."""
        self._processes.resume(self._hit("fault_off", node))

    def kill(self, node: str) -> None:
        """SIGKILL to the process of that node; its other nodes, which inproc endpoints join to it, die with it."""
        nodes = self._hit("fault_on", node)
        self._processes.kill(nodes)
        for each in nodes:
            self._control.set_state(each, State.DOWN)

    def start(self, node: str) -> None:
        """A new process for the node, and for those that share it. Raises OSError."""
        nodes = self._hit("fault_off", node)
        for each in nodes:
            self._control.set_state(each, State.NEW)
        self._processes.restart(nodes)

    def _hit(self, event: str, node: str) -> tuple[int, ...]:
        """All whom a fault of that node's process hits; each gets a record of the moment before."""
        nodes = self._processes.cell_of(self._topology.node_id(node))
        for each in nodes:
            self._note(event, each)
        return nodes

    def note(self, event: str, node: str) -> None:
        """In the supervisor's own records, a moment before it takes effect."""
        self._note(event, self._topology.node_id(node))

    def _note(self, event: str, node: int) -> None:
        self._hit_nodes.append(node)
        self._record(event, node)

    def _record(self, event: str, node: int) -> None:
        flag = EVENTS.index(event)
        self._recorder.append(Kind.EVENT, flag, NONE, node, NONE, -1, self._clock(), 0, 0, self._fault)

    @property
    def next_ns(self) -> int | None:
        """When the next action is due; None when there is none."""
        return self._actions[0][0] if self._actions else None

    def act(self) -> None:
        """Do all that is due."""
        while self._actions and self._actions[0][0] <= self._clock():
            _, _, self._fault, action = heapq.heappop(self._actions)
            self._hit_nodes.clear()
            action()
            for node in dict.fromkeys(self._hit_nodes):
                self._record("fault_done", node)
