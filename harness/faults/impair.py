"""A node's link gets worse for a while: more delay, less bandwidth, packets that are lost, overtake or come twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness.shaper import Shape
from harness.units import Within
from harness.world import World, during


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``[fault.LABEL]`` of kind ``impair`` may say. What is not said is not impaired: 0, no limit.

    Attributes:
        link: whose link.
        at_ns: from when on, in ns after the start line.
        lasts_ns: for how long in ns; absent: to the end of the run.
        delay_ns, jitter_ns, rate_bytes_per_s, loss, queue_bytes, reorder, duplicate: as of a link, instead of its own.
    """

    link: str
    at_ns: int
    lasts_ns: int | None = None
    delay_ns: int = 0
    jitter_ns: int = 0
    rate_bytes_per_s: int = 0
    loss: Annotated[float, Within(0, 1)] = 0.0
    queue_bytes: int = 262_144
    reorder: Annotated[float, Within(0, 1)] = 0.0
    duplicate: Annotated[float, Within(0, 1)] = 0.0


def schedule(world: World, options: Options) -> None:
    """Impair the link at ``at_ns``, and heal it when the time is over."""
    during(world, options, lambda: world.impair(options.link, Shape.of(options)), lambda: world.heal(options.link))
