"""Programs as their authors write them, for the patterns of the ZeroMQ Guide: run unmodified, in virtual time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.twin.runner.main import main

PROGRAMS = Path(__file__).parent / "programs"


class Told:
    """What programs printed, line by line and program by program, and the summary."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *words: str, **options: str) -> None:
        known = [word if word == "--" or not word.endswith(".py") else str(PROGRAMS / word) for word in words]
        given = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
        self.status = main(["--json", *given, *known])
        out, err = capsys.readouterr()
        self.summary: dict[str, Any] = json.loads(out)
        self.lines = [tuple(part.strip() for part in line.split(" | ", 1)) for line in err.splitlines()]
        assert self.summary["violations"] == []
        assert self.summary["ledger"]["unexplained"] == 0

    def by(self, program: str) -> list[str]:
        return [line[1] for line in self.lines if line[0] == program]


def test_lazy_pirate_with_a_server_that_lives(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(capsys, "lazy_pirate_server.py", "999", "--", "lazy_pirate_client.py", "tcp://localhost:5555", "5")
    assert told.status == 0
    assert told.by("lazy_pirate_client.py") == [f"INFO: server replied {number}" for number in range(5)]
    assert 5e9 < told.summary["programs"]["lazy_pirate_client.py"]["ended_ns"] < 5.01e9


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_lazy_pirate_gives_up_a_server_that_has_gone(capsys: pytest.CaptureFixture[str], seed: str) -> None:
    words = ("lazy_pirate_server.py", "--", "lazy_pirate_client.py", "tcp://localhost:5555", "1000")
    told = Told(capsys, *words, seed=seed, until="1h")
    assert told.status == 1
    assert told.by("lazy_pirate_client.py")[-6:] == [
        *("WARNING: no response", "INFO: reconnecting") * 2,
        "WARNING: no response",
        "ERROR: server seems to be offline, abandoning",
    ]


def test_lazy_pirate_without_any_server(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(capsys, "lazy_pirate_client.py")
    assert told.status == 1
    assert told.summary["reason"] == "ended"
    assert 7.5e9 < told.summary["virtual_ns"] < 7.6e9
    assert told.summary["ledger"]["lost"] == {"linger": 3}


def test_simple_pirate_shares_work_until_the_workers_have_died(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(
        capsys,
        *("simple_pirate_queue.py", "--", "lazy_pirate_client.py", "tcp://localhost:5555", "100", "--"),
        *("simple_pirate_worker.py", "4", "--", "simple_pirate_worker.py", "6"),
        until="2min",
    )
    first, second = told.by("simple_pirate_worker.py 1"), told.by("simple_pirate_worker.py 2")
    assert [line.partition(") ")[2] for line in first] == ["ready", *["normal reply"] * 3, "simulating a crash"]
    assert [line.partition(") ")[2] for line in second] == ["ready", *["normal reply"] * 5, "simulating a crash"]
    client = told.by("lazy_pirate_client.py")
    assert sum("replied" in line for line in client) == 8
    assert client[-1] == "ERROR: server seems to be offline, abandoning"
    # What was sent to a worker that had died is the queue's loss, and what nobody asks for any more.
    assert set(told.summary["ledger"]["lost"]) <= {"unroutable", "disconnect_pipe", "disconnect_wire", "close_unread"}


def test_paranoid_pirate_survives_the_death_of_a_worker(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(
        capsys,
        *("paranoid_pirate_queue.py", "--", "lazy_pirate_client.py", "tcp://localhost:5555", "20", "--"),
        *("paranoid_pirate_worker.py", "3", "--", "paranoid_pirate_worker.py"),
        until="2min",
    )
    assert told.by("lazy_pirate_client.py")[-1] == "INFO: server replied 19"
    assert told.by("paranoid_pirate_worker.py 1") == ["normal reply", "normal reply", "simulating a crash"]
    assert told.summary["programs"]["lazy_pirate_client.py"]["exit_status"] == 0
    assert told.summary["programs"]["paranoid_pirate_worker.py 2"]["exit_status"] is None


def test_paranoid_pirate_worker_looks_for_its_queue_again(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(capsys, "paranoid_pirate_worker.py", until="18s")
    assert told.status == 0
    assert [line[0] for line in told.lines] == [
        line for wait in (1, 2, 4) for line in ("heartbeat failure, cannot reach queue", f"reconnecting in {wait}.00s")
    ]


def test_an_hour_of_heartbeats_takes_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    before = time.monotonic()
    told = Told(capsys, "paranoid_pirate_queue.py", "--", "paranoid_pirate_worker.py", until="1h")
    assert told.by("paranoid_pirate_worker.py") == told.by("paranoid_pirate_queue.py") == []
    assert 3500 < told.summary["sockets"][-1]["received"] < 3700
    assert time.monotonic() - before < 30


@pytest.mark.live
def test_lazy_pirate_prints_the_same_on_real_sockets(capsys: pytest.CaptureFixture[str]) -> None:
    words = (str(PROGRAMS / "lazy_pirate_client.py"), "tcp://localhost:5555", "2")
    server = subprocess.Popen([sys.executable, str(PROGRAMS / "lazy_pirate_server.py")], stdout=subprocess.DEVNULL)
    try:
        real = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=30, check=True).stdout
    finally:
        server.kill()
        server.wait()
    told = Told(capsys, "lazy_pirate_server.py", "--", *words)
    assert told.by("lazy_pirate_client.py") == real.splitlines()


def test_a_locked_house(capsys: pytest.CaptureFixture[str]) -> None:
    """CURVE with certificates, an authenticator in a thread, a monitor read by another."""
    told = Told(capsys, "locked_house.py")
    assert told.status == 0
    said = [line[-1] for line in told.lines]
    assert said[:6] == ["LISTENING", "ACCEPTED", "HANDSHAKE_SUCCEEDED", "may I? 40", "come in", said[5]]
    # The first client closes while the second connects.
    assert sorted(said[5:7]) == ["ACCEPTED", "DISCONNECTED"]
    assert said[7:] == ["HANDSHAKE_FAILED_AUTH", "DISCONNECTED", "nobody answers", "CLOSED", "MONITOR_STOPPED"]
    assert told.summary["ledger"]["lost"] == {"linger": 1}
