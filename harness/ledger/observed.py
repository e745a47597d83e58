"""What an outside observer sees of a run, as arrays: the ground on which both worlds are compared.

Only what both worlds can see is used here: what was sent, when it was due, who received it and
when. Fates and causes are carried along for display, and decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.ledger.columns import Columns, alternation, columns
from harness.ledger.marks import pipe_capacity
from harness.run import Run
from harness.topology import Delivery, Flow

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

NEVER = int(np.iinfo(np.int64).min)
"""In place of a time: it did not happen."""

WORLDS = {"live": "live", "sim": "simulated"}
"""The worlds as people read them, in the order in which they are shown."""


class Recorded(Protocol):
    """A stored run, as far as judge and report need it (``harness.store.Result`` is one)."""

    @property
    def run(self) -> Run:
        """What was executed."""

    @property
    def summary(self) -> Mapping[str, Any]:
        """``summary.json``."""

    def messages(self) -> pa.Table:
        """One row for each owed delivery."""

    def events(self) -> pa.Table:
        """Connections, faults, marks: ``time_ns``, ``event``, ``node``, ``peer``, ``value``."""

    def environment(self) -> Mapping[str, Any]:
        """Versions, machine, calibration: what is needed to judge the figures."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The messages of one flow that one receiver is owed, ordered by sender and sequence number.

    For a flow that owes each message to any one receiver, ``receiver`` is None and ``took`` says
    who got it.

    Attributes:
        flow, receiver, delivery: of the topology.
        sender: position among the nodes of the topology, shape (n,), as all that follow.
        seq: the sender's number.
        intended_ns, sent_ns, received_ns: after the start line; :data:`NEVER` when it never was.
        took: position of the receiver in ``takers``; -1 when nobody got it.
        takers: the receivers of the flow.
        cause: position in ``causes``; -1 when delivered.
        causes: cause names, and the fates ``in_flight`` and ``unexplained``.
        measured: due after the warm-up.
    """

    flow: str
    receiver: str | None
    delivery: Delivery
    sender: Integers
    seq: Integers
    intended_ns: Integers
    sent_ns: Integers
    received_ns: Integers
    took: Integers
    takers: tuple[str, ...]
    cause: Integers
    causes: tuple[str, ...]
    measured: Booleans

    @property
    def label(self) -> str:
        """What to call it: the receiver, or the flow when that owes to any one."""
        return self.receiver if self.receiver is not None else self.flow

    @property
    def delivered(self) -> Booleans:
        """Which were received, shape (n,)."""
        return np.not_equal(self.received_ns, NEVER)

    @property
    def owed(self) -> int:
        """How many of the measured messages were owed."""
        return int(self.measured.sum())

    @property
    def lost(self) -> int:
        """How many of the measured messages were not received."""
        return int((self.measured & ~self.delivered).sum())

    @property
    def loss_points(self) -> float:
        """Loss in per cent of the measured messages; 0 when none was owed."""
        return 100.0 * self.lost / self.owed if self.owed else 0.0

    def latency_ns(self) -> Integers:
        """From the intended time to reception, of the measured messages that arrived, unordered."""
        chosen = self.measured & self.delivered
        return self.received_ns[chosen] - self.intended_ns[chosen]

    def lost_by_cause(self) -> dict[str, int]:
        """Measured messages that were not received, by cause, in the order of the cause names."""
        counts = np.bincount(self.cause[self.measured & ~self.delivered] + 1, minlength=len(self.causes) + 1)
        named = {name: int(count) for name, count in zip(self.causes, counts[1:], strict=True) if count}
        return {**named, "unexplained": named.get("unexplained", 0) + int(counts[0])} if counts[0] else named

    def lost_to_full_pipe(self) -> bool:
        """Whether a high-water mark cost any message of the whole run."""
        wanted = [position for position, name in enumerate(self.causes) if name in ("hwm_sender", "hwm_router")]
        return bool(np.isin(self.cause, wanted).any())

    def shares_points(self) -> npt.NDArray[np.float64]:
        """Per cent of the measured deliveries that each taker got, shape (takers,)."""
        chosen = self.took[self.measured & self.delivered]
        counts = np.bincount(chosen[chosen >= 0], minlength=len(self.takers))
        return 100.0 * counts / max(1, int(counts.sum()))

    def taken_by(self, taker: str) -> Stream:
        """Only what that receiver got, of a flow that owes each message to any one. Raises ValueError."""
        chosen = self.took == self.takers.index(taker)
        columns = ("sender", "seq", "intended_ns", "sent_ns", "received_ns", "took", "cause", "measured")
        return replace(self, receiver=taker, **{name: getattr(self, name)[chosen] for name in columns})

    def stretches(self) -> Stretches:
        """Where delivery and loss alternate; see :class:`Stretches`."""
        gaps, gap_times, runs, firsts = [], [], [], []
        for sender in np.unique(self.sender):
            chosen = self.sender == sender
            known = self._known_messages(chosen)
            starts, lengths, good = alternation(self.delivered[chosen][:known])
            if not good.any():
                continue
            first = int(np.argmax(good))
            starts, lengths, good = starts[first:], lengths[first:], good[first:]
            gaps.append(lengths[~good])
            gap_times.append(self.intended_ns[chosen][starts[~good]])
            ended = lengths[good][: int((~good).sum())]
            firsts.append(ended[:1])
            runs.append(ended[1:])
        return Stretches(*(np.concatenate(part) if part else _EMPTY for part in (gaps, gap_times, firsts, runs)))

    def _known_messages(self, chosen: Booleans) -> int:
        """How many of a sender's messages have a known end: not those at the tail that may still be under way."""
        open_causes = [number for number, name in enumerate(self.causes) if name in ("in_flight", "unexplained")]
        good = self.delivered[chosen]
        tail = int(good.size - np.argmax(good[::-1])) if good.any() else 0
        maybe = np.flatnonzero(np.isin(self.cause[chosen][tail:], open_causes))
        return tail + int(maybe[0]) if maybe.size else int(good.size)


_EMPTY: Integers = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Stretches:
    """Delivery and loss in turn, from the first message that was received on.

    Attributes:
        gap_messages: length of each gap.
        gap_start_ns: when the first message of each gap was due.
        first_messages: length of the stretch before the first gap (one for each sender that has one).
        between_messages: length of each delivered stretch between two gaps.
    """

    gap_messages: Integers
    gap_start_ns: Integers
    first_messages: Integers
    between_messages: Integers


def streams(result: Recorded) -> tuple[Stream, ...]:
    """All streams of a run, in the order of the topology: one for each flow and receiver.

    Raises ValueError when the table names other nodes or flows than the run.
    """
    table = columns(result.messages(), result.run)
    table = replace(table, received_ns=np.where(table.delivered, table.received_ns, NEVER))
    causes = _with_fates(table)
    found: list[Stream] = []
    for number, flow in enumerate(result.run.topology.flows):
        of_flow = table.flow == number
        if flow.delivery == "one":
            found.append(_stream(table, causes, of_flow, flow, None, result.run))
            continue
        for receiver in flow.receivers:
            mine = of_flow & (table.receiver == result.run.topology.node_id(receiver))
            found.append(_stream(table, causes, mine, flow, receiver, result.run))
    return tuple(found)


_Causes = tuple[Integers, tuple[str, ...]]
"""Positions, shape (rows,), and the names to which they point."""


def _with_fates(table: Columns) -> _Causes:
    """The causes, and in the place of one the fate of what was neither delivered nor lost."""
    cause, names = table.cause.astype(np.int64), table.cause_names
    for name, fate in (("in_flight", table.in_flight), ("unexplained", table.unexplained)):
        chosen = fate & (cause < 0)
        if chosen.any():
            cause[chosen] = len(names)
            names = (*names, name)
    return cause, names


def _stream(table: Columns, causes: _Causes, chosen: Booleans, flow: Flow, receiver: str | None, run: Run) -> Stream:
    rows = np.flatnonzero(chosen)
    rows = rows[np.lexsort((table.seq[rows], table.sender[rows]))]
    # The last item is where -1 looks up.
    places = [flow.receivers.index(name) if name in flow.receivers else -1 for name in table.node_names] + [-1]
    return Stream(
        flow=flow.name,
        receiver=receiver,
        delivery=flow.delivery,
        sender=table.sender[rows],
        seq=table.seq[rows],
        intended_ns=table.intended_ns[rows],
        sent_ns=table.sent_ns[rows],
        received_ns=table.received_ns[rows],
        took=np.array(places, dtype=np.int64)[table.receiver[rows]],
        takers=flow.receivers,
        cause=causes[0][rows],
        causes=causes[1],
        measured=table.intended_ns[rows] >= run.warmup_ns,
    )


def titles(found: Sequence[Stream]) -> list[str]:
    """What to call each stream of a run: its label, with the flow where several have the same."""
    labels = [stream.label for stream in found]
    return [one.label if labels.count(one.label) == 1 else f"{one.flow} to {one.label}" for one in found]


def pipe_hwm(run: Run, stream: Stream) -> int | None:
    """Messages that the sender's pipe to this receiver holds: SNDHWM, over inproc plus RCVHWM.

    0 when unlimited (F10); None when the pipe drops nothing and counts for nothing here (a flow that does
    not owe each message to all), when its senders have different marks, or when nobody knows the
    mark (see :func:`harness.ledger.marks.pipe_capacity`). Source: F8, F29.
    """
    flow = run.topology.flow(stream.flow)
    endpoint = run.topology.endpoint_of(flow)
    if stream.delivery != "all" or stream.receiver is None or endpoint is None:
        return None
    marks = {pipe_capacity(run.topology, endpoint, sender, stream.receiver) for sender in flow.senders}
    return marks.pop() if len(marks) == 1 else None
