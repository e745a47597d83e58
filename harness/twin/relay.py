"""The process of a relay on the twin's machine: when it runs, and what it does then.

Theory of operation. The relay sleeps until bytes have come, a kernel buffer has room again, or something is due. It
then wakes as an I/O thread does, or as late as a timer, and does a turn: of each connection that concerns it one piece
is read each way, and all that is due is passed on. A turn happens at one instant; what it takes is booked in
``kernel.lag_ns``, and keeps the process busy.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from harness.relay.line import Lateness
from harness.relay.pairs import InFlight, Relay
from harness.relay.route import Route
from harness.twin.byte_engines import engine_pair
from harness.twin.kernel import NEVER_NS
from harness.twin.transport.relayed import PathLine, PathPair, RelayedFlow

if TYPE_CHECKING:
    from harness.twin.connecter import Attempt
    from harness.twin.costs import Costs
    from harness.twin.kernel import Kernel
    from harness.twin.listener import Listener
    from harness.twin.network import Host
    from harness.twin.transport.address import Target

_SYN_RETRY_NS: Final = 1_000_000_000

Told = Callable[[Route, str, InFlight, InFlight], None]


class PathRelay(Relay[PathPair]):
    """The relay of all links of a host.

    Args:
        kernel: its clock.
        costs: of the machine.
        host: where it and all whom it serves are.
        told: hears of each connection that breaks: its route, why, what was in flight from who connected and back.
    """

    def __init__(self, kernel: Kernel, costs: Costs, host: Host, told: Told) -> None:
        super().__init__()
        self._kernel = kernel
        self._costs = costs
        self._host = host
        self._told = told
        self._routes: dict[int, Route] = {}
        self._asking: list[PathPair] = []
        self._poked: dict[PathPair, None] = {}
        self._timers: list[tuple[int, int, PathPair]] = []
        self._order = 0
        self._turn_ns = NEVER_NS
        self._busy_until_ns = 0
        self._in_turn = False
        self._due_ns = NEVER_NS
        self._lateness = Lateness(costs.relay_lateness_ns)

    def add_route(self, route: Route) -> None:
        """Serve this way as well."""
        self._routes[route.port] = route

    def serves(self, port: int) -> bool:
        """Whether a route begins there."""
        return port in self._routes

    def now_ns(self) -> int:
        """Virtual time."""
        return self._kernel.now_ns

    # -- when it runs --------------------------------------------------------------------------------

    def _wake(self, pair: PathPair, line: PathLine, has_input: bool) -> None:
        """A connection concerns the relay now; input only if it would read it."""
        if pair in self.pairs and (not has_input or line.wants(self._kernel.now_ns)):
            self._poked[pair] = None
            self._schedule(self._kernel.now_ns + self._kernel.lag_ns, self._costs.relay_wake)

    def _schedule(self, time_ns: int, wake: Callable[[], int]) -> None:
        if self._in_turn:
            return
        busy = self._busy_until_ns
        due = busy if busy > time_ns else time_ns + wake()
        if due < self._turn_ns:
            self._turn_ns = due
            self._kernel.call_at(due, self._turn)

    def _turn(self) -> None:
        kernel = self._kernel
        now = kernel.now_ns
        if now != self._turn_ns:
            return  # an earlier turn has taken its place
        self._turn_ns = NEVER_NS
        self._in_turn = True
        if self._due_ns <= now:  # it has slept until then
            self._lateness.saw(now - self._due_ns)
        self._due_ns = NEVER_NS
        asking, self._asking = self._asking, []
        for pair in asking:
            self._accept(pair)
        concerned, self._poked = self._poked, {}
        while self._timers and self._timers[0][0] <= now:
            concerned[heappop(self._timers)[2]] = None
        for pair in concerned:
            self._serve(pair, now)
        self._in_turn = False
        self._busy_until_ns = now + kernel.lag_ns
        kernel.lag_ns = 0
        self._next()

    def _next(self) -> None:
        """The next turn, if there is anything to do in it."""
        if self._poked or any(not pair.route.is_silent for pair in self._asking):
            self._schedule(self._busy_until_ns, self._costs.relay_wake)
        if self._timers:
            due = self._timers[0][0]
            self._due_ns = due if due > self._busy_until_ns else NEVER_NS
            self._schedule(due, self._costs.relay_late)

    def _serve(self, pair: PathPair, now_ns: int) -> None:
        if pair not in self.pairs:
            return
        if pair.is_cut:
            self.break_off(pair, "broken")
            return
        for line in pair.lines:
            if line.is_blocked and line.flow.has_room:
                line.is_blocked = False
        if self.move(pair, now_ns):
            self._plan(pair, now_ns)

    def _plan(self, pair: PathPair, now_ns: int) -> None:
        """See to what this connection needs next."""
        soonest = NEVER_NS
        for line in pair.lines:
            may_read = line is pair.back or not pair.connecting
            has_input = may_read and line.flow.has_come and line.wants(now_ns)
            if has_input or (line.is_blocked and line.flow.has_room and not line.is_stalled):
                self._poked[pair] = None
            for due in (line.due_ns, line.busy_until_ns(now_ns)):
                if due:
                    soonest = min(soonest, due)
        if soonest < NEVER_NS:
            self._order += 1
            heappush(self._timers, (soonest, self._order, pair))

    # -- connections ---------------------------------------------------------------------------------

    def connect(self, attempt: Attempt, target: Target) -> None:
        """One attempt to connect over a route: connected to the relay, or refused, a round trip later."""
        kernel, costs = self._kernel, self._costs
        hop = costs.hop_ns["tcp"]
        route = self._routes[target.port]

        def arrive() -> None:
            listener = self._host.find_tcp(target.address, route.target)
            if listener is None or listener.closed or route.is_closed:
                attempt.io.at(kernel.now_ns + hop, attempt.refused, None)
                return
            pair = self._make(attempt, listener, route, target)
            attempt.io.at(kernel.now_ns + hop, attempt.connected, pair.engines[0])
            self._asking.append(pair)
            if not route.is_silent:
                self._schedule(kernel.now_ns, costs.relay_wake)

        kernel.call_at(kernel.now_ns + kernel.lag_ns + hop, arrive)

    def _make(self, attempt: Attempt, listener: Listener, route: Route, target: Target) -> PathPair:
        near, far = attempt.options, listener.options
        there = self._flow(near.sndbuf, far.rcvbuf, route, lambda is_input: self._wake(pair, pair.there, is_input))
        back = self._flow(far.sndbuf, near.rcvbuf, route, lambda is_input: self._wake(pair, pair.back, is_input))
        ends = target.source or target.address, target.address
        engines = engine_pair(attempt, listener, self._costs.streams["tcp"], (there, back), ends)
        pair = PathPair(route, (there, back), self._lateness, listener, engines)
        return pair

    def _flow(self, sndbuf: int, rcvbuf: int, route: Route, wake: Callable[[bool], None]) -> RelayedFlow:
        sizes = sndbuf, route.buffer_bytes, rcvbuf
        return RelayedFlow(self._kernel, self._costs, sizes, wake, follows=route.aware)

    def _accept(self, pair: PathPair) -> None:
        if pair.route.is_silent:
            # Nobody answers: the kernel holds the connection, unaccepted, until the link moves again.
            self._asking.append(pair)
            return
        kernel = self._kernel
        kernel.lag_ns += self._costs.relay_accept_ns
        self.begin(pair)
        self._reach(pair, kernel.now_ns + kernel.lag_ns)

    def _reach(self, pair: PathPair, now_ns: int) -> None:
        """The continuation of a connection, from the relay to who is bound."""
        if pair not in self.pairs:
            return
        listener = pair.listener
        if listener.closed:
            self.break_off(pair, "broken")
        elif listener.take_place():
            self._kernel.call_at(now_ns + 2 * self._costs.hop_ns["tcp"], lambda: self._reached(pair))
        else:  # the kernel drops the packet (F136)
            again = now_ns + _SYN_RETRY_NS
            self._kernel.call_at(again, lambda: self._reach(pair, again))

    def _reached(self, pair: PathPair) -> None:
        pair.listener.arrived(pair.engines[1])
        pair.connecting = False
        self._wake(pair, pair.there, has_input=False)

    # -- what the verbs need -------------------------------------------------------------------------

    def stir(self) -> None:
        """All connections concern it now."""
        for pair in self.pairs:
            self._poked[pair] = None
        if self._poked or self._asking:
            self._schedule(self._kernel.now_ns, self._costs.relay_wake)

    def look(self) -> None:
        """Who listens is looked up when somebody asks."""

    def broke(self, pair: PathPair, why: str) -> None:
        """Tell what was on the way."""
        there, back = (line.flow.lose(line) for line in pair.lines)
        self._told(pair.route, why, there, back)

    def end(self, pair: PathPair, *, by_reset: bool) -> None:
        """Reset both connections; closed ones are let alone, for the kernels deliver what they have."""
        self.pairs.pop(pair, None)
        if by_reset:
            for line in pair.lines:
                line.flow.abort()
