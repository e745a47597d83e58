"""RFC 30, PIPELINE: PUSH and PULL, clause by clause."""

from __future__ import annotations

from . import queues
from .cases import clause
from .queues import join, make


@clause(
    "RFC30-PUSH-01",
    "MAY be connected to any number of PULL peers, and SHALL only send messages",
    {"passed": [True] * 4, "receive": "ENOTSUP"},
)
def push_peers(stage):
    """PUSH is bound and connected to four PULLs, each gets a message; PUSH nb-receives.

    Sockets: PUSH, PULLx4 over inproc.
    """
    passed = queues.many_peers(stage, "PUSH", ["PULL"] * 4)["passed"]
    return {"passed": passed, "receive": stage.attempt(make(stage, "PUSH").recv, stage.zmq.DONTWAIT)}


@clause("RFC30-PUSH-02", "SHALL not filter or modify outgoing messages in any way", {"unchanged": True})
def push_unchanged(stage):
    """PUSH sends messages of many shapes; PULL compares.

    Sockets: PUSH, PULL over inproc.
    """
    return queues.unchanged(stage, "PUSH", "PULL")


@clause("RFC30-PUSH-03", "SHALL maintain an outgoing message queue for each connected peer", {"filled": 6})
def push_queue_each(stage):
    """PUSH (SNDHWM=1) binds, three PULLs (RCVHWM=1) connect; fill.

    Sockets: PUSH, PULLx3 over inproc.
    """
    push = make(stage, "PUSH", SNDHWM=1)
    endpoint = stage.bind(push, "inproc")
    for _ in range(3):
        make(stage, "PULL", RCVHWM=1).connect(endpoint)
    stage.settle(0.05)
    return {"filled": stage.fill(push)}


@clause(
    "RFC30-PUSH-04",
    "SHALL create this queue when initiating an outgoing connection to a peer, and SHALL maintain the queue whether or "
    "not the connection is established",
    {"sends": ["ok"] * 3, "received": [0, 1, 2]},
)
def push_queue_before_connection(stage):
    """PUSH connects where nobody listens and sends three messages; PULL binds there and drains.

    Sockets: PUSH, PULL over tcp.
    """
    return queues.queued_before_connection(stage, "PUSH", "PULL")


@clause(
    "RFC30-PUSH-05",
    "SHALL create this queue when a peer connects to it. If this peer disconnects, the PUSH socket SHALL destroy its "
    "queue and SHALL discard any messages it contains",
    {"old_peer": [], "next_peer": [3]},
)
def push_queue_goes_with_peer(stage):
    """PUSH binds and sends 0, 1, 2 to a PULL that disconnects without reading; another PULL connects; PUSH sends 3.

    Sockets: PUSH, PULLx2 over inproc.
    """
    return queues.dropped_with_the_peer(stage, "PUSH", "PULL")


@clause("RFC30-PUSH-06", "SHOULD constrain queue sizes to a runtime-configurable limit", {"2+3": 5, "20+10": 30})
def push_limit(stage):
    """PUSH (SNDHWM 2, 20) fills PULL (RCVHWM 3, 10), which drains.

    Sockets: PUSH, PULL over inproc.
    """
    return queues.limit(stage, "PUSH", "PULL")


@clause(
    "RFC30-PUSH-07",
    "SHALL consider a peer as available only when it has a outgoing queue that is not full",
    {"filled": 2, "then": ["ok"], "free_got": list(range(10, 20)), "full_got": [0, 1]},
)
def push_available(stage):
    """PUSH (SNDHWM=1) fills a PULL (RCVHWM=1); a PULL with room connects; PUSH sends 10..19.

    Sockets: PUSH, PULLx2 over inproc.
    """
    return queues.only_available_peers(stage, "PUSH", "PULL")


@clause(
    "RFC30-PUSH-08",
    "SHALL route outgoing messages to available peers using a round-robin strategy",
    {"each": [[0, 3], [1, 4], [2, 5]]},
)
def push_round_robin(stage):
    """Three PULLs connect in turn; PUSH sends 0..5.

    Sockets: PUSH, PULLx3 over inproc.
    """
    return queues.shared_out(stage, "PUSH", "PULL")


@clause(
    "RFC30-PUSH-09",
    "SHALL block on sending, or return a suitable error, when it has no available peers",
    {"not_waiting": "EAGAIN", "waiting": "EAGAIN"},
)
def push_no_peer(stage):
    """PUSH without a peer sends, not waiting and with SNDTIMEO=50.

    Sockets: PUSH.
    """
    return queues.no_peer(stage, "PUSH")


@clause(
    "RFC30-PUSH-10",
    "SHALL not accept further messages when it has no available peers",
    {"filled": 4, "refused": "EAGAIN", "received": [0, 1, 2, 3], "then": "ok"},
)
@clause(
    "RFC30-PUSH-11",
    "SHALL NOT discard messages that it cannot queue",
    {"filled": 4, "refused": "EAGAIN", "received": [0, 1, 2, 3], "then": "ok"},
)
def push_full(stage):
    """PUSH (SNDHWM=2) fills PULL (RCVHWM=2), nb-sends once more; PULL drains; PUSH nb-sends.

    Sockets: PUSH, PULL over inproc.
    """
    return queues.nothing_more_when_full(stage, "PUSH", "PULL")


@clause(
    "RFC30-PULL-01",
    "MAY be connected to any number of PUSH peers, and SHALL only receive messages",
    {"passed": [True] * 4, "send": "ENOTSUP"},
)
def pull_peers(stage):
    """PULL is bound and connected to four PUSHes, a message from each; PULL nb-sends.

    Sockets: PULL, PUSHx4 over inproc.
    """
    passed = queues.many_peers(stage, "PULL", ["PUSH"] * 4)["passed"]
    return {"passed": passed, "send": stage.offer(make(stage, "PULL"), "x")}


@clause("RFC30-PULL-02", "SHALL not filter or modify incoming messages in any way", {"unchanged": True})
def pull_unchanged(stage):
    """PUSH sends messages of many shapes; PULL compares.

    Sockets: PUSH, PULL over inproc.
    """
    return queues.unchanged(stage, "PUSH", "PULL")


@clause("RFC30-PULL-03", "SHALL maintain an incoming queue for each connected peer", {"each": [3, 3, 3]})
def pull_queue_each(stage):
    """PULL (RCVHWM=2) binds, three PUSHes (SNDHWM=1) connect; each fills.

    Sockets: PULL, PUSHx3 over inproc.
    """
    pull = make(stage, "PULL", RCVHWM=2)
    endpoint = stage.bind(pull, "inproc")
    senders = [make(stage, "PUSH", SNDHWM=1) for _ in range(3)]
    for push in senders:
        push.connect(endpoint)
    stage.settle(0.05)
    return {"each": [stage.fill(push) for push in senders]}


@clause(
    "RFC30-PULL-04",
    "SHALL create this queue when initiating an outgoing connection to a peer, and SHALL maintain the queue whether or "
    "not the connection is established",
    {"received": [0, 1, 2, 3]},
)
def pull_queue_between_connections(stage):
    """PULL connects; a PUSH sends three messages and closes; another binds the endpoint and sends one; PULL drains.

    Sockets: PULL, PUSHx2 over tcp.
    """
    return queues.kept_between_connections(stage, "PUSH", "PULL")


@clause(
    "RFC30-PULL-05",
    "SHALL create this queue when a peer connects to it. If this peer disconnects, the PULL socket SHALL destroy its "
    "queue and SHALL discard any messages it contains",
    {"received": [0, 1, 2]},
    claimed={"received": []},
)
def pull_queue_outlives_peer(stage):
    """A PUSH connects, sends three messages and closes; PULL drains after that.

    Sockets: PULL, PUSH over tcp.

    What has arrived can still be read: the pipe goes when it has been emptied.
    """
    return queues.unread_when_the_peer_leaves(stage, "PUSH", "PULL")


@clause(
    "RFC30-PULL-06", "SHOULD constrain incoming queue sizes to a runtime-configurable limit", {"2+3": 5, "20+10": 30}
)
def pull_limit(stage):
    """PUSH (SNDHWM 2, 20) fills PULL (RCVHWM 3, 10), which drains.

    Sockets: PUSH, PULL over inproc.
    """
    return queues.limit(stage, "PUSH", "PULL")


@clause(
    "RFC30-PULL-07",
    "SHALL receive incoming messages from its peers using a fair-queuing strategy",
    {"order": ["0:1", "1:1", "2:1", "0:2", "1:2", "2:2"]},
)
def pull_fair(stage):
    """Three PUSHes send two messages each; PULL drains.

    Sockets: PULL, PUSHx3 over inproc.
    """
    return queues.taken_in_turn(stage, "PUSH", "PULL")


@clause("RFC30-PULL-08", "SHALL deliver these to its calling application", {"received": 50})
def pull_delivers(stage):
    """PUSH sends fifty messages; PULL drains.

    Sockets: PULL, PUSH over tcp.
    """
    pull, push = make(stage, "PULL"), make(stage, "PUSH")
    join(stage, pull, push, "tcp")
    for _ in range(50):
        push.send(b"x")
    return {"received": len(stage.drain(pull, 0.1))}
