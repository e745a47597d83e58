"""All connections over a node's link are closed in one direction only: one end believes that its peer has left."""

from __future__ import annotations

from dataclasses import dataclass

from harness.world import Direction, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``[fault.LABEL]`` of kind ``half_close`` may say.

    Attributes:
        link: whose link.
        at_ns: when, in ns after the start line.
        direction: who sees the end of the stream: its peers (``up``), the node (``down``) or ``both``.
    """

    link: str
    at_ns: int
    direction: Direction = "down"


def schedule(world: World, options: Options) -> None:
    """Let the end of the stream arrive at ``at_ns``."""
    world.at(options.at_ns, lambda: world.half_close(options.link, options.direction))
