"""pgm and epgm on real sockets, beside the same runs in the simulation: what arrives, what is lost, and why."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zmq

from harness import config, execute, store
from harness.check import check
from harness.ledger import Ledger, settle
from harness.live import library
from harness.patterns import pubsub
from harness.plan import plan
from harness.run import FaultSpec, Live, Run
from harness.topology import Link
from harness.trace import Kind, Trace
from tests.conftest import ROOT

from .runs import MS, S, of_kind, run_of

multicast = pytest.mark.needs("netns", "pgm")
pytestmark = [pytest.mark.live, pytest.mark.timeout(90)]

WIDE = {"rate": 10_000, "sndhwm": 0, "rcvhwm": 0}


def feed(
    transport: Any = "epgm",
    *,
    link: Link | None = None,
    faults: tuple[FaultSpec, ...] = (),
    duration_ns: int = 2 * S,
    late_ns: int | None = None,
    drain_limit_ns: int = 10 * S,
    **options: int,
) -> Run:
    """A publisher of 100 bytes at 1 kHz, two subscribers; all have these socket options."""
    built = pubsub.build(
        pubsub.Options(rate_per_s=1000, size_bytes=100, transport=transport, subscribers={"near": 1, "far": 1}),
        duration_ns,
    )
    nodes = [
        dataclasses.replace(node, options={**node.options, "socket": options or WIDE}, start_ns=start_ns)
        for node, start_ns in zip(built.nodes, (None, None, late_ns), strict=True)
    ]
    topology = dataclasses.replace(built, nodes=tuple(nodes), links=(link,) if link else ())
    live = Live(network="namespaces")
    return run_of(topology, duration_ns=duration_ns, faults=faults, live=live, drain_limit_ns=drain_limit_ns)


def carried_out(run: Run) -> tuple[Trace, Ledger]:
    """Live, and none of its laws broken."""
    trace = execute.execute(run)
    ledger = settle(run, trace)
    checks = check(run, trace, ledger)
    assert trace.errors == {}
    assert [law for law in checks.laws if law.state == "invalid" and law.name != "generator"] == []
    return trace, ledger


def simulated(run: Run) -> Ledger:
    """The same run in the other world."""
    other = dataclasses.replace(run, world="sim")
    return settle(other, execute.execute(other))


def received(trace: Trace, name: str) -> int:
    return len(of_kind(trace, Kind.RECEIVED, name))


@multicast
@pytest.mark.parametrize("transport", ["pgm", "epgm"])
def test_everybody_gets_everything_from_a_library_of_its_own(transport: str) -> None:
    trace, ledger = carried_out(feed(transport, duration_ns=S // 2))
    assert ledger.delivered == ledger.expected == 1000
    assert trace.environment["libzmq"] != zmq.zmq_version(), "the wheel's has no pgm"
    assert trace.environment["network"] == "namespaces"


@multicast
def test_who_joins_late_begins_with_what_is_sent_then() -> None:
    """F218."""
    _, ledger = carried_out(feed(duration_ns=S, late_ns=S // 2))
    assert ledger.lost.keys() == {"no_peer"}
    assert 450 <= ledger.lost["no_peer"] <= 700


@multicast
def test_the_default_rate_is_a_hundred_kilobits_a_second_in_both_worlds() -> None:
    """F215. The publisher's queue has no end, so what RATE holds up is not lost."""
    run = feed(duration_ns=2 * S, drain_limit_ns=S, sndhwm=0, rcvhwm=0)
    trace, _ = carried_out(run)
    twin = simulated(run)
    assert received(trace, "near") == pytest.approx(twin.delivered / 2, abs=0.15 * twin.delivered / 2 + 15)
    assert 300 < received(trace, "near") < 600
    assert trace.limits_hit


@multicast
@pytest.mark.needs("tbf")
def test_an_outage_beyond_the_window_lasts_until_the_publisher_pauses() -> None:
    """F216, F217; the simulation says the same to a few messages, for OpenPGM has no chance in it here."""
    fault = FaultSpec(label="out", kind="blackhole", options={"link": "far", "at_ns": S // 2, "lasts_ns": S // 2})
    run = feed(faults=(fault,), link=Link(node="far"), duration_ns=3 * S, **WIDE, recovery_ivl=200)
    _, ledger = carried_out(run)
    twin = simulated(run)
    assert twin.lost.keys() == {"datagram"}
    assert 2200 < twin.lost["datagram"] < 2500, "all that was sent from the outage on, less what the sender still had"
    assert ledger.lost["datagram"] == pytest.approx(twin.lost["datagram"], rel=0.1)
    assert ledger.unexplained == 0


@multicast
@pytest.mark.needs("emulator")
def test_what_is_lost_within_the_window_is_repaired_late() -> None:
    run = feed(link=Link(node="far", loss=0.02), duration_ns=2 * S)
    _, ledger = carried_out(run)
    assert ledger.lost.get("datagram", 0) < 60, "but by who missed the sender's first word of itself, and cannot ask"
    assert simulated(run).lost.keys() <= {"no_peer"}
    waited = sorted(
        row["received_ns"] - row["sent_ns"]
        for row in ledger.messages.to_pylist()
        if row["receiver"] == "far" and row["received_ns"]
    )
    assert 20 * MS < waited[int(0.9 * len(waited))] < 400 * MS


@multicast
@pytest.mark.needs("emulator")
def test_behind_a_small_window_loss_is_for_good() -> None:
    """How much, is chance in both worlds: single messages, until the receiver loses its place."""
    run = feed(link=Link(node="far", loss=0.1), duration_ns=2 * S, **WIDE, recovery_ivl=50)
    _, ledger = carried_out(run)
    assert ledger.lost["datagram"] > 100
    assert ledger.unexplained == 0
    assert simulated(run).lost["datagram"] > 100


@multicast
@pytest.mark.needs("tbf")
def test_the_experiment_shows_its_loss_and_its_cause(tmp_path: Path) -> None:
    experiment = config.load(ROOT / "experiments" / "network-overload.toml")
    summaries = {}
    for world in ("live", "sim"):
        (run,) = plan(experiment, [world], replications=1, variant="plain")
        summaries[world] = store.load(execute.carry_out_one(run, tmp_path)).summary
    for summary in summaries.values():
        assert summary["verdict"] == "valid", summary["checks"]
        assert summary["ledger"]["unexplained"] == summary["ledger"]["in_flight"] == 0
    live, sim = (summaries[world]["ledger"]["lost"]["datagram"] for world in ("live", "sim"))
    assert live > 3000
    assert live == pytest.approx(sim, rel=0.25)


def test_without_the_library_no_run_begins(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "run", str(ROOT / "experiments" / "network-overload.toml")]
    command += ["--world", "live", "--out", str(tmp_path), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), library.VARIABLE: str(tmp_path / "nowhere")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 2
    said = json.loads(done.stdout)
    assert 'needs the capability "pgm"' in json.dumps(said).replace('\\"', '"')
    assert "make pgm" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "reason"),
    [("exit 3", "no pyzmq that works"), ("""echo '["2.7", "1", "4.3.4", true]'""", "is Python 2.7, and this is")],
)
def test_an_environment_that_is_of_no_use_says_why(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = library.python_of(tmp_path)
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\n{text}\n")
    python.chmod(0o755)
    monkeypatch.setenv(library.VARIABLE, str(tmp_path))
    found = library.with_pgm()
    assert isinstance(found, str)
    assert reason in found
