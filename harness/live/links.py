"""The links of a run, live: the relay process, what it is told, and what it tells."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from harness.guard import Guard
from harness.live.servant import Servant
from harness.relay.line import Held
from harness.relay.pairs import InFlight
from harness.relay.ways import Way, is_aware, passable, sizes
from harness.run import Run
from harness.shaper import Shape
from harness.world import Cut, Direction

Report = Callable[[Way, int, InFlight, InFlight], None]
"""Is told of a connection over a link that breaks: its way, when (CLOCK_MONOTONIC), and what was in flight from who
connected, and back."""


class Links:
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
        self._run = run
        self._report = report
        self._shapes = {link.node: link.shape for link in run.topology.links}
        self._by_port: dict[int, Way] = {}
        self._relay = Servant("the relay of the links", "harness.live.proxy.serve", guard, life, self._hear)
        self.bias_ns = 0

    def start(self, ports: Mapping[Way, tuple[int, int]]) -> None:
        """Start the relay and wait until it serves; ``ports``: its own and the endpoint's. Raises OSError."""
        self._by_port = {own: way for way, (own, _) in ports.items()}
        told = self._relay.start(
            {
                "links": {name: _plain(shape) for name, shape in self._shapes.items()},
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

    # -- verbs ---------------------------------------------------------------------------------------

    def impair(self, link: str, shape: Shape) -> None:
        """See :class:`harness.world.World`, as for all that follow. Raises ServantError."""
        self._relay.say("impair", link, up=_plain(shape), down=_plain(shape))

    def heal(self, link: str) -> None:
        """As the experiment made it."""
        self.impair(link, self._shapes[link])

    def blackhole(self, link: str, direction: Direction) -> None:
        """Nothing passes; unlike on a real wire it goes on at once when that ends, for nobody counts timeouts here."""
        self._relay.say("stall", link, up=direction != "down", down=direction != "up")

    def unsilence(self, link: str) -> None:
        """Let everything pass again."""
        self._relay.say("stall", link, up=False, down=False)

    def link_down(self, link: str) -> None:
        """Nothing passes, and new connections are refused."""
        self._relay.say("set_down", link, down=True)

    def link_up(self, link: str) -> None:
        """As before."""
        self._relay.say("set_down", link, down=False)

    def reset(self, link: str, cut: Cut) -> None:
        """RST to both ends of all connections."""
        self._relay.say("reset", link, cut="" if cut == "anywhere" else cut)

    def refuse(self, link: str) -> None:
        """Close the listeners."""
        self._relay.say("refuse", link, refuses=True)

    def accept(self, link: str) -> None:
        """Open them."""
        self._relay.say("refuse", link, refuses=False)

    def half_close(self, link: str, direction: Direction) -> None:
        """FIN that way."""
        for up in (True, False):
            if direction in ("both", "up" if up else "down"):
                self._relay.say("half_close", link, up=up)

    def limit_data(self, link: str, size_bytes: int) -> None:
        """RST after so many bytes."""
        self._relay.say("limit_data", link, size_bytes=size_bytes)

    def slow_close(self, link: str, delay_ns: int) -> None:
        """FIN later."""
        self._relay.say("slow_close", link, delay_ns=delay_ns)

    def hold(self, link: str, what: Held) -> None:
        """Hold greetings or subscriptions back."""
        self._relay.say("hold", link, what=what)

    def let_go(self, link: str) -> None:
        """Pass them on."""
        self._relay.say("let_go", link)


def _plain(shape: Shape) -> dict[str, Any]:
    return dataclasses.asdict(passable(shape))
