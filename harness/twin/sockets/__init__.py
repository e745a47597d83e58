"""The socket types of the simulated library, one file each over ``pipe``, ``lb``, ``fq``, ``dist``."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from harness.twin.errors import TwinError
from harness.twin.options import NotSimulatedYet
from harness.twin.sockets.dealer import Dealer
from harness.twin.sockets.draft import Channel, Client, Gather, Scatter, Server
from harness.twin.sockets.pair import Pair
from harness.twin.sockets.pub import Pub
from harness.twin.sockets.pull import Pull
from harness.twin.sockets.push import Push
from harness.twin.sockets.rep import Rep
from harness.twin.sockets.req import Req
from harness.twin.sockets.router import Router
from harness.twin.sockets.stream import Stream
from harness.twin.sockets.sub import Sub
from harness.twin.sockets.xpub import XPub
from harness.twin.sockets.xsub import XSub

if TYPE_CHECKING:
    from harness.twin.context import Context
    from harness.twin.socket_base import SocketBase

_STABLE: Final = (Pair, Pub, Sub, Req, Rep, Dealer, Router, Pull, Push, XPub, XSub, Stream)
_DRAFT: Final = (Server, Client, Gather, Scatter, Channel)
TYPES: Final = {cls.type_number: cls for cls in (*_STABLE, *_DRAFT)}

_OTHER_DRAFT: Final = {14: "RADIO", 15: "DISH", 18: "DGRAM", 19: "PEER"}
"""What a stable build of libzmq makes as well."""


def make_socket(type_number: int, context: Context) -> SocketBase:
    """A socket of that type. Raises TwinError (EINVAL), NotSimulatedYet."""
    cls = TYPES.get(type_number)
    if cls is not None:
        return cls(context)
    if type_number in _OTHER_DRAFT:
        raise NotSimulatedYet(f"socket type {_OTHER_DRAFT[type_number]}")
    raise TwinError(errno.EINVAL)
