"""Runs the text of a program as a simulated program, and says what it printed."""

from __future__ import annotations

import io
import textwrap
from dataclasses import dataclass
from pathlib import Path

from harness.twin import Twin
from harness.twin.virtual.home import Home

LIMIT_NS = 60_000_000_000


@dataclass
class Ran:
    """What became of a program."""

    out: str
    err: str
    status: int | None
    now_ns: int

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def run_text(text: str, folder: Path, *arguments: str, seed: int = 1) -> Ran:
    script = folder / "program.py"
    script.write_text(textwrap.dedent(text))
    twin = Twin(seed=seed)
    out, err = io.StringIO(), io.StringIO()
    home = Home(twin, script, arguments, seed=seed, stdout=out, stderr=err)
    home.start()
    twin.run(LIMIT_NS)
    return Ran(out.getvalue(), err.getvalue(), home.exit_status, twin.now_ns)
