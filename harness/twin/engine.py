"""The stream engine: speaks ZMTP over one connection, batches out, decodes in.

Theory of operation. Outwards: see ``outlet.py``. Inwards: one read of at most 8192 bytes (or the whole
rest of a large body) a turn, all complete messages pushed, one flush (F17, F18). When the pipe is full
the engine parks one message and stops reading (F20) until credit restarts it (F197).

Until the handshake is done (``harness/twin/handshake.py``) what goes out and comes in is its pieces
and commands, through the same batches.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from harness.twin.errors import ProtocolError
from harness.twin.handshake import Handshake
from harness.twin.heartbeat import PING, Heartbeat
from harness.twin.msg import CREDENTIAL, GREETING, ROUTING_ID, Msg
from harness.twin.outlet import BATCH_BYTES, Outlet

if TYPE_CHECKING:
    from harness.twin.accept_filter import Credentials
    from harness.twin.costs import StreamCosts
    from harness.twin.flow import Flow
    from harness.twin.io_thread import IoThread
    from harness.twin.session import Session
    from harness.twin.timers import Timer

_SHORT_FRAME_BYTES: Final = 257
"""The longest frame with a size of one byte."""

STOP_HANDSHAKE_FAILED: Final = 2
"""Of RECONNECT_STOP (F131)."""


class Engine(Outlet):
    """One end of one stream connection."""

    __slots__ = (
        "_body_seen",
        "_handshake",
        "_handshake_timer",
        "_heartbeat",
        "_in",
        "_input_stopped",
        "_most_bytes",
        "_parked",
        "_process_msg",
        "_queued",
        "_ready",
        "far",
        "peer",
        "plugged",
    )

    def __init__(self, io: IoThread, calls: StreamCosts, out: Flow, into: Flow) -> None:
        super().__init__(io, calls, out, self._next_piece)
        self._in = into
        self.plugged: Session | None = None
        """The session that it speaks, or spoke, for: what the peer has been told outlives it."""
        self.far: Engine = self  # set by connect_engines
        self.peer: str | Credentials = ""
        """The address of the other end, or over ipc its process; set by whoever makes both ends."""
        out.sender = self
        into.receiver = self
        out.back, into.back = into, out
        self._input_stopped = False
        self._parked: Msg | None = None
        self._queued = False
        self._body_seen = False
        self._most_bytes = -1
        self._handshake: Handshake | None = None
        self._handshake_timer: Timer | None = None
        self._heartbeat: Heartbeat | None = None
        self._ready = False
        # Where a frame that was decoded goes, as long as that holds.
        self._process_msg: Callable[[Msg], bool] = self._push

    # -- life ----------------------------------------------------------------------------------

    def plug(self, session: Session) -> None:
        """Start to speak for ``session``: the first ten bytes go at once (F177)."""
        self._session = self.plugged = session
        self._io = session.io
        self._io.load += 1
        self._most_bytes = session.options.maxmsgsize
        self._handshake = Handshake(session)
        if session.options.handshake_ivl > 0:
            self._handshake_timer = self._io.timer(session.options.handshake_ivl, self._handshake_expired, None)
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
                # Whoever does not speak ZMTP is not to be tried again (F131).
                protocol = bool(session.options.reconnect_stop & STOP_HANDSHAKE_FAILED)
            self._leave(session)
            session.engine_error(protocol)

    def _handshake_expired(self, _: None) -> None:
        self._handshake_timer = None
        # Of the last read there is left that nothing had come.
        self._failed(protocol=False, error=errno.EAGAIN)

    def timed_out(self) -> None:
        """The peer is taken for dead (F157, F159): a lost connection, not a broken protocol."""
        self._failed(protocol=False)

    def _handshake_over(self) -> None:
        timer, self._handshake_timer = self._handshake_timer, None
        if timer is not None:
            self._io.timers.cancel(timer)

    def crash(self, unsent: str, unread: str) -> None:
        """The process has died: what the kernel has been given goes on its way, nothing else does (F152)."""
        session, self._session = self._session, None
        if session is None:
            self.close()
            return
        arrived = self._in.cut()
        for msg in self.parked():
            session.lost(unread, msg, session.socket)
        self._parked = None
        frames = self._in.frames
        while frames and frames[0][0] <= arrived:
            session.lost(unread, frames.popleft()[1], session.socket)
        self._leave(session, unsent)

    def _leave(self, session: Session, unsent: str = "disconnect_wire") -> None:
        if not self._io_error:
            self._io.load -= 1
        self._handshake_over()
        if self._heartbeat is not None:
            self._heartbeat.stop()
        out = self._out
        unwritten = self._out_bytes + self._cut_bytes
        written = out.loaded - unwritten
        while unwritten and out.frames and out.frames[-1][0] > written:
            session.lost(unsent, out.frames.pop()[1], session.remote)
        self._out_bytes = self._cut_bytes = 0
        # Nobody reads on this side any more: what is still coming in is lost, parked included.
        for msg in self.coming_in():
            session.lost("disconnect_wire", msg, session.socket)
        self._parked = None
        self._in.frames.clear()
        self._in.broken = True
        if self.far._session is None:
            for msg in out.under_way():
                session.lost("disconnect_wire", msg, session.remote)
            out.frames.clear()
        out.close()

    # -- outwards ------------------------------------------------------------------------------

    def _next_piece(self) -> Msg | None:
        handshake = self._handshake
        assert handshake is not None
        msg = handshake.next()
        if msg is None and handshake.ready:
            self._mechanism_ready()
            return self._next_msg()
        return msg

    # -- inwards -------------------------------------------------------------------------------

    def data_coming(self) -> None:
        """Bytes, or the end, are under way to this end's kernel."""
        if self._queued or self._session is None or (self._input_stopped and not self._in.hung_up):
            return
        if self._io_error:
            return
        time_ns = self._in.readable_ns()
        if time_ns >= 0:
            if self._input_stopped:
                # A hang-up, which is news now, however long ago the bytes came that nobody reads (F144).
                time_ns = self._io.kernel.now_ns + self._io.kernel.lag_ns
            self._queued = True
            self._io.poll_in(self, time_ns)

    def in_event(self) -> None:
        """The poller says readable."""
        self._queued = False
        if self._session is None:
            return
        if self._input_stopped:
            if self._in.hung_up:
                self._io_error = True
                self._io.load -= 1
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
        end = into.read_offset if self._most_bytes < 0 else self._allowed_offset()
        kernel = self._io.kernel
        decode = self._costs.decode
        while frames and frames[0][0] <= end:
            msg = frames.popleft()[1]
            kernel.lag_ns += decode(self._wire_bytes(msg))
            if msg.kind >= GREETING:
                self._command(msg)
                if self._session is None:
                    return True
            elif not self._process_msg(msg):
                return self._session is None
        if end < into.read_offset:
            self._failed(protocol=True)
            return True
        self._body_seen = bool(frames) and frames[0][0] - self._wire_bytes(frames[0][1]) < end
        return True

    def _allowed_offset(self) -> int:
        """Where the first frame begins whose size, which has been read, is above MAXMSGSIZE; else all that was read.

        Its body need not have come (F187), and a command of the handshake is a frame as any other.
        """
        read_offset = self._in.read_offset
        for end, msg in self._in.frames:
            wire = self._wire_bytes(msg)
            header = 2 if wire <= _SHORT_FRAME_BYTES else 9
            if end - wire + header > read_offset:
                break
            if wire - header > self._most_bytes and msg.kind != GREETING:
                return end - wire
        return read_offset

    def _push(self, msg: Msg) -> bool:
        session = self._session
        assert session is not None
        try:
            pushed = session.push_msg(msg)
        except ProtocolError:
            session.lost("disconnect_wire", msg, session.socket)
            self._failed(protocol=True)
            return False
        if not pushed:
            self._parked = msg
            self._input_stopped = True
        return pushed

    def _push_alive(self, msg: Msg) -> bool:
        assert self._heartbeat is not None
        self._heartbeat.alive()
        return self._push(msg)

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
        if self._session is None:
            return
        if self._io_error:
            self._failed(protocol=False)  # and what the kernel has is never read (F144)
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

    def _command(self, msg: Msg) -> None:
        if self._ready:
            self._told(msg.data)
            return
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

    def _told(self, body: bytes) -> None:
        """A command after the handshake: whatever it is, the peer lives; PING is answered."""
        if self._heartbeat is not None:
            self._heartbeat.alive()
        if body.startswith(PING):
            self._beating().pinged(body)

    def _beating(self) -> Heartbeat:
        heartbeat = self._heartbeat
        if heartbeat is None:
            assert self._session is not None
            heartbeat = self._heartbeat = Heartbeat(self, self._io, self._session.options)
            self._process_msg = self._push_alive
        return heartbeat

    def zap_answered(self) -> None:
        """The authentication handler has answered: the handshake may go on, or not."""
        handshake = self._handshake
        if self._session is None or handshake is None or handshake.mechanism is None:
            return
        try:
            handshake.mechanism.zap_answered()
        except ProtocolError:
            self._failed(protocol=True)
            return
        if self._output_stopped:
            self.restart_output()

    def _mechanism_ready(self) -> None:
        session = self._session
        assert session is not None
        assert self._handshake is not None
        mechanism = self._handshake.mechanism
        assert mechanism is not None
        self._ready = True
        self._next_msg = session.pull_msg
        self._handshake_over()
        if session.options.heartbeat_ivl > 0:
            self._beating().start()
        far = self.far.plugged
        assert far is not None
        session.engine_ready(far.socket)
        if session.socket.receives_routing_id:
            session.push_msg(Msg(mechanism.routing_id, kind=ROUTING_ID))
            session.flush()
        if mechanism.user_id:
            # It takes a place in the pipe that no reader frees (F25).
            session.push_msg(Msg(mechanism.user_id, kind=CREDENTIAL))
        if mechanism.wire_bytes is not None:
            self._wire_bytes = mechanism.wire_bytes
            self._costs = mechanism.frame_costs(self._costs)
        session.properties = mechanism.all_properties()
        session.event("handshake_succeeded")


def connect_engines(first: Engine, second: Engine) -> None:
    """Tell both ends of a connection of each other."""
    first.far, second.far = second, first
