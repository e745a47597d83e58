"""Chance, all of it from one seed, and the sizes of things: mostly small, where the edges are."""

from __future__ import annotations

import random
from collections.abc import Sequence


class Dice(random.Random):
    """Chance, all of it from one seed."""

    def chance(self, percent: float) -> bool:
        return self.random() * 100 < percent

    def one(self, *values: int) -> int:
        return values[int(self.random() * len(values))]

    def of(self, values: Sequence[str]) -> str:
        return values[int(self.random() * len(values))]

    def between(self, low: int, high: int) -> int:
        return low + int(self.random() * (high - low + 1))

    def mark(self) -> int:
        """A high-water mark: mostly small, where all the edges are."""
        roll = self.random() * 100
        if roll < 60:
            return self.between(1, 5)
        if roll < 80:
            return self.between(6, 20)
        return self.one(100, 100, 1000, 0)

    def size(self) -> int:
        roll = self.random() * 100
        if roll < 60:
            return self.one(0, 0, 10, 40, 100)
        if roll < 80:
            return self.one(246, 250, 300, 1000)
        if roll < 97:
            return self.one(2000, 4096, 8185, 8192, 9000, 20_000)
        return 100_000

    def duration(self) -> int:
        """ns, from a microsecond to a third of a second, small ones more often."""
        return int(1000 * 10 ** (self.random() * 5.5))

    def burst(self, size: int) -> int:
        most = 400 if size <= 1000 else 60 if size <= 20_000 else 12
        return min(most, self.one(1, 1, 2, 3, 5, 8, 13, 30, 100, 400))
