"""What a link does to bytes in time: delay, jitter, rate with a bounded queue, loss, overtaking, copies, stall.

Pure: time is passed in, chance comes from whoever makes the shaper. One shaper is one direction. What is sent
arrives in the order in which it was sent, as on one route of a network; so a packet that drew little jitter waits
for the one before it. Only a packet that overtakes does not.

Times are ns, sizes are bytes as the link counts them (headers are the caller's to add).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

LOST: Final = -1
"""Instead of an arrival time: it will not arrive, by chance."""
NO_ROOM: Final = -3
"""Instead of an arrival time: it will not arrive, for the queue before the narrowest place was full."""
HELD: Final = -2
"""Instead of an arrival time: the link stalls, :meth:`Shaper.resume` will tell."""

_SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """How a link treats what passes one way.

    Attributes:
        delay_ns: every packet takes so long, besides its own transmission.
        jitter_ns: and up to so much more, evenly drawn for each.
        rate_bytes_per_s: of the narrowest place on the way; 0 is no limit.
        loss: the chance of each packet not to arrive, 0 to 1.
        queue_bytes: what may wait before the narrowest place; what comes then is lost. 0 is no limit.
        reorder: the chance of each packet that arrives to overtake, 0 to 1: it waits for the narrowest place as all
            do, but takes neither delay nor jitter, so that it comes before those that are under way (as netem has it).
        duplicate: the chance of each packet that arrives to arrive twice, 0 to 1: the copy is made behind the
            narrowest place, and comes at the same time.

    Raises ValueError for values that no link can have.
    """

    delay_ns: int = 0
    jitter_ns: int = 0
    rate_bytes_per_s: int = 0
    loss: float = 0.0
    queue_bytes: int = 262_144
    reorder: float = 0.0
    duplicate: float = 0.0

    @classmethod
    def of(cls, source: Any) -> Shape:
        """The shape whose values are the attributes of ``source`` with the same names."""
        return cls(**{field.name: getattr(source, field.name) for field in fields(cls)})

    def __post_init__(self) -> None:
        for name in ("delay_ns", "jitter_ns", "rate_bytes_per_s", "queue_bytes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be 0 or more")
        for name in ("loss", "reorder", "duplicate"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be 0 to 1")


class Shaper:
    """One direction of a link.

    Args:
        shape: how it is at first.
        chance: gives numbers evenly drawn from [0, 1); asked in the order of the packets, and of each for loss,
            duplicate, reorder and jitter in this order, once for each that the shape has; one that is lost is not
            asked for the rest, one that overtakes not for jitter.

    Attributes:
        twice: whether the packet that was handed over last, and arrives, does so twice.
        overtakes: whether it overtakes.
    """

    __slots__ = ("_chance", "_free_ns", "_held", "_last_due_ns", "_stalled", "overtakes", "shape", "twice")

    def __init__(self, shape: Shape, chance: Callable[[], float]) -> None:
        self.shape = shape
        self.twice = self.overtakes = False
        self._chance = chance
        self._free_ns = 0
        self._last_due_ns = 0
        self._stalled = False
        self._held: list[int] = []

    def reshape(self, shape: Shape) -> None:
        """Treat what comes from now on in another way; what is under way keeps its time."""
        self.shape = shape
        self.twice = self.overtakes = False

    def send(self, now_ns: int, size_bytes: int) -> int:
        """When a packet handed over now arrives; or LOST, NO_ROOM or HELD, which are negative."""
        if self._stalled:
            self._held.append(size_bytes)
            return HELD
        shape = self.shape
        leaves = now_ns
        if shape.rate_bytes_per_s:
            if shape.queue_bytes and self.backlog_bytes(now_ns) + size_bytes > shape.queue_bytes:
                return NO_ROOM
            leaves = max(now_ns, self._free_ns) + -(-size_bytes * _SECOND_NS // shape.rate_bytes_per_s)
            self._free_ns = leaves
        if shape.loss and self._chance() < shape.loss:
            return LOST
        if shape.duplicate:
            self.twice = self._chance() < shape.duplicate
        if shape.reorder:
            self.overtakes = self._chance() < shape.reorder
            if self.overtakes:
                return leaves
        due = leaves + shape.delay_ns
        if shape.jitter_ns:
            due += int(self._chance() * shape.jitter_ns)
        due = max(due, self._last_due_ns)
        self._last_due_ns = due
        return due

    def backlog_bytes(self, now_ns: int) -> int:
        """What waits before the narrowest place; a relay that must not lose anything reads on only when this is low."""
        return max(0, self._free_ns - now_ns) * self.shape.rate_bytes_per_s // _SECOND_NS

    def stall(self) -> None:
        """Hold all that comes, from now on."""
        self._stalled = True

    def resume(self, now_ns: int) -> list[tuple[int, bool]]:
        """Let go of what was held: what :meth:`send` gives, and ``twice``, in the order in which HELD was answered."""
        self._stalled = False
        held, self._held = self._held, []
        return [(self.send(now_ns, size), self.twice) for size in held]
