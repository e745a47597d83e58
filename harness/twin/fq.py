"""Fair queueing: one complete message from each readable pipe in turn (F77)."""

from __future__ import annotations

from harness.twin.msg import Msg
from harness.twin.pipe import Pipe


class FairQueue:
    """Inbound pipes; those before ``_active`` may hold messages, the others were found empty."""

    __slots__ = ("_active", "_current", "_more", "_pipes", "last")

    def __init__(self) -> None:
        self._pipes: list[Pipe] = []
        self._active = 0
        self._current = 0
        self._more = False
        self.last: Pipe | None = None
        """The pipe that gave the last frame."""

    def attach(self, pipe: Pipe) -> None:
        """A new pipe goes to the end of the active ones."""
        self._pipes.append(pipe)
        self._swap(self._active, len(self._pipes) - 1)
        self._active += 1

    def activated(self, pipe: Pipe) -> None:
        """The pipe has messages again: to the end of the active ones."""
        self._swap(self._pipes.index(pipe), self._active)
        self._active += 1

    def pipe_terminated(self, pipe: Pipe) -> None:
        """The pipe is gone."""
        index = self._pipes.index(pipe)
        if index < self._active:
            self._active -= 1
            self._swap(index, self._active)
            if self._current == self._active:
                self._current = 0
        self._pipes.remove(pipe)

    def recv(self) -> Msg | None:
        """The next frame, or None when there is none."""
        pipes = self._pipes
        while self._active > 0:
            pipe = pipes[self._current]
            msg = pipe.read()
            if msg is not None:
                self.last = pipe
                self._more = msg.more
                if not msg.more:
                    self._current = (self._current + 1) % self._active
                return msg
            self._deactivate_current()
        return None

    def has_in(self) -> bool:
        """Whether a frame can be read; moves past empty pipes only."""
        if self._more:
            return True
        while self._active > 0:
            if self._pipes[self._current].check_read():
                return True
            self._deactivate_current()
        return False

    def _deactivate_current(self) -> None:
        self._active -= 1
        self._swap(self._current, self._active)
        if self._current == self._active:
            self._current = 0

    def _swap(self, first: int, second: int) -> None:
        pipes = self._pipes
        pipes[first], pipes[second] = pipes[second], pipes[first]
