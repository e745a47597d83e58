"""What the supervisor and the nodes share: a few words in a mapping that belongs to no file.

Each word has one writer, and a word is stored in one piece, so nobody needs a lock. The mapping, like
the records, survives the death of any one process and is gone with the last.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from enum import IntEnum

_HEADER_WORDS = 8
_NODE_WORDS = 8
_WORD_BYTES = 8
_ERROR_BYTES = 4096

_GO = 0
_LINE = 1

_STATE = 0
_SLOW = 1
_BUSY = 2


class State(IntEnum):
    """How far a node is; written by the node."""

    NEW = 0
    AT_GATE = 1
    """Everything is imported, the program may be called."""
    RUNNING = 2
    READY = 3
    """The program waits, receives or wants to send: its sockets are set up."""
    FINISHED = 4
    FULL = 5
    """Its recorder has no room left."""
    FAILED = 6
    """Its program raised an exception, see :meth:`Control.error`."""
    DOWN = 7
    """A fault has killed it; written by the supervisor, since the node cannot."""


def shared_file(name: str, size_bytes: int) -> int:
    """A file descriptor for a file of that size that has no name and takes memory only where it is written."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create(f"zmq-harness-{name}")
    else:
        with tempfile.TemporaryFile(prefix="zmq-harness-") as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size_bytes)
    return descriptor


class Control:
    """The control block of a run, mapped.

    Args:
        descriptor: from :func:`shared_file`, of :meth:`size` bytes.
        nodes: how many nodes the run has; a node is named by its position in the topology.
    """

    def __init__(self, descriptor: int, nodes: int) -> None:
        self._map = mmap.mmap(descriptor, self.size(nodes))
        self._errors_start = (_HEADER_WORDS + nodes * _NODE_WORDS) * _WORD_BYTES
        with memoryview(self._map) as view, view[: self._errors_start] as words:
            self._words = words.cast("q")
            self._floats = words.cast("d")

    def close(self) -> None:
        """Unmap it; nothing can be asked any more."""
        self._words.release()
        self._floats.release()
        self._map.close()

    @staticmethod
    def size(nodes: int) -> int:
        """Bytes of a control block for so many nodes."""
        return (_HEADER_WORDS + nodes * _NODE_WORDS) * _WORD_BYTES + nodes * _ERROR_BYTES

    @property
    def go(self) -> bool:
        """Whether programs without a start time may start."""
        return self._words[_GO] != 0

    def set_go(self) -> None:
        """Open the gate."""
        self._words[_GO] = 1

    @property
    def line_ns(self) -> int:
        """The start line, in ns of CLOCK_MONOTONIC; 0 while it is not known."""
        return self._words[_LINE]

    def set_line(self, monotonic_ns: int) -> None:
        """Tell everybody the start line."""
        self._words[_LINE] = monotonic_ns

    def state(self, node: int) -> State:
        """How far a node is."""
        return State(self._words[_word(node, _STATE)])

    def set_state(self, node: int, state: State) -> None:
        """By the node alone, or for one that is dead."""
        self._words[_word(node, _STATE)] = state

    def slow_factor(self, node: int) -> float:
        """What ``node.work`` is multiplied by."""
        return self._floats[_word(node, _SLOW)] or 1.0

    def set_slow_factor(self, node: int, factor: float) -> None:
        """By the supervisor alone."""
        self._floats[_word(node, _SLOW)] = factor

    def busy_until_ns(self, node: int) -> int:
        """When the work that a node began last will be done, in ns of CLOCK_MONOTONIC."""
        return self._words[_word(node, _BUSY)]

    def set_busy_until(self, node: int, monotonic_ns: int) -> None:
        """By the node alone, at the start of each work."""
        self._words[_word(node, _BUSY)] = monotonic_ns

    def error(self, node: int) -> str:
        """The last lines of the exception that ended a node's program; empty when there was none."""
        start = self._errors_start + node * _ERROR_BYTES
        return self._map[start : start + _ERROR_BYTES].rstrip(b"\0").decode(errors="replace")

    def set_error(self, node: int, text: str) -> None:
        """By the node alone; what does not fit is cut off at the front."""
        start = self._errors_start + node * _ERROR_BYTES
        data = text.encode(errors="replace")[-_ERROR_BYTES:]
        self._map[start : start + len(data)] = data


def _word(node: int, field: int) -> int:
    return _HEADER_WORDS + node * _NODE_WORDS + field
