"""The command line of ``python -m harness.twin``: what shall be run, or what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.scripts.spec import Net, Program
from harness.scripts.words import Parser, UsageError, duration, read_words
from harness.twin.profile import load

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


def _parser() -> Parser:
    parser = Parser("python -m harness.twin", "virtual", "all chance is", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("--wall-limit", default="60s", metavar="TIME", help="end after that real time (60s)")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="write a Parquet file, a row a message and receiver")
    parser.add_argument("--profile", metavar="NAME", help="what things cost: a shipped profile or a file")
    parser.add_argument("--pgm", action="store_true", help="a library with pgm and epgm, which pyzmq's wheels have not")
    return parser


def read_command_line(words: list[str]) -> Order:
    """The order that these words give. Raises UsageError; SystemExit for ``--help``."""
    read = read_words(_parser(), words)
    options = read.options
    if options.profile is not None:
        _check_profile(options.profile)
    return Order(
        programs=read.programs,
        seed=read.seed,
        profile=options.profile,
        until_ns=read.until_ns,
        asked=read.asked,
        wall_limit_ns=duration("--wall-limit", options.wall_limit),
        trace=options.trace,
        json=options.json,
        times=options.times,
        quiet=options.quiet,
        pgm=options.pgm,
        net=read.net,
    )


def _check_profile(name: str) -> None:
    try:
        load(name)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"--profile {name}: {error}") from None
