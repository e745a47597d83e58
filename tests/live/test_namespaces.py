"""A live run over namespaces of the kernel: what its links do, and that nothing of it stays."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.guard import Guard
from harness.live import world
from harness.live.doors import command
from harness.live.namespaces.layout import address
from harness.live.namespaces.network import Namespaces
from harness.live.processes import lifeline
from harness.patterns import pubsub
from harness.run import FaultSpec, Live, Run
from harness.topology import Link
from harness.trace import EVENTS, Kind
from tests.conftest import ROOT
from tests.live.inventory import MARK, Inventory, left, of_machine, processes

from .runs import MS, S, events, of_kind, pubsub_run, run_of
from .test_links import fault, silence

pytestmark = [pytest.mark.live, pytest.mark.needs("netns"), pytest.mark.timeout(60)]

LIVE = Live(network="namespaces")
COUNT = 400


def linked(*faults: FaultSpec, duration_ns: int = 2 * S, rate_per_s: float = 200, **link: Any) -> Run:
    """A PUB and two SUB, messages of 100 bytes; one SUB has a link. PUB's kernel can hold seconds of messages."""
    options = pubsub.Options(rate_per_s=rate_per_s, size_bytes=100, subscribers={"fast": 2})
    built = pubsub.build(options, duration_ns)
    pub = dataclasses.replace(built.nodes[0], options={**built.nodes[0].options, "socket": {"sndbuf": 1_000_000}})
    topology = dataclasses.replace(built, nodes=(pub, *built.nodes[1:]), links=(Link(node="fast-1", **link),))
    return run_of(topology, duration_ns=duration_ns, faults=faults, live=LIVE)


def test_without_a_fault_nothing_is_lost() -> None:
    trace = world.execute(pubsub_run(duration_ns=S, live=LIVE))
    assert trace.errors == {}
    assert trace.limits_hit == ()
    for name in ("fast-1", "fast-2"):
        assert len(of_kind(trace, Kind.RECEIVED, name)) == 200
    assert trace.environment["network"] == "namespaces"
    assert trace.environment["tcp"]["congestion_control"] == "cubic"
    assert trace.environment["tcp"]["rmem_max"], "what else is known of tcp stays"


def test_ipc_passes_from_one_namespace_to_another() -> None:
    trace = world.execute(pubsub_run("ipc", duration_ns=S // 2, live=LIVE))
    assert trace.errors == {}
    assert len(of_kind(trace, Kind.RECEIVED, "fast-1")) == 100


def test_after_a_link_was_down_it_goes_on_soon() -> None:
    trace = world.execute(linked(fault("link_down", 500 * MS, lasts_ns=2 * S), duration_ns=3 * S))
    assert len(of_kind(trace, Kind.RECEIVED, "fast-1")) == 600
    begin, length = silence(trace, "fast-1")
    assert 480 <= begin <= 700
    assert 1980 <= length <= 2500
    assert events(trace, "disconnected", "fast-1") == []
    assert silence(trace, "fast-2")[1] < 400
    began = events(trace, "fault_on", "fast-1") + events(trace, "fault_off", "fast-1")
    for before, done in zip(began, events(trace, "fault_done", "fast-1"), strict=True):
        assert before < done < before + 500 * MS


def test_after_a_black_hole_tcp_waits_for_its_timer() -> None:
    trace = world.execute(linked(fault("blackhole", 500 * MS, lasts_ns=2 * S), duration_ns=4 * S))
    assert len(of_kind(trace, Kind.RECEIVED, "fast-1")) == 800
    begin, length = silence(trace, "fast-1")
    assert 480 <= begin <= 700
    assert 2500 <= length <= 4500, "0.2, 0.4, 0.8, 1.6 s after the last try"
    assert events(trace, "disconnected", "fast-1") == []


def test_a_link_may_be_silent_one_way() -> None:
    # Messages go down, what acknowledges them goes up; a few are on their way before the first is missed.
    trace = world.execute(linked(fault("blackhole", 500 * MS, lasts_ns=S, direction="up"), rate_per_s=20))
    assert len(of_kind(trace, Kind.RECEIVED, "fast-1")) == 40
    assert silence(trace, "fast-1")[1] < 1500


def test_a_reset_is_seen_at_both_ends_and_costs_a_gap() -> None:
    trace = world.execute(linked(fault("reset")))
    for name in ("fast-1", "pub"):
        (lost,) = events(trace, "disconnected", name)
        assert 1000 * MS <= lost <= 1200 * MS
    back = max(events(trace, "handshake_succeeded", "fast-1"))
    assert 100 * MS <= back - lost <= 400 * MS, "RECONNECT_IVL and a jitter"
    assert 15 <= COUNT - len(of_kind(trace, Kind.RECEIVED, "fast-1")) <= 80
    assert len(of_kind(trace, Kind.RECEIVED, "fast-2")) == COUNT
    broke = trace.records[trace.records["flag"] == EVENTS.index("link_broke")]
    broke = broke[broke["kind"] == Kind.EVENT]
    assert broke["node"].tolist() == [trace.nodes.index("fast-1")]
    assert broke["peer"].tolist() == [trace.nodes.index("pub")]


@pytest.mark.needs("emulator")
def test_a_link_delays_both_ways_and_what_it_loses_comes_later() -> None:
    trace = world.execute(linked(fault("impair", lasts_ns=500 * MS, delay_ns=20 * MS, loss=0.05), delay_ns=20 * MS))
    assert trace.limits_hit == ()
    received = of_kind(trace, Kind.RECEIVED, "fast-1")
    waits = (received["time_ns"] - received["other_ns"]) / MS
    assert len(received) == COUNT
    assert 20 <= np.median(waits) <= 25
    late = waits[(received["other_ns"] > S) & (received["other_ns"] < 1500 * MS)]
    assert late.max() > 40, "one of a hundred packets at least is repeated"
    assert len(of_kind(trace, Kind.RECEIVED, "fast-2")) == COUNT


@pytest.mark.needs("emulator")
def test_whoever_is_refused_comes_back_when_it_is_over() -> None:
    trace = world.execute(linked(fault("refuse", 900 * MS, lasts_ns=700 * MS), fault("reset"), duration_ns=3 * S))
    assert trace.limits_hit == ()
    back = max(events(trace, "handshake_succeeded", "fast-1"))
    assert 1600 * MS <= back <= 2200 * MS
    assert len(events(trace, "connect_retried", "fast-1")) >= 4
    assert len(of_kind(trace, Kind.RECEIVED, "fast-2")) == 600


@pytest.mark.needs("emulator")
def test_an_emulated_link_may_be_pulled_and_silent_too() -> None:
    faults = fault("link_down", 500 * MS, lasts_ns=500 * MS), fault("blackhole", 1500 * MS, lasts_ns=500 * MS)
    trace = world.execute(linked(*faults, duration_ns=3 * S, delay_ns=5 * MS))
    assert trace.limits_hit == ()
    times = of_kind(trace, Kind.RECEIVED, "fast-1")["time_ns"] / MS
    assert len(times) == 600
    assert not ((times > 530) & (times < 1000)).any()
    assert not ((times > 1530) & (times < 2000)).any()


@pytest.mark.needs("tbf")
def test_a_narrow_link_makes_messages_wait_and_heals() -> None:
    # 200 messages of 100 bytes a second are 20 kB/s and headers; for half a second half as much gets through.
    trace = world.execute(linked(fault("impair", 500 * MS, lasts_ns=500 * MS, rate_bytes_per_s=10_000)))
    received = of_kind(trace, Kind.RECEIVED, "fast-1")
    waits = (received["time_ns"] - received["other_ns"]) / MS
    assert len(received) == COUNT
    assert waits[(received["other_ns"] > 800 * MS) & (received["other_ns"] < 900 * MS)].min() > 50
    assert waits[-20:].max() < 200


@pytest.mark.needs("tbf")
def test_ten_megabits_are_ten_megabits() -> None:
    topology = pubsub.build(pubsub.Options(rate_per_s=1, subscribers={"sub": 1}), S)
    link = Link(node="sub", rate_bytes_per_s=1_250_000)
    run = run_of(dataclasses.replace(topology, links=(link,)), live=LIVE)
    with Guard() as guard, lifeline() as life, contextlib.ExitStack() as stack:
        network = Namespaces(run, guard, life, lambda *_: None, lambda _: None)
        stack.callback(network.end)
        network.start()
        receiver = stack.enter_context(start(network.doors((1,)), "receive"))
        stack.callback(receiver.kill)
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == "up\n"
        sender = stack.enter_context(start(network.doors((0,)), "send", address(1)))
        stack.callback(sender.kill)
        assert receiver.stdout.readline() == "cubic\n"
        goodput = float(receiver.stdout.readline())
    # Of the 1514 bytes of a frame, 1448 are data.
    # A busy machine is late for tokens, and those that find the bucket full are gone.
    assert 0.8 <= goodput / (1_250_000 * 1448 / 1514) <= 1.03


def start(doors: Sequence[int], *arguments: str) -> subprocess.Popen[str]:
    """A program of tests/live/goodput.py, inside."""
    line = [*command(doors, "tests.live.goodput"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(line, pass_fds=doors, stdout=subprocess.PIPE, text=True, env=environment)


USER = """
from harness.live.world import execute
from harness.trace import Kind
from tests.live.runs import MS, S, events, of_kind
from tests.live.test_namespaces import LIVE, linked
from tests.live.test_links import fault

trace = execute(linked(fault("link_down", 300 * MS, lasts_ns=200 * MS), fault("reset"), delay_ns=5 * MS))
assert trace.errors == {}, trace.errors
assert trace.limits_hit == (), trace.limits_hit
assert len(events(trace, "disconnected", "pub")) == 1
print(trace.environment["namespaces_of"], len(of_kind(trace, Kind.RECEIVED, "fast-2")))
"""
OPENED = """
set -e
mount --bind "$1" "$3"
mount -t tmpfs -o mode=755 tmpfs "$2"
mkdir -p "$1"
mount --bind "$3" "$1"
shift 3
exec "$@"
"""
"""Lets others into a Python below a folder that is closed to them; only this process and its children see it so."""


def as_an_ordinary_user(tmp_path: Path) -> list[str]:
    """What to write before a command so that somebody else than root runs it."""
    if os.geteuid() != 0:
        return []
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
    python = Path(sys.base_prefix).resolve()
    closed = next((folder for folder in reversed(python.parents) if not folder.stat().st_mode & 0o001), None)
    if closed is None:
        return user
    return ["unshare", "--mount", "sh", "-c", OPENED, "sh", str(python), str(closed), str(tmp_path), *user]


@pytest.mark.needs("user_namespaces", "socket_destroy", "emulator")
def test_it_works_without_root(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/"}

    def python(script: str) -> subprocess.CompletedProcess[str]:
        line = [*as_an_ordinary_user(tmp_path), sys.executable, "-c", script]
        return subprocess.run(line, check=False, capture_output=True, text=True, env=environment, cwd="/", timeout=50)

    if (tried := python("import harness.live.world")).returncode:
        pytest.skip(f"no other user can run the harness here: {tried.stderr}")
    done = python(USER)
    assert done.stdout == "an ordinary user 400\n", done.stderr


SCRIPT = """
from harness.guard import Guard
from harness.live.world import execute
from tests.live.runs import S
from tests.live.test_namespaces import linked

with Guard():
    print("begun", flush=True)
    execute(linked(duration_ns=30 * S, rate_bytes_per_s=1_000_000))
"""


def networks() -> set[str]:
    """All network namespaces in which a process is, or of which one has a descriptor; those of threads left out."""
    found = set()
    for link in (*Path("/proc").glob("[0-9]*/ns/net"), *Path("/proc").glob("[0-9]*/fd/*")):
        with contextlib.suppress(OSError):
            target = str(link.readlink())
            if target.startswith("net:["):
                found.add(target)
    return found


def networks_of(mark: str) -> set[str]:
    """Where the processes with that mark are, apart from where this one is."""
    found = set()
    for line in processes(mark):
        with contextlib.suppress(OSError):
            found.add(str(Path(f"/proc/{line.split()[0]}/ns/net").readlink()))
    return found - {str(Path("/proc/self/ns/net").readlink())}


def network_of_machine() -> Inventory:
    return {kind: found for kind, found in of_machine().items() if kind not in ("shared memory", "control groups")}


def test_a_sudden_death_leaves_neither_process_nor_network() -> None:
    before = network_of_machine()
    mark = secrets.token_hex(8)
    environment = {**os.environ, MARK: mark, "PYTHONPATH": str(ROOT)}
    victim = subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment, stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None
    assert victim.stdout.readline() == "begun\n"
    deadline = time.monotonic() + 30
    while len(own := networks_of(mark)) < 4:  # three nodes and the middle
        assert time.monotonic() < deadline
        time.sleep(0.01)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    deadline = time.monotonic() + 10
    while (processes(mark) or networks() & own) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert processes(mark) == frozenset()
    assert networks() & own == set()
    assert left(before, network_of_machine()) == {}
