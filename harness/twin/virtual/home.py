"""A simulated program: what an operating system process is to a script of plain pyzmq."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import greenlet

from harness.scripts.spec import MAIN_HOST
from harness.twin.kernel import InterruptedSimulation, Process, SimulatedExit
from harness.twin.signals import KILLED
from harness.twin.virtual.alarms import deliver
from harness.twin.virtual.chance import RandomBytes
from harness.twin.virtual.clock import Clock
from harness.twin.virtual.endings import ExitedAtOnce
from harness.twin.virtual.modules import Modules
from harness.twin.virtual.threads import Threads
from harness.twin.virtual.tracebacks import traceback_text

if TYPE_CHECKING:
    from harness.twin import Twin
    from harness.twin.network import Host

_FIRST_PID: Final = 1000

TEARDOWN_NS: Final = 7_000_000
"""From the last line of a program until its process is gone, as measured for Python 3.11 with pyzmq."""


class Home:
    """One program: its threads, its modules, and what became of it.

    Args:
        twin: the world it runs in.
        script: the file.
        arguments: what follows the file's name on its command line.
        name: for people; None is the file's name.
        family: all programs of the world; this one joins them, and its place there is its index.
        parent: the program whose child it is (``multiprocessing``), else None.
        job: what a child does in place of the script; it is given this.
        host: name of the simulated host, which must be there.
        seed: all chance in the program is drawn from it and its index.
        stdout, stderr: where its output goes; None is that of the process.
        on_end: is called when it has ended.
        tells_errors: whether the traceback of what it dies of is written to ``stderr``.

    Attributes:
        exit_status, ended_ns: None while it runs.
        children: its processes of ``multiprocessing``; ``family_member`` is the one that it is itself.
        importing_main: whether the script is only being imported, in a child.
        at_end: is called when it has ended.
        signals: those that have come from outside.
        error: the exception that it died of, else None.
    """

    clock: Clock
    threads: Threads
    modules: Modules

    def __init__(
        self,
        twin: Twin,
        script: str | Path,
        arguments: tuple[str, ...] = (),
        *,
        name: str | None = None,
        family: list[Home] | None = None,
        parent: Home | None = None,
        job: Callable[[Home], None] | None = None,
        host: str = MAIN_HOST,
        seed: int = 0,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        tells_errors: bool = True,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self.twin = twin
        self.kernel = twin.kernel
        self.costs = twin.costs
        self.clock = Clock(twin.kernel, twin.costs)
        self.script = Path(script)
        self.name = name or self.script.name
        self.argv = [str(script), *arguments]
        self.path = [str(self.script.resolve().parent), *(place for place in sys.path if place)]
        self.family = [] if family is None else family
        self.index = len(self.family)
        self.family.append(self)
        self.parent = parent
        self._job = job
        self.children: list[Any] = []
        self.family_member: Any = None
        self.processes_named = 0
        self.importing_main = False
        self.pid = _FIRST_PID + self.index
        self.host = host
        self._machine = twin.network.known(host)
        self.signals: list[int] = []
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self._seed = seed
        self.random_bytes = RandomBytes(seed, f"program/{self.index}")
        self.at_end: list[Callable[[], None]] = []
        self.at_exit: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []
        self.threads = Threads(self, self.pid << 12)
        self.processes: list[Process] = []
        self.modules = Modules(self)
        self.exit_status: int | None = None
        self.ended_ns: int | None = None
        self.error: BaseException | None = None
        self._tells_errors = tells_errors
        self._on_end = on_end
        self._instances: dict[Any, Any] = {}

    @property
    def front(self) -> Any:
        """This program's copy of pyzmq's front end: errors are raised in its classes."""
        return self.modules.load("zmq")

    @property
    def host_machine(self) -> Host:
        """The simulated host that the running thread is on."""
        host: Host = self.kernel.running().host or self.twin.network.main
        return host

    def found_nothing(self) -> None:
        """A call that did not wait has failed with EAGAIN."""
        self.clock.failed()

    # -- threads -----------------------------------------------------------------------------------

    def start(self, delay_ns: int = 0) -> Process:
        """The program starts that long from now."""
        process = self.spawn(self._main, self.name, delay_ns)
        self.threads.adopt_main(process)
        return process

    def spawn(self, function: Callable[[], None], name: str, delay_ns: int = 0) -> Process:
        """One more thread of this program."""
        process = self.kernel.spawn(function, name=name, delay_ns=delay_ns)
        process.instances = self._instances
        process.program = self
        process.host = self._machine
        self.processes.append(process)
        return process

    def complain(self, error: BaseException, where: str) -> None:
        """Write what a thread has died of, as Python does."""
        sys_module = self.modules.load("sys")
        print(where, file=sys_module.stderr)
        print(traceback_text(error), end="", file=sys_module.stderr)

    # -- from start to end -------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            self._live()
        except ExitedAtOnce as ended:
            self.end_at_once(ended.code)

    def _live(self) -> None:
        load = self.modules.load
        status = self._guarded(self._run)
        # As the interpreter does: wait for threads that are no daemons, then call the exit handlers.
        self._guarded(load("threading")._shutdown)
        self._guarded(load("atexit")._run_exitfuncs)
        # The interpreter takes its time to go, and libzmq's threads go on with sending meanwhile.
        self.kernel.spend(TEARDOWN_NS)
        self.end_at_once(status)

    def _run(self) -> None:
        self.modules.load("threading")  # the first thread to import it is the main thread
        if self._job is None:
            self.run_main("__main__")
        else:
            self._job(self)

    def run_main(self, name: str) -> None:
        """Run the script as the module of that name. Raises whatever it raises."""
        code = compile(self.script.read_bytes(), self.argv[0], "exec", dont_inherit=True)
        module = types.ModuleType(name)
        module.__dict__.update(__file__=self.argv[0], __builtins__=vars(self.modules.builtins))
        self.modules.loaded["__main__"] = self.modules.loaded["__mp_main__"] = module
        self.importing_main = name != "__main__"
        exec(code, module.__dict__)  # noqa: S102 - running the user's program is the purpose
        self.importing_main = False

    def child(self, name: str, job: Callable[[Home], None]) -> Home:
        """One more program, made of the same script, that does ``job``."""
        return Home(
            self.twin,
            self.script,
            tuple(self.argv[1:]),
            name=f"{self.name}/{name}",
            family=self.family,
            parent=self,
            job=job,
            host=self.host,
            seed=self._seed,
            stdout=self.stdout,
            stderr=self.stderr,
            on_end=self._on_end,
        )

    def _guarded(self, function: Callable[[], None]) -> int:
        """Call and give the exit status that it leads to."""
        try:
            function()
        except SystemExit as ended:
            return self._status_of(ended.code)
        except (SimulatedExit, ExitedAtOnce, InterruptedSimulation, greenlet.GreenletExit):
            raise
        except BaseException as error:
            self.error = error
            if self._tells_errors:
                print(traceback_text(error), end="", file=self.modules.load("sys").stderr)
            return 130 if isinstance(error, KeyboardInterrupt) else 1
        return 0

    def _status_of(self, code: Any) -> int:
        if code is None:
            return 0
        if isinstance(code, int):
            return code & 0xFF
        print(code, file=self.modules.load("sys").stderr)
        return 1

    def resolve(self, name: str) -> str | None:
        """The address that this host's programs get for a name."""
        return self.twin.network.resolve(name, self._machine)

    def signal(self, number: int) -> None:
        """A signal comes from outside. Nothing happens to a program that has ended."""
        if number and self.exit_status is None:
            self.signals.append(number)
            deliver(self, self.modules.load("signal"), number)

    def end_at_once(self, status: int) -> None:
        """The operating system takes the process away: its threads simply stop, its sockets are gone.

        No socket lingers, since nobody terminates the context of a program that has not done so itself.
        """
        self.exit_status = status
        self.ended_ns = self.kernel.now_ns
        # Nothing of a daemon thread runs again, its ``finally`` blocks neither.
        self.twin.bury(self.processes, crashed=status == KILLED)
        for told in self.at_end:
            told()
        if self._on_end is not None:
            self._on_end()
