"""A node's link swallows everything, in both directions or one, and nobody is told: a silent partition."""

from __future__ import annotations

from dataclasses import dataclass

from harness.world import Direction, World, during


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``[fault.LABEL]`` of kind ``blackhole`` may say.

    Attributes:
        link: whose link.
        at_ns: from when on, in ns after the start line.
        lasts_ns: for how long in ns; absent: to the end of the run.
        direction: ``up`` (from the node), ``down`` (to it) or ``both``.
    """

    link: str
    at_ns: int
    lasts_ns: int | None = None
    direction: Direction = "both"


def schedule(world: World, options: Options) -> None:
    """Silence the link, and let it speak again when the time is over."""
    during(
        world, options, lambda: world.blackhole(options.link, options.direction), lambda: world.unsilence(options.link)
    )
