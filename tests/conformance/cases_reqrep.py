"""Conformance cases: reqrep."""

from __future__ import annotations

from tests.both.stage import text

from .cases import case


def _req_format(stage, transport):
    zmq = stage.zmq
    req = stage.socket(zmq.REQ)
    ep = stage.bind(req, transport)
    router = stage.socket(zmq.ROUTER)
    router.connect(ep)
    stage.settle()
    req.send_multipart([b"ABC", b"DEF"])
    m = router.recv_multipart()
    router.send_multipart([m[0], b"", b"GHI"])
    return {"id_len": len(m[0]), "rest": text(m[1:]), "reply": stage.take(req)}


@case("C204", {"id_len": 5, "rest": ["", "ABC", "DEF"], "reply": ["GHI"]})
def c204(stage):
    """REQ binds, ROUTER connects. REQ sends [ABC,DEF]; ROUTER receives; it answers [id,'',GHI]; REQ receives.

    Sockets: REQ, ROUTER over tcp.

    Source: libzmq tests/test_spec_req.cpp: test_req_message_format; RFC 28 REQ wire format.
    """
    return _req_format(stage, "tcp")


def _current_peer(stage, transport):
    zmq = stage.zmq
    req = stage.socket(zmq.REQ, ROUTING_ID=b"A")
    ep = stage.bind(req, transport)
    routers = []
    for _ in range(3):
        k = stage.socket(zmq.ROUTER, ROUTER_MANDATORY=1)
        k.connect(ep)
        routers.append(k)
        stage.settle(0.15)
    stage.settle()
    out, hits = ([], [])
    for _i in range(3):
        stage.settle(0.05)
        req.send(b"ABC")
        hit = None
        for j, k in enumerate(routers):
            if k.poll(200 if hit is None else 0):
                k.recv_multipart()
                hit = j
        hits.append(hit)
        for j, k in enumerate(routers):
            k.send_multipart([b"A", b"", b"GOOD" if j == hit else b"WRONG"])
        out.append(stage.take(req))
    return {"asked": hits, "replies": out}


@case("C206", {"asked": [0, 1, 2], "replies": [["GOOD"], ["GOOD"], ["GOOD"]]})
def c206(stage):
    """REQ (ROUTING_ID A) binds, three mandatory ROUTERs connect (each settled). Three times: REQ sends; the ROUTER
    that got it answers GOOD, the two others send WRONG to A; REQ receives.

    Sockets: REQ, ROUTERx3 over inproc.

    Source: libzmq tests/test_spec_req.cpp: test_req_only_listens_to_current_peer (disabled there); RFC 28 REQ 'SHALL
    accept an incoming message only from the last peer that it sent a request to' / 'SHALL discard silently any
    messages received from other peers'.
    """
    return _current_peer(stage, "inproc")


def _envelope(stage, transport):
    zmq = stage.zmq
    rep, dealer, _ = stage.pair(transport, zmq.REP, zmq.DEALER)
    out = []
    for m in ([b"", b"A"], [b"X", b"Y", b"", b"A"]):
        dealer.send_multipart(m)
        got = stage.take(rep)
        rep.send(b"A")
        out.append([got, stage.take(dealer)])
    return {"minimal": out[0], "big": out[1]}


@case("C208", {"minimal": [["A"], ["", "A"]], "big": [["A"], ["X", "Y", "", "A"]]})
def c208(stage):
    """REP binds, DEALER connects. DEALER sends ['',A]; REP receives and answers A; DEALER receives. Then the same
    with [X,Y,'',A].

    Sockets: REP, DEALER over inproc.

    Source: libzmq tests/test_spec_rep.cpp: test_envelope; RFC 28 REP 'SHALL remove and store the address envelope
    ...'.
    """
    return _envelope(stage, "inproc")


def _rep_fair(stage, transport):
    zmq = stage.zmq
    rep = stage.socket(zmq.REP)
    ep = stage.bind(rep, transport)
    reqs = []
    for _ in range(5):
        k = stage.socket(zmq.REQ)
        k.connect(ep)
        reqs.append(k)
    stage.settle()
    for _ in range(2):
        reqs[0].send(b"A")
        rep.recv()
        rep.send(b"A")
        reqs[0].recv()
    for i, k in enumerate(reqs):
        k.send(b"%d" % i)
    stage.settle()
    served = []
    while rep.poll(200):
        m = rep.recv()
        served.append(text(m))
        rep.send(b"re" + m)
    return {"served": sorted(served), "replies": [stage.take(k, 0.5) for k in reqs]}


@case("C210", {"served": ["0", "1", "2", "3", "4"], "replies": [["re0"], ["re1"], ["re2"], ["re3"], ["re4"]]})
def c210(stage):
    """REP binds, five REQs connect. Two round trips with the first; then all five send their number; REP answers each
    as it comes.

    Sockets: REP, REQx5 over inproc.

    Source: libzmq tests/test_spec_rep.cpp: test_fair_queue_in; RFC 28 REP 'SHALL deliver this message back to the
    originating peer'.

    The order of service is not part of the claim.
    """
    return _rep_fair(stage, "inproc")


@case("C212", {"req_recv": "EFSM", "rep_send": "EFSM", "roundtrip": ["asdf"]})
def c212(stage):
    """REQ binds, REP connects, settle. nb-recv on REQ before any send; nb-send on REP before any receive; then a
    normal round trip.

    Sockets: REQ, REP over tcp.

    Source: pyzmq tests/test_reqrep.py: test_bad_send_recv.
    """
    zmq = stage.zmq
    a, b, _ = stage.pair("tcp", zmq.REQ, zmq.REP)
    x = stage.attempt(a.recv, zmq.DONTWAIT)
    y = stage.attempt(b.send, b"asdf", zmq.DONTWAIT)
    a.send(b"asdf")
    b.send(b.recv())
    return {"req_recv": x, "rep_send": y, "roundtrip": stage.take(a)}


@case("C214", {"request_id_len": 4, "rest": ["", "ABC", "DEF"], "reply": ["GHI"]})
def c214(stage):
    """ROUTER binds, REQ (REQ_CORRELATE=1) connects, sends [ABC,DEF]. ROUTER receives; answers [id, wrong request id,
    '', DATA], then [id, right request id, '', GHI]. REQ receives.

    Sockets: REQ, ROUTER over tcp.

    Source: libzmq tests/test_req_correlate.cpp: test_req_correlate.
    """
    zmq = stage.zmq
    router, req, _ = stage.pair("tcp", zmq.ROUTER, zmq.REQ, connect_options={"REQ_CORRELATE": 1})
    req.send_multipart([b"ABC", b"DEF"])
    m = router.recv_multipart()
    bad = bytes([m[1][0] ^ 1]) + m[1][1:]
    router.send_multipart([m[0], bad, b"", b"DATA"])
    router.send_multipart([m[0], m[1], b"", b"GHI"])
    return {"request_id_len": len(m[1]), "rest": text(m[2:]), "reply": stage.take(req)}


class _Relaxed:
    """REQ (relaxed, correlate) bound, five REPs connected in order."""

    def __init__(self, stage):
        zmq = stage.zmq
        self.stage = stage
        self.req = stage.socket(zmq.REQ, REQ_RELAXED=1, REQ_CORRELATE=1)
        ep = stage.bind(self.req)
        self.reps = []
        for _ in range(5):
            k = stage.socket(zmq.REP)
            k.connect(ep)
            stage.settle()
            self.reps.append(k)

    def ask(self, *frames):
        """Send; (index, request) of the REP that got it."""
        self.req.send_multipart(list(frames))
        end_ns = self.stage.now_ns() + 2_000_000_000
        while self.stage.now_ns() < end_ns:
            for i, k in enumerate(self.reps):
                if k.poll(5):
                    return [i, text(k.recv_multipart())]
        return None

    def overtake(self):
        """Two requests before the first reply, then an ordinary one."""
        events = [self.req.getsockopt(self.stage.zmq.EVENTS)]
        a = self.ask(b"A", b"B")
        events.append(self.req.getsockopt(self.stage.zmq.EVENTS))
        b = self.ask(b"C", b"D")
        self.reps[a[0]].send(b"WRONG")
        self.reps[b[0]].send(b"OK")
        replies = [self.stage.take(self.req)]
        c = self.ask(b"E")
        self.reps[c[0]].send_multipart([b"F", b"G"])
        replies.append(self.stage.take(self.req))
        return {"events": events, "asked": [a, b, c], "replies": replies}


@case(
    "C215", {"events": [2, 2], "asked": [[0, ["A", "B"]], [1, ["C", "D"]], [2, ["E"]]], "replies": [["OK"], ["F", "G"]]}
)
def c215(stage):
    """REQ (REQ_RELAXED=1, REQ_CORRELATE=1) binds, five REPs connect in order. REQ sends [A,B] (arrives at a REP, not
    answered), sends [C,D] (next REP). The first REP answers WRONG, the second OK; REQ receives. Then [E] is answered
    [F,G]. `events` is REQ's poll state before and after the first request (2 = writable).

    Sockets: REQ, REPx5 over tcp.

    Source: libzmq tests/test_req_relaxed.cpp: test_case_1.
    """
    return _Relaxed(stage).overtake()


@case("C216", {"asked": [[3, ["H"]], [4, ["I"]]], "reply": ["GOOD"]})
def c216(stage):
    """After C215: REQ sends H, REP 3 answers BAD and the answer has arrived at REQ unread; REQ sends I, REP 4 answers
    GOOD; REQ receives.

    Sockets: REQ, REPx5 over tcp.

    Source: libzmq tests/test_req_relaxed.cpp: test_case_2.
    """
    relaxed = _Relaxed(stage)
    relaxed.overtake()
    h = relaxed.ask(b"H")
    relaxed.reps[h[0]].send(b"BAD")
    stage.settle()
    i = relaxed.ask(b"I")
    relaxed.reps[i[0]].send(b"GOOD")
    return {"asked": [h, i], "reply": stage.take(relaxed.req)}


@case("C218", {"router_got": 2, "reply": ["ANSWER"]})
def c218(stage):
    """REQ (relaxed, correlate) connects to a port nobody listens on, sends DISCARD, then ANSWER. ROUTER binds the
    port, echoes both messages in order. REQ receives.

    Sockets: REQ, ROUTER over tcp.

    Source: libzmq tests/test_req_relaxed.cpp: test_case_4.
    """
    zmq = stage.zmq
    ep, release = stage.free_endpoint()
    req = stage.socket(zmq.REQ, REQ_RELAXED=1, REQ_CORRELATE=1)
    req.connect(ep)
    req.send(b"DISCARD")
    req.send(b"ANSWER")
    release()
    router = stage.socket(zmq.ROUTER)
    router.bind(ep)
    n = 0
    for m in stage.drain(router, 0.7):
        n += 1
        router.send_multipart(m)
    return {"router_got": n, "reply": stage.take(req)}


@case("C220", {"request": ["", "r"], "reply": ["b"]})
def c220(stage):
    """ROUTER binds, REQ connects, sends r. ROUTER receives [id,'',r]; sends the single frame [id] (no body), then
    [id,'',b]. REQ receives.

    Sockets: ROUTER, REQ over inproc.

    Source: libzmq tests/test_invalid_rep.cpp: test_invalid_rep.
    """
    zmq = stage.zmq
    router, req, _ = stage.pair("inproc", zmq.ROUTER, zmq.REQ)
    req.send(b"r")
    m = router.recv_multipart()
    router.send(m[0])
    router.send_multipart([m[0], b"", b"b"])
    return {"request": text(m[1:]), "reply": stage.take(req)}


def _no_delimiter(stage, transport):
    zmq = stage.zmq
    router, req, _ep = stage.pair(transport, zmq.ROUTER, zmq.REQ)
    req.send(b"q")
    q = router.recv_multipart()
    router.send_multipart([q[0], b"bad"])
    stage.settle(0.2)
    router.send_multipart([q[0], b"", b"good"])
    return {"reply": stage.take(req, 0.7)}


@case("C221", {"reply": ["good"]})
def c221(stage):
    """ROUTER binds, REQ connects, sends q. ROUTER answers [id,bad] (no empty delimiter), later [id,'',good]. REQ
    receives.

    Sockets: ROUTER, REQ over inproc.

    Source: RFC 28 REQ wire format (delimiter); libzmq tests/test_invalid_rep.cpp.

    On inproc the malformed answer is skipped.
    """
    return _no_delimiter(stage, "inproc")


@case("C222", {"reply": "EAGAIN"}, claimed={"reply": ["good"]})
def c222(stage):
    """As C221 over tcp.

    Sockets: ROUTER, REQ over tcp.

    Source: RFC 28 REQ wire format (delimiter); libzmq tests/test_invalid_rep.cpp.

    Over a network transport the malformed answer makes REQ's session drop the connection, so the later good answer is
    lost: the same scenario ends differently on inproc and tcp.
    """
    return _no_delimiter(stage, "tcp")


@case("C223", {"reply_to_gone": "ok", "next_roundtrip": ["two"]})
def c223(stage):
    """REP binds, REQ connects and sends; REP receives; REQ closes, settle; REP answers. Then another REQ connects and
    has a round trip.

    Sockets: REP, REQ, REQ over ipc.

    Source: libzmq tests/test_reqrep_ipc.cpp: test_leak; RFC 28 REP 'SHALL silently discard the reply, or return an
    error, if the originating peer is no longer connected'.
    """
    zmq = stage.zmq
    rep, req, ep = stage.pair("ipc", zmq.REP, zmq.REQ)
    req.send(b"one")
    rep.recv()
    req.close()
    stage.settle()
    a = stage.attempt(rep.send, b"one", zmq.DONTWAIT)
    q = stage.socket(zmq.REQ)
    q.connect(ep)
    q.send(b"two")
    rep.send(rep.recv())
    return {"reply_to_gone": a, "next_roundtrip": stage.take(q)}


@case("C225", {"frames_through": [4, 4], "request": ["ABC", "DEF"], "reply": ["GHI", "JKL"]})
def c225(stage):
    """A device by hand: DEALER and ROUTER bind; REP connects to DEALER, REQ to ROUTER. REQ sends [ABC,DEF]; the
    frames ROUTER receives are passed to DEALER as they are; REP receives, answers [GHI,JKL]; passed back.

    Sockets: DEALER, ROUTER, REP, REQ over tcp.

    Source: libzmq tests/test_reqrep_device.cpp: test_roundtrip.
    """
    zmq = stage.zmq
    dealer, router = (stage.socket(zmq.DEALER), stage.socket(zmq.ROUTER))
    e1, e2 = (stage.bind(dealer), stage.bind(router))
    rep, req = (stage.socket(zmq.REP), stage.socket(zmq.REQ))
    rep.connect(e1)
    req.connect(e2)
    stage.settle()
    req.send_multipart([b"ABC", b"DEF"])
    m = router.recv_multipart()
    dealer.send_multipart(m)
    q = stage.take(rep)
    rep.send_multipart([b"GHI", b"JKL"])
    n = dealer.recv_multipart()
    router.send_multipart(n)
    return {"frames_through": [len(m), len(n)], "request": q, "reply": stage.take(req)}


@case("C227", {"roundtrip": ["a", "b"], "disconnect": "ok", "unbind": "ok"})
def c227(stage):
    """REP binds, REQ connects, a round trip of two frames; REQ disconnects the endpoint, REP unbinds it.

    Sockets: REQ, REP over tcp.

    Source: libzmq tests/test_reqrep_tcp.cpp: test_single_connect_ipv4.
    """
    zmq = stage.zmq
    rep, req, ep = stage.pair("tcp", zmq.REP, zmq.REQ)
    req.send_multipart([b"a", b"b"])
    rep.send_multipart(rep.recv_multipart())
    return {
        "roundtrip": stage.take(req),
        "disconnect": stage.attempt(req.disconnect, ep),
        "unbind": stage.attempt(rep.unbind, ep),
    }


def _dead_and_live(stage, immediate):
    zmq = stage.zmq
    dead, _ = stage.free_endpoint()
    rep = stage.socket(zmq.REP)
    ep = stage.bind(rep)
    req = stage.socket(zmq.REQ, IMMEDIATE=immediate)
    req.connect(dead)
    req.connect(ep)
    stage.settle()
    req.send(b"q")
    got = stage.take(rep, 0.5)
    if isinstance(got, list):
        rep.send(b"r")
    return {"rep_got": got, "reply": stage.take(req, 0.5)}


@case("C231", {"rep_got": ["q"], "reply": ["r"]})
def c231(stage):
    """REP binds. REQ (IMMEDIATE=1) connects first to a port nobody listens on, then to REP; settle; REQ sends q; REP
    answers if it got it.

    Sockets: REQ, REP over tcp.

    Source: RFC 28 REQ round-robin over queues that exist before the connection; libzmq tests/test_immediate.cpp.
    """
    return _dead_and_live(stage, 1)


@case("C233", {"rep_got": ["ok"], "then": "EAGAIN"})
def c233(stage):
    """REP binds, DEALER connects. DEALER sends [x] (no delimiter), then ['',ok]. REP receives.

    Sockets: REP, DEALER over tcp.

    Source: RFC 28 REP envelope: 'zero or more frames ... a delimiter'.

    A request without delimiter is dropped silently.
    """
    zmq = stage.zmq
    rep, d, _ = stage.pair("tcp", zmq.REP, zmq.DEALER)
    d.send(b"x")
    d.send_multipart([b"", b"ok"])
    got = stage.take(rep)
    rep.send(b"r")
    return {"rep_got": got, "then": stage.take(rep, 0.25)}
