"""Do what a command line says: run, show, and give the exit status."""

from __future__ import annotations

import json
import sys
import traceback
from time import perf_counter
from typing import TYPE_CHECKING, Final, TextIO

from harness.twin.runner.command_line import Order, UsageError, read_command_line
from harness.twin.runner.output import Prefixed
from harness.twin.runner.play import Play
from harness.twin.runner.summary import Summary
from harness.twin.runner.trace_file import TraceRows

if TYPE_CHECKING:
    from harness.twin.runner.play import Ending

LAW_BROKEN: Final = 1
USAGE: Final = 2
INCONCLUSIVE: Final = 3
INTERRUPTED: Final = 130


def main(words: list[str]) -> int:
    """Run what the command line says: the exit status."""
    try:
        order = read_command_line(words)
        _check_trace(order)
    except UsageError as error:
        print(error, file=sys.stderr)
        return USAGE
    except SystemExit:
        return 0  # after --help
    return _run(order)


def _check_trace(order: Order) -> None:
    if order.trace is not None and not order.trace.absolute().parent.is_dir():
        raise UsageError(f"--trace {order.trace}: there is no folder {order.trace.parent}")


def _run(order: Order) -> int:
    rows = TraceRows() if order.trace is not None else None
    outputs, prefixed = _outputs(order)
    try:
        play = Play(
            list(order.programs),
            seed=order.seed,
            profile=order.profile,
            net=order.net,
            pgm=order.pgm,
            rows=rows,
            outputs=outputs,
        )
    except ValueError as error:
        print(error, file=sys.stderr)  # two hosts with one address, for one
        return USAGE
    for stream in prefixed:
        stream.watch(play.twin)
    begun = perf_counter()
    try:
        ending = play.run(order.until_ns, order.wall_limit_ns)
    except Exception:
        traceback.print_exc()
        print("this is a bug of the simulation, not of the program", file=sys.stderr)
        return LAW_BROKEN
    summary = Summary(play, ending, perf_counter() - begun)
    for stream in prefixed:
        stream.finish()
    sys.stdout.flush()
    if rows is not None and order.trace is not None:
        try:
            rows.write(order.trace, play.book.lines, [home.name for home in play.homes])
        except OSError as error:
            print(f"--trace {order.trace}: {error}", file=sys.stderr)
            return USAGE
    if order.json:
        print(json.dumps(summary.document(), indent=2))
    elif not order.quiet:
        print(summary.text(), file=sys.stderr)
    return exit_status(play, ending, order)


def _outputs(order: Order) -> tuple[list[tuple[TextIO, TextIO]], list[Prefixed]]:
    """Where each program writes: as it is when there is one, else each line with its name."""
    out = sys.stderr if order.json else sys.stdout
    if len(order.programs) == 1 and not order.times:
        return [(out, sys.stderr)], []
    width = max(len(program.name) for program in order.programs)
    outputs: list[tuple[TextIO, TextIO]] = []
    prefixed: list[Prefixed] = []
    for program in order.programs:
        name = f"{program.name:<{width}} | " if len(order.programs) > 1 else ""
        pair = Prefixed(out, name, order.times), Prefixed(sys.stderr, name, order.times)
        outputs.append(pair)  # type: ignore[arg-type]
        prefixed.extend(pair)
    return outputs, prefixed


def exit_status(play: Play, ending: Ending, order: Order) -> int:
    """What the run as a whole has come to."""
    # Whoever ends of a signal that was asked for has not failed.
    statuses = [
        0 if home.exit_status in [128 + number for number in home.signals] else home.exit_status
        for home in play.homes
        if home.parent is None
    ]
    if ending.reason == "interrupted":
        return INTERRUPTED
    if play.book.violations or play.book.unexplained:
        return LAW_BROKEN
    if ending.reason == "wall":
        return INCONCLUSIVE
    failed = next((status for status in statuses if status), 0)
    # Of several programs some are there to serve: the run is over when the others have done their work.
    nobody_has_ended = all(status is None for status in statuses)
    if not failed and nobody_has_ended and not order.asked:
        return INCONCLUSIVE
    return failed
