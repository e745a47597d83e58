"""Inside a cell: its nodes, their programs, and how they end."""

from __future__ import annotations

import gc
import json
import mmap
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

import zmq

from harness.live.clock import set_timer_slack, wait_until
from harness.live.control import Control, State
from harness.live.monitor import Monitors
from harness.live.node import LiveNode
from harness.node import keeping
from harness.run import Run, from_plain, load_program, program_options
from harness.trace import NONE, Recorder, TraceFullError

_GATE_POLL_S = 0.002
_GOODBYE_S = 0.3
_TRACEBACK_LINES = 12


class Cell:
    """The nodes of this process, ready to be played.

    Args:
        order: what the supervisor says: ``run`` and ``control`` (descriptors), ``records`` (node position to
            descriptor), ``events`` (descriptor for socket events), ``addresses`` (node position to
            endpoint name to address), and ``anew`` for a cell whose process a fault has killed.
    """

    def __init__(self, order: Mapping[str, Any]) -> None:
        self._order = order
        # One open file for all cells has one position: read without moving it.
        text = os.pread(order["run"], os.fstat(order["run"]).st_size, 0)
        self._run: Run = from_plain(json.loads(text))
        self._control = Control(order["control"], len(self._run.topology.nodes))
        topology = self._run.topology
        binders = {
            addresses[end.name]: topology.node_id(end.binder)
            for addresses in order["addresses"].values()
            for end in topology.endpoints
        }
        self._monitors = Monitors(Recorder(mmap.mmap(order["events"], 0)), binders)
        self._whose = threading.local()
        self._context = keeping(zmq.Context, self._watch)()
        self._alone = len(order["records"]) == 1
        self._ending = False
        self._threads: list[threading.Thread] = []

    def _watch(self, socket: Any) -> None:
        """A new socket; whose, the thread tells that made it."""
        self._monitors.watch(socket, getattr(self._whose, "node", NONE))

    def play(self) -> NoReturn:
        """Run all programs, then wait to be ended: sockets may still hold messages to send."""
        performances = [self._prepare(int(node_id), fd) for node_id, fd in self._order["records"].items()]
        # What exists now stays: the collector need not look through it in the middle of a measurement.
        gc.collect()
        gc.freeze()
        if self._alone:
            performances[0]()
        else:
            self._threads = [threading.Thread(target=performance, daemon=True) for performance in performances]
            for thread in self._threads:
                thread.start()
        while True:
            signal.pause()

    def end(self, _signal: int, _frame: Any) -> NoReturn:
        """As handler of a signal: break off what the main thread does."""
        self._ending = True
        raise SystemExit

    def say_goodbye(self) -> None:
        """Let the threads of several nodes come out of their waits."""
        self._ending = True
        if self._threads:
            # It returns when all sockets are closed and empty, which may be never.
            threading.Thread(target=self._context.term, daemon=True).start()
            deadline = time.monotonic() + _GOODBYE_S
            for thread in self._threads:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _prepare(self, node_id: int, descriptor: int) -> Callable[[], None]:
        spec = self._run.topology.nodes[node_id]
        node = LiveNode(
            node_id=node_id,
            name=spec.name,
            flow_ids={flow.name: index for index, flow in enumerate(self._run.topology.flows)},
            recorder=Recorder(mmap.mmap(descriptor, os.fstat(descriptor).st_size)),
            control=self._control,
            context=self._context,
            addresses=self._order["addresses"][str(node_id)],
            rng=self._run.rng(f"node.{spec.name}"),
            alone=self._alone,
            began_ns=max(0, spec.start_ns or 0),
            anew=self._order.get("anew", False),
        )
        try:
            function, options_class = load_program(spec.program)
            program = partial(function, node, program_options(options_class, spec.options))
        except Exception as error:  # noqa: BLE001 (a user's module may fail in any way)
            return partial(self._fail, node_id, _describe(error))
        return partial(self._perform, node, node_id, spec.start_ns, program)

    def _fail(self, node_id: int, text: str) -> None:
        self._control.set_error(node_id, text)
        self._control.set_state(node_id, State.FAILED)

    def _perform(self, node: LiveNode, node_id: int, start_ns: int | None, program: Callable[[], None]) -> None:
        set_timer_slack()
        self._whose.node = node_id
        control = self._control
        control.set_state(node_id, State.AT_GATE)
        while not (control.go if start_ns is None else control.line_ns):
            time.sleep(_GATE_POLL_S)
        if start_ns is not None:
            wait_until(control.line_ns + start_ns, self._alone)
        node.started()
        try:
            program()
        except TraceFullError as error:
            control.set_error(node_id, str(error))
            control.set_state(node_id, State.FULL)
            return
        except BaseException as error:
            if self._ending:
                if isinstance(error, SystemExit):
                    raise
                return
            if not (isinstance(error, SystemExit) and error.code in (None, 0)):
                self._fail(node_id, _describe(error))
                return
        node.finished()


def _describe(error: BaseException) -> str:
    """The last lines of the traceback."""
    lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
    return "\n".join(lines[-_TRACEBACK_LINES:])
