"""What was sent, received and lost, message by message; the laws that a message by itself can break.

Every message carries its name in its last frame: ``topic|sender.number|rest``. A law that is broken is written
down once, with the time; so is everything else that a program can see, for two runs of a seed must be the same.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from harness.twin import Msg, Observer, SocketBase, Twin
from harness.twin.monitor import _MonitorPair as MonitorPair
from harness.twin.pipe import Pipe

WAITING_TYPES = ("PUSH", "DEALER", "REQ", "PAIR")
"""They wait for room, and drop nothing for want of it (F80, F113)."""

MAX_BROKEN = 20
"""More than so many broken laws say nothing new."""


def body(topic: bytes, name: bytes, rest: bytes, size: int) -> bytes:
    """A last frame of about that size."""
    head = topic + b"|" + name + b"|" + rest
    return head + bytes(size - len(head)) if size > len(head) else head


def name_of(data: bytes) -> bytes | None:
    """The name in a last frame; None when it has none (a subscription, a stray frame)."""
    parts = data.split(b"|", 2)
    return parts[1] if len(parts) == 3 else None


class Books(Observer):
    """The swarm's witness.

    Attributes:
        owed: copies of each message that were taken by the library.
        received, losses: copies by name.
        broken: sentences, each a broken law.
        seen: what the run has come across, for coverage.
        pipes: all ends that ever were in service.
    """

    def __init__(self) -> None:
        self.twin: Twin | None = None
        self.owed: Counter[bytes] = Counter()
        self.received: Counter[bytes] = Counter()
        self.losses: Counter[bytes] = Counter()
        self.payloads: dict[bytes, tuple[bytes, ...]] = {}
        self.kinds: dict[bytes, str] = {}
        """Socket types by the label that messages carry."""
        self.broken: list[str] = []
        self.seen: Counter[str] = Counter()
        self.pipes: dict[Pipe, None] = {}
        self.brokered: dict[bytes, None] = {}
        """Labels of those whose messages go through a proxy."""
        self.proxies: dict[SocketBase, None] = {}
        self.uncertain: dict[bytes, None] = {}
        """Messages whose sender was killed while it sent them."""
        self.in_hand = 0
        """Messages that somebody may have held when it was killed."""
        self.changed: dict[SocketBase, None] = {}
        """Sockets whose marks were changed while they had pipes."""
        self._tape: list[tuple[Any, ...]] = []
        self._last: dict[tuple[int, bytes], int] = {}
        self._waiting: dict[Pipe, tuple[int, int]] = {}
        self._numbers: dict[Pipe, int] = {}
        self._clock_ns = 0

    # -- the record ------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        assert self.twin is not None
        return self.twin.kernel.now_ns

    def tell(self, *what: Any) -> None:
        """Write down something that a program, or the twin, has said."""
        now = self.now_ns
        if now < self._clock_ns:
            self.violation(f"the clock went back from {self._clock_ns} to {now} ns")
        self._clock_ns = now
        self._tape.append((now, *what))

    def violation(self, sentence: str) -> None:
        if len(self.broken) < MAX_BROKEN:
            self.broken.append(f"at {self.now_ns / 1e6:.6f} ms: {sentence}")

    def digest(self, *more: Any) -> str:
        """Of all that was written down, and of ``more``."""
        return hashlib.blake2b(repr((self._tape, more)).encode(), digest_size=12).hexdigest()

    def progress(self) -> tuple[int, ...]:
        """Changes whenever a message moves."""
        moved = sum(pipe.read_count + pipe.written_count for pipe in self.pipes)
        return (moved, self.received.total(), self.losses.total(), len(self.pipes))

    # -- messages --------------------------------------------------------------------------------

    def offer(self, payload: Sequence[bytes]) -> None:
        """A program is about to send this: before the call returns others may have it."""
        name = name_of(payload[-1])
        assert name is not None
        self.payloads[name] = tuple(payload)

    def take(self, name: bytes | None, copies: int) -> None:
        """The library has taken a message; of PUB's :meth:`published` tells."""
        assert name is not None
        self.owed[name] += copies

    def receive(self, label: str, core: SocketBase, frames: list[bytes]) -> int:
        """A program has received this: how many of the frames are an envelope; -1 when it is no message."""
        name = name_of(frames[-1])
        if name is None:
            return -1
        payload = self.payloads.get(name)
        if payload is None:
            self.violation(f"{label} received {shown(frames)}, which nobody has sent")
            return -1
        self.received[name] += 1
        envelope = len(frames) - len(payload)
        if envelope < 0 or tuple(frames[envelope:]) != payload:
            self.violation(f"{label} received {shown(frames)}, sent was {shown(payload)}")
            return -1
        self._in_order(label, core, name)
        return envelope

    def _in_order(self, label: str, core: SocketBase, name: bytes) -> None:
        """F40: what comes out of one pipe has the order in which it was put in; F77: nobody is passed over."""
        queue = getattr(core, "_fq", None)
        pipe = queue.last if queue is not None else getattr(core, "_pipe", None)
        if pipe is None:
            return
        sender, _, number = name.rpartition(b".")
        place = self._numbers.setdefault(pipe, len(self._numbers))
        key = (place, sender)
        before = self._last.get(key, -1)
        if int(number) <= before and sender not in self.brokered:
            self.violation(f"{label} received {name!r} after number {before} over the same pipe")
        self._last[key] = int(number)
        if queue is None:
            return
        for other in queue._pipes[: queue._active]:
            if other is not pipe and other.in_queue:
                read, waited = self._waiting.get(other, (-1, 0))
                # What was read and thrown away counts as its turn, too.
                waited = waited + 1 if read == other.read_count else 0
                self._waiting[other] = (other.read_count, waited)
                if waited > 2 * len(queue._pipes) + 2:
                    self.violation(f"{label} passed over a readable pipe {waited} times")

    # -- what the twin tells ---------------------------------------------------------------------

    def lost(self, cause: str, msg: Msg, remote: SocketBase | None) -> None:
        name = name_of(msg.data)
        self.seen[f"loss {cause}"] += 1
        self.tell("lost", cause, name, "" if remote is None else remote.type_name)
        if name is not None:
            self.losses[name] += 1
            if cause.startswith("hwm") and self.kinds.get(name.rpartition(b".")[0]) in WAITING_TYPES:
                self.violation(f"{name!r} was dropped for want of room ({cause})")

    def published(self, socket: SocketBase, msg: Msg, matching: Collection[Pipe]) -> None:
        name = name_of(msg.data)
        if name is not None:
            self.owed[name] += len(matching)
            if socket in self.proxies:
                self.received[name] += 1  # the copy that the proxy has made these of

    def hwm_reached(self, pipe: Pipe) -> None:
        self.seen["mark reached"] += 1
        far = pipe.peer
        if pipe.highest_hwm and far.in_queue is pipe.out_queue:
            ahead = pipe.written_count - far.read_count
            if ahead > pipe.highest_hwm:
                self.violation(f"{ahead} messages in a pipe whose mark is {pipe.highest_hwm}")

    def attached(self, socket: SocketBase, pipe: Pipe) -> None:
        if any(isinstance(end.owner, MonitorPair) for end in (pipe, pipe.peer)):
            return  # a monitor speaks for ever, as long as somebody tries to connect
        self.pipes[pipe] = None
        self.pipes[pipe.peer] = None
        self.tell("attached", socket.type_name)

    def detached(self, socket: SocketBase, pipe: Pipe) -> None:
        self.tell("detached", socket.type_name)

    def event(self, socket: SocketBase, name: str, value: int = 0) -> None:
        self.seen[f"event {name}"] += 1
        self.tell("event", socket.type_name, name, value)

    # -- at the end ------------------------------------------------------------------------------

    def close(self) -> None:
        """Every copy has one fate: received, lost, or found under way."""
        assert self.twin is not None
        under_way: Counter[bytes] = Counter()
        for msg, _ in self.twin.census():
            name = name_of(msg.data)
            if name is not None:
                under_way[name] += 1
        found = self.received + self.losses + under_way
        missing = self.owed - found
        extra = found - self.owed
        for name in self.uncertain:
            del extra[name], missing[name]
        if not extra and missing.total() <= len(self.proxies) // 2 + self.in_hand:
            return  # a proxy that waits for room has a message in its hand
        for name in sorted(extra | missing):
            self.violation(
                f"message {name!r}: {self.owed[name]} copies were taken; {self.received[name]} received, "
                f"{self.losses[name]} lost, {under_way[name]} under way"
            )


def shown(frames: Sequence[bytes]) -> str:
    return "[" + ", ".join(f"{frame[:24]!r}({len(frame)})" for frame in frames) + "]"
