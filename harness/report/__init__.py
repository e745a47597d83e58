"""One self-contained HTML file an experiment: the answer, the verdict on the model, the figures, the tables.

Nothing is loaded from anywhere: figures are inline SVG whose colours follow the reader's light or dark
setting. What cannot be shown (one world only, nothing lost, nothing delivered) is said in a sentence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.compare import Comparison, Invariant, Metric, laws, laws_of
from harness.guard import Guard
from harness.ledger.observed import WORLDS, Recorded
from harness.leftovers import partial, unfinished
from harness.report import answer
from harness.run import Run
from harness.units import readable_ns

MEANING = {
    "agree": "No figure of the simulation is further from the live runs than these are from one another. For this "
    "experiment the simulation may stand in for live runs.",
    "differ": "At least one figure of the simulation is off by more than the live runs differ among themselves, or a "
    "law was broken. The table says which figure, by how much and in which direction: there, do not rely on the "
    "simulation.",
    "unknown": "Nothing was found wrong, but not every figure could be decided. The table gives the reason for each.",
    "none": "Only one world ran, so there is nothing by which the model could be judged. Run the experiment with "
    "--world both for a verdict.",
}


def write(
    out: Path,
    title: str,
    question: str,
    results: Sequence[Recorded],
    comparison: Comparison | Mapping[str, Comparison] | None,
) -> Path:
    """Write the report and give its path.

    Args:
        out: the file, or a folder: then ``report.html`` in it, or ``report-<variant>.html`` for a single variant
            that is not called ``plain``.
        title: what the experiment is called.
        question: what it asks.
        results: runs of one experiment, of any variants, in one or both worlds.
        comparison: of the only variant, or one for each variant by name.

    Raises:
        ValueError: there are no results.
        OSError: the file cannot be written.
    """
    if not results:
        raise ValueError("a report needs at least one run")
    page = render(title, question, results, comparison)
    path = out if out.suffix == ".html" else out / _file_name(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    with Guard() as guard, unfinished(partial(path.parent, path.name), guard, folder=False) as temporary:
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(path)
    return path


def _file_name(results: Sequence[Recorded]) -> str:
    variants = list(dict.fromkeys(result.run.variant for result in results))
    return "report.html" if len(variants) > 1 or variants == ["plain"] else f"report-{variants[0]}.html"


def render(
    title: str,
    question: str,
    results: Sequence[Recorded],
    comparison: Comparison | Mapping[str, Comparison] | None,
) -> str:
    """The page as text; arguments as of :func:`write`."""
    variants: dict[str, list[Recorded]] = {}
    for result in results:
        variants.setdefault(result.run.variant, []).append(Kept(result))
    if isinstance(comparison, Comparison):
        comparison = {comparison.variant: comparison}
    sections = [
        _section(number, name, members, (comparison or {}).get(name))
        for number, (name, members) in enumerate(variants.items())
    ]
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        title=title,
        question=question,
        experiment=results[0].run.experiment,
        sections=sections,
        causes=_causes_seen(sections),
        environments=_environments(results),
        many=len(variants) > 1,
    )


class Kept:
    """A result whose tables are read once."""

    def __init__(self, result: Recorded) -> None:
        self._result = result
        self._messages: pa.Table | None = None
        self._events: pa.Table | None = None

    @property
    def run(self) -> Run:
        """What was executed."""
        return self._result.run

    @property
    def summary(self) -> Mapping[str, Any]:
        """``summary.json``."""
        return self._result.summary

    def messages(self) -> pa.Table:
        """One row for each owed delivery."""
        if self._messages is None:
            self._messages = self._result.messages()
        return self._messages

    def events(self) -> pa.Table:
        """Connections, faults, marks."""
        if self._events is None:
            self._events = self._result.events()
        return self._events

    def environment(self) -> Mapping[str, Any]:
        """Versions, machine, calibration."""
        return self._result.environment()


def _section(number: int, name: str, results: Sequence[Recorded], comparison: Comparison | None) -> dict[str, Any]:
    """One variant, as the template needs it."""
    from harness.report import figures  # Matplotlib is loaded when something is drawn: the answer alone is text

    found = answer.lines(results)
    worlds = {world: [one for one in results if one.run.world == world] for world in WORLDS}
    judged = comparison.invariants if comparison else [law for of, runs in worlds.items() for law in laws(runs, of)]
    return {
        "name": name,
        "answer": answer.sentences(found),
        "lines": found,
        "counts": {text: len(worlds[world]) for world, text in WORLDS.items()},
        "verdict": comparison.verdict if comparison else "none",
        "meaning": MEANING[comparison.verdict if comparison else "none"],
        "comparison": comparison,
        "metrics": [_metric_row(metric) for metric in comparison.metrics] if comparison else [],
        "laws": _law_rows(judged),
        "vacuous": sorted({str(claim) for result in results for claim in result.summary.get("vacuous", ())}),
        "runs": [_run_row(result) for result in sorted(results, key=lambda one: (one.run.world, one.run.replication))],
        "pictures": figures.pictures(results, f"s{number}"),
        "replay": replay_command(min(results, key=lambda one: (one.run.world != "sim", one.run.replication)).run),
    }


def _law_rows(judged: Sequence[Invariant]) -> list[dict[str, Any]]:
    """One row a law: in each world what became of it, and whether it was broken there."""
    rows: dict[str, dict[str, Any]] = {}
    for law in judged:
        row = rows.setdefault(law.name, {"name": law.name, "live": None, "sim": None, "details": []})
        parts = [f"{count} {word}" for count, word in ((law.invalid, "broken"), (law.unknown, "undecided")) if count]
        total = law.valid + law.invalid + law.unknown
        row[law.world] = {"text": f"valid in {law.valid} of {total}{''.join(f', {one}' for one in parts)}", "law": law}
        if law.detail:
            row["details"].append(f"{WORLDS[law.world]}: {law.detail}")
    return list(rows.values())


def _metric_row(metric: Metric) -> dict[str, str]:
    distances = "" if metric.unit == "messages" else metric.unit
    return {
        "name": metric.name,
        "unit": "" if metric.unit == "ns" else metric.unit,
        "verdict": metric.verdict,
        "reason": metric.reason,
        "runs": f"{metric.live_runs} / {metric.sim_runs}",
        "live": quantity(metric.live, metric.unit),
        "sim": quantity(metric.sim, metric.unit),
        "a": quantity(metric.live_live, distances),
        "b": quantity(metric.sim_sim, distances),
        "c": quantity(metric.sim_live, distances),
        "floor": quantity(metric.floor, distances),
        "k": quantity(metric.k, ""),
        "d": quantity(metric.dispersion, ""),
        "p": "" if math.isnan(metric.p) else f"{metric.p:.3f}",
        "error": quantity(metric.signed_error, metric.unit, signed=True),
    }


def quantity(value: float, unit: str, *, signed: bool = False) -> str:
    """A number of a metric, three significant digits, times with their unit; empty when there is none."""
    if math.isnan(value):
        return ""
    sign = "+" if signed and value > 0 else ""
    if unit == "ns":
        return sign + readable_ns(value)
    return f"{sign}{float(f'{value:.3g}'):,.10g}"


def _run_row(result: Recorded) -> dict[str, str]:
    steal = find_share(result.environment(), "steal")
    return {
        "id": result.run.id,
        "world": WORLDS.get(result.run.world, result.run.world),
        "seed": str(result.run.seed),
        "replication": str(result.run.replication),
        "verdict": str(result.summary.get("verdict", "")),
        "remark": "; ".join(_remarks(result.summary)),
        "steal": "" if steal is None else f"{100 * steal:.1f} %",
    }


def _remarks(summary: Mapping[str, Any]) -> list[str]:
    """Limits that the run has hit, programs that died, laws that it broke."""
    limits = [str(sentence) for sentence in summary.get("limits_hit", ())]
    errors = [f"{node}: {text}" for node, text in dict(summary.get("errors", {})).items()]
    broken = [f"{name}: {detail}" for name, state, detail in laws_of(summary) if state == "invalid"]
    noise = [f"noisy machine: {words}" for words in summary.get("noise", ())]
    again = [f"attempt {number + 1} was on a noisy machine" for number in range(len(summary.get("repeated", ())))]
    return limits + errors + broken + noise + again


def find_share(tree: Mapping[str, Any], word: str) -> float | None:
    """The first number under a key that contains ``word``, at any depth."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            deeper = find_share(value, word)
            if deeper is not None:
                return deeper
        elif word in str(key) and isinstance(value, (int, float)):
            return float(value)
    return None


def _environments(results: Sequence[Recorded]) -> list[tuple[str, list[tuple[str, str]]]]:
    """By world: what held in its first run, as names and values; the profile among them."""
    found = []
    for world, text in WORLDS.items():
        runs = [result for result in results if result.run.world == world]
        if runs:
            profiles = sorted({result.run.profile for result in runs})
            rows = [("calibration profile", ", ".join(profiles))] if world == "sim" else []
            found.append((text, rows + _flat(runs[0].environment())))
    return found


def _flat(tree: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in tree.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            rows += _flat(value, f"{name}.")
        elif value not in (None, "", []):
            rows.append((name, str(value)))
    return rows


def _causes_seen(sections: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    names = dict.fromkeys(cause for section in sections for line in section["lines"] for cause, _ in line.causes)
    return [
        (name, answer.CAUSES[name].where, answer.CAUSES[name].remedy) if name in answer.CAUSES else (name, "", "")
        for name in names
    ]


def replay_command(run: Run) -> str:
    """What to type for one run again; the same seed gives the same simulated run to the byte."""
    variant = "" if run.variant == "plain" else f" --variant {run.variant}"
    return (
        f"harness run experiments/{run.experiment}.toml{variant} --world {run.world} --seed {run.seed} --replications 1"
    )
