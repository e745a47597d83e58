"""The I/O thread of a simulated context: a mailbox, a poller, and the time that its work takes.

Theory of operation. The thread sleeps until something concerns it: a command in its mailbox, bytes
that arrive, or a kernel buffer that takes bytes again. It then wakes (after a drawn delay) and does
a *turn*: all commands (F60), then each ready connection, output before input (F191, F192). A turn
happens at one instant of the event queue; what it costs is booked in ``kernel.lag_ns``, stamps what
leaves it, and keeps the thread busy for so long before its next turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from harness.twin.kernel import NEVER_NS, Kernel
from harness.twin.timers import Timer, Timers

if TYPE_CHECKING:
    from harness.twin.costs import Costs
    from harness.twin.engine import Engine
    from harness.twin.outlet import Outlet


class IoThread:
    """One I/O thread; engines and sessions live on it.

    Attributes:
        load: descriptors that it polls, its own apart (F189).
        timers: what it has to do at a time of its own.
    """

    __slots__ = (
        "_busy_until_ns",
        "_frozen",
        "_in_turn",
        "_mailbox",
        "_order",
        "_readable",
        "_stopped",
        "_turn_ns",
        "_writable",
        "costs",
        "kernel",
        "load",
        "timers",
    )

    def __init__(self, kernel: Kernel, costs: Costs) -> None:
        self.kernel = kernel
        self.costs = costs
        self.load = 0
        self.timers = Timers(kernel, self.post)
        self._mailbox: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._readable: list[tuple[int, int, Engine]] = []
        self._writable: list[Outlet] = []
        self._order = 0
        self._turn_ns = NEVER_NS
        self._busy_until_ns = 0
        self._in_turn = False
        self._stopped = False
        self._frozen = False

    @property
    def in_turn(self) -> bool:
        """Whether what happens now happens on this thread."""
        return self._in_turn

    def freeze(self) -> None:
        """The thread waits for something, in the middle of a turn: there is no other turn before :meth:`thaw`."""
        self._frozen = True

    def thaw(self) -> None:
        """The thread goes on."""
        kernel = self.kernel
        self._frozen = False
        self._busy_until_ns = kernel.now_ns
        if self._mailbox or self._writable:
            self._schedule(kernel.now_ns, _no_delay)
        elif self._readable:
            self._schedule(self._readable[0][0], _no_delay)

    def post(self, command: Callable[[Any], None], argument: Any) -> None:
        """Put a command into the mailbox; it takes effect in the thread's next turn (F28)."""
        mailbox = self._mailbox
        mailbox.append((command, argument))
        if self._in_turn or len(mailbox) > 1:
            return  # the thread is at it, or was woken by an earlier command
        kernel = self.kernel
        asleep = self._busy_until_ns <= kernel.now_ns
        self._schedule(kernel.now_ns + kernel.lag_ns, self.costs.io_wake)
        if asleep:
            # The mailbox slept: its signaler is written, which takes the poster some time.
            kernel.lag_ns += self.costs.send_wake_ns

    def at(self, time_ns: int, command: Callable[[Any], None], argument: Any) -> None:
        """Something from outside reaches this thread at that time."""
        self.kernel.call_at(time_ns, lambda: self.post(command, argument))

    def timer(self, delay_ms: int, command: Callable[[Any], None], argument: Any) -> Timer:
        """Do ``command`` in the turn that is due then, unless ``timers.cancel`` comes first (F200)."""
        kernel = self.kernel
        return self.timers.start(kernel.now_ns + kernel.lag_ns + delay_ms * 1_000_000, command, argument)

    def poll_in(self, engine: Engine, time_ns: int) -> None:
        """``engine`` has something to read from that time on."""
        self._order += 1
        heappush(self._readable, (time_ns, self._order, engine))
        if not self._in_turn:
            self._schedule(time_ns, self.costs.readable_wake)

    def poll_out(self, engine: Outlet) -> None:
        """``engine`` can write now and wants to."""
        self._writable.append(engine)
        if not self._in_turn:
            self._schedule(self.kernel.now_ns + self.kernel.lag_ns, self.costs.readable_wake)

    def _schedule(self, time_ns: int, wake: Callable[[], int]) -> None:
        busy = self._busy_until_ns
        # A busy thread looks at its poller when it is done; a sleeping one has to be woken.
        due = busy if busy > time_ns else time_ns + wake()
        if due < self._turn_ns:
            self._turn_ns = due
            self.kernel.call_at(due, self._turn)

    def _turn(self) -> None:
        kernel = self.kernel
        now = kernel.now_ns
        if now != self._turn_ns or self._stopped:
            return  # an earlier turn has taken its place
        self._turn_ns = NEVER_NS
        self._in_turn = True
        mailbox = self._mailbox
        while mailbox:
            command, argument = mailbox.popleft()
            command(argument)
        if self._writable:
            writable, self._writable = self._writable, []
            for engine in writable:
                engine.out_event()
        readable = self._readable
        while readable and readable[0][0] <= now:
            heappop(readable)[2].in_event()
        self._in_turn = False
        self._busy_until_ns = done = now + kernel.lag_ns
        kernel.lag_ns = 0
        if self._frozen:
            self._busy_until_ns = NEVER_NS
        elif mailbox or self._writable:
            self._schedule(done, _no_delay)
        elif readable:
            self._schedule(readable[0][0], self.costs.readable_wake)

    # -- signals -------------------------------------------------------------------------------

    def stop(self) -> None:
        """No turn until :meth:`go_on`."""
        self._stopped = True

    def go_on(self) -> None:
        """All that has come meanwhile is done now; timers first, as ever."""
        if self._stopped:
            self._stopped = False
            self._turn_ns = NEVER_NS
            self._schedule(self.kernel.now_ns, _no_delay)

    def vanish(self) -> None:
        """Its process is dead: nothing that waits here is done."""
        self._mailbox.clear()
        self._readable.clear()
        self._writable.clear()
        self.timers.clear()


def _no_delay() -> int:
    return 0
