"""Command lines that name scripts, with ``--`` between them: options, programs, and what is wrong with them."""

from __future__ import annotations

import argparse
import shlex
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NoReturn

from harness.problems import ConfigError
from harness.scripts.net_file import NetFile, read_net_file
from harness.scripts.spec import Net, Program
from harness.units import parse_duration_ns

UNTIL_NS: Final = 60_000_000_000
"""Time that a run has, unless told."""


class UsageError(Exception):
    """The command line, or a file that it names, is wrong (exit status 2)."""


class Parser(argparse.ArgumentParser):
    """Options that stand before the first script; those that both worlds have are there already.

    Args:
        program: how it is called.
        time: the kind of time that counts, such as "virtual".
        chance: what the seed decides upon, with its verb.
        description, examples: what ``--help`` says before and after the options.
    """

    def __init__(self, program: str, time: str, chance: str, description: str, examples: str) -> None:
        super().__init__(
            prog=program,
            usage="%(prog)s [options] SCRIPT [ARGUMENTS] [-- SCRIPT [ARGUMENTS]]...",
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument(
            "--program",
            action="append",
            default=[],
            metavar='"NAME: SCRIPT ARGUMENTS"',
            help="one more program; the way for arguments that contain --",
        )
        self.add_argument(
            "--topology", type=Path, metavar="FILE", help="hosts, links and programs on them, see docs/how-to"
        )
        self.add_argument("--seed", type=int, metavar="N", help=f"{chance} drawn from it (0)")
        self.add_argument("--until", metavar="TIME", help=f'end at that {time} time, such as "90s" (60s)')
        self.add_argument("--interrupt", metavar="TIME", help="then press Ctrl-C in all programs (never)")
        self.add_argument("--times", action="store_true", help=f"begin each line of output with the {time} time")
        self.add_argument("--json", action="store_true", help="the summary as JSON on stdout; output goes to stderr")
        self.add_argument("--quiet", action="store_true", help="no summary")

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        raise UsageError(f"{message}; --help shows how it is done")


@dataclass(frozen=True, slots=True)
class Words:
    """What a command line says, whichever world it is for.

    Attributes:
        until_ns: time since the beginning; ``asked`` when the user has said so.
        options: all of them, as argparse has them.
    """

    programs: tuple[Program, ...]
    net: Net
    seed: int
    until_ns: int
    asked: bool
    options: argparse.Namespace


def read_words(parser: Parser, words: list[str]) -> Words:
    """Understand a command line and the topology file that it names. Raises UsageError; SystemExit for ``--help``."""
    head, rest = _split(words, parser)
    options = parser.parse_args(head)
    said = _net_file(options.topology) if options.topology else NetFile(Net(), (), None, None)
    programs = list(said.programs)
    programs += [_named_program(text) for text in options.program]
    programs += [_program(group) for group in _groups(rest)]
    if not programs:
        raise UsageError("no script was given; --help shows how it is done")
    return Words(
        programs=tuple(_interrupted(_distinct(programs), options.interrupt)),
        net=said.net,
        seed=next(seed for seed in (options.seed, said.seed, 0) if seed is not None),
        until_ns=said.until_ns or UNTIL_NS if options.until is None else duration("--until", options.until),
        asked=options.until is not None or said.until_ns is not None,
        options=options,
    )


def duration(option: str, text: str) -> int:
    """The value of an option that is a time, ns. Raises UsageError."""
    try:
        duration_ns = parse_duration_ns(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}") from None
    if not duration_ns:
        raise UsageError(f"{option} {text}: must be more than nothing")
    return duration_ns


def _split(words: list[str], parser: argparse.ArgumentParser) -> tuple[list[str], list[str]]:
    """Options of the command, and all from the first script on."""
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
    at_ns = duration("--interrupt", when)
    return [replace(program, signals=(*program.signals, (signal.SIGINT, at_ns))) for program in programs]
