"""Message frames, as pyzmq's backend gives them.

A frame made without a copy shares its data with the library until that needs them no longer, and
pyzmq's trackers wait for this moment. :class:`Hold` is the library's claim: the frame, its copies
and its messages on their way refer to it, and it ends with the last of them. A message has left when
a peer's program has freed it (inproc), or when the encoder has written it (ipc, tcp).
"""

from __future__ import annotations

import errno as _errno
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from harness.twin.face import front_end_module, front_end_part, raise_errno
from harness.twin.msg import Msg, SharedMsg

if TYPE_CHECKING:
    from collections.abc import Mapping

_MORE: Final = 1
_SRCFD: Final = 2
_SHARED: Final = 3


class Hold:
    """The library's hold on data that it shares with the program (zmq_msg_init_data)."""

    __slots__ = ("_event", "_key", "_refs")

    def __init__(self, data: Any, event: Any) -> None:
        # pyzmq's own table of what the library holds; its thread is not needed to empty it.
        garbage = front_end_part("utils.garbage")
        held = garbage.gcref(data, event)
        self._event = event
        self._key = id(held)
        self._refs = garbage.gc.refs
        self._refs[self._key] = held

    def __del__(self) -> None:
        self._refs.pop(self._key, None)
        if self._event is not None:
            self._event.set()


class Frame(bytearray):
    """A message frame. See ``zmq.Frame``.

    It is a bytearray so that it offers its buffer to C: before Python 3.12 no class written in
    Python can. To a program it is as opaque as pyzmq's.
    """

    more: bool
    tracker: Any
    _data: Any
    _bytes: Any
    _buffer: Any
    _hold: Any
    _properties: Any

    def __init__(
        self,
        data: Any = None,
        track: bool = False,
        copy: bool | None = None,
        copy_threshold: int | None = None,
        **_ignored: Any,
    ) -> None:
        self.more = False
        self._data = data
        self._bytes = self._buffer = self._hold = None
        self._properties = {}
        self.tracker = front_end_module().sugar.tracker._FINISHED_TRACKER if track else None
        if isinstance(data, str):
            raise TypeError("Str objects not allowed. Only: bytes, buffer interfaces.")
        if data is None:
            return
        view = memoryview(data)
        if not view.contiguous:
            raise BufferError("memoryview: underlying buffer is not contiguous")
        super().__init__(view)
        if copy is None:
            threshold = front_end_module().COPY_THRESHOLD if copy_threshold is None else copy_threshold
            copy = bool(threshold) and view.nbytes < threshold
        if not copy:
            self._share(data, track)

    def _share(self, data: Any, track: bool) -> None:
        event = None
        if track:
            tracking = front_end_module().sugar.tracker
            event = tracking.Event()
            self.tracker = tracking.MessageTracker(event)
        self._hold = Hold(data, event)

    @classmethod
    def received(cls, msg: Msg, track: bool, properties: Mapping[str, str]) -> Any:
        """The frame of a message that has come in."""
        frame = front_end_module().Frame(msg.data, track=track, copy=True)
        frame._data = None
        frame.more = msg.more
        frame._properties = properties
        if msg.__class__ is SharedMsg:
            frame._hold = msg.hold  # the data are still the sender's
        return frame

    def message(self, more: bool) -> Msg:
        """What goes on its way when this frame is sent."""
        if self._hold is None:
            return Msg(self.bytes, more)
        return SharedMsg(self.bytes, more, self._hold)

    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __str__ = object.__str__

    def __copy__(self) -> Frame:
        return self.fast_copy()

    def fast_copy(self) -> Frame:
        """Another frame over the same data."""
        twin = self.__class__()
        bytearray.__init__(twin, self)
        twin._data = self._data
        twin._bytes = self._bytes
        twin._hold = self._hold
        twin._properties = self._properties
        twin.tracker = self.tracker
        return twin

    @property
    def buffer(self) -> memoryview:
        """A memoryview of the content; the same one as long as somebody holds it."""
        buffer: memoryview | None = self._buffer and self._buffer()
        if buffer is None:
            buffer = memoryview(self)
            self._buffer = ref(buffer)
        return buffer

    @property
    def bytes(self) -> Any:
        """The content as bytes, copied at first use."""
        if self._bytes is None:
            self._bytes = memoryview(self).tobytes()
        return self._bytes

    def get(self, option: Any) -> int | str:
        """zmq_msg_get for a number, zmq_msg_gets for a name. Raises ZMQError (EINVAL), TypeError."""
        if isinstance(option, int):
            if option == _MORE:
                return int(self.more)
            if option == _SRCFD and "__fd" in self._properties:
                return int(self._properties["__fd"])
            if option == _SHARED:
                return 0
            raise_errno(_errno.EINVAL)
        if isinstance(option, (bytes, bytearray)):
            option = option.decode()
        if not isinstance(option, str):
            raise TypeError(f"expected str, got: {option!r}")
        if option not in self._properties:
            raise_errno(_errno.EINVAL)
        value: str = self._properties[option]
        return value

    def set(self, option: Any, value: Any) -> None:
        """zmq_msg_set, which knows no property that could be set. Raises ZMQError (EINVAL), TypeError."""
        if not isinstance(option, int):
            raise TypeError("an integer is required")
        raise_errno(_errno.EINVAL)
