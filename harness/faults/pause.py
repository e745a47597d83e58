"""A node stands still for a while: program and I/O thread both, as under SIGSTOP; kernel buffers go on accepting."""

from __future__ import annotations

from dataclasses import dataclass

from harness.world import World, during


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``[fault.LABEL]`` of kind ``pause`` may say.

    Attributes:
        node: whom it hits, with all nodes that share its process (inproc).
        at_ns: from when on, in ns after the start line.
        lasts_ns: for how long in ns; absent: to the end of the run.
    """

    node: str
    at_ns: int
    lasts_ns: int | None = None


def schedule(world: World, options: Options) -> None:
    """Stop the process at ``at_ns``, and let it go on when the time is over."""
    during(world, options, lambda: world.pause(options.node), lambda: world.resume(options.node))
