"""The process of the emulator: started as ``python -m harness.live.emulator.serve ORDER``; dies with the supervisor.

It is started inside the network namespace that has the interfaces. Orders come as :mod:`harness.live.servant` has it;
a verb is a method of :class:`~.mover.Mover`. What goes wrong by itself is told: ``{"event": "failed", "link", "way"}``
and how many frames so far were ``unread``, ``unsent`` or ``merged`` (see :class:`~.way.Counts`).
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from harness.live.clock import set_timer_slack
from harness.live.emulator.mover import Link, Mover
from harness.live.emulator.port import Port
from harness.live.servant import Orders
from harness.shaper import Shape, Shaper

_VERBS = ("impair", "blackhole", "stall", "refuse", "count")


class Server:
    """Takes orders and tells what happens.

    Args:
        order: ``links`` (name to ``outer`` and ``inner``, names of interfaces, and ``up`` and ``down``, each the
            fields of a :class:`~harness.shaper.Shape`) and ``seed``.
        orders: to come.

    Raises OSError: an interface is not there, or packet sockets are not allowed.
    """

    def __init__(self, order: Mapping[str, Any], orders: Orders) -> None:
        self._orders = orders
        self._mover = Mover(orders.tell)
        self._links = {name: self._link(name, link, order["seed"]) for name, link in order["links"].items()}
        self._mover.add_reader(orders.fd, partial(orders.obey, self._do))

    def _link(self, name: str, given: Mapping[str, Any], seed: int) -> Link:
        # A stream of chance of its own for each direction keeps what one draws from the others.
        up, down = (
            Shaper(Shape(**given[way]), random.Random(f"{seed}/{name}/{way}").random)  # noqa: S311 (no secret)
            for way in ("up", "down")
        )
        return self._mover.add_link(name, Port(given["outer"]), Port(given["inner"]), (up, down))

    def serve(self) -> None:
        """Until the process is ended."""
        self._orders.tell({"event": "ready"})
        # Nothing here makes cycles, and looking for them takes longer the more frames are under way.
        gc.disable()
        while True:
            self._mover.turn()

    def _do(self, verb: str, link: str, **arguments: Any) -> Mapping[str, Any] | None:
        if verb not in _VERBS:
            raise ValueError(f"no such verb: {verb}")
        if verb == "impair":
            arguments = {way: None if shape is None else Shape(**shape) for way, shape in arguments.items()}
        self._mover.catch_up()
        answer: Mapping[str, Any] | None = getattr(self._mover, verb)(self._links[link], **arguments)
        return answer


def come_first() -> None:
    """Run before all programs when there is something to do, if this user may ask for that.

    Nodes that keep all processors busy slow no network down. For what it is worth, see decision 0008.
    """
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def main(text: str) -> None:
    """Serve; ``text`` is the JSON of the order, with ``channel``, ``supervisor`` and ``life`` as of a cell."""
    order = json.loads(text)
    orders = Orders(order)
    set_timer_slack()
    come_first()
    Server(order, orders).serve()


if __name__ == "__main__":
    main(sys.argv[1])
