"""What an experiment would do, said before it does anything: runs, programs, messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from harness.run import Run, schedule
from harness.topology import Flow, Node, Topology
from harness.units import format_duration_ns

if TYPE_CHECKING:
    from harness.config import Experiment


def outlook(experiment: Experiment, runs: Sequence[Run]) -> dict[str, Any]:
    """Plain data on the runs that :func:`harness.plan.plan` made of the experiment.

    ``messages`` are expectations for one run: ``sent`` by the schedule of the senders, and ``owed``
    deliveries; None for a flow whose senders have no schedule (they answer).
    """
    variants: dict[str, list[Run]] = {}
    for run in runs:
        variants.setdefault(run.variant, []).append(run)
    live_ns = sum(run.duration_ns for run in runs if run.world == "live")
    return {
        "experiment": experiment.name,
        "title": experiment.title,
        "question": experiment.question,
        "runs": len(runs),
        "live_at_least_s": live_ns / 1e9,
        "programs": sorted({node.program for run in runs for node in run.topology.nodes}),
        "variants": {name: _variant(members) for name, members in variants.items()},
    }


def _variant(runs: Sequence[Run]) -> dict[str, Any]:
    topology = runs[0].topology
    return {
        "runs": {world: sum(run.world == world for run in runs) for world in ("sim", "live")},
        "duration_ns": runs[0].duration_ns,
        "seeds": sorted({run.seed for run in runs}),
        "nodes": {node.name: node.program for node in topology.nodes},
        "endpoints": {one.name: f"{one.binder_type} {one.binder} binds, {one.transport}" for one in topology.endpoints},
        "faults": {fault.label: fault.kind for fault in runs[0].faults},
        "messages": {flow.name: _messages(flow, topology) for flow in topology.flows},
    }


def _messages(flow: Flow, topology: Topology) -> dict[str, int | None]:
    sent = [_scheduled(node) for node in topology.nodes if node.name in flow.senders]
    if None in sent:
        return {"sent": None, "owed": None}
    total = sum(count for count in sent if count is not None)
    return {"sent": total, "owed": total * (len(flow.receivers) if flow.delivery == "all" else 1)}


def _scheduled(node: Node) -> int | None:
    """Messages that a sender's schedule holds, on average; None when it has none."""
    arrivals = schedule(node)
    return None if arrivals is None else round(arrivals.count())


def text(document: Mapping[str, Any]) -> Iterator[Text]:
    """The same for people: ``document`` is what :func:`outlook` gave, with the ``path`` of the file."""
    yield Text(f"{document['path']}: valid", style="green")
    yield Text(document["title"])
    if document["question"]:
        yield Text(document["question"])
    for name, variant in document["variants"].items():
        runs = ", ".join(f"{count} {world}" for world, count in variant["runs"].items() if count)
        yield Text(f"variant {name}: {runs} runs of {format_duration_ns(variant['duration_ns'])}", style="bold")
        for flow, messages in variant["messages"].items():
            told = "as many as there are messages to answer" if messages["sent"] is None else f"{messages['sent']:,}"
            owed = "" if messages["owed"] is None else f", {messages['owed']:,} deliveries owed"
            yield Text(f"  flow {flow}: {told} messages a run{owed}" if owed else f"  flow {flow}: {told}")
        for label, kind in variant["faults"].items():
            yield Text(f"  fault {label}: {kind}")
    yield Text("programs that these runs execute:", style="bold")
    yield from (Text(f"  {program}") for program in document["programs"])
    yield Text(f"{document['runs']} runs in all; the live ones take {document['live_at_least_s']:g} s at least")
