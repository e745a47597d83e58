"""All connections over a node's link break (RST to both ends); each side makes them anew as its options say."""

from __future__ import annotations

from dataclasses import dataclass

from harness.world import Cut, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``[fault.LABEL]`` of kind ``reset`` may say.

    Attributes:
        link: whose link.
        at_ns: when, in ns after the start line.
        cut: where in the byte stream: ``between`` two messages, ``inside`` one, or ``anywhere``.
    """

    link: str
    at_ns: int
    cut: Cut = "anywhere"


def schedule(world: World, options: Options) -> None:
    """Break them at ``at_ns``."""
    world.at(options.at_ns, lambda: world.reset(options.link, options.cut))
