"""The command line: ``harness run``, ``check``, ``list``, ``compare``, ``report`` and ``doctor``."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from harness import __version__, leftovers
from harness.cli import console
from harness.cli.status import FAILED, HELP, VALID, WRONG_INPUT
from harness.problems import MISSING, ConfigError, Problem

# The stages (and with them Arrow, NumPy, Matplotlib) are imported where they are needed: --help answers at once.
if TYPE_CHECKING:
    from harness.config import Experiment
    from harness.run import Run

_SIGNALLED = 128
"""An exit status above it says which signal ended a program, as shells say it."""

app = typer.Typer(
    name="harness",
    help="Run one experiment in two worlds, simulated and live, and say what was lost, where, why and how long for.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog=HELP,
)


class World(StrEnum):
    """Where to run."""

    sim = "sim"
    live = "live"
    both = "both"


class Kind(StrEnum):
    """What ``harness list`` can list."""

    patterns = "patterns"
    remedies = "remedies"
    faults = "faults"
    metrics = "metrics"
    plots = "plots"
    experiments = "experiments"


def _examples(*lines: str) -> str:
    """An epilog: examples, one a line (rich keeps a line break only between paragraphs), then the exit status."""
    return "\n\n".join(["[bold]Examples[/bold]", *(f"  {line}" for line in lines), HELP])


def _version(asked: bool) -> None:
    if asked:
        console.emit(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")] = False,
) -> None:
    pass


ExperimentFile = Annotated[Path, typer.Argument(metavar="EXPERIMENT.toml", help="The experiment.", show_default=False)]
RunNames = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN",
        help="Folders of runs, folders of experiments (all their runs), or run ids below --out.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of results.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, all else on stderr.")]
WorldOption = Annotated[World, typer.Option("--world", help="Where to run.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="First seed; replication r has seed + r.")]
Seeds = Annotated[int | None, typer.Option("--seeds", min=1, max=1000, metavar="M", help="Simulated runs a variant.")]
Replications = Annotated[
    int | None,
    typer.Option(
        "--replications",
        min=1,
        max=1000,
        metavar="N",
        help="Live runs a variant; with --world sim the simulated ones.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the file, as often as you like."),
]
Variant = Annotated[str | None, typer.Option("--variant", metavar="NAME", help="Only this variant.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=0,
        max=1024,
        metavar="N",
        help="Simulated runs at a time (default: one a core); 0: in this process, for a debugger.",
    ),
]


@app.command(
    epilog=_examples(
        "harness run experiments/slow-subscriber.toml",
        "harness run experiments/slow-subscriber.toml --world sim --seeds 200",
        "harness run experiments/worker-pool.toml --set duration=2s --set pattern.rate=5k/s",
        "harness run experiments/late-joiner.toml --replications 20 --json > result.json",
        "harness run experiments/request-reply.toml --set live.cpu=one --repeat-noisy 3",
    )
)
def run(
    experiment: ExperimentFile,
    world: WorldOption = World.both,
    seed: Seed = None,
    replications: Replications = None,
    seeds: Seeds = None,
    set_: Set = None,
    variant: Variant = None,
    out: Out = Path("results"),
    jobs: Jobs = None,
    json: Json = False,
    repeat_noisy: Annotated[
        int,
        typer.Option(
            "--repeat-noisy",
            min=0,
            max=100,
            metavar="N",
            help="Repeat a live run up to N times while others take too much of the machine.",
        ),
    ] = 0,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the HTML report.")] = True,
) -> None:
    """Run an experiment, in the simulation and live, and put both side by side."""
    loaded = _load(experiment, set_)
    runs = _plan(loaded, world, seed, replications, seeds, variant)
    _make_folder(out)
    from harness import execute
    from harness.cli import verdicts

    with console.progress(runs) as advance:
        outcomes = execute.carry_out(runs, out, jobs, advance, repeat_noisy)
    results, failures = verdicts.split(outcomes)
    if results:
        verdicts.keep_source(loaded.path, out, loaded.name)
    with console.busy("comparing"):
        groups = verdicts.judge(results)
    _answer("run", groups, failures, json, out if report else None)


@app.command(
    epilog=_examples(
        "harness check experiments/slow-subscriber.toml",
        "harness check mine.toml --set pattern.rate=10k/s --json",
    )
)
def check(
    experiment: ExperimentFile,
    world: WorldOption = World.both,
    replications: Replications = None,
    seeds: Seeds = None,
    set_: Set = None,
    variant: Variant = None,
    json: Json = False,
) -> None:
    """Say all that is wrong with an experiment at once, and what it would run; nothing is executed."""
    loaded = _load(experiment, set_)
    runs = _plan(loaded, world, None, replications, seeds, variant)
    from harness.cli import outlook

    document = {"command": "check", "status": VALID, "path": str(loaded.path), **outlook.outlook(loaded, runs)}
    _print(document, json, outlook.text(document))


@app.command("list", epilog=_examples("harness list", "harness list faults", "harness list experiments --json"))
def list_(
    kind: Annotated[Kind | None, typer.Argument(help="Only these.", show_default=False)] = None,
    experiments: Annotated[Path, typer.Option(metavar="DIR", help="Folder of experiments.")] = Path("experiments"),
    json: Json = False,
) -> None:
    """List what there is to build experiments from, with one line on each."""
    from harness.cli import catalogue

    kinds = list(Kind) if kind is None else [kind]
    listed = {one.value: catalogue.entries(one.value, experiments) for one in kinds}
    _print({"command": "list", "status": VALID, **listed}, json, catalogue.text(listed))


@app.command(
    epilog=_examples(
        "harness compare results/slow-subscriber",
        "harness compare 4f0c1a2b3c4d 99aa88bb77cc",
        "harness compare results/slow-subscriber/4f0c1a2b3c4d results/slow-subscriber/99aa88bb77cc --json",
    )
)
def compare(runs: RunNames, out: Out = Path("results"), json: Json = False) -> None:
    """Put saved runs side by side: the simulated ones of an experiment against its live ones."""
    from harness.cli import verdicts

    with console.busy("comparing"):
        groups = verdicts.judge(verdicts.find(runs, out))
    _answer("compare", groups, [], json)


@app.command(
    epilog=_examples(
        "harness report results/slow-subscriber",
        "harness report 4f0c1a2b3c4d 99aa88bb77cc --out results",
    )
)
def report(runs: RunNames, out: Out = Path("results"), json: Json = False) -> None:
    """Write the HTML report of saved runs, one self-contained file an experiment."""
    from harness.cli import verdicts

    _make_folder(out)
    with console.busy("comparing"):
        groups = verdicts.judge(verdicts.find(runs, out))
    _answer("report", groups, [], json, out)


@app.command(
    epilog=_examples(
        "harness doctor", "harness doctor netns emulator && harness run mine.toml", "harness doctor --json"
    )
)
def doctor(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="CAPABILITY", help="Only these; one of them missing is status 1.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Try out what this machine can do for live runs, and say what would help where it cannot."""
    from harness.cli import capabilities

    with console.busy("trying"):
        document = capabilities.examine(names or [])
    _print(document, json, capabilities.text(document))
    raise typer.Exit(document["status"])


def _load(path: Path, overrides: Sequence[str] | None) -> Experiment:
    from harness import config

    return config.load(path, tuple(overrides or ()))


def _plan(
    loaded: Experiment,
    world: World,
    seed: int | None,
    replications: int | None,
    seeds: int | None,
    variant: str | None,
) -> list[Run]:
    """The simulated runs, then the live ones, if this machine can do them."""
    from harness.plan import plan

    runs: list[Run] = []
    if world is not World.live:
        count = seeds if seeds is not None or world is World.both else replications
        runs += plan(loaded, ["sim"], seed=seed, replications=count, variant=variant)
    if world is not World.sim:
        runs += plan(loaded, ["live"], seed=seed, replications=replications, variant=variant)
        from harness import doctor

        if missing := doctor.missing(runs):
            raise ConfigError(loaded.path, missing)
    return runs


def _make_folder(out: Path) -> None:
    """Find out before the runs, not after them, that nothing can be saved; and remove what a dead harness has left."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK | os.X_OK):
            raise PermissionError(f"no permission to write into {out}")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            "--out", [Problem("", str(out), f"cannot use {out} as a folder of results: {reason}")]
        ) from error
    for path in leftovers.sweep(out, *out.glob("*/"), Path(tempfile.gettempdir())):
        console.say(f"removed {path}: a run that was killed had left it")


def _answer(command: str, groups: Any, failures: Any, json: bool, reports_into: Path | None = None) -> NoReturn:
    """Print what came out, write reports, and end with the status that it deserves."""
    from harness.cli import tables, verdicts

    for failure in failures:
        console.say(str(failure))
    status = verdicts.status(groups, failures)
    if not json:  # before the report is written: whatever may hinder that, the answer is there
        console.emit(*tables.answer(groups))
    reports: list[Path] = []
    if reports_into is not None:
        with console.busy("writing the report"):
            reports = verdicts.write_reports(groups, reports_into)
    if json:
        console.emit_json(verdicts.document(command, status, groups, failures, reports))
    else:
        console.emit(*(f"report: {path}" for path in reports))
    raise typer.Exit(status)


def _print(document: Mapping[str, Any], json: bool, for_people: Iterable[Any]) -> None:
    """The document, or what says the same to people."""
    if json:
        console.emit_json(document)
    else:
        console.emit(*for_people)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status. Prints no traceback unless ``--debug`` is given."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Understood anywhere: whoever repeats a command to see more adds it at the end.
    rest = [word for word in given if word != "--debug"]
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        status, problem = _conclude(rest, debug=len(rest) < len(given))
    finally:
        signal.signal(signal.SIGTERM, previous)
    if problem and "--json" in rest:
        console.emit_json({"command": next(iter(rest), ""), "status": status, **problem})
    return status


def _conclude(arguments: list[str], *, debug: bool) -> tuple[int, dict[str, Any]]:
    """Exit status, and for machines what stood in the way; people have been told."""
    try:
        app(arguments, prog_name="harness")
    except SystemExit as stopped:
        status = stopped.code if isinstance(stopped.code, int) else FAILED
        if status == WRONG_INPUT:
            message = str(getattr(stopped.__context__, "message", "") or "an argument is missing or wrong")
            return status, {"problems": [{"key": "", "value": None, "message": message}]}
        if status > _SIGNALLED:
            console.say("interrupted; runs that were complete have been kept")
            return status, {"error": "interrupted"}
        return status, {}
    except ConfigError as error:
        console.say(str(error))
        return WRONG_INPUT, {"path": error.path, "problems": [_plain(one) for one in error.problems]}
    except OSError as error:
        message = f"{error.filename or 'input or output'}: {error.strerror or error}"
        console.say(message)
        _show(error, debug)
        return WRONG_INPUT, {"problems": [{"key": "", "value": None, "message": message}]}
    except Exception as error:
        message = f"{type(error).__name__}: {' '.join(str(error).split())}"
        console.say(f"the harness ended on an error of its own. Please report it with what --debug prints: {message}")
        _show(error, debug)
        return FAILED, {"error": message}
    return VALID, {}


def _show(error: Exception, debug: bool) -> None:
    if debug:
        console.say("".join(traceback.format_exception(error)).rstrip())


def _plain(problem: Problem) -> dict[str, Any]:
    value = None if problem.value is MISSING else problem.value
    return {"key": problem.key, "value": value, "message": problem.message}


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    # As an interrupt: everything that was started is ended on the way out.
    raise SystemExit(_SIGNALLED + signal.SIGTERM)
