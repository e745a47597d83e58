"""Waist 2: what a fault may do to a world.

Each fault kind (``harness/faults/``) is written once against these verbs and runs in both worlds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class World(Protocol):
    """The verbs. Times are ns after the start line."""

    def at(self, time_ns: int, action: Callable[[], None]) -> None:
        """Do ``action`` at that time."""

    def slow(self, node: str, factor: float) -> None:
        """From now on ``node.work(d)`` takes ``factor * d`` at that node; 1.0 ends it."""
