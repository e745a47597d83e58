"""One direction of one link: what becomes of each frame."""

from __future__ import annotations

import errno
import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, fields

from harness.live.emulator.batch import Batch
from harness.live.emulator.frames import is_traffic, refusal
from harness.live.emulator.port import FOREWORD_BYTES, Port
from harness.shaper import NO_ROOM, Shaper

_MOST_HELD = 65_536
"""So many frames a stall holds at most; tcp sends less before it waits."""
_NO_FOREWORD = bytes(FOREWORD_BYTES)
_DOWN = (errno.ENETDOWN, errno.ENXIO, errno.ENODEV)


class Agenda:
    """What is to be sent and when, of all links."""

    __slots__ = ("_number", "entries")

    def __init__(self) -> None:
        self.entries: list[tuple[int, int, Callable[[bytes], None], bytes]] = []
        """A heap: time, number in the order of arrival, what to do with the frame, the frame."""
        self._number = 0

    def add(self, due_ns: int, send: Callable[[bytes], None], frame: bytes) -> None:
        """Send it then, and behind all that came before it and is due then."""
        self._number += 1
        heapq.heappush(self.entries, (due_ns, self._number, send, frame))


@dataclass(slots=True)
class Counts:
    """What became of frames.

    Attributes:
        traffic: those that chance is drawn for; of these ``lost``, ``doubled``, ``overtaking``: by chance.
        no_room: lost before the narrowest place, or in a stall that held too much.
        others: arp and the like, delayed and nothing else.
        silenced: swallowed by a black hole.
        refused: requests for a connection that were answered here.
        sent: handed to the other interface, copies included.
        link_down: not sent, for that interface has no carrier.
        unread: thrown away by the kernel, for this process did not read in time.
        unsent: not taken by the other interface.
        merged: stood for several packets, as from an interface with offloads, and were shaped as one.
    """

    traffic: int = 0
    lost: int = 0
    doubled: int = 0
    overtaking: int = 0
    no_room: int = 0
    others: int = 0
    silenced: int = 0
    refused: int = 0
    sent: int = 0
    link_down: int = 0
    unread: int = 0
    unsent: int = 0
    merged: int = 0

    def plain(self) -> dict[str, int]:
        """By name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def faults(self) -> dict[str, int]:
        """What no link would have done, as far as it has happened: no such run shows what was asked for."""
        return {name: count for name in ("unread", "unsent", "merged") if (count := getattr(self, name))}


class Way:
    """Frames that go one way.

    Args:
        source, sink: where they come from and where they go.
        shaper: of this direction.
        agenda: takes what is to be sent later.
        batch: to read with.

    Attributes:
        back: the other direction; a request that is refused is answered there.
        silent: whatever comes is swallowed.
        refuses: no request for a tcp connection is passed on.
        counts: what has happened so far.
    """

    def __init__(self, source: Port, sink: Port, shaper: Shaper, agenda: Agenda, batch: Batch) -> None:
        self.back: Way = self  # set by the link
        self.silent = self.refuses = self._stalls = False
        self._held: list[bytes] = []
        self.counts = Counts()
        self.shaper = shaper
        self._source, self._sink = source, sink
        self._fd = source.socket.fileno()
        self._batch = batch
        self._pass_on = sink.socket.send
        self._agenda = agenda
        self._add = agenda.add

    def read(self) -> int:
        """Take in what has come, a batch at most; how many frames. Raises OSError."""
        try:
            frames = self._batch.read(self._fd)
        except OSError as error:
            if error.errno not in _DOWN:
                raise
            return 0
        take = self.take
        for came_ns, frame in frames:
            take(frame, came_ns)
        return len(frames)

    def take(self, frame: bytes, now_ns: int) -> None:
        """Decide upon a frame that came then."""
        counts = self.counts
        if self.silent:
            counts.silenced += 1
            return
        if self._stalls:
            self._hold(frame)
            return
        size = len(frame)
        if size > self._source.frame_bytes:
            counts.merged += 1
        shaper = self.shaper
        if not is_traffic(frame, FOREWORD_BYTES):
            counts.others += 1
            self._add(now_ns + shaper.shape.delay_ns, self.send, frame)
            return
        counts.traffic += 1
        due = shaper.send(now_ns, size - FOREWORD_BYTES)
        if due < 0:
            if due == NO_ROOM:
                counts.no_room += 1
            else:
                counts.lost += 1
            return
        send = self.send
        if self.refuses:
            answer = refusal(frame[FOREWORD_BYTES:])
            if answer is not None:
                counts.refused += 1
                send, frame = self.back.answer, _NO_FOREWORD + answer
        if shaper.overtakes:
            counts.overtaking += 1
        if shaper.twice:
            counts.doubled += 1
            self._add(due, send, frame)
        elif due == now_ns and (not self._agenda.entries or self._agenda.entries[0][0] > due):
            send(frame)
            return
        self._add(due, send, frame)

    def stall(self, on: bool) -> None:
        """Hold what comes from now on; or let go of it, as if it had come now."""
        self._stalls = on
        if not on:
            held, self._held = self._held, []
            for frame in held:
                self.take(frame, time.monotonic_ns())

    def _hold(self, frame: bytes) -> None:
        if len(self._held) < _MOST_HELD:
            self._held.append(frame)
        else:
            self.counts.no_room += 1

    def send(self, frame: bytes) -> None:
        """It arrives."""
        try:
            self._pass_on(frame)
            self.counts.sent += 1
        except OSError as error:
            if error.errno in _DOWN or not self._sink.has_carrier:
                self.counts.link_down += 1
            else:
                self.counts.unsent += 1

    def answer(self, frame: bytes) -> None:
        """A frame made here goes this way, as if it had come now."""
        self.take(frame, time.monotonic_ns())

    def look(self) -> None:
        """Ask the kernel what it has thrown away."""
        self.counts.unread = self._source.dropped()
