"""Whatever sockets do, every message that was sent has one fate: received, lost with a cause, or still under way.

Small random lives of sockets: they come and go at any time, with any LINGER, bound or connecting, full or
empty, over all transports. The twin's truth (what it says is lost, what its census finds) is held against
what the programs have seen.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as draw

from harness.twin import Msg, SocketBase, Twin
from harness.twin.pipe import Pipe

from .witness import MS, Witness

Operation = tuple[str, int]


@dataclass
class Books(Witness):
    """Who sent and received what, beside what the twin says of it."""

    owed: Counter[bytes] = field(default_factory=Counter)
    received: Counter[bytes] = field(default_factory=Counter)
    sent: int = 0

    def published(self, socket: SocketBase, msg: Msg, matching: Collection[Pipe]) -> None:
        self.owed[name_of(msg.data)] += len(matching)

    def close(self, twin: Twin) -> None:
        """All copies that were made are somewhere, and none is in two places."""
        lost = Counter(name_of(data) for _, data in self.losses if data[:1] == b"m")
        under_way = Counter(name_of(msg.data) for msg, _ in twin.census() if msg.data[:1] == b"m")
        found = self.received + lost + under_way
        assert found == self.owed, (
            f"too many: {dict(found - self.owed)}, missing: {dict(self.owed - found)}; received {dict(self.received)}, "
            f"lost {self.losses}, under way {dict(under_way)}"
        )


def name_of(data: bytes) -> bytes:
    return data.split(b" ", 1)[0]


class Actor:
    """A process with one socket at a time."""

    def __init__(self, books: Books, twin: Twin, kind: str, peer_kind: str, place: Place) -> None:
        self.books = books
        self.twin = twin
        self.zmq = twin.zmq
        self.kind = kind
        self.peer_kind = peer_kind
        self.place = place
        self.context: Any = None
        self.socket: Any = None
        self.waiting: list[list[bytes]] = []
        self.kept: list[Any] = []

    def run(self, operations: list[Operation], shared: list[Any]) -> None:
        if self.place.endpoint.startswith("inproc"):
            if not shared:
                shared.append(self.zmq.Context())
            self.context = shared[0]
        else:
            self.context = self.zmq.Context()
        self.open()
        for name, amount in operations:
            if name == "close":
                self.close(amount)
            elif self.socket is not None:
                getattr(self, name)(amount)
            elif name == "sleep":
                self.sleep(amount)
            elif name == "reopen":
                self.open()

    def open(self) -> None:
        zmq, place = self.zmq, self.place
        socket = self.socket = self.context.socket(getattr(zmq, self.kind))
        self.kept.append(socket)
        socket.sndhwm, socket.rcvhwm = place.hwm
        if place.buffer:
            socket.sndbuf = socket.rcvbuf = place.buffer
        if self.kind == "SUB":
            socket.subscribe(b"")
        if self.kind == "XSUB":
            socket.send(b"\x01")
        if self.kind == "REQ" and place.relaxed:
            socket.setsockopt(zmq.REQ_RELAXED, 1)
            socket.setsockopt(zmq.REQ_CORRELATE, place.relaxed - 1)
        if not place.binds:
            socket.connect(place.endpoint)
            return
        try:
            socket.bind(place.endpoint)
        except zmq.ZMQError:  # the name is taken
            self.close(0)

    def sleep(self, amount: int) -> None:
        self.twin.sleep_ns(amount * amount * 10_000)

    def reopen(self, amount: int) -> None: ...

    def poll(self, amount: int) -> None:
        self.socket.poll(amount)

    def close(self, amount: int) -> None:
        if self.socket is not None:
            self.socket.close(linger=(-1, 0, 2, 200)[amount % 4])
            self.socket = None

    def leave(self, amount: int) -> None:
        """unbind or disconnect."""
        with contextlib.suppress(self.zmq.ZMQError):  # for the second time: ENOENT
            getattr(self.socket, "unbind" if self.place.binds else "disconnect")(self.place.endpoint)

    def send(self, amount: int) -> None:
        for number in range(amount):
            envelope = self.envelope(number)
            if envelope is None:
                return
            self.books.sent += 1
            body = b"m%d %s" % (self.books.sent, bytes(self.place.size))
            publishes = self.kind in ("PUB", "XPUB")
            try:
                self.socket.send_multipart([*envelope, body], self.zmq.DONTWAIT)
            except self.zmq.ZMQError:
                return
            if not publishes:
                self.books.owed[name_of(body)] += 1

    def envelope(self, number: int) -> list[bytes] | None:
        """Frames before the body; None when this socket cannot send."""
        if self.kind in ("PULL", "SUB", "XSUB"):
            return None
        if self.kind == "ROUTER":
            return self.waiting.pop(0) if self.waiting else [b"nobody"]
        if self.kind == "DEALER" and self.peer_kind == "REP":
            return [b""] if number % 3 else [b"", b"part"]
        return [b"part"] if number % 3 == 2 else []

    def receive(self, amount: int) -> None:
        for _ in range(amount):
            try:
                frames = self.socket.recv_multipart(self.zmq.DONTWAIT)
            except self.zmq.ZMQError:
                return
            if frames[-1][:1] == b"m":
                self.books.received[name_of(frames[-1])] += 1
            if self.kind == "ROUTER":
                self.waiting.append(frames[: 2 if frames[1:2] == [b""] else 1])


@dataclass(frozen=True)
class Place:
    """Where and how an actor opens its sockets."""

    endpoint: str
    binds: bool
    hwm: tuple[int, int]
    buffer: int
    size: int
    relaxed: int


PAIRS = [
    ("PUSH", "PULL"),
    ("PULL", "PUSH"),
    ("PUB", "SUB"),
    ("SUB", "PUB"),
    ("XPUB", "XSUB"),
    ("DEALER", "DEALER"),
    ("ROUTER", "DEALER"),
    ("DEALER", "ROUTER"),
    ("REP", "REQ"),
    ("REQ", "REP"),
    ("ROUTER", "REQ"),
    ("REP", "DEALER"),
    ("PAIR", "PAIR"),
]

OPERATIONS = draw.lists(
    draw.tuples(
        draw.sampled_from(["send", "send", "receive", "receive", "sleep", "sleep", "poll", "close", "reopen", "leave"]),
        draw.integers(1, 8),
    ),
    min_size=1,
    max_size=20,
)

# Most lives wait first, a millisecond at most, so that there is a connection before they do anything.
LIVES = draw.lists(
    draw.builds(lambda wait, operations: [("sleep", wait), *operations], draw.sampled_from([0, 6, 9, 10]), OPERATIONS),
    min_size=2,
    max_size=4,
)


REGRESSIONS: list[tuple[tuple[str, str], tuple[int, int], int, int, list[list[Operation]]]] = [
    # A peer that has closed before its handshake was heard of: its identity is known all the same.
    (("ROUTER", "DEALER"), (2, 0), 10, 0, [[("poll", 1)], [("send", 1), ("leave", 1), ("close", 1)]]),
    # A subscriber that has gone between two frames of a message is not counted twice.
    (
        ("SUB", "PUB"),
        (1, 3),
        20_000,
        0,
        [[("poll", 1)], [("poll", 1), ("send", 9), ("leave", 1), ("sleep", 7), ("sleep", 7), ("send", 6)]],
    ),
    # What poll had read in advance is unread all the same.
    (("SUB", "PUB"), (4, 4), 10, 0, [[("sleep", 15), ("poll", 8), ("close", 1)], [("sleep", 10), ("send", 1)]]),
    (("ROUTER", "DEALER"), (4, 4), 10, 0, [[("sleep", 15), ("poll", 8), ("close", 1)], [("sleep", 10), ("send", 1)]]),
    # A reply that nobody waits for any more is thrown away when the next request goes out.
    (
        ("REP", "REQ"),
        (4, 4),
        10,
        1,
        [
            [("poll", 50), ("receive", 1), ("send", 1), ("poll", 50), ("receive", 1), ("send", 1)],
            [("sleep", 10), ("send", 1), ("sleep", 40), ("send", 1), ("sleep", 40)],
        ],
    ),
]


def live(
    transport: str, kinds: tuple[str, str], hwm: tuple[int, int], small: bool, size: int, relaxed: int, lives: list[Any]
) -> Books:
    """Let all actors live; the first binds."""
    books = Books()
    twin = Twin(observer=books, seed=size)
    books.twin = twin
    shared: list[Any] = []
    endpoint = "tcp://127.0.0.1:5555" if transport == "tcp" else f"{transport}://place"
    for position, operations in enumerate(lives):
        place = Place(endpoint, position == 0, hwm, 2304 if small else 0, size, relaxed)
        kind, peer = kinds if position == 0 else kinds[::-1]
        # Longer than the twin runs: sockets that are not closed stay open.
        twin.spawn(Actor(books, twin, kind, peer, place).run, [*operations, ("sleep", 10_000)], shared)
    twin.run(until_ns=1500 * MS)
    books.close(twin)
    return books


@pytest.mark.parametrize("transport", ["tcp", "ipc", "inproc"])
@given(
    kinds=draw.sampled_from(PAIRS),
    hwm=draw.tuples(draw.integers(0, 4), draw.integers(0, 4)),
    small=draw.booleans(),
    size=draw.sampled_from([10, 300, 5000, 20_000]),
    relaxed=draw.integers(0, 2),
    lives=LIVES,
)
@settings(derandomize=True, max_examples=400, deadline=None)
def test_every_message_has_one_fate(
    transport: str, kinds: tuple[str, str], hwm: tuple[int, int], small: bool, size: int, relaxed: int, lives: list[Any]
) -> None:
    books = live(transport, kinds, hwm, small, size, relaxed, lives)
    for cause in books.causes:
        event(cause)


@pytest.mark.parametrize("transport", ["tcp", "ipc", "inproc"])
@pytest.mark.parametrize(
    "case", REGRESSIONS, ids=["early-leaver", "half-published", "sub-ahead", "router-ahead", "old-reply"]
)
def test_every_message_has_one_fate_where_one_was_once_missing(transport: str, case: Any) -> None:
    kinds, hwm, size, relaxed, lives = case
    live(transport, kinds, hwm, False, size, relaxed, lives)
