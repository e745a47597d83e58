"""What a program is given in the live world."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import zmq
import zmq.backend

from harness.live.clock import wait_until
from harness.live.control import Control, State
from harness.live.fast import Parts, make_calls, make_work
from harness.node import Node
from harness.trace import EVENTS, NONE, Kind, Recorder, TraceFullError

_monotonic_ns = time.monotonic_ns
_LINE_POLL_S = 0.001


class LiveNode(Node):
    """A node over real sockets.

    Its first call that waits, receives or asks for the time says that its sockets are set up, and
    waits for the start line where it needs one.

    Args:
        node_id: position in the topology.
        name: the node's name.
        flow_ids: flow names to their positions.
        recorder: over a mapping that outlives this process.
        control: the control block of the run.
        context: shared by all nodes of this process.
        addresses: endpoint names to addresses.
        rng: the node's own chance.
        alone: whether it is the only node of its process and may spin before a deadline.
        began_ns: when its program starts, if after the start line and for the first time.
        anew: whether it starts after a crash: then it began when it is called.
    """

    def __init__(
        self,
        *,
        node_id: int,
        name: str,
        flow_ids: Mapping[str, int],
        recorder: Recorder,
        control: Control,
        context: zmq.Context[Any],
        addresses: Mapping[str, str],
        rng: np.random.Generator,
        alone: bool,
        began_ns: int = 0,
        anew: bool = False,
    ) -> None:
        super().__init__(node_id, flow_ids, recorder)
        self.continue_numbers()
        self.name = name
        self.began_ns = began_ns
        self._anew = anew
        self.zmq = zmq
        self.context = context
        self.rng = rng
        self._control = control
        self._addresses = addresses
        self._spin = alone
        self._line_ns = 0
        self._started_ns = 0
        self._send_frame = zmq.backend.Socket.send
        self._recv_frame = self._recv_first_frame

    def endpoint(self, name: str) -> str:
        """The address to bind or connect. Raises KeyError."""
        return self._addresses[name]

    def now(self) -> int:
        """Time in ns after the start line; before that is known, wait until it is."""
        return _monotonic_ns() - (self._line_ns or self._await_line())

    def sleep_until(self, time_ns: int) -> None:
        """Return at ``time_ns`` after the start line, at once when that has passed."""
        deadline_ns = time_ns + (self._line_ns or self._await_line())
        if deadline_ns > _monotonic_ns():
            wait_until(deadline_ns, self._spin)

    def work(self, duration_ns: int) -> None:
        """Be busy that long, times the factor of a ``slow`` fault as it is now.

        It sleeps: what the application computes is not the harness's to waste a core on.
        """
        if not self._line_ns:
            self._await_line()
        if duration_ns <= 0:
            return
        until_ns = _monotonic_ns() + int(duration_ns * self._control.slow_factor(self._id))
        self._control.set_busy_until(self._id, until_ns)
        wait_until(until_ns, self._spin)

    def started(self) -> None:
        """The program is about to be called."""
        self._started_ns = _monotonic_ns()
        if self._anew:
            self.began_ns = self._started_ns - self._control.line_ns
        self._control.set_state(self._id, State.RUNNING)

    def finished(self) -> None:
        """The program has returned; not recorded when there never was a start line, or no room."""
        if self._control.line_ns:
            with contextlib.suppress(TraceFullError):
                self._event("finished", self.now())
        self._control.set_state(self._id, State.FINISHED)

    def _recv_first_frame(self, socket: Any, flags: int) -> bytes:
        self._ready()
        self._recv_frame = zmq.backend.Socket.recv
        return self._recv_frame(socket, flags)

    def _ready(self) -> None:
        if self._control.state(self._id) is State.RUNNING:
            self._control.set_state(self._id, State.READY)

    def _await_line(self) -> int:
        self._ready()
        while not (line_ns := self._control.line_ns):
            time.sleep(_LINE_POLL_S)
        self._line_ns = line_ns
        self._event("started", self._started_ns - line_ns)
        seen = [-line_ns]
        parts = Parts(line_ns, self._recorder, self._outlets, self._stamps, self._received_heads, seen)
        calls = make_calls(parts, super().send, self._recv_rest, self.sleep_until)
        self.send, self.recv, self.sleep_until = calls  # type: ignore[method-assign, assignment]
        self.work = make_work(self.work)  # type: ignore[method-assign, assignment]
        return line_ns

    def _event(self, name: str, time_ns: int) -> None:
        self._recorder.append(Kind.EVENT, EVENTS.index(name), NONE, self._id, NONE, -1, time_ns, 0, 0, 0)
