"""The stream engine: speaks ZMTP over one connection, batches out, decodes in.

Theory of operation. Outwards: when the kernel takes bytes, or at once when a message comes while the
engine was idle (a speculative write, F193), the engine pulls messages from its session until a batch
of 8192 bytes is full or the pipe is empty, and writes it with one call; a new batch is started only
when the last has been written wholly (F15, F16, F195). Inwards: one read of at most 8192 bytes (or
the whole rest of a large body) a turn, all complete messages pushed, one flush (F17, F18). When the
pipe is full the engine parks one message and stops reading (F20) until credit restarts it (F197).

Until the handshake is done (``harness/twin/handshake.py``) what goes out and comes in is its pieces
and commands, through the same batches.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from harness.twin.handshake import Handshake
from harness.twin.msg import GREETING, ROUTING_ID, Msg
from harness.twin.session import ProtocolError

if TYPE_CHECKING:
    from harness.twin.costs import StreamCosts
    from harness.twin.flow import Flow
    from harness.twin.io_thread import IoThread
    from harness.twin.session import Session

BATCH_BYTES: Final = 8192
"""out_batch_size and in_batch_size (F15, F17)."""


class Engine:
    """One end of one stream connection."""

    __slots__ = (
        "_body_seen",
        "_calls",
        "_cut_bytes",
        "_handshake",
        "_held",
        "_in",
        "_input_stopped",
        "_io",
        "_out",
        "_out_bytes",
        "_output_stopped",
        "_parked",
        "_queued",
        "_ready",
        "_session",
        "_wire_bytes",
        "far",
        "plugged",
    )

    def __init__(self, io: IoThread, calls: StreamCosts, out: Flow, into: Flow) -> None:
        self._io = io
        self._calls = calls
        self._out = out
        self._in = into
        self._session: Session | None = None
        self.plugged: Session | None = None
        """The session that it speaks, or spoke, for: what the peer has been told outlives it."""
        self.far: Engine = self  # set by connect_engines
        out.sender = self
        into.receiver = self
        # Outwards: bytes of the present batch that are not written yet, and bytes of a message
        # that is cut at a batch boundary.
        self._out_bytes = 0
        self._cut_bytes = 0
        self._held: Msg | None = None
        """The message that is cut, if its data are still the program's."""
        self._output_stopped = True
        # Inwards.
        self._input_stopped = False
        self._parked: Msg | None = None
        self._queued = False
        self._body_seen = False
        # Handshake; what a frame takes on the wire is the mechanism's to say.
        self._handshake: Handshake | None = None
        self._ready = False
        self._wire_bytes: Callable[[Msg], int] = Msg.wire_bytes

    # -- life ----------------------------------------------------------------------------------

    def plug(self, session: Session) -> None:
        """Start to speak for ``session``: the first ten bytes go at once (F177)."""
        self._session = self.plugged = session
        self._io = session.io
        self._io.load += 1
        self._handshake = Handshake(session)
        self.restart_output()
        self.data_coming()

    def close(self) -> None:
        """The session ends the connection: the unwritten batch is lost, kernel data goes on (F166, F168)."""
        session, self._session = self._session, None
        if session is not None:
            self._leave(session)
        else:
            # Never spoken for: the far end shall hear of it all the same.
            self._in.broken = True
            self._out.close()

    def _failed(self, protocol: bool, error: int = errno.EPIPE) -> None:
        session, self._session = self._session, None
        if session is not None:
            # What was wrong with the protocol has been told where it was found.
            if not protocol and self._handshake is not None and self._handshake.under_way:
                session.event("handshake_failed_no_detail", error)
            self._leave(session)
            session.engine_error(protocol)

    def _leave(self, session: Session) -> None:
        self._io.load -= 1
        out = self._out
        unwritten = self._out_bytes + self._cut_bytes
        written = out.loaded - unwritten
        while unwritten and out.frames and out.frames[-1][0] > written:
            session.lost_on_wire(out.frames.pop()[1], session.remote)
        self._out_bytes = self._cut_bytes = 0
        # Nobody reads on this side any more: what is still coming in is lost, parked included.
        for msg in self.coming_in():
            session.lost_on_wire(msg, session.socket)
        self._parked = None
        self._in.frames.clear()
        self._in.broken = True
        if self.far._session is None:
            for msg in out.under_way():
                session.lost_on_wire(msg, session.remote)
            out.frames.clear()
        out.close()

    # -- outwards ------------------------------------------------------------------------------

    def restart_output(self) -> None:
        """There is something to send again: write without asking the poller (F193)."""
        if self._session is None:
            return
        self._output_stopped = False
        self._write_turn()

    def writable_again(self) -> None:
        """The kernel takes bytes again."""
        self._io.poll_out(self)

    def out_event(self) -> None:
        """The poller says writable."""
        if self._session is None or self._output_stopped:
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
        encode = self._io.costs.encode
        out = self._out
        size = self._cut_bytes
        self._cut_bytes = 0
        if size >= BATCH_BYTES:
            self._out_bytes = size  # the rest of a large message goes alone, by pointer (F16)
            return False
        self._held = None
        emptied = False
        while size < BATCH_BYTES:
            msg = self._pull()
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

    def _pull(self) -> Msg | None:
        if self._ready:
            return self._session.pull_msg() if self._session is not None else None
        handshake = self._handshake
        assert handshake is not None
        msg = handshake.next()
        if msg is None and handshake.ready:
            self._mechanism_ready()
            return self._session.pull_msg() if self._session is not None else None
        return msg

    # -- inwards -------------------------------------------------------------------------------

    def data_coming(self) -> None:
        """Bytes, or the end, are under way to this end's kernel."""
        if self._queued or self._input_stopped or self._session is None:
            return
        time_ns = self._in.readable_ns()
        if time_ns >= 0:
            self._queued = True
            self._io.poll_in(self, time_ns)

    def in_event(self) -> None:
        """The poller says readable."""
        self._queued = False
        if self._session is None or self._input_stopped:
            return
        self._read_turn()
        self.data_coming()

    def _read_turn(self) -> None:
        into = self._in
        limit = BATCH_BYTES
        if self._body_seen and into.frames:
            # The header of the frame at the front was decoded: its body is read in one go (F18).
            limit = max(BATCH_BYTES, into.frames[0][0] - into.read_offset)
        size = into.read(limit)
        self._io.kernel.lag_ns += self._calls.read(size)
        if size == 0:
            if into.at_end():
                self._failed(protocol=False)
            return
        self._decode()
        if self._session is not None:
            self._session.flush()

    def _decode(self) -> bool:
        """Hand on all frames that were read; False when the pipe is full."""
        into = self._in
        frames = into.frames
        end = into.read_offset
        kernel = self._io.kernel
        decode = self._io.costs.decode
        while frames and frames[0][0] <= end:
            msg = frames.popleft()[1]
            kernel.lag_ns += decode(self._wire_bytes(msg))
            if msg.kind >= GREETING:
                self._shake(msg)
                if self._session is None:
                    return True
            elif not self._push(msg):
                return self._session is None
        self._body_seen = bool(frames) and frames[0][0] - self._wire_bytes(frames[0][1]) < end
        return True

    def _push(self, msg: Msg) -> bool:
        session = self._session
        assert session is not None
        try:
            pushed = session.push_msg(msg)
        except ProtocolError:
            session.lost_on_wire(msg, session.socket)
            self._failed(protocol=True)
            return False
        if not pushed:
            self._parked = msg
            self._input_stopped = True
        return pushed

    def restart_input(self) -> None:
        """There is room in the pipe: parked message, rest of the buffer, one more read (F197)."""
        if not self._input_stopped or self._session is None or self._parked is None:
            return
        if not self._session.push_msg(self._parked):
            self._session.flush()
            return
        self._parked = None
        if not self._decode():
            self._session.flush()
            return
        self._input_stopped = False
        self._session.flush()
        self._read_turn()
        self.data_coming()

    def coming_in(self) -> list[Msg]:
        """Frames on their way to this end: far batch, kernels, wire, and the one that is parked."""
        return [*self.parked(), *self._in.under_way()]

    def stranded(self) -> list[Msg]:
        """Frames on their way to a far end that has closed, which this end has not noticed yet."""
        return self._out.under_way() if self.far._session is None else []

    def parked(self) -> list[Msg]:
        """The message that waits for room, if any."""
        return [] if self._parked is None else [self._parked]

    # -- handshake -------------------------------------------------------------------------------

    def _shake(self, msg: Msg) -> None:
        handshake = self._handshake
        assert handshake is not None
        try:
            handshake.process(msg)
        except ProtocolError:
            self._failed(protocol=True)
            return
        if handshake.ready:
            self._mechanism_ready()
        if self._output_stopped:
            self.restart_output()

    def _mechanism_ready(self) -> None:
        session = self._session
        assert session is not None
        assert self._handshake is not None
        mechanism = self._handshake.mechanism
        assert mechanism is not None
        self._ready = True
        far = self.far.plugged
        assert far is not None
        session.engine_ready(far)
        if session.socket.receives_routing_id:
            session.push_msg(Msg(mechanism.routing_id, kind=ROUTING_ID))
            session.flush()
        self._wire_bytes = mechanism.wire_bytes
        session.event("handshake_succeeded")


def connect_engines(first: Engine, second: Engine) -> None:
    """Tell both ends of a connection of each other."""
    first.far, second.far = second, first
