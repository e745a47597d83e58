"""What happens to the connections of real sockets: a thread that reads their socket monitors into the trace.

The thread writes to a recorder of its own, so that it never stands in a program's way. A program that
monitors a socket itself takes the monitor from us (libzmq has one a socket), and its events are then its own.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import struct
import threading
import time
from collections.abc import Mapping
from typing import Any

import zmq

from harness.trace import EVENTS, NONE, Kind, Recorder, TraceFullError

_NAMES: Mapping[int, str] = {
    zmq.EVENT_LISTENING: "listening",
    zmq.EVENT_ACCEPTED: "accepted",
    zmq.EVENT_CONNECT_DELAYED: "connect_delayed",
    zmq.EVENT_CONNECTED: "connected",
    zmq.EVENT_HANDSHAKE_SUCCEEDED: "handshake_succeeded",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "handshake_failed_no_detail",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "handshake_failed_protocol",
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "handshake_failed_auth",
    zmq.EVENT_CONNECT_RETRIED: "connect_retried",
    zmq.EVENT_DISCONNECTED: "disconnected",
    zmq.EVENT_CLOSED: "closed",
    zmq.EVENT_BIND_FAILED: "bind_failed",
}
_TELLING = (
    "connect_delayed",
    "connect_retried",
    "handshake_failed_no_detail",
    "handshake_failed_protocol",
    "handshake_failed_auth",
    "bind_failed",
)
"""Those whose value means something to others: an error number, or ms until the next try; else it is a descriptor."""

_EVENT = struct.Struct("=HI")
_WATCHED = sum(_NAMES)


class Monitors:
    """The monitors of all sockets of a process.

    Args:
        recorder: for the events alone; their times are of CLOCK_MONOTONIC, since they begin before the start line.
        addresses: of the endpoints, with the position of the node that binds each.
    """

    def __init__(self, recorder: Recorder, addresses: Mapping[str, int]) -> None:
        self._recorder = recorder
        self._binders = addresses
        self._numbers = itertools.count()
        self._new: queue.SimpleQueue[tuple[Any, int]] = queue.SimpleQueue()
        self._bell, self._ring = os.pipe()
        threading.Thread(target=self._read, name="monitors", daemon=True).start()

    def watch(self, socket: Any, node: int) -> None:
        """Watch a new socket of that node; called in the program's thread, before the socket is used."""
        address = f"inproc://zmq-harness-monitor-{next(self._numbers)}"
        socket.monitor(address, _WATCHED)
        # From a shadow of the context, which does not count its sockets: the program may destroy its own.
        reader: Any = zmq.Context.shadow(socket.context.underlying).socket(zmq.PAIR)
        reader.linger = 0
        reader.connect(address)
        self._new.put((reader, node))
        os.write(self._ring, b"!")

    def _read(self) -> None:
        poller = zmq.Poller()
        poller.register(self._bell, zmq.POLLIN)
        owners: dict[Any, int] = {}
        while True:
            try:
                told = [ready for ready, _ in poller.poll()]
            except zmq.ZMQError:  # a context is being terminated; which one, its readers say
                told = list(owners)
            for ready in told:
                if ready == self._bell:
                    os.read(self._bell, 4096)
                    while not self._new.empty():
                        reader, node = self._new.get()
                        owners[reader] = node
                        poller.register(reader, zmq.POLLIN)
                elif not self._drain(ready, owners[ready]):
                    poller.unregister(ready)
                    del owners[ready]
                    ready.close()

    def _drain(self, reader: Any, node: int) -> bool:
        """Write down all that a monitor has to say; whether more may come."""
        with contextlib.suppress(zmq.Again):
            while True:
                try:
                    head, address = reader.recv_multipart(zmq.DONTWAIT)
                except zmq.Again:
                    raise
                except zmq.ZMQError:  # the context is being terminated
                    return False
                event, value = _EVENT.unpack(head)
                if event == zmq.EVENT_MONITOR_STOPPED:
                    return False
                self._write(_NAMES[event], node, self._binders.get(address.decode(errors="replace"), NONE), value)
        return True

    def _write(self, name: str, node: int, binder: int, value: int) -> None:
        peer = binder if binder != node else NONE
        what = value if name in _TELLING else 0
        with contextlib.suppress(TraceFullError):
            flag = EVENTS.index(name)
            self._recorder.append(Kind.EVENT, flag, NONE, node, peer, -1, time.monotonic_ns(), 0, 0, what)
