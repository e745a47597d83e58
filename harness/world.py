"""Waist 2: what a fault may do to a world.

Each fault kind (``harness/faults/``) is written once against these verbs and runs in both worlds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, Protocol

from harness.relay.line import Held
from harness.shaper import Shape

Direction = Literal["both", "up", "down"]
"""Of a link: from its node into the network, to the node, or both ways."""

Cut = Literal["anywhere", "between", "inside"]
"""Where in the byte stream a connection breaks: between two messages, inside one, or wherever it is."""


class LinkVerbs(Protocol):
    """What may happen to the link of a node."""

    def impair(self, link: str, shape: Shape) -> None:
        """From now on the link of that node is such, both ways; what is under way keeps its time."""

    def heal(self, link: str) -> None:
        """As the experiment made it."""

    def blackhole(self, link: str, direction: Direction) -> None:
        """Silence: nothing passes and nobody is told; connections stay (F148)."""

    def unsilence(self, link: str) -> None:
        """End of a black hole."""

    def link_down(self, link: str) -> None:
        """No carrier: the node knows at once that nothing can be sent; connections stay, new ones fail."""

    def link_up(self, link: str) -> None:
        """Carrier again."""

    def reset(self, link: str, cut: Cut) -> None:
        """Break all connections over the link: RST to both ends."""

    def refuse(self, link: str) -> None:
        """Accept no new connection over the link; those that are go on."""

    def accept(self, link: str) -> None:
        """Accept connections again."""

    def half_close(self, link: str, direction: Direction) -> None:
        """Let an end of stream that nobody sent arrive: at the node (``down``), at its peers (``up``), or at both."""

    def limit_data(self, link: str, size_bytes: int) -> None:
        """Reset each connection when so many bytes have passed one way, from now or from its begin; 0: no more."""

    def slow_close(self, link: str, delay_ns: int) -> None:
        """Let each end of a stream arrive so much later than what is before it; 0: no more."""

    def hold(self, link: str, what: Held) -> None:
        """Hold back the greeting of each new connection, or each subscription and what is behind it."""

    def let_go(self, link: str) -> None:
        """Let pass what was held back."""


class World(LinkVerbs, Protocol):
    """The verbs. Times are ns after the start line."""

    def at(self, time_ns: int, action: Callable[[], None]) -> None:
        """Do ``action`` at that time."""

    def slow(self, node: str, factor: float) -> None:
        """From now on ``node.work(d)`` takes ``factor * d`` at that node; 1.0 ends it."""

    def pause(self, node: str) -> None:
        """Stop its process: program and I/O thread stand, the kernel's buffers go on accepting (SIGSTOP)."""

    def resume(self, node: str) -> None:
        """Let a paused process go on (SIGCONT)."""

    def kill(self, node: str) -> None:
        """End its process at once: no ``finally``, no LINGER; the kernel closes what it had open (SIGKILL)."""

    def start(self, node: str) -> None:
        """Start the program of a killed node anew, in a new process, at the same addresses."""


class NotedLinks(ABC):
    """Faults of links as both worlds have them: the moment is written down, and the world's links do it.

    Attributes:
        links: of this world.
    """

    links: LinkVerbs

    @abstractmethod
    def note(self, event: str, node: str) -> None:
        """Record ``fault_on`` or ``fault_off`` of the fault that is acting, at that node, now."""

    def impair(self, link: str, shape: Shape) -> None:
        """The link is such from now on."""
        self.note("fault_on", link)
        self.links.impair(link, shape)

    def heal(self, link: str) -> None:
        """As the experiment made it."""
        self.note("fault_off", link)
        self.links.heal(link)

    def blackhole(self, link: str, direction: Direction) -> None:
        """Silence."""
        self.note("fault_on", link)
        self.links.blackhole(link, direction)

    def unsilence(self, link: str) -> None:
        """End of it."""
        self.note("fault_off", link)
        self.links.unsilence(link)

    def link_down(self, link: str) -> None:
        """No carrier."""
        self.note("fault_on", link)
        self.links.link_down(link)

    def link_up(self, link: str) -> None:
        """Carrier again."""
        self.note("fault_off", link)
        self.links.link_up(link)

    def reset(self, link: str, cut: Cut) -> None:
        """Connections break."""
        self.note("fault_on", link)
        self.links.reset(link, cut)

    def refuse(self, link: str) -> None:
        """No new connections."""
        self.note("fault_on", link)
        self.links.refuse(link)

    def accept(self, link: str) -> None:
        """New connections again."""
        self.note("fault_off", link)
        self.links.accept(link)

    def half_close(self, link: str, direction: Direction) -> None:
        """An end of stream that nobody sent."""
        self.note("fault_on", link)
        self.links.half_close(link, direction)

    def limit_data(self, link: str, size_bytes: int) -> None:
        """Connections break after so many bytes."""
        self.note("fault_on" if size_bytes else "fault_off", link)
        self.links.limit_data(link, size_bytes)

    def slow_close(self, link: str, delay_ns: int) -> None:
        """Ends of streams pass later."""
        self.note("fault_on" if delay_ns else "fault_off", link)
        self.links.slow_close(link, delay_ns)

    def hold(self, link: str, what: Held) -> None:
        """Greetings or subscriptions stay where they are."""
        self.note("fault_on", link)
        self.links.hold(link, what)

    def let_go(self, link: str) -> None:
        """They go on."""
        self.note("fault_off", link)
        self.links.let_go(link)


class Lasting(Protocol):
    """Options of a fault that begins and, unless ``lasts_ns`` is None, ends."""

    @property
    def at_ns(self) -> int:
        """From when on, in ns after the start line."""

    @property
    def lasts_ns(self) -> int | None:
        """For how long, in ns."""


def during(world: World, options: Lasting, begin: Callable[[], None], end: Callable[[], None]) -> None:
    """Do ``begin`` when the fault begins, and ``end`` when it ends, if it does."""
    world.at(options.at_ns, begin)
    if options.lasts_ns is not None:
        world.at(options.at_ns + options.lasts_ns, end)
