"""The process of the relay: started by the supervisor as ``python -m harness.live.proxy.serve ORDER``; dies with it.

Orders are those of :class:`harness.live.servant.Orders`; ``verb`` is a method of :class:`~harness.relay.pairs.Relay`.

Before it is ready the relay is calibrated: it sleeps a number of times, and takes the median of how late it woke off
what it holds; during the run it goes on to measure that. (When it reads late is no matter: the kernel says when bytes
came.)
"""

from __future__ import annotations

import json
import random
import statistics
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

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
        orders: to come.
    """

    def __init__(self, order: Mapping[str, Any], orders: Orders) -> None:
        self._orders = orders
        self._relay = SocketRelay(orders.tell)
        self._links = {name: _link(name, shape, order["seed"]) for name, shape in order["links"].items()}
        for route in order["routes"]:
            near, far = (self._links.get(route[end] or "") for end in ("near", "far"))
            self._relay.add_route(Route(**{**route, "near": near, "far": far}))
        self._relay.add_reader(orders.fd, partial(orders.obey, self._do))

    def serve(self) -> None:
        """Until the process is ended."""
        self._orders.tell({"event": "ready", "bias_ns": self._calibrate()})
        while True:
            self._relay.turn()

    def _do(self, verb: str, link: str, **arguments: Any) -> None:
        if "shape" in arguments:
            arguments["shape"] = Shape(**arguments["shape"])
        getattr(self._relay, verb)(self._links[link], **arguments)

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
    orders = Orders(order)
    set_timer_slack()
    Server(order, orders).serve()


if __name__ == "__main__":
    main(sys.argv[1])
