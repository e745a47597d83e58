"""Timers of an I/O thread that can be cancelled: handshakes, heartbeats, linger, reconnection (F200).

One entry of the kernel's queue stands for the earliest of them. When none is left it is taken out, so
that a run which waits for nothing else ends when the last thing has happened, not when the longest
timer would have expired.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from harness.twin.kernel import NEVER_NS, Kernel

Command = Callable[[Any], None]


class Timer:
    """One timer; cancelled when it has no command any more."""

    __slots__ = ("argument", "command", "due_ns", "order")

    def __init__(self, due_ns: int, order: int, command: Command, argument: Any) -> None:
        self.due_ns = due_ns
        self.order = order
        self.command: Command | None = command
        self.argument = argument

    def __lt__(self, other: Timer) -> bool:
        return (self.due_ns, self.order) < (other.due_ns, other.order)


class Timers:
    """The timers of one thread; ``post`` is told the commands that are due."""

    __slots__ = ("_armed_ns", "_entry", "_heap", "_kernel", "_order", "_post")

    def __init__(self, kernel: Kernel, post: Callable[[Command, Any], None]) -> None:
        self._kernel = kernel
        self._post = post
        self._heap: list[Timer] = []
        self._order = 0
        self._armed_ns = NEVER_NS
        self._entry: Any = None

    def start(self, due_ns: int, command: Command, argument: Any) -> Timer:
        """``command(argument)`` in the turn that is due then."""
        self._order += 1
        timer = Timer(due_ns, self._order, command, argument)
        heappush(self._heap, timer)
        self._arm()
        return timer

    def cancel(self, timer: Timer) -> None:
        """It shall not happen."""
        timer.command = timer.argument = None
        self._arm()

    def clear(self) -> None:
        """None of them shall happen."""
        self._heap.clear()
        self._arm()

    def _arm(self) -> None:
        heap = self._heap
        while heap and heap[0].command is None:
            heappop(heap)
        due_ns = heap[0].due_ns if heap else NEVER_NS
        if due_ns < self._armed_ns or (not heap and self._entry is not None):
            if self._entry is not None:
                self._kernel.cancel(self._entry)
            self._entry = self._kernel.call_at(due_ns, self._due) if heap else None
            self._armed_ns = due_ns

    def _due(self) -> None:
        self._entry = None
        self._armed_ns = NEVER_NS
        heap = self._heap
        now_ns = self._kernel.now_ns
        while heap and heap[0].due_ns <= now_ns:
            timer = heappop(heap)
            if timer.command is not None:
                self._post(_fire, timer)
        self._arm()


def _fire(timer: Timer) -> None:
    # It may have been cancelled while it waited for the turn, by whatever came before it there.
    command = timer.command
    if command is not None:
        timer.command = None
        command(timer.argument)
