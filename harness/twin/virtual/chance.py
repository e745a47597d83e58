"""Chance of a simulated program: everything that draws from the operating system draws from the seed."""

from __future__ import annotations

import hashlib
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.twin.virtual.modules import Modules


class RandomBytes:
    """Endless bytes from a seed and a name: the digests of a counter."""

    def __init__(self, seed: int, name: str) -> None:
        self._key = f"{seed}/{name}".encode()
        self._count = 0
        self._left = b""

    def __call__(self, size: int) -> bytes:
        """The next ``size`` bytes. Raises ValueError."""
        if size < 0:
            raise ValueError("negative argument not allowed")
        while len(self._left) < size:
            self._left += hashlib.sha256(self._key + self._count.to_bytes(8, "big")).digest()
            self._count += 1
        given, self._left = self._left[:size], self._left[size:]
        return given


def seed_random(module: types.ModuleType, modules: Modules) -> None:
    """The copy of ``random``: a generator without a seed takes it from the program's own stream."""
    random_class: Any = module.__dict__["Random"]
    seed = random_class.seed

    def seeded(self: Any, a: Any = None, version: int = 2) -> None:
        seed(self, int.from_bytes(modules.home.random_bytes(16), "big") if a is None else a, version)

    random_class.seed = seeded
    module.__dict__["seed"] = module.__dict__["_inst"].seed
    module.__dict__["_inst"].seed()


def give_node(module: types.ModuleType, modules: Modules) -> None:
    """The copy of ``uuid``: the hardware address of a simulated host."""
    module.__dict__["_node"] = int.from_bytes(hashlib.sha256(modules.home.host.encode()).digest()[:6], "big") | 1 << 40
