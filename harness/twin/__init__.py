"""The twin: libzmq in virtual time, under pyzmq's own front end.

Usable on its own::

    from harness.twin import Twin

    twin = Twin(seed=1)

    def program():
        context = twin.zmq.Context()
        push, pull = context.socket(twin.zmq.PUSH), context.socket(twin.zmq.PULL)
        pull.bind("inproc://work")
        push.connect("inproc://work")
        push.send(b"hello")
        print(pull.recv(), twin.now_ns)

    twin.spawn(program)
    twin.run()

What it models and what not: ``docs/model.md``. The facts it obeys are cited as F1 to F237.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness.shaper import Shape
from harness.twin.accept_filter import NOBODY, Credentials
from harness.twin.census import census_of
from harness.twin.context import Context
from harness.twin.costs import Costs
from harness.twin.descriptors import Descriptors
from harness.twin.face import forget_world
from harness.twin.front_end import front_end
from harness.twin.heap import Heap
from harness.twin.kernel import InterruptedSimulation, Kernel, NotInSimulationError, Process, SimulatedExit
from harness.twin.keys import KeySequence
from harness.twin.link import Link
from harness.twin.msg import Msg
from harness.twin.network import Host, Network
from harness.twin.observer import Observer
from harness.twin.options import NotSimulatedYet
from harness.twin.pipe import Pipe
from harness.twin.relay import PathRelay, Told
from harness.twin.signals import CRASH, EXIT, KILLED, bury, go_on, stop, threads_of
from harness.twin.socket_base import SocketBase
from harness.twin.virtual.home import Home

__all__ = [
    "Heap",
    "Host",
    "InterruptedSimulation",
    "Link",
    "Msg",
    "NotInSimulationError",
    "NotSimulatedYet",
    "Observer",
    "PathRelay",
    "Pipe",
    "Process",
    "SimulatedExit",
    "SocketBase",
    "Twin",
    "run_file",
]


class Twin:
    """A simulated machine with its simulated processes; virtual time starts at ``start_ns``.

    Args:
        profile: what things cost on the machine (name or path); None is the shipped default.
        seed: all delays are drawn from it.
        observer: is told what is lost and what happens.
        start_ns: virtual time at the start, in ns.
        pgm: simulate a library with pgm and epgm, which the wheels of pyzmq do not have.
    """

    def __init__(
        self,
        profile: str | None = None,
        seed: int = 0,
        observer: Observer | None = None,
        start_ns: int = 0,
        *,
        pgm: bool = False,
    ) -> None:
        self.kernel = Kernel(start_ns)
        self.kernel.world = self
        self.costs = Costs(profile, seed)
        self.observer = observer or Observer()
        self.network = Network(self.kernel, seed, pgm)
        self.descriptors = Descriptors()
        self.keys = KeySequence(seed, "key pairs")
        self.session_keys = KeySequence(seed, "short-term keys")
        self._contexts: list[Context] = []
        self.owner_of: Callable[[Process], int] = _program_of
        """Asked once a socket, by the process that makes it; kept as ``socket.owner``."""

    @property
    def zmq(self) -> Any:
        """pyzmq's front end on this library (a module)."""
        return front_end().load("zmq")

    @property
    def now_ns(self) -> int:
        """Virtual time in ns."""
        return self.kernel.now_ns

    def host(self, name: str, address: str | None = None) -> Host:
        """The host of that name, made when it is new; it has the next address of 10.0.0.0/8 unless told.

        Programs on other hosts reach it as ``tcp://NAME:PORT`` or by its address; 127.0.0.1 and ipc stay inside.
        Raises ValueError when that cannot be.
        """
        return self.network.host(name, address)

    def link(self, first: str, second: str, **shape: Any) -> Link:
        """The link between two hosts, on which faults happen; without one they see each other over an ideal wire.

        Args:
            shape: fields of :class:`harness.shaper.Shape`, for both directions: ``delay_ns``, ``jitter_ns``,
                ``rate_bytes_per_s``, ``loss``, ``queue_bytes``, ``reorder``, ``duplicate``. Use ``impair`` for one
                direction.

        Raises ValueError, TypeError.
        """
        return self.network.link(first, second, Shape(**shape) if shape else None)

    def relay(self, told: Told) -> PathRelay:
        """A process on the first host through which connections are made; give it routes. ``told`` hears of breaks."""
        self.network.relay = made = PathRelay(self.kernel, self.costs, self.network.main, told)
        return made

    def at(self, time_ns: int, action: Callable[[], Any]) -> None:
        """Do ``action`` at that virtual time: ``twin.at(2 * SECOND, link.blackhole)``."""
        self.kernel.call_at(time_ns, action)

    def spawn(
        self, function: Callable[..., Any], *args: Any, name: str = "", delay_ns: int = 0, host: str | None = None
    ) -> Process:
        """Start ``function(*args)`` as a simulated process ``delay_ns`` from now.

        It runs on the host of that name, else on that of the process that spawns it. Raises ValueError.
        """
        process = self.kernel.spawn(function, *args, name=name, delay_ns=delay_ns)
        if host is not None:
            process.host = self.network.known(host)
        return process

    def sleep_ns(self, duration_ns: int) -> None:
        """The running process sleeps that long. Raises NotInSimulationError."""
        self.kernel.running()
        self.kernel.spend(duration_ns)

    def run(self, until_ns: int | None = None) -> None:
        """Go on until nothing is left to happen, or until then.

        Raises whatever a simulated process died of.
        """
        self.kernel.run_until(until_ns)
        self.raise_errors()

    def raise_errors(self) -> None:
        """Raise what the first of those simulated processes died of that died."""
        for process in self.kernel.processes:
            if process.error is not None:
                error, process.error = process.error, None
                raise error

    def context(self, process: Process, io_threads: int) -> Context:
        """A new context for a simulated process (the backend calls this)."""
        who = NOBODY if process.program is None else Credentials(pid=process.program.pid)
        context = Context(self.kernel, self.costs, self.observer, self.network, io_threads, process.host, who)
        context.maker = process
        self._contexts.append(context)
        return context

    def kill(self, process: Process) -> None:
        """SIGKILL: the whole program of that simulated process ends where it stands, its contexts with it."""
        if process.program is None:
            self.bury([process], crashed=True)
        else:
            process.program.end_at_once(KILLED)
        for thread in threads_of(process):
            thread.leave_if_running()

    def pause(self, process: Process) -> None:
        """SIGSTOP: neither the program of that simulated process nor its I/O threads run; the kernel goes on."""
        threads = threads_of(process)
        stop(threads, self._made_by(threads))
        for thread in threads:
            thread.leave_if_running()

    def resume(self, process: Process) -> None:
        """SIGCONT."""
        threads = threads_of(process)
        go_on(threads, self._made_by(threads))

    def bury(self, threads: list[Process], *, crashed: bool) -> None:
        """These threads and all contexts that they have made are gone, as when their process ends.

        The kernel still delivers what it has been given; peers see the end of the connection, or a reset.
        """
        contexts = self._made_by(threads)
        self._contexts = [context for context in self._contexts if context not in contexts]
        bury(threads, contexts, CRASH if crashed else EXIT)

    def heap(self, process: Process) -> Heap:
        """What the queues of the program of that simulated process take of its memory."""
        return Heap(lambda: self._made_by(threads_of(process)))

    def _made_by(self, threads: list[Process]) -> list[Context]:
        return [context for context in self._contexts if context.maker in threads]

    def end(self) -> None:
        """Nothing will happen here any more: programs end, and what they left open keeps nothing in memory."""
        for process in self.kernel.processes:
            process.end()
        contexts, self._contexts = self._contexts, []
        bury([], contexts, EXIT)
        forget_world(self.kernel)

    def census(self) -> Iterator[tuple[Msg, SocketBase | None]]:
        """Messages under way (their last frame), each with the socket it is under way to."""
        for context in self._contexts:
            yield from census_of(context)


def _program_of(process: Process) -> int:
    return -1 if process.program is None else int(process.program.index)


def run_file(path: str | Path, *, seed: int = 0, until_ns: int | None = None) -> Twin:
    """Run a file of plain pyzmq, unmodified, as one simulated process; give the world it ran in.

    Raises whatever the program raises.
    """
    twin = Twin(seed=seed)
    program = Home(twin, path, seed=seed, tells_errors=False)
    program.start()
    twin.run(until_ns)
    if program.error is not None:
        raise program.error
    return twin
