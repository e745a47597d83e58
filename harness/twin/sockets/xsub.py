"""XSUB: fair-queued from all publishers; subscriptions are messages upstream (F109-F112; RFC 29)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from harness.twin.dist import Distributor
from harness.twin.fq import FairQueue
from harness.twin.msg import DATA, ROUTING_ID, SUBSCRIBE, TOPIC, Msg
from harness.twin.pipe import Pipe
from harness.twin.socket_base import SocketBase

if TYPE_CHECKING:
    from harness.twin.context import Context


class XSub(SocketBase):
    """The subscriber whose subscriptions are its own messages."""

    __slots__ = (
        "_ahead",
        "_dist",
        "_fq",
        "_lengths",
        "_more_recv",
        "_more_send",
        "_only_first",
        "_process_subscribe",
        "_topics",
        "_wants",
    )

    type_name = "XSUB"
    type_number = 10
    resubscribes = True
    filters: ClassVar[bool] = False

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.options.linger = 0  # F164
        self._fq = FairQueue()
        self._dist = Distributor()
        # Prefix to number of subscriptions: unsubscribing must balance them (F109).
        self._topics: dict[bytes, int] = {}
        self._lengths: list[int] = []
        self._ahead: Msg | None = None
        self._more_send = False
        self._more_recv = False
        self._only_first = False
        self._process_subscribe = False
        self._wants: Callable[[bytes], bool] = self._wanted

    def xset(self, name: str, value: int | bytes) -> bool:
        """ONLY_FIRST_SUBSCRIBE: only the first frame of a message may be a subscription."""
        if name != "only_first_subscribe":
            return False
        self._only_first = bool(value)
        return True

    # -- pipes -----------------------------------------------------------------------------------

    def xattach_pipe(self, pipe: Pipe, locally_initiated: bool) -> None:
        """A new publisher is told all subscriptions at once, up to the mark (F110)."""
        self._fq.attach(pipe)
        self._dist.attach(pipe)
        self._tell_all(pipe)

    def xhiccuped(self, pipe: Pipe) -> None:
        """After a reconnect all subscriptions are sent again (F146)."""
        self._tell_all(pipe)

    def _tell_all(self, pipe: Pipe) -> None:
        for prefix in sorted(self._topics):  # the trie is walked in byte order
            msg = Msg(prefix, kind=SUBSCRIBE)
            if not pipe.write(msg):
                self.observer.lost("subscription_lost", msg, pipe.remote)
        pipe.flush()

    def xpipe_terminated(self, pipe: Pipe) -> None:
        """A publisher has gone."""
        self._fq.pipe_terminated(pipe)
        self._dist.pipe_terminated(pipe)

    def read_activated(self, pipe: Pipe) -> None:
        """A publisher has sent again."""
        self._fq.activated(pipe)

    # -- subscriptions -----------------------------------------------------------------------------

    def _subscribe(self, prefix: bytes, msg: Msg) -> None:
        """Count it and tell all publishers, every time (F109)."""
        self._topics[prefix] = self._topics.get(prefix, 0) + 1
        self._lengths = sorted({len(topic): None for topic in self._topics})
        self._to_all(msg)

    def _unsubscribe(self, prefix: bytes, msg: Msg) -> None:
        """Tell the publishers when the count reaches zero (F109)."""
        count = self._topics.get(prefix, 0)
        if count == 0:
            return
        if count > 1:
            self._topics[prefix] = count - 1
            return
        del self._topics[prefix]
        self._lengths = sorted({len(topic): None for topic in self._topics})
        self._to_all(msg)

    def topics_count(self) -> int:
        """Different prefixes subscribed to."""
        return len(self._topics)

    def _to_all(self, msg: Msg) -> None:
        # A copy of the pipes: a refused write may end one of them.
        self._dist.send(msg, list(self._dist.pipes), self.observer)

    def _wanted(self, data: bytes) -> bool:
        topics = self._topics
        return any(data[:length] in topics for length in self._lengths if length <= len(data))

    # -- messages ----------------------------------------------------------------------------------

    def xsend(self, msg: Msg) -> bool:
        """A subscription (first byte 1), its end (0), or a message to all publishers (F112)."""
        if not self._more_send:
            self._process_subscribe = not self._only_first
            may_be = True
        else:
            may_be = self._process_subscribe
        self._more_send = msg.more
        lead = msg.data[:1] if may_be else b""
        if lead == b"\1":
            self._process_subscribe = True
            self._subscribe(msg.data[1:], Msg(msg.data, msg.more, TOPIC))
        elif lead == b"\0":
            self._process_subscribe = True
            self._unsubscribe(msg.data[1:], Msg(msg.data, msg.more, TOPIC))
        else:
            self._to_all(msg)
        return True

    def xhas_out(self) -> bool:
        """Always: subscriptions can be added at any time."""
        return True

    def xrecv(self) -> Msg | None:
        """The next frame in turn; SUB skips what it has not subscribed to (F79)."""
        msg = self._ahead
        if msg is not None:
            self._ahead = None
        else:
            msg = self._fetch()
        if msg is not None:
            self._more_recv = msg.more
        return msg

    def _fetch(self) -> Msg | None:
        fq = self._fq
        while True:
            msg = fq.recv()
            if msg is None or self._more_recv or not self.filters:
                return msg
            if msg.kind == ROUTING_ID:
                continue
            if self._wants(msg.data):
                return msg
            while msg.more:
                msg = fq.recv()
                assert msg is not None
            if msg.kind == DATA:
                self.observer.lost("filtered", msg, self)

    def last_pipe(self) -> Pipe | None:
        """The pipe of the last frame."""
        return self._fq.last

    def xhas_in(self) -> bool:
        """Takes one message out of its queue in advance."""
        if self._more_recv or self._ahead is not None:
            return True
        self._ahead = self._fetch()
        return self._ahead is not None

    def prefetched(self) -> list[Msg]:
        """The message taken in advance."""
        return [] if self._ahead is None else [self._ahead]
