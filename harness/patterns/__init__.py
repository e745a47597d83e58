"""Patterns: one file each, a frozen ``Options``, ``build(options, duration_ns) -> Topology`` and the role programs."""

from __future__ import annotations

from harness import kinds


def names() -> tuple[str, ...]:
    """All kinds of pattern, sorted."""
    return kinds.names(__name__)
