"""The C library's ``rand()`` as libzmq uses it: never seeded, so the same in every process (F128).

glibc's default generator is an additive feedback generator over 31 words: r[i] = r[i-3] + r[i-31],
the result shifted right by one; its state is filled by a linear congruential generator from seed 1.
"""

from __future__ import annotations

from collections import deque
from typing import Final

_WORD = 0xFFFFFFFF


def _initial_state() -> tuple[int, ...]:
    state = [1]
    for _ in range(30):
        state.append(16807 * state[-1] % 2147483647)
    state += state[:3]
    for _ in range(310):
        state.append((state[-31] + state[-3]) & _WORD)
    return tuple(state[-31:])


_INITIAL_STATE: Final = _initial_state()


class RandSequence:
    """The numbers that one process draws, in order."""

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state: deque[int] | None = None

    def _step(self) -> int:
        if self._state is None:
            self._state = deque(_INITIAL_STATE, maxlen=31)
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
