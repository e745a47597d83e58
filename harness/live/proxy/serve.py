"""The process of the relay: started by the supervisor as ``python -m harness.live.proxy.serve ORDER``; dies with it.

Orders are those of :class:`harness.live.servant.Orders`; ``verb`` is a method of :class:`~harness.relay.pairs.Relay`.

Before it is ready the relay is calibrated: it sleeps a number of times, and takes the median of how late it woke off
what it holds; during the run it goes on to measure that. (When it reads late is no matter: the kernel says when bytes
came.)
"""

from __future__ import annotations

import json
import random
import signal
import socket
import statistics
import sys
from collections.abc import Mapping
from typing import Any

from harness.live.cell import die_with
from harness.live.clock import set_timer_slack
from harness.live.proxy.relay import SocketRelay
from harness.live.servant import Orders
from harness.relay.line import Lateness
from harness.relay.route import Link, Route
from harness.shaper import Shape

_SLEEPS = 25
_SLEEP_NS = 1_000_000


class Server:
    """Takes orders and tells what happens.

    Args:
        order: ``links`` (name to the fields of a :class:`~harness.shaper.Shape`), ``routes`` (fields of
            :class:`~harness.relay.route.Route`, links by name), ``seed``.
        channel: to the supervisor.
    """

    def __init__(self, order: Mapping[str, Any], channel: socket.socket) -> None:
        self._orders = Orders(channel)
        self._relay = SocketRelay(self._orders.tell)
        self._links = {name: _link(name, shape, order["seed"]) for name, shape in order["links"].items()}
        for route in order["routes"]:
            near, far = (self._links.get(route[end] or "") for end in ("near", "far"))
            self._relay.add_route(Route(**{**route, "near": near, "far": far}))
        self._relay.add_reader(self._orders.fd, self._obey)

    def serve(self) -> None:
        """Until the process is ended."""
        self._orders.tell({"event": "ready", "bias_ns": self._calibrate()})
        while True:
            self._relay.turn()

    def _obey(self) -> None:
        for order in self._orders.take():
            number, verb, link = order.pop("number"), order.pop("verb"), order.pop("link")
            shaped = verb == "impair"
            arguments = {name: Shape(**given) if shaped else given for name, given in order.items()}
            getattr(self._relay, verb)(self._links[link], **arguments)
            self._orders.tell({"done": number})

    def _calibrate(self) -> int:
        """How late the relay wakes, measured; it is taken off from now on."""
        late = statistics.median(self._relay.lateness_ns(_SLEEP_NS) for _ in range(_SLEEPS))
        self._relay.lateness = Lateness(int(late))
        return self._relay.lateness.ns


def _link(name: str, shape: Mapping[str, Any], seed: int) -> Link:
    # Jitter alone is drawn here; a way of its own keeps what one draws from the other.
    return Link.of(name, Shape(**shape), lambda way: random.Random(f"{seed}/{name}/{way}").random)  # noqa: S311


def main(text: str) -> None:
    """Serve; ``text`` is the JSON of the order, with ``channel``, ``supervisor`` and ``life`` as of a cell."""
    order = json.loads(text)
    die_with(order["supervisor"], order["life"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    set_timer_slack()
    Server(order, socket.socket(fileno=order["channel"])).serve()


if __name__ == "__main__":
    main(sys.argv[1])
