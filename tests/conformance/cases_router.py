"""Conformance cases: router."""

from __future__ import annotations

from tests.both.stage import text

from .cases import case


def _dealer_rr(stage, transport):
    zmq = stage.zmq
    d = stage.socket(zmq.DEALER)
    ep = stage.bind(d, transport)
    reps = []
    for _ in range(5):
        k = stage.socket(zmq.REP)
        k.connect(ep)
        reps.append(k)
    stage.settle()
    for _ in range(5):
        d.send_multipart([b"", b"ABC"])
    return {"each": [[text(m) for m in stage.drain(k, 0.15)] for k in reps]}


@case("C302", {"each": [[["ABC"]], [["ABC"]], [["ABC"]], [["ABC"]], [["ABC"]]]})
def c302(stage):
    """DEALER binds, five REPs connect, settle. DEALER sends ['',ABC] five times; every REP receives.

    Sockets: DEALER, REPx5 over tcp.

    Source: libzmq tests/test_spec_dealer.cpp: test_round_robin_out; RFC 28 DEALER round-robin.
    """
    return _dealer_rr(stage, "tcp")


def _dealer_fair(stage, transport):
    zmq = stage.zmq
    r = stage.socket(zmq.DEALER)
    ep = stage.bind(r, transport)
    ks = []
    for _ in range(5):
        k = stage.socket(zmq.DEALER)
        k.connect(ep)
        ks.append(k)
    stage.settle()
    warm = []
    for _ in range(2):
        ks[0].send(b"A")
        warm.append(stage.take(r))
    for rnd in (1, 2):
        for i, k in enumerate(ks):
            k.send(b"%d:%d" % (i, rnd))
    stage.settle()
    got = [text(m[0]) for m in stage.drain(r)]
    return {"warm": warm, "first_round": sorted(got[:5]), "second_round": sorted(got[5:])}


@case(
    "C304",
    {
        "warm": [["A"], ["A"]],
        "first_round": ["0:1", "1:1", "2:1", "3:1", "4:1"],
        "second_round": ["0:2", "1:2", "2:2", "3:2", "4:2"],
    },
)
def c304(stage):
    """DEALER R binds, five DEALERs connect. The first sends A twice (each received at once). Then all five send their
    first, then all their second message; settle; R drains.

    Sockets: DEALER, DEALERx5 over tcp.

    Source: libzmq tests/test_spec_dealer.cpp: test_fair_queue_in.
    """
    return _dealer_fair(stage, "tcp")


def _dealer_destroy(stage, transport):
    zmq = stage.zmq
    a, b, ep = stage.pair(transport, zmq.DEALER, zmq.DEALER)
    a.send(b"ABC")
    b.send(b"DEF")
    stage.settle(0.1)
    b.disconnect(ep)
    stage.settle()
    s = stage.offer(a, "x")
    r = stage.take(a, 0.25)
    b.connect(ep)
    stage.settle()
    return {"a_send": s, "a_recv": r, "a_recv_later": stage.take(a, 0.25), "b_recv_later": stage.take(b, 0.25)}


@case(
    "C305",
    {"a_send": "EAGAIN", "a_recv": ["DEF"], "a_recv_later": "EAGAIN", "b_recv_later": "EAGAIN"},
    claimed={"a_send": "EAGAIN", "a_recv": "EAGAIN", "a_recv_later": "EAGAIN", "b_recv_later": "EAGAIN"},
)
def c305(stage):
    """DEALER A binds, DEALER B connects. A sends ABC, B sends DEF (both have arrived, unread). B disconnects, settle.
    A nb-sends, nb-recvs. B connects again, settle; both nb-recv.

    Sockets: DEALER, DEALER over inproc.

    Source: libzmq tests/test_spec_dealer.cpp: test_destroy_queue_on_disconnect (disabled there); RFC 28 DEALER 'If
    this peer disconnects ... SHALL destroy its double queue and SHALL discard any messages it contains'.

    The side that did not disconnect can still read what had arrived; this is why the test is disabled upstream.
    """
    return _dealer_destroy(stage, "inproc")


def _router_fair(stage, transport):
    zmq = stage.zmq
    r = stage.socket(zmq.ROUTER)
    ep = stage.bind(r, transport)
    ks = []
    for c in "ABCDE":
        k = stage.socket(zmq.DEALER, ROUTING_ID=c.encode())
        k.connect(ep)
        ks.append(k)
    stage.settle()
    warm = []
    for _ in range(2):
        ks[0].send(b"M")
        warm.append(stage.take(r))
    for k in ks:
        k.send(b"M")
        k.send(b"N")
    stage.sleep(0.3)
    got = [text(m) for m in stage.drain(r)]
    return {"warm": warm, "first_round": sorted(got[:5]), "second_round": sorted(got[5:])}


@case(
    "C308",
    {
        "warm": [["A", "M"], ["A", "M"]],
        "first_round": [["A", "M"], ["B", "M"], ["C", "M"], ["D", "M"], ["E", "M"]],
        "second_round": [["A", "N"], ["B", "N"], ["C", "N"], ["D", "N"], ["E", "N"]],
    },
)
def c308(stage):
    """ROUTER binds, DEALERs with identities A..E connect, settle. A sends M twice (each received at once). Then every
    DEALER sends M and N; 300 ms without any call on ROUTER; ROUTER drains.

    Sockets: ROUTER, DEALERx5 over inproc.

    Source: libzmq tests/test_spec_router.cpp: test_fair_queue_in; RFC 28 ROUTER 'SHALL prefix each incoming message
    with a frame containing the identity'.

    A poll of ROUTER takes one message out of the rotation in advance, so polling while messages arrive can change
    this order.
    """
    return _router_fair(stage, "inproc")


def _router_destroy(stage, transport):
    zmq = stage.zmq
    a, b, ep = stage.pair(transport, zmq.ROUTER, zmq.DEALER, {"ROUTER_MANDATORY": 1}, {"ROUTING_ID": b"B"})
    first = stage.offer(a, "B", "ABC")
    b.send(b"DEF")
    stage.settle(0.1)
    b.disconnect(ep)
    stage.settle()
    s = stage.offer(a, "B", "x")
    r = stage.take(a, 0.25)
    b.connect(ep)
    stage.settle()
    return {
        "first_send": first,
        "a_send": s,
        "a_recv": r,
        "a_recv_later": stage.take(a, 0.25),
        "b_recv_later": stage.take(b, 0.25),
    }


@case(
    "C310",
    {
        "first_send": "ok",
        "a_send": "EHOSTUNREACH",
        "a_recv": ["B", "DEF"],
        "a_recv_later": "EAGAIN",
        "b_recv_later": "EAGAIN",
    },
    claimed={
        "first_send": "ok",
        "a_send": "EHOSTUNREACH",
        "a_recv": "EAGAIN",
        "a_recv_later": "EAGAIN",
        "b_recv_later": "EAGAIN",
    },
)
def c310(stage):
    """ROUTER A (mandatory) binds, DEALER B (identity B) connects, settle. A sends [B,ABC], B sends DEF (both unread).
    B disconnects, settle. A nb-sends to B, nb-recvs. B connects again, settle; both nb-recv.

    Sockets: ROUTER, DEALER over inproc.

    Source: libzmq tests/test_spec_router.cpp: test_destroy_queue_on_disconnect (disabled there); RFC 28 ROUTER same
    clause.

    As C305: what had arrived stays readable.
    """
    return _router_destroy(stage, "inproc")


@case("C312", {"lenient": "ok", "mandatory": "EHOSTUNREACH", "known": "ok", "dealer_got": ["Hello"]})
def c312(stage):
    """ROUTER binds; nb-sends [UNKNOWN,DATA]; sets ROUTER_MANDATORY=1; nb-sends it again. DEALER X connects, says
    Hello, ROUTER receives, nb-sends [X,Hello]; DEALER receives.

    Sockets: ROUTER, DEALER over tcp.

    Source: libzmq tests/test_router_mandatory.cpp: test_basic.
    """
    zmq = stage.zmq
    r = stage.socket(zmq.ROUTER)
    ep = stage.bind(r)
    a = stage.offer(r, "UNKNOWN", "DATA")
    r.setsockopt(zmq.ROUTER_MANDATORY, 1)
    b = stage.offer(r, "UNKNOWN", "DATA")
    d = stage.socket(zmq.DEALER, ROUTING_ID=b"X")
    d.connect(ep)
    d.send(b"Hello")
    r.recv_multipart()
    c = stage.offer(r, "X", "Hello")
    return {"lenient": a, "mandatory": b, "known": c, "dealer_got": stage.take(d)}


@case(
    "C314",
    {"probe": ["X", ""], "client_id_len": 5, "client_id_first_byte": 0, "client_got": "Hello"},
)
def c314(stage):
    """ROUTER S binds; ROUTER C (identity X, PROBE_ROUTER=1) connects and sends nothing. S receives; S sends
    [X,Hello]; C receives.

    Sockets: ROUTER, ROUTER over tcp.

    Source: libzmq tests/test_probe_router.cpp: test_probe_router_router.
    """
    zmq = stage.zmq
    s, c, _ = stage.pair("tcp", zmq.ROUTER, zmq.ROUTER, connect_options={"ROUTING_ID": b"X", "PROBE_ROUTER": 1})
    p = stage.take(s)
    s.send_multipart([b"X", b"Hello"])
    m = c.recv_multipart()
    return {"probe": p, "client_id_len": len(m[0]), "client_id_first_byte": m[0][0], "client_got": text(m[1])}


@case("C316", {"from_one": ["X", "Hello"], "from_two": ["X", "Hello"], "one_got": "EAGAIN", "two_got": ["Hello"]})
def c316(stage):
    """ROUTER (ROUTER_HANDOVER=1) binds. DEALER one (identity X) connects, says Hello, ROUTER receives. DEALER two
    (identity X as well) connects, says Hello; ROUTER receives. ROUTER sends [X,Hello]; both receive.

    Sockets: ROUTER, DEALER, DEALER over tcp.

    Source: libzmq tests/test_router_handover.cpp: test_with_handover.
    """
    zmq = stage.zmq
    r = stage.socket(zmq.ROUTER, ROUTER_HANDOVER=1)
    ep = stage.bind(r)
    dealers, got = [], []
    for _ in range(2):
        d = stage.socket(zmq.DEALER, ROUTING_ID=b"X")
        d.connect(ep)
        d.send(b"Hello")
        got.append(stage.take(r))
        dealers.append(d)
    r.send_multipart([b"X", b"Hello"])
    one, two = (stage.take(d, 0.4) for d in dealers)
    return {"from_one": got[0], "from_two": got[1], "one_got": one, "two_got": two}


def _rid_connect(stage, named):
    zmq = stage.zmq
    b = stage.socket(zmq.ROUTER)
    ep = stage.bind(b)
    c = stage.socket(zmq.ROUTER)
    if named:
        b.setsockopt(zmq.ROUTING_ID, b"X")
        c.setsockopt(zmq.ROUTING_ID, b"Y")
    c.setsockopt(zmq.CONNECT_ROUTING_ID, b"conn1")
    c.connect(ep)
    c.send_multipart([b"conn1", b"hi 1"])
    m = b.recv_multipart()
    b.send_multipart([m[0], b"ok"])
    return {
        "id": "Y" if m[0] == b"Y" else "auto" if m[0][:1] == b"\x00" else text(m[0]),
        "body": text(m[1]),
        "answer": stage.take(c),
    }


@case("C318", {"id": "auto", "body": "hi 1", "answer": ["conn1", "ok"]})
def c318(stage):
    """ROUTER B binds. ROUTER C sets CONNECT_ROUTING_ID=conn1 and connects (no identities set). C at once sends
    [conn1,'hi 1']; B receives [id,'hi 1'], answers [id,ok]; C receives.

    Sockets: ROUTER, ROUTER over tcp.

    Source: libzmq tests/test_connect_rid.cpp: test_router_2_router_unnamed.

    The connecting side's local name wins over the peer's identity.
    """
    return _rid_connect(stage, False)


@case("C320", {"y_got": "EAGAIN", "z_got": ["X", "hi 1"], "x_got": ["Y", "hi 1"]})
def c320(stage):
    """ROUTERs X and Z (identities X, Z) bind; ROUTER Y (identity Y) connects to X naming it X, sends [X,'hi 1'],
    which arrives unread. X connects to Z naming it Z and sends [Z,'hi 1'] at once. Z and Y receive.

    Sockets: ROUTERx3 over tcp.

    Source: libzmq tests/test_connect_rid.cpp: test_router_2_router_while_receiving.
    """
    zmq = stage.zmq
    x = stage.socket(zmq.ROUTER, ROUTING_ID=b"X")
    z = stage.socket(zmq.ROUTER, ROUTING_ID=b"Z")
    y = stage.socket(zmq.ROUTER, ROUTING_ID=b"Y")
    xe, ze = (stage.bind(x), stage.bind(z))
    y.setsockopt(zmq.CONNECT_ROUTING_ID, b"X")
    y.connect(xe)
    y.send_multipart([b"X", b"hi 1"])
    stage.sleep(0.3)
    x.setsockopt(zmq.CONNECT_ROUTING_ID, b"Z")
    x.connect(ze)
    x.send_multipart([b"Z", b"hi 1"])
    stage.sleep(0.3)
    return {"y_got": stage.take(y, 0.25), "z_got": stage.take(z), "x_got": stage.take(x)}


@case("C322", {"messages": 10, "distinct_ids": 10, "lengths": [5], "first_bytes": [0]})
def c322(stage):
    """ROUTER binds, ten DEALERs without identity connect, each sends one message.

    Sockets: ROUTER, DEALERx10 over tcp.

    Source: RFC 28 ROUTER 'SHALL identify each double queue using a unique identity'; RFC 37 'identities starting with
    a zero octet are reserved for implementations' internal use'.
    """
    zmq = stage.zmq
    r = stage.socket(zmq.ROUTER)
    ep = stage.bind(r)
    for _ in range(10):
        d = stage.socket(zmq.DEALER)
        d.connect(ep)
        d.send(b"x")
    ids = [m[0] for m in stage.drain(r, 0.4)]
    return {
        "messages": len(ids),
        "distinct_ids": len(set(ids)),
        "lengths": sorted({len(i) for i in ids}),
        "first_bytes": sorted({i[0] for i in ids}),
    }


@case(
    "C323",
    {"empty": "EINVAL", "one": "ok", "b255": "ok", "b256": "EINVAL", "leading_zero": "ok"},
    claimed={"empty": "ok", "one": "ok", "b255": "ok", "b256": "EINVAL", "leading_zero": "EINVAL"},
)
def c323(stage):
    """Set ROUTING_ID to: empty, 1 byte, 255 bytes, 256 bytes, a zero byte followed by 'ab'.

    Sockets: DEALER.

    Source: RFC 37 'The first octet of the Identity SHALL NOT be zero'; 'identity = 0*255OCTET'.

    The real library refuses the empty one and lets a leading zero pass.
    """
    zmq = stage.zmq
    d = stage.socket(zmq.DEALER)

    def f(v):
        return stage.attempt(d.setsockopt, zmq.ROUTING_ID, v)

    return {"empty": f(b""), "one": f(b"a"), "b255": f(b"a" * 255), "b256": f(b"a" * 256), "leading_zero": f(b"\x00ab")}


@case("C325", {"router_got": ["X", "a", "", "b"], "dealer_got": ["a", "", "b"]})
def c325(stage):
    """ROUTER binds, DEALER X connects, sends [a,'',b]; ROUTER receives and sends it back unchanged; DEALER receives.

    Sockets: ROUTER, DEALER over tcp.

    Source: RFC 28 ROUTER 'SHALL remove the first frame from each outgoing message' / 'SHALL prefix each incoming
    message'.
    """
    zmq = stage.zmq
    r, d, _ = stage.pair("tcp", zmq.ROUTER, zmq.DEALER, connect_options={"ROUTING_ID": b"X"})
    d.send_multipart([b"a", b"", b"b"])
    m = r.recv_multipart()
    r.send_multipart(m)
    return {"router_got": text(m), "dealer_got": stage.take(d)}


@case("C327", {"before": "EHOSTUNREACH", "after": "ok", "received": ["two"]})
def c327(stage):
    """ROUTER (mandatory, no CONNECT_ROUTING_ID) connects to a port nobody listens on and nb-sends [D,one]. DEALER
    with identity D binds the port, settle 500 ms; ROUTER nb-sends [D,two]; DEALER receives.

    Sockets: ROUTER, DEALER over tcp.

    Source: RFC 28 ROUTER (same clause), RFC 37 Identity in READY.

    Without a local name a peer can be addressed only once its handshake has told its identity.
    """
    zmq = stage.zmq
    ep, release = stage.free_endpoint()
    r = stage.socket(zmq.ROUTER, ROUTER_MANDATORY=1)
    r.connect(ep)
    a = stage.offer(r, "D", "one")
    release()
    d = stage.socket(zmq.DEALER, ROUTING_ID=b"D")
    d.bind(ep)
    stage.settle(0.5)
    b = stage.offer(r, "D", "two")
    return {"before": a, "after": b, "received": stage.take(d)}


@case("C329", {"router_got": ["A", "", "q"], "reply": ["r"]})
def c329(stage):
    """ROUTER binds, REQ with identity A connects and sends q; ROUTER receives, answers [A,'',r]; REQ receives.

    Sockets: ROUTER, REQ over tcp.

    Source: RFC 28 ROUTER 'SHALL accept REQ peers'; RFC 37 Identity property.
    """
    zmq = stage.zmq
    r, q, _ = stage.pair("tcp", zmq.ROUTER, zmq.REQ, connect_options={"ROUTING_ID": b"A"})
    q.send(b"q")
    got = stage.take(r)
    r.send_multipart([b"A", b"", b"r"])
    return {"router_got": got, "reply": stage.take(q)}


@case("C331", {"received": [["foobar"], ["baz"], ["buzz"]]})
def c331(stage):
    """DEALER connects to a port nobody listens on, sends foobar, baz, buzz; another DEALER binds the port and
    receives.

    Sockets: DEALER, DEALER over tcp.

    Source: libzmq tests/test_bind_after_connect_tcp.cpp: test_x; RFC 28 DEALER queue for an outgoing connection.
    """
    zmq = stage.zmq
    ep, release = stage.free_endpoint()
    c = stage.socket(zmq.DEALER)
    c.connect(ep)
    for w in (b"foobar", b"baz", b"buzz"):
        c.send(w)
    release()
    b = stage.socket(zmq.DEALER)
    b.bind(ep)
    return {"received": text(stage.drain(b, 0.7))}


@case("C333", {"single": "ok", "received": [["ok"]]})
def c333(stage):
    """ROUTER (mandatory) binds, DEALER X connects and says hi. ROUTER nb-sends the single frame [X]; then [X,ok];
    DEALER drains.

    Sockets: ROUTER, DEALER over inproc.

    Source: libzmq tests/test_invalid_rep.cpp (ROUTER side: a prefix with no body).

    An identity without a body is swallowed, even with mandatory on.
    """
    zmq = stage.zmq
    r, d, _ = stage.pair("inproc", zmq.ROUTER, zmq.DEALER, {"ROUTER_MANDATORY": 1}, {"ROUTING_ID": b"X"})
    d.send(b"hi")
    r.recv_multipart()
    a = stage.offer(r, "X")
    stage.offer(r, "X", "ok")
    return {"single": a, "received": text(stage.drain(d))}


@case("C335", {"more": [True, False], "body": "message1", "bounced": ["message1"]})
def c335(stage):
    """ROUTER binds, DEALER connects, sends one frame; ROUTER reads the id frame (more?), the body (more?), then
    bounces both frames back.

    Sockets: ROUTER, DEALER over tcp.

    Source: pyzmq tests/test_multipart.py: test_router_dealer; tests/test_socket.py: test_custom_serialize.
    """
    zmq = stage.zmq
    r, d, _ = stage.pair("tcp", zmq.ROUTER, zmq.DEALER)
    d.send(b"message1")
    a = r.recv()
    m1 = bool(r.rcvmore)
    b = r.recv()
    m2 = bool(r.rcvmore)
    r.send_multipart([a, b])
    return {"more": [m1, m2], "body": text(b), "bounced": stage.take(d)}
