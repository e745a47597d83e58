"""Fates and causes: what became of every message that somebody was owed, and the sum that must close.

A flow says who is owed its messages: every receiver (``all``: one row a message and receiver), any
one of them (``one``: one row a message) or the node that is answered (``addressed``: one row a
message). Every row has one fate:

* ``delivered``: received; the first reception counts, later ones are ``duplicates``;
* ``lost``: it will not arrive, and ``cause`` says why;
* ``in_flight``: still in a pipe, a batch or a kernel buffer when the run ended (live: in the pipe of a socket whose
  peer never came back, or unread at one that asked and has finished; more cannot be told);
* ``unexplained``: none of these. In the simulation that breaks conservation.

A message that ``send`` refused (EAGAIN) was offered, so it is owed, and lost with the cause
``rejected``. One that never left ``send`` (blocked until the end) is not owed, unless somebody
received it: the record is written before the call, so a node may have died between the two.

In the simulation the twin tells the truth: it writes a record for each owed delivery that it lost
or still holds. Live there is no such witness, and causes are inferred (:mod:`harness.ledger.inference`); the same
inference is made in the simulation, where it can be held against the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.ledger.columns import dictionary, events_table
from harness.ledger.dealing import WAITS, Owed
from harness.ledger.inference import infer
from harness.run import Run
from harness.trace import CAUSES, NONE, Kind, Trace

Array = npt.NDArray[Any]

FATES = ("delivered", "lost", "in_flight", "unexplained")
DELIVERED, LOST, IN_FLIGHT, UNEXPLAINED = range(len(FATES))

_REJECTED = CAUSES.index("rejected")


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that no trace of a correct world holds.

    Attributes:
        kind: ``two_fates``, ``sent_twice``, ``no_origin`` or ``lost_before_sent``.
        count: how often.
        first: flow, sender, seq and receiver of the first, in words.
    """

    kind: str
    count: int
    first: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Every owed delivery and its fate.

    Attributes:
        messages: one row an owed delivery, ordered by flow, sender, seq, receiver. Columns
            ``flow``, ``sender``, ``receiver``, ``fate``, ``cause``, ``inferred`` (dictionaries of
            strings), ``seq``, ``intended_ns``, ``sent_ns``, ``received_ns`` (int64, ns after the
            start line), ``size_bytes`` (int64), ``duplicates`` (int32). ``receiver`` is null in a
            flow of delivery ``one`` while nobody has the message; ``received_ns`` unless
            delivered; ``cause`` unless lost; ``inferred`` where no rule applies or it was received.
        events: ``time_ns``, ``event``, ``node``, ``peer``, ``value``, ``name`` (of a mark), in the order of the trace.
        expected, delivered, in_flight, unexplained: rows, by fate.
        lost: cause to rows; causes without a loss are left out.
        duplicated: receptions beyond the first.
        blocked: messages that never left ``send``; not owed.
        unstamped: receptions without a stamp; nobody owes them.
        not_owed: receptions by a node to which the flow does not owe the message (a broker on the way).
        anomalies: what must not be.
    """

    messages: pa.Table
    events: pa.Table
    expected: int
    delivered: int
    in_flight: int
    unexplained: int
    duplicated: int
    lost: Mapping[str, int]
    blocked: int
    unstamped: int
    not_owed: int
    anomalies: tuple[Anomaly, ...]


def settle(run: Run, trace: Trace) -> Ledger:
    """Give every owed delivery its fate.

    Raises ValueError when the trace names other nodes or flows than the run.
    """
    names = tuple(node.name for node in run.topology.nodes), tuple(flow.name for flow in run.topology.flows)
    if (tuple(trace.nodes), tuple(trace.flows)) != names:
        raise ValueError(
            f"the trace is of nodes {trace.nodes} and flows {trace.flows}, the run of {names[0]}, {names[1]}"
        )
    return _Settlement(run, trace).ledger()


_About = tuple[Array, Array]
"""Positions of records in the trace, and the row that each is about."""


class _Settlement:
    """The steps of :func:`settle`; arrays go as soon as they have served."""

    def __init__(self, run: Run, trace: Trace) -> None:
        self.run = run
        self.trace = trace
        self.records = trace.records
        self.flows = run.topology.flows
        self.names = [node.name for node in run.topology.nodes]
        self.anomalies: list[Anomaly] = []
        self.not_owed = 0
        self._routes()
        kind = self.records["kind"]
        # Positions in the trace of all messages that entered send, by flow, sender and seq.
        self.sent_at = np.flatnonzero((kind >= Kind.ATTEMPT) & (kind <= Kind.REJECTED))
        sequence = self.records["seq"][self.sent_at]
        self._span = int(sequence.max()) + 1 if len(sequence) else 1
        key = self._key(self.records["flow"][self.sent_at], self.records["node"][self.sent_at], sequence)
        order = np.argsort(key, kind="stable")
        self.sent_at, self._keys = self.sent_at[order], key[order]

    def _routes(self) -> None:
        """Per flow: its receivers as node ids, and each node's place among them (-1: none)."""
        flows, nodes = len(self.flows), len(self.names)
        ids = {name: position for position, name in enumerate(self.names)}
        most = max((len(flow.receivers) for flow in self.flows), default=0)
        self._delivery = np.array([("all", "one", "addressed").index(flow.delivery) for flow in self.flows], np.int8)
        self._fan_out = np.array([len(flow.receivers) for flow in self.flows], np.int64)
        self._receivers = np.full((flows, most + 1), -1, np.int32)
        # One place more than there are nodes: NONE, and ids that no node has, look up there.
        self._place = np.full((flows, nodes + 1), -1, np.int32)
        for number, flow in enumerate(self.flows):
            receivers = [ids[name] for name in flow.receivers]
            self._receivers[number, : len(receivers)] = receivers
            self._place[number, receivers] = np.arange(len(receivers))

    def _key(self, flow: Array, node: Array, sequence: Array) -> Array:
        group = flow.astype(np.int64) * len(self.names) + node
        return np.asarray(group * self._span + sequence)

    def ledger(self) -> Ledger:
        """Do it."""
        records, kind = self.records, self.records["kind"]
        received, lost, in_flight = (
            np.flatnonzero(kind == which) for which in (Kind.RECEIVED, Kind.LOST, Kind.IN_FLIGHT)
        )
        unstamped = records["flow"][received] == NONE
        received = received[~unstamped]
        received, received_send = self._origin(received, records["peer"][received])
        lost, lost_send = self._origin(lost, records["node"][lost])
        in_flight, in_flight_send = self._origin(in_flight, records["node"][in_flight])
        blocked = self._lay_out((received_send, lost_send, in_flight_send))
        self._fill_in(
            self._owed(received, received_send, records["node"][received], strict=True),
            self._owed(lost, lost_send, records["peer"][lost], strict=False),
            self._owed(in_flight, in_flight_send, records["peer"][in_flight], strict=False),
        )
        del received, received_send, lost, lost_send, in_flight, in_flight_send
        self.inferred = self._infer()
        if self.trace.world == "live":
            explained = (self.fate == UNEXPLAINED) & (self.inferred >= 0)
            self.fate[explained] = LOST
            self.cause[explained] = self.inferred[explained]
            self.fate[(self.fate == UNEXPLAINED) & (self.inferred == WAITS)] = IN_FLIGHT
        fates = np.bincount(self.fate, minlength=len(FATES)).tolist()
        causes = np.bincount(self.cause[self.fate == LOST], minlength=len(CAUSES)).tolist()
        return Ledger(
            messages=self._table(),
            events=events_table(self.trace),
            expected=len(self.fate),
            delivered=fates[DELIVERED],
            in_flight=fates[IN_FLIGHT],
            unexplained=fates[UNEXPLAINED],
            duplicated=self.duplicated,
            lost={name: count for name, count in zip(CAUSES, causes, strict=False) if count},
            blocked=blocked,
            unstamped=int(np.count_nonzero(unstamped)),
            not_owed=self.not_owed,
            anomalies=tuple(self.anomalies),
        )

    def _origin(self, at: Array, sender: Array) -> tuple[Array, Array]:
        """Which message (position in ``sent_at``) each of these records is about; others are left out."""
        flow, sequence = self.records["flow"][at], self.records["seq"][at]
        known = (flow < len(self.flows)) & (sender < len(self.names)) & (sequence >= 0) & (sequence < self._span)
        found = np.zeros(len(at), dtype=np.int64)
        if len(self._keys):
            wanted = self._key(flow, sender, sequence)
            found = np.searchsorted(self._keys, wanted)
            found[found == len(self._keys)] = 0
            known &= self._keys[found] == wanted
        else:
            known[:] = False
        if not known.all():
            strange = at[~known]
            record = self.records[strange[0]]
            whose = record["flow"], sender[~known][0], record["seq"], record["node"]
            self._anomaly("no_origin", len(strange), whose)
        return at[known], found[known]

    def _lay_out(self, touched: tuple[Array, ...]) -> int:
        """Reserve the rows of each message that is owed; how many messages were blocked in send."""
        at, records = self.sent_at, self.records
        owed = records["kind"][at] != Kind.ATTEMPT
        blocked = ~owed
        for sends in touched:
            owed[sends] = True
        blocked &= ~owed
        twice = np.flatnonzero(np.diff(self._keys) == 0)
        if len(twice):
            record = records[at[twice[0]]]
            self._anomaly("sent_twice", len(twice), (record["flow"], record["node"], record["seq"], NONE))
        del self._keys
        flow, sender = records["flow"][at], records["node"][at]
        self._own_place = self._place[flow, sender] if len(at) else np.zeros(0, np.int32)
        to_all = self._delivery[flow] == 0
        width = np.where(to_all, self._fan_out[flow] - (self._own_place >= 0), 1)
        width[~owed] = 0
        ends = np.cumsum(width)
        self._base = ends - width
        rows = int(ends[-1]) if len(ends) else 0
        self.send = np.repeat(np.arange(len(at), dtype=np.int32), width)
        place = np.arange(rows, dtype=np.int64) - self._base[self.send]
        own = self._own_place[self.send]
        place += (own >= 0) & (place >= own)
        row_flow = flow[self.send]
        delivery = self._delivery[row_flow]
        self.receiver = np.where(delivery == 0, self._receivers[row_flow, place], -1).astype(np.int32)
        addressee = records["peer"][at][self.send]
        self.receiver = np.where((delivery == 2) & (addressee < len(self.names)), addressee, self.receiver)
        self.receiver = self.receiver.astype(np.int32, copy=False)
        return int(np.count_nonzero(blocked))

    def _owed(self, at: Array, send: Array, receiver: Array, *, strict: bool) -> tuple[Array, Array]:
        """The row that each of these records is about; those that nobody was owed are left out.

        ``strict``: the node must be one to whom the flow owes the message. Not so for a message lost
        or held on its way to a broker, which is still the message that somebody behind is owed.
        """
        records = self.records
        flow = records["flow"][at]
        delivery = self._delivery[flow]
        known = receiver < len(self.names)
        place = self._place[flow, np.where(known, receiver, len(self.names))].astype(np.int64)
        own = self._own_place[send]
        sender = records["node"][self.sent_at[send]]
        to_all = (place >= 0) & (receiver != sender)
        place -= (own >= 0) & (place > own)
        addressee = records["peer"][self.sent_at[send]]
        to_one = place >= 0 if strict else np.ones(len(at), dtype=bool)
        to_addressee = (addressee >= len(self.names)) | (receiver == addressee) if strict else to_one
        owed = np.select([delivery == 0, delivery == 1], [to_all, to_one], to_addressee)
        if strict:
            self.not_owed += int(np.count_nonzero(~owed))
        row = self._base[send] + np.where(delivery == 0, place, 0)
        return at[owed], row[owed]

    def _fill_in(self, receptions: _About, losses: _About, held: _About) -> None:
        """Write down fate, cause, time and duplicates of each row."""
        records, rows = self.records, len(self.send)
        (received, received_row), (lost, lost_row), (in_flight, in_flight_row) = receptions, losses, held
        refused = (records["kind"][self.sent_at] == Kind.REJECTED)[self.send]
        # A twin that says again what EAGAIN has said already does not lose the message twice.
        again = refused[lost_row] & (records["flag"][lost] == _REJECTED)
        lost, lost_row = lost[~again], lost_row[~again]
        times_received = _count(received_row, rows)
        times_lost = _count(lost_row, rows) + refused
        fates = (times_received > 0) + times_lost + _count(in_flight_row, rows)
        self.fate = np.full(rows, UNEXPLAINED, dtype=np.int8)
        self.fate[in_flight_row] = IN_FLIGHT
        self.fate[times_lost > 0] = LOST
        self.fate[times_received > 0] = DELIVERED
        self.cause = np.where(refused, _REJECTED, -1).astype(np.int8)
        self.cause[lost_row[::-1]] = records["flag"][lost[::-1]]
        self.cause[self.fate != LOST] = -1
        self._name_receiver(lost, lost_row, records["peer"])
        self._name_receiver(in_flight, in_flight_row, records["peer"])
        self.duplicates = np.maximum(times_received - 1, 0)
        self.duplicated = int(self.duplicates.sum())
        if self.duplicated:
            order = np.argsort(records["time_ns"][received], kind="stable")
            received, received_row = received[order], received_row[order]
        # Backwards, so that the first reception of a row is what stays.
        self._name_receiver(received[::-1], received_row[::-1], records["node"])
        self.received_ns = np.zeros(rows, dtype=np.int64)
        self.received_ns[received_row[::-1]] = records["time_ns"][received[::-1]]
        self._contradictions(np.flatnonzero(fates > 1), lost, lost_row)

    def _name_receiver(self, at: Array, row: Array, column: Array) -> None:
        """In flows that owe to any one: who got it, or to whom it was under way."""
        node = column[at]
        unnamed = (self.receiver[row] < 0) & (node < len(self.names))
        self.receiver[row[unnamed]] = node[unnamed]

    def _contradictions(self, two_fates: Array, lost: Array, lost_row: Array) -> None:
        if len(two_fates):
            self._anomaly("two_fates", len(two_fates), self._whose(int(two_fates[0])))
        early = np.flatnonzero(
            self.records["time_ns"][lost] < self.records["time_ns"][self.sent_at[self.send[lost_row]]]
        )
        if len(early):
            self._anomaly("lost_before_sent", len(early), self._whose(int(lost_row[early[0]])))

    def _whose(self, row: int) -> tuple[int, int, int, int]:
        record = self.records[self.sent_at[self.send[row]]]
        return int(record["flow"]), int(record["node"]), int(record["seq"]), int(self.receiver[row])

    def _anomaly(self, kind: str, count: int, whose: tuple[int, int, int, int]) -> None:
        flow, sender, sequence, receiver = map(int, whose)
        flow_name = self.flows[flow].name if 0 <= flow < len(self.flows) else "?"
        sender_name, receiver_name = (
            self.names[node] if 0 <= node < len(self.names) else "?" for node in (sender, receiver)
        )
        where = f"flow {flow_name}, sender {sender_name}, seq {sequence}, receiver {receiver_name}"
        self.anomalies.append(Anomaly(kind, count, where))

    def _infer(self) -> Array:
        """Inferred causes of all rows that were not received."""
        records, at = self.records, self.sent_at[self.send]
        received = self.fate == DELIVERED
        flow = records["flow"][at]
        one = self._delivery[flow] == 1
        owed = Owed(
            flow=flow,
            sender=records["node"][at],
            # Whom a message was under way to that nobody got, the twin may have told; no observer knows.
            receiver=np.where(received | ~one, self.receiver, -1),
            sent_ns=records["time_ns"][at],
            intended_ns=records["other_ns"][at],
            received_ns=self.received_ns,
            size_bytes=records["size"][at],
            received=received,
        )
        inferred = infer(self.run, self.trace, owed)
        refused = (records["kind"][self.sent_at] == Kind.REJECTED)[self.send] & (self.fate != DELIVERED)
        inferred[refused] = _REJECTED
        return inferred

    def _table(self) -> pa.Table:
        """The rows as an Arrow table; gives up its own arrays one by one."""
        records, at, send = self.records, self.sent_at, self.send
        flow_names = [flow.name for flow in self.flows]
        delivered = self.fate == DELIVERED
        columns = {
            "flow": dictionary(records["flow"][at][send], flow_names),
            "sender": dictionary(records["node"][at][send], self.names),
            "seq": pa.array(records["seq"][at][send]),
            "receiver": dictionary(self.receiver, self.names),
            "intended_ns": pa.array(records["other_ns"][at][send]),
            "sent_ns": pa.array(records["time_ns"][at][send]),
            "received_ns": pa.array(self.received_ns, mask=~delivered),
            "size_bytes": pa.array(records["size"][at][send].astype(np.int64)),
            "fate": dictionary(self.fate, FATES),
            "cause": dictionary(self.cause, CAUSES),
            "inferred": dictionary(self.inferred, CAUSES),
            "duplicates": pa.array(self.duplicates),
        }
        return pa.table(columns)


def _count(rows: Array, minimum: int) -> Array:
    """How often each row is named, int32 (a count of records fits)."""
    return np.bincount(rows, minlength=minimum).astype(np.int32)
