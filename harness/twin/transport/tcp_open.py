"""The three packets that open a tcp connection to another host, and what may come instead of an answer.

A SYN that is not answered is sent again after 1, 2, 3, 4, 5, 7, 11, 19, 35 and 67 s, and given up after 131 s: Linux
6.x with its defaults (tcp_syn_linear_timeouts 4, tcp_syn_retries 6), as measured (F126).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Final

from harness.twin.byte_engines import engine_pair
from harness.twin.errors import TwinError
from harness.twin.transport.tcp_remote import RemoteConnection
from harness.twin.transport.tcp_timer import due_ns

if TYPE_CHECKING:
    from harness.twin.connecter import Attempt
    from harness.twin.context import Context
    from harness.twin.engine import Engine
    from harness.twin.link import Link
    from harness.twin.listener import Listener
    from harness.twin.network import Host
    from harness.twin.transport.address import Target

_SYN_BYTES: Final = 74
_RST_BYTES: Final = 54
_SECOND_NS: Final = 1_000_000_000
_AGAIN_S: Final = 1, 1, 1, 1, 1, 2, 4, 8, 16, 32, 64
"""From one SYN to the next; after the last of these nothing follows."""


class Opening:
    """One attempt to connect to a host, known or not.

    Args:
        attempt: hears of the outcome: ``connected``, ``refused``.
        link: to the host; None when nobody has the address, so nobody ever answers.
    """

    def __init__(
        self, context: Context, attempt: Attempt, target: Target, host: Host | None, link: Link | None
    ) -> None:
        self._context = context
        self._kernel = context.kernel
        self._attempt = attempt
        self._target = target
        self._host = host
        self._link = link
        self._began_ns = self._kernel.now_ns + self._kernel.lag_ns
        self._asked_ns = self._began_ns
        self._tries = 0
        self._over = False
        self._connection: RemoteConnection | None = None
        self._engines: tuple[Engine, Engine] | None = None

    def start(self) -> None:
        """Send the first SYN. Raises TwinError (ENETUNREACH) when the link is known to be down."""
        if self._link is not None and self._host is not None and self._link.way(self._host).down:
            raise TwinError(errno.ENETUNREACH)
        self._ask()

    def _end(self, tell: Any, argument: Any, time_ns: int) -> None:
        self._over = True
        self._attempt.io.at(time_ns, tell, argument)

    def _ask(self) -> None:
        """A SYN, and a time to send the next one."""
        if self._over or self._attempt.abandoned:
            return
        now = max(self._kernel.now_ns, self._began_ns)
        if self._tries == len(_AGAIN_S):
            self._end(self._attempt.refused, None, now)
            return
        if self._link is not None and self._host is not None:
            self._asked_ns = now
            self._link.way(self._host).carry(now, _SYN_BYTES, self._asked)
        self._kernel.call_at(due_ns(now, _AGAIN_S[self._tries] * _SECOND_NS), self._ask)
        self._tries += 1

    def _asked(self) -> None:
        """The SYN has come to the other host."""
        assert self._link is not None
        assert self._host is not None
        now = self._kernel.now_ns
        back = self._link.way(self._context.host)
        listener = self._host.find_tcp(self._target.address, self._target.port)
        if listener is None or listener.closed or self._link.way(self._host).refusing:
            back.carry(now, _RST_BYTES, self._refused)
            return
        if self._connection is None:
            self._accept(listener)
        back.carry(now, _SYN_BYTES, self._answered)

    def _refused(self) -> None:
        if not self._over:
            self._end(self._attempt.refused, None, self._kernel.now_ns)

    def _accept(self, listener: Listener) -> None:
        """Half open: the listener hears of it when the third packet, or whatever follows it, has come."""
        context, link, host = self._context, self._link, self._host
        assert link is not None
        assert host is not None
        ways = link.way(host), link.way(context.host)
        both = self._attempt.options, listener.options
        self._connection = made = RemoteConnection(self._kernel, link, ways, both, context.costs)
        calls = context.costs.streams["tcp"]
        ends = self._target.source or context.host.address, self._target.address
        self._engines = engine_pair(self._attempt, listener, calls, (made.there, made.back), ends)
        far = self._engines[1]
        answered_ns = self._kernel.now_ns

        def established() -> bool:
            if listener.closed:
                made.far.abort()
            elif listener.take_place():
                made.far.start(self._kernel.now_ns - answered_ns)
                listener.arrived(far)
                return True
            return False  # it is not heard, and repeated (F136)

        made.far.on_established = established

    def _answered(self) -> None:
        """The answer has come back: this end is connected."""
        made = self._connection
        assert made is not None
        assert self._engines is not None
        if self._attempt.abandoned and not self._over:
            self._over = True
            made.near.abort()
        if self._over:
            return
        made.near.start(self._kernel.now_ns - self._asked_ns)
        made.near.acknowledge(self._kernel.now_ns)
        self._end(self._attempt.connected, self._engines[0], self._kernel.now_ns)
