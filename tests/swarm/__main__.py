"""``python -m tests.swarm``: play many seeds, or one that failed; see docs/how-to/run-the-swarm.md."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import crowd
from .coverage import EXPECTED
from .draw import draw
from .shrink import shrink
from .world import play

_MANY = 10_000
_SHOWN = 10
"""Failures that are shown in full."""


def main(arguments: list[str] | None = None) -> int:
    """0 when no law was broken, 1 when one was, 3 when there was not time for all seeds."""
    parser = argparse.ArgumentParser(prog="python -m tests.swarm", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", help="play this one seed and show its plan")
    parser.add_argument("--seeds", type=int, default=_MANY, help="how many (default %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a processor)")
    parser.add_argument("--within", type=float, default=600.0, help="seconds for all (default %(default)s)")
    parser.add_argument("--shrink", action="store_true", help="look for the smallest plan that breaks the same law")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.worker:
        crowd.work()
        return 0
    if given.seed is not None:
        return _one(given.seed, given.shrink)
    return _many(given)


def _one(seed: int, smallest: bool) -> int:
    plan = draw(seed)
    if smallest:
        plan, outcome = shrink(plan, said=lambda sentence: print(sentence, file=sys.stderr))
    else:
        outcome = play(plan)
    print(plan)
    again = play(plan)
    print(f"digest {outcome.digest}, again {again.digest}")
    broken = list(outcome.broken)
    if again.digest != outcome.digest:
        broken.append("two runs differ")
    for sentence in broken:
        print("BROKEN", sentence)
    if not broken:
        print("no law was broken")
    return 1 if broken else 0


def _many(given: argparse.Namespace) -> int:
    seeds = range(given.first, given.first + given.seeds)
    report = crowd.run(seeds, given.jobs, given.within, lambda so_far: _progress(so_far, len(seeds)))
    print(file=sys.stderr)
    for seed in sorted(report.broken)[:_SHOWN]:
        print(f"seed {seed}:")
        for sentence in report.broken[seed][:3]:
            print(f"  {sentence}")
        print(f"  replay: make swarm SEED={seed}   (smallest plan: python -m tests.swarm {seed} --shrink)")
    if len(report.broken) > _SHOWN:
        print(f"... and {len(report.broken) - _SHOWN} more: {sorted(report.broken)[_SHOWN : _SHOWN + 50]}")
    _coverage(report)
    print(
        f"{report.twice} of {len(seeds)} seeds were played twice in {report.took_s:.1f} s by {given.jobs} processes; "
        f"{len(report.broken)} broke a law; the slowest was {report.slowest[1]} with {report.slowest[0]:.2f} s"
    )
    if report.broken:
        return 1
    return 0 if report.twice == len(seeds) else 3


def _progress(report: crowd.Report, total: int) -> None:
    played = len(report.digests) + report.twice
    every = 50 if sys.stderr.isatty() else max(1, total // 5)
    if played % every == 0 or played == 2 * total:
        done = 30 * played // (2 * total)
        broken = f"{len(report.broken)} broken {[*report.broken][:3] if report.broken else ''}".rstrip()
        line = f"[{'#' * done}{' ' * (30 - done)}] {report.twice}/{total} seeds, {broken}"
        print(f"\r{line}  {report.took_s:5.1f} s", end="", file=sys.stderr, flush=True)


def _coverage(report: crowd.Report) -> None:
    print("seeds that came across:")
    groups: dict[str, list[str]] = {}
    for thing, count in sorted(report.seeds_with.items()):
        group, _, name = thing.partition(" ")
        groups.setdefault(group, []).append(f"{name} {count}")
    for group, names in groups.items():
        print(f"  {group + ':':9} {', '.join(names)}")
    never = [thing for thing in EXPECTED if thing not in report.seeds_with]
    print(f"never: {', '.join(never) if never else 'nothing that was expected'}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    sys.exit(main())
