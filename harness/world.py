"""Waist 2: what a fault may do to a world.

Each fault kind (``harness/faults/``) is written once against these verbs and runs in both worlds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from harness.shaper import Shape

Direction = Literal["both", "up", "down"]
"""Of a link: from its node into the network, to the node, or both ways."""

Cut = Literal["anywhere", "between", "inside"]
"""Where in the byte stream a connection breaks: between two messages, inside one, or wherever it is."""


class World(Protocol):
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
