"""Answers as tables and sentences, for people; ``--json`` gives the same figures to machines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness.cli.verdicts import Group
from harness.compare import Comparison, Invariant, Metric, laws
from harness.ledger.observed import WORLDS
from harness.report import quantity
from harness.report.answer import lines, sentences
from harness.store import Result
from harness.units import readable_ns, readable_percent

_STYLES = {"valid": "green", "agree": "green", "invalid": "red", "differ": "red", "unknown": "yellow", "not judged": ""}
_UNITS = {"points": " points", "1/s": " /s"}
_DETAIL = 400
"""Characters that are shown of what broke a law; ``--json`` has it all."""


def answer(groups: Sequence[Group]) -> Iterator[RenderableType]:
    """Everything about each group."""
    for group in groups:
        counts = f"{len(group.live)} live runs, {len(group.sim)} simulated"
        yield Text(f"{group.experiment}, variant {group.variant}: {counts}", style="bold")
        for sentence in sentences(lines(group.results)):
            yield Text(sentence)
        yield _figures(group)
        if group.comparison is not None:
            yield from _parity(group.comparison)
        yield from _laws(group)
        yield from _noise(group)


def _table(title: str, *columns: str, caption: str = "") -> Table:
    """A plain table; a column named ``<name`` is text, the others are numbers."""
    table = Table(title=title, caption=caption or None, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.caption_justify = "left"
    table.pad_edge = False
    for column in columns:
        name = column.removeprefix("<")
        is_text = name != column
        table.add_column(name, justify="left" if is_text else "right", no_wrap=not is_text, overflow="fold")
    return table


def _figures(group: Group) -> Table:
    """One row for each node and world, those of the two worlds next to each other."""
    table = _table(
        "loss and latency",
        *("<node", "<world", "sent", "received", "lost", "<cause", "p50", "p90", "p99"),
        caption="Medians over the runs. Sent: in the whole run. All else: of what was due after the warm-up.",
    )
    topology = group.results[0].run.topology
    anyone = [flow.name for flow in topology.flows if flow.delivery == "one"]
    for number, name in enumerate([node.name for node in topology.nodes] + anyone):
        is_flow = number >= len(topology.nodes)
        for world in WORLDS:
            summaries = [result.summary for result in group.results if result.run.world == world]
            if summaries:
                label = f"flow {name}" if is_flow else name
                table.add_row(label, world, *_row(summaries, name, "flows" if is_flow else "receivers"))
        table.add_section()
    return table


def _row(summaries: Sequence[Mapping[str, Any]], name: str, where: str) -> list[str]:
    sent = _median([summary["nodes"].get(name, {}).get("sent") for summary in summaries])
    found = [summary[where][name] for summary in summaries if name in summary[where]]
    if not found:
        return [sent, *[""] * 6]
    shares = [100 * one["undelivered_share"] for one in found if one["undelivered_share"] is not None]
    return [
        sent if where == "receivers" and sent != "0" else "",
        _median([one["delivered"] for one in found]),
        readable_percent(median(shares)) if shares else "",
        _causes(found),
        *(_latency([one["latency_ns"][quantile] for one in found]) for quantile in ("p50", "p90", "p99")),
    ]


def _median(values: Sequence[Any]) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known):,.0f}" if known else ""


def _latency(values: Sequence[Any]) -> str:
    known = [value for value in values if value is not None]
    return readable_ns(median(known)) if known else ""


def _causes(found: Sequence[Mapping[str, Any]]) -> str:
    """Causes with their share of what was not delivered in all runs, the largest first."""
    counts: dict[str, int] = {}
    for one in found:
        for cause, count in (*one["lost"].items(), *((fate, one[fate]) for fate in ("in_flight", "unexplained"))):
            if count:
                counts[cause] = counts.get(cause, 0) + count
    if len(counts) == 1:
        return next(iter(counts))
    total = sum(counts.values())
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    return "\n".join(f"{cause} {readable_percent(100 * count / total)}" for cause, count in ranked)


def _parity(comparison: Comparison) -> Iterator[RenderableType]:
    table = _table(
        "live and simulated compared",
        *("<metric", "live", "sim", "sim - live", "k", "D", "p", "<verdict"),
        caption="k: distance between the worlds over that between live runs; D: spread of sim over that of live runs.",
    )
    reasons: dict[tuple[str, str], list[str]] = {}
    for metric in comparison.metrics:
        if metric.verdict != "agree":
            reasons.setdefault((metric.verdict, metric.reason), []).append(metric.name)
        values = [_value(value, metric) for value in (metric.live, metric.sim, metric.signed_error)]
        figures = [_number(value) for value in (metric.k, metric.dispersion, metric.p)]
        table.add_row(metric.name, *values, *figures, Text(metric.verdict, style=_STYLES[metric.verdict]))
    yield table
    for (verdict, reason), names in reasons.items():
        yield _verdict(", ".join(names), verdict, reason)
    yield _verdict("parity", comparison.verdict, comparison.reason)


def _value(value: float, metric: Metric) -> str:
    text = quantity(value, metric.unit)
    return f"{text}{_UNITS.get(metric.unit, '')}" if text else ""


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _verdict(what: str, verdict: str, reason: str) -> Text:
    return Text.assemble((f"{what}: ", "bold"), (verdict, _STYLES[verdict]), f" ({reason})" if reason else "")


def _laws(group: Group) -> Iterator[RenderableType]:
    """What held in all runs in one line; what did not, one by one; then the verdict on the runs."""
    found = [law for world, runs in _by_world(group) for law in laws(runs, world)]
    troubled = [law for law in found if law.invalid or law.unknown]
    sound = dict.fromkeys(law.name for law in found if law.name not in {one.name for one in troubled})
    if sound:
        yield Text.assemble(("laws: ", "bold"), ("valid", "green"), f" in every run: {', '.join(sound)}")
    for law in troubled:
        what = f"law {law.name}, {WORLDS[law.world]}"
        yield _verdict(what, "invalid" if law.invalid else "not judged", _tally(law))
    verdicts = [str(result.summary["verdict"]) for result in group.results]
    worst = next((state for state in ("invalid", "unknown") if state in verdicts), "valid")
    yield _verdict("runs", worst, _why(group.results, worst))


def _noise(group: Group) -> Iterator[Text]:
    """How many live runs had a noisy machine, what the noisiest of them had, and how many were repeated for it."""
    marked: list[list[str]] = [result.summary["noise"] for result in group.live if result.summary.get("noise")]
    if marked:
        noisiest = max(marked, key=len)
        told = f"{len(marked)} of {len(group.live)} live runs; in one of them {', and '.join(noisiest)}"
        yield Text.assemble(("noisy machine: ", "bold yellow"), told)
    if again := sum(len(result.summary.get("repeated", ())) for result in group.live):
        yield Text(f"attempts that were given up for a noisy machine: {again}")


def _by_world(group: Group) -> list[tuple[str, Sequence[Result]]]:
    return [("live", group.live), ("sim", group.sim)]


def _tally(law: Invariant) -> str:
    total = law.valid + law.invalid + law.unknown
    text = f"in {law.invalid or law.unknown} of {total} runs"
    detail = " ".join(law.detail.split())
    if len(detail) > _DETAIL:
        detail = f"{detail[: _DETAIL // 2]} ... {detail[-_DETAIL // 2 :]}"
    return f"{text}: {detail}" if detail else text


def _why(results: Sequence[Result], worst: str) -> str:
    """How many runs are of that verdict, and what of their claims they never reached."""
    concerned = [result for result in results if result.summary["verdict"] == worst]
    text = f"{len(concerned)} of {len(results)}"
    missed = dict.fromkeys(claim for result in concerned for claim in result.summary["vacuous"])
    return f"{text}; never reached: {', '.join(missed)}" if missed else text
