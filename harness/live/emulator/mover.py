"""All links of a run, in one event loop."""

from __future__ import annotations

import heapq
import select
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.live.emulator.batch import FRAMES, Batch
from harness.live.emulator.port import Port
from harness.live.emulator.way import Agenda, Way
from harness.live.timer import Timer
from harness.shaper import Shape, Shaper

_LONGEST_BYTES = 65_536 + 64
"""What stands for several packets is seen whole, too."""
_AT_ONCE = 64
"""At most so many are sent before what has come meanwhile is read."""
_CATCH_UP = 100
"""At most so many batches of each direction are read before an order is obeyed."""
_LOOK_NS = 500_000_000
"""From one look for what was lost here to the next."""


@dataclass(slots=True)
class Link:
    """Two interfaces and both directions between them.

    Attributes:
        up: from the node into the network; ``down``: to the node.
        told: of each direction, what the supervisor knows to have gone wrong.
    """

    name: str
    up: Way
    down: Way
    told: dict[str, dict[str, int]]


class Mover:
    """The event loop.

    Args:
        report: is told what goes wrong: a dict with ``event`` and more.
    """

    def __init__(self, report: Callable[[Mapping[str, Any]], None]) -> None:
        self._report = report
        self._agenda = Agenda()
        self._batch = Batch(_LONGEST_BYTES)
        self._epoll = select.epoll()
        self._timer = Timer()
        self._readers: dict[int, Callable[[], object]] = {}
        self._links: list[Link] = []
        self._look_ns = 0
        self._late_ns = self._latest_ns = self._sent = 0
        self.add_reader(self._timer.fd, self._timer.acknowledge)

    def add_reader(self, fd: int, handler: Callable[[], object]) -> None:
        """Call the handler when that descriptor has something to read."""
        self._epoll.register(fd, select.EPOLLIN)
        self._readers[fd] = handler

    def add_link(self, name: str, outer: Port, inner: Port, shapers: tuple[Shaper, Shaper]) -> Link:
        """Join two interfaces; ``shapers``: up and down."""
        up = Way(outer, inner, shapers[0], self._agenda, self._batch)
        down = Way(inner, outer, shapers[1], self._agenda, self._batch)
        up.back, down.back = down, up
        link = Link(name, up, down, {"up": {}, "down": {}})
        self._links.append(link)
        self.add_reader(outer.socket.fileno(), up.read)
        self.add_reader(inner.socket.fileno(), down.read)
        return link

    def turn(self) -> None:
        """Wait for something to happen, and deal with it."""
        entries = self._agenda.entries
        self._timer.set(entries[0][0] if entries else 0)
        readers = self._readers
        for fd, _ in self._epoll.poll():
            readers[fd]()
        now = Timer.now_ns()
        if entries and entries[0][0] <= now:
            self._latest_ns = max(self._latest_ns, now - entries[0][0])
            now = self._send_due(now)
        if now >= self._look_ns:
            self._look_ns = now + _LOOK_NS
            self.look()

    def _send_due(self, now_ns: int) -> int:
        """Send a few of those that are due; what time it is then."""
        entries, clock, late_ns, count = self._agenda.entries, Timer.now_ns, 0, 0
        while count < _AT_ONCE and entries and entries[0][0] <= now_ns:
            due, _, send, frame = heapq.heappop(entries)
            late_ns += now_ns - due
            send(frame)
            count += 1
            now_ns = clock()
        self._late_ns += late_ns
        self._sent += count
        return now_ns

    def look(self) -> None:
        """Tell of frames that were lost here, and by no link that was asked for."""
        for link in self._links:
            for name, way in (("up", link.up), ("down", link.down)):
                way.look()
                found = way.counts.faults()
                if found != link.told[name]:
                    link.told[name] = found
                    self._report({"event": "failed", "link": link.name, "way": name, **found})

    def catch_up(self) -> None:
        """Take in what came before an order, so that the order is for what comes after it."""
        for link in self._links:
            for way in (link.up, link.down):
                for _ in range(_CATCH_UP):
                    if way.read() < FRAMES:
                        break

    # -- orders --------------------------------------------------------------------------------------

    def impair(self, link: Link, up: Shape | None, down: Shape | None) -> None:
        """From now on the link is such; what is under way keeps its time."""
        for way, shape in ((link.up, up), (link.down, down)):
            if shape is not None:
                way.shaper.reshape(shape)

    def blackhole(self, link: Link, direction: str, on: bool) -> None:
        """Swallow what comes from now on in that direction (``up``, ``down``, ``both``), or no longer."""
        for name, way in (("up", link.up), ("down", link.down)):
            if direction in (name, "both"):
                way.silent = on

    def stall(self, link: Link, on: bool, direction: str = "both") -> None:
        """Hold all that comes from now on in that direction; or let go of it."""
        for name, way in (("up", link.up), ("down", link.down)):
            if direction in (name, "both"):
                way.stall(on)

    def refuse(self, link: Link, on: bool, direction: str = "both") -> None:
        """Answer requests for a tcp connection that go that way, as a host where nobody listens; or no longer."""
        for name, way in (("up", link.up), ("down", link.down)):
            if direction in (name, "both"):
                way.refuses = on

    def count(self, link: Link) -> dict[str, Any]:
        """What has become of its frames, and how late this process has sent those of all links that it held, ns."""
        self.look()
        return {
            "up": link.up.counts.plain(),
            "down": link.down.counts.plain(),
            "held": self._sent,
            "late_mean_ns": self._late_ns // max(1, self._sent),
            "latest_ns": self._latest_ns,
        }
