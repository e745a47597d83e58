"""What a set of results amounts to: groups, parity, exit status, and one document that says it all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import compare, store
from harness.cli.status import FAILED, INCONCLUSIVE, VALID
from harness.execute import Failure
from harness.guard import Guard
from harness.leftovers import partial, unfinished
from harness.problems import ConfigError, Problem

SOURCE = "experiment.toml"
"""Copy of the experiment's file beside its runs, from which a report has its title and question."""


@dataclass(frozen=True, slots=True)
class Group:
    """The runs of one variant of one experiment.

    Attributes:
        comparison: None unless there are runs of both worlds.
    """

    experiment: str
    variant: str
    sim: tuple[store.Result, ...]
    live: tuple[store.Result, ...]
    comparison: compare.Comparison | None

    @property
    def results(self) -> tuple[store.Result, ...]:
        """All runs, the simulated ones first."""
        return self.sim + self.live


def split(outcomes: Sequence[store.Result | Failure]) -> tuple[list[store.Result], list[Failure]]:
    """Results and failures, each in their order."""
    results = [one for one in outcomes if not isinstance(one, Failure)]
    return results, [one for one in outcomes if isinstance(one, Failure)]


def judge(results: Sequence[store.Result]) -> list[Group]:
    """Group results by experiment and variant, and compare the worlds where both are present."""
    found: dict[tuple[str, str], list[store.Result]] = {}
    for result in results:
        found.setdefault((result.run.experiment, result.run.variant), []).append(result)
    groups = []
    for (experiment, variant), members in sorted(found.items(), key=lambda item: item[0][1] != "plain"):
        # The permutation test numbers the runs: saved ones, found in any order, give the figures of the day they ran.
        members.sort(key=lambda result: (result.run.seed, result.run.id))
        sim = tuple(result for result in members if result.run.world == "sim")
        live = tuple(result for result in members if result.run.world == "live")
        comparison = compare.compare(sim, live) if sim and live else None
        groups.append(Group(experiment, variant, sim, live, comparison))
    return groups


def status(groups: Sequence[Group], failures: Sequence[Failure]) -> int:
    """The exit status.

    That the worlds differ, or that chance could not be told from a difference, is a finding about the
    model and no failure of the runs; a comparison of too few runs is inconclusive.
    """
    verdicts = {str(result.summary["verdict"]) for group in groups for result in group.results}
    comparisons = [group.comparison for group in groups if group.comparison is not None]
    broken = any(law.invalid for comparison in comparisons for law in comparison.invariants)
    if failures or broken or "invalid" in verdicts:
        return FAILED
    if "unknown" in verdicts or any(map(too_few_runs, comparisons)):
        return INCONCLUSIVE
    return VALID


def too_few_runs(comparison: compare.Comparison) -> bool:
    """Whether there are fewer runs than a verdict needs."""
    return comparison.live_runs < compare.MIN_LIVE_RUNS or comparison.sim_runs < compare.MIN_SIM_RUNS


def document(
    command: str, code: int, groups: Sequence[Group], failures: Sequence[Failure], reports: Sequence[Path]
) -> dict[str, Any]:
    """What ``--json`` prints: plain data."""
    return {
        "command": command,
        "status": code,
        "groups": [
            {
                "experiment": group.experiment,
                "variant": group.variant,
                "comparison": None if group.comparison is None else group.comparison.plain(),
                "runs": [{"folder": str(result.folder), **result.summary} for result in group.results],
            }
            for group in groups
        ],
        "failures": [
            {"run_id": one.run.id, "world": one.run.world, "seed": one.run.seed, "reason": one.reason}
            for one in failures
        ],
        "reports": [str(path) for path in reports],
    }


def find(names: Sequence[str], out: Path) -> list[store.Result]:
    """The saved runs that these name: folders of runs, folders of experiments, or run ids below ``out``.

    Raises:
        ConfigError: a name that is none of these, or a folder that cannot be read; all of them at once.
    """
    folders: dict[Path, None] = {}
    problems = []
    for name in names:
        found = _folders(name, out)
        folders.update(dict.fromkeys(found))
        if not found:
            expected = f"no folder of a run or of an experiment, and no run id in {out}"
            problems.append(Problem(name, name, f"holds no saved run: {expected}"))
    results = []
    for folder in folders:
        try:
            results.append(store.load(folder))
        except (OSError, ValueError, TypeError, KeyError) as error:
            problems.append(Problem(str(folder), "", f"cannot be read as a run: {error}"))
    if problems:
        raise ConfigError("RUN", problems)
    return results


def _folders(name: str, out: Path) -> list[Path]:
    folder = Path(name)
    if (folder / "summary.json").is_file():
        return [folder]
    if folder.is_dir():
        return sorted(path.parent for path in folder.glob("*/summary.json") if not path.parent.name.startswith("."))
    if name and os.sep not in name and name not in (".", ".."):
        return sorted(path.parent for path in out.glob("*/*/summary.json") if path.parent.name == name)
    return []


def keep_source(path: Path, out: Path, experiment: str) -> None:
    """Copy the experiment's file beside its runs, whole or not at all."""
    with Guard() as guard, unfinished(partial(out, SOURCE), guard, folder=False) as temporary:
        shutil.copyfile(path, temporary)
        temporary.replace(out / experiment / SOURCE)


def write_reports(groups: Sequence[Group], out: Path) -> list[Path]:
    """Write one report for each experiment, all its variants in it; the paths.

    Title and question are those of the file that is kept beside the runs. Raises OSError.
    """
    from harness import report  # and with it the template engine and Matplotlib, for which no other answer waits

    experiments: dict[str, list[Group]] = {}
    for group in groups:
        experiments.setdefault(group.experiment, []).append(group)
    paths = []
    for experiment, members in experiments.items():
        results = [result for group in members for result in group.results]
        comparisons = {group.variant: group.comparison for group in members if group.comparison is not None}
        paths.append(report.write(out / experiment, *_source_of(results), results, comparisons))
    return paths


def _source_of(results: Sequence[store.Result]) -> tuple[str, str]:
    source: Mapping[str, Any] = {}
    for result in results:
        with contextlib.suppress(OSError, ValueError):
            source = tomllib.loads((result.folder.parent / SOURCE).read_text("utf-8"))
            break
    return str(source.get("title") or results[0].run.experiment), str(source.get("question") or "")
