"""XPUB: a copy to each subscriber that wants it, dropped where there is no room (F101-F108; RFC 29)."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.twin.dist import Distributor
from harness.twin.errors import TwinError
from harness.twin.msg import CANCEL, SUBSCRIBE, Msg
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

    def remove_pipe(self, pipe: Pipe, every: bool = False) -> list[bytes]:
        """Forget a pipe: the prefixes that nobody wants any more, or ``every`` one that it wanted, in order."""
        wanted = [prefix for prefix in sorted(self._pipes) if pipe in self._pipes[prefix]]
        return [prefix for prefix in wanted if self.remove(prefix, pipe) or every]

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

    __slots__ = (
        "_dist",
        "_last_pipe",
        "_last_value",
        "_lossy",
        "_manual",
        "_match",
        "_matching",
        "_more_recv",
        "_only_first",
        "_pending",
        "_pending_pipes",
        "_process_subscribe",
        "_requested",
        "_subscriptions",
        "_verbose_cancel",
        "_verbose_subscribe",
        "_welcome",
    )

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
        self._match: Callable[[bytes], dict[Pipe, None]] = self._subscriptions.match
        self._welcome = b""
        # Which frames of a message from upstream may be subscriptions.
        self._only_first = False
        self._process_subscribe = False
        self._more_recv = False
        # Manual mode: what was asked for, by whom (in the order of the notices), and who asked last.
        self._manual = False
        self._last_value = False
        self._requested = Subscriptions()
        self._pending_pipes: deque[Pipe | None] = deque()
        self._last_pipe: Pipe | None = None

    def subscribe_all(self, pipe: Pipe) -> None:
        """Everything goes to this pipe, nobody was asked (F214)."""
        self._subscriptions.add(b"", pipe)

    def xset(self, name: str, value: int | bytes) -> bool:
        """XPUB_* (F66, F106, F107), ONLY_FIRST_SUBSCRIBE, INVERT_MATCHING (F108); (UN)SUBSCRIBE in manual mode."""
        if name == "xpub_nodrop":
            self._lossy = not value
        elif name == "xpub_verbose":
            self._verbose_subscribe, self._verbose_cancel = bool(value), False
        elif name == "xpub_verboser":
            self._verbose_subscribe = self._verbose_cancel = bool(value)
        elif name == "xpub_manual":
            self._manual = bool(value)
        elif name == "xpub_manual_last_value":
            self._manual = self._last_value = bool(value)
        elif name == "only_first_subscribe":
            self._only_first = bool(value)
        elif name == "xpub_welcome_msg":
            assert isinstance(value, bytes)
            self._welcome = value
        elif name == "invert_matching":
            self.options.invert_matching = int(bool(value))
        elif name in ("subscribe", "unsubscribe"):
            return self._decide(name, value)
        else:
            return False
        plain = not self._last_value and not self.options.invert_matching
        self._match = self._subscriptions.match if plain else self._match_specially
        return True

    def _decide(self, name: str, value: int | bytes) -> bool:
        """What the peer of the notice that was read last shall get (F106)."""
        if not self._manual or not isinstance(value, bytes):
            raise TwinError(errno.EINVAL)
        if self._last_pipe is not None:
            change = self._subscriptions.add if name == "subscribe" else self._subscriptions.remove
            change(value, self._last_pipe)
        return True

    # -- pipes -----------------------------------------------------------------------------------

    def xattach_pipe(self, pipe: Pipe, locally_initiated: bool) -> None:
        """A new subscriber, with what it has already asked for; welcome before that (F107)."""
        self._dist.attach(pipe)
        if self._welcome:
            pipe.write(Msg(self._welcome))
            pipe.flush()
        self.read_activated(pipe)

    def xpipe_terminated(self, pipe: Pipe) -> None:
        """A subscriber has gone, and its subscriptions with it."""
        if self._manual:
            for prefix in self._requested.remove_pipe(pipe, every=True):
                self._last_pipe = None
                self._pending_pipes.append(None)
                self._notify(b"\0" + prefix)
            self._subscriptions.remove_pipe(pipe)
            if pipe is self._last_pipe:
                self._last_pipe = None
        else:
            for prefix in self._subscriptions.remove_pipe(pipe, every=self._verbose_cancel):
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
        first = not self._more_recv
        self._more_recv = msg.more
        kind, lead, prefix = msg.kind, b"", b""
        if first or self._process_subscribe:
            if kind in (SUBSCRIBE, CANCEL):
                lead, prefix = (b"\1" if kind == SUBSCRIBE else b"\0"), msg.data
            elif msg.data[:1] in (b"\0", b"\1"):
                lead, prefix = msg.data[:1], msg.data[1:]
        if first:
            self._process_subscribe = not self._only_first or bool(lead)
        if not lead:
            self._user_message(msg)
        elif self._manual:
            (self._requested.add if lead == b"\1" else self._requested.remove)(prefix, pipe)
            self._pending_pipes.append(pipe)
            self._notify(lead + prefix)
        elif lead == b"\1":
            if self._subscriptions.add(prefix, pipe) or self._verbose_subscribe:
                self._notify(b"\1" + prefix)
        elif self._subscriptions.remove(prefix, pipe) or self._verbose_cancel:
            self._notify(b"\0" + prefix)

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
            self._matching = self._match(msg.data)
            if msg.more:
                self._matching = dict(self._matching)  # who comes or goes before the last frame changes nothing
        matching = self._matching
        if not self._lossy and not dist.check_hwm(matching):
            return False
        dist.send(msg, matching, self.observer)
        if not msg.more:
            self.observer.published(self, msg, matching)
        return True

    def _match_specially(self, data: bytes) -> dict[Pipe, None]:
        """Whom the message goes to with MANUAL_LAST_VALUE, INVERT_MATCHING (F108) or both."""
        matching = self._subscriptions.match(data)
        last = self._last_pipe
        if self._manual and self._last_value and last is not None:
            # The first message after a confirmed subscription is for that subscriber alone.
            matching = {last: None} if last in matching else _NOBODY
            self._last_pipe = None
        if self.options.invert_matching:
            return {pipe: None for pipe in self._dist.pipes if pipe not in matching}
        return matching

    def xhas_out(self) -> bool:
        """Always (F67)."""
        return True

    def xrecv(self) -> Msg | None:
        """The next notice or upstream message; in manual mode whoever asked is remembered."""
        if not self._pending:
            return None
        if self._manual and self._pending_pipes:
            pipe = self._pending_pipes.popleft()
            self._last_pipe = pipe if pipe in self._dist.pipes else None
        return self._pending.popleft()

    def xhas_in(self) -> bool:
        """Whether there is one."""
        return bool(self._pending)

    def prefetched(self) -> list[Msg]:
        """Upstream messages that the application has not read."""
        return [msg for msg in self._pending if msg.data[:1] not in (b"\0", b"\1")]
