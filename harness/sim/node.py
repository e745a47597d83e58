"""What a program is given in the simulated world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.node import Node
from harness.run import SETTLE_NS
from harness.trace import Recorder
from harness.twin import Twin

_CALLS_WITHOUT_TIME_LIMIT = 1_000_000


class StalledError(RuntimeError):
    """A program asked for the time very often without letting any pass."""


class SimNode(Node):
    """A node in virtual time; the start line is :data:`SETTLE_NS` after time zero of the twin."""

    def __init__(
        self,
        node_id: int,
        name: str,
        flow_ids: Mapping[str, int],
        recorder: Recorder,
        twin: Twin,
        addresses: Mapping[str, str],
        rng: np.random.Generator,
    ) -> None:
        super().__init__(node_id, flow_ids, recorder)
        self.name = name
        self.zmq = twin.zmq
        self.rng = rng
        self.factor = 1.0
        self._kernel = twin.kernel
        self._costs = twin.costs
        self._addresses = addresses
        self._asked_ns = -1
        self._asked = 0

    def attach(self, context: Any) -> None:
        """Give the node its context (made inside its own simulated process)."""
        self.context = context

    def endpoint(self, name: str) -> str:
        """The simulated address of an endpoint."""
        return self._addresses[name]

    def now(self) -> int:
        """Virtual time in ns after the start line. Raises StalledError in an endless loop."""
        now = self._kernel.now_ns
        if now != self._asked_ns:
            self._asked_ns = now
            self._asked = 0
        self._asked += 1
        if self._asked > _CALLS_WITHOUT_TIME_LIMIT:
            raise StalledError(f"{self.name} asked for the time {self._asked} times while none passed")
        return now - SETTLE_NS

    def sleep_until(self, time_ns: int) -> None:
        """Virtual time passes; the wake-up is as late as on the profile's machine."""
        wait = time_ns + SETTLE_NS - self._kernel.now_ns
        if wait > 0:
            self._kernel.spend(wait + self._costs.sleep_late())

    def work(self, duration_ns: int) -> None:
        """The application computes, ``factor`` times as long under a ``slow`` fault."""
        if duration_ns > 0:
            self._kernel.compute(int(duration_ns * self.factor) + self._costs.sleep_late())
