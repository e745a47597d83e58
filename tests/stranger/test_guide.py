"""The Guide's reliable patterns, written as their authors write them, run as they are: real pyzmq or the twin.

What each file prints at the end is checked: counts, checksums, who answered, who gave up.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).with_name("programs")


def twin(folder: str, *words: str, seed: int = 1) -> tuple[str, str]:
    """Standard output and standard error of a run on the twin."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "harness.twin", "--seed", str(seed), *words],
        cwd=PROGRAMS / folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def real(tmp_path: Path, script: str) -> str:
    """Standard output of the same on real sockets."""
    done = subprocess.run(
        [sys.executable, PROGRAMS / script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_load_balancing_broker() -> None:
    out, err = twin(".", "lbbroker.py")
    assert sorted(re.findall(r"Client-(\d): OK", out)) == [str(number) for number in range(10)]
    assert out.endswith("done\n")
    assert "messages: 43 delivered, 0 lost, 0 under way" in err


@pytest.mark.live
def test_load_balancing_broker_on_real_sockets(tmp_path: Path) -> None:
    out = real(tmp_path, "lbbroker.py")
    assert sorted(re.findall(r"Client-(\d): OK", out)) == [str(number) for number in range(10)]
    assert out.endswith("done\n")


def test_suicidal_snail_dies_of_its_own_slowness() -> None:
    out, _ = twin(".", "suisnail.py")
    assert "E: subscriber cannot keep up, aborting" in out
    # A tick takes it 2 ms, one comes each ms: it is a second late after about a thousand.
    (count,) = re.findall(r"gone and died after (\d+)", out)
    assert 900 <= int(count) <= 1200
    assert out.endswith("stopped\n")


@pytest.mark.live
def test_suicidal_snail_dies_as_early_on_real_sockets(tmp_path: Path) -> None:
    (count,) = re.findall(r"gone and died after (\d+)", real(tmp_path, "suisnail.py"))
    assert 800 <= int(count) <= 1300


def test_espresso_shows_subscriptions_and_what_passes() -> None:
    out, _ = twin(".", "espresso.py")
    lines = out.splitlines()
    assert lines[:2] == [r"[b'\x01A']", r"[b'\x01B']"]
    assert len(re.findall(r"^\[b'[AB]-\d{5}'\]$", out, re.MULTILINE)) >= 5
    assert "Subscriber received 5 messages" in lines
    assert {r"[b'\x00A']", r"[b'\x00B']"} <= set(lines)
    assert lines[-1] == "Interrupted"


def test_last_value_cache_serves_who_comes_late() -> None:
    programs = ["pathopub.py", "--", "lvcache.py", "22000", "--", "pathosub.py", "tcp://127.0.0.1:5558", "042", "20000"]
    out, _ = twin("last_value_cache", *programs)
    # The subscription is on its way while the publisher sends; whoever comes after that has the cache to thank.
    assert "pathosub.py | 042: Save Roger" in out
    late = ["--program", "late: pathosub.py tcp://127.0.0.1:5558 777 15000"]
    out, _ = twin("last_value_cache", *late, *programs)
    assert "777: Save Roger" in out


def test_freelance_one_tries_the_next_server() -> None:
    out, _ = twin(
        ".",
        "flserver1.py",
        "tcp://*:5555",
        "1",
        "--",
        "flclient1.py",
        *(f"tcp://localhost:{p}" for p in (5554, 5555)),
    )
    assert "W: No response from tcp://localhost:5554" in out
    assert "Service is running OK" in out


def test_freelance_three_does_a_thousand_requests() -> None:
    servers = [
        word for port in (5555, 5556) for word in ("flserver3.py", f"tcp://*:{port}", f"tcp://localhost:{port}", "--")
    ]
    out, err = twin(".", *servers, "flclient3.py", "tcp://localhost:5555", "tcp://localhost:5556")
    assert "1000 requests, average round trip" in out
    assert out.count("W: nobody there, stopping") == 2
    assert "4002 delivered, 0 lost" in err


def test_majordomo_shares_requests_between_its_workers() -> None:
    out, _ = twin(
        "majordomo", "mdbroker.py", "15", "--", "mdworker.py", "--", "mdworker.py", "--", "mdclient.py", "500"
    )
    assert "echo service: 200" in out
    assert "500 requests/replies processed" in out
    shares = [int(share) for share in re.findall(r"worker: (\d+) requests, 0 reconnects", out)]
    assert sum(shares) == 500
    assert min(shares) > 240


def test_majordomo_worker_reconnects_when_the_broker_is_away(tmp_path: Path) -> None:
    # Python's start-up is over in the first second; the broker is started after the worker has given up twice.
    broker = "import time, mdbroker, sys; time.sleep(20); sys.argv[1:] = ['10']; mdbroker.main()"
    script = tmp_path / "late.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(PROGRAMS / 'majordomo')!r}); {broker}")
    out, _ = twin("majordomo", "mdworker.py", "--", str(script))
    assert "W: disconnected from broker - retrying..." in out
    assert re.search(r"worker: 0 requests, [12] reconnects", out)


def test_clones_end_with_the_same_state() -> None:
    out, _ = twin("clone", "clonesrv.py", "--", "clonecli.py", "3", "--", "clonecli.py", "3")
    found = re.findall(r"(\d+) keys, checksum (\d+)", out)
    assert len(found) == 3
    assert len(set(found)) == 1
    assert int(found[0][0]) > 40


def test_binary_star_fails_over() -> None:
    servers = ("bstarsrv.py", "-p", "--seconds", "6", "--", "bstarsrv.py", "-b", "--seconds", "15", "--")
    out, _ = twin("binary_star", *servers, "bstarcli.py", "7")
    assert "primary: answered 6" in out
    assert "I: failover successful, ready as active" in out
    assert "backup: answered 1" in out
    assert "client: done" in out


def test_the_same_seed_prints_the_same() -> None:
    first = twin("clone", "clonesrv.py", "--", "clonecli.py", "2", seed=5)
    again = twin("clone", "clonesrv.py", "--", "clonecli.py", "2", seed=5)
    other = twin("clone", "clonesrv.py", "--", "clonecli.py", "2", seed=6)
    assert first[0] == again[0]
    assert first[0] != other[0]
