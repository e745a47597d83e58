"""The process of the relay: started by the supervisor as ``python -m harness.live.proxy.serve ORDER``; dies with it.

Orders come as JSON lines over a socket, one object each: ``verb`` (a method of :class:`~.relay.Relay`), ``link``, and
arguments; each is answered by ``{"done": number, "monotonic_ns": when it took effect}``. What happens by itself is
told in between.
"""

from __future__ import annotations

import json
import random
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any

from harness.live.cell import die_with
from harness.live.clock import set_timer_slack
from harness.live.proxy.relay import Relay
from harness.live.proxy.route import Link, Route
from harness.live.timer import Timer
from harness.shaper import Shape, Shaper


class Server:
    """Takes orders and tells what happens.

    Args:
        order: ``links`` (name to ``up`` and ``down``, each the fields of a :class:`~harness.shaper.Shape`),
            ``routes`` (fields of :class:`~.relay.Route`, links by name), ``seed``.
        channel: to the supervisor.
    """

    def __init__(self, order: Mapping[str, Any], channel: socket.socket) -> None:
        self._channel = channel
        self._relay = Relay(self._tell)
        self._links = {name: _link(name, shape, order["seed"]) for name, shape in order["links"].items()}
        self._unread = b""
        for route in order["routes"]:
            near, far = (self._links.get(route[end] or "") for end in ("near", "far"))
            self._relay.add_route(Route(**{**route, "near": near, "far": far}))
        self._relay.add_reader(channel.fileno(), self._obey)

    def serve(self) -> None:
        """Until the process is ended."""
        self._tell({"event": "ready"})
        while True:
            self._relay.turn()

    def _tell(self, what: Mapping[str, Any]) -> None:
        self._channel.sendall(json.dumps({"monotonic_ns": Timer.now_ns(), **what}).encode() + b"\n")

    def _obey(self) -> None:
        data = self._channel.recv(65_536)
        if not data:
            raise SystemExit
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            order = json.loads(line)
            number, verb, link = order.pop("number"), order.pop("verb"), self._links[order.pop("link")]
            if verb == "impair":
                order = {way: None if shape is None else Shape(**shape) for way, shape in order.items()}
            getattr(self._relay, verb)(link, **order)
            self._tell({"done": number})


def _link(name: str, given: Mapping[str, Any], seed: int) -> Link:
    ways = {}
    for way in ("up", "down"):
        # Jitter alone is drawn here; a way of its own keeps what one draws from the other.
        chance = random.Random(f"{seed}/{name}/{way}").random  # noqa: S311 (no secret)
        ways[way] = Shaper(Shape(**given[way]), chance)
    return Link(name, ways["up"], ways["down"])


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
