"""A process whose memory is limited is killed at its limit: an outcome of the run, and no harm to the machine."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from harness.ledger import settle
from harness.live.world import execute
from harness.load import Service
from harness.patterns import pubsub
from harness.run import Run
from harness.trace import EVENTS, Kind
from harness.twin.heap import content_bytes

from .runs import MS, S, alone, events, of_kind, run_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(60), pytest.mark.needs("memory_limit")]

LIMIT = 16 << 20
SIZE = 32_000


def growing(sndhwm: int) -> Run:
    """1000 messages of 32 kB a second, of which the subscriber reads a twentieth."""
    topology = pubsub.build(pubsub.Options(rate_per_s=1000, size_bytes=SIZE), S)
    marks = {"sndhwm": sndhwm, "rcvhwm": 10, "sndbuf": 65536, "rcvbuf": 65536}
    nodes = [dataclasses.replace(node, options={**node.options, "socket": marks}) for node in topology.nodes]
    nodes[0] = dataclasses.replace(nodes[0], memory_limit_bytes=LIMIT)
    service = dataclasses.asdict(Service(mean_ns=20 * MS))
    nodes[1] = dataclasses.replace(nodes[1], options={**nodes[1].options, "service": service})
    return run_of(dataclasses.replace(topology, nodes=tuple(nodes)))


def test_it_grows_to_its_limit_and_is_killed_there() -> None:
    run = growing(0)
    trace = execute(run)
    assert trace.errors == {}
    assert trace.limits_hit == ()
    assert trace.environment["memory_ends"] == {"pub": "killed at its memory limit"}
    (died,) = events(trace, "memory_limit", "pub")
    samples = of_kind(trace, Kind.EVENT, "pub")
    kib = samples["aux"][samples["flag"] == EVENTS.index("grown_kib")].astype(int)
    assert len(kib) >= 20
    assert kib[0] < 2048
    assert kib[-1] * 1024 >= LIMIT > kib[-2] * 1024
    assert np.corrcoef(kib, np.arange(len(kib)))[0, 1] > 0.9
    # All that it kept is its own: 32 MB/s, of which a twentieth goes.
    assert 400 * MS < died < 900 * MS
    ledger = settle(run, trace)
    assert ledger.lost["crash_unsent"] * SIZE == pytest.approx(LIMIT, rel=0.2)
    assert sum(ledger.lost.values()) == ledger.lost["crash_unsent"]
    assert ledger.unexplained == 0
    assert ledger.delivered > 20, "what the kernel had is still read"


def test_with_a_mark_it_lives() -> None:
    trace = execute(growing(100))
    assert events(trace, "memory_limit", "pub") == []
    assert trace.environment["memory_ends"] == {}
    assert len(events(trace, "finished", "pub")) == 1


def test_what_comes_between_two_samples_is_stopped_by_the_address_space_and_named() -> None:
    topology = alone("grabs", size_bytes=2 << 30)
    (node,) = topology.nodes
    limited = dataclasses.replace(node, memory_limit_bytes=LIMIT)
    trace = execute(run_of(dataclasses.replace(topology, nodes=(limited,))))
    assert trace.errors == {}
    assert trace.environment["memory_ends"] == {"one": "ended by itself for want of memory: MemoryError"}
    assert len(events(trace, "memory_limit", "one")) == 1


GROWTH = """
import os, sys, zmq

def anonymous():
    _, resident, shared, *_ = map(int, open("/proc/self/statm").read().split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")

size, count = map(int, sys.argv[1:])
socket = zmq.Context().socket(zmq.PUSH)
socket.sndhwm = 0
socket.connect("inproc://nobody")
for _ in range(10):
    socket.send(bytes(size))
before = anonymous()
for _ in range(count):
    socket.send(bytes(size))
print((anonymous() - before) / count, flush=True)
os._exit(0)
"""


@pytest.mark.parametrize(("size", "count"), [(33, 100_000), (34, 100_000), (1000, 30_000), (32_000, 1000)])
def test_what_a_queued_message_takes_is_what_the_twin_says(size: int, count: int) -> None:
    command = [sys.executable, "-c", GROWTH, str(size), str(count)]
    grown = float(subprocess.run(command, capture_output=True, check=True, timeout=20).stdout)
    assert content_bytes(size) + 64.1 == pytest.approx(grown, rel=0.02)


def test_another_error_of_a_limited_node_is_an_error() -> None:
    topology = alone("is_killed")
    (node,) = topology.nodes
    limited = dataclasses.replace(node, memory_limit_bytes=LIMIT)
    trace = execute(run_of(dataclasses.replace(topology, nodes=(limited,))))
    assert trace.errors == {"one": "its process was ended by SIGKILL"}
    assert events(trace, "memory_limit", "one") == []
