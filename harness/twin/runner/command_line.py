"""The command line of ``python -m harness.twin``: what shall be run, or what is wrong with it."""

from __future__ import annotations

import argparse
import shlex
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NoReturn

from harness.problems import ConfigError
from harness.twin.profile import load
from harness.twin.runner.net import Net
from harness.twin.runner.net_file import NetFile, read_net_file
from harness.twin.runner.play import Program
from harness.units import parse_duration_ns

_DESCRIPTION: Final = """\
Run programs of plain pyzmq, unmodified, in one simulated world in virtual time: a minute of it takes as long as
the programs compute. Afterwards stderr says what was sent, received and lost, and why."""

_EXAMPLES: Final = """\
examples:
  python -m harness.twin client.py tcp://localhost:5555
  python -m harness.twin server.py -- client.py -- client.py
  python -m harness.twin --until 30s --trace out.parquet server.py -- client.py --retries 3
  python -m harness.twin --program "server: server.py" --program "client: client.py -- --verbose"

exit status:
  the first one that is not 0 among those of the programs; 2 when the command line or a file is wrong; 3 when
  all programs wait for ever or a limit was hit (not for --until, which was asked for); 130 after Ctrl-C; else 0
"""

UNTIL_NS: Final = 60_000_000_000
"""Virtual time, unless told."""


class UsageError(Exception):
    """The command line, or a file that it names, is wrong (exit status 2)."""


@dataclass(frozen=True, slots=True)
class Order:
    """What shall be run, and how.

    Attributes:
        until_ns: virtual time; ``asked`` when the user has said so.
        wall_limit_ns: real time.
        trace: where one row for each message and receiver goes.
        json: one document on stdout in place of a text on stderr; what programs print goes to stderr.
        times: each line that a program prints begins with the virtual time.
    """

    programs: tuple[Program, ...]
    seed: int
    profile: str | None
    until_ns: int
    asked: bool
    wall_limit_ns: int
    trace: Path | None
    json: bool
    times: bool
    quiet: bool
    pgm: bool
    net: Net


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; --help shows how it is done")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m harness.twin",
        usage="%(prog)s [options] SCRIPT [ARGUMENTS] [-- SCRIPT [ARGUMENTS]]...",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--program",
        action="append",
        default=[],
        metavar='"NAME: SCRIPT ARGUMENTS"',
        help="one more program; the way for arguments that contain --",
    )
    parser.add_argument(
        "--topology", type=Path, metavar="FILE", help="hosts, links and programs on them, see docs/how-to"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="all chance is drawn from it (0)")
    parser.add_argument("--until", metavar="TIME", help='end at that virtual time, such as "90s" (60s)')
    parser.add_argument("--interrupt", metavar="TIME", help="then press Ctrl-C in all programs (never)")
    parser.add_argument("--wall-limit", default="60s", metavar="TIME", help="end after that real time (60s)")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="write a Parquet file, a row a message and receiver")
    parser.add_argument("--profile", metavar="NAME", help="what things cost: a shipped profile or a file")
    parser.add_argument("--pgm", action="store_true", help="a library with pgm and epgm, which pyzmq's wheels have not")
    parser.add_argument("--times", action="store_true", help="begin each line of output with the virtual time")
    parser.add_argument("--json", action="store_true", help="the summary as JSON on stdout; output goes to stderr")
    parser.add_argument("--quiet", action="store_true", help="no summary")
    return parser


def read_command_line(words: list[str]) -> Order:
    """The order that these words give. Raises UsageError; SystemExit for ``--help``."""
    parser = _parser()
    head, rest = _split(words, parser)
    options = parser.parse_args(head)
    said = _net_file(options.topology) if options.topology else NetFile(Net(), (), None, None)
    programs = list(said.programs)
    programs += [_named_program(text) for text in options.program]
    programs += [_program(group) for group in _groups(rest)]
    if not programs:
        raise UsageError("no script was given; --help shows how it is done")
    if options.profile is not None:
        _check_profile(options.profile)
    return Order(
        programs=tuple(_interrupted(_distinct(programs), options.interrupt)),
        seed=next(seed for seed in (options.seed, said.seed, 0) if seed is not None),
        profile=options.profile,
        until_ns=said.until_ns or UNTIL_NS if options.until is None else _duration("--until", options.until),
        asked=options.until is not None or said.until_ns is not None,
        wall_limit_ns=_duration("--wall-limit", options.wall_limit),
        trace=options.trace,
        json=options.json,
        times=options.times,
        quiet=options.quiet,
        pgm=options.pgm,
        net=said.net,
    )


def _split(words: list[str], parser: argparse.ArgumentParser) -> tuple[list[str], list[str]]:
    """Options of the twin, and all from the first script on."""
    flags = [word for action in parser._actions if action.nargs == 0 for word in action.option_strings]
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        at += 1 if words[at] in flags or "=" in words[at] else 2
    rest = words[at:]
    return words[:at], rest[1:] if rest[:1] == ["--"] else rest


def _net_file(path: Path) -> NetFile:
    try:
        return read_net_file(path)
    except ConfigError as error:
        raise UsageError(str(error)) from None


def _groups(words: list[str]) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    for word in words:
        if word == "--":
            groups.append([])
        else:
            groups[-1].append(word)
    return [group for group in groups if group]


def _program(words: list[str], name: str = "") -> Program:
    script = Path(words[0])
    if not script.exists():
        raise UsageError(f"{script}: there is no such file")
    if not script.is_file():
        raise UsageError(f"{script} is no file: name the script to be run")
    return Program(script, tuple(words[1:]), name)


def _named_program(text: str) -> Program:
    name, colon, command = text.partition(":")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--program {text!r}: {error}") from None
    if not colon or not name.strip() or not words:
        raise UsageError(f'--program {text!r}: write "NAME: SCRIPT ARGUMENTS"')
    return _program(words, name.strip())


def _distinct(programs: list[Program]) -> list[Program]:
    """Give each a name; equal ones are numbered."""
    wanted = [program.name or program.script.name for program in programs]
    named: list[Program] = []
    for index, (program, name) in enumerate(zip(programs, wanted, strict=True)):
        number = f" {wanted[: index + 1].count(name)}" if wanted.count(name) > 1 else ""
        named.append(replace(program, name=name + number))
    return named


def _interrupted(programs: list[Program], when: str | None) -> list[Program]:
    if when is None:
        return programs
    at_ns = _duration("--interrupt", when)
    return [replace(program, signals=(*program.signals, (signal.SIGINT, at_ns))) for program in programs]


def _duration(option: str, text: str) -> int:
    try:
        duration_ns = parse_duration_ns(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}") from None
    if not duration_ns:
        raise UsageError(f"{option} {text}: must be more than nothing")
    return duration_ns


def _check_profile(name: str) -> None:
    try:
        load(name)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"--profile {name}: {error}") from None
