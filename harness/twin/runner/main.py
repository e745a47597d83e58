"""Do what a command line says: run, show, and give the exit status."""

from __future__ import annotations

import json
import sys
import traceback
from itertools import chain
from time import perf_counter
from typing import TYPE_CHECKING, Final

from harness.scripts.outcome import INCONCLUSIVE, INTERRUPTED, USAGE
from harness.scripts.outcome import exit_status as outcome
from harness.scripts.output import prefixed
from harness.scripts.words import UsageError
from harness.twin.runner.command_line import Order, read_command_line
from harness.twin.runner.play import Play
from harness.twin.runner.summary import Summary
from harness.twin.runner.trace_file import TraceRows

if TYPE_CHECKING:
    from harness.twin.runner.play import Ending

LAW_BROKEN: Final = 1


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
    out = sys.stderr if order.json else sys.stdout
    streams = prefixed([program.name for program in order.programs], out, sys.stderr, order.times)
    try:
        play = Play(
            list(order.programs),
            seed=order.seed,
            profile=order.profile,
            net=order.net,
            pgm=order.pgm,
            rows=rows,
            outputs=streams or [(out, sys.stderr)],
        )
    except ValueError as error:
        print(error, file=sys.stderr)  # two hosts with one address, for one
        return USAGE
    for stream in chain(*streams):
        stream.watch(lambda: play.twin.now_ns)
    begun = perf_counter()
    try:
        ending = play.run(order.until_ns, order.wall_limit_ns)
    except Exception:
        traceback.print_exc()
        print("this is a bug of the simulation, not of the program", file=sys.stderr)
        return LAW_BROKEN
    summary = Summary(play, ending, perf_counter() - begun)
    for stream in chain(*streams):
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


def exit_status(play: Play, ending: Ending, order: Order) -> int:
    """What the run as a whole has come to."""
    if ending.reason == "interrupted":
        return INTERRUPTED
    if play.book.violations or play.book.unexplained:
        return LAW_BROKEN
    if ending.reason == "wall":
        return INCONCLUSIVE
    ends = [(home.exit_status, list(home.signals)) for home in play.homes if home.parent is None]
    return outcome(ends, asked=order.asked)
