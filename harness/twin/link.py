"""A link between two hosts, and what may happen to it while a simulation runs.

Theory of operation. A link is two directions, each with a :class:`harness.shaper.Shaper`. What kernels exchange
(segments of tcp, datagrams of pgm) goes through :meth:`Way.carry`: it arrives later, or never. Silence (a black
hole) is not the same fault as a link that is down: of the latter the sending host is told at once.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from harness.shaper import HELD, Shape, Shaper

if TYPE_CHECKING:
    from harness.twin.kernel import Kernel
    from harness.twin.network import Host


class Connection(Protocol):
    """A connection whose segments use a link."""

    def reset(self) -> None:
        """Both ends get an RST, as from a middlebox that has forgotten the connection."""

    def half_close(self, towards: Host) -> None:
        """The end at ``towards`` sees the other one close, which it has not."""


class Way:
    """One direction of a link.

    Attributes:
        silent: whatever is sent is lost, and nobody is told.
        down: the sending host knows that nothing can be sent.
        refusing: connections asked for in this direction are refused.
        lost: packets that did not arrive.
    """

    __slots__ = ("_held", "_kernel", "_shaper", "down", "lost", "plain", "refusing", "silent", "target")

    def __init__(self, kernel: Kernel, target: Host, shape: Shape, chance: Callable[[], float]) -> None:
        self._kernel = kernel
        self._shaper = Shaper(shape, chance)
        self._held: deque[Callable[[], None]] = deque()
        self.target = target
        self.plain = shape
        """What :meth:`Link.heal` goes back to."""
        self.silent = False
        self.down = False
        self.refusing = False
        self.lost = 0

    @property
    def shape(self) -> Shape:
        """How it treats packets now."""
        return self._shaper.shape

    def reshape(self, shape: Shape) -> None:
        """Treat packets that are sent from now on in another way."""
        self._shaper.reshape(shape)

    def carry(self, now_ns: int, size_bytes: int, arrive: Callable[[], None]) -> int:
        """Let a packet of that size, headers included, arrive at the other host, if it does; how often it will."""
        if self.silent or self.down:
            self.lost += 1
            return 0
        due = self._shaper.send(now_ns, size_bytes)
        if due >= 0:
            self._kernel.call_at(due, arrive)
            if self._shaper.twice:
                self._kernel.call_at(due, arrive)
            return 1 + self._shaper.twice
        if due == HELD:
            self._held.append(arrive)
            return 1
        self.lost += 1
        return 0

    def stall(self) -> None:
        """Hold every packet."""
        self._shaper.stall()

    def resume(self) -> None:
        """Let go of what was held."""
        for due, twice in self._shaper.resume(self._kernel.now_ns):
            arrive = self._held.popleft()
            if due >= 0:
                for _ in range(1 + twice):
                    self._kernel.call_at(due, arrive)
            else:
                self.lost += 1


class Link:
    """Two hosts and the two directions between them.

    Every verb takes effect at the present virtual time; use ``Twin.at`` for a later one. ``towards`` is a host's
    name and means the direction that leads there; None is both.
    """

    def __init__(self, kernel: Kernel, ends: tuple[Host, Host], shape: Shape, chance: Callable[[], float]) -> None:
        self.ends = ends
        self._ways = {end.name: Way(kernel, end, shape, chance) for end in ends}
        self.connections: dict[Connection, None] = {}

    def way(self, target: Host) -> Way:
        """The direction that leads to ``target``."""
        return self._ways[target.name]

    def _each(self, towards: str | None) -> list[Way]:
        if towards is None:
            return list(self._ways.values())
        if towards not in self._ways:
            raise ValueError(f"the link joins {' and '.join(self._ways)}, not {towards}")
        return [self._ways[towards]]

    def impair(self, towards: str | None = None, **shape: Any) -> None:
        """Change some fields of the shape (see :class:`harness.shaper.Shape`). Raises ValueError, TypeError."""
        for way in self._each(towards):
            way.reshape(dataclasses.replace(way.shape, **shape))

    def heal(self, towards: str | None = None) -> None:
        """As the link was made: the shape, nothing silent, down, stalled or refused."""
        for way in self._each(towards):
            way.reshape(way.plain)
            way.silent = way.refusing = False
            way.resume()
        self.up()

    def blackhole(self, towards: str | None = None) -> None:
        """Silence: packets vanish, nobody is told, connections stay (F148)."""
        for way in self._each(towards):
            way.silent = True

    def stall(self, towards: str | None = None) -> None:
        """Hold all packets until ``heal``; none is lost."""
        for way in self._each(towards):
            way.stall()

    def down(self) -> None:
        """No carrier: both hosts know, new connections fail at once, tcp looks again every half second."""
        for way in self._ways.values():
            way.down = True

    def up(self) -> None:
        """Carrier again."""
        for way in self._ways.values():
            way.down = False

    def refuse(self, towards: str | None = None, refusing: bool = True) -> None:
        """Answer connections that are asked for with RST; established ones go on."""
        for way in self._each(towards):
            way.refusing = refusing

    def reset(self) -> None:
        """Break all connections: both ends get an RST at once."""
        for connection in list(self.connections):
            connection.reset()

    def half_close(self, towards: str) -> None:
        """The ends at ``towards`` of all connections see their peer close, which it has not. Raises ValueError."""
        (way,) = self._each(towards)
        for connection in list(self.connections):
            connection.half_close(way.target)
