"""Whole programs, files of plain pyzmq, run unchanged on real pyzmq and on the twin: the same output, to the letter."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))

pytestmark = pytest.mark.timeout(60)


def output_live(path: Path) -> str:
    """What the file prints when Python runs it, ``zmq`` being the real one."""
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def output_sim(path: Path) -> str:
    """What the file prints inside a simulated process whose ``import zmq`` gives the twin's front end."""
    from harness.twin import run_file

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        run_file(path, until_ns=60_000_000_000)
    return printed.getvalue()


EXPECTED = {
    "fill_and_drain": "PUSH took 2000 of 5000, PULL drained 2000, the last was job 1999\n",
    "fill_and_drain_tcp": ("PUSH took 500, PULL drained 500, first [b'job', b'0'], last [b'job', b'499']\n"),
    "refused": "ZMQError True\nAgain True True\nTrue True\nTrue\n",
}


def test_the_fill_and_drain_programs_have_seven_lines() -> None:
    """Small enough to paste; a program that grew would no longer show that."""
    assert [path.stem for path in PROGRAMS] == sorted(EXPECTED)
    for path in PROGRAMS:
        if path.stem.startswith("fill_and_drain"):
            lines = path.read_text().splitlines()
            assert lines[0] == "import zmq"
            assert len(lines) == 7


@pytest.mark.live
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_on_real_pyzmq(path: Path) -> None:
    assert output_live(path) == EXPECTED[path.stem]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_the_same_file_on_the_twin(path: Path) -> None:
    assert output_sim(path) == EXPECTED[path.stem]


@pytest.mark.live
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_both_print_the_same(path: Path) -> None:
    assert output_sim(path) == output_live(path)
