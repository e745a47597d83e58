"""Remedies: rewrites of a topology that make it more reliable; the file name is the ``kind`` in the experiment.

A remedy sees nodes, endpoints and flows, and no pattern: whose role it takes over follows from the types of sockets.
"""

from __future__ import annotations

from harness import kinds


class MisfitError(ValueError):
    """A remedy is not for this topology, or not as it was asked for; its text says what would be right.

    Attributes:
        option: the key of the remedy that is to blame; ``kind`` when it is the remedy itself.
    """

    def __init__(self, message: str, option: str = "kind") -> None:
        super().__init__(message)
        self.option = option


def names() -> tuple[str, ...]:
    """All kinds, sorted."""
    return kinds.names(__name__)
