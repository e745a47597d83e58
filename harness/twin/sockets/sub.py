"""SUB: an XSUB with a filter, whose subscriptions are socket options (F109-F111; RFC 29)."""

from __future__ import annotations

import errno
from typing import ClassVar

from harness.twin.errors import TwinError
from harness.twin.msg import CANCEL, SUBSCRIBE, Msg
from harness.twin.sockets.xsub import XSub


class Sub(XSub):
    """The subscriber."""

    __slots__ = ()

    type_name = "SUB"
    type_number = 2
    can_conflate = True
    single_connect = True
    filters: ClassVar[bool] = True

    def xset(self, name: str, value: int | bytes) -> bool:
        """SUBSCRIBE and UNSUBSCRIBE; commands are not looked at meanwhile (F50, F110)."""
        if name == "invert_matching":
            self.options.invert_matching = int(bool(value))
            self._wants = self._unwanted if value else self._wanted
            return True
        if name not in ("subscribe", "unsubscribe"):
            return False
        if not isinstance(value, bytes):
            raise TwinError(errno.EINVAL)
        if name == "subscribe":
            self._subscribe(value, Msg(value, kind=SUBSCRIBE))
        else:
            self._unsubscribe(value, Msg(value, kind=CANCEL))
        return True

    def _unwanted(self, data: bytes) -> bool:
        return not self._wanted(data)

    def xsend(self, msg: Msg) -> bool:
        """Not supported."""
        raise TwinError(errno.ENOTSUP)

    def xhas_out(self) -> bool:
        """Never."""
        return False
