"""What is unfinished is held while its owner lives; what nobody holds is swept, and nothing else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.leftovers import partial, scratch, sweep, unfinished

HOLDS = """
import sys, time
from pathlib import Path
from harness.leftovers import unfinished
with unfinished(Path(sys.argv[1]), folder=sys.argv[2] == "folder"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("folder", [True, False], ids=["folder", "file"])
@pytest.mark.parametrize("name", [partial, scratch], ids=["partial", "scratch"])
def test_what_is_unfinished_is_there_and_then_is_gone(name: object, folder: bool, tmp_path: Path) -> None:
    assert callable(name)
    with unfinished(name(tmp_path / "deep", "one"), folder=folder) as path:
        assert path.is_dir() is folder
        assert sweep(path.parent) == []
        assert path.exists()
    assert list(path.parent.iterdir()) == []


def test_what_was_renamed_stays(tmp_path: Path) -> None:
    with unfinished(partial(tmp_path, "one")) as path:
        (path / "content").write_text("x")
        path.rename(tmp_path / "one")
    assert sweep(tmp_path) == []
    assert (tmp_path / "one" / "content").read_text() == "x"


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_is_held_by_another_process_goes_only_after_its_death(what: str, tmp_path: Path) -> None:
    path = partial(tmp_path, "theirs")
    command = [sys.executable, "-c", HOLDS, str(path), what]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == b"held\n"
            assert sweep(tmp_path) == []
        finally:
            owner.send_signal(signal.SIGKILL)
            owner.wait()
    assert path.exists()
    assert sweep(tmp_path) == [path]
    assert not path.exists()


@pytest.mark.parametrize(
    "name", ["thesis", ".partial-", ".partial-x-1", ".partial", "zmq-harness-1.0", "zmq-harness-run", "a.partial-1-x"]
)
def test_other_names_are_nobodys_business(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    assert sweep(tmp_path) == []
    assert (tmp_path / name).is_dir()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "thesis"
    precious.mkdir()
    (tmp_path / ".partial-1-x").symlink_to(precious)
    assert sweep(tmp_path, tmp_path / "nowhere") == []
    assert precious.is_dir()


def test_who_makes_and_who_sweeps_do_not_get_into_each_others_way(tmp_path: Path) -> None:
    over = threading.Event()
    swept = []

    def keep_sweeping() -> None:
        while not over.is_set():
            swept.append(sweep(tmp_path))

    sweeper = threading.Thread(target=keep_sweeping)
    sweeper.start()
    try:
        for number in range(60):
            with unfinished(partial(tmp_path, str(number))) as path:
                (path / "content").write_text("x")
                assert (path / "content").read_text() == "x"
    finally:
        over.set()
        sweeper.join(10)
    assert not sweeper.is_alive()
    assert len(swept) > 3
