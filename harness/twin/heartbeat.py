"""PING, PONG and the timers of one engine that tell a dead peer from a silent one (F157-F162).

Every HEARTBEAT_IVL a PING goes out in front of the next batch, and HEARTBEAT_TIMEOUT begins to run
unless it runs already. A PING tells the peer a time to live, too: it is the peer that gives the
connection up when nothing else has come by then (F159). Whatever is decoded stops both timers, so an
engine that has stopped reading, since its pipe is full, is taken for dead (F161); and while part of a
batch waits for the kernel no PING is made (F162).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from harness.twin.msg import COMMAND, Msg

if TYPE_CHECKING:
    from harness.twin.engine import Engine
    from harness.twin.io_thread import IoThread
    from harness.twin.socket_options import Options
    from harness.twin.timers import Timer

PING: Final = b"\4PING"
PONG: Final = b"\4PONG"
_TTL_BYTES: Final = 2
_CONTEXT_BYTES: Final = 16
_TTL_MS: Final = 100
_WRAPS_AT: Final = 1 << 16


class Heartbeat:
    """The heartbeat of one engine; made when it has one of its own, or is first pinged."""

    __slots__ = ("_engine", "_interval_ms", "_io", "_pong", "_timeout_ms", "_timers", "_ttl")

    def __init__(self, engine: Engine, io: IoThread, options: Options) -> None:
        self._engine = engine
        self._io = io
        self._interval_ms = options.heartbeat_ivl
        timeout_ms = options.heartbeat_timeout
        self._timeout_ms = self._interval_ms if timeout_ms < 0 else timeout_ms
        self._ttl = options.heartbeat_ttl // _TTL_MS
        self._timers: dict[str, Timer] = {}
        self._pong = b""

    def start(self) -> None:
        """The handshake is done: the first PING is due in one interval (F157)."""
        self._set("interval", self._interval_ms, self._beat)

    def stop(self) -> None:
        """The engine is gone."""
        for name in tuple(self._timers):
            self._clear(name)

    # -- outwards ------------------------------------------------------------------------------

    def _beat(self, _: Any) -> None:
        self._engine.say_next(self._ping)
        self._set("interval", self._interval_ms, self._beat)

    def _ping(self) -> Msg:
        if self._timeout_ms > 0 and "timeout" not in self._timers:
            self._set("timeout", self._timeout_ms, self._expired, "timeout")
        return Msg(PING + self._ttl.to_bytes(_TTL_BYTES, "big"), kind=COMMAND)

    def _pong_message(self) -> Msg:
        return Msg(PONG + self._pong, kind=COMMAND)

    # -- inwards -------------------------------------------------------------------------------

    def alive(self) -> None:
        """Something was decoded."""
        if self._timers:
            self._clear("timeout")
            self._clear("ttl")

    def pinged(self, body: bytes) -> None:
        """A PING: its time to live begins to run here, and it is answered (F159)."""
        after = len(PING) + _TTL_BYTES
        ttl_ms = int.from_bytes(body[len(PING) : after], "big") * _TTL_MS % _WRAPS_AT  # F160
        if ttl_ms > 0 and "ttl" not in self._timers:
            self._set("ttl", ttl_ms, self._expired, "ttl")
        self._pong = body[after : after + _CONTEXT_BYTES]
        self._engine.say_next(self._pong_message)

    # -- timers --------------------------------------------------------------------------------

    def _expired(self, name: str) -> None:
        self._timers.pop(name, None)
        self._engine.timed_out()

    def _set(self, name: str, delay_ms: int, command: Any, argument: Any = None) -> None:
        self._timers[name] = self._io.timer(delay_ms, command, argument)

    def _clear(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            self._io.timers.cancel(timer)
