"""Message frames, as pyzmq's backend gives them."""

from __future__ import annotations

from typing import Any

from harness.twin.face import front_end_module
from harness.twin.options import NotSimulatedYet


class Frame:
    """A message frame. See ``zmq.Frame``."""

    more: bool
    tracker: Any
    _data: Any
    _bytes: Any

    def __init__(
        self, data: Any = None, track: bool = False, copy: bool | None = None, copy_threshold: int | None = None
    ) -> None:
        del copy, copy_threshold  # the simulated library never copies
        if isinstance(data, str):
            raise TypeError("Str objects not allowed. Only: bytes, buffer interfaces.")
        self._data = b"" if data is None else data
        self._bytes = data if isinstance(data, bytes) else None
        self.more = False
        self.tracker = front_end_module().sugar.tracker._FINISHED_TRACKER if track else None

    def __len__(self) -> int:
        return len(self.buffer)

    def __bytes__(self) -> Any:
        return self.bytes

    def __buffer__(self, flags: int, /) -> memoryview:
        return self.buffer

    def __copy__(self) -> Frame:
        return self.fast_copy()

    def fast_copy(self) -> Frame:
        """Another frame over the same data."""
        twin = self.__class__(self._data)
        twin.more = self.more
        twin.tracker = self.tracker
        return twin

    @property
    def buffer(self) -> memoryview:
        """The data as a memoryview."""
        return memoryview(self._data)

    @property
    def bytes(self) -> Any:
        """The data as bytes."""
        if self._bytes is None:
            self._bytes = self.buffer.tobytes()
        return self._bytes

    def __str__(self) -> str:
        return str(self.bytes, "utf-8", "replace")

    def get(self, option: Any) -> int | str:
        """A message property; MORE is the one that is simulated."""
        if option == 1:
            return int(self.more)
        raise NotSimulatedYet(f"message property {option!r}")

    def set(self, option: Any, value: Any) -> None:
        """A message property."""
        raise NotSimulatedYet(f"message property {option!r}")
