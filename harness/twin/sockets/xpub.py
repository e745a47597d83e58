"""XPUB: a copy to each subscriber that wants it, dropped where there is no room (F101-F108; RFC 29)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from harness.twin.dist import Distributor
from harness.twin.msg import CANCEL, DATA, SUBSCRIBE, Msg
from harness.twin.pipe import Pipe
from harness.twin.socket_base import SocketBase

if TYPE_CHECKING:
    from harness.twin.context import Context

_NOBODY: dict[Pipe, None] = {}


class Subscriptions:
    """Which pipes want which prefixes: a set a pipe, duplicates collapse (F102)."""

    def __init__(self) -> None:
        self._pipes: dict[bytes, dict[Pipe, None]] = {}
        self._lengths: list[int] = []

    def add(self, prefix: bytes, pipe: Pipe) -> bool:
        """Whether it is the first subscription to this prefix."""
        pipes = self._pipes.get(prefix)
        if pipes is None:
            self._pipes[prefix] = {pipe: None}
            self._measure()
            return True
        pipes[pipe] = None
        return False

    def remove(self, prefix: bytes, pipe: Pipe) -> bool:
        """Whether nobody wants this prefix any more."""
        pipes = self._pipes.get(prefix)
        if pipes is None or pipe not in pipes:
            return True
        del pipes[pipe]
        if pipes:
            return False
        del self._pipes[prefix]
        self._measure()
        return True

    def remove_pipe(self, pipe: Pipe) -> list[bytes]:
        """Forget a pipe: the prefixes that nobody wants any more."""
        return [prefix for prefix in sorted(self._pipes) if pipe in self._pipes[prefix] and self.remove(prefix, pipe)]

    def __len__(self) -> int:
        return len(self._pipes)

    def _measure(self) -> None:
        self._lengths = sorted({len(prefix): None for prefix in self._pipes})

    def match(self, data: bytes) -> dict[Pipe, None]:
        """Pipes with a prefix of ``data``; read only."""
        found = _NOBODY
        for length in self._lengths:
            pipes = self._pipes.get(data[:length]) if length <= len(data) else None
            if not pipes:
                continue
            found = {**found, **pipes} if found else pipes
        return found


class XPub(SocketBase):
    """The publisher that hears of subscriptions."""

    __slots__ = ("_dist", "_lossy", "_matching", "_pending", "_subscriptions", "_verbose_cancel", "_verbose_subscribe")

    type_name = "XPUB"
    type_number = 9

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._dist = Distributor()
        self._subscriptions = Subscriptions()
        self._pending: deque[Msg] = deque()
        self._lossy = True
        self._verbose_subscribe = False
        self._verbose_cancel = False
        self._matching: dict[Pipe, None] = _NOBODY

    def xset(self, name: str, value: int | bytes) -> bool:
        """XPUB_NODROP (F66), XPUB_VERBOSE, XPUB_VERBOSER (F106)."""
        if name == "xpub_nodrop":
            self._lossy = not value
        elif name == "xpub_verbose":
            self._verbose_subscribe, self._verbose_cancel = bool(value), False
        elif name == "xpub_verboser":
            self._verbose_subscribe = self._verbose_cancel = bool(value)
        else:
            return False
        return True

    # -- pipes -----------------------------------------------------------------------------------

    def xattach_pipe(self, pipe: Pipe, locally_initiated: bool) -> None:
        """A new subscriber, with what it has already asked for."""
        self._dist.attach(pipe)
        self.read_activated(pipe)

    def xpipe_terminated(self, pipe: Pipe) -> None:
        """A subscriber has gone, and its subscriptions with it."""
        for prefix in self._subscriptions.remove_pipe(pipe):
            self._notify(b"\0" + prefix)
        self._dist.pipe_terminated(pipe)

    def write_activated(self, pipe: Pipe) -> None:
        """A subscriber has room again; the pipe itself knows (F63)."""

    def read_activated(self, pipe: Pipe) -> None:
        """Subscriptions, or messages from upstream, have come (F102)."""
        while True:
            msg = pipe.read()
            if msg is None:
                return
            self._upstream(pipe, msg)

    def _upstream(self, pipe: Pipe, msg: Msg) -> None:
        if msg.kind == SUBSCRIBE or (msg.kind == DATA and msg.data[:1] == b"\1"):
            prefix = msg.data if msg.kind == SUBSCRIBE else msg.data[1:]
            if self._subscriptions.add(prefix, pipe) or self._verbose_subscribe:
                self._notify(b"\1" + prefix)
        elif msg.kind == CANCEL or (msg.kind == DATA and msg.data[:1] == b"\0"):
            prefix = msg.data if msg.kind == CANCEL else msg.data[1:]
            if self._subscriptions.remove(prefix, pipe) or self._verbose_cancel:
                self._notify(b"\0" + prefix)
        elif msg.kind == DATA:
            self._user_message(msg)

    def _notify(self, data: bytes) -> None:
        """Tell the application of a (un)subscription, outside any mark (F106)."""
        self._pending.append(Msg(data))

    def _user_message(self, msg: Msg) -> None:
        """A message that an XSUB sent upstream."""
        self._pending.append(msg)

    def topics_count(self) -> int:
        """Different prefixes that somebody wants."""
        return len(self._subscriptions)

    # -- messages ----------------------------------------------------------------------------------

    def xsend(self, msg: Msg) -> bool:
        """To all that want it; with NODROP only if all of them have room (F66)."""
        dist = self._dist
        if not dist.in_message:
            self._matching = self._subscriptions.match(msg.data)
            if msg.more:
                self._matching = dict(self._matching)  # who comes or goes before the last frame changes nothing
        matching = self._matching
        if not self._lossy and not dist.check_hwm(matching):
            return False
        dist.send(msg, matching, self.observer)
        if not msg.more:
            self.observer.published(self, msg, matching)
        return True

    def xhas_out(self) -> bool:
        """Always (F67)."""
        return True

    def xrecv(self) -> Msg | None:
        """The next notice or upstream message."""
        return self._pending.popleft() if self._pending else None

    def xhas_in(self) -> bool:
        """Whether there is one."""
        return bool(self._pending)

    def prefetched(self) -> list[Msg]:
        """Upstream messages that the application has not read."""
        return [msg for msg in self._pending if msg.data[:1] not in (b"\0", b"\1")]
