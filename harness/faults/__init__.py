"""Faults: one file each, a frozen ``Options`` and ``schedule(world, options) -> None`` over the World verbs.

An option named ``node`` is the name of a node and is checked as such when a file is read.
"""

from __future__ import annotations

from harness import kinds, run
from harness.run import FaultSpec
from harness.world import World


def names() -> tuple[str, ...]:
    """All kinds of fault, sorted."""
    return kinds.names(__name__)


def schedule(world: World, fault: FaultSpec) -> None:
    """Ask the world to do what the fault says, when it says it.

    Raises KeyError for an unknown kind, TypeError for options that the kind does not have.
    """
    module = kinds.load(__name__, fault.kind)
    module.schedule(world, run.decode(module.Options, fault.options))
