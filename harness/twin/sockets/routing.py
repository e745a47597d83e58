"""What ROUTER and STREAM share: a table from routing id to pipe (F91, F94)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from harness.twin.errors import AbortError, TwinError
from harness.twin.fq import FairQueue
from harness.twin.msg import Msg
from harness.twin.pipe import Pipe
from harness.twin.socket_base import SocketBase

if TYPE_CHECKING:
    from harness.twin.context import Context


class RoutingSocket(SocketBase):
    """A socket whose every message begins with the routing id of a peer."""

    __slots__ = ("_connect_routing_id", "_fq", "_next_id", "_out_pipes")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._fq = FairQueue()
        self._out_pipes: dict[bytes, Pipe] = {}
        self._connect_routing_id = b""
        # An unseeded counter: the first of a process starts at 0x6B8B4567 (F94).
        self._next_id = context.random.generate_random()

    def xset(self, name: str, value: int | bytes) -> bool:
        """CONNECT_ROUTING_ID: the local name of the next connection that is made from here (F94)."""
        if name != "connect_routing_id":
            return False
        if not isinstance(value, bytes) or not value:
            raise TwinError(errno.EINVAL)
        self._connect_routing_id = value
        return True

    def _name(self, pipe: Pipe, routing_id: bytes) -> None:
        pipe.routing_id = routing_id
        self._out_pipes[routing_id] = pipe

    def _name_as_told(self, pipe: Pipe) -> bool:
        """Use CONNECT_ROUTING_ID, once; whether it was set. Raises AbortError when the name is taken."""
        routing_id = self._connect_routing_id
        if not routing_id:
            return False
        self._connect_routing_id = b""
        if routing_id in self._out_pipes:
            raise AbortError(f"CONNECT_ROUTING_ID {routing_id!r} is the name of a peer that is there already")
        self._name(pipe, routing_id)
        return True

    def _generated_id(self) -> bytes:
        number = self._next_id
        self._next_id = (number + 1) & 0xFFFFFFFF
        return b"\0" + number.to_bytes(4, "big")

    def _forget(self, pipe: Pipe) -> None:
        if self._out_pipes.get(pipe.routing_id) is pipe:
            del self._out_pipes[pipe.routing_id]
        self._fq.pipe_terminated(pipe)


def probe(pipe: Pipe) -> None:
    """PROBE_ROUTER: an empty message to a new peer (F90)."""
    pipe.write(Msg(b""))
    pipe.flush()
