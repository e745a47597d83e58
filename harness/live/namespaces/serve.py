"""The process that makes the namespaces of a run and pulls at the cables: ``python -m harness.live.namespaces.serve``.

Orders come as in :mod:`harness.live.servant`. It dies with the supervisor; only when that is seen to is the rest
imported.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from harness.live.namespaces import system
from harness.live.servant import Orders


class Server:
    """All namespaces, and the verbs on their cables.

    Args:
        order: ``sites`` (how many), ``neighbours`` (pairs of them), ``links`` (name to ``site``,
            ``emulated``, ``rate_bytes_per_s``, ``queue_bytes``).

    Attributes:
        doors: descriptors of the namespaces: the middle, and each site.
    """

    def __init__(self, order: Mapping[str, Any]) -> None:
        from harness.live.namespaces.cables import Middle, Site

        self._neighbours: dict[int, list[int]] = {number: [] for number in range(order["sites"])}
        for one, other in order["neighbours"]:
            self._neighbours[one].append(other)
            self._neighbours[other].append(one)
        self._site_of = {name: link["site"] for name, link in order["links"].items()}
        middle = Middle()
        self._sites = [Site(number, middle.door) for number in self._neighbours]
        emulated = [link["site"] for link in order["links"].values() if link["emulated"]]
        for number, site in enumerate(self._sites):
            middle.connect(number, site, number in emulated)
            site.furnish(self._neighbours[number])
        self.doors = [middle.door, *(site.door for site in self._sites)]
        self._rates = dict.fromkeys(order["links"], (0, 0))
        self._silent = dict.fromkeys(order["links"], (False, False))
        for name, link in order["links"].items():
            if not link["emulated"]:
                self.shape(name, link["rate_bytes_per_s"], link["queue_bytes"])

    def shape(self, link: str, rate_bytes_per_s: int, queue_bytes: int) -> dict[str, Any]:
        """Such a rate from now on, both ways."""
        self._rates[link] = rate_bytes_per_s, queue_bytes
        return self._apply(link)

    def silence(self, link: str, up: bool, down: bool) -> dict[str, Any]:
        """Let nothing pass these ways."""
        self._silent[link] = up, down
        return self._apply(link)

    def _apply(self, link: str) -> dict[str, Any]:
        site, (up, down) = self._sites[self._site_of[link]], self._silent[link]
        site.near.shape(*self._rates[link], silent=up)
        site.far.shape(*self._rates[link], silent=down)
        return {}

    def set_down(self, link: str, down: bool) -> dict[str, Any]:
        """Pull the cable, or plug it in; neighbours know at once, too."""
        number = self._site_of[link]
        site = self._sites[number]
        if down == site.is_down:
            return {}
        # In this order, nobody sends into a cable that is pulled: what is lost there comes again late.
        if not down:
            site.up()
        for other in self._neighbours[number]:
            if down:
                self._sites[other].lose(number)
            else:
                self._sites[other].find(number)
        if down:
            site.down()
        return {}

    def repeats(self, link: str, hindered: list[int]) -> dict[str, Any]:  # noqa: ARG002
        """Whether a connection waits to repeat something, those of some namespaces left out."""
        from harness.live.namespaces.layout import site_of

        for number, site in enumerate(self._sites):
            if number not in hindered and any(
                one.repeats and site_of(one.remote[0]) not in hindered for one in site.over_cable()
            ):
                return {"repeats": True}
        return {"repeats": False}

    def reset(self, link: str) -> dict[str, Any]:
        """Break all connections over the cable, both ends of each."""
        number = self._site_of[link]
        ends = [(self._sites[number], self._sites[number].over_cable())]
        for other in self._neighbours[number]:
            ends.append((self._sites[other], self._sites[other].over_cable(number)))
        for site, doomed in ends:
            site.destroy(doomed)
        return {
            "broken": [
                {"local": one.local, "remote": one.remote, "bytes": one.unsent_bytes}
                for _, all_ in ends
                for one in all_
            ]
        }


def main(text: str) -> None:
    """Make the namespaces and serve; ``text`` is the JSON of the order, with ``channel``, ``supervisor``, ``life``."""
    order = json.loads(text)
    owner = system.become_owner()  # before there is a thread
    orders = Orders(order)
    server = Server(order)
    orders.lend([*([] if owner is None else [owner]), *server.doors])
    orders.tell({"event": "ready", "owned": owner is not None})
    while True:
        orders.obey(lambda verb, link, **arguments: getattr(server, verb)(link, **arguments))


if __name__ == "__main__":
    main(sys.argv[1])
