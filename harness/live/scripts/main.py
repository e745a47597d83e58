"""Do what the command line of ``python -m harness.live`` says: run, show, and give the exit status."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from harness.live import probes
from harness.live.scripts.network import capabilities, check
from harness.live.scripts.play import Play
from harness.problems import ConfigError, Problems
from harness.scripts.outcome import INCONCLUSIVE, INTERRUPTED, USAGE, exit_status
from harness.scripts.output import prefixed
from harness.scripts.words import Parser, UsageError, Words, read_words
from harness.units import readable_ns

_DESCRIPTION: Final = """\
Run programs of plain pyzmq, unmodified, as real processes: each in the network namespace of its host, over links
and through faults that the topology file describes. Their time is real. Needs Linux, and root or user namespaces."""

_EXAMPLES: Final = """\
examples:
  python -m harness.live --topology net.toml
  python -m harness.live --until 10s server.py -- client.py tcp://localhost:5555
  python -m harness.twin --topology net.toml       the same, simulated

exit status:
  the first one that is not 0 among those of the programs; 2 when the command line or a file is wrong, or the machine
  cannot do it (harness doctor netns emulator); 3 when no program has ended at the limit of time (not for --until,
  which was asked for), or the network did not do what was asked for; 130 after Ctrl-C; else 0
"""


def main(words: list[str]) -> int:
    """Run what the command line says: the exit status."""
    try:
        order = read_words(_parser(), words)
        _check(order)
    except UsageError as error:
        print(error, file=sys.stderr)
        return USAGE
    except SystemExit:
        return 0  # after --help
    return _run(order)


def _parser() -> Parser:
    return Parser("python -m harness.live", "real", "loss and jitter of links are", _DESCRIPTION, _EXAMPLES)


def _check(order: Words) -> None:
    problems = Problems()
    check(order.net, order.programs, problems)
    if len(problems):
        raise UsageError(str(ConfigError(order.options.topology, problems)))
    for finding in probes.ask_all(capabilities(order.net)):
        if finding.reason is not None:
            raise UsageError(f"this machine has no {finding.name}: {finding.reason}; {finding.help}")


def _run(order: Words) -> int:
    options = order.options
    out = sys.stderr if options.json else sys.stdout
    streams = prefixed([program.name for program in order.programs], out, sys.stderr, options.times)
    play = Play(order, streams, out.fileno())
    for stream in chain(*streams):
        stream.watch(play.clock_ns)
    sys.stdout.flush()
    try:
        play.run()
    except OSError as error:
        print(f"the network could not be kept: {error}", file=sys.stderr)
        return INCONCLUSIVE
    if options.json:
        print(json.dumps(document(play), indent=2))
    elif not options.quiet:
        print("\n".join(summary(play)), file=sys.stderr)
    if play.reason == "interrupted":
        return INTERRUPTED
    status = exit_status([(one.exit_status, one.signals) for one in play.running], asked=order.asked)
    return status or (INCONCLUSIVE if play.complaints else 0)


def document(play: Play) -> dict[str, Any]:
    """What has become of it, for machines. Times in ns."""
    return {
        "reason": play.reason,
        "real_ns": play.now_ns,
        "programs": {
            one.program.name: {"exit_status": one.exit_status, "ended_ns": one.ended_ns} for one in play.running
        },
        "faults": [
            {
                "fault": each.fault,
                "link": each.link,
                "what": each.what,
                "begun_ns": each.begun_ns,
                "done_ns": each.done_ns,
            }
            for each in play.happened
        ],
        "network": play.network,
        "complaints": play.complaints,
    }


def summary(play: Play) -> Iterator[str]:
    """The same for people."""
    told = [
        f"{one.program.name}: " + ("not ended" if one.exit_status is None else f"exit status {one.exit_status}")
        for one in play.running
    ]
    yield f"--- {readable_ns(play.now_ns)} of real time; {', '.join(told)}"
    for each in play.happened:
        took = f"{readable_ns(each.begun_ns)}, done in {readable_ns(each.done_ns - each.begun_ns)}"
        yield f"link {each.link}: {each.what} ({each.fault}) at {took}"
    yield from play.complaints
    ends = {"until": "at the end of the time (--until)", "interrupted": "interrupted"}
    if play.reason in ends:
        yield ends[play.reason]
