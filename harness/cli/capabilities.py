"""What ``harness doctor`` says of a machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness.cli.status import FAILED, VALID
from harness.live import probes
from harness.problems import ConfigError, Problem, did_you_mean


def examine(wanted: Sequence[str]) -> dict[str, Any]:
    """The document of the command: all capabilities, or those that are named, each tried now.

    ``status`` is that of a failure only when one that was named is missing. Raises ConfigError for a name that is none.
    """
    known = probes.names()
    if wrong := [name for name in wanted if name not in known]:
        problems = [Problem("CAPABILITY", name, f"is no capability; {did_you_mean(name, known)}") for name in wrong]
        raise ConfigError("harness doctor", problems)
    found = tuple(probes.ask_all(wanted or known))
    return {
        "command": "doctor",
        "status": FAILED if wanted and any(one.reason is not None for one in found) else VALID,
        "capabilities": {one.name: _plain(one) for one in found},
    }


def _plain(found: probes.Finding) -> dict[str, Any]:
    return {
        "ok": found.reason is None,
        "summary": found.summary,
        "detail": found.detail,
        "reason": found.reason,
        "help": found.help,
        "took_ns": found.took_ns,
    }


def text(document: Any) -> Iterator[RenderableType]:
    """The same for people."""
    table = Table("capability", "", "what it is for", box=box.SIMPLE_HEAD, pad_edge=False)
    table.columns[0].no_wrap = True
    for name, one in document["capabilities"].items():
        state = Text("ok", style="green") if one["ok"] else Text("missing", style="yellow")
        table.add_row(name, state, Text("\n").join(_lines(one)))
    yield table


def _lines(one: Any) -> Iterable[Text]:
    yield Text(one["summary"])
    if one["detail"]:
        yield Text(f"here: {one['detail']}", style="dim")
    if not one["ok"]:
        yield Text(f"missing here: {one['reason']}", style="yellow")
        yield Text(f"what would help: {one['help']}", style="dim")
