"""All connections over a node's link break after so many bytes, again and again: a middlebox with a quota."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness.units import Within
from harness.world import World, during


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``[fault.LABEL]`` of kind ``limit_data`` may say.

    Attributes:
        link: whose link.
        at_ns: from when on, in ns after the start line.
        size_bytes: a connection is reset (RST to both ends) when so much has passed one way since then, or since it
            was made.
        lasts_ns: for how long in ns; absent: to the end of the run.
    """

    link: str
    at_ns: int
    size_bytes: Annotated[int, Within(1, 2**53)]
    lasts_ns: int | None = None


def schedule(world: World, options: Options) -> None:
    """Set the limit at ``at_ns``, and lift it when the time is over."""
    during(
        world,
        options,
        lambda: world.limit_data(options.link, options.size_bytes),
        lambda: world.limit_data(options.link, 0),
    )
