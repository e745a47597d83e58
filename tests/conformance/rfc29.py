"""RFC 29, PUBSUB: PUB, XPUB, SUB and XSUB, clause by clause."""

from __future__ import annotations

from tests.both.stage import numbers, text

from . import queues
from .cases import clause
from .queues import join, make
from .wire import command, dial

_FRAMES = ([b"a"], [b""], [b"x" * 300], [b"a", b"", b"b"], [b"\xff\x00\x01"])
"""Messages that no XPUB takes for a subscription."""


def _own_queue(stage, publisher):
    pub = make(stage, publisher, SNDHWM=1)
    endpoint = stage.bind(pub, "inproc")
    subs = [make(stage, "SUB", RCVHWM=hwm) for hwm in (1, 100, 2)]
    for sub in subs:
        sub.connect(endpoint)
    stage.settle(0.05)
    for number in range(10):
        pub.send(b"%d" % number)
    return {"received": [len(stage.drain(sub, 0.05)) for sub in subs]}


def _only_matching_on_the_wire(stage, publisher):
    pub = make(stage, publisher)
    peer = dial(stage, stage.bind(pub))
    peer.handshake(b"SUB")
    peer.send(command(b"SUBSCRIBE", b"A"))
    stage.settle(0.2)
    for body in (b"B1", b"A1", b"B2", b"A2"):
        pub.send(body)
    frames = []
    while (got := peer.read_frame(0.2)) is not None:
        frames.append(text(got[1]))
    return {"on_the_wire": frames}


def _binary_prefix(stage, publisher):
    pub, sub = make(stage, publisher), stage.socket(stage.zmq.SUB)
    sub.setsockopt(stage.zmq.SUBSCRIBE, b"\x00\xff")
    join(stage, pub, sub)
    for frames in ([b"\x00\xff"], [b"\x00\xff\x01", b"x"], [b"\x00"], [b"a", b"\x00\xff"], [b"a\x00\xff"], [b""]):
        pub.send_multipart(frames)
    return {"received": text(stage.drain(sub, 0.05))}


def _drops_when_full(stage, publisher):
    pub, sub = make(stage, publisher, SNDHWM=1), make(stage, "SUB", RCVHWM=1)
    join(stage, pub, sub)
    results = {stage.offer(pub, "%d" % number) for number in range(10)}
    return {"sends": sorted(results), "received": numbers(stage.drain(sub, 0.05))}


def _never_blocks(stage, publisher):
    alone, pub, sub = make(stage, publisher), make(stage, publisher, SNDHWM=1), make(stage, "SUB", RCVHWM=1)
    join(stage, pub, sub)
    began_ns = stage.now_ns()
    results = [stage.attempt(socket.send, b"x") for socket in (alone, pub, pub, pub, pub)]
    return {"sends": results, "waited": stage.now_ns() - began_ns >= 1_000_000_000}


def _takes_requests(stage, publisher):
    pub, sub = make(stage, publisher), stage.socket(stage.zmq.SUB)
    join(stage, pub, sub, "tcp")
    received = []
    for option in (None, stage.zmq.SUBSCRIBE, stage.zmq.UNSUBSCRIBE):
        if option is not None:
            sub.setsockopt(option, b"A")
        stage.settle(0.1)
        pub.send(b"A")
        received.append(stage.take(sub, 0.1))
    return {"never": received[0], "subscribed": received[1], "unsubscribed": received[2]}


def _notes(stage, xpub, idle_s=0.05):
    return [text(message[0]) for message in stage.drain(xpub, idle_s)]


def _own_queue_in(stage, subscriber):
    sub = make(stage, subscriber, RCVHWM=2)
    endpoint = stage.bind(sub, "inproc")
    pubs = [make(stage, "PUB", SNDHWM=1) for _ in range(2)]
    for pub in pubs:
        pub.connect(endpoint)
    stage.settle(0.05)
    for i, pub in enumerate(pubs):
        for _ in range(10):
            pub.send(b"%d" % i)
    received = numbers(stage.drain(sub, 0.05))
    return {"of_each": [received.count(0), received.count(1)]}


def _full_reader(stage, subscriber):
    """A publisher that is told when it would drop sends to a reader that does not read"""
    pub, sub = make(stage, "XPUB", SNDHWM=5, XPUB_NODROP=1), make(stage, subscriber, RCVHWM=5)
    join(stage, pub, sub, "tcp")
    accepted = stage.stuff(pub, 65536, 2000)
    return {"refused": accepted < 2000, "lost": accepted - len(stage.drain(sub, 0.2))}


def _filters(stage, subscriber):
    """The publisher is made to send everything; the reader has asked for A"""
    pub, sub = stage.socket(stage.zmq.XPUB, XPUB_MANUAL=1), stage.socket(getattr(stage.zmq, subscriber))
    if subscriber == "SUB":
        sub.setsockopt(stage.zmq.SUBSCRIBE, b"A")
    else:
        sub.send(b"\x01A")
    sub.connect(stage.bind(pub, "inproc"))
    stage.take(pub)
    pub.setsockopt(stage.zmq.SUBSCRIBE, b"")
    for body in (b"A", b"B", b"AB", b"BA"):
        pub.send(body)
    return {"received": [text(message[0]) for message in stage.drain(sub, 0.05)]}


# -- PUB ----------------------------------------------------------------------------------------------------------


@clause(
    "RFC29-PUB-01",
    "MAY be connected to any number of SUB or XSUB subscribers, and SHALL only send messages",
    {"passed": [True] * 4, "receive": "ENOTSUP"},
)
def pub_peers(stage):
    """PUB is bound and connected to two SUBs and two XSUBs, each gets a message; PUB nb-receives.

    Sockets: PUB, SUBx2, XSUBx2 over inproc.
    """
    passed = queues.many_peers(stage, "PUB", ["SUB", "SUB", "XSUB", "XSUB"])["passed"]
    return {"passed": passed, "receive": stage.attempt(make(stage, "PUB").recv, stage.zmq.DONTWAIT)}


@clause(
    "RFC29-PUB-02",
    "SHALL maintain a single outgoing message queue for each connected subscriber",
    {"received": [2, 10, 3]},
)
def pub_queue_each(stage):
    """PUB (SNDHWM=1) sends ten messages to SUBs with RCVHWM 1, 100 and 2, which drain after that.

    Sockets: PUB, SUBx3 over inproc.
    """
    return _own_queue(stage, "PUB")


@clause(
    "RFC29-PUB-03",
    "SHALL create a queue when initiating an outgoing connection to a subscriber, and SHALL maintain the queue whether "
    "or not the connection is established",
    {"sends": ["ok"] * 3, "received": []},
    claimed={"sends": ["ok"] * 3, "received": [0, 1, 2]},
)
def pub_queue_before_connection(stage):
    """PUB connects where nobody listens and sends three messages; SUB binds there and drains.

    Sockets: PUB, SUB over tcp.

    The queue is there, but before a subscription has come no message matches.
    """
    return queues.queued_before_connection(stage, "PUB", "SUB")


@clause(
    "RFC29-PUB-04",
    "SHALL create a queue when a subscriber connects to it. If this subscriber disconnects, the PUB socket SHALL "
    "destroy its queue and SHALL discard any messages it contains",
    {"old_peer": [], "next_peer": [3]},
)
def pub_queue_goes_with_peer(stage):
    """PUB binds and sends 0, 1, 2 to a SUB that disconnects without reading; another SUB connects; PUB sends 3.

    Sockets: PUB, SUBx2 over inproc.
    """
    return queues.dropped_with_the_peer(stage, "PUB", "SUB")


@clause("RFC29-PUB-05", "SHOULD constrain queue sizes to a runtime-configurable limit", {"2+3": 5, "20+10": 30})
def pub_limit(stage):
    """PUB (SNDHWM 2, 20) sends a hundred messages to SUB (RCVHWM 3, 10), which drains after that.

    Sockets: PUB, SUB over inproc.
    """
    return queues.limit(stage, "PUB", "SUB")


@clause(
    "RFC29-PUB-06",
    "SHALL silently discard any messages that subscribers send it",
    {"sent": "ok", "readable": 0, "goes_on": ["x"]},
)
def pub_discards(stage):
    """XSUB sends a message to a PUB; is PUB readable? PUB publishes.

    Sockets: PUB, XSUB over tcp.
    """
    pub, xsub = make(stage, "PUB"), make(stage, "XSUB")
    join(stage, pub, xsub, "tcp")
    sent = stage.offer(xsub, "hello")
    stage.settle(0.1)
    readable = pub.poll(0)
    pub.send(b"x")
    return {"sent": sent, "readable": readable, "goes_on": stage.take(xsub)}


@clause("RFC29-PUB-07", "SHALL not modify outgoing messages in any way", {"unchanged": True})
def pub_unchanged(stage):
    """PUB sends messages of many shapes; SUB compares.

    Sockets: PUB, SUB over inproc.
    """
    return queues.unchanged(stage, "PUB", "SUB")


@clause(
    "RFC29-PUB-08",
    "MAY, depending on the transport, send all messages to all subscribers",
    {"on_the_wire": ["A1", "A2"]},
)
@clause(
    "RFC29-PUB-09",
    "MAY, depending on the transport, send messages only to subscribers who have a matching subscription",
    {"on_the_wire": ["A1", "A2"]},
)
def pub_filters(stage):
    """A hand-made SUB subscribes A; PUB sends B1, A1, B2, A2; the frames on the wire.

    Sockets: PUB, raw peer over tcp.

    libzmq takes the second way.
    """
    return _only_matching_on_the_wire(stage, "PUB")


@clause(
    "RFC29-PUB-10",
    "SHALL perform a binary comparison of the subscription against the start of the first frame of the message",
    {"received": [["\\x00\\xff"], ["\\x00\\xff\\x01", "x"]]},
)
def pub_prefix(stage):
    r"""SUB subscribes \x00\xff; PUB sends messages with that at the start, elsewhere, and in the second frame.

    Sockets: PUB, SUB over inproc.
    """
    return _binary_prefix(stage, "PUB")


@clause(
    "RFC29-PUB-11",
    "SHALL silently drop the message if the queue for a subscriber is full",
    {"sends": ["ok"], "received": [0, 1]},
)
def pub_drops(stage):
    """PUB (SNDHWM=1) sends 0..9 to SUB (RCVHWM=1), which drains after that.

    Sockets: PUB, SUB over inproc.
    """
    return _drops_when_full(stage, "PUB")


@clause("RFC29-PUB-12", "SHALL NOT block on sending", {"sends": ["ok"] * 5, "waited": False})
def pub_never_blocks(stage):
    """PUB sends without a subscriber; another (SNDHWM=1) sends four messages to SUB (RCVHWM=1), willing to wait.

    Sockets: PUBx2, SUB over inproc.
    """
    return _never_blocks(stage, "PUB")


@clause(
    "RFC29-PUB-13",
    "SHALL receive subscribe and unsubscribe requests from subscribers depending on the transport protocol used",
    {"never": "EAGAIN", "subscribed": ["A"], "unsubscribed": "EAGAIN"},
)
def pub_takes_requests(stage):
    """SUB without a subscription, after it has subscribed A, after it has unsubscribed: PUB sends A each time.

    Sockets: PUB, SUB over tcp.
    """
    return _takes_requests(stage, "PUB")


@clause(
    "RFC29-PUB-14", "SHALL NOT deliver these commands to its calling application", {"readable": 0, "receive": "ENOTSUP"}
)
def pub_keeps_requests(stage):
    """SUB subscribes; is PUB readable? PUB nb-receives.

    Sockets: PUB, SUB over inproc.
    """
    pub, sub = make(stage, "PUB"), make(stage, "SUB")
    join(stage, pub, sub)
    return {"readable": pub.poll(50), "receive": stage.attempt(pub.recv, stage.zmq.DONTWAIT)}


# -- XPUB ---------------------------------------------------------------------------------------------------------


@clause(
    "RFC29-XPUB-01",
    "MAY be connected to any number of SUB or XSUB subscribers, and MAY both send and receive messages",
    {"passed": [True] * 4, "upstream": ["hello"]},
)
def xpub_peers(stage):
    """XPUB is bound and connected to two SUBs and two XSUBs, each gets a message; another XPUB is sent hello by an
    XSUB.

    Sockets: XPUBx2, SUBx2, XSUBx3 over inproc.
    """
    passed = queues.many_peers(stage, "XPUB", ["SUB", "SUB", "XSUB", "XSUB"])["passed"]
    xpub, xsub = make(stage, "XPUB"), make(stage, "XSUB")
    join(stage, xpub, xsub)
    xsub.send(b"hello")
    return {"passed": passed, "upstream": stage.take(xpub)}


@clause(
    "RFC29-XPUB-02",
    "SHALL maintain a double queue for each connected subscriber, allowing outgoing and incoming messages to be queued "
    "independently",
    {"filled": 100, "other_way": "ok", "arrives": ["back"]},
)
def xpub_both_ways(stage):
    """XPUB sends a hundred messages to XSUB (all limits 2); XSUB nb-sends; XPUB receives.

    Sockets: XPUB, XSUB over inproc.
    """
    return queues.both_ways(stage, "XPUB", "XSUB")


@clause(
    "RFC29-XPUB-03",
    "SHALL create a double queue when initiating an outgoing connection to a subscriber, and SHALL maintain the double "
    "queue whether or not the connection is established",
    {"sends": ["ok"] * 3, "received": []},
    claimed={"sends": ["ok"] * 3, "received": [0, 1, 2]},
)
def xpub_queue_before_connection(stage):
    """XPUB connects where nobody listens and sends three messages; SUB binds there and drains.

    Sockets: XPUB, SUB over tcp.

    The queue is there, but before a subscription has come no message matches.
    """
    return queues.queued_before_connection(stage, "XPUB", "SUB")


@clause(
    "RFC29-XPUB-04",
    "SHALL create a double queue when a subscriber connects to it. If this subscriber disconnects, the XPUB socket "
    "SHALL destroy its double queue and SHALL discard any messages it contains",
    {"outgoing": {"old_peer": [], "next_peer": [3]}, "incoming": ["1", "2", "\\x00"]},
    claimed={"outgoing": {"old_peer": [], "next_peer": [3]}, "incoming": ["\\x00"]},
)
def xpub_queue_goes_with_peer(stage):
    """XPUB binds and sends 0, 1, 2 to a SUB that disconnects without reading; another connects; XPUB sends 3. Then an
    XSUB sends 1 and 2 to an XPUB and closes; the XPUB drains.

    Sockets: XPUBx2, SUBx2, XSUB over inproc, tcp.

    What has arrived is still delivered, before the unsubscription that the XPUB makes of the end.
    """
    outgoing = queues.dropped_with_the_peer(stage, "XPUB", "SUB")
    xpub, xsub = make(stage, "XPUB"), make(stage, "XSUB")
    join(stage, xpub, xsub, "tcp")
    for body in (b"1", b"2"):
        xsub.send(body)
    stage.sleep(0.1)
    xsub.close()
    stage.sleep(0.2)
    return {"outgoing": outgoing, "incoming": _notes(stage, xpub, 0.1)}


@clause(
    "RFC29-XPUB-05",
    "SHOULD constrain incoming and outgoing queue sizes to a runtime-configurable limit",
    {"outgoing": {"2+3": 5, "20+10": 30}, "incoming_uncalled": 4, "incoming_polled": 50},
    claimed={"outgoing": {"2+3": 5, "20+10": 30}, "incoming_uncalled": 4, "incoming_polled": 4},
)
def xpub_limit(stage):
    """XPUB (SNDHWM 2, 20) sends a hundred messages to SUB (RCVHWM 3, 10), which drains. XSUB (SNDHWM=2) sends fifty
    messages to an XPUB (RCVHWM=3) that is not called meanwhile, to another that is polled after each; they drain.

    Sockets: XPUBx4, SUBx2, XSUBx2 over inproc.

    Whenever it is called an XPUB moves all that came into a list of its own, which has no limit.
    """
    counts = []
    for polled in (False, True):
        xpub, xsub = make(stage, "XPUB", RCVHWM=3), make(stage, "XSUB", SNDHWM=2)
        join(stage, xpub, xsub)
        for _ in range(50):
            stage.offer(xsub, "x")
            if polled:
                xpub.poll(0)
        counts.append(len(stage.drain(xpub, 0.05)))
    return {
        "outgoing": queues.limit(stage, "XPUB", "SUB"),
        "incoming_uncalled": counts[0],
        "incoming_polled": counts[1],
    }


@clause("RFC29-XPUB-06", "SHALL not modify outgoing messages in any way", {"unchanged": True})
def xpub_unchanged(stage):
    """XPUB sends messages of many shapes; SUB compares.

    Sockets: XPUB, SUB over inproc.
    """
    return queues.unchanged(stage, "XPUB", "SUB")


@clause(
    "RFC29-XPUB-07",
    "MAY, depending on the transport, send all messages to all subscribers",
    {"on_the_wire": ["A1", "A2"]},
)
@clause(
    "RFC29-XPUB-08",
    "MAY, depending on the transport, send messages only to subscribers who have a matching subscription",
    {"on_the_wire": ["A1", "A2"]},
)
def xpub_filters(stage):
    """A hand-made SUB subscribes A; XPUB sends B1, A1, B2, A2; the frames on the wire.

    Sockets: XPUB, raw peer over tcp.

    libzmq takes the second way.
    """
    return _only_matching_on_the_wire(stage, "XPUB")


@clause(
    "RFC29-XPUB-09",
    "SHALL perform a binary comparison of the subscription against the start of the first frame of the message",
    {"received": [["\\x00\\xff"], ["\\x00\\xff\\x01", "x"]]},
)
def xpub_prefix(stage):
    r"""SUB subscribes \x00\xff; XPUB sends messages with that at the start, elsewhere, and in the second frame.

    Sockets: XPUB, SUB over inproc.
    """
    return _binary_prefix(stage, "XPUB")


@clause(
    "RFC29-XPUB-10",
    "SHALL silently drop the message if the queue for a subscriber is full",
    {"sends": ["ok"], "received": [0, 1]},
)
def xpub_drops(stage):
    """XPUB (SNDHWM=1) sends 0..9 to SUB (RCVHWM=1), which drains after that.

    Sockets: XPUB, SUB over inproc.
    """
    return _drops_when_full(stage, "XPUB")


@clause("RFC29-XPUB-11", "SHALL NOT block on sending", {"sends": ["ok"] * 5, "waited": False})
def xpub_never_blocks(stage):
    """XPUB sends without a subscriber; another (SNDHWM=1) sends four messages to SUB (RCVHWM=1), willing to wait.

    Sockets: XPUBx2, SUB over inproc.

    With XPUB_NODROP, which is off by default, it would block (C032).
    """
    return _never_blocks(stage, "XPUB")


@clause(
    "RFC29-XPUB-12",
    "SHALL receive incoming messages from its subscribers using a fair-queuing strategy",
    {"order": ["0:1", "0:2", "1:1", "1:2", "2:1", "2:2"]},
    claimed={"order": ["0:1", "1:1", "2:1", "0:2", "1:2", "2:2"]},
)
def xpub_fair(stage):
    """Three XSUBs send two messages each; XPUB drains.

    Sockets: XPUB, XSUBx3 over inproc.

    An XPUB empties the queue of one subscriber before that of the next.
    """
    return queues.taken_in_turn(stage, "XSUB", "XPUB")


@clause("RFC29-XPUB-13", "SHALL deliver these messages to its calling application", {"received": [["a", "b"], ["c"]]})
def xpub_delivers(stage):
    """XSUB sends [a,b] and [c]; XPUB drains.

    Sockets: XPUB, XSUB over tcp.
    """
    xpub, xsub = make(stage, "XPUB"), make(stage, "XSUB")
    join(stage, xpub, xsub, "tcp")
    xsub.send_multipart([b"a", b"b"])
    xsub.send(b"c")
    return {"received": text(stage.drain(xpub, 0.1))}


@clause(
    "RFC29-XPUB-14",
    "SHALL receive subscribe and unsubscribe requests from subscribers depending on the transport protocol used",
    {"notes": [["\\x01A"], ["\\x00A"]]},
)
@clause(
    "RFC29-XPUB-15",
    "SHALL deliver these commands to its calling application",
    {"notes": [["\\x01A"], ["\\x00A"]]},
)
def xpub_takes_requests(stage):
    """SUB subscribes A and unsubscribes A; XPUB reads after each.

    Sockets: XPUB, SUB over tcp.
    """
    xpub, sub = make(stage, "XPUB"), stage.socket(stage.zmq.SUB)
    join(stage, xpub, sub, "tcp")
    notes = []
    for option in (stage.zmq.SUBSCRIBE, stage.zmq.UNSUBSCRIBE):
        sub.setsockopt(option, b"A")
        notes.append(_notes(stage, xpub, 0.1))
    return {"notes": notes}


@clause(
    "RFC29-XPUB-16",
    "MAY, depending on configuration, normalize commands delivered to its calling application so that multiple "
    "identical subscriptions result in a single command only",
    {"plain": ["\\x01A", "\\x00A"], "verbose": ["\\x01A", "\\x01A", "\\x00A"]},
)
def xpub_normalizes(stage):
    """Two SUBs subscribe A and unsubscribe A; XPUB reads; the same with XPUB_VERBOSE.

    Sockets: XPUBx2, SUBx4 over inproc.
    """
    out = []
    for verbose in (0, 1):
        xpub = make(stage, "XPUB", XPUB_VERBOSE=verbose)
        endpoint = stage.bind(xpub, "inproc")
        subs = [stage.socket(stage.zmq.SUB) for _ in range(2)]
        notes = []
        for option in (stage.zmq.SUBSCRIBE, stage.zmq.UNSUBSCRIBE):
            for sub in subs:
                if option == stage.zmq.SUBSCRIBE:
                    sub.connect(endpoint)
                sub.setsockopt(option, b"A")
                notes += _notes(stage, xpub, 0.02)
        out.append(notes)
    return {"plain": out[0], "verbose": out[1]}


@clause(
    "RFC29-XPUB-17",
    "SHALL, if the subscriber peer disconnects prematurely, generate a suitable unsubscribe request for the calling "
    "application",
    {"notes": {"$set": ["\\x00A", "\\x00B"]}},
)
def xpub_speaks_for_the_gone(stage):
    """SUB, subscribed to A and B, closes; XPUB reads.

    Sockets: XPUB, SUB over tcp.
    """
    xpub, sub = make(stage, "XPUB"), stage.socket(stage.zmq.SUB, SUBSCRIBE=b"A")
    sub.setsockopt(stage.zmq.SUBSCRIBE, b"B")
    join(stage, xpub, sub, "tcp")
    sub.close()
    stage.sleep(0.2)
    return {"notes": _notes(stage, xpub, 0.1)}


# -- SUB ----------------------------------------------------------------------------------------------------------


@clause(
    "RFC29-SUB-01",
    "MAY be connected to any number of PUB or XPUB publishers, and SHALL only receive messages",
    {"passed": [True] * 4, "send": "ENOTSUP"},
)
def sub_peers(stage):
    """SUB is bound and connected to two PUBs and two XPUBs, a message from each; SUB nb-sends.

    Sockets: SUB, PUBx2, XPUBx2 over inproc.
    """
    passed = queues.many_peers(stage, "SUB", ["PUB", "PUB", "XPUB", "XPUB"])["passed"]
    return {"passed": passed, "send": stage.offer(make(stage, "SUB"), "x")}


@clause(
    "RFC29-SUB-02",
    "SHALL maintain a single incoming message queue for each connected publisher",
    {"of_each": [3, 3]},
)
def sub_queue_each(stage):
    """Two PUBs (SNDHWM=1) send ten messages each to a SUB (RCVHWM=2), which drains after that.

    Sockets: SUB, PUBx2 over inproc.
    """
    return _own_queue_in(stage, "SUB")


@clause(
    "RFC29-SUB-03",
    "SHALL create a queue when initiating an outgoing connection to a publisher, and SHALL maintain the queue whether "
    "or not the connection is established",
    {"received": [0, 1, 2, 3]},
)
def sub_queue_between_connections(stage):
    """SUB connects; a PUB sends three messages and closes; another binds the endpoint and sends one; SUB drains.

    Sockets: SUB, PUBx2 over tcp.
    """
    return queues.kept_between_connections(stage, "PUB", "SUB")


@clause(
    "RFC29-SUB-04",
    "SHALL create a queue when a publisher connects to it. If this publisher disconnects, the SUB socket SHALL destroy "
    "its queue and SHALL discard any messages it contains",
    {"received": [0, 1, 2]},
    claimed={"received": []},
)
def sub_queue_outlives_peer(stage):
    """A PUB connects, sends three messages and closes; SUB drains after that.

    Sockets: SUB, PUB over tcp.

    What has arrived can still be read: the pipe goes when it has been emptied.
    """
    return queues.unread_when_the_peer_leaves(stage, "PUB", "SUB")


@clause("RFC29-SUB-05", "SHOULD constrain queue sizes to a runtime-configurable limit", {"2+3": 5, "20+10": 30})
def sub_limit(stage):
    """PUB (SNDHWM 2, 20) sends a hundred messages to SUB (RCVHWM 3, 10), which drains after that.

    Sockets: PUB, SUB over inproc.
    """
    return queues.limit(stage, "PUB", "SUB")


@clause(
    "RFC29-SUB-06",
    "SHALL silently discard messages if the queue for a publisher is full",
    {"refused": True, "lost": 0},
    claimed={"refused": False, "lost": "some"},
)
def sub_full(stage):
    """XPUB (SNDHWM=5, XPUB_NODROP=1) sends 64 KiB messages to a SUB (RCVHWM=5) that does not read, until they are
    refused; SUB drains.

    Sockets: XPUB, SUB over tcp.

    A full SUB stops to read from the connection; what is dropped is dropped by the publisher.
    """
    return _full_reader(stage, "SUB")


@clause(
    "RFC29-SUB-07",
    "SHALL receive incoming messages from its publishers using a fair-queuing strategy",
    {"order": ["0:1", "1:1", "2:1", "0:2", "1:2", "2:2"]},
)
def sub_fair(stage):
    """Three PUBs send two messages each; SUB drains.

    Sockets: SUB, PUBx3 over inproc.
    """
    return queues.taken_in_turn(stage, "PUB", "SUB")


@clause("RFC29-SUB-08", "SHALL not modify incoming messages in any way", {"unchanged": True})
def sub_unchanged(stage):
    """PUB sends messages of many shapes; SUB compares.

    Sockets: PUB, SUB over inproc.
    """
    return queues.unchanged(stage, "PUB", "SUB")


@clause(
    "RFC29-SUB-09",
    "MAY, depending on the transport, filter messages according to subscriptions, using a prefix match algorithm",
    {"received": ["A", "AB"]},
)
def sub_filters(stage):
    """SUB subscribes A to an XPUB that is made to send it everything (XPUB_MANUAL); XPUB sends A, B, AB, BA.

    Sockets: XPUB, SUB over inproc.

    A SUB filters once more what its publishers let through.
    """
    return _filters(stage, "SUB")


@clause("RFC29-SUB-10", "SHALL deliver messages to its calling application", {"received": 50})
def sub_delivers(stage):
    """PUB sends fifty messages; SUB drains.

    Sockets: PUB, SUB over tcp.
    """
    pub, sub = make(stage, "PUB"), make(stage, "SUB")
    join(stage, pub, sub, "tcp")
    for _ in range(50):
        pub.send(b"x")
    return {"received": len(stage.drain(sub, 0.1))}


@clause(
    "RFC29-SUB-11",
    "MAY send subscribe and unsubscribe requests to publishers depending on the transport protocol used",
    {"notes": [["\\x01A"], ["\\x01AB"], [], ["\\x00A"]]},
)
def sub_requests(stage):
    """SUB subscribes A, AB, A again (XPUB reads after each), and unsubscribes A twice.

    Sockets: XPUB, SUB over tcp.
    """
    xpub, sub = make(stage, "XPUB"), stage.socket(stage.zmq.SUB)
    join(stage, xpub, sub, "tcp")
    notes = []
    for topic in (b"A", b"AB", b"A"):
        sub.setsockopt(stage.zmq.SUBSCRIBE, topic)
        notes.append(_notes(stage, xpub, 0.1))
    for _ in range(2):
        sub.setsockopt(stage.zmq.UNSUBSCRIBE, b"A")
    return {"notes": [*notes, _notes(stage, xpub, 0.1)]}


# -- XSUB ---------------------------------------------------------------------------------------------------------


@clause(
    "RFC29-XSUB-01",
    "MAY be connected to any number of PUB or XPUB publishers, and MAY both send and receive messages",
    {"passed": [True] * 4, "send": "ok"},
)
def xsub_peers(stage):
    """XSUB is bound and connected to two PUBs and two XPUBs, a message from each; XSUB nb-sends.

    Sockets: XSUB, PUBx2, XPUBx2 over inproc.
    """
    passed = queues.many_peers(stage, "XSUB", ["PUB", "PUB", "XPUB", "XPUB"])["passed"]
    return {"passed": passed, "send": stage.offer(make(stage, "XSUB"), "x")}


@clause(
    "RFC29-XSUB-02",
    "SHALL maintain a double queue for each connected publisher, allowing outgoing and incoming messages to be queued "
    "independently",
    {"filled": 100, "other_way": "ok", "arrives": ["back"]},
)
def xsub_both_ways(stage):
    """XSUB sends a hundred messages to XPUB (all limits 2); XPUB nb-sends; XSUB receives.

    Sockets: XSUB, XPUB over inproc.
    """
    return queues.both_ways(stage, "XSUB", "XPUB")


@clause(
    "RFC29-XSUB-03",
    "SHALL create a double queue when initiating an outgoing connection to a publisher, and SHALL maintain the double "
    "queue whether or not the connection is established",
    {"between": {"received": [0, 1, 2, 3]}, "before": ["\\x01A", "hello"]},
)
def xsub_queue_before_connection(stage):
    """XSUB connects; a PUB sends three messages and closes; another binds the endpoint and sends one; XSUB drains.
    Another XSUB connects where nobody listens, subscribes A and sends hello; XPUB binds there and drains.

    Sockets: XSUBx2, PUBx2, XPUB over tcp.
    """
    endpoint, release = stage.free_endpoint()
    xsub, xpub = stage.socket(stage.zmq.XSUB, RECONNECT_IVL=50), make(stage, "XPUB")
    xsub.connect(endpoint)
    xsub.send(b"\x01A")
    xsub.send(b"hello")
    release()
    xpub.bind(endpoint)
    before = _notes(stage, xpub, 0.4)
    return {"between": queues.kept_between_connections(stage, "PUB", "XSUB"), "before": before}


@clause(
    "RFC29-XSUB-04",
    "SHALL create a double queue when a publisher connects to it. If this publisher disconnects, the XSUB socket SHALL "
    "destroy its double queue and SHALL discard any messages it contains",
    {"received": [0, 1, 2]},
    claimed={"received": []},
)
def xsub_queue_outlives_peer(stage):
    """A PUB connects, sends three messages and closes; XSUB drains after that.

    Sockets: XSUB, PUB over tcp.

    What has arrived can still be read: the pipe goes when it has been emptied.
    """
    return queues.unread_when_the_peer_leaves(stage, "PUB", "XSUB")


@clause(
    "RFC29-XSUB-05",
    "SHOULD constrain incoming and outgoing queue sizes to a runtime-configurable limit",
    {"incoming": {"2+3": 5, "20+10": 30}, "outgoing": {"2+3": 4, "20+10": 29}},
)
def xsub_limit(stage):
    """PUB (SNDHWM 2, 20) sends a hundred messages to XSUB (RCVHWM 3, 10), which drains after that; the same from XSUB
    to XPUB.

    Sockets: PUB, XSUB, XPUB over inproc.

    Upstream the subscription counts as well.
    """
    return {"incoming": queues.limit(stage, "PUB", "XSUB"), "outgoing": queues.limit(stage, "XSUB", "XPUB")}


@clause("RFC29-XSUB-06", "SHALL not modify incoming messages in any way", {"unchanged": True})
def xsub_unchanged(stage):
    """PUB sends messages of many shapes; XSUB compares.

    Sockets: PUB, XSUB over inproc.
    """
    return queues.unchanged(stage, "PUB", "XSUB")


@clause(
    "RFC29-XSUB-07",
    "SHALL silently discard messages if the incoming queue for a publisher is full",
    {"refused": True, "lost": 0},
    claimed={"refused": False, "lost": "some"},
)
def xsub_full(stage):
    """XPUB (SNDHWM=5, XPUB_NODROP=1) sends 64 KiB messages to an XSUB (RCVHWM=5) that does not read, until they are
    refused; XSUB drains.

    Sockets: XPUB, XSUB over tcp.

    A full XSUB stops to read from the connection; what is dropped is dropped by the publisher.
    """
    return _full_reader(stage, "XSUB")


@clause(
    "RFC29-XSUB-08",
    "SHALL receive incoming messages from its publishers using a fair-queuing strategy",
    {"order": ["0:1", "1:1", "2:1", "0:2", "1:2", "2:2"]},
)
def xsub_fair(stage):
    """Three PUBs send two messages each; XSUB drains.

    Sockets: XSUB, PUBx3 over inproc.
    """
    return queues.taken_in_turn(stage, "PUB", "XSUB")


@clause(
    "RFC29-XSUB-09",
    "MAY, depending on the transport, filter messages according to subscriptions, using a prefix match algorithm",
    {"received": ["A", "B", "AB", "BA"]},
)
def xsub_filters(stage):
    """XSUB subscribes A to an XPUB that is made to send it everything (XPUB_MANUAL); XPUB sends A, B, AB, BA.

    Sockets: XPUB, XSUB over inproc.

    Other than a SUB, an XSUB leaves the filtering to its publishers.
    """
    return _filters(stage, "XSUB")


@clause("RFC29-XSUB-10", "SHALL deliver messages to its calling application", {"received": 50})
def xsub_delivers(stage):
    """PUB sends fifty messages; XSUB drains.

    Sockets: PUB, XSUB over tcp.
    """
    pub, xsub = make(stage, "PUB"), make(stage, "XSUB")
    join(stage, pub, xsub, "tcp")
    for _ in range(50):
        pub.send(b"x")
    return {"received": len(stage.drain(xsub, 0.1))}


@clause(
    "RFC29-XSUB-11",
    "SHALL not modify outgoing messages in any way",
    {"unchanged": True, "like_a_command": []},
    claimed={"unchanged": True, "like_a_command": [["ab", "\\x00cd"]]},
)
def xsub_outgoing_unchanged(stage):
    r"""XSUB sends messages of many shapes, none of whose frames begins as a subscription does; XPUB compares. XSUB
    sends [ab,\x00cd]; XPUB drains.

    Sockets: XSUB, XPUB over inproc.

    Every frame, not only the first, is looked at: one that cancels what was never subscribed is taken out, and the
    message never ends. With ONLY_FIRST_SUBSCRIBE it would.
    """
    xpub, xsub = make(stage, "XPUB"), make(stage, "XSUB")
    join(stage, xpub, xsub)
    for frames in _FRAMES:
        xsub.send_multipart(frames)
    unchanged = stage.drain(xpub, 0.05) == list(_FRAMES)
    xsub.send_multipart([b"ab", b"\x00cd"])
    return {"unchanged": unchanged, "like_a_command": text(stage.drain(xpub, 0.05))}


@clause("RFC29-XSUB-12", "SHALL send all messages to all connected publishers", {"received": [[1, 2], [1, 2], [1, 2]]})
def xsub_to_all(stage):
    """XSUB sends 1 and 2; three XPUBs drain.

    Sockets: XSUB, XPUBx3 over inproc.
    """
    xsub = stage.socket(stage.zmq.XSUB)
    xpubs = [make(stage, "XPUB") for _ in range(3)]
    for xpub in xpubs:
        join(stage, xpub, xsub)
    for body in (b"1", b"2"):
        xsub.send(body)
    return {"received": [numbers(stage.drain(xpub, 0.05)) for xpub in xpubs]}


@clause(
    "RFC29-XSUB-13",
    "SHALL silently drop the message if the outgoing queue for a publisher is full",
    {"sends": ["ok"], "received": [10, 11]},
)
def xsub_drops(stage):
    """XSUB (SNDHWM=1) sends 10..19 to XPUB (RCVHWM=1), which is not called meanwhile and drains after that.

    Sockets: XSUB, XPUB over inproc.
    """
    xpub, xsub = make(stage, "XPUB", RCVHWM=1), stage.socket(stage.zmq.XSUB, SNDHWM=1)
    join(stage, xpub, xsub)
    results = {stage.offer(xsub, "%d" % number) for number in range(10, 20)}
    return {"sends": sorted(results), "received": numbers(stage.drain(xpub, 0.05))}


@clause("RFC29-XSUB-14", "SHALL NOT block on sending", {"sends": ["ok"] * 5, "waited": False})
def xsub_never_blocks(stage):
    """XSUB sends without a publisher; another (SNDHWM=1) sends four messages to XPUB (RCVHWM=1), willing to wait.

    Sockets: XSUBx2, XPUB over inproc.
    """
    alone, xsub = stage.socket(stage.zmq.XSUB), stage.socket(stage.zmq.XSUB, SNDHWM=1)
    xpub = make(stage, "XPUB", RCVHWM=1)
    join(stage, xpub, xsub)
    began_ns = stage.now_ns()
    results = [stage.attempt(socket.send, b"x") for socket in (alone, xsub, xsub, xsub, xsub)]
    return {"sends": results, "waited": stage.now_ns() - began_ns >= 1_000_000_000}


@clause(
    "RFC29-XSUB-15",
    "SHALL accept subscription commands from its calling application",
    {"sends": ["ok", "ok"], "notes": [["\\x01A"], ["\\x00A"]]},
)
@clause(
    "RFC29-XSUB-16",
    "SHALL send subscribe and unsubscribe requests to publishers depending on the transport protocol used",
    {"sends": ["ok", "ok"], "notes": [["\\x01A"], ["\\x00A"]]},
)
def xsub_requests(stage):
    r"""XSUB sends \x01A and \x00A; XPUB reads after each.

    Sockets: XSUB, XPUB over tcp.
    """
    xpub, xsub = make(stage, "XPUB"), stage.socket(stage.zmq.XSUB)
    join(stage, xpub, xsub, "tcp")
    sends, notes = [], []
    for body in (b"\x01A", b"\x00A"):
        sends.append(stage.offer(xsub, body))
        notes.append(_notes(stage, xpub, 0.1))
    return {"sends": sends, "notes": notes}


@clause(
    "RFC29-XSUB-17",
    "When closing a connection to a publisher SHOULD send unsubscribe requests for all subscriptions",
    {"disconnect": [], "close": []},
    claimed={"disconnect": ["\\x06CANCELA"], "close": ["\\x06CANCELA"]},
)
def xsub_at_the_end(stage):
    """A hand-made XPUB is connected to an XSUB that has subscribed A; the XSUB unbinds its endpoint, another closes:
    the frames on the wire after the subscription.

    Sockets: XSUBx2, raw peer over tcp.

    The publisher finds out for itself (RFC29-XPUB-17).
    """
    out = {}
    for name in ("disconnect", "close"):
        xsub = stage.socket(stage.zmq.XSUB)
        endpoint = stage.bind(xsub)
        peer = dial(stage, endpoint)
        peer.handshake(b"XPUB")
        stage.settle(0.05)
        xsub.send(b"\x01A")
        peer.read_frame()
        if name == "disconnect":
            xsub.unbind(endpoint)
        else:
            xsub.close()
        stage.settle(0.1)
        out[name] = []
        while (got := peer.read_frame(0.1)) is not None:
            out[name].append(text(got[1]))
    return out
