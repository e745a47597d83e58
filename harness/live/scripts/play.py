"""Programs on a real network, from their start until they have ended or their time is over."""

from __future__ import annotations

import contextlib
import heapq
import selectors
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from harness.guard import Guard
from harness.live.processes import lifeline
from harness.live.scripts.network import Network
from harness.live.scripts.programs import Running
from harness.scripts.output import Prefixed
from harness.scripts.words import Words

_LOOK_S = 0.5
"""From one look at whether the network is there to the next."""


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that was done to a link.

    Attributes:
        what: the kind of the fault, or ``healed``.
        begun_ns, done_ns: the order was given, and obeyed; time since the beginning.
    """

    fault: str
    link: str
    what: str
    begun_ns: int
    done_ns: int


class Play:
    """A real network with programs on it.

    Args:
        words: what shall be run.
        streams: where each program writes; empty when it does so as it is, to the descriptor ``out`` for its stdout.

    Attributes:
        running: the programs.
        happened: to links.
        complaints: what was not as asked for.
        reason: ``ended`` (all programs have), ``until`` (the time was over), ``interrupted``.
    """

    def __init__(self, words: Words, streams: Sequence[tuple[Prefixed, Prefixed]], out: int) -> None:
        self._words = words
        self._streams = streams
        self._out = out
        self._begun_ns = 0
        self._agenda: list[tuple[int, int, Callable[[], object]]] = []
        self._selector = selectors.DefaultSelector()
        self.running: list[Running] = []
        self.happened: list[Happened] = []
        self.complaints: list[str] = []
        self.reason = "until"
        self.now_ns = 0
        self.network: dict[str, Any] = {}

    def clock_ns(self) -> int:
        """Time since the beginning; 0 before."""
        return time.monotonic_ns() - self._begun_ns if self._begun_ns else 0

    def run(self) -> None:
        """All of it. Raises OSError."""
        words = self._words
        with contextlib.ExitStack() as stack:
            guard = stack.enter_context(Guard())
            life = stack.enter_context(lifeline())
            stack.callback(self._selector.close)
            network = Network(words.net, words.programs, words.seed, guard, life, self.complaints.append)
            # In this order: the programs end with the network, and then there is no more to read.
            stack.callback(self._close)
            stack.callback(network.end)
            try:
                network.start()
                self.network = network.describe()
                self._prepare(network)
                self._go_on(network)
            except KeyboardInterrupt:
                self.reason = "interrupted"
            self.now_ns = self.clock_ns()

    def _prepare(self, network: Network) -> None:
        """Bring all programs to their hosts, and write down what shall happen when."""
        for index, program in enumerate(self._words.programs):
            streams = self._streams[index] if self._streams else None
            one = Running(program, network.doors(program.host), network.names(), streams, self._out)
            self.running.append(one)
            self._at(program.start_ns, one.go)
            for number, at_ns in program.signals:
                self._at(at_ns, partial(one.signal, number))
        for fault in self._words.net.faults:
            self._at(fault.at_ns, partial(self._do, fault.kind, fault, network.strike))
            if fault.lasts_ns is not None:
                self._at(fault.at_ns + fault.lasts_ns, partial(self._do, "healed", fault, network.heal))
        for one in self.running:
            one.await_ready()
            self._selector.register(one.pidfd, selectors.EVENT_READ, partial(self._ended, one))
            for descriptor, pipe in one.pipes.items():
                self._selector.register(descriptor, selectors.EVENT_READ, partial(self._take, descriptor, pipe))

    def _at(self, at_ns: int, action: Callable[[], object]) -> None:
        heapq.heappush(self._agenda, (at_ns, len(self._agenda), action))

    def _do(self, what: str, fault: Any, verb: Callable[[Any], None]) -> None:
        begun_ns = self.clock_ns()
        verb(fault)
        self.happened.append(Happened(fault.name, fault.link, what, begun_ns, self.clock_ns()))

    def _ended(self, one: Running) -> None:
        self._selector.unregister(one.pidfd)
        one.reap(self.clock_ns())

    def _take(self, descriptor: int, pipe: Any) -> None:
        if not pipe.take():
            self._selector.unregister(descriptor)

    def _go_on(self, network: Network) -> None:
        self._begun_ns = time.monotonic_ns()
        until_ns = self._words.until_ns
        while (now_ns := self.clock_ns()) < until_ns:
            if all(one.exit_status is not None for one in self.running):
                self.reason = "ended"
                return
            while self._agenda and self._agenda[0][0] <= now_ns:
                heapq.heappop(self._agenda)[2]()
            next_ns = min([until_ns, *(entry[0] for entry in self._agenda[:1])])
            for key, _ in self._selector.select(max(0, min(_LOOK_S, (next_ns - self.clock_ns()) / 1e9))):
                key.data()
            network.listen()

    def _close(self) -> None:
        for one in self.running:
            one.close()
        sys.stdout.flush()
