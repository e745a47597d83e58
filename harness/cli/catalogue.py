"""What there is to build experiments from, with one line on each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness import kinds

PACKAGES = ("patterns", "remedies", "faults", "metrics", "plots")


def entries(kind: str, experiments: Path) -> dict[str, str]:
    """Name to description, in the order of the names.

    Args:
        kind: one of :data:`PACKAGES`, or ``"experiments"``.
        experiments: folder in which experiments are looked for; one that does not exist holds none.
    """
    if kind == "experiments":
        return {path.stem: _title(path) for path in sorted(experiments.glob("*.toml"))}
    package = f"harness.{kind}"
    return {name: kinds.summary(package, name) for name in kinds.names(package)}


def _title(path: Path) -> str:
    try:
        return str(tomllib.loads(path.read_text("utf-8")).get("title", ""))
    except (OSError, ValueError):
        return f"cannot be read; `harness check {path}` says why"


def text(listed: Mapping[str, Mapping[str, str]]) -> Iterator[RenderableType]:
    """Names and descriptions under the heading of their kind."""
    for kind, entries in listed.items():
        yield Text(kind, style="bold")
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column()
        for name, description in entries.items():
            table.add_row(f"  {name}", Text(description))
        yield table if entries else Text("  (none)")
