"""Laws: what must hold in every run, whatever the experiment is about.

Each law is valid, invalid, or unknown when the run gave no ground to judge it. The verdict of a run
is the worst of its laws; a law that had nothing to judge (no loss, say) does not count against it.
A run that hit a limit, or that never reached what it claims to exercise, is unknown at best.

In the simulation every law is exact. Live, conservation can fail only by what nobody can explain:
an owed message that was not received, and for which no rule of inference gives a cause, leaves the
run unknown; it may be lost in a way that the experiment did not foresee, or the run ended too early.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from harness import health, kinds
from harness.ledger import Ledger, credit
from harness.ledger.columns import codes, columns, integers
from harness.ledger.inference import BREAK_CAUSES, JOIN_CAUSES, Links
from harness.ledger.stays import crashes, departures, happened
from harness.run import Run
from harness.trace import CAUSES, NONE, Kind, Trace

Array = npt.NDArray[Any]
State = Literal["valid", "invalid", "unknown"]

BREAK_TOLERANCE = 0.01
"""Of the causes that are inferred around broken connections so many may be wrong."""

AT_A_CRASH_BYTES = 16_384
"""A batch and a small kernel buffer: no better does an observer know how much lay in a process that died, or what was
still meant for a socket that its program had closed."""

_CRASH_CAUSES = ("crash_unread", "crash_unsent")
_INFERABLE = (
    *JOIN_CAUSES,
    *BREAK_CAUSES,
    *_CRASH_CAUSES,
    "hwm_sender",
    "conflated",
    "hwm_router",
    "rejected",
    "late_reply",
    "linger",
    "datagram",
)


@dataclass(frozen=True, slots=True)
class Law:
    """One law and how it fared.

    Attributes:
        name: stable, for machines.
        state: ``valid``, ``invalid`` or ``unknown``.
        detail: a sentence: what was judged, or the first thing that broke it.
        decides: whether ``unknown`` makes the whole run unknown.
    """

    name: str
    state: State
    detail: str
    decides: bool = True


@dataclass(frozen=True, slots=True)
class Checks:
    """All laws of a run.

    Attributes:
        laws: in a fixed order.
        vacuous: claims of the experiment that the run never reached.
        verdict: the worst state; ``unknown`` at best when a claim was not reached.
    """

    laws: tuple[Law, ...]
    vacuous: tuple[str, ...]
    verdict: State


def check(run: Run, trace: Trace, ledger: Ledger) -> Checks:
    """Hold a run against the laws of its world."""
    laws = [
        _complete(trace),
        _programs(trace),
        _conservation(trace, ledger),
        _order(run, trace),
        _causality(run, trace, ledger),
        _clock(trace),
        _credit(run, trace, ledger),
    ]
    if trace.world == "live":
        laws.append(_generator(run, trace))
    else:
        laws += [_twin(trace), _inference(run, trace, ledger)]
    vacuous = _vacuous(run, ledger)
    verdict: State = "valid"
    if any(law.state == "invalid" for law in laws):
        verdict = "invalid"
    elif vacuous or any(law.state == "unknown" and law.decides for law in laws):
        verdict = "unknown"
    return Checks(tuple(laws), vacuous, verdict)


def _complete(trace: Trace) -> Law:
    """The run came to its own end."""
    if trace.limits_hit:
        return Law("complete", "unknown", "; ".join(trace.limits_hit))
    return Law("complete", "valid", "no limit was hit")


def _programs(trace: Trace) -> Law:
    """No program died of an exception; its last line says which (the rest is in the summary)."""
    if trace.errors:
        last = {node: (text.strip() or "it died").splitlines()[-1] for node, text in sorted(trace.errors.items())}
        return Law("programs", "invalid", "; ".join(f"{node}: {line}" for node, line in last.items()))
    return Law("programs", "valid", "no program ended with an error")


def _conservation(trace: Trace, ledger: Ledger) -> Law:
    """Every owed delivery has one fate: expected = delivered + lost + in flight + unexplained."""
    faults = [
        f"{anomaly.count} x {anomaly.kind}, the first: {anomaly.first}"
        for anomaly in ledger.anomalies
        if anomaly.kind != "lost_before_sent"
    ]
    lost = sum(ledger.lost.values())
    total = ledger.delivered + lost + ledger.in_flight + ledger.unexplained
    terms = (
        f"expected {ledger.expected} = delivered {ledger.delivered} + lost {lost} + in flight {ledger.in_flight} "
        f"+ unexplained {ledger.unexplained}"
    )
    if total != ledger.expected:
        faults.append(f"the sum does not close: {terms}")
    # A run that was broken off may have had a message between two queues at that moment.
    if ledger.unexplained and trace.world != "live" and not trace.broken_off:
        faults.append(f"{ledger.unexplained} without a fate, the first: {_first_unexplained(ledger)}")
    if faults:
        return Law("conservation", "invalid", "; ".join(faults))
    if ledger.unexplained:
        first = _first_unexplained(ledger)
        return Law("conservation", "unknown", f"{ledger.unexplained} cannot be explained, the first: {first}; {terms}")
    return Law("conservation", "valid", terms)


def _first_unexplained(ledger: Ledger) -> str:
    fate, fates = codes(ledger.messages, "fate")
    row = ledger.messages.slice(int(np.argmax(fate == fates.index("unexplained"))), 1).to_pylist()[0]
    return f"flow {row['flow']}, sender {row['sender']}, seq {row['seq']}, receiver {row['receiver'] or '?'}"


def _order(run: Run, trace: Trace) -> Law:
    """Over one connection messages arrive in the order in which they were sent, each once."""
    records, nodes, flows = trace.records, run.topology.nodes, run.topology.flows
    received = records["kind"] == Kind.RECEIVED
    received &= (records["flow"] < len(flows)) & (records["peer"] < len(nodes)) & (records["node"] < len(nodes))
    at = np.flatnonzero(received)
    path = (records["flow"][at].astype(np.int64) * len(nodes) + records["peer"][at]) * len(nodes) + records["node"][at]
    judged = _direct_paths(run, trace, np.unique(path))
    at, path = at[np.isin(path, judged)], path[np.isin(path, judged)]
    order = np.argsort(path, kind="stable")
    at, path = at[order], path[order]
    sequence = records["seq"][at]
    wrong = np.flatnonzero((np.diff(sequence) <= 0) & (np.diff(path) == 0))
    if len(wrong):
        record = records[at[wrong[0] + 1]]
        return Law(
            "order",
            "invalid",
            f"{len(wrong)} receptions out of order, the first: flow {flows[record['flow']].name}, "
            f"sender {nodes[record['peer']].name}, seq {record['seq']} after {sequence[wrong[0]]}, "
            f"receiver {nodes[record['node']].name}",
        )
    if not len(at):
        return Law("order", "unknown", "nothing was received over a single connection", decides=False)
    return Law("order", "valid", f"{len(at)} receptions on {len(judged)} paths in the order of sending")


def _direct_paths(run: Run, trace: Trace, paths: Array) -> Array:
    """Those paths (flow, sender, receiver as one number) that are one connection.

    A broken connection that was made again is two, which a receiver reads in turn.
    """
    links = Links(run, trace)
    nodes = [node.name for node in run.topology.nodes]
    chosen = []
    for path in paths.tolist():
        rest, receiver = divmod(path, len(nodes))
        number, sender = divmod(rest, len(nodes))
        endpoint = run.topology.endpoint_of(run.topology.flows[number])
        ends = nodes[sender], nodes[receiver]
        if endpoint and endpoint.connects(*ends) and not links.came_back(endpoint, *ends):
            chosen.append(path)
    return np.array(chosen, dtype=np.int64)


def _causality(run: Run, trace: Trace, ledger: Ledger) -> Law:
    """Nothing is received or lost before it was sent, and stamps arrive as they were written."""
    table = columns(ledger.messages, run)
    faults = [
        f"{anomaly.count} lost before they were sent, the first: {anomaly.first}"
        for anomaly in ledger.anomalies
        if anomaly.kind == "lost_before_sent"
    ]
    early = np.flatnonzero(table.delivered & (table.received_ns < table.sent_ns))
    if len(early):
        row = ledger.messages.slice(int(early[0]), 1).to_pylist()[0]
        faults.append(
            f"{len(early)} received before they were sent, the first: flow {row['flow']}, sender {row['sender']}, "
            f"seq {row['seq']}, receiver {row['receiver']}, {row['sent_ns'] - row['received_ns']} ns early"
        )
    records = trace.records
    stamped = records["kind"] == Kind.RECEIVED
    stamped &= (records["flow"] != NONE) & (records["other_ns"] > records["time_ns"])
    if stamped.any():
        record = records[int(np.argmax(stamped))]
        faults.append(f"{int(stamped.sum())} bear a stamp of the future, the first: seq {record['seq']}")
    if faults:
        return Law("causality", "invalid", "; ".join(faults))
    return Law("causality", "valid", f"{ledger.delivered} deliveries after their send")


def _clock(trace: Trace) -> Law:
    """The clock of a node never goes back.

    Live, events are left out: they are written by other threads than the program's.
    """
    records = trace.records
    at = np.flatnonzero(records["kind"] != Kind.EVENT) if trace.world == "live" else np.arange(len(records))
    at = at[np.argsort(records["node"][at], kind="stable")]
    times, node = records["time_ns"][at], records["node"][at]
    back = np.flatnonzero((np.diff(times) < 0) & (np.diff(node.astype(np.int32)) == 0))
    if len(back):
        first = int(back[0])
        name = trace.nodes[node[first]] if node[first] < len(trace.nodes) else "?"
        return Law(
            "clock",
            "invalid",
            f"{len(back)} steps back, the first: node {name}, from {times[first]} to {times[first + 1]} ns",
        )
    return Law("clock", "valid", f"{len(at)} records in the order of time")


def _credit(run: Run, trace: Trace, ledger: Ledger) -> Law:
    """The arithmetic of :mod:`harness.ledger.credit`."""
    findings = credit.examine(run, trace, ledger.messages)
    if findings.broken:
        return Law("credit", "invalid", "; ".join(findings.broken))
    if findings.pipes:
        return Law("credit", "valid", f"{findings.stretches} stretches of {findings.pipes} pipes obey HWM + k x LWM")
    why = "; ".join(findings.skipped) or "no PUB lost a message to a full pipe"
    return Law("credit", "unknown", why, decides=False)


def _generator(run: Run, trace: Trace) -> Law:
    """The load was offered as it was meant (live), see :func:`harness.health.offered`."""
    return Law("generator", *health.offered(run, trace))


def _twin(trace: Trace) -> Law:
    """The twin's own checks: marks never exceeded, order in every pipe, virtual clock."""
    if trace.violations:
        return Law("twin", "invalid", "; ".join(trace.violations))
    return Law("twin", "valid", "no check inside the twin failed")


def _inference(run: Run, trace: Trace, ledger: Ledger) -> Law:
    """Causes inferred from outside are the true ones, wherever the premises of the inference hold.

    The premise is a receiver that subscribed to everything, and a cause that leaves a mark outside: a row with any
    other true cause is beyond it, and so are live runs of the same experiment, which the detail says. When exactly a
    connection ended, either side learns a little later than the other: where one broke, a share of
    :data:`BREAK_TOLERANCE` may be wrong, and :data:`AT_A_CRASH_BYTES` for each process that died and
    each socket that its program has closed.
    """
    truth, names = codes(ledger.messages, "cause")
    inferred, inferred_names = codes(ledger.messages, "inferred")
    kinds_of = np.array([_cause_class(name) for name in names] + [-1])
    inferred_kinds = np.array([_cause_class(name) for name in inferred_names] + [-1])
    inside = np.isin(names, _INFERABLE)
    premise = (inferred >= 0) & np.append(inside, True)[truth]
    outside = int(np.count_nonzero((inferred >= 0) & ~premise))
    wrong = np.flatnonzero(premise & (kinds_of[truth] != inferred_kinds[inferred]))
    scored = int(np.count_nonzero(premise))
    broke = bool(np.isin(names, (*BREAK_CAUSES, *_CRASH_CAUSES))[truth[truth >= 0]].any())
    events = happened(trace)
    deaths = len([*crashes(run, events), *departures(run, events)])
    sizes = integers(ledger.messages, "size_bytes")[wrong]
    allowed = BREAK_TOLERANCE * scored if broke else 0
    if len(wrong) > allowed and int(sizes.sum()) > deaths * AT_A_CRASH_BYTES:
        row = ledger.messages.slice(int(wrong[0]), 1).to_pylist()[0]
        return Law(
            "inference",
            "invalid",
            f"{len(wrong)} of {scored} inferred causes are wrong, the first: {row['inferred']} for "
            f"{row['cause'] or row['fate']}, flow {row['flow']}, sender {row['sender']}, seq {row['seq']}, "
            f"receiver {row['receiver']}",
        )
    if len(wrong):
        return Law("inference", "valid", f"{scored - len(wrong)} of {scored} inferred causes are the true ones")
    aside = f"; {outside} have causes that cannot be told from outside" if outside else ""
    if not scored:
        return Law("inference", "unknown", f"there was nothing to infer{aside}", decides=False)
    return Law("inference", "valid", f"{scored} inferred causes are the true ones{aside}")


def _cause_class(name: str) -> int:
    return CAUSES.index(_alike(name)[0])


def _alike(cause: str) -> tuple[str, ...]:
    """The causes that nobody outside can tell from this one, itself among them."""
    return next((causes for causes in (JOIN_CAUSES, BREAK_CAUSES) if cause in causes), (cause,))


def _vacuous(run: Run, ledger: Ledger) -> tuple[str, ...]:
    """Claims that were not reached; live, causes that cannot be told apart count as one."""
    return tuple(claim for claim in run.claims if not _reached(claim, run, ledger))


def _reached(claim: str, run: Run, ledger: Ledger) -> bool:
    if claim == "queueing":
        backlog = kinds.load("harness.metrics", "backlog").measure(ledger.messages, run)
        return any(one["max"] > 1 for one in backlog["receivers"].values())
    if claim == "unanswered":
        answers = kinds.load("harness.metrics", "answers").measure(ledger.messages, run)
        return any(one["waits_since_ns"] is not None for one in answers["clients"].values())
    if claim == "every_receiver":
        return not _without_message(run, ledger)
    causes = _alike(claim) if run.world == "live" else (claim,)
    return any(ledger.lost.get(cause, 0) for cause in causes)


def _without_message(run: Run, ledger: Ledger) -> list[tuple[str, str]]:
    """Flows and their receivers that got nothing."""
    table = columns(ledger.messages, run)
    nodes = len(table.node_names)
    got = np.unique(table.flow[table.delivered].astype(np.int64) * nodes + table.receiver[table.delivered])
    reached = set(got.tolist())
    return [
        (flow.name, name)
        for number, flow in enumerate(run.topology.flows)
        for name in flow.receivers
        if number * nodes + run.topology.node_id(name) not in reached
    ]
