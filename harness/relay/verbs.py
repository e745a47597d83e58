"""The verbs of :class:`harness.world.World` for links in which a relay stands, as orders to that relay."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from harness.relay.line import Held
from harness.relay.ways import passable
from harness.shaper import Shape
from harness.topology import Topology
from harness.world import Cut, Direction


class RelayVerbs(ABC):
    """All links of a run.

    Args:
        topology: has them.

    Attributes:
        shapes: by node, as far as a relay can do them.
    """

    def __init__(self, topology: Topology) -> None:
        self.shapes: Mapping[str, Shape] = {link.node: passable(link.shape) for link in topology.links}

    @abstractmethod
    def order(self, verb: str, link: str, **arguments: Any) -> None:
        """Have the relay do it, now: a method of :class:`~harness.relay.pairs.Relay`, a link's name, and the rest."""

    def impair(self, link: str, shape: Shape) -> None:
        """See :class:`harness.world.World`, as for all that follow. Raises OSError when a live relay does not obey."""
        self.order("impair", link, shape=passable(shape))

    def heal(self, link: str) -> None:
        """As the experiment made it."""
        self.impair(link, self.shapes[link])

    def blackhole(self, link: str, direction: Direction) -> None:
        """Nothing passes; unlike on a real wire it goes on at once when that ends, for nobody counts timeouts here."""
        self.order("stall", link, up=direction != "down", down=direction != "up")

    def unsilence(self, link: str) -> None:
        """Let everything pass again."""
        self.order("stall", link, up=False, down=False)

    def link_down(self, link: str) -> None:
        """Nothing passes, and new connections are refused."""
        self.order("set_down", link, down=True)

    def link_up(self, link: str) -> None:
        """As before."""
        self.order("set_down", link, down=False)

    def reset(self, link: str, cut: Cut) -> None:
        """RST to both ends of all connections."""
        self.order("reset", link, cut="" if cut == "anywhere" else cut)

    def refuse(self, link: str) -> None:
        """No new connections."""
        self.order("refuse", link, refuses=True)

    def accept(self, link: str) -> None:
        """New connections again."""
        self.order("refuse", link, refuses=False)

    def half_close(self, link: str, direction: Direction) -> None:
        """FIN that way."""
        for up in (True, False):
            if direction in ("both", "up" if up else "down"):
                self.order("half_close", link, up=up)

    def limit_data(self, link: str, size_bytes: int) -> None:
        """RST after so many bytes."""
        self.order("limit_data", link, size_bytes=size_bytes)

    def slow_close(self, link: str, delay_ns: int) -> None:
        """FIN later."""
        self.order("slow_close", link, delay_ns=delay_ns)

    def hold(self, link: str, what: Held) -> None:
        """Hold greetings or subscriptions back."""
        self.order("hold", link, what=what)

    def let_go(self, link: str) -> None:
        """Pass them on."""
        self.order("let_go", link)
