"""The parts of the live world, one by one."""

from __future__ import annotations

import contextlib
import dataclasses
import mmap
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zmq

from harness.guard import Guard
from harness.live.clock import wait_until
from harness.live.control import Control, State
from harness.live.environment import lateness
from harness.live.monitor import Monitors
from harness.live.places import Places
from harness.live.processes import lifeline
from harness.live.servant import Servant, ServantError
from harness.topology import Endpoint, Link, Topology
from harness.trace import EVENTS, NONE, RECORD_DTYPE, Kind, Recorder, count_records, read_records

from .nodes import live_node
from .runs import MS, node, pushing

pytestmark = [pytest.mark.live, pytest.mark.timeout(30)]


def test_a_mapping_that_nobody_recorded_to_is_empty() -> None:
    mapping = mmap.mmap(-1, 4096)
    assert count_records(mapping) == 0
    assert len(read_records(mapping)) == 0
    Recorder(mapping)
    assert count_records(mapping) == 0


def test_a_node_says_that_it_is_ready_and_waits_for_the_line(control: Control) -> None:
    first = live_node(control, 1, None)
    first.started()
    assert control.state(1) is State.RUNNING
    control.set_line(time.monotonic_ns() + 20 * MS)
    assert first.now() < 0
    assert control.state(1) is State.READY
    assert control.state(0) is State.NEW
    first.sleep_until(30 * MS)
    assert 30 * MS <= first.now() < 60 * MS


def test_work_takes_its_time_times_the_factor(control: Control) -> None:
    control.set_line(time.monotonic_ns())
    worker = live_node(control, 0, None)
    began = worker.now()
    worker.work(10 * MS)
    assert 10 * MS <= worker.now() - began < 40 * MS
    control.set_slow_factor(0, 3.0)
    began = worker.now()
    worker.work(10 * MS)
    assert 30 * MS <= worker.now() - began < 60 * MS
    worker.work(0)
    worker.work(-5)


def test_a_long_error_keeps_its_end(control: Control) -> None:
    control.set_error(0, "x" * 10_000 + "the end")
    assert control.error(0).endswith("xthe end")
    assert control.error(1) == ""


def test_waiting_never_ends_early() -> None:
    for wait_ns in (0, 50_000, 300_000, 2 * MS):
        for spin in (True, False):
            deadline = time.monotonic_ns() + wait_ns
            wait_until(deadline, spin)
            assert time.monotonic_ns() >= deadline
    wait_until(0)


def endpoint(name: str, transport: Any, binder: str, *connecters: str) -> Endpoint:
    return Endpoint(
        name=name,
        transport=transport,
        binder=binder,
        connecters=connecters,
        binder_type="PUB",
        connecter_type="SUB",
    )


def test_inproc_endpoints_decide_who_shares_a_process() -> None:
    nodes = tuple(node(name, "idle") for name in "abcdef")
    endpoints = (
        endpoint("one", "inproc", "e", "c"),
        endpoint("two", "tcp", "a", "b", "c"),
        endpoint("three", "inproc", "c", "a"),
        endpoint("four", "inproc", "f", "d"),
    )
    assert Topology(nodes=nodes, endpoints=endpoints, flows=()).together() == ((0, 2, 4), (1,), (3, 5))


def test_addresses_are_reserved_for_this_run() -> None:
    topology = pushing(count=0)
    with Guard() as guard, Places(topology, "a", guard) as one, Places(topology, "b", guard) as two:
        address = one.addresses("push")["work"]
        assert one.addresses("pull")["work"] == address != two.addresses("pull")["work"]
        assert one.ways == {}
        port = int(address.rpartition(":")[2])
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        with zmq.Context() as context, context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
            push.connect(address)
            pull.bind(address)
            push.send(b"x")
            assert pull.recv() == b"x"


def test_who_has_a_link_reaches_others_through_the_relay() -> None:
    topology = dataclasses.replace(pushing(count=0), links=(Link(node="push", delay_ns=1),))
    with Guard() as guard, Places(topology, "a", guard) as places:
        detour, address = places.addresses("push")["work"], places.addresses("pull")["work"]
        assert detour != address
        ((way, ports),) = places.ways.items()
        assert (way.node, way.near, way.far) == ("push", "push", None)
        assert ports == tuple(int(each.rpartition(":")[2]) for each in (detour, address))


def test_lateness_leaves_answers_out() -> None:
    records = np.zeros(4, RECORD_DTYPE)
    records["kind"] = [Kind.SENT, Kind.ATTEMPT, Kind.RECEIVED, Kind.SENT]
    records["peer"] = [NONE, NONE, 0, 1]
    records["time_ns"] = [10, 25, 1000, 5000]
    assert lateness(records) == {"sends": 2, "late_ns_p50": 17, "late_ns_p99": 24, "late_ns_max": 25}
    assert lateness(records[:0]) == {"sends": 0}


def test_monitors_outlive_a_context_that_is_terminated_while_they_are_read() -> None:
    before = _threads("monitors")
    recorder = Recorder()
    monitors = Monitors(recorder, {})
    for number in range(3):
        with zmq.Context() as context, context.socket(zmq.PULL) as pull:
            monitors.watch(pull, number)
            pull.bind("tcp://127.0.0.1:0")
            _until(lambda: number in recorder.records()["node"])  # noqa: B023
    listening = recorder.records()["flag"] == EVENTS.index("listening")
    assert recorder.records()["node"][listening].tolist() == [0, 1, 2]
    time.sleep(0.1)
    assert _threads("monitors") == before + 1


def test_a_servant_that_dies_over_an_order_is_missed_as_any_other() -> None:
    with Guard() as guard, lifeline() as life, contextlib.ExitStack() as stack:
        relay = Servant("the relay", "harness.live.proxy.serve", guard, life)
        stack.callback(relay.end)
        relay.start({"links": {}, "routes": [], "seed": 1})
        assert relay.pid is not None
        os.kill(relay.pid, signal.SIGSTOP)
        killing = threading.Timer(0.1, os.kill, (relay.pid, signal.SIGKILL))
        killing.start()
        with pytest.raises(ServantError, match="the relay has died"):
            relay.say("let_go", "wire")
        killing.join()


def _threads(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def _until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not reached():
        time.sleep(0.01)
