"""Load balancer: strict round robin over pipes that have room (F73-F76)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.twin.errors import HalfSentError
from harness.twin.msg import Msg
from harness.twin.pipe import Pipe

if TYPE_CHECKING:
    from harness.twin.observer import Observer


class LoadBalancer:
    """Outbound pipes; those before ``_active`` may be written to, the others are full."""

    __slots__ = ("_active", "_current", "_dropping", "_more", "_observer", "_pipes")

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._pipes: list[Pipe] = []
        self._active = 0
        self._current = 0
        self._more = False
        self._dropping = False

    def attach(self, pipe: Pipe) -> None:
        """A new pipe goes to the end of the active ones."""
        self._pipes.append(pipe)
        self.activated(pipe)

    def activated(self, pipe: Pipe) -> None:
        """The pipe has room again: to the end of the active ones."""
        _swap(self._pipes, self._pipes.index(pipe), self._active)
        self._active += 1

    def pipe_terminated(self, pipe: Pipe) -> None:
        """The pipe is gone; the rest of a message that it had begun is swallowed (F75)."""
        index = self._pipes.index(pipe)
        if index == self._current and self._more:
            self._dropping = True
        if index < self._active:
            self._active -= 1
            _swap(self._pipes, index, self._active)
            if self._current == self._active:
                self._current = 0
        self._pipes.remove(pipe)

    def send(self, msg: Msg) -> Pipe | bool:
        """Write one frame: the pipe that took it, True when it was swallowed, False for EAGAIN.

        Raises HalfSentError when the pipe that has the first frames takes no more.
        """
        if self._dropping:
            self._more = msg.more
            self._dropping = msg.more
            if not msg.more:
                self._observer.lost("disconnect_pipe", msg, None)
            return True
        pipes = self._pipes
        pipe: Pipe | None = None
        while self._active > 0:
            pipe = pipes[self._current]
            if pipe.write(msg):
                break
            if self._more:
                # The pipe died in the middle of a message: take back what it has of it (F75).
                pipe.rollback()
                self._dropping = msg.more
                self._more = False
                raise HalfSentError
            self._active -= 1
            if self._current < self._active:
                _swap(pipes, self._current, self._active)
            else:
                self._current = 0
        else:
            return False
        self._more = msg.more
        if not msg.more:
            pipe.flush()
            self._current += 1
            if self._current >= self._active:
                self._current = 0
        return pipe

    def has_out(self) -> bool:
        """Whether a frame could be written now."""
        if self._more:
            return True
        while self._active > 0:
            if self._pipes[self._current].check_write():
                return True
            self._active -= 1
            _swap(self._pipes, self._current, self._active)
            if self._current == self._active:
                self._current = 0
        return False


def _swap(pipes: list[Pipe], first: int, second: int) -> None:
    pipes[first], pipes[second] = pipes[second], pipes[first]
