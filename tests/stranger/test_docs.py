"""What README and documentation say about running a program is what happens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from harness.twin.runner.command_line import _parser
from harness.twin.runner.main import main

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/how-to/run-your-program.md").read_text()


def test_the_command_of_the_readme(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    readme = (ROOT / "README.md").read_text()
    (command,) = re.findall(r"^\.venv/bin/python -m harness\.twin (.*)$", readme, re.MULTILINE)
    assert main(shlex.split(command)) == 1
    out, err = capsys.readouterr()
    assert "lazy_pirate_client.py | ERROR: server seems to be offline, abandoning" in out
    assert "messages: 9 delivered, 3 lost, 0 under way" in err
    # The page shows this very run.
    told = re.search(r"```text\n(--- .*?)```", PAGE, re.DOTALL)
    assert told is not None
    shown = [line.partition("...")[0].rstrip() for line in told[1].splitlines()[1:]]
    assert all(any(line.startswith(part) for line in err.splitlines()) for part in shown)


def test_the_topology_of_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    for folder in (tmp_path / "shown", tmp_path / "all"):
        folder.mkdir()
        for program in (ROOT / "tests/stranger/programs").glob("lazy_pirate_*.py"):
            (folder / program.name).write_text(program.read_text())
    (tmp_path / "shown/net.toml").write_text(text)
    assert main(["--quiet", "--topology", str(tmp_path / "shown/net.toml")]) in (0, 1)
    assert "client-2 | INFO: server replied 0" in capsys.readouterr().out
    # The keys that are commented out are right, too.
    (tmp_path / "all/net.toml").write_text(re.sub(r"^# (?=\w+ +=)", "", text, flags=re.MULTILINE))
    assert main(["--quiet", "--topology", str(tmp_path / "all/net.toml")]) in (0, 1)


def test_the_page_has_every_option() -> None:
    options = [word for action in _parser()._actions for word in action.option_strings if word.startswith("--")]
    table = re.findall(r"^\| `(--[\w-]+)", PAGE, re.MULTILINE)
    assert sorted(table) == sorted(option for option in options if option != "--help")
