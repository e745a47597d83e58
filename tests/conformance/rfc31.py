"""RFC 31, EXPAIR: PAIR, clause by clause."""

from __future__ import annotations

from . import queues
from .cases import clause
from .queues import join, make


@clause(
    "RFC31-PAIR-01",
    "MAY be connected to at most one PAIR peers, and MAY both send and receive messages",
    {"there": ["x"], "back": ["y"], "second_hears": "EAGAIN", "second_heard": "EAGAIN"},
)
def pair_one_peer(stage):
    """PAIR B connects to PAIR A, a message each way; PAIR C connects to A as well, A and C send.

    Sockets: PAIRx3 over inproc.
    """
    a, b, c = make(stage, "PAIR"), make(stage, "PAIR"), make(stage, "PAIR")
    endpoint = join(stage, a, b)
    a.send(b"x")
    there = stage.take(b, 0.2)
    b.send(b"y")
    back = stage.take(a, 0.2)
    c.connect(endpoint)
    stage.settle(0.05)
    stage.offer(a, "to b")
    stage.offer(c, "from c")
    return {"there": there, "back": back, "second_hears": stage.take(c, 0.1), "second_heard": stage.take(a, 0.1)}


@clause("RFC31-PAIR-02", "SHALL not filter or modify outgoing or incoming messages in any way", {"unchanged": True})
def pair_unchanged(stage):
    """PAIR sends messages of many shapes; PAIR compares.

    Sockets: PAIR, PAIR over inproc.
    """
    return queues.unchanged(stage, "PAIR", "PAIR")


@clause(
    "RFC31-PAIR-03",
    "SHALL maintain a double queue for its peer, allowing outgoing and incoming messages to be queued independently",
    {"filled": 4, "other_way": "ok", "arrives": ["back"]},
)
def pair_both_ways(stage):
    """PAIR A fills PAIR B (all limits 2); B nb-sends; A receives.

    Sockets: PAIR, PAIR over inproc.
    """
    return queues.both_ways(stage, "PAIR", "PAIR")


@clause(
    "RFC31-PAIR-04",
    "SHALL create a double queue when initiating an outgoing connection to a peer, and SHALL maintain the double queue "
    "whether or not the connection is established",
    {"sends": ["ok"] * 3, "received": [0, 1, 2]},
)
def pair_queue_before_connection(stage):
    """PAIR connects where nobody listens and sends three messages; PAIR binds there and drains.

    Sockets: PAIR, PAIR over tcp.
    """
    return queues.queued_before_connection(stage, "PAIR", "PAIR")


@clause(
    "RFC31-PAIR-05",
    "SHALL create a double queue when a peer connects to it. If this peer disconnects, the PAIR socket SHALL destroy "
    "its double queue and SHALL discard any messages it contains",
    {"outgoing": {"old_peer": [], "next_peer": [3]}, "incoming": {"received": [0, 1, 2]}},
    claimed={"outgoing": {"old_peer": [], "next_peer": [3]}, "incoming": {"received": []}},
)
def pair_queue_goes_with_peer(stage):
    """PAIR binds and sends 0, 1, 2 to a PAIR that disconnects without reading; another connects; 3 is sent. Then a
    PAIR connects over tcp, sends three messages and closes; the bound one drains.

    Sockets: PAIRx5 over inproc, tcp.

    What has arrived can still be read: the pipe goes when it has been emptied.
    """
    return {
        "outgoing": queues.dropped_with_the_peer(stage, "PAIR", "PAIR"),
        "incoming": queues.unread_when_the_peer_leaves(stage, "PAIR", "PAIR"),
    }


@clause(
    "RFC31-PAIR-06",
    "SHOULD constrain incoming and outgoing queue sizes to a runtime-configurable limit",
    {"2+3": 5, "20+10": 30},
)
def pair_limit(stage):
    """PAIR (SNDHWM 2, 20) fills PAIR (RCVHWM 3, 10), which drains.

    Sockets: PAIR, PAIR over inproc.
    """
    return queues.limit(stage, "PAIR", "PAIR")


@clause(
    "RFC31-PAIR-07",
    "SHALL consider its peer as available only when it has a outgoing queue that is not full",
    {"filled": 4, "refused": "EAGAIN", "received": [0, 1, 2, 3], "then": "ok"},
)
@clause(
    "RFC31-PAIR-09",
    "SHALL not accept further messages when it has no available peer",
    {"filled": 4, "refused": "EAGAIN", "received": [0, 1, 2, 3], "then": "ok"},
)
@clause(
    "RFC31-PAIR-10",
    "SHALL NOT discard messages that it cannot queue",
    {"filled": 4, "refused": "EAGAIN", "received": [0, 1, 2, 3], "then": "ok"},
)
def pair_full(stage):
    """PAIR (SNDHWM=2) fills PAIR (RCVHWM=2), nb-sends once more; the other drains; the first nb-sends.

    Sockets: PAIR, PAIR over inproc.
    """
    return queues.nothing_more_when_full(stage, "PAIR", "PAIR")


@clause(
    "RFC31-PAIR-08",
    "SHALL block on sending, or return a suitable error, when it has no available peer",
    {"not_waiting": "EAGAIN", "waiting": "EAGAIN"},
)
def pair_no_peer(stage):
    """PAIR without a peer sends, not waiting and with SNDTIMEO=50.

    Sockets: PAIR.
    """
    return queues.no_peer(stage, "PAIR")


@clause(
    "RFC31-PAIR-11",
    "SHALL receive incoming messages from its single peer if it has one",
    {"alone": "EAGAIN", "with_peer": ["x"]},
)
@clause("RFC31-PAIR-12", "SHALL deliver these to its calling application", {"alone": "EAGAIN", "with_peer": ["x"]})
def pair_receives(stage):
    """PAIR without a peer receives; a peer connects and sends; it receives.

    Sockets: PAIR, PAIR over tcp.
    """
    a, b = make(stage, "PAIR"), make(stage, "PAIR")
    alone = stage.take(a, 0.05)
    join(stage, a, b, "tcp")
    b.send(b"x")
    return {"alone": alone, "with_peer": stage.take(a)}
