"""What a relay knows of links, and of the ways that lead over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from harness.relay.line import Held
from harness.shaper import Shape, Shaper


@dataclass(slots=True, eq=False)
class Link:
    """One node's access to the network, both ways.

    Attributes:
        up: from the node into the network; ``down``: to the node.
        refuses: no connection is accepted.
        is_down: the node knows that it has no network: what passes stands still, and no connection is accepted.
        stalled_up, stalled_down: nothing passes that way.
        limit_bytes: a connection breaks when so much has passed one way; 0 is no limit.
        slow_close_ns: an end of stream passes so much later.
        holds: what is held back; "" for nothing.
    """

    name: str
    up: Shaper
    down: Shaper
    refuses: bool = False
    is_down: bool = False
    stalled_up: bool = False
    stalled_down: bool = False
    limit_bytes: int = 0
    slow_close_ns: int = 0
    holds: Held | Literal[""] = ""

    @classmethod
    def of(cls, name: str, shape: Shape, chance: Callable[[str], Callable[[], float]]) -> Link:
        """A link that is so both ways; ``chance`` gives each direction, by its name, its own source of chance."""
        return cls(name, Shaper(shape, chance("up")), Shaper(shape, chance("down")))


@dataclass(slots=True, eq=False)
class Route:
    """The way of one connecting node to one endpoint.

    Attributes:
        port: where the relay listens; ``target``: where the endpoint does.
        near, far: links of the connecting and of the binding node, as far as they have one.
        buffer_bytes: SO_SNDBUF and SO_RCVBUF of the relay.
        room_bytes: what a direction may hold, see :class:`~.line.Line`.
        aware: whether frames are followed.
        links: near and far, those that there are.
    """

    port: int
    target: int
    near: Link | None
    far: Link | None
    buffer_bytes: int
    room_bytes: int
    aware: bool = False
    links: tuple[Link, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.links = tuple(link for link in (self.near, self.far) if link is not None)

    @property
    def is_closed(self) -> bool:
        """Whether a link lets no new connection through."""
        return any(link.refuses or link.is_down for link in self.links)

    @property
    def is_silent(self) -> bool:
        """Whether nobody answers who asks for a new connection."""
        return any(link.stalled_up or link.stalled_down for link in self.links)

    def shapers(self, *, there: bool) -> list[Shaper]:
        """Those of the links on the way in that direction, in the order in which they are passed."""
        if there:
            return [*([self.near.up] if self.near else ()), *([self.far.down] if self.far else ())]
        return [*([self.far.up] if self.far else ()), *([self.near.down] if self.near else ())]

    def stalls(self, *, there: bool) -> bool:
        """Whether a link on the way stands still in that direction."""
        near, far = self.near, self.far
        if there:
            return bool((near and near.stalled_up) or (far and far.stalled_down))
        return bool((near and near.stalled_down) or (far and far.stalled_up))
