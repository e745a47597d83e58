"""The C library's ``rand()`` as libzmq uses it: never seeded, so the same in every process (F128).

glibc's default generator is an additive feedback generator over 31 words: r[i] = r[i-3] + r[i-31],
the result shifted right by one; its state is filled by a linear congruential generator from seed 1.
"""

from __future__ import annotations

from collections import deque

_WORD = 0xFFFFFFFF


class RandSequence:
    """The numbers that one process draws, in order."""

    def __init__(self) -> None:
        state = [1]
        for _ in range(30):
            state.append(16807 * state[-1] % 2147483647)
        self._state: deque[int] = deque(state, maxlen=31)
        for _ in range(3):
            self._state.append(self._state[0])
        for _ in range(310):
            self._step()

    def _step(self) -> int:
        value = (self._state[-31] + self._state[-3]) & _WORD
        self._state.append(value)
        return value

    def rand(self) -> int:
        """The next number of ``rand()``, 0 to 2**31 - 1."""
        return self._step() >> 1

    def generate_random(self) -> int:
        """libzmq's ``generate_random``: two draws in 32 bits."""
        low = self.rand()
        high = self.rand()
        return ((high << 31) | low) & _WORD
