"""RFC 28, REQREP: REQ, REP, DEALER and ROUTER, clause by clause."""

from __future__ import annotations

from tests.both.stage import numbers, text

from . import queues
from .cases import clause
from .queues import join, make

# -- REQ ----------------------------------------------------------------------------------------------------------


@clause(
    "RFC28-REQ-01",
    "MAY be connected to any number of REP or ROUTER peers",
    {"replies": [["rep"], ["router"], ["rep"], ["router"]]},
)
def req_peers(stage):
    """REQ connects to a REP and to a ROUTER, and sends four requests; each peer answers with its name.

    Sockets: REQ, REP, ROUTER over inproc.
    """
    req, rep, router = make(stage, "REQ"), make(stage, "REP"), make(stage, "ROUTER")
    join(stage, rep, req)
    join(stage, router, req)
    replies = []
    for place in range(4):
        req.send(b"q")
        if place % 2:
            name, delimiter, _ = router.recv_multipart()
            router.send_multipart([name, delimiter, b"router"])
        else:
            rep.recv()
            rep.send(b"rep")
        replies.append(stage.take(req))
    return {"replies": replies}


@clause(
    "RFC28-REQ-02",
    "SHALL send and then receive exactly one message at a time",
    {"receive_first": "EFSM", "send": "ok", "send_twice": "EFSM", "reply": ["r"], "receive_twice": "EFSM"},
)
def req_lock_step(stage):
    """REQ receives; sends; sends again; receives the reply; receives again.

    Sockets: REQ, REP over inproc.
    """
    req, rep = make(stage, "REQ"), make(stage, "REP")
    join(stage, rep, req)
    receive_first = stage.attempt(req.recv, stage.zmq.DONTWAIT)
    send = stage.offer(req, "q")
    send_twice = stage.offer(req, "q")
    rep.recv()
    rep.send(b"r")
    return {
        "receive_first": receive_first,
        "send": send,
        "send_twice": send_twice,
        "reply": stage.take(req),
        "receive_twice": stage.attempt(req.recv, stage.zmq.DONTWAIT),
    }


def _on_the_wire(stage, *reply):
    req, router = make(stage, "REQ"), make(stage, "ROUTER")
    join(stage, router, req)
    req.send_multipart([b"a", b"b"])
    name, *frames = router.recv_multipart()
    router.send_multipart([name, *reply])
    return text(frames), stage.take(req, 0.2)


@clause(
    "RFC28-REQ-03",
    "The request and reply messages SHALL have this format on the wire: a delimiter, consisting of an empty frame, "
    "added by the REQ socket",
    {"request": ["", "a", "b"], "with_delimiter": ["r"], "without": "EAGAIN"},
)
def req_delimiter(stage):
    """REQ sends [a,b]; ROUTER looks at the frames and answers ['',r], another time [r].

    Sockets: REQ, ROUTER over inproc.
    """
    request, good = _on_the_wire(stage, b"", b"r")
    _, bad = _on_the_wire(stage, b"r")
    return {"request": request, "with_delimiter": good, "without": bad}


@clause(
    "RFC28-REQ-04",
    "One or more data frames, comprising the message visible to the application",
    {"request": ["", "a", "b"], "reply": ["r", "s"]},
)
def req_data_frames(stage):
    """REQ sends [a,b]; ROUTER answers ['',r,s]; REQ receives.

    Sockets: REQ, ROUTER over inproc.
    """
    request, reply = _on_the_wire(stage, b"", b"r", b"s")
    return {"request": request, "reply": reply}


@clause(
    "RFC28-REQ-05",
    "SHALL prefix the outgoing message with an empty delimiter frame",
    {"one": ["", "x"], "empty": ["", ""]},
)
def req_prefixes(stage):
    """REQ sends x; another sends an empty message; ROUTER looks at the frames.

    Sockets: REQx2, ROUTER over inproc.
    """
    router = make(stage, "ROUTER")
    endpoint = stage.bind(router, "inproc")
    out = []
    for body in (b"x", b""):
        req = make(stage, "REQ")
        req.connect(endpoint)
        req.send(body)
        out.append(text(router.recv_multipart()[1:]))
    return {"one": out[0], "empty": out[1]}


@clause(
    "RFC28-REQ-06",
    "SHALL route outgoing messages to connected peers using a round-robin strategy",
    {"served": [0, 1, 2, 0, 1, 2]},
)
def req_round_robin(stage):
    """Three REPs connect to a REQ in turn; it sends six requests, each answered at once by whoever got it.

    Sockets: REQ, REPx3 over inproc.
    """
    req = make(stage, "REQ")
    endpoint = stage.bind(req, "inproc")
    reps = [make(stage, "REP") for _ in range(3)]
    for rep in reps:
        rep.connect(endpoint)
        stage.settle(0.02)
    served = []
    for _ in range(6):
        req.send(b"q")
        stage.sleep(0.005)
        (who,) = [i for i, rep in enumerate(reps) if rep.poll(0)]
        served.append(who)
        reps[who].recv()
        reps[who].send(b"r")
        req.recv()
    return {"served": served}


@clause(
    "RFC28-REQ-07",
    "SHALL block on sending, or return a suitable error, when it has no connected peers",
    {"not_waiting": "EAGAIN", "waiting": "EAGAIN"},
)
def req_no_peer(stage):
    """REQ without a peer sends, not waiting and with SNDTIMEO=50.

    Sockets: REQ.
    """
    return queues.no_peer(stage, "REQ")


@clause(
    "RFC28-REQ-08",
    "SHALL NOT discard messages that it cannot send to a connected peer",
    {"sent": "ok", "received": ["q"], "reply": ["r"]},
)
def req_keeps(stage):
    """REQ connects where nobody listens and sends; REP binds there, receives, answers.

    Sockets: REQ, REP over tcp.
    """
    endpoint, release = stage.free_endpoint()
    req, rep = make(stage, "REQ", RECONNECT_IVL=50), make(stage, "REP")
    req.connect(endpoint)
    sent = stage.offer(req, "q")
    release()
    rep.bind(endpoint)
    received = stage.take(rep)
    rep.send(b"r")
    return {"sent": sent, "received": received, "reply": stage.take(req)}


def _two_routers(stage):
    """(REQ, whoever got its request, the other's name for the REQ, the other)"""
    req = make(stage, "REQ", ROUTING_ID=b"q")
    routers = [make(stage, "ROUTER"), make(stage, "ROUTER")]
    for router in routers:
        join(stage, router, req)
    return req, routers


@clause(
    "RFC28-REQ-09",
    "SHALL accept an incoming message only from the last peer that it sent a request to",
    {"from_other": "EAGAIN", "from_asked": ["right"]},
)
@clause(
    "RFC28-REQ-10",
    "SHALL discard silently any messages received from other peers",
    {"from_other": "EAGAIN", "from_asked": ["right"]},
)
def req_only_the_asked(stage):
    """REQ 'q' is connected to two ROUTERs and asks the first; the second sends it a reply unasked; then the first
    answers.

    Sockets: REQ, ROUTERx2 over inproc.
    """
    req, (asked, other) = _two_routers(stage)
    req.send(b"question")
    name, delimiter, _ = asked.recv_multipart()
    stage.offer(other, "q", "", "wrong")
    from_other = stage.take(req, 0.1)
    asked.send_multipart([name, delimiter, b"right"])
    return {"from_other": from_other, "from_asked": stage.take(req)}


# -- REP ----------------------------------------------------------------------------------------------------------


@clause(
    "RFC28-REP-01",
    "MAY be connected to any number of REQ or DEALER peers",
    {"req": ["r:q"], "dealer": ["", "r:d"]},
)
def rep_peers(stage):
    """A REQ and a DEALER are connected to a REP and ask; it answers.

    Sockets: REP, REQ, DEALER over inproc.
    """
    rep, req, dealer = make(stage, "REP"), make(stage, "REQ"), make(stage, "DEALER")
    endpoint = join(stage, rep, req)
    dealer.connect(endpoint)
    req.send(b"q")
    rep.send(b"r:" + rep.recv())
    dealer.send_multipart([b"", b"d"])
    rep.send(b"r:" + rep.recv())
    return {"req": stage.take(req), "dealer": stage.take(dealer)}


@clause("RFC28-REP-02", "SHALL not filter or modify outgoing or incoming messages in any way", {"unchanged": True})
def rep_unchanged(stage):
    """REQ sends messages of many shapes; REP sends each back; REQ compares.

    Sockets: REP, REQ over inproc.
    """
    rep, req = make(stage, "REP"), make(stage, "REQ")
    join(stage, rep, req)
    same = []
    for frames in queues.SHAPES:
        req.send_multipart(frames)
        rep.send_multipart(rep.recv_multipart())
        same.append(req.recv_multipart() == frames)
    return {"unchanged": all(same)}


@clause(
    "RFC28-REP-03",
    "SHALL receive and then send exactly one message at a time",
    {"send_first": "EFSM", "receive": ["q"], "receive_twice": "EFSM", "send": "ok", "send_twice": "EFSM"},
)
def rep_lock_step(stage):
    """REP sends; receives a request; receives again, although another waits; sends; sends again.

    Sockets: REP, REQx2 over inproc.
    """
    rep, one, two = make(stage, "REP"), make(stage, "REQ"), make(stage, "REQ")
    endpoint = join(stage, rep, one)
    two.connect(endpoint)
    send_first = stage.offer(rep, "r")
    one.send(b"q")
    receive = stage.take(rep)
    two.send(b"q")
    stage.sleep(0.02)
    return {
        "send_first": send_first,
        "receive": receive,
        "receive_twice": stage.attempt(rep.recv, stage.zmq.DONTWAIT),
        "send": stage.offer(rep, "r"),
        "send_twice": stage.offer(rep, "r"),
    }


def _enveloped(stage, *frames):
    """What REP hands its application of a message with these frames, and the frames of its answer [r]"""
    dealer, rep = make(stage, "DEALER"), make(stage, "REP")
    join(stage, rep, dealer)
    dealer.send_multipart(frames)
    got = stage.take(rep, 0.2)
    if got == "EAGAIN":
        return got, "-"
    rep.send(b"r")
    return got, stage.take(dealer)


@clause(
    "RFC28-REP-04",
    "The request and reply messages SHALL have this format on the wire: an address envelope consisting of zero or more "
    "frames, each containing one identity",
    {"none": [["q"], ["", "r"]], "two": [["q"], ["a", "b", "", "r"]]},
)
def rep_envelope(stage):
    """DEALER sends ['',q], another ['a','b','',q]; REP receives and answers r; the frames of the answers.

    Sockets: REP, DEALER over inproc.
    """
    return {"none": list(_enveloped(stage, b"", b"q")), "two": list(_enveloped(stage, b"a", b"b", b"", b"q"))}


@clause(
    "RFC28-REP-05",
    "A delimiter, consisting of an empty frame",
    {"with": [["q"], ["a", "", "r"]], "without": ["EAGAIN", "-"]},
)
def rep_delimiter(stage):
    """DEALER sends ['a','',q], another [q]; does REP receive it?

    Sockets: REP, DEALER over inproc.

    A message without a delimiter is dropped.
    """
    return {"with": list(_enveloped(stage, b"a", b"", b"q")), "without": list(_enveloped(stage, b"q"))}


@clause(
    "RFC28-REP-06",
    "One or more data frames, comprising the message visible to the application",
    {"received": ["q1", "", "q2"]},
)
def rep_data_frames(stage):
    """DEALER sends ['a','',q1,'',q2]; REP receives.

    Sockets: REP, DEALER over inproc.
    """
    return {"received": _enveloped(stage, b"a", b"", b"q1", b"", b"q2")[0]}


@clause(
    "RFC28-REP-07",
    "SHALL receive incoming messages from its peers using a fair-queuing strategy",
    {"order": ["0:1", "1:1", "2:1", "0:2", "1:2", "2:2"]},
)
def rep_fair(stage):
    """Three DEALERs send two requests each; REP answers one after the other.

    Sockets: REP, DEALERx3 over inproc.
    """
    rep = make(stage, "REP")
    endpoint = stage.bind(rep, "inproc")
    dealers = [make(stage, "DEALER") for _ in range(3)]
    for dealer in dealers:
        dealer.connect(endpoint)
        stage.settle(0.02)
    for i, dealer in enumerate(dealers):
        dealer.send_multipart([b"", b"%d:1" % i])
        dealer.send_multipart([b"", b"%d:2" % i])
    order = []
    for _ in range(6):
        order += stage.take(rep)
        rep.send(b"r")
    return {"order": order}


@clause("RFC28-REP-08", "SHALL remove and store the address envelope, including the delimiter", {"received": ["q"]})
@clause("RFC28-REP-09", "SHALL pass the remaining data frames to its calling application", {"received": ["q"]})
def rep_removes_envelope(stage):
    """DEALER sends ['a','b','',q]; REP receives.

    Sockets: REP, DEALER over inproc.
    """
    return {"received": _enveloped(stage, b"a", b"b", b"", b"q")[0]}


@clause(
    "RFC28-REP-10",
    "SHALL wait for a single reply message from its calling application",
    {"before": "EAGAIN", "reply": ["r"], "after": "EAGAIN"},
)
def rep_waits(stage):
    """REQ asks; REP receives and does nothing for 100 ms; REP answers; REQ receives what it can.

    Sockets: REP, REQ over inproc.
    """
    rep, req = make(stage, "REP"), make(stage, "REQ")
    join(stage, rep, req)
    req.send(b"q")
    rep.recv()
    before = stage.take(req, 0.1)
    rep.send(b"r")
    reply = stage.take(req)
    req.send(b"next")
    return {"before": before, "reply": reply, "after": stage.take(req, 0.05)}


@clause("RFC28-REP-11", "SHALL prepend the address envelope and delimiter", {"reply": ["a", "b", "", "r"]})
def rep_prepends(stage):
    """DEALER sends ['a','b','',q]; REP answers r; the frames that DEALER receives.

    Sockets: REP, DEALER over inproc.
    """
    return {"reply": _enveloped(stage, b"a", b"b", b"", b"q")[1]}


@clause(
    "RFC28-REP-12",
    "SHALL deliver this message back to the originating peer",
    {"replies": [["r:0"], ["r:1"], ["r:2"]]},
)
def rep_to_the_asker(stage):
    """Three REQs ask the same REP, which answers each in turn; what each receives.

    Sockets: REP, REQx3 over inproc.
    """
    rep = make(stage, "REP")
    endpoint = stage.bind(rep, "inproc")
    reqs = [make(stage, "REQ") for _ in range(3)]
    for i, req in enumerate(reqs):
        req.connect(endpoint)
        req.send(b"%d" % i)
    for _ in reqs:
        rep.send(b"r:" + rep.recv())
    return {"replies": [stage.take(req) for req in reqs]}


@clause(
    "RFC28-REP-13",
    "SHALL silently discard the reply, or return an error, if the originating peer is no longer connected",
    {"reply": "ok", "other_got": "EAGAIN", "goes_on": ["next"]},
)
def rep_asker_gone(stage):
    """REQ asks and closes; REP answers; another REQ, connected all the while, gets nothing, asks, and is heard.

    Sockets: REP, REQx2 over tcp.
    """
    rep, leaver, other = make(stage, "REP"), make(stage, "REQ"), make(stage, "REQ")
    endpoint = join(stage, rep, leaver, "tcp")
    other.connect(endpoint)
    leaver.send(b"q")
    rep.recv()
    leaver.close()
    stage.settle(0.2)
    reply = stage.offer(rep, "r")
    other.send(b"next")
    return {"reply": reply, "other_got": stage.take(other, 0.1), "goes_on": stage.take(rep)}


@clause("RFC28-REP-14", "SHALL not block on sending", {"replies": {"ok": 40}})
def rep_never_blocks(stage):
    """DEALER (RCVHWM=1) asks forty times without reading; REP (SNDHWM=1) answers each with 64 KiB, not waiting.

    Sockets: REP, DEALER over inproc.
    """
    rep, dealer = make(stage, "REP", SNDHWM=1), make(stage, "DEALER", RCVHWM=1)
    join(stage, rep, dealer)
    replies = {}
    for _ in range(40):
        dealer.send_multipart([b"", b"q"])
        rep.recv()
        result = stage.offer(rep, bytes(65536))
        replies[result] = replies.get(result, 0) + 1
    return {"replies": replies}


# -- DEALER -------------------------------------------------------------------------------------------------------


@clause(
    "RFC28-DEALER-01",
    "MAY be connected to any number of REP or ROUTER peers, and MAY both send and receive messages",
    {"replies": [["", "rep"], ["router"]]},
)
def dealer_peers(stage):
    """DEALER is connected to a REP and to a ROUTER and sends a message to each; both answer.

    Sockets: DEALER, REP, ROUTER over inproc.
    """
    dealer, rep, router = make(stage, "DEALER"), make(stage, "REP"), make(stage, "ROUTER")
    join(stage, rep, dealer)
    join(stage, router, dealer)
    dealer.send_multipart([b"", b"q"])
    dealer.send(b"q")
    rep.recv()
    rep.send(b"rep")
    first = stage.take(dealer)
    router.send_multipart([router.recv_multipart()[0], b"router"])
    return {"replies": [first, stage.take(dealer)]}


@clause("RFC28-DEALER-02", "SHALL not filter or modify outgoing or incoming messages in any way", {"unchanged": True})
def dealer_unchanged(stage):
    """DEALER sends messages of many shapes; DEALER compares.

    Sockets: DEALER, DEALER over inproc.
    """
    return queues.unchanged(stage, "DEALER", "DEALER")


@clause(
    "RFC28-DEALER-03",
    "SHALL maintain a double queue for each connected peer, allowing outgoing and incoming messages to be queued "
    "independently",
    {"filled": 4, "other_way": "ok", "arrives": ["back"]},
)
def dealer_both_ways(stage):
    """DEALER A fills DEALER B (all limits 2); B nb-sends; A receives.

    Sockets: DEALER, DEALER over inproc.
    """
    return queues.both_ways(stage, "DEALER", "DEALER")


@clause(
    "RFC28-DEALER-04",
    "SHALL create a double queue when initiating an outgoing connection to a peer, and SHALL maintain the double queue "
    "whether or not the connection is established",
    {"before": {"sends": ["ok"] * 3, "received": [0, 1, 2]}, "between": {"received": [0, 1, 2, 3]}},
)
def dealer_queue_before_connection(stage):
    """DEALER connects where nobody listens and sends three messages; DEALER binds there and drains. Another is
    connected and sent three messages, its peer is replaced, the next sends one; it drains.

    Sockets: DEALER, DEALER over tcp.
    """
    return {
        "before": queues.queued_before_connection(stage, "DEALER", "DEALER"),
        "between": queues.kept_between_connections(stage, "DEALER", "DEALER"),
    }


@clause(
    "RFC28-DEALER-05",
    "SHALL create a double queue when a peer connects to it. If this peer disconnects, the DEALER socket SHALL destroy "
    "its double queue and SHALL discard any messages it contains",
    {"outgoing": {"old_peer": [], "next_peer": [3]}, "incoming": {"received": [0, 1, 2]}},
    claimed={"outgoing": {"old_peer": [], "next_peer": [3]}, "incoming": {"received": []}},
)
def dealer_queue_goes_with_peer(stage):
    """DEALER binds and sends 0, 1, 2 to a DEALER that disconnects without reading; another connects; 3 is sent. Then a
    DEALER connects over tcp, sends three messages and closes; the bound one drains.

    Sockets: DEALERx5 over inproc, tcp.

    What has arrived can still be read: the pipe goes when it has been emptied.
    """
    return {
        "outgoing": queues.dropped_with_the_peer(stage, "DEALER", "DEALER"),
        "incoming": queues.unread_when_the_peer_leaves(stage, "DEALER", "DEALER"),
    }


@clause(
    "RFC28-DEALER-06",
    "SHOULD constrain incoming and outgoing queue sizes to a runtime-configurable limit",
    {"2+3": 5, "20+10": 30},
)
def dealer_limit(stage):
    """DEALER (SNDHWM 2, 20) fills DEALER (RCVHWM 3, 10), which drains.

    Sockets: DEALER, DEALER over inproc.
    """
    return queues.limit(stage, "DEALER", "DEALER")


@clause(
    "RFC28-DEALER-07",
    "SHALL consider a peer as available only when it has a outgoing queue that is not full",
    {"filled": 2, "then": ["ok"], "free_got": list(range(10, 20)), "full_got": [0, 1]},
)
def dealer_available(stage):
    """DEALER (SNDHWM=1) fills a DEALER (RCVHWM=1); one with room connects; the first sends 10..19.

    Sockets: DEALERx3 over inproc.
    """
    return queues.only_available_peers(stage, "DEALER", "DEALER")


@clause(
    "RFC28-DEALER-08",
    "SHALL route outgoing messages to available peers using a round-robin strategy",
    {"each": [[0, 3], [1, 4], [2, 5]]},
)
def dealer_round_robin(stage):
    """Three DEALERs connect in turn; the bound one sends 0..5.

    Sockets: DEALERx4 over inproc.
    """
    return queues.shared_out(stage, "DEALER", "DEALER")


@clause(
    "RFC28-DEALER-09",
    "SHALL block on sending, or return a suitable error, when it has no available peers",
    {"not_waiting": "EAGAIN", "waiting": "EAGAIN"},
)
def dealer_no_peer(stage):
    """DEALER without a peer sends, not waiting and with SNDTIMEO=50.

    Sockets: DEALER.
    """
    return queues.no_peer(stage, "DEALER")


@clause(
    "RFC28-DEALER-10",
    "SHALL not accept further messages when it has no available peers",
    {"filled": 4, "refused": "EAGAIN", "received": [0, 1, 2, 3], "then": "ok"},
)
@clause(
    "RFC28-DEALER-11",
    "SHALL NOT discard messages that it cannot queue",
    {"filled": 4, "refused": "EAGAIN", "received": [0, 1, 2, 3], "then": "ok"},
)
def dealer_full(stage):
    """DEALER (SNDHWM=2) fills DEALER (RCVHWM=2), nb-sends once more; the other drains; the first nb-sends.

    Sockets: DEALER, DEALER over inproc.
    """
    return queues.nothing_more_when_full(stage, "DEALER", "DEALER")


@clause(
    "RFC28-DEALER-12",
    "SHALL receive incoming messages from its peers using a fair-queuing strategy",
    {"order": ["0:1", "1:1", "2:1", "0:2", "1:2", "2:2"]},
)
def dealer_fair(stage):
    """Three DEALERs send two messages each; the bound one drains.

    Sockets: DEALERx4 over inproc.
    """
    return queues.taken_in_turn(stage, "DEALER", "DEALER")


@clause("RFC28-DEALER-13", "SHALL deliver these to its calling application", {"received": 50})
def dealer_delivers(stage):
    """ROUTER sends fifty messages to a DEALER that said hello; it drains.

    Sockets: DEALER, ROUTER over tcp.
    """
    router, dealer = make(stage, "ROUTER"), make(stage, "DEALER")
    join(stage, router, dealer, "tcp")
    dealer.send(b"hello")
    name, _ = router.recv_multipart()
    for _ in range(50):
        router.send_multipart([name, b"x"])
    return {"received": len(stage.drain(dealer, 0.1))}


# -- ROUTER -------------------------------------------------------------------------------------------------------


@clause(
    "RFC28-ROUTER-01",
    "MAY be connected to any number of REQ, DEALER, or ROUTER peers, and MAY both send and receive messages",
    {"heard": [["", "q"], ["d"], ["r"]], "answers": [["a"], ["a"], ["hub", "a"]]},
)
def router_peers(stage):
    """A REQ, a DEALER and a ROUTER are connected to a ROUTER 'hub' and send; it answers each.

    Sockets: ROUTER, REQ, DEALER, ROUTER over inproc.
    """
    hub = make(stage, "ROUTER", ROUTING_ID=b"hub")
    endpoint = stage.bind(hub, "inproc")
    req, dealer, router = make(stage, "REQ"), make(stage, "DEALER"), make(stage, "ROUTER")
    heard, answers = [], []
    for peer, frames in ((req, [b"q"]), (dealer, [b"d"]), (router, [b"hub", b"r"])):
        peer.connect(endpoint)
        stage.settle(0.02)
        peer.send_multipart(frames)
        name, *body = hub.recv_multipart()
        heard.append(text(body))
        hub.send_multipart([name, *body[:-1], b"a"])
        answers.append(stage.take(peer))
    return {"heard": heard, "answers": answers}


@clause(
    "RFC28-ROUTER-02",
    "SHALL maintain a double queue for each connected peer, allowing outgoing and incoming messages to be queued "
    "independently",
    {"accepted": 4, "sent": "ok", "heard": ["X", "back"], "each": [["0", "1", "2", "3"], ["other"]]},
)
def router_both_ways(stage):
    """ROUTER (mandatory, SNDHWM=2) fills DEALER X (RCVHWM=2); X nb-sends; ROUTER receives, and sends to DEALER Y.

    Sockets: ROUTER, DEALERx2 over inproc.
    """
    router = make(stage, "ROUTER", SNDHWM=2, ROUTER_MANDATORY=1)
    endpoint = stage.bind(router, "inproc")
    peers = [make(stage, "DEALER", RCVHWM=2, ROUTING_ID=name) for name in (b"X", b"Y")]
    for peer in peers:
        peer.connect(endpoint)
    stage.settle(0.05)
    accepted = stage.fill(router, 100, lambda number: [b"X", b"%d" % number])
    sent = stage.offer(peers[0], "back")
    heard = stage.take(router)
    stage.offer(router, "Y", "other")
    each = [[text(message[0]) for message in stage.drain(peer, 0.05)] for peer in peers]
    return {"accepted": accepted, "sent": sent, "heard": heard, "each": each}


@clause(
    "RFC28-ROUTER-03",
    "SHALL create a double queue when initiating an outgoing connection to a peer, and SHALL maintain the double queue "
    "whether or not the connection is established",
    {"unnamed": "EHOSTUNREACH", "named": ["ok"] * 3, "received": [0, 1, 2]},
    claimed={"unnamed": "ok", "named": ["ok"] * 3, "received": [0, 1, 2]},
)
def router_queue_before_connection(stage):
    """ROUTER (mandatory) connects where DEALER X will listen and sends to X; another names the connection X by
    CONNECT_ROUTING_ID and sends three messages to it; DEALER X binds and drains.

    Sockets: ROUTERx2, DEALER over tcp.

    The queue is there, but without a name it cannot be addressed before the peer has told its own.
    """
    endpoint, release = stage.free_endpoint()
    unnamed, named = (make(stage, "ROUTER", ROUTER_MANDATORY=1, RECONNECT_IVL=50) for _ in range(2))
    unnamed.connect(endpoint)
    named.setsockopt(stage.zmq.CONNECT_ROUTING_ID, b"X")
    named.connect(endpoint)
    to_unnamed = stage.offer(unnamed, "X", "x")
    to_named = [stage.offer(named, "X", "%d" % number) for number in range(3)]
    release()
    dealer = make(stage, "DEALER", ROUTING_ID=b"X")
    dealer.bind(endpoint)
    return {"unnamed": to_unnamed, "named": to_named, "received": numbers(stage.drain(dealer, 0.4))}


@clause(
    "RFC28-ROUTER-04",
    "SHALL create a double queue when a peer connects to it. If this peer disconnects, the ROUTER socket SHALL destroy "
    "its double queue and SHALL discard any messages it contains",
    {"gone": "EHOSTUNREACH", "old_peer": [], "next_peer": [3], "incoming": {"received": [0, 1, 2]}},
    claimed={"gone": "EHOSTUNREACH", "old_peer": [], "next_peer": [3], "incoming": {"received": []}},
)
def router_queue_goes_with_peer(stage):
    """ROUTER (mandatory) sends 0, 1, 2 to DEALER X, which disconnects without reading; ROUTER sends to X; another X
    connects; ROUTER sends 3. Then a DEALER connects over tcp, sends three messages and closes; ROUTER drains.

    Sockets: ROUTERx2, DEALERx3 over inproc, tcp.

    What has arrived can still be read: the pipe goes when it has been emptied.
    """
    router, first = make(stage, "ROUTER", ROUTER_MANDATORY=1), make(stage, "DEALER", ROUTING_ID=b"X")
    endpoint = join(stage, router, first)
    for number in range(3):
        router.send_multipart([b"X", b"%d" % number])
    first.disconnect(endpoint)
    stage.settle(0.1)
    gone = stage.offer(router, "X", "x")
    second = make(stage, "DEALER", ROUTING_ID=b"X")
    second.connect(endpoint)
    stage.settle(0.1)
    stage.offer(router, "X", "3")
    return {
        "gone": gone,
        "old_peer": numbers(stage.drain(first, 0.05)),
        "next_peer": numbers(stage.drain(second, 0.05)),
        "incoming": queues.unread_when_the_peer_leaves(stage, "DEALER", "ROUTER"),
    }


@clause(
    "RFC28-ROUTER-05",
    'SHALL identify each double queue using a unique "identity" binary string',
    {"different": True, "lengths": [5, 5, 5], "first_bytes": [0, 0, 0]},
)
def router_identities(stage):
    """Three DEALERs without an identity say hello to a ROUTER; the identities that it gives.

    Sockets: ROUTER, DEALERx3 over tcp.
    """
    router = make(stage, "ROUTER")
    endpoint = stage.bind(router)
    names = []
    for _ in range(3):
        dealer = make(stage, "DEALER")
        dealer.connect(endpoint)
        dealer.send(b"hello")
        names.append(router.recv_multipart()[0])
    return {
        "different": len(set(names)) == 3,
        "lengths": [len(name) for name in names],
        "first_bytes": [name[0] for name in names],
    }


@clause(
    "RFC28-ROUTER-06",
    "SHOULD allow the peer to specify its identity explicitly through the Identity metadata property",
    {"heard": ["me", "hello"]},
)
def router_explicit_identity(stage):
    """DEALER (ROUTING_ID=me) says hello; ROUTER receives.

    Sockets: ROUTER, DEALER over tcp.
    """
    router, dealer = make(stage, "ROUTER"), make(stage, "DEALER", ROUTING_ID=b"me")
    join(stage, router, dealer, "tcp")
    dealer.send(b"hello")
    return {"heard": stage.take(router)}


@clause(
    "RFC28-ROUTER-07",
    "SHOULD constrain incoming and outgoing queue sizes to a runtime-configurable limit",
    {"incoming": {"2+3": 5, "20+10": 30}, "outgoing": 5},
)
def router_limit(stage):
    """DEALER (SNDHWM 2, 20) fills ROUTER (RCVHWM 3, 10), which drains. ROUTER (mandatory, SNDHWM=2) fills DEALER X
    (RCVHWM=3).

    Sockets: ROUTERx3, DEALERx3 over inproc.
    """
    router, dealer = make(stage, "ROUTER", SNDHWM=2, ROUTER_MANDATORY=1), make(stage, "DEALER", RCVHWM=3)
    dealer.setsockopt(stage.zmq.ROUTING_ID, b"X")
    join(stage, router, dealer)
    outgoing = stage.fill(router, 100, lambda number: [b"X", b"%d" % number])
    return {"incoming": queues.limit(stage, "DEALER", "ROUTER"), "outgoing": outgoing}


@clause(
    "RFC28-ROUTER-08",
    "SHALL receive incoming messages from its peers using a fair-queuing strategy",
    {"order": ["0:1", "1:1", "2:1", "0:2", "1:2", "2:2"]},
)
def router_fair(stage):
    """Three DEALERs send two messages each; ROUTER drains.

    Sockets: ROUTER, DEALERx3 over inproc.
    """
    return queues.taken_in_turn(stage, "DEALER", "ROUTER")


@clause(
    "RFC28-ROUTER-09",
    "SHALL prefix each incoming message with a frame containing the identity of the originating double queue",
    {"heard": [["X", "a", "b"], ["Y", ""]]},
)
@clause(
    "RFC28-ROUTER-10",
    "SHALL deliver the resulting messages to its calling application",
    {"heard": [["X", "a", "b"], ["Y", ""]]},
)
def router_prefixes(stage):
    """DEALER X sends [a,b], DEALER Y an empty message; ROUTER receives both.

    Sockets: ROUTER, DEALERx2 over inproc.
    """
    router = make(stage, "ROUTER")
    endpoint = stage.bind(router, "inproc")
    heard = []
    for name, frames in ((b"X", [b"a", b"b"]), (b"Y", [b""])):
        dealer = make(stage, "DEALER", ROUTING_ID=name)
        dealer.connect(endpoint)
        dealer.send_multipart(frames)
        heard.append(stage.take(router))
    return {"heard": heard}


@clause(
    "RFC28-ROUTER-11",
    "SHALL remove the first frame from each outgoing message and use this as the identity of a double queue",
    {"x": [["for", "x"]], "y": [["for y"]]},
)
@clause(
    "RFC28-ROUTER-12",
    "SHALL route the message to the outgoing queue if that queue exists, and has space",
    {"x": [["for", "x"]], "y": [["for y"]]},
)
def router_routes(stage):
    """DEALERs X and Y are connected; ROUTER sends [X,for,x] and [Y,'for y']; both drain.

    Sockets: ROUTER, DEALERx2 over inproc.
    """
    router = make(stage, "ROUTER")
    endpoint = stage.bind(router, "inproc")
    peers = [make(stage, "DEALER", ROUTING_ID=name) for name in (b"X", b"Y")]
    for peer in peers:
        peer.connect(endpoint)
    stage.settle(0.05)
    router.send_multipart([b"X", b"for", b"x"])
    router.send_multipart([b"Y", b"for y"])
    got = [text(stage.drain(peer, 0.05)) for peer in peers]
    return {"x": got[0], "y": got[1]}


def _router_refuses(stage, mandatory):
    router = make(stage, "ROUTER", SNDHWM=1, ROUTER_MANDATORY=mandatory)
    dealer = make(stage, "DEALER", RCVHWM=1, ROUTING_ID=b"X")
    join(stage, router, dealer)
    unknown = stage.offer(router, "Y", "0")
    results = [stage.offer(router, "X", "%d" % number) for number in range(4)]
    return {"unknown": unknown, "full": results[2:], "received": numbers(stage.drain(dealer, 0.05))}


@clause(
    "RFC28-ROUTER-13",
    "SHALL either silently drop the message, or return an error, depending on configuration, if the queue does not "
    "exist, or is full",
    {
        "plain": {"unknown": "ok", "full": ["ok", "ok"], "received": [0, 1]},
        "mandatory": {"unknown": "EHOSTUNREACH", "full": ["EAGAIN", "EAGAIN"], "received": [0, 1]},
    },
)
def router_drops_or_tells(stage):
    """ROUTER (SNDHWM=1) sends to Y, who is not there, and four messages to DEALER X (RCVHWM=1), which drains; without
    and with ROUTER_MANDATORY.

    Sockets: ROUTER, DEALER over inproc.
    """
    return {"plain": _router_refuses(stage, 0), "mandatory": _router_refuses(stage, 1)}


@clause(
    "RFC28-ROUTER-14",
    "SHALL NOT block on sending",
    {"plain": "ok", "mandatory": "EAGAIN"},
    claimed={"plain": "ok", "mandatory": "an error at once"},
)
def router_never_blocks(stage):
    """ROUTER (SNDHWM=1, SNDTIMEO=100) sends to DEALER X, whose queue is full, willing to wait; without and with
    ROUTER_MANDATORY. (With it the call waits for its time limit.)

    Sockets: ROUTER, DEALER over inproc.

    A mandatory ROUTER blocks until there is room, as zmq_setsockopt(3) says.
    """
    out = {}
    for name, mandatory in (("plain", 0), ("mandatory", 1)):
        router = make(stage, "ROUTER", SNDHWM=1, SNDTIMEO=100, ROUTER_MANDATORY=mandatory)
        dealer = make(stage, "DEALER", RCVHWM=1, ROUTING_ID=b"X")
        join(stage, router, dealer)
        for _ in range(2):
            router.send_multipart([b"X", b"x"])
        began_ns = stage.now_ns()
        result = stage.attempt(router.send_multipart, [b"X", b"x"])
        waited = stage.now_ns() - began_ns >= 90_000_000
        assert waited == (name == "mandatory")
        out[name] = result
    return out
