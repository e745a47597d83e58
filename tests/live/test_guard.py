"""The janitor: quick, silent, and only after those it was told of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import guard
from harness.guard import Guard, start_time

pytestmark = [pytest.mark.live, pytest.mark.timeout(30)]

ROOT = Path(__file__).resolve().parents[2]


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])


def janitor() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-I", "-S", str(guard.__file__)], stdin=subprocess.PIPE)


def tell(process: subprocess.Popen[bytes], text: str) -> None:
    process.communicate(text.encode(), timeout=10)
    assert process.returncode == 0


def test_a_peaceful_end_touches_nothing(tmp_path: Path) -> None:
    partial = tmp_path / ".partial-1"
    partial.mkdir()
    victim = sleeper()
    try:
        with Guard() as watch:
            watch.watch_pid(victim.pid)
            watch.watch_path(partial)
        assert victim.poll() is None
        assert partial.is_dir()
    finally:
        victim.kill()
        victim.wait()


def test_leaving_by_an_exception_is_a_sudden_end(tmp_path: Path) -> None:
    partial, finished = tmp_path / ".partial-1", tmp_path / ".partial-2"

    def interrupted() -> None:
        with Guard() as watch:
            for folder in (partial, finished):
                watch.watch_path(folder)
                folder.mkdir()
            watch.forget_path(finished)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not partial.exists()
    assert finished.is_dir()


def test_a_sudden_end_takes_what_is_watched_and_no_more(tmp_path: Path) -> None:
    victim, spared = sleeper(), sleeper()
    gone, kept = tmp_path / ".partial-gone", tmp_path / ".partial-kept"
    for folder in (gone, kept):
        (folder / "deep" / "er").mkdir(parents=True)
        (folder / "deep" / "file").write_text("x")
    (gone / "link").symlink_to(tmp_path)
    try:
        lines = [
            f"pid {victim.pid} {start_time(victim.pid)}",
            f"pid {spared.pid} {start_time(spared.pid)}",
            f"forget-pid {spared.pid}",
            f"path {os.fsencode(gone).hex()}",
            f"path {os.fsencode(kept).hex()}",
            f"forget-path {os.fsencode(kept).hex()}",
            f"forget-pid {os.getpid()}",
        ]
        tell(janitor(), "\n".join(lines) + "\n")
        assert victim.wait(5) == -signal.SIGKILL
        assert spared.poll() is None
        assert not gone.exists()
        assert (kept / "deep" / "file").exists()
    finally:
        for process in (victim, spared):
            process.kill()
            process.wait()


def test_a_reused_pid_is_never_hit() -> None:
    stranger = sleeper()
    try:
        tell(janitor(), f"pid {stranger.pid} 1\npid {stranger.pid} \n")
        time.sleep(0.1)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_half_an_order_is_no_order(tmp_path: Path) -> None:
    partial = tmp_path / ".partial-whole"
    partial.mkdir()
    tell(janitor(), f"path {os.fsencode(partial).hex()}")
    assert partial.is_dir()


def test_only_marked_names_are_removed(tmp_path: Path) -> None:
    precious = tmp_path / "thesis"
    precious.mkdir()
    with Guard() as watch, pytest.raises(ValueError, match="must begin with"):
        watch.watch_path(precious)
    tell(janitor(), f"path {os.fsencode(precious).hex()}\n")
    assert precious.is_dir()


def test_a_link_is_removed_and_not_what_it_points_to(tmp_path: Path) -> None:
    precious = tmp_path / "thesis"
    precious.mkdir()
    link = tmp_path / ".partial-link"
    link.symlink_to(precious)
    tell(janitor(), f"path {os.fsencode(link).hex()}\n")
    assert not link.is_symlink()
    assert precious.is_dir()


def test_guards_within_a_guard_share_its_janitor(tmp_path: Path) -> None:
    with Guard() as outer, Guard() as inner:
        assert inner._process is None
        assert outer._process is not None
        inner.watch_path(tmp_path / ".partial-1")
        inner.forget_path(tmp_path / ".partial-1")
    with pytest.raises(RuntimeError):
        outer.watch_pid(1)


def test_a_dead_janitor_does_not_stop_the_harness(tmp_path: Path) -> None:
    with Guard() as watch:
        assert watch._process is not None
        watch._process.kill()
        watch._process.wait()
        for number in range(3):
            watch.watch_path(tmp_path / f".partial-{number}")
