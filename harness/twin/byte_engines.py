"""Engines of connections on which bytes count: STREAM and raw ROUTER, and whoever speaks ZMTP to one of them.

Frames are in the kernel buffers as objects (``flow.py``); the receiving engine takes out the bytes that
it has read of them. A raw engine makes one message of each read, of at most 8192 bytes (F115). An engine
that meets a raw one reads ZMTP from what comes, and what it sends is written out when it is read.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from harness.twin.engine import Engine, connect_engines
from harness.twin.errors import ProtocolError
from harness.twin.mechanism import UNEXPECTED_COMMAND
from harness.twin.msg import GREETING, ROUTING_ID, SUBSCRIBE, Msg
from harness.twin.security import NULL
from harness.twin.wire import V1, V2, V3_1, Reader, render

if TYPE_CHECKING:
    from harness.twin.accept_filter import Credentials
    from harness.twin.connecter import Attempt
    from harness.twin.costs import StreamCosts
    from harness.twin.flow import Flow
    from harness.twin.io_thread import IoThread
    from harness.twin.listener import Listener
    from harness.twin.session import Session
    from harness.twin.socket_base import SocketBase


class ByteEngine(Engine):
    """What both kinds share: taking bytes out of frames."""

    __slots__ = ("_front", "_taken")

    def __init__(self, io: IoThread, calls: StreamCosts, out: Flow, into: Flow) -> None:
        super().__init__(io, calls, out, into)
        self._front = b""
        self._taken = 0
        self._wire_bytes = self._size

    def render(self, msg: Msg) -> bytes:
        """What the other end reads of a frame that this end has sent."""
        raise NotImplementedError

    def _size(self, msg: Msg) -> int:
        return len(self.render(msg))

    def _take(self) -> bytes:
        """The bytes that were read since the last time."""
        into, far = self._in, self.far
        assert isinstance(far, ByteEngine)
        frames, upto = into.frames, into.read_offset
        parts = []
        while frames and self._taken < upto:
            end, msg = frames[0]
            data = self._front or far.render(msg)
            start = end - len(data)
            parts.append(data[self._taken - start : upto - start])
            self._taken = min(end, upto)
            if end <= upto:
                frames.popleft()
                self._front = b""
            else:
                self._front = data
        return b"".join(parts)


class RawEngine(ByteEngine):
    """An end that hands on bytes as they come (F115)."""

    __slots__ = ("_remote",)

    def __init__(self, io: IoThread, calls: StreamCosts, out: Flow, into: Flow, remote: SocketBase) -> None:
        super().__init__(io, calls, out, into)
        self._remote = remote

    def render(self, msg: Msg) -> bytes:
        """Itself."""
        return msg.data

    def plug(self, session: Session) -> None:
        """There is no handshake: the application is told at once, by an empty message."""
        self._session = self.plugged = session
        self._io = session.io
        self._io.load += 1
        self._next_msg = session.pull_msg
        session.engine_ready(self._remote)
        session.properties = {"Peer-Address": session.peer_address, "__fd": str(session.fd)}
        if session.options.raw_notify:
            session.push_msg(Msg(b""))
            session.flush()
        self.restart_output()
        self.data_coming()

    def _failed(self, protocol: bool, error: int = errno.EPIPE) -> None:
        session = self._session
        if session is not None:
            if session.options.raw_notify:
                session.push_msg(Msg(b""))
            # So says the monitor of every connection without a mechanism.
            session.event("handshake_failed_no_detail", error)
        super()._failed(protocol, error)

    def _decode(self) -> bool:
        data = self._take()
        if not data:
            return True
        self._io.kernel.lag_ns += self._io.costs.decode(len(data))
        return self._push(Msg(data)) or self._session is None


class WireEngine(ByteEngine):
    """An end that speaks ZMTP to a raw one."""

    __slots__ = ("_decoding", "_reader", "_speak_after")

    def __init__(self, io: IoThread, calls: StreamCosts, out: Flow, into: Flow) -> None:
        super().__init__(io, calls, out, into)
        self._reader = Reader()
        self._decoding = False
        self._speak_after = False

    def plug(self, session: Session) -> None:
        """Start to speak ZMTP."""
        self._reader.most_bytes = session.options.maxmsgsize
        super().plug(session)

    def render(self, msg: Msg) -> bytes:
        """As the peer's dialect has it."""
        return render(msg, self._reader.dialect or V3_1)

    def restart_output(self) -> None:
        """While input is decoded the answer waits for the poller's next turn."""
        if self._decoding:
            self._speak_after = True
        else:
            super().restart_output()

    def _decode(self) -> bool:
        self._decoding = True
        emptied = self._decode_all()
        self._decoding = False
        if self._speak_after:
            self._speak_after = False
            self.restart_output()
        return emptied

    def _decode_all(self) -> bool:
        reader = self._reader
        reader.feed(self._take())
        costs = self._io.costs
        while True:
            try:
                msg = reader.next()
            except ProtocolError:
                self._failed(protocol=True)
                return True
            if msg is None:
                return True
            self._io.kernel.lag_ns += costs.decode(len(msg.data))
            if msg.kind >= GREETING:
                self._command(msg)
                if self._session is None:
                    return True
            elif not self._ready:
                # Whoever does not wait for this end's part of the handshake is not understood.
                assert self._session is not None
                self._session.event("handshake_failed_protocol", UNEXPECTED_COMMAND)
                self._failed(protocol=True)
                return True
            elif not self._process_msg(msg):
                return self._session is None

    def _mechanism_ready(self) -> None:
        super()._mechanism_ready()
        self._wire_bytes = self._size  # a dialect may have shorter frames than the mechanism thinks

    # -- peers older than ZMTP 3 -----------------------------------------------------------------

    def _command(self, msg: Msg) -> None:
        dialect = self._reader.dialect
        if msg.kind == GREETING and dialect in (V1, V2):
            self._old_peer(dialect, versioned=bool(msg.data))
        else:
            super()._command(msg)

    def _old_peer(self, dialect: int, versioned: bool) -> None:
        """No mechanism: identities go both ways as messages, and that is all (F184)."""
        session = self._session
        assert session is not None
        security = session.options.security
        if security.mechanism != NULL or security.zap_domain:
            self._failed(protocol=True)  # such a peer has no credentials
            return
        assert self._handshake is not None
        pieces: list[Msg] = []
        while (piece := self._handshake.next()) is not None:
            pieces.append(piece)  # not sent yet
        self._ready = True
        self._handshake = None
        self._handshake_over()
        self._process_msg = self._identify
        identity = session.options.routing_id
        if versioned:
            # Like the type, which the greeting of that version ends with.
            pieces += [Msg(bytes([session.socket.type_number]), kind=GREETING), Msg(identity, kind=ROUTING_ID)]
        else:
            pieces.append(Msg(identity, kind=GREETING))  # its head was the signature

        def next_piece() -> Msg | None:
            if len(pieces) == 1:
                self._next_msg = session.pull_msg
            return pieces.pop(0)

        self._next_msg = next_piece
        far = self.far.plugged
        assert far is not None
        session.engine_ready(far.socket)
        if dialect == V1 and not versioned and session.socket.type_name in ("PUB", "XPUB"):
            session.push_msg(Msg(b"", kind=SUBSCRIBE))  # such peers do not tell what they want
        session.flush()
        if self._output_stopped:
            self.restart_output()

    def _identify(self, msg: Msg) -> bool:
        session = self._session
        assert session is not None
        self._process_msg = self._push
        if session.socket.receives_routing_id:
            session.push_msg(Msg(msg.data, kind=ROUTING_ID))
        return True


def engine_pair(
    attempt: Attempt,
    listener: Listener,
    calls: StreamCosts,
    flows: tuple[Flow, Flow],
    ends: tuple[str | Credentials, str | Credentials],
) -> tuple[Engine, Engine]:
    """The two ends of a connection, the connecting one first; ``flows``: from that one to the other, and back.

    ``ends``: who they are.
    """
    there, back = flows
    near_raw, far_raw = attempt.options.raw_socket, listener.options.raw_socket
    near: Engine
    far: Engine
    if near_raw:
        near = RawEngine(attempt.engine_io, calls, there, back, listener.socket)
    else:
        near = (WireEngine if far_raw else Engine)(attempt.engine_io, calls, there, back)
    if far_raw:
        far = RawEngine(listener.io, calls, back, there, attempt.socket)
    else:
        far = (WireEngine if near_raw else Engine)(listener.io, calls, back, there)
    far.peer, near.peer = ends
    connect_engines(near, far)
    return near, far
