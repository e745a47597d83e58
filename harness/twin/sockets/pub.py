"""PUB: an XPUB that cannot receive (F101-F105; RFC 29)."""

from __future__ import annotations

import errno

from harness.twin.errors import TwinError
from harness.twin.msg import Msg
from harness.twin.pipe import Pipe
from harness.twin.sockets.xpub import XPub


class Pub(XPub):
    """The publisher."""

    __slots__ = ()

    type_name = "PUB"
    type_number = 1
    can_conflate = True
    single_connect = True

    def xattach_pipe(self, pipe: Pipe, locally_initiated: bool) -> None:
        """When the subscriber goes its queue goes at once (F103, F140)."""
        pipe.set_nodelay()
        super().xattach_pipe(pipe, locally_initiated)

    def _notify(self, data: bytes) -> None:
        """PUB does not tell."""

    def _user_message(self, msg: Msg) -> None:
        """PUB never hears user messages."""
        if not msg.more:
            self.observer.lost("filtered", msg, self)

    def xrecv(self) -> Msg | None:
        """Not supported."""
        raise TwinError(errno.ENOTSUP)

    def xhas_in(self) -> bool:
        """Never."""
        return False
