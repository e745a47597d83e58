"""What the twin tells to whoever watches it: what was lost, where and why, and what happened.

The twin knows the truth about each message; an observer writes it down. All methods do nothing
here; override those that matter. They are called inside the simulation: never block in them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.twin.msg import Msg
    from harness.twin.pipe import Pipe
    from harness.twin.socket_base import SocketBase


class Observer:
    """Receives the twin's truth; the base class ignores it."""

    def opened(self, socket: SocketBase) -> None:
        """A program has made a socket; nothing has happened to it yet."""

    def lost(self, cause: str, msg: Msg, remote: SocketBase | None) -> None:
        """The message that ends with frame ``msg`` will not reach ``remote`` (None: nobody yet)."""

    def taken(self, socket: SocketBase, msg: Msg) -> None:
        """The library itself has read this message for ``socket``: the answer of an authentication handler."""

    def published(self, socket: SocketBase, msg: Msg, matching: Collection[Pipe]) -> None:
        """A PUB-like socket has given this message to those of its pipes that subscribe to it."""

    def multicast(self, msg: Msg, sockets: Collection[SocketBase]) -> None:
        """The message that ends with frame ``msg`` has left for a group (pgm) to which these sockets listen now."""

    def hwm_reached(self, pipe: Pipe) -> None:
        """A write was refused because ``pipe`` was full."""

    def attached(self, socket: SocketBase, pipe: Pipe) -> None:
        """``pipe`` is known to ``socket`` from now on."""

    def detached(self, socket: SocketBase, pipe: Pipe) -> None:
        """``pipe`` is gone from ``socket``."""

    def event(self, socket: SocketBase, name: str, value: int = 0) -> None:
        """What a socket monitor would say: ``connected``, ``handshake_succeeded``, ..."""

    def violation(self, sentence: str) -> None:
        """One of the twin's own laws was broken: a bug of the twin."""
