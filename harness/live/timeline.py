"""Faults of the live world: what happens when, and the trace of when it really did."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from harness import faults
from harness.live.control import Control
from harness.run import Run
from harness.trace import EVENTS, NONE, Kind, Recorder


class Timeline:
    """The verbs of :class:`harness.world.World`; the supervisor asks it what is due.

    Args:
        run: its faults are scheduled at once. Raises KeyError for an unknown kind or node, TypeError for
            options that the kind does not have.
        control: through which nodes are told.
        recorder: the supervisor's own.
        clock: time in ns after the start line.
    """

    def __init__(self, run: Run, control: Control, recorder: Recorder, clock: Callable[[], int]) -> None:
        self._topology = run.topology
        self._control = control
        self._recorder = recorder
        self._clock = clock
        self._actions: list[tuple[int, int, int, Callable[[], None]]] = []
        self._order = 0
        self._fault = 0
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
        event = EVENTS.index("fault_off" if factor == 1.0 else "fault_on")
        self._recorder.append(Kind.EVENT, event, NONE, node_id, NONE, -1, self._clock(), 0, 0, self._fault)

    @property
    def next_ns(self) -> int | None:
        """When the next action is due; None when there is none."""
        return self._actions[0][0] if self._actions else None

    def act(self) -> None:
        """Do all that is due."""
        while self._actions and self._actions[0][0] <= self._clock():
            _, _, self._fault, action = heapq.heappop(self._actions)
            action()
