"""A node's process is killed (SIGKILL: no clean-up, no LINGER) and, if it says so, started anew after a while."""

from __future__ import annotations

from dataclasses import dataclass

from harness.world import World, during


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``[fault.LABEL]`` of kind ``crash`` may say.

    Attributes:
        node: whom it hits, with all nodes that share its process (inproc).
        at_ns: when it dies, in ns after the start line.
        lasts_ns: after so many ns its program is started anew, with nothing left of what it knew; absent: never.
    """

    node: str
    at_ns: int
    lasts_ns: int | None = None


def schedule(world: World, options: Options) -> None:
    """Kill the process at ``at_ns``, and start it again when the time is over."""
    during(world, options, lambda: world.kill(options.node), lambda: world.start(options.node))
