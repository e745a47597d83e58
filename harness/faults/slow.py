"""A node computes more slowly for a while; its I/O thread and its kernel buffers go on as before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness.units import Within
from harness.world import World, during


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``[fault.LABEL]`` of kind ``slow`` may say.

    Attributes:
        node: whom it hits.
        at_ns: from when on, in ns after the start line.
        lasts_ns: for how long in ns; absent: to the end of the run.
        factor: ``node.work(d)`` takes ``factor * d``; below 1 the node is faster.
    """

    node: str
    at_ns: int
    lasts_ns: int | None = None
    factor: Annotated[float, Within(0.001, 1_000_000)]


def schedule(world: World, options: Options) -> None:
    """Slow the node down at ``at_ns``, and give it its speed back when the time is over.

    Work that is under way at either moment keeps the factor that it began with.
    """
    during(world, options, lambda: world.slow(options.node, options.factor), lambda: world.slow(options.node, 1.0))
