"""Carries a live run through its stages: all at the gate, all ready, start line, load, drain, end."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.guard import Guard
from harness.live.clock import wait_until
from harness.live.control import Control, State, shared_file
from harness.live.library import library_of
from harness.live.memory import MemoryLimits
from harness.live.network import network_of
from harness.live.processes import Processes, lifeline
from harness.live.servant import ServantError
from harness.live.timeline import Timeline
from harness.live.usage import Usage
from harness.relay.breaks import record_break
from harness.relay.pairs import InFlight
from harness.relay.ways import Way
from harness.run import SETTLE_NS, Run
from harness.trace import RECORD_BYTES, RECORD_DTYPE, Recorder, count_records, read_records

RECORDS_LIMIT = 8_000_000
"""Records that one node may write (40 bytes each, 320 MB in all; memory is taken as they are written)."""

EVENTS_LIMIT = 100_000
"""Socket events that one process may write."""

READY_AFTER_NS = 1_000_000_000
"""A program that does not wait, receive or send through its node counts as ready after so long."""

QUIET_NS = 300_000_000
"""The drain is over when for so long nothing was recorded and nobody was at work ..."""

MULTICAST_QUIET_NS = 1_500_000_000
"""With pgm a receiver may have to wait for a heartbeat, then for its own request, then for the repair (F216) ..."""

QUIET_GAPS = 3
"""... or for this many times the longest silence that was followed by something, if that is more."""

_START_POLL_NS = 2_000_000
_POLL_NS = 20_000_000


class _StopError(Exception):
    """The run ends here; why is in the limits or with the node."""


class Supervisor:
    """One live run.

    Attributes:
        errors: node name to what ended its program.
        limits_hit: a sentence for each limit that was hit.
        end_ns: when the run was over, in ns after the start line.
        environment: plain data on the network of the run, and on ends at memory limits, for ``Trace.environment``.
        records: all that was recorded, node by node and then the faults; shape (n,), dtype RECORD_DTYPE.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._nodes = run.topology.nodes
        self._recorder = Recorder()
        self._line_ns = 0
        self._wall_ns = time.monotonic_ns() + run.wall_limit_ns
        self._maps: list[mmap.mmap] = []
        self._event_maps: list[mmap.mmap] = []
        self.records: npt.NDArray[Any] = np.empty(0, RECORD_DTYPE)
        self.errors: dict[str, str] = {}
        self.limits_hit: list[str] = []
        self.end_ns = 0
        self.environment: dict[str, Any] = {}

    def carry_out(self) -> None:
        """Run from the first process to the last record.

        Raises OSError when processes, addresses or the library cannot be had; KeyError, TypeError for a fault that
        makes no sense. Whatever is raised, no process is left.
        """
        with contextlib.ExitStack() as stack:
            guard = stack.enter_context(Guard())
            life = stack.enter_context(lifeline())
            control_fd = stack.enter_context(_descriptor("control", Control.size(len(self._nodes))))
            self._control = Control(control_fd, len(self._nodes))
            stack.callback(self._control.close)
            stack.callback(self._close_maps)
            library = library_of(self._run.topology)
            self.environment.update(library.versions())
            self._processes = Processes(guard, life, library.python, library.environment())
            self._network = network_of(self._run, guard, life, self._broke, self.limits_hit.append)
            stack.callback(self._network.end)
            links = self._network.links
            self._timeline = Timeline(self._run, self._control, self._processes, links, self._recorder, self._now)
            self._usage = Usage(self._processes, self._recorder)
            self._memory = MemoryLimits(self._run.topology, self._processes, self._control, self._recorder)
            try:
                self._start(stack, control_fd)
                self._play()
            except BaseException:
                self._processes.end(at_once=True)
                raise
            self._processes.end()
            self.environment["memory_ends"] = self._memory.ends
            self.records = np.concatenate([*map(read_records, self._maps), self._recorder.records(), *self._events()])

    def _events(self) -> Iterator[npt.NDArray[Any]]:
        """What happened to the connections of each process, in ns after the start line."""
        for mapping in self._event_maps:
            records = read_records(mapping)
            records["time_ns"] -= self._line_ns
            yield records if self._line_ns else records[:0]

    def _close_maps(self) -> None:
        for mapping in (*self._maps, *self._event_maps):
            mapping.close()
        self._maps.clear()
        self._event_maps.clear()

    def _start(self, stack: contextlib.ExitStack, control_fd: int) -> None:
        """Start network and cells; descriptors stay open on the stack, for those that are started anew."""
        self._network.start()
        self.environment.update(self._network.describe())
        text = json.dumps(self._run.plain()).encode()
        run_fd = stack.enter_context(_descriptor("run", len(text)))
        os.pwrite(run_fd, text, 0)
        size = RECORDS_LIMIT * RECORD_BYTES
        records = [stack.enter_context(_descriptor(node.name, size)) for node in self._nodes]
        self._maps.extend(mmap.mmap(fd, size) for fd in records)
        for nodes in self._run.topology.together():
            own = {node: records[node] for node in nodes}
            events = stack.enter_context(_descriptor("events", EVENTS_LIMIT * RECORD_BYTES))
            self._event_maps.append(mmap.mmap(events, EVENTS_LIMIT * RECORD_BYTES))
            doors = self._network.doors(nodes)
            order = {
                "doors": doors,
                "run": run_fd,
                "control": control_fd,
                "records": own,
                "events": events,
                "addresses": {node: self._network.addresses(self._nodes[node].name) for node in nodes},
            }
            self._processes.start(nodes, order, (run_fd, control_fd, events, *own.values(), *doors))

    # -- the stages ------------------------------------------------------------------------------

    def _play(self) -> None:
        try:
            self._until_all(State.AT_GATE, range(len(self._nodes)))
            self._control.set_go()
            self._until_all(State.READY, [i for i, node in enumerate(self._nodes) if node.start_ns is None])
            self._line_ns = time.monotonic_ns() + SETTLE_NS
            self._control.set_line(self._line_ns)
            self._load()
            self._drain()
        except _StopError:
            pass
        except ServantError as error:
            self.limits_hit.append(str(error))
        if self._line_ns:
            self.end_ns = self._now()
        for index, node in enumerate(self._nodes):
            state = self._control.state(index)
            if state is State.FAILED:
                self.errors[node.name] = self._control.error(index)
            elif state is State.FULL:
                self.limits_hit.append(f"node {node.name}: {self._control.error(index)}")

    def _until_all(self, state: State, nodes: Iterable[int]) -> None:
        """Wait until these nodes are that far, or have been running for a while."""
        pending = dict.fromkeys(nodes, 0)
        while pending:
            self._look_after()
            now = time.monotonic_ns()
            for node, since in list(pending.items()):
                reached = self._control.state(node)
                if reached >= state or (since and now - since > READY_AFTER_NS):
                    del pending[node]
                elif reached is State.RUNNING and not since:
                    pending[node] = now
            wait_until(now + _START_POLL_NS, spin=False)

    def _load(self) -> None:
        while self._now() < self._run.duration_ns and not self._load_is_over():
            self._step()

    def _load_is_over(self) -> bool:
        """Whether every node that sends has returned, or is dead for good, and nobody is yet to come."""
        senders = {name for flow in self._run.topology.flows for name in flow.senders}
        over = (State.FINISHED,) if self._timeline.next_ns is not None else (State.FINISHED, State.DOWN)
        return all(
            self._control.state(index) in over if node.name in senders else (node.start_ns or 0) <= self._now()
            for index, node in enumerate(self._nodes)
        )

    def _drain(self) -> None:
        """Wait until nothing comes any more, nobody is at work, and it has been so for long enough."""
        limit_ns = self._now() + self._run.drain_limit_ns
        quiet_ns = MULTICAST_QUIET_NS if self._run.topology.multicast else QUIET_NS
        seen, last_ns, longest_ns = self._written(), self._now(), 0
        over = (State.FINISHED, State.DOWN)
        while any(self._control.state(index) not in over for index in range(len(self._nodes))):
            self._step()
            now, written = self._now(), self._written()
            if written != seen:
                longest_ns = max(longest_ns, now - last_ns)
                seen, last_ns = written, now
            busy_ns = max(self._control.busy_until_ns(index) for index in range(len(self._nodes))) - self._line_ns
            last_ns = max(last_ns, min(busy_ns, now))
            if now - last_ns > max(quiet_ns, QUIET_GAPS * longest_ns):
                if not self._network.repeats():
                    return
                last_ns = now
            if now > limit_ns:
                limit_s = self._run.drain_limit_ns / 1e9
                self.limits_hit.append(f"messages still came {limit_s:g} s after the load had ended (drain limit)")
                return

    # -- what is done again and again ------------------------------------------------------------

    def _now(self) -> int:
        return time.monotonic_ns() - self._line_ns

    def _step(self) -> None:
        """Let a little time pass, not beyond the next fault, and do what is due."""
        self._look_after()
        until_ns = self._now() + _POLL_NS
        for due_ns in (self._timeline.next_ns, self._memory.due_ns):
            if due_ns is not None:
                until_ns = min(until_ns, due_ns)
        wait_until(self._line_ns + until_ns, spin=False)
        self._timeline.act()
        self._memory.sample(self._now())
        self._usage.sample(self._now())
        self._network.listen()

    def _broke(self, way: Way, monotonic_ns: int, there: InFlight, back: InFlight) -> None:
        """A connection over a link is no more."""
        ends = self._run.topology.node_id(way.node), self._run.topology.node_id(way.endpoint.binder)
        record_break(self._recorder, ends, monotonic_ns - self._line_ns, there, back)

    def _written(self) -> int:
        return sum(map(count_records, self._maps))

    def _look_after(self) -> None:
        """Raises _StopError when a node is lost, full or failed, or the time is up."""
        for index in range(len(self._nodes)):
            if self._control.state(index) is State.FAILED:
                self._memory.explains(self._processes.cell_of(index), self._control.error(index), self._now())
        states = [self._control.state(index) for index in range(len(self._nodes))]
        stop = State.FULL in states or State.FAILED in states
        for nodes, how in list(self._processes.dead()):
            if not self._memory.explains(nodes, how, self._now()):
                stop = True
                self.errors.update({self._nodes[index].name: how for index in nodes})
        if time.monotonic_ns() > self._wall_ns:
            limit_s = self._run.wall_limit_ns / 1e9
            self.limits_hit.append(f"the run took more than {limit_s:g} s of real time (wall limit)")
            stop = True
        if stop:
            raise _StopError


@contextlib.contextmanager
def _descriptor(name: str, size_bytes: int) -> Iterator[int]:
    descriptor = shared_file(name, size_bytes)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
