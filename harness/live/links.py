"""The links of a run, live: the relay process, what it is told, and what it tells."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from harness.guard import Guard
from harness.live.servant import Servant
from harness.relay.pairs import InFlight
from harness.relay.verbs import RelayVerbs
from harness.relay.ways import Way, is_aware, sizes
from harness.run import Run
from harness.shaper import Shape

Report = Callable[[Way, int, InFlight, InFlight], None]
"""Is told of a connection over a link that breaks: its way, when (CLOCK_MONOTONIC), and what was in flight from who
connected, and back."""


class Links(RelayVerbs):
    """The link verbs of :class:`harness.world.World`.

    Args:
        run: its topology has the links.
        guard: is told of the relay's process.
        life: as of :class:`~harness.live.processes.Processes`.
        report: is told of each connection that breaks.

    Attributes:
        bias_ns: how late the relay wakes, as it has measured before the run; it takes that off what it holds.
    """

    def __init__(self, run: Run, guard: Guard, life: int, report: Report) -> None:
        super().__init__(run.topology)
        self._run = run
        self._report = report
        self._by_port: dict[int, Way] = {}
        self._relay = Servant("the relay of the links", "harness.live.proxy.serve", guard, life, self._hear)
        self.bias_ns = 0

    def start(self, ports: Mapping[Way, tuple[int, int]]) -> None:
        """Start the relay and wait until it serves; ``ports``: its own and the endpoint's. Raises OSError."""
        self._by_port = {own: way for way, (own, _) in ports.items()}
        told = self._relay.start(
            {
                "links": {name: _plain(shape) for name, shape in self.shapes.items()},
                "routes": [self._route(way, own, target) for way, (own, target) in ports.items()],
                "seed": self._run.seed,
            }
        )
        self.bias_ns = told["bias_ns"]

    def _route(self, way: Way, own: int, target: int) -> dict[str, Any]:
        buffer_bytes, room_bytes = sizes(self._run.topology, way)
        return {
            "port": own,
            "target": target,
            "near": way.near,
            "far": way.far,
            "buffer_bytes": buffer_bytes,
            "room_bytes": room_bytes,
            "aware": is_aware(self._run.faults),
        }

    def _hear(self, told: Mapping[str, Any]) -> None:
        there, back = (InFlight(told[f"{name}_bytes"], told[f"{name}_messages"]) for name in ("there", "back"))
        self._report(self._by_port[told["route"]], told["monotonic_ns"], there, back)

    def listen(self) -> None:
        """Take in what the relay has told of itself."""
        self._relay.listen()

    def end(self) -> None:
        """End the relay."""
        self._relay.end()

    def order(self, verb: str, link: str, **arguments: Any) -> None:
        """Over the channel. Raises ServantError."""
        self._relay.say(verb, link, **{name: _plain(value) for name, value in arguments.items()})


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if isinstance(value, Shape) else value
