"""Whatever kills the harness takes everything with it within two seconds."""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

ROOT = Path(__file__).resolve().parents[2]
MARK = "ZMQ_HARNESS_TEST"
MOMENTS = 20
ALLOWED_S = 2.0

SCRIPT = """
import os, sys
from pathlib import Path
from harness.guard import Guard
from harness.live.world import execute
from tests.live.runs import S, pubsub_run

with Guard() as guard:
    partial = Path(sys.argv[1]) / f".partial-{os.getpid()}-test"
    guard.watch_path(partial)
    partial.mkdir()
    (partial / "half").write_text("half")
    print("begun", flush=True)
    execute(pubsub_run(duration_ns=30 * S, wall_limit_ns=60 * S))
"""


def marked(mark: str) -> list[str]:
    """Processes that inherited this environment, zombies left out."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def strike(number: int, after_s: float, out: Path) -> int:
    """Kill a harness so long after it has begun; how many processes it had."""
    mark = secrets.token_hex(8)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(out)],
        cwd=ROOT,
        env={**os.environ, MARK: mark, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        time.sleep(after_s)
        lived = len(marked(mark))
        os.kill(process.pid, number)
        assert process.wait(ALLOWED_S) != 0
        deadline = time.monotonic() + ALLOWED_S
        while (left := marked(mark)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left == []
        assert list(out.iterdir()) == []
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    return lived


@pytest.mark.parametrize(
    ("number", "moments"),
    [(signal.SIGKILL, MOMENTS), (signal.SIGTERM, 5), (signal.SIGINT, 5)],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_no_process_and_no_partial_folder_is_left(number: int, moments: int, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    # From the first process being started to the middle of the load.
    lived = [strike(number, chance.uniform(0.0, 1.3), tmp_path) for _ in range(moments)]
    # The harness, its janitor, three nodes: else nothing was there that could have been left.
    assert max(lived) == 5
