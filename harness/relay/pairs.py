"""The connections over a relay, and what the verbs of a link do to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from harness.relay.line import Held, Line
from harness.relay.route import Link, Route
from harness.shaper import Shape

L = TypeVar("L", bound=Line)


@dataclass(slots=True, eq=False)
class InFlight:
    """What had not arrived when a connection broke, one way.

    Attributes:
        size_bytes: in the relay's hands and in its kernel's buffers.
        messages: whole ones or parts of such; -1 when frames are not followed.
    """

    size_bytes: int
    messages: int


class Pair(Generic[L]):
    """A connection and its continuation.

    Attributes:
        there: from who connected to who bound; ``back``: the other way.
        connecting: the continuation is not there yet.
        cut: where the connection is to be reset: ``between`` messages or ``inside`` one; empty for not at all.
    """

    def __init__(self, route: Route, there: L, back: L) -> None:
        self.route = route
        self.there = there
        self.back = back
        self.connecting = True
        self.cut = ""

    @property
    def lines(self) -> tuple[L, L]:
        """Both directions."""
        return self.there, self.back


P = TypeVar("P", bound=Pair[Any])


class Relay(ABC, Generic[P]):
    """All connections over all links of a run.

    Attributes:
        pairs: those that stand, in the order in which they were made.
    """

    def __init__(self) -> None:
        self.pairs: dict[P, None] = {}

    # -- what a world defines ------------------------------------------------------------------------

    @abstractmethod
    def now_ns(self) -> int:
        """Its clock."""

    @abstractmethod
    def stir(self) -> None:
        """Something has changed: move all that can move."""

    @abstractmethod
    def look(self) -> None:
        """Listen where, and only where, the endpoint behind does and no link forbids it."""

    @abstractmethod
    def end(self, pair: P, *, by_reset: bool) -> None:
        """The pair is no more: close both connections, or reset them."""

    @abstractmethod
    def broke(self, pair: P, why: str) -> None:
        """Tell that a connection breaks, a moment before it does."""

    # -- what passes ---------------------------------------------------------------------------------

    def begin(self, pair: P) -> None:
        """A connection was made: treat it as its links say."""
        self.pairs[pair] = None
        for line, there in ((pair.there, True), (pair.back, False)):
            line.is_stalled = pair.route.stalls(there=there)
            for link in pair.route.links:
                if link.holds:
                    line.hold(link.holds)
            self._limit(pair, line)
            self._slow(pair, line)

    def move(self, pair: P, now_ns: int) -> bool:
        """Read, shape and write as far as it goes; whether the pair still stands."""
        try:
            for line in pair.lines:
                if line is pair.there and pair.connecting:
                    continue
                size = line.read(now_ns)
                if size == 0:
                    self.look()  # an end that has gone may have gone for good
                if size >= 0:
                    line.take(size, now_ns)
                    if pair.cut and line.break_at < 0:
                        line.cut(pair.cut)
                if line.write(now_ns):
                    self.break_off(pair, "cut" if pair.cut else "limit")
                    return False
        except OSError:
            self.break_off(pair, "broken")
            self.look()
            return False
        if pair.there.ended and pair.back.ended:
            self.end(pair, by_reset=False)
            self.look()
            return False
        return True

    def break_off(self, pair: P, why: str) -> None:
        """Reset both connections; tell what was on the way."""
        self.broke(pair, why)
        self.end(pair, by_reset=True)

    # -- faults ----------------------------------------------------------------------------------------

    def impair(self, link: Link, shape: Shape) -> None:
        """From now on the link is such both ways; what is under way keeps its time."""
        link.up.reshape(shape)
        link.down.reshape(shape)
        self.stir()

    def stall(self, link: Link, *, up: bool, down: bool) -> None:
        """Let nothing pass in these directions, or (both False) let everything pass again."""
        link.stalled_up, link.stalled_down = up, down
        for pair in self._over(link):
            pair.there.is_stalled = pair.route.stalls(there=True)
            pair.back.is_stalled = pair.route.stalls(there=False)
        self.stir()

    def set_down(self, link: Link, down: bool) -> None:
        """The node has no network, or has it again; connections stand still meanwhile, none is accepted."""
        link.is_down = down
        self.stall(link, up=down, down=down)
        self.look()

    def reset(self, link: Link, cut: str = "") -> None:
        """Break all connections over the link; with ``cut`` at the next end of a message, or a byte before it."""
        for pair in self._over(link):
            if cut and pair.route.aware:
                pair.cut = cut
                for line in pair.lines:
                    line.cut(cut)
            else:
                self.break_off(pair, "reset")
        self.stir()

    def refuse(self, link: Link, refuses: bool) -> None:
        """Accept no connection over the link, or accept them again."""
        link.refuses = refuses
        self.look()

    def half_close(self, link: Link, *, up: bool) -> None:
        """Pass on an end of stream that nobody sent: the node's own (``up``), or its peers'."""
        for pair in self._over(link):
            line = pair.there if (pair.route.near is link) == up else pair.back
            line.pass_on(0, self.now_ns())
        self.stir()

    def limit_data(self, link: Link, size_bytes: int) -> None:
        """Reset each connection when so many bytes have passed one way, from now on or since it began; 0: never."""
        link.limit_bytes = size_bytes
        for pair in self._over(link):
            for line in pair.lines:
                self._limit(pair, line)

    def slow_close(self, link: Link, delay_ns: int) -> None:
        """Pass on each end of a stream so much later than what is before it."""
        link.slow_close_ns = delay_ns
        for pair in self._over(link):
            for line in pair.lines:
                self._slow(pair, line)

    def hold(self, link: Link, what: Held) -> None:
        """Hold back all of a new connection, or each subscription and what is behind it."""
        link.holds = what
        for pair in self._over(link):
            for line in pair.lines:
                line.hold(what)

    def let_go(self, link: Link) -> None:
        """Pass on what was held back."""
        link.holds = ""
        for pair in self._over(link):
            if not any(other.holds for other in pair.route.links):
                for line in pair.lines:
                    line.let_go(self.now_ns())
        self.stir()

    def _over(self, link: Link) -> list[P]:
        return [pair for pair in self.pairs if link in pair.route.links]

    def _limit(self, pair: P, line: Line) -> None:
        limits = [link.limit_bytes for link in pair.route.links if link.limit_bytes]
        line.break_at = line.passed + min(limits) if limits else -1

    def _slow(self, pair: P, line: Line) -> None:
        line.slow_close_ns = sum(link.slow_close_ns for link in pair.route.links)


def in_flight(line: Line, unread_bytes: int, unsent_bytes: int, unread_messages: int) -> InFlight:
    """What has not arrived of a direction.

    Args:
        line: it.
        unread_bytes, unread_messages: in the kernel's buffer before the relay.
        unsent_bytes: behind it, so that the receiver's kernel does not have them.
    """
    if unread_messages < 0:
        messages = -1
    else:
        arrived = line.passed - unsent_bytes
        messages = len(line.ends) - bisect_right(line.ends, arrived) + unread_messages
    return InFlight(line.held_bytes + unread_bytes + unsent_bytes, messages)
