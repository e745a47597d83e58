"""A socket's mailbox: commands from other threads, and when the application notices them.

Theory of operation. Other threads put commands there (new pipe, credit, data again, pipe closed);
they take effect only inside calls that the application makes on that socket (F42). A closed socket's
mailbox is looked after by the reaper thread (F165).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.twin.errors import ETERM, TwinError
from harness.twin.kernel import Process

if TYPE_CHECKING:
    from harness.twin.context import Context


class Commands:
    """The part of a socket that takes commands and waits for them."""

    __slots__ = ("_mailbox", "_waiter", "closed", "context", "costs", "kernel", "stopped")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.kernel = context.kernel
        self.costs = context.costs
        self.closed = False
        self.stopped = False
        """Whether it has learnt that its context is being terminated; nothing but close works then."""
        self._mailbox: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._waiter: tuple[Process, int] | None = None

    def post(self, command: Callable[[Any], None], argument: Any) -> None:
        """Put a command into the mailbox and wake whoever waits for one."""
        self._mailbox.append((command, argument))
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            kernel = self.kernel
            kernel.wake(waiter[0], waiter[1], kernel.lag_ns + self.costs.app_wake())
            kernel.lag_ns += self.costs.signal_ns
        elif self.closed and len(self._mailbox) == 1:
            # The reaper thread looks after a closed socket (F165).
            self.kernel.call_at(self.kernel.now_ns + self.kernel.lag_ns, self._reap)

    def process_commands(self) -> None:
        """Look into the mailbox and do all that is there."""
        mailbox = self._mailbox
        while mailbox:
            command, argument = mailbox.popleft()
            command(argument)
        if self.context.terminating and not self.closed:
            self.stopped = True
            raise TwinError(ETERM)

    def _reap(self) -> None:
        mailbox = self._mailbox
        while mailbox:
            command, argument = mailbox.popleft()
            command(argument)

    def has_commands(self) -> bool:
        """Whether commands wait in the mailbox."""
        return bool(self._mailbox)

    def wait_on(self, process: Process) -> None:
        """The next command wakes this process."""
        self._waiter = (process, process.token)

    def wait_off(self) -> None:
        """Nobody waits any more."""
        self._waiter = None

    def _wait(self, deadline_ns: int) -> None:
        """Wait until there is a command, or until the deadline; then process all."""
        if not self._mailbox:
            kernel = self.kernel
            kernel.lag_ns = 0
            self.wait_on(kernel.running())
            kernel.block(deadline_ns)
            self._waiter = None
            kernel.lag_ns = 0
        self.process_commands()

    def _settle(self) -> None:
        kernel = self.kernel
        lag, kernel.lag_ns = kernel.lag_ns, 0
        kernel.spend(lag)
