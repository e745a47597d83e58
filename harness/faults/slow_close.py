"""Over a node's link the end of a connection arrives late: peers learn late who has left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness.units import Within
from harness.world import World, during


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``[fault.LABEL]`` of kind ``slow_close`` may say.

    Attributes:
        link: whose link.
        at_ns: from when on, in ns after the start line.
        delay_ns: so much later, in ns.
        lasts_ns: for how long in ns; absent: to the end of the run.
    """

    link: str
    at_ns: int
    delay_ns: Annotated[int, Within(1, 2**53)]
    lasts_ns: int | None = None


def schedule(world: World, options: Options) -> None:
    """Slow ends down at ``at_ns``, and no more when the time is over."""
    during(
        world,
        options,
        lambda: world.slow_close(options.link, options.delay_ns),
        lambda: world.slow_close(options.link, 0),
    )
