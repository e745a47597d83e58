"""The outward half of a stream engine: frames into batches, batches into the kernel.

Theory of operation. When the kernel takes bytes, or at once when a message comes while the engine was
idle (a speculative write, F193), the engine pulls messages from its source until a batch of 8192 bytes
is full or the source is empty, and writes it with one call; a new batch is started only when the last
has been written wholly (F15, F16, F195).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from harness.twin.msg import Msg

if TYPE_CHECKING:
    from harness.twin.costs import StreamCosts
    from harness.twin.flow import Flow
    from harness.twin.io_thread import IoThread
    from harness.twin.mechanism import FrameCosts
    from harness.twin.session import Session

BATCH_BYTES: Final = 8192
"""out_batch_size and in_batch_size (F15, F17)."""


class Outlet:
    """What an engine needs to speak."""

    __slots__ = (
        "_calls",
        "_costs",
        "_cut_bytes",
        "_held",
        "_io",
        "_io_error",
        "_next_msg",
        "_out",
        "_out_bytes",
        "_output_stopped",
        "_session",
        "_wire_bytes",
    )

    def __init__(self, io: IoThread, calls: StreamCosts, out: Flow, source: Callable[[], Msg | None]) -> None:
        self._io = io
        self._calls = calls
        self._costs: FrameCosts = io.costs
        """What it costs to put a frame into a batch, and to take it out; the mechanism's to say."""
        self._out = out
        self._session: Session | None = None
        self._io_error = False
        """It has left the poller, since the connection broke while it did not read (F144)."""
        # Bytes of the present batch that are not written yet, and of a message that is cut at its end.
        self._out_bytes = 0
        self._cut_bytes = 0
        self._held: Msg | None = None
        """The message that is cut, if its data are still the program's."""
        self._output_stopped = True
        self._next_msg = source
        """Where the next frame comes from, as long as that holds."""
        self._wire_bytes: Callable[[Msg], int] = Msg.wire_bytes
        """What a frame takes on the wire; the mechanism's to say."""

    def restart_output(self) -> None:
        """There is something to send again: write without asking the poller (F193)."""
        if self._session is None or self._io_error:
            return
        self._output_stopped = False
        self._write_turn()

    def writable_again(self) -> None:
        """The kernel takes bytes again."""
        self._io.poll_out(self)

    def out_event(self) -> None:
        """The poller says writable."""
        if self._session is None or self._output_stopped or self._io_error:
            return
        self._write_turn()

    def _write_turn(self) -> None:
        if self._out_bytes == 0:
            emptied = self._encode()
            if self._out_bytes == 0:
                self._output_stopped = True
                return
        else:
            emptied = False
        out = self._out
        accepted = out.write(self._out_bytes)
        if accepted < 0:
            return  # the reading side will report it; until then nothing more is written (F142)
        self._io.kernel.lag_ns += self._calls.write(accepted)
        self._out_bytes -= accepted
        if emptied and self._out_bytes == 0 and self._cut_bytes == 0:
            # The next writable event would find nothing and stop output polling (F194); the pipe
            # was seen empty, so whatever comes now comes with a command anyway.
            self._output_stopped = True
        elif out.writable():
            self._io.poll_out(self)
        else:
            out.wants_out = True

    def _encode(self) -> bool:
        """Fill a batch; whether the source was found empty."""
        kernel = self._io.kernel
        encode = self._costs.encode
        out = self._out
        size = self._cut_bytes
        self._cut_bytes = 0
        if size >= BATCH_BYTES:
            self._out_bytes = size  # the rest of a large message goes alone, by pointer (F16)
            return False
        self._held = None
        emptied = False
        while size < BATCH_BYTES:
            msg = self._next_msg()
            if msg is None:
                emptied = True
                break
            wire = self._wire_bytes(msg)
            if msg.__class__ is not Msg:
                self._held, msg = msg, msg.copied()
            out.load(msg, wire)
            kernel.lag_ns += encode(wire)
            size += wire
        if size > BATCH_BYTES:
            self._cut_bytes = size - BATCH_BYTES
            size = BATCH_BYTES
        else:
            self._held = None
        self._out_bytes = size
        return emptied

    def say_next(self, source: Callable[[], Msg]) -> None:
        """A command goes out in front of the next batch (F157, F196), at once if none is being written."""
        session = self._session
        if session is None or self._io_error:
            return

        def once() -> Msg:
            self._next_msg = session.pull_msg
            return source()

        self._next_msg = once
        self._write_turn()
