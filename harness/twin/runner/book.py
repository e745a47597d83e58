"""Follows every message of programs that stamp nothing: who sent it, who got it, what it was lost of.

Theory of operation. The twin hands one frame object from the sender to whoever receives it, so the last
frame of a message is the message. Each socket of a watched world is of a class that differs from its own
only in telling the book when the application has sent or received. A message is *open* for as many
receivers as it is under way to: one, or for a publisher as many as have subscribed to it.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING, Any

from harness.twin.observer import Observer

if TYPE_CHECKING:
    from harness.twin import Twin
    from harness.twin.msg import Msg
    from harness.twin.pipe import Pipe
    from harness.twin.socket_base import SocketBase

NOWHERE = -1
"""In place of a socket's number: no receiver that anybody knows of."""


class Line:
    """One socket: who has it, and what it has sent and received (whole messages)."""

    __slots__ = ("_bound", "core", "number", "ordinal", "owner", "partial_bytes", "received", "sent")

    def __init__(self, core: SocketBase, number: int, ordinal: int) -> None:
        self.core = core
        self._bound: dict[str, bool] = {}
        self.number = number
        self.owner = core.owner
        self.ordinal = ordinal
        self.sent = self.received = 0
        self.partial_bytes = 0

    @property
    def name(self) -> str:
        """``PUSH#2``: the second socket of that type in its program."""
        return f"{self.core.type_name}#{self.ordinal}"

    def opened(self, bound: bool) -> None:
        """The socket has just bound or connected."""
        self._bound[self.core.last_endpoint.decode()] = bound

    def places(self, past: bool = True) -> list[str]:
        """``bound to ...`` and ``connected to ...``; also what is no longer open, unless told."""
        is_open = self.core.endpoints.addresses()
        return [
            f"{'bound' if bound else 'connected'} to {place}"
            for place, bound in self._bound.items()
            if past or place in is_open
        ]

    def peers(self) -> int:
        """Connections that stand now."""
        core = self.core
        inside = sum(getattr(pipe.peer.owner, "type_name", "") != "" for pipe in core.pipes)
        return int(inside) + sum(session.engine is not None for session in core.sessions)


class Entry:
    """A message under way."""

    __slots__ = ("open", "sender", "sent_ns", "seq", "size")

    def __init__(self, sender: int, seq: int, sent_ns: int, size: int) -> None:
        self.sender = sender
        self.seq = seq
        self.sent_ns = sent_ns
        self.size = size
        self.open = 1


class Rows:
    """What is written of a message and a receiver; the base class writes nothing."""

    def add(self, entry: Entry, receiver: int, received_ns: int, fate: str, cause: str) -> None:
        """One row; ``received_ns`` is -1 for a message that was not received."""


class Book(Observer):
    """The observer of a world of plain programs.

    Attributes:
        lines: all sockets, in the order in which they were made.
        losses: (cause, sender, receiver) -> messages; sockets by number, or :data:`NOWHERE`.
        delivered: (sender, receiver) -> messages.
        unwanted: sender -> messages that it published while its subscribers had subscribed to others only.
        in_flight: (sender, receiver) -> messages; after :meth:`close`.
        unexplained: sender -> messages without a fate, which would be a bug of the twin.
        violations: laws of the twin that were broken, as sentences.
    """

    def __init__(self, rows: Rows | None = None) -> None:
        self._rows = rows or Rows()
        self._twin: Twin | None = None
        self._entries: dict[Msg, Entry] = {}
        self._numbers: dict[SocketBase, int] = {}
        self._withdrawn: tuple[Msg, Entry] | None = None
        self._closed = False
        self._alike: dict[tuple[int, str], int] = {}
        self.lines: list[Line] = []
        self.losses: dict[tuple[str, int, int], int] = {}
        self.delivered: dict[tuple[int, int], int] = {}
        self.unwanted: dict[int, int] = {}
        self.in_flight: dict[tuple[int, int], int] = {}
        self.unexplained: dict[int, int] = {}
        self.violations: list[str] = []

    def watch(self, twin: Twin) -> None:
        """The world whose clock counts."""
        self._twin = twin

    def line(self, core: SocketBase) -> Line | None:
        """The line of a socket."""
        number = self._numbers.get(core)
        return None if number is None else self.lines[number]

    def _now_ns(self) -> int:
        assert self._twin is not None
        kernel = self._twin.kernel
        return kernel.now_ns + kernel.lag_ns

    # -- what sockets tell -------------------------------------------------------------------------

    def opened(self, socket: SocketBase) -> None:
        """Watch a new socket."""
        kind = (socket.owner, socket.type_name)
        self._alike[kind] = self._alike.get(kind, 0) + 1
        line = Line(socket, len(self.lines), self._alike[kind])
        self.lines.append(line)
        self._numbers[socket] = line.number
        cls: Any = type(socket)
        socket.__class__ = _watched(cls)

    def sending(self, socket: SocketBase, msg: Msg) -> Entry | None:
        """The last frame of a message is being sent; None for what is no message."""
        line = self.lines[self._numbers[socket]]
        if line.core.type_name == "XSUB" and not line.partial_bytes and msg.data[:1] in (b"\0", b"\1"):
            return None  # a subscription
        entry = Entry(line.number, line.sent, self._now_ns(), line.partial_bytes + len(msg.data))
        self._entries[msg] = entry
        return entry

    def was_sent(self, entry: Entry | None) -> None:
        """The socket has accepted it."""
        if entry is not None:
            line = self.lines[entry.sender]
            line.sent += 1
            line.partial_bytes = 0

    def not_sent(self, msg: Msg, entry: Entry | None) -> None:
        """The socket has not."""
        if entry is not None:
            self._entries.pop(msg, None)
            self._withdrawn = (msg, entry)

    def part_sent(self, socket: SocketBase, msg: Msg) -> None:
        """A frame with more to come was accepted."""
        self.lines[self._numbers[socket]].partial_bytes += len(msg.data)

    def received(self, socket: SocketBase, msg: Msg) -> None:
        """The application has read the last frame of a message."""
        line = self.lines[self._numbers[socket]]
        line.received += 1
        self.taken(socket, msg)

    def taken(self, socket: SocketBase, msg: Msg) -> None:
        """A message has arrived, at the application or at the library itself."""
        entry = self._entries.get(msg)
        if entry is not None:
            number = self._numbers[socket]
            key = (entry.sender, number)
            self.delivered[key] = self.delivered.get(key, 0) + 1
            self._settle(msg, entry, number, self._now_ns(), "delivered", "")

    def _settle(self, msg: Msg, entry: Entry, receiver: int, received_ns: int, fate: str, cause: str) -> None:
        self._rows.add(entry, receiver, received_ns, fate, cause)
        entry.open -= 1
        if not entry.open and self._entries.get(msg) is entry:
            del self._entries[msg]

    def placed(self, socket: SocketBase, bound: bool) -> None:
        """The socket has bound or connected."""
        self.lines[self._numbers[socket]].opened(bound)

    # -- what the twin tells -----------------------------------------------------------------------

    def lost(self, cause: str, msg: Msg, remote: SocketBase | None) -> None:
        """A loss, counted from where to where."""
        entry = self._entries.get(msg)
        if entry is None:
            if self._withdrawn is None or self._withdrawn[0] is not msg:
                return  # no message of an application: a probe, a subscription
            entry = self._withdrawn[1]
            self.was_sent(entry)
        self._lose(cause, msg, entry, NOWHERE if remote is None else self._numbers.get(remote, NOWHERE))

    def _lose(self, cause: str, msg: Msg, entry: Entry, receiver: int) -> None:
        if self._closed:
            return
        key = (cause, entry.sender, receiver)
        self.losses[key] = self.losses.get(key, 0) + 1
        self._settle(msg, entry, receiver, -1, "lost", cause)

    def published(self, socket: SocketBase, msg: Msg, matching: Collection[Pipe]) -> None:
        """As many copies as pipes. Without any: nobody is there, has subscribed to anything, or to this."""
        entry = self._entries.get(msg)
        if entry is None:
            return
        if matching:
            entry.open = len(matching)
        elif not socket.pipes:
            self._lose("no_peer", msg, entry, NOWHERE)
        elif not socket.topics_count():
            self._lose("not_subscribed", msg, entry, NOWHERE)
        else:
            self.unwanted[entry.sender] = self.unwanted.get(entry.sender, 0) + 1
            self._settle(msg, entry, NOWHERE, -1, "unwanted", "")

    def violation(self, sentence: str) -> None:
        """A bug of the twin."""
        if len(self.violations) < 100:
            self.violations.append(sentence)

    # -- the end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Count what is still under way; what happens from now on does not count."""
        self._closed = True
        assert self._twin is not None
        for msg, reader in self._twin.census():
            entry = self._entries.get(msg)
            if entry is None:
                continue
            key = (entry.sender, NOWHERE if reader is None else self._numbers.get(reader, NOWHERE))
            self.in_flight[key] = self.in_flight.get(key, 0) + 1
            self._settle(msg, entry, key[1], -1, "in_flight", "")
        for entry in list(self._entries.values()):
            self.unexplained[entry.sender] = self.unexplained.get(entry.sender, 0) + entry.open
            self._rows.add(entry, NOWHERE, -1, "unexplained", "")


@cache
def _watched(cls: Any) -> Any:
    """The class of a watched socket: the same, and the book is told."""

    class Watched(cls):  # type: ignore[misc]
        __slots__ = ()

        def bind(self, address: str) -> None:
            cls.bind(self, address)
            self.observer.placed(self, True)

        def connect(self, address: str) -> None:
            cls.connect(self, address)
            self.observer.placed(self, False)

        def events_call(self) -> int:
            events: int = cls.events_call(self)
            process = self.kernel.current
            if process is not None and process.program is not None:
                process.program.found_nothing()  # a loop may read nothing else
            return events

        def xsend(self, msg: Msg) -> bool:
            book = self.observer
            if msg.more:
                if not cls.xsend(self, msg):
                    return False
                book.part_sent(self, msg)
                return True
            entry = book.sending(self, msg)
            try:
                sent: bool = cls.xsend(self, msg)
            except BaseException:
                book.not_sent(msg, entry)
                raise
            if sent:
                book.was_sent(entry)
            else:
                book.not_sent(msg, entry)
            return sent

        def xrecv(self) -> Msg | None:
            msg: Msg | None = cls.xrecv(self)
            if msg is not None and not msg.more:
                self.observer.received(self, msg)
            return msg

    return Watched
