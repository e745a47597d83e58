"""What an outside observer sees of a run, as arrays: the ground on which both worlds are compared.

Only what both worlds can see is used here: what was sent, when it was due, who received it and
when. Fates and causes are carried along for display, and decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.run import Run
from harness.topology import Delivery, Endpoint, Flow

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

NEVER = int(np.iinfo(np.int64).min)
"""In place of a time: it did not happen."""

DEFAULT_HWM = 1000
"""``ZMQ_SNDHWM``, ``ZMQ_RCVHWM`` where nothing is set (zmq_setsockopt(3))."""


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
        sender: position among the names in the table, shape (n,), as all that follow.
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
            starts, lengths, good = _alternation(self.delivered[chosen][:known])
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


def _alternation(delivered: Booleans) -> tuple[Integers, Integers, Booleans]:
    """Start, length and kind of the stretches of equal values."""
    if delivered.size == 0:
        return _EMPTY, _EMPTY, np.zeros(0, dtype=np.bool_)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(delivered)) + 1)).astype(np.int64)
    lengths = np.diff(np.concatenate((starts, [delivered.size]))).astype(np.int64)
    return starts, lengths, delivered[starts]


def streams(result: Recorded) -> tuple[Stream, ...]:
    """All streams of a run, in the order of the topology: one for each flow and receiver."""
    table = result.messages()
    columns = _columns(table)
    found: list[Stream] = []
    for flow in result.run.topology.flows:
        of_flow = columns.flow == _position(columns.flow_names, flow.name)
        if flow.delivery == "one":
            found.append(_stream(columns, of_flow, flow, None, result.run))
            continue
        for receiver in flow.receivers:
            mine = of_flow & (columns.receiver == _position(columns.receiver_names, receiver))
            found.append(_stream(columns, mine, flow, receiver, result.run))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Columns:
    flow: Integers
    flow_names: tuple[str, ...]
    sender: Integers
    receiver: Integers
    receiver_names: tuple[str, ...]
    cause: Integers
    causes: tuple[str, ...]
    seq: Integers
    intended_ns: Integers
    sent_ns: Integers
    received_ns: Integers


def _columns(table: pa.Table) -> _Columns:
    flow, flow_names = codes(table, "flow")
    sender, _ = codes(table, "sender")
    receiver, receiver_names = codes(table, "receiver")
    cause, causes = codes(table, "cause")
    fate, fates = codes(table, "fate")
    for name in ("in_flight", "unexplained"):
        chosen = (fate == _position(fates, name)) & (cause < 0)
        if chosen.any():
            cause[chosen] = len(causes)
            causes = (*causes, name)
    times = (times_ns(table, name) for name in ("seq", "intended_ns", "sent_ns", "received_ns"))
    return _Columns(flow, flow_names, sender, receiver, receiver_names, cause, causes, *times)


def _stream(columns: _Columns, chosen: Booleans, flow: Flow, receiver: str | None, run: Run) -> Stream:
    rows = np.flatnonzero(chosen)
    rows = rows[np.lexsort((columns.seq[rows], columns.sender[rows]))]
    lookup = np.array([_position(flow.receivers, name) for name in columns.receiver_names] + [-1], dtype=np.int64)
    return Stream(
        flow=flow.name,
        receiver=receiver,
        delivery=flow.delivery,
        sender=columns.sender[rows],
        seq=columns.seq[rows],
        intended_ns=columns.intended_ns[rows],
        sent_ns=columns.sent_ns[rows],
        received_ns=columns.received_ns[rows],
        took=lookup[columns.receiver[rows]],
        takers=flow.receivers,
        cause=columns.cause[rows],
        causes=columns.causes,
        measured=columns.intended_ns[rows] >= run.warmup_ns,
    )


def _position(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else -2


def codes(table: pa.Table, column: str) -> tuple[Integers, tuple[str, ...]]:
    """A column of names as positions (-1: null) and the names. Raises KeyError."""
    array = table.column(column).combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], pa.string())
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    names = tuple(str(name) for name in array.dictionary.to_pylist())
    positions = array.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return np.array(positions, dtype=np.int64), names


def times_ns(table: pa.Table, column: str) -> Integers:
    """A column of integers; null becomes :data:`NEVER`. Raises KeyError."""
    filled = table.column(column).cast(pa.int64()).fill_null(NEVER)
    return np.asarray(filled.to_numpy(), dtype=np.int64)


def endpoint_of(run: Run, flow: str) -> Endpoint:
    """The endpoint that a flow goes over. Raises KeyError."""
    name = run.topology.flows[run.topology.flow_id(flow)].endpoint
    for endpoint in run.topology.endpoints:
        if endpoint.name == name:
            return endpoint
    raise KeyError(name)


def socket_options(run: Run, node: str) -> Mapping[str, Any]:
    """The socket options that an experiment sets at a node, by pyzmq's names."""
    options = run.topology.nodes[run.topology.node_id(node)].options.get("socket", {})
    return options if isinstance(options, Mapping) else {}


def pipe_hwm(run: Run, stream: Stream) -> int | None:
    """Messages that the sender's pipe to this receiver holds: SNDHWM, over inproc plus RCVHWM.

    0 when unlimited (F10); None when the pipe drops nothing and counts for nothing here: a flow
    that does not owe each message to all, or senders of different marks. Source: F8, F29.
    """
    if stream.delivery != "all" or stream.receiver is None:
        return None
    flow = run.topology.flows[run.topology.flow_id(stream.flow)]
    marks = {_number(socket_options(run, sender), "sndhwm") for sender in flow.senders}
    if len(marks) != 1:
        return None
    mark = marks.pop()
    if endpoint_of(run, stream.flow).transport != "inproc":
        return max(0, mark)
    other = _number(socket_options(run, stream.receiver), "rcvhwm")
    return mark + other if mark > 0 and other > 0 else 0


def _number(options: Mapping[str, Any], name: str) -> int:
    value = options.get(name, options.get("hwm", DEFAULT_HWM))
    return int(value) if isinstance(value, (int, float)) else DEFAULT_HWM


def credit_quantum(hwm: int) -> int:
    """The lump in which credit comes back, (HWM + 1) // 2 messages; 0 when there is no limit (F29, F10)."""
    return (hwm + 1) // 2 if hwm > 0 else 0


def readable_ns(duration_ns: float) -> str:
    """Three significant digits and the fitting unit, for people: ``"412 ms"``."""
    if duration_ns == 0:
        return "0 s"
    for scale, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if abs(duration_ns) >= 0.9995 * scale:
            return f"{float(f'{duration_ns / scale:.3g}'):g} {unit}"
    return f"{duration_ns:.0f} ns"


def readable_percent(points: float) -> str:
    """One decimal, for people: ``"41.2 %"``; two significant digits of what is small, and never 0 for what is not."""
    if points == 0 or points >= 0.1:
        return f"{points:.1f} %" if points else "0 %"
    return f"{points:.2g} %"
