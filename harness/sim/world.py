"""Execute a run in the simulated world."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from harness import __version__, faults
from harness.node import keeping
from harness.relay.ways import is_relayed
from harness.run import SETTLE_NS, Run, load_program, program_options
from harness.sim.links import Links
from harness.sim.memory import Memory
from harness.sim.node import SimNode
from harness.sim.relayed_links import RelayedLinks
from harness.sim.watcher import Watcher
from harness.trace import EVENTS, NONE, Kind, Recorder, Trace, TraceFullError
from harness.twin import InterruptedSimulation, Process, Twin
from harness.world import NotedLinks

_SLICE_NS = 100_000_000
_QUIET_NS = 1_000_000_000
START_UP_NS = 150_000_000
"""A node that is started anew is there so much later: Python, pyzmq and what the harness needs have to be imported."""
_END_NS = 1_000_000_000
"""Real time that all programs together may take to clean up when they are ended."""


class WallLimit(InterruptedSimulation):
    """The simulation took too much real time."""


class RecordLimit(InterruptedSimulation):
    """The trace is full; no error of the program that happened to write next."""


class SimWorld(NotedLinks):
    """The verbs of :class:`harness.world.World` on the twin."""

    def __init__(self, execution: _Execution) -> None:
        self._execution = execution
        self._twin = execution.twin
        self.links = execution.links
        self._recorder = execution.recorder
        self._topology = execution.run.topology
        self._fault = 0

    def schedule(self, run: Run) -> None:
        """Let each fault of the run make its plan. Raises ImportError, TypeError."""
        for index, fault in enumerate(run.faults):
            self._fault = index
            faults.schedule(self, fault)

    def at(self, time_ns: int, action: Callable[[], None]) -> None:
        """Do ``action`` at that time after the start line."""
        fault = self._fault

        def act() -> None:
            self._fault = fault
            action()

        self._twin.kernel.call_at(time_ns + SETTLE_NS, act)

    def slow(self, node: str, factor: float) -> None:
        """Work at that node takes ``factor`` times as long from now on."""
        self._execution.nodes[node].factor = factor
        self.note("fault_on" if factor != 1.0 else "fault_off", node)

    def pause(self, node: str) -> None:
        """SIGSTOP to the process of that node."""
        for name in self._execution.cell(node):
            self.note("fault_on", name)
            self._twin.pause(self._execution.processes[name])

    def resume(self, node: str) -> None:
        """SIGCONT."""
        for name in self._execution.cell(node):
            self.note("fault_off", name)
            self._twin.resume(self._execution.processes[name])

    def kill(self, node: str) -> None:
        """SIGKILL to the process of that node; its other nodes, which inproc endpoints join to it, die with it."""
        for name in self._execution.cell(node):
            self.note("fault_on", name)
            self._twin.kill(self._execution.processes[name])

    def start(self, node: str) -> None:
        """A new process for the node, and for those that share it; it is there when its interpreter is."""
        for name in self._execution.cell(node):
            self.note("fault_off", name)
            self._execution.restart(name)

    def note(self, event: str, node: str) -> None:
        """In the trace, at the present virtual time."""
        now = self._twin.now_ns - SETTLE_NS
        node_id = self._topology.node_id(node)
        self._recorder.append(Kind.EVENT, EVENTS.index(event), NONE, node_id, NONE, -1, now, 0, 0, self._fault)


class _Execution:
    """One run on one twin."""

    def __init__(self, run: Run) -> None:
        self.run = run
        topology = run.topology
        self.recorder = Recorder()
        self.watcher = Watcher(topology, self.recorder)
        seed = int(run.rng("twin").integers(1 << 62))
        self.twin = Twin(profile=run.profile, seed=seed, observer=self.watcher, pgm=topology.multicast)
        self.watcher.watch(self.twin)
        self.twin.owner_of = self._owners_id
        self.errors: dict[str, str] = {}
        self.limits: list[str] = []
        self.broken_off = False
        self._owners: dict[Process, int] = {}
        self._cells = topology.cells()
        self._contexts: dict[int, Any] = {}
        self._instances: dict[int, dict[Any, Any]] = {}
        flow_ids = {flow.name: index for index, flow in enumerate(topology.flows)}
        self.links: Links | RelayedLinks = (
            RelayedLinks(self.twin, run, self.watcher.broke) if is_relayed(run) else Links(self.twin, topology)
        )
        self.nodes = {
            node.name: SimNode(
                index,
                node.name,
                flow_ids,
                self.recorder,
                self.twin,
                self.links.addresses(node.name),
                run.rng(f"node.{node.name}"),
            )
            for index, node in enumerate(topology.nodes)
        }
        self.processes: dict[str, Process] = {}

    def _owners_id(self, process: Process) -> int:
        return self._owners.get(process, -1)

    def start(self) -> None:
        """Spawn all programs; those without a start time at once."""
        for index, spec in enumerate(self.run.topology.nodes):
            self.nodes[spec.name].began_ns = max(0, spec.start_ns or 0)
            self._launch(index, 0 if spec.start_ns is None else spec.start_ns + SETTLE_NS)

    def _launch(self, index: int, delay_ns: int) -> None:
        spec = self.run.topology.nodes[index]
        function, options_class = load_program(spec.program)
        options = program_options(options_class, spec.options)
        body = partial(self._play, spec.name, index, function, options)
        process = self.twin.spawn(body, name=spec.name, delay_ns=delay_ns, host=self.links.hosts[spec.name])
        process.instances = self._instances.setdefault(self._cells[index], {})
        self.processes[spec.name] = process
        self._owners[process] = index

    def cell(self, name: str) -> list[str]:
        """All nodes that share a process with this one, itself included."""
        nodes = self.run.topology.nodes
        cell = self._cells[self.run.topology.node_id(name)]
        return [node.name for node, home in zip(nodes, self._cells, strict=True) if home == cell]

    def restart(self, name: str) -> None:
        """Start the program of a killed node anew, with nothing left but its numbers of messages."""
        index = self.run.topology.node_id(name)
        for forgotten in (self._contexts, self._instances):
            forgotten.pop(self._cells[index], None)
        node = self.nodes[name]
        node.began_ns = self.twin.now_ns + START_UP_NS - SETTLE_NS
        node.rng = self.run.rng(f"node.{name}")
        self._launch(index, START_UP_NS)

    def _play(self, name: str, index: int, function: Callable[[Any, Any], None], options: Any) -> None:
        node = self.nodes[name]
        cell = self._cells[index]
        if cell not in self._contexts:
            # Nodes that meet over inproc are threads of one process, with one context.
            self._contexts[cell] = keeping(node.zmq.Context)()
        node.attach(self._contexts[cell])
        self._event("started", index)
        try:
            function(node, options)
            self._event("finished", index)
        except TraceFullError as error:
            self.watcher.stop()
            raise RecordLimit(str(error)) from None

    def _event(self, name: str, index: int) -> None:
        now = self.twin.now_ns - SETTLE_NS
        self.recorder.append(Kind.EVENT, EVENTS.index(name), NONE, index, NONE, -1, now, 0, 0, 0)

    # -- until all is delivered --------------------------------------------------------------------

    def play(self) -> None:
        """Load, then drain."""
        run = self.run
        kernel = self.twin.kernel
        kernel.run_until(run.duration_ns + SETTLE_NS)
        limit = run.duration_ns + SETTLE_NS + run.drain_limit_ns
        quiet_since = kernel.now_ns
        records = len(self.recorder)
        while kernel.has_more():
            if kernel.now_ns >= limit:
                self.limits.append(f"the drain was cut off after {run.drain_limit_ns / 1e9:g} s with work left to do")
                return
            kernel.run_until(min(limit, kernel.now_ns + _SLICE_NS))
            if self.recorder.messages_since(records):
                quiet_since = kernel.now_ns
            elif kernel.now_ns - quiet_since >= _QUIET_NS and not self._under_way():
                return  # only timers are left, a reconnecting peer's for example
            records = len(self.recorder)

    def _under_way(self) -> bool:
        return next(iter(self.twin.census()), None) is not None

    def finish(self) -> Trace:
        """Count what is still under way, hand over the trace."""
        with suppress(TraceFullError):  # then there is no room for these either, and limits_hit says so
            self.watcher.under_way(self.twin)
        self.watcher.stop()
        end_ns = self.twin.now_ns - SETTLE_NS
        records = self.recorder.records()
        for name, process in self.processes.items():
            if process.error is not None:
                self.errors[name] = process.error_text
            process.error = None
        topology = self.run.topology
        return Trace(
            run_id=self.run.id,
            world="sim",
            nodes=tuple(node.name for node in topology.nodes),
            flows=tuple(flow.name for flow in topology.flows),
            records=records,
            end_ns=end_ns,
            limits_hit=tuple(self.limits),
            broken_off=self.broken_off,
            errors=self.errors,
            violations=tuple(self.watcher.violations),
            environment={
                "harness": __version__,
                "profile": self.run.profile,
                "seed": self.run.seed,
                "links": "relay" if is_relayed(self.run) else "network",
            },
        )

    def end(self) -> None:
        """End all programs; what they do then is not part of the run."""
        with suppress(WallLimit), _wall_limit(_END_NS):
            self.twin.end()


def execute(run: Run) -> Trace:
    """Simulate a run; the same run gives the same trace to the byte.

    A limit that is hit (records, drain, real time) is named in ``Trace.limits_hit``; a program that
    fails is named in ``Trace.errors``. Raises ImportError, AttributeError, TypeError when a program
    or its options cannot be loaded.
    """
    execution = _Execution(run)
    world = SimWorld(execution)
    world.schedule(run)
    execution.start()
    Memory(run.topology, execution.twin, execution.processes, execution.recorder).watch()
    collecting = gc.isenabled()
    # When the collector would close a socket depends on the whole process; in a simulation nothing may.
    gc.disable()
    try:
        with _wall_limit(run.wall_limit_ns):
            execution.play()
    except WallLimit:
        execution.broken_off = True
        execution.limits.append(f"the simulation took more than {run.wall_limit_ns / 1e9:g} s of real time")
    except (RecordLimit, TraceFullError) as error:
        execution.broken_off = True
        execution.limits.append(str(error))
    trace = execution.finish()
    execution.end()
    if collecting:
        gc.enable()
    return trace


@contextmanager
def _wall_limit(limit_ns: int) -> Iterator[None]:
    # The alarm only ends a run that would not end by itself; no result depends on when it comes.
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def expired(_signum: int, _frame: Any) -> None:
        raise WallLimit

    before = signal.signal(signal.SIGALRM, expired)
    # Again and again, should a program swallow the first.
    others_s, interval_s = signal.setitimer(signal.ITIMER_REAL, limit_ns / 1e9, _END_NS / 1e9)
    try:
        yield
    finally:
        left_s, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if others_s:  # whoever called had an alarm set of its own
            passed_s = max(0.0, limit_ns / 1e9 - left_s)
            signal.setitimer(signal.ITIMER_REAL, max(others_s - passed_s, 1e-3), interval_s)
