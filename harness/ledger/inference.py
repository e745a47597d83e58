"""What an outside observer concludes: who is connected to whom, what broke, and why a message is missing.

The live world has no witness inside libzmq. Over a connection that stayed up, a PUB loses messages
in two ways only, and the order of what arrived tells which: what was sent before the first message
that a receiver got met no subscription (``no_peer``; from outside the same as
``not_subscribed``), what is missing later met a full pipe (``hwm_sender``), since a pipe keeps its
order and loses nothing that it has taken (F34). A receiver that got nothing at all was never there.

A connection that broke is judged stay by stay (:mod:`harness.ledger.stays`). What was sent while there was none had no
peer if the publisher binds, and waits in the pipe, as far as that goes, if it connects (F123). What was sent into
a connection and is missing behind the last reception was in it when it ended, or was refused by a full pipe before
(:mod:`harness.ledger.broken`). Sockets that deal out or answer have rules of their own (:mod:`harness.ledger.dealing`).
What is multicast has no connections (:mod:`harness.ledger.multicast`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.ledger.broken import Marks, Seen, infer_broken
from harness.ledger.dealing import DEALERS, LATE_NEWS_NS, Owed, infer_answers, infer_dealt
from harness.ledger.marks import pipe_capacity, room
from harness.ledger.multicast import infer_multicast
from harness.ledger.passing import infer_routed, way
from harness.ledger.stays import UNTOLD, Stay, crashes, departures, happened, stays
from harness.run import Run
from harness.topology import MULTICAST, Endpoint, Flow, Topology
from harness.trace import CAUSES, EVENTS, NONE, Kind, Trace

Array = npt.NDArray[Any]

PUBLISHERS = ("PUB", "XPUB")
"""Sockets that never block, and drop for a receiver whose pipe is full (RFC 29, F34)."""

JOIN_CAUSES = ("no_peer", "not_subscribed")
"""Lost because the receiver was not there yet; an observer cannot tell the two apart."""

BREAK_CAUSES = ("disconnect_pipe", "disconnect_wire")
"""In the connection when it broke; an observer cannot tell where."""

_FOR_EVER_NS = 1 << 62
_NO_PEER = CAUSES.index("no_peer")
_HWM_SENDER = CAUSES.index("hwm_sender")
_CONFLATED = CAUSES.index("conflated")
_DOWN = (EVENTS.index("disconnected"), EVENTS.index("detached"))
_UP = EVENTS.index("handshake_succeeded")
_FINISHED = EVENTS.index("finished")


class Links:
    """Which connections broke, as far as the events tell.

    An end that wrote its peer's name into the event is believed for that pair; an end that did
    not, only if it is the connecting one, because a binder's event may be about anybody. Who is killed
    tells nothing; the fault says it. What closes
    after the last send of a program that came to its own end, or after the load, is no fault.
    """

    def __init__(self, run: Run, trace: Trace) -> None:
        self._nodes = {node.name: position for position, node in enumerate(run.topology.nodes)}
        events = happened(trace)
        down = np.isin(events["flag"], _DOWN) & (events["time_ns"] < run.duration_ns)
        self._broke: dict[tuple[int, int], int] = {}
        self._died: dict[int, None] = {}
        for node, time_ns in crashes(run, events):
            self._died[node] = None
            for other in range(len(self._nodes)):
                self._broke.setdefault((node, other), time_ns)
        for node, peer, time_ns in events[["node", "peer", "time_ns"]][down].tolist():
            self._broke.setdefault((node, peer), time_ns)
        for node, time_ns in departures(run, events):
            self._broke.setdefault((node, NONE), time_ns)
        self._finished = dict.fromkeys(events["node"][events["flag"] == _FINISHED].tolist())
        self._last_sent = _last_sent(trace.records) if self._broke and self._finished else {}
        self._again: dict[tuple[int, int], int] = {}
        for node, peer, time_ns in events[["node", "peer", "time_ns"]][events["flag"] == _UP].tolist():
            if time_ns >= self._broke.get((node, peer), time_ns + 1):
                self._again[node, peer] = time_ns

    def broke(self, endpoint: Endpoint, sender: str, receiver: str) -> bool:
        """Whether this connection ended while its sender had something to say, or a process with something in it."""
        if self._nodes[sender] in self._died or self._nodes[receiver] in self._died:
            return True
        times = self._times(self._broke, endpoint, sender, receiver)
        if not self.finished(sender):
            return bool(times)
        return any(time_ns < self._last_sent.get(self._nodes[sender], time_ns) for time_ns in times)

    def came_back(self, endpoint: Endpoint, sender: str, receiver: str) -> bool:
        """Whether this connection broke and was made again."""
        return bool(self._times(self._again, endpoint, sender, receiver))

    def finished(self, node: str) -> bool:
        """Whether the program of the node came to its end."""
        return self._nodes[node] in self._finished

    def _times(self, pairs: dict[tuple[int, int], int], endpoint: Endpoint, one: str, other: str) -> list[int]:
        first, second = self._nodes[one], self._nodes[other]
        connecter = second if one == endpoint.binder else first
        return [pairs[pair] for pair in ((first, second), (second, first), (connecter, NONE)) if pair in pairs]


def _last_sent(records: Array) -> dict[int, int]:
    """Node to the time at which it entered ``send`` for the last time."""
    sends = records[["node", "time_ns"]][(records["kind"] >= Kind.ATTEMPT) & (records["kind"] <= Kind.REJECTED)]
    last_ns = np.full(int(sends["node"].max(initial=0)) + 1, -_FOR_EVER_NS)
    np.maximum.at(last_ns, sends["node"], sends["time_ns"])
    return {node: int(last_ns[node]) for node in np.flatnonzero(last_ns > -_FOR_EVER_NS).tolist()}


def publishers(topology: Topology, flow: Array, sender: Array) -> Iterator[tuple[Flow, str, list[str], slice]]:
    """Each sender that owes its messages to all: the flow, its name, its receivers, and its rows.

    Args:
        topology: for the flows.
        flow: position of each row's flow, shape (rows,). Rows stand ordered by flow, sender, seq and the
            position of the receiver in the flow, all receivers (but the sender itself) for each message.
        sender: position of each row's sender, shape (rows,).
    """
    for one, name, rows in _spans_of_senders(topology, flow, sender):
        receivers = [receiver for receiver in one.receivers if receiver != name]
        if one.delivery == "all" and receivers:
            yield one, name, receivers, rows


def _spans_of_senders(topology: Topology, flow: Array, sender: Array) -> Iterator[tuple[Flow, str, slice]]:
    """Each sender of each flow that has rows, and these; they stand ordered by flow and sender."""
    nodes = len(topology.nodes)
    whose = flow.astype(np.int64) * nodes + sender
    for number, one in enumerate(topology.flows):
        for name in one.senders:
            first, last = np.searchsorted(whose, number * nodes + topology.node_id(name) + np.arange(2)).tolist()
            if first < last:
                yield one, name, slice(first, last)


def infer(run: Run, trace: Trace, owed: Owed) -> Array:
    """Causes that an observer concludes from what happened outside the sockets, for each owed delivery.

    Returns:
        Positions in ``CAUSES``, shape (rows,), int8; where it was received or no rule applies
        :data:`~harness.ledger.stays.UNTOLD`, and where it waits for ever :data:`~harness.ledger.dealing.WAITS`.
    """
    inferred = np.full(len(owed.received), UNTOLD, dtype=np.int8)
    events, links = happened(trace), Links(run, trace)
    _infer_published(run, trace, events, links, owed, inferred)
    topology = run.topology
    for flow, name, rows in _spans_of_senders(topology, owed.flow, owed.sender):
        endpoint = topology.endpoint_of(flow)
        if endpoint is None or flow.delivery == "all" or owed.received[rows].all():
            continue
        if flow.delivery == "one" and endpoint.socket_type(name) in DEALERS:
            inferred[rows] = infer_dealt(run, events, flow, endpoint, name, owed.take(rows))
        elif flow.delivery == "addressed" and endpoint.socket_type(name) == "REP":
            requests = owed.take(np.isin(owed.flow, _requests(topology, flow, name)))
            inferred[rows] = infer_answers(run, events, endpoint, name, owed.take(rows), requests)
        elif flow.delivery == "addressed" and endpoint.socket_type(name) == "ROUTER":
            still = [receiver for receiver in flow.receivers if _closed(trace, links, receiver)]
            inferred[rows] = infer_routed(run, events, endpoint, name, owed.take(rows), still)
    return inferred


def _requests(topology: Topology, answers: Flow, answerer: str) -> list[int]:
    """Positions of the flows that bring the answerer what it answers."""
    return [
        number
        for number, flow in enumerate(topology.flows)
        if flow.endpoint == answers.endpoint and answerer in flow.receivers
    ]


def _infer_published(run: Run, trace: Trace, events: Array, links: Links, owed: Owed, inferred: Array) -> None:
    """The rows of flows that owe each message to all; written into ``inferred``."""
    hears = functools.cache(run.topology.hears)
    for one, name, receivers, span in publishers(run.topology, owed.flow, owed.sender):
        endpoint = run.topology.endpoint_of(one)
        if endpoint is None or endpoint.socket_type(name) not in PUBLISHERS:
            continue
        shape = (-1, len(receivers))
        got, times = owed.received[span].reshape(shape), owed.received_ns[span].reshape(shape)
        sent = owed.sent_ns[span][:: len(receivers)]
        causes = inferred[span].reshape(got.shape)
        if endpoint.transport in MULTICAST:
            whole = [not (trace.limits_hit or other in trace.errors or links.finished(other)) for other in receivers]
            size = int(owed.size_bytes[span.start])
            causes[:] = infer_multicast(run.topology.node(name), sent, size, got, whole)
            continue
        for column, receiver in enumerate(receivers):
            closed = _closed(trace, links, receiver)
            if not endpoint.connects(name, receiver):
                hops = way(hears, name, receiver)
                if hops and not any(links.broke(*hop) for hop in hops):
                    passed_on = all(_closed(trace, links, broker) for _, _, broker in hops)
                    _infer_one(got[:, column], causes[:, column], passed_on)
            elif links.broke(endpoint, name, receiver):
                known = stays(run, events, endpoint, name, receiver)
                marks = Marks(
                    pipe=pipe_capacity(run.topology, endpoint, name, receiver),
                    receiver=room(run.topology, receiver, "rcvhwm", int(owed.size_bytes[span.start])),
                )
                seen = Seen(sent, times[:, column], got[:, column])
                _infer_stays(seen, causes[:, column], known, closed, name != endpoint.binder, marks)
            else:
                _infer_one(got[:, column], causes[:, column], closed)
            if endpoint.connects(name, receiver) and _conflates(run.topology, name, receiver):
                _tell_conflated(got[:, column], causes[:, column])


def _conflates(topology: Topology, *names: str) -> bool:
    """Whether one of these keeps the last message only: its pipe is never full (F68)."""
    return any(topology.node(name).socket_options.get("conflate") for name in names)


def _tell_conflated(received: Array, causes: Array) -> None:
    """What is missing was overwritten; or, before the first that arrived, met no subscription: nobody can tell."""
    causes[causes == _HWM_SENDER] = _CONFLATED
    if received.any():
        causes[: int(np.argmax(received))] = UNTOLD


def _closed(trace: Trace, links: Links, node: str) -> bool:
    """Whether the run ended with nothing under way and the node still reading."""
    return not (trace.limits_hit or node in trace.errors or links.finished(node))


def _infer_stays(seen: Seen, causes: Array, known: list[Stay], closed: bool, waits: bool, marks: Marks) -> None:
    """As :func:`_infer_one`, connection by connection; nothing when a message arrived while there was none.

    ``waits``: what is sent without a connection waits for the next one.
    """
    if not known:
        return
    sent, received = seen.sent_ns, seen.received
    found = np.full(len(sent), _HWM_SENDER if waits else _NO_PEER, dtype=np.int8)
    absent = np.ones(len(sent), dtype=bool)
    for number, (stay, (first, last)) in enumerate(zip(known, _spans(known, sent, received), strict=True)):
        rows = slice(0 if waits and number == 0 else first, last)
        absent[rows] = False
        if stay.down_ns is None:
            found[rows] = UNTOLD
            _infer_one(received[rows], found[rows], closed)
        else:
            infer_broken(seen.take(rows), found[rows], stay, marks)
    if (absent & received).any():
        return
    causes[:] = found
    causes[received] = UNTOLD


def _spans(known: list[Stay], sent: Array, received: Array) -> Iterator[tuple[int, int]]:
    """First and last message of each stay, a little wider than events say where messages that arrived tell so."""
    firsts, before_ns = [], -_FOR_EVER_NS
    for stay in known:
        first = int(np.searchsorted(sent, stay.up_ns))
        early = int(np.searchsorted(sent, max(before_ns, stay.up_ns - LATE_NEWS_NS)))
        if received[early:first].any():
            first = early + int(np.argmax(received[early:first]))
        firsts.append(first)
        before_ns = _FOR_EVER_NS if stay.down_ns is None else stay.down_ns
    for stay, first, following in zip(known, firsts, [*firsts[1:], len(sent)], strict=True):
        last = len(sent)
        if stay.down_ns is not None:
            last = int(np.searchsorted(sent, stay.down_ns))
            late = min(following, int(np.searchsorted(sent, stay.down_ns + LATE_NEWS_NS)))
            if stay.sender_died:
                last = late  # its last messages may be younger than the order to kill it
            elif received[last:late].any():
                last = late - int(np.argmax(received[last:late][::-1]))
        yield first, last


def _infer_one(received: Array, causes: Array, closed: bool) -> None:
    """The rules for one receiver, its messages in the order of sending; written into ``causes``.

    ``closed``: the run ended with nothing under way and the receiver still reading, so that the end
    of the stream can be judged like the rest; otherwise what comes after the last reception stays open.
    """
    if not received.any():
        if closed:
            causes[:] = _NO_PEER
        return
    first = int(np.argmax(received))
    end = len(received) if closed else len(received) - int(np.argmax(received[::-1]))
    causes[:first] = _NO_PEER
    causes[first:end][~received[first:end]] = _HWM_SENDER
