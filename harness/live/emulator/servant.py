"""The emulator as those see it who have one: its process started, told, listened to, and ended with what it counted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.guard import Guard
from harness.live.servant import Servant, ServantError
from harness.shaper import Shape

_MISHAPS = ("unread", "unsent", "merged")
"""What the emulator may count against itself, see :class:`harness.live.emulator.way.Counts`."""


class Emulator:
    """Its process, which is there from :meth:`start` on; until then an order is an error, and all else does nothing.

    Args:
        seed: loss and jitter are drawn from it.
        guard, life: as of :class:`~harness.live.servant.Servant`.
        complain: is told, at the end, in a sentence what a link did not do.
    """

    def __init__(self, seed: int, guard: Guard, life: int, complain: Callable[[str], None]) -> None:
        self._seed = seed
        self._complain = complain
        self._failed: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._servant = Servant("the emulator of packets", "harness.live.emulator.serve", guard, life, self._hear)

    def start(self, links: Mapping[str, tuple[int, Shape]], doors: Sequence[int]) -> None:
        """Start it, in the namespaces of ``doors``. Raises OSError.

        ``links``: name to the number in the names of its interfaces, ``outerN`` and ``innerN``, and its shape.
        """
        orders = {
            name: {"outer": f"outer{number}", "inner": f"inner{number}", "up": asdict(shape), "down": asdict(shape)}
            for name, (number, shape) in links.items()
        }
        self._servant.start({"links": orders, "seed": self._seed}, doors)

    def _hear(self, told: Mapping[str, Any]) -> None:
        self._failed[told["link"], told["way"]] = told  # and to the end: the counts grow

    def say(self, verb: str, link: str, **arguments: Any) -> None:
        """An order, a method of :class:`~harness.live.emulator.mover.Mover`. Raises ServantError."""
        self._servant.say(verb, link, **arguments)

    def impair(self, link: str, shape: Shape) -> None:
        """From now on the link is such, both ways. Raises ServantError."""
        self.say("impair", link, up=asdict(shape), down=asdict(shape))

    def listen(self) -> None:
        """Find out whether it is there. Raises ServantError."""
        self._servant.listen()

    def end(self) -> None:
        """End it, and complain of what it has counted against itself."""
        with contextlib.suppress(ServantError):
            self.listen()
        for (link, way), told in self._failed.items():
            counts = ", ".join(f"{told[name]} {name}" for name in _MISHAPS if told.get(name))
            self._complain(f"the emulator of packets did not do to link {link}, {way}, what was asked for: {counts}")
        self._failed.clear()
        self._servant.end()
