"""SERVER, CLIENT, SCATTER, GATHER and CHANNEL: draft types, as far as a stable build of libzmq has them.

It makes them, and they work over inproc, one frame a message. Over any other transport their first handshake
aborts the process, and without the draft functions a SERVER cannot say whom it answers.
"""

from __future__ import annotations

import errno

from harness.twin.errors import TwinError
from harness.twin.msg import Msg
from harness.twin.options import NotSimulatedYet
from harness.twin.socket_base import SocketBase
from harness.twin.sockets.dealer import Dealer
from harness.twin.sockets.pair import Pair
from harness.twin.sockets.pull import Pull
from harness.twin.sockets.push import Push


class OneFrame(SocketBase):
    """Messages have one frame, and any thread may call."""

    __slots__ = ()

    thread_safe = True

    def xsend(self, msg: Msg) -> bool:
        """Raises TwinError: EINVAL for a frame that is not the last."""
        if msg.more:
            raise TwinError(errno.EINVAL)
        return super().xsend(msg)

    def xrecv(self) -> Msg | None:
        """Raises NotSimulatedYet for a message of several frames, which only another type can have sent."""
        msg = super().xrecv()
        if msg is not None and msg.more:
            raise NotSimulatedYet(f"a message of several frames to a {self.type_name}")
        return msg


class Client(OneFrame, Dealer):
    """The asynchronous client of a SERVER."""

    __slots__ = ()

    type_name = "CLIENT"
    type_number = 13
    can_conflate = True


class Server(OneFrame, Pull):
    """Hears its clients; its answers have no address."""

    __slots__ = ()

    type_name = "SERVER"
    type_number = 12
    can_conflate = False

    def xsend(self, msg: Msg) -> bool:
        """Raises TwinError: EINVAL, EHOSTUNREACH."""
        raise TwinError(errno.EINVAL if msg.more else errno.EHOSTUNREACH)

    def xhas_out(self) -> bool:
        """As far as it knows."""
        return True


class Scatter(OneFrame, Push):
    """PUSH of one frame."""

    __slots__ = ()

    type_name = "SCATTER"
    type_number = 17
    can_conflate = False


class Gather(OneFrame, Pull):
    """PULL of one frame."""

    __slots__ = ()

    type_name = "GATHER"
    type_number = 16
    can_conflate = False

    def xsend(self, msg: Msg) -> bool:
        """Raises TwinError (ENOTSUP)."""
        raise TwinError(errno.ENOTSUP)


class Channel(OneFrame, Pair):
    """PAIR of one frame."""

    __slots__ = ()

    type_name = "CHANNEL"
    type_number = 20
