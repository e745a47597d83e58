"""Watching a socket's monitor: its events by name, in order."""

from __future__ import annotations

import errno
import itertools
import struct
from dataclasses import dataclass
from typing import Any

from tests.both.stage import Stage

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Event:
    """One monitor event: its name without ``EVENT_``, its value, and the endpoint that it is about."""

    name: str
    value: int
    endpoint: str


class Watch:
    """The receiving end of a monitor."""

    def __init__(self, stage: Stage, socket: Any, mask: int | None = None) -> None:
        zmq = stage.zmq
        self._stage = stage
        self.names_of = {int(getattr(zmq, name)): name[6:] for name in dir(zmq) if name.startswith("EVENT_")}
        del self.names_of[int(zmq.EVENT_ALL)]
        endpoint = f"inproc://watch-{next(_numbers)}"
        socket.monitor(endpoint, zmq.EVENT_ALL if mask is None else mask)
        self.socket = stage.socket(zmq.PAIR, socket.context)
        self.socket.connect(endpoint)

    def next(self, limit_s: float = 3.0) -> Event | None:
        """The next event, or None when none comes in time."""
        if not self.socket.poll(max(0, int(limit_s * 1000))):
            return None
        head, endpoint = self.socket.recv_multipart(self._stage.zmq.DONTWAIT)
        number, value = struct.unpack("=Hi", head)
        return Event(self.names_of.get(number, str(number)), value, endpoint.decode())

    def all(self, idle_s: float = 0.4, limit: int = 100, until: str | None = None, overall_s: float = 10.0) -> Any:
        """Events until it is quiet for a while, or until one of that name."""
        events: list[Event] = []
        end_ns = self._stage.now_ns() + int(overall_s * 1e9)
        while len(events) < limit and self._stage.now_ns() < end_ns:
            event = self.next(idle_s)
            if event is None:
                break
            events.append(event)
            if event.name == until:
                break
        return events

    def names(self, *args: Any, **options: Any) -> list[str]:
        """As ``all``, only the names."""
        return [event.name for event in self.all(*args, **options)]

    def wait_for(self, name: str, limit_s: float = 5.0) -> Event | None:
        """The first event of that name; others are skipped."""
        end_ns = self._stage.now_ns() + int(limit_s * 1e9)
        while (left_ns := end_ns - self._stage.now_ns()) > 0:
            event = self.next(max(0.01, left_ns / 1e9))
            if event is None or event.name == name:
                return event
        return None

    def failures(self, limit_s: float = 0.6) -> list[Any]:
        """The distinct handshake failures that come within the time: [name, meaning of the value]."""
        seen: list[Any] = []
        end_ns = self._stage.now_ns() + int(limit_s * 1e9)
        while (event := self.next(0.2)) is not None and self._stage.now_ns() <= end_ns:
            if "FAILED" in event.name and self.failure(event) not in seen:
                seen.append(self.failure(event))
        return seen

    def failure(self, event: Event) -> list[Any]:
        """[name, meaning of the value] of a handshake failure."""
        if event.name.endswith("PROTOCOL"):
            zmq = self._stage.zmq
            head = "PROTOCOL_ERROR_"
            meanings = {int(getattr(zmq, name)): name[len(head) :] for name in dir(zmq) if name.startswith(head)}
            return [event.name, meanings.get(event.value, hex(event.value))]
        if event.name.endswith("NO_DETAIL"):
            return [event.name, errno.errorcode.get(event.value, event.value)]
        return [event.name, event.value]
