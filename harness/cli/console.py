"""What the command line prints: answers to stdout, all that is for people meanwhile to stderr."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from harness.execute import Progress
    from harness.run import Run

_WIDTH_WITHOUT_TERMINAL = 120
"""Columns when the answer goes to a file or a pipe: nothing there is worth breaking lines for."""


def emit(*parts: RenderableType) -> None:
    """Print to stdout, strings in one line each.

    A reader that has closed the pipe (``harness list | head -1``) is no error.
    """
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDTH_WITHOUT_TERMINAL
    console = Console(file=sys.stdout, width=width, highlight=False)
    with console.capture() as captured:
        for part in parts:
            # A path is not to be broken; sentences and tables are.
            console.print(part, soft_wrap=isinstance(part, str), markup=False)
    # Cells are padded to the full width, which is of no use at the end of a line.
    _write("\n".join(line.rstrip() for line in captured.get().split("\n")))


def emit_json(document: Any) -> None:
    """Print one JSON document to stdout; a number that JSON does not have (NaN) becomes null."""
    _write(json.dumps(_jsonable(document), indent=2, allow_nan=False) + "\n")


def say(text: str) -> None:
    """Print prose to stderr."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def busy(text: str) -> contextlib.AbstractContextManager[object]:
    """Say on a terminal that something takes a moment."""
    return Console(stderr=True).status(text) if sys.stderr.isatty() else contextlib.nullcontext()


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer would raise again when the interpreter ends: let it go nowhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (int, str, bool, type(None))) else str(value)


@contextlib.contextmanager
def progress(runs: Sequence[Run]) -> Iterator[Callable[[Progress], None]]:
    """Show on stderr how far the runs are: bars on a terminal, now and then a line elsewhere."""
    if not sys.stderr.isatty():
        yield _lines
        return
    bars = Bars(
        TextColumn("{task.description:<5}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[current]}"),
        console=Console(stderr=True),
        # Drawn by a thread beside live runs: twice a second does not disturb what they measure.
        refresh_per_second=2,
    )
    counts = {world: sum(run.world == world for run in runs) for world in ("sim", "live")}
    tasks = {
        world: bars.add_task(world, total=count, start=False, current="") for world, count in counts.items() if count
    }

    def advance(step: Progress) -> None:
        task = tasks[step.run.world]
        bars.start_task(task)
        seen = f"{step.run.variant}, seed {step.run.seed}: {step.state}"
        bars.update(task, advance=0 if step.state == "started" else 1, current=seen)
        bars.stop_task(task) if bars.tasks[task].finished else None

    with bars:
        yield advance


def _lines(step: Progress) -> None:
    if step.state == "started":
        return
    tenth = max(1, step.total // 10)
    if step.run.world == "live" or step.state == "failed" or step.done % tenth == 0 or step.done == step.total:
        run = step.run
        say(f"[{step.done}/{step.total}] {run.world} {run.experiment} {run.variant}, seed {run.seed}: {step.state}")
