"""Whatever kills the harness, and whenever, takes everything with it; what nobody could take away is swept later."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import guard
from harness.leftovers import sweep
from harness.store import FILES
from tests.conftest import ROOT, finding
from tests.live.inventory import MARK, left, of_harness, of_machine, processes

pytestmark = [
    pytest.mark.live,
    pytest.mark.alone,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for what is left in /proc"),
]

STRIKES = 100
JANITOR = str(guard.__file__)
AT_A_TIME = 8
ALLOWED_S = 2.0
WITH_JANITOR = 0
"""In place of a signal: SIGKILL for the janitor and then for the harness, so that nobody is left to clean up."""
SIGNALS = [signal.SIGKILL, signal.SIGKILL, WITH_JANITOR, signal.SIGTERM, signal.SIGINT]

LINKED = """
title = "Two subscribers, one of them behind a link that falls silent"
duration = "300ms"

[pattern]
kind = "pubsub"
rate = "200/s"
size = "64B"
subscribers = { near = 1, far = 1 }

[link.far]
delay = "5ms"

[fault.silence]
kind = "blackhole"
link = "far"
at = "100ms"
lasts = "100ms"
"""

PIPELINE = """
title = "A pipeline over ipc, no link"
duration = "300ms"

[pattern]
kind = "pipeline"
rate = "200/s"
transport = "ipc"
workers = { worker = 2 }
"""

NAMESPACES = f"""{LINKED}
[live]
network = "namespaces"
"""

CASES = {
    "live": (LINKED, ["--world", "live", "--replications", "1", "--no-report"]),
    "ipc": (PIPELINE, ["--world", "live", "--replications", "1", "--no-report"]),
    "namespaces": (NAMESPACES, ["--world", "live", "--replications", "1", "--no-report"]),
    "both": (LINKED, ["--world", "both", "--replications", "1", "--seeds", "2"]),
}


@dataclass(frozen=True)
class Strike:
    """What was struck: how many processes lived then, whether the harness did, and what it left."""

    lived: int
    in_time: bool
    left: dict[str, list[str]]


WEIGHTS = {"live": 5, "ipc": 2, "namespaces": 5, "both": 1}
"""How often each is struck; what only some machines can do is left out on the others."""


def possible() -> list[str]:
    """The cases that this machine can play."""
    networks = all(finding(name).reason is None for name in ("netns", "emulator"))
    return [case for case in CASES if case != "namespaces" or networks]


def begin(case: str, folder: Path, mark: str) -> subprocess.Popen[bytes]:
    """``harness run`` with a folder of results and one of temporary files of its own."""
    text, arguments = CASES[case]
    for name in ("out", "temporary"):
        (folder / name).mkdir(parents=True)
    (folder / f"{case}.toml").write_text(text)
    return subprocess.Popen(
        [sys.executable, "-m", "harness", "run", f"{folder / case}.toml", *arguments, "--out", str(folder / "out")],
        cwd=ROOT,
        env={**os.environ, MARK: mark, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "temporary")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def unfinished(folder: Path) -> Iterator[str]:
    """Files that are no part of a whole result, nor the report and copy beside the runs."""
    for path in folder.joinpath("out").rglob("*"):
        is_run = path.parent.parent.parent.name == "out" and path.name in FILES
        if path.is_file() and not is_run and path.name not in ("experiment.toml", "report.html"):
            yield str(path)
    for path in folder.joinpath("out").glob("*/*/"):
        if sorted(one.name for one in path.iterdir()) != sorted(FILES):
            yield f"{path} is not whole"


def strike(case: str, number: int, after_s: float, folder: Path) -> Strike:
    """Kill a harness so long after it was started, and look two seconds later at the most."""
    mark = secrets.token_hex(8)
    process = begin(case, folder, mark)
    nothing = dict.fromkeys(("processes", "files"), frozenset[str]())
    try:
        time.sleep(after_s)
        lived = len(processes(mark))
        in_time = process.poll() is None
        if number == WITH_JANITOR:
            for line in processes(mark):
                if JANITOR in line:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(line.split()[0]), signal.SIGKILL)
        process.send_signal(number or signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # then it is on the list of what is left
            process.wait(ALLOWED_S)
        deadline = time.monotonic() + ALLOWED_S
        while True:
            if number == WITH_JANITOR:
                sweep(folder / "out", *(folder / "out").glob("*/"))  # as the next start does
            found = left(nothing, of_harness(mark, folder / "temporary"))
            if half := sorted(unfinished(folder)):
                found["unfinished"] = half
            if not found or time.monotonic() > deadline:
                return Strike(lived, in_time, found)
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()


def lengths_s(folder: Path) -> dict[str, float]:
    """How long a run of each case takes when nobody kills it, beside the others."""
    began = time.monotonic()
    running = {case: begin(case, folder / f"whole-{case}", "whole") for case in possible()}
    found = {}
    while len(found) < len(running):
        for case, process in running.items():
            if case not in found and process.poll() is not None:
                assert process.returncode in (0, 1, 3), "a busy machine may miss the rate, and the run be invalid"
                found[case] = time.monotonic() - began
        time.sleep(0.02)
    return found


def test_a_hundred_times_nothing_is_left(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    before = of_machine()
    lengths = lengths_s(tmp_path)
    plan = []
    for turn in range(STRIKES):
        (case,) = chance.choices([*lengths], [WEIGHTS[case] for case in lengths])
        plan.append((case, SIGNALS[turn % len(SIGNALS)], chance.uniform(0, lengths[case]), tmp_path / str(turn)))
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        strikes = list(pool.map(strike, *zip(*plan, strict=True)))
    assert {turn: one.left for turn, one in enumerate(strikes) if one.left} == {}
    deadline = time.monotonic() + ALLOWED_S
    while (machine := left(before, of_machine())) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert machine == {}
    # Else nothing was there that could have been left: harness, janitor and two nodes at least.
    lived = Counter(one.lived for one in strikes if one.in_time)
    assert lived.total() >= STRIKES * 3 // 4
    assert sum(count for living, count in lived.items() if living >= 4) >= STRIKES // 5


HOLDS = """
import sys, time
from pathlib import Path
from harness.guard import Guard
from harness.leftovers import partial, unfinished

with Guard() as guard, unfinished(partial(Path(sys.argv[1]), "half"), guard) as folder:
    (folder / "half").write_text("half")
    print("held", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def holder(out: Path, mark: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is in the middle of writing a result."""
    command = [sys.executable, "-c", HOLDS, str(out)]
    environment = {**os.environ, MARK: mark, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            yield process
        finally:
            process.kill()


def test_what_harness_and_janitor_left_is_swept_at_the_next_start(tmp_path: Path) -> None:
    out, mark = tmp_path / "out", secrets.token_hex(8)
    out.mkdir()
    with holder(out, mark), holder(out, "dead" + mark) as dead:
        # All at once, the janitor first: nobody is left to clean up.
        pids = [int(line.split()[0]) for line in processes("dead" + mark)]
        assert len(pids) == 2
        for pid in sorted(pids, key=lambda pid: pid == dead.pid):
            os.kill(pid, signal.SIGKILL)
        dead.wait()
        stale = out / f".partial-{dead.pid}-half"
        assert stale.is_dir()
        mine = out / "thesis"
        mine.mkdir()
        (tmp_path / "linked.toml").write_text(LINKED)
        command = [
            sys.executable,
            "-m",
            "harness",
            "run",
            "linked.toml",
            "--world",
            "sim",
            "--seeds",
            "1",
            "--no-report",
        ]
        answer = subprocess.run(
            [*command, "--jobs", "0", "--out", str(out)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert f"removed {stale}: a run that was killed had left it" in answer.stderr
        live = [path.name for path in out.iterdir() if path.name.startswith(".partial-")]
        assert len(live) == 1
        assert mine.is_dir()
