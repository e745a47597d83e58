"""When messages are due, and how long work takes: pure, and the same in both worlds.

All chance comes from the generator that is passed in (``run.rng(name)``); times are integers of
nanoseconds after the start line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import dropwhile, repeat
from typing import Literal

import numpy as np

_BLOCK = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """A schedule of intended send times (open loop).

    Attributes:
        kind: ``constant`` (equal spacing), ``poisson`` (exponential spacing), ``burst`` (``burst``
            messages at once, bursts equally spaced so that the mean rate holds).
        rate_per_s: messages a second, > 0.
        until_ns: no message is due at or after this time.
        burst: messages in a burst; only for ``burst``.
        phase_ns: the first message of a constant or burst schedule.
    """

    kind: Literal["constant", "poisson", "burst"] = "constant"
    rate_per_s: float
    until_ns: int
    burst: int = 1
    phase_ns: int = 0

    def times(self, rng: np.random.Generator, since_ns: int = 0) -> Iterator[int]:
        """Intended times in ns, ascending, all below ``until_ns``; what was due before ``since_ns`` is left out.

        Who starts late, or anew, is in the middle of the schedule, and has nothing to make up for.
        """
        every = self._poisson(rng) if self.kind == "poisson" else self._regular()
        return dropwhile(lambda due: due < since_ns, every) if since_ns > 0 else every

    def count(self, since_ns: int = 0) -> float:
        """How many messages are due from then on; of a Poisson schedule the mean."""
        first_ns = since_ns if self.kind == "poisson" else max(since_ns, self.phase_ns)
        return self.rate_per_s * max(0, self.until_ns - first_ns) / 1e9

    def _regular(self) -> Iterator[int]:
        size = self.burst if self.kind == "burst" else 1
        spacing = size * 1e9 / self.rate_per_s
        for number in range(math.ceil((self.until_ns - self.phase_ns) / spacing) + 1):
            due = self.phase_ns + round(number * spacing)
            if due >= self.until_ns:
                return
            yield from repeat(due, size)

    def _poisson(self, rng: np.random.Generator) -> Iterator[int]:
        now = 0.0
        mean = 1e9 / self.rate_per_s
        while True:
            for gap in rng.exponential(mean, _BLOCK).tolist():
                now += gap
                if now >= self.until_ns:
                    return
                yield int(now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How long an application works on one message.

    Attributes:
        kind: ``constant``, ``exponential`` or ``lognormal``.
        mean_ns: the mean, >= 0.
        sigma: standard deviation of the logarithm; only for ``lognormal``.
    """

    kind: Literal["constant", "exponential", "lognormal"] = "constant"
    mean_ns: int = 0
    sigma: float = 0.0

    def draw(self, rng: np.random.Generator) -> int:
        """One service time in ns."""
        if self.kind == "constant":
            return self.mean_ns
        if self.kind == "exponential":
            return int(rng.exponential(self.mean_ns))
        mu = math.log(max(self.mean_ns, 1)) - self.sigma * self.sigma / 2
        return int(rng.lognormal(mu, self.sigma))
