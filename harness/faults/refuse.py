"""No new connection is accepted over a node's link for a while; those that are there go on."""

from __future__ import annotations

from dataclasses import dataclass

from harness.world import World, during


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``[fault.LABEL]`` of kind ``refuse`` may say.

    Attributes:
        link: whose link.
        at_ns: from when on, in ns after the start line.
        lasts_ns: for how long in ns; absent: to the end of the run.
    """

    link: str
    at_ns: int
    lasts_ns: int | None = None


def schedule(world: World, options: Options) -> None:
    """Refuse, and accept again when the time is over."""
    during(world, options, lambda: world.refuse(options.link), lambda: world.accept(options.link))
