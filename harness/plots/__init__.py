"""Figures of recorded runs: one module a kind, each with ``draw(runs) -> Figure`` and a ``CAPTION``.

A figure shows both worlds when runs of both are passed in, and the one that is there otherwise. All
are narrow (one column of 4.8 inches), so that they can be read on a telephone; panels stand below
one another.
"""

from __future__ import annotations


class NothingToDrawError(Exception):
    """The runs hold nothing that this figure could show.

    The text is a sentence that says why; it is empty when the figure does not apply to such runs at all.
    """
