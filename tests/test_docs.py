"""What the pages tell the reader to type is right: every experiment, variant and key that they name is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from harness import config, plan

ROOT = Path(__file__).resolve().parent.parent
COMMAND = re.compile(r"harness run (experiments/[^`>#\n]*)")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = [(page, command) for page in PAGES for command in COMMAND.findall(page.read_text("utf-8"))]


def test_the_pages_have_commands() -> None:
    assert len(COMMANDS) > 70


@pytest.mark.parametrize(
    ("page", "command"), COMMANDS, ids=[f"{page.stem}-{number}" for number, (page, _) in enumerate(COMMANDS)]
)
def test_a_command_resolves(page: Path, command: str) -> None:
    words = shlex.split(command)
    after = {word: [words[at + 1] for at, each in enumerate(words[:-1]) if each == word] for word in words}
    experiment = config.load(ROOT / words[0], after.get("--set", []))
    (variant,) = after.get("--variant", [None])
    assert plan.plan(experiment, ["sim"], replications=1, variant=variant)
