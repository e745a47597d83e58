"""What the relay knows of links, and of the ways that lead over them."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from harness.shaper import Shaper

_FREE_ROOM = 128 * 1024
"""Buffers and room where neither end bounds its own: little beside what the kernel's autotuned ones hold."""


@dataclass(slots=True)
class Link:
    """One node's access to the network, both ways.

    Attributes:
        up: from the node into the network; ``down``: to the node.
        refuses: no connection is accepted.
        is_down: the node knows that it has no network: what passes stands still, and no connection is accepted.
    """

    name: str
    up: Shaper
    down: Shaper
    refuses: bool = False
    is_down: bool = False
    stalled_up: bool = False
    stalled_down: bool = False


@dataclass(slots=True)
class Route:
    """The way of one connecting node to one endpoint.

    Attributes:
        port: of the listener here; ``target``: of the endpoint.
        near, far: links of the connecting and of the binding node, as far as they have one.
        buffer_bytes: SO_SNDBUF and SO_RCVBUF here.
        room_bytes: what a direction may hold, see :class:`Line`.
        aware: whether ZMTP frames are followed.
    """

    port: int
    target: int
    near: Link | None
    far: Link | None
    buffer_bytes: int = _FREE_ROOM
    room_bytes: int = _FREE_ROOM
    aware: bool = False
    listener: socket.socket | None = None

    @property
    def links(self) -> list[Link]:
        """Those on the way."""
        return [link for link in (self.near, self.far) if link is not None]


def shapers(route: Route, near: str, far: str) -> list[tuple[Link, Shaper]]:
    """The links of a way, each with its shaper of that direction (``up`` or ``down``)."""
    ways = ((route.near, near), (route.far, far))
    return [(link, getattr(link, way)) for link, way in ways if link is not None]


def stalls(route: Route, *, there: bool) -> bool:
    """Whether a link on the way stands still in that direction."""
    near, far = route.near, route.far
    if there:
        return bool((near and near.stalled_up) or (far and far.stalled_down))
    return bool((near and near.stalled_down) or (far and far.stalled_up))


def buffers(options: Sequence[int]) -> tuple[int, int]:
    """Socket buffers and room of a route whose ends set these SO_SNDBUF and SO_RCVBUF (0 and less: not set).

    A path with a relay in it has two more kernel buffers and what the relay holds; where the ends bound theirs, ours
    have to be small beside them, or the path would take more than without us.
    """
    bounded = [size for size in options if size > 0]
    if not bounded:
        return _FREE_ROOM, _FREE_ROOM
    return max(1024, min(bounded) // 8), max(256, min(bounded) // 32)
