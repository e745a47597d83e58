"""Why a message is missing that went to one of several receivers, or was the answer to somebody's request.

A socket that deals out (PUSH, REQ, DEALER) drops nothing: it waits, or ``send`` says EAGAIN. So whatever is missing
was in a connection that ended, in a process that died, or still waits for a peer that never came back. Which of
several receivers had a message, nobody outside knows; but a pipe keeps its order, so that nothing is missing in it
from before what its receiver got last. A binding sender loses its pipe with the connection; a connecting one keeps
it, and the next connection gets what waits there (F123, F137, F138).

An answer (REP) goes over the connection that its request came by. It is lost when that has ended, or with the process
that held it; or the one who asked has gone on meanwhile and throws it away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.ledger.marks import room
from harness.ledger.stays import UNTOLD, Stay, stays
from harness.run import Run
from harness.topology import Endpoint, Flow
from harness.trace import CAUSES, EVENTS

Array = npt.NDArray[Any]

DEALERS = ("PUSH", "REQ", "DEALER")
"""Sockets that give each message to one peer, and wait while none has room (F73)."""

WAITS = -2
"""In place of a cause: it is not lost, but waits in a pipe for a peer that is not there."""

LATE_NEWS_NS = 50_000_000
"""An event is told and written down so much later than it happened, at most, on a busy machine."""

_KILLING_NS = 5_000_000
"""A process that is killed is gone so much later, at most, than that was written down."""

_PIPE = CAUSES.index("disconnect_pipe")
_WIRE = CAUSES.index("disconnect_wire")
_UNREAD = CAUSES.index("crash_unread")
_UNSENT = CAUSES.index("crash_unsent")
_LATE = CAUSES.index("late_reply")
_LINGER = CAUSES.index("linger")
_UP, _DOWN = EVENTS.index("handshake_succeeded"), EVENTS.index("disconnected")
_FINISHED = EVENTS.index("finished")


@dataclass(frozen=True, slots=True)
class Owed:
    """All owed deliveries as an observer knows them: arrays of shape (rows,), ordered by flow, sender, seq, receiver.

    Attributes:
        flow, sender: positions in the topology.
        receiver: position of who got it or, unless any one of several will do, of who is owed it; else negative.
        sent_ns, intended_ns, received_ns: ns after the start line; the last means nothing where not ``received``.
        size_bytes: of the whole message.
        received: whether it was.
    """

    flow: Array
    sender: Array
    receiver: Array
    sent_ns: Array
    intended_ns: Array
    received_ns: Array
    size_bytes: Array
    received: Array

    def take(self, rows: Any) -> Owed:
        """Only these rows."""
        return Owed(*(getattr(self, name)[rows] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class _Break:
    """The end of a connection.

    Attributes:
        receiver, stay: whose it was, and its life.
        ended_ns: when the sender learnt of the end.
        next_ns: when the two were connected again; None: never.
        died_ns: when the receiver died, then or later; None: never.
    """

    receiver: str
    stay: Stay
    ended_ns: int
    next_ns: int | None
    died_ns: int | None


def infer_dealt(run: Run, events: Array, flow: Flow, endpoint: Endpoint, sender: str, owed: Owed) -> Array:
    """Causes, UNTOLD or :data:`WAITS`, for the messages of one sender that any one receiver is owed."""
    causes = np.full(len(owed.received), UNTOLD, dtype=np.int8)
    left = ~owed.received
    binds = sender == endpoint.binder
    peers = [name for name in flow.receivers if endpoint.connects(sender, name)]
    known = {name: stays(run, events, endpoint, sender, name) for name in peers}
    breaks = sorted(_breaks(known), key=lambda one: one.ended_ns)
    # Who ended late is asked first for what was sent before his end, and only then who was told late of an earlier one.
    for late_ns in (0, LATE_NEWS_NS):
        for one in breaks:
            mine = owed.received & (owed.receiver == run.topology.node_id(one.receiver))
            first, last = _span(one, owed, mine, binds, late_ns)
            chosen = first + np.flatnonzero(left[first:last])
            left[chosen] = False
            causes[chosen] = _in_the_break(run, one, owed, mine, chosen)
    somebody_is_there = any(lives and lives[-1].down_ns is None for lives in known.values())
    if not binds and not somebody_is_there:
        causes[left] = WAITS
    if not binds and endpoint.socket_type(sender) == "REQ":
        causes[_left_behind(run, events, sender, owed)] = _LINGER
    return causes


def _left_behind(run: Run, events: Array, sender: str, owed: Owed) -> list[int]:
    """Rows of a connecting REQ that never left: no connection from then until its program asked on a new socket.

    A REQ sends again without an answer only if it is another one, or relaxed. Who asks for the same once more has just
    opened it.
    """
    if run.topology.node(sender).socket_options.get("req_relaxed"):
        return []
    own = events[(events["node"] == run.topology.node_id(sender)) & np.isin(events["flag"], (_UP, _DOWN))]
    own = own[np.argsort(own["time_ns"], kind="stable")]
    found = []
    for row in np.flatnonzero(~owed.received[:-1]).tolist():
        first, last = np.searchsorted(own["time_ns"], owed.sent_ns[row : row + 2])
        anew = row > 0 and owed.intended_ns[row] == owed.intended_ns[row - 1]
        connected = not anew and first > 0 and own["flag"][first - 1] == _UP
        if not connected and not (own["flag"][first:last] == _UP).any():
            found.append(row)
    return found


def _breaks(known: Mapping[str, Sequence[Stay]]) -> Iterator[_Break]:
    """The ends of connections; ``known``: for each receiver all that there were, in order."""
    for receiver, lives in known.items():
        for number, stay in enumerate(lives):
            if stay.down_ns is not None:
                following = lives[number + 1].up_ns if number + 1 < len(lives) else None
                died_ns = next((one.down_ns for one in lives[number:] if one.receiver_died), None)
                yield _Break(receiver, stay, stay.down_ns, following, died_ns)


def _span(one: _Break, owed: Owed, mine: Array, binds: bool, late_ns: int) -> tuple[int, int]:
    """Between which messages those lie that this connection can have had when it ended, or so much later."""
    before = mine & ((owed.received_ns <= one.ended_ns) | (binds & (owed.sent_ns <= one.ended_ns)))
    # What waits at a connecting sender comes after what was lost, however early it was sent.
    first = len(mine) - int(np.argmax(before[::-1])) if before.any() else 0
    # A connecting sender knows the end at once, unless the order to kill its peer was written down before it acted.
    late_ns = late_ns if binds else min(late_ns, _KILLING_NS if one.stay.receiver_died else 0)
    until_ns = one.ended_ns + late_ns
    if one.next_ns is not None:
        until_ns = min(until_ns, max(one.next_ns, one.ended_ns))
    last = int(np.searchsorted(owed.sent_ns, until_ns, side="right"))
    if not binds and one.next_ns is not None:
        after = np.flatnonzero(mine[first:] & (owed.received_ns[first:] > one.next_ns))
        last = min(last, first + int(after[0])) if len(after) else last
    return first, max(first, last)


def _in_the_break(run: Run, one: _Break, owed: Owed, mine: Array, chosen: Array) -> Array:
    """What became of these messages, which one connection had when it ended; in the order of sending.

    A receiver that lives on reads what it had got before the end first; if it died before it read anything of a later
    connection, it had not come to the end of that.
    """
    found = np.full(len(chosen), _UNSENT if one.stay.sender_died else _WIRE, dtype=np.int8)
    if one.died_ns is None or not len(chosen):
        return found
    read_on = mine & (owed.sent_ns > one.ended_ns + LATE_NEWS_NS) & (owed.received_ns <= one.died_ns)
    if one.stay.receiver_died or not read_on.any():
        found[: room(run.topology, one.receiver, "rcvhwm", int(owed.size_bytes[chosen[0]]))] = _UNREAD
    return found


def infer_answers(run: Run, events: Array, endpoint: Endpoint, sender: str, owed: Owed, requests: Owed) -> Array:
    """Causes, UNTOLD or :data:`WAITS`, for the answers of one sender.

    ``requests``: all that were sent to it; an answer has the intended time of its request.
    """
    causes = np.full(len(owed.received), UNTOLD, dtype=np.int8)
    for node in np.unique(owed.receiver[~owed.received & (owed.receiver >= 0)]).tolist():
        receiver = run.topology.nodes[node].name
        if not endpoint.connects(sender, receiver):
            continue
        known = stays(run, events, endpoint, sender, receiver)
        asked = requests.take(requests.sender == node)
        gone_ns = _finished_ns(events, node)
        for row in np.flatnonzero(~owed.received & (owed.receiver == node)).tolist():
            causes[row] = _answer(known, asked, int(owed.intended_ns[row]), int(owed.sent_ns[row]), gone_ns)
    return causes


def _answer(known: list[Stay], asked: Owed, intended_ns: int, sent_ns: int, gone_ns: int) -> int:
    """What became of one answer; ``asked``: all requests of the one whom it is for, who has finished at ``gone_ns``."""
    request = np.flatnonzero((asked.intended_ns == intended_ns) & asked.received)
    if not len(request):
        return UNTOLD
    asked_ns, came_ns = int(asked.sent_ns[request[0]]), int(asked.received_ns[request[0]])
    stay = next((one for one in known if _brought(one, asked_ns, came_ns)), None)
    if stay is None:
        return UNTOLD
    if stay.down_ns is not None and stay.down_ns <= sent_ns:
        return _PIPE
    if (asked.sent_ns > asked_ns).any() and (stay.down_ns is None or stay.down_ns > sent_ns + LATE_NEWS_NS):
        # It has gone on: the answer is thrown away as soon as the one who asked looks again, if it still does.
        return WAITS if gone_ns <= sent_ns else _LATE
    if stay.down_ns is None:
        return WAITS
    return _UNSENT if stay.sender_died else _UNREAD if stay.receiver_died else _WIRE


def _finished_ns(events: Array, node: int) -> int:
    """When the program of a node came to its end; for ever when it did not."""
    times = events["time_ns"][(events["flag"] == _FINISHED) & (events["node"] == node)]
    return int(times.max()) if len(times) else 1 << 62


def _brought(stay: Stay, asked_ns: int, came_ns: int) -> bool:
    """Whether a request sent and read at these times can have come over this connection.

    It may have waited unread beyond the end of the connection, unless the process died that it waited in.
    """
    if stay.up_ns > came_ns + LATE_NEWS_NS:
        return False
    return stay.down_ns is None or stay.down_ns >= came_ns or (stay.down_ns >= asked_ns and not stay.sender_died)
