"""What an operating system does to a process from outside: SIGKILL, SIGSTOP and SIGCONT.

Theory of operation. A process is all that a program has made: the simulated processes that are its
threads, its contexts and their I/O threads. Killed, none of them does anything more: no ``finally``,
no linger. The kernel closes what the process had open: data that it was given goes on its way, then
the peer sees the end of the connection, or a reset where the dead process had not read all (F152, F170).
Stopped, no thread of it runs, while the kernel goes on: buffers take what comes until they are full,
connections are accepted into the listener's queue (F153); timers that come due meanwhile act afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.twin.census import census_of
from harness.twin.listener import Listener

if TYPE_CHECKING:
    from harness.twin.context import Context
    from harness.twin.kernel import Process
    from harness.twin.socket_base import SocketBase


def threads_of(process: Process) -> list[Process]:
    """All threads of the program that a simulated process belongs to."""
    return [process] if process.program is None else list(process.program.processes)


KILLED: Final = 128 + 9
"""The exit status that a shell shows."""

CRASH: Final = "crash_unsent", "crash_unread"
EXIT: Final = "linger", "close_unread"
"""Why what was queued, and what was unread, is lost: with a process that was killed, and with one that ends (F175)."""


def bury(threads: list[Process], contexts: list[Context], causes: tuple[str, str]) -> None:
    """A process is gone, as after SIGKILL; without ``term`` it goes in the same way when it ends (F175)."""
    for thread in threads:
        thread.kill()
    for context in contexts:
        _vanish(context, *causes)


def stop(threads: list[Process], contexts: list[Context]) -> None:
    """SIGSTOP; stopping a stopped process changes nothing."""
    for context in contexts:
        for io in context.io_threads:
            io.stop()
    for thread in threads:
        thread.stop()


def go_on(threads: list[Process], contexts: list[Context]) -> None:
    """SIGCONT."""
    for context in contexts:
        for io in context.io_threads:
            io.go_on()
    for thread in threads:
        thread.go_on()


def _vanish(context: Context, unsent: str, unread: str) -> None:
    """A context whose process is dead."""
    sockets = list(context.sockets)
    for io in context.io_threads:
        io.vanish()
    for socket in sockets:
        for listener in socket.endpoints.opened():
            if isinstance(listener, Listener):
                listener.vanish()
        for session in socket.sessions:
            session.vanish(unsent, unread)
    observer = context.observer
    for msg, reader in census_of(context):
        own = reader is not None and reader.context is context
        observer.lost(unread if own else unsent, msg, reader)
    for socket in sockets:
        _empty(socket)
    context.sockets.clear()
    context.terminating = context.closed = True


def _empty(socket: SocketBase) -> None:
    for pipe in list(socket.pipes):
        socket.observer.detached(socket, pipe)
    socket.vanish()
