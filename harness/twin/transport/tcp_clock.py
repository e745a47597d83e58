"""Time that passes for the two kernels of a loopback connection while nobody asks them anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from harness.twin.kernel import NEVER_NS, Kernel
from harness.twin.transport.tcp_path import TcpPath


class PathClock:
    """The timers of a path.

    Args:
        kernel: whose time passes.
        path: late acknowledgements and window probes are its own.
        is_over: whether what happens on the path is of no interest any more.
        news: called after each timer; it is told whether the receiver can read now and could not before.
    """

    __slots__ = ("_due_ns", "_is_over", "_kernel", "_news", "_path")

    def __init__(
        self, kernel: Kernel, path: TcpPath, is_over: Callable[[], bool], news: Callable[[bool], None]
    ) -> None:
        self._kernel: Final = kernel
        self._path: Final = path
        self._is_over: Final = is_over
        self._news: Final = news
        self._due_ns = NEVER_NS

    def watch(self) -> None:
        """See to the next timer. They matter only while somebody waits for what they bring."""
        path = self._path
        if not path.has_unsent and path.writable:
            return
        due = path.next_timer_ns
        if due < self._due_ns:
            self._due_ns = due
            self._kernel.call_at(max(due, self._kernel.now_ns), self._tick)

    def _tick(self) -> None:
        self._due_ns = NEVER_NS
        if self._is_over():
            return
        path = self._path
        had_bytes = path.readable
        path.advance(self._kernel.now_ns)
        self._news(path.readable and not had_bytes)
        self.watch()
