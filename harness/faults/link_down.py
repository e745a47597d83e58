"""A node's link has no carrier for a while: its host knows at once, and what waits goes on soon after."""

from __future__ import annotations

from dataclasses import dataclass

from harness.world import World, during


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``[fault.LABEL]`` of kind ``link_down`` may say.

    Attributes:
        link: whose link.
        at_ns: from when on, in ns after the start line.
        lasts_ns: for how long in ns; absent: to the end of the run.
    """

    link: str
    at_ns: int
    lasts_ns: int | None = None


def schedule(world: World, options: Options) -> None:
    """Take the carrier away, and give it back when the time is over."""
    during(world, options, lambda: world.link_down(options.link), lambda: world.link_up(options.link))
