"""Conformance cases: pubsub."""

from __future__ import annotations

from tests.both.stage import numbers, text

from .cases import case


@case("C404", {"received": [["after"]]})
def c404(stage):
    """PUB connects to a name not yet bound, sends before. SUB (all) binds, settle; PUB sends after.

    Sockets: PUB, SUB over inproc.

    Source: libzmq tests/test_inproc_connect.cpp: test_connect_before_bind_pub_sub.
    """
    zmq = stage.zmq
    pub = stage.socket(zmq.PUB)
    ep = stage.endpoint("inproc")
    pub.connect(ep)
    pub.send(b"before")
    sub = stage.socket(zmq.SUB, SUBSCRIBE=b"")
    sub.bind(ep)
    stage.settle()
    pub.send(b"after")
    return {"received": text(stage.drain(sub))}


def _notes(stage, pub, wait=0.15):
    """Pending messages of an XPUB, as text"""
    return [text(m[0]) for m in stage.drain(pub, wait)]


@case("C406", {"notes": [["\\x01A"], ["\\x01B"], []], "verbose": ["\\x01A"], "received": [["A"], ["B"]]})
def c406(stage):
    """XPUB binds, SUB connects. SUB subscribes A, B, A; XPUB reads after each. XPUB_VERBOSE=1; SUB subscribes A
    again; XPUB reads. XPUB sends A, B.

    Sockets: XPUB, SUB over inproc.

    Source: libzmq tests/test_xpub_verbose.cpp: test_xpub_verbose_one_sub.
    """
    zmq = stage.zmq
    pub, sub, _ = stage.pair("inproc", zmq.XPUB, zmq.SUB, settle_s=0.05)
    out = []
    for t in (b"A", b"B", b"A"):
        sub.setsockopt(zmq.SUBSCRIBE, t)
        out.append(_notes(stage, pub))
    pub.setsockopt(zmq.XPUB_VERBOSE, 1)
    sub.setsockopt(zmq.SUBSCRIBE, b"A")
    v = _notes(stage, pub)
    pub.send(b"A")
    pub.send(b"B")
    return {"notes": out, "verbose": v, "received": text(stage.drain(sub))}


@case("C408", {"plain": [[], ["\\x01A"], [], [], ["\\x00A"], []], "verboser": [["\\x01A"], ["\\x00A"], []]})
def c408(stage):
    """XPUB binds, SUB connects. SUB: unsubscribe A (unknown), subscribe A, subscribe A, unsubscribe A, unsubscribe A,
    unsubscribe A; XPUB reads after each. XPUB_VERBOSER=1. SUB: subscribe A, unsubscribe A, unsubscribe A; XPUB reads
    after each.

    Sockets: XPUB, SUB over inproc.

    Source: libzmq tests/test_xpub_verbose.cpp: test_xpub_verboser_one_sub.

    SUB counts its subscriptions and passes on only the last removal.
    """
    zmq = stage.zmq
    pub, sub, _ = stage.pair("inproc", zmq.XPUB, zmq.SUB, settle_s=0.05)

    def do(ops):
        out = []
        for o in ops:
            sub.setsockopt(zmq.SUBSCRIBE if o == "+" else zmq.UNSUBSCRIBE, b"A")
            out.append(_notes(stage, pub))
        return out

    a = do("-++---")
    pub.setsockopt(zmq.XPUB_VERBOSER, 1)
    return {"plain": a, "verboser": do("+--")}


@case("C410", {"note": ["\\x01A"], "received": [["B"]]})
def c410(stage):
    r"""XPUB (XPUB_MANUAL=1) binds, XSUB connects and sends \x01A. XPUB receives it and subscribes that peer to B
    instead. XPUB sends A, B.

    Sockets: XPUB, XSUB over inproc.

    Source: libzmq tests/test_xpub_manual.cpp: test_basic.
    """
    zmq = stage.zmq
    pub, sub, _ = stage.pair("inproc", zmq.XPUB, zmq.XSUB, {"XPUB_MANUAL": 1}, settle_s=0.05)
    sub.send(b"\x01A")
    n = stage.take(pub)
    pub.setsockopt(zmq.SUBSCRIBE, b"B")
    pub.send(b"A")
    pub.send(b"B")
    return {"note": n, "received": text(stage.drain(sub))}


@case(
    "C412",
    {
        "added": [["\\x011"], ["\\x011"]],
        "subs_got": [[["1", "X"]], [["1", "X"]]],
        "removed": [["\\x001"], ["\\x001"]],
        "xsub_after": "EAGAIN",
    },
)
def c412(stage):
    """A manual forwarder: XSUB and XPUB (manual) bind; PUB connects to XSUB. SUB 1 then SUB 2 connect to XPUB and
    subscribe to 1; each time XPUB reads +1, subscribes 1, XSUB sends +1. PUB sends [1,X]; forwarded; both SUBs get
    it. Both SUBs close; XPUB reads two removals, unsubscribes each time, XSUB sends -1 each time; settle. PUB sends
    [1,X] again: does XSUB get it?

    Sockets: PUB, XSUB, XPUB, SUBx2 over tcp.

    Source: libzmq tests/test_xpub_manual.cpp: test_xpub_proxy_unsubscribe_on_disconnect.
    """
    zmq = stage.zmq
    xsub, xpub = (stage.socket(zmq.XSUB), stage.socket(zmq.XPUB, XPUB_MANUAL=1))
    fe, be = (stage.bind(xsub), stage.bind(xpub))
    pub = stage.socket(zmq.PUB)
    pub.connect(fe)
    subs, added = ([], [])
    for _ in range(2):
        k = stage.socket(zmq.SUB)
        k.connect(be)
        k.setsockopt(zmq.SUBSCRIBE, b"1")
        added.append(stage.take(xpub))
        xpub.setsockopt(zmq.SUBSCRIBE, b"1")
        xsub.send(b"\x011")
        subs.append(k)
    stage.settle()
    pub.send_multipart([b"1", b"X"])
    xpub.send_multipart(xsub.recv_multipart())
    got = [text(stage.drain(k)) for k in subs]
    for k in subs:
        k.close()
    stage.settle()
    removed = []
    for _ in range(2):
        removed.append(stage.take(xpub))
        xpub.setsockopt(zmq.UNSUBSCRIBE, b"1")
        xsub.send(b"\x001")
    stage.settle()
    pub.send_multipart([b"1", b"X"])
    return {"added": added, "subs_got": got, "removed": removed, "xsub_after": stage.take(xsub, 0.25)}


def _manual_cleanup(stage, opt):
    zmq = stage.zmq
    pub = stage.socket(zmq.XPUB, **{opt: 1})
    ep = stage.bind(pub)
    out = []
    for t in (b"A", b"B"):
        sub = stage.socket(zmq.XSUB)
        sub.connect(ep)
        sub.send(b"\x01" + t)
        n = stage.take(pub)
        pub.setsockopt(zmq.SUBSCRIBE, b"X" + t)
        pub.send(b"XA")
        pub.send(b"XB")
        got = text(stage.drain(sub))
        if t == b"A":
            sub.close()
            stage.settle()
            gone = stage.take(pub)
            e = stage.attempt(pub.setsockopt, zmq.UNSUBSCRIBE, b"XA")
            out.append([n, got, gone, e])
        else:
            out.append([n, got])
    return {"first": out[0], "second": out[1]}


@case("C414", {"first": [["\\x01A"], [["XA"]], ["\\x00A"], "ok"], "second": [["\\x01B"], [["XB"]]]})
def c414(stage):
    """XPUB (manual) binds. XSUB connects, sends +A, XPUB reads it and maps to XA, sends XA, XB; XSUB drains and
    closes; XPUB reads, then unsubscribes XA. A new XSUB connects, sends +B, mapped to XB; XPUB sends XA, XB.

    Sockets: XPUB, XSUB over tcp.

    Source: libzmq tests/test_xpub_manual.cpp: test_unsubscribe_cleanup.
    """
    return _manual_cleanup(stage, "XPUB_MANUAL")


def _user_multi(stage, first_only):
    zmq = stage.zmq
    o = {"ONLY_FIRST_SUBSCRIBE": 1} if first_only else {}
    pub, sub, _ = stage.pair("inproc", zmq.XPUB, zmq.XSUB, o, o, settle_s=0.05)
    sub.send_multipart([b"ABC", b"\x00BC"])
    sub.send_multipart([b"ABC", b"\x01BC"])
    sub.send_multipart([b"\x01BC", b"\x01CD"])
    return {"frames": [f for m in stage.drain(pub) for f in text(m)]}


@case("C416", {"frames": ["ABC", "\\x00BC", "ABC", "\\x01BC", "\\x01BC", "\\x01CD"]})
def c416(stage):
    r"""XPUB binds, XSUB connects; ONLY_FIRST_SUBSCRIBE=1 on both. XSUB sends [ABC,\x00BC], [ABC,\x01BC],
    [\x01BC,\x01CD]. All frames XPUB receives, in order.

    Sockets: XPUB, XSUB over inproc.

    Source: libzmq tests/test_xpub_manual.cpp: test_user_message_multi.
    """
    return _user_multi(stage, True)


@case("C418", {"sub0_first": ["A"], "sub1": ["A"], "sub0_second": "EAGAIN"})
def c418(stage):
    """XPUB (XPUB_MANUAL_LAST_VALUE=1, SNDHWM=2000) binds, SUBs 0 and 1 connect. 0 subscribes A; XPUB reads,
    subscribes A, sends A; 0 receives. 1 subscribes A; XPUB reads, subscribes A, sends A; 1 and 0 receive.

    Sockets: XPUB, SUBx2 over inproc.

    Source: libzmq tests/test_xpub_manual_last_value.cpp: test_manual_last_value.

    The first message after a confirmed subscription goes only to that subscriber.
    """
    zmq = stage.zmq
    pub = stage.socket(zmq.XPUB, SNDHWM=2000, XPUB_MANUAL_LAST_VALUE=1)
    ep = stage.bind(pub, "inproc")
    s0, s1 = (stage.socket(zmq.SUB), stage.socket(zmq.SUB))
    s0.connect(ep)
    s1.connect(ep)
    s0.setsockopt(zmq.SUBSCRIBE, b"A")
    stage.take(pub)
    pub.setsockopt(zmq.SUBSCRIBE, b"A")
    pub.send(b"A")
    a = stage.take(s0)
    s1.setsockopt(zmq.SUBSCRIBE, b"A")
    stage.take(pub)
    pub.setsockopt(zmq.SUBSCRIBE, b"A")
    pub.send(b"A")
    return {"sub0_first": a, "sub1": stage.take(s1), "sub0_second": stage.take(s0, 0.25)}


@case("C420", {"note": ["\\x01W"], "welcome": ["W"], "other": "EAGAIN"})
def c420(stage):
    """XPUB binds, sets XPUB_WELCOME_MSG=W. SUB with subscription W connects; XPUB reads; SUB receives. A second SUB
    subscribed to Z connects, settle, receives.

    Sockets: XPUB, SUB over inproc.

    Source: libzmq tests/test_xpub_welcome_msg.cpp: test.
    """
    zmq = stage.zmq
    pub = stage.socket(zmq.XPUB)
    ep = stage.bind(pub, "inproc")
    pub.setsockopt(zmq.XPUB_WELCOME_MSG, b"W")
    sub = stage.socket(zmq.SUB, SUBSCRIBE=b"W")
    sub.connect(ep)
    n = stage.take(pub)
    w = stage.take(sub)
    z = stage.socket(zmq.SUB, SUBSCRIBE=b"Z")
    z.connect(ep)
    stage.settle()
    return {"note": n, "welcome": w, "other": stage.take(z, 0.25)}


@case("C421", {"notes": [[], ["\\x01A"], ["\\x01A"], [], ["\\x00A"]]})
def c421(stage):
    """XPUB (XPUB_VERBOSER=1) binds, XSUB connects. XSUB sends -A, +A, +A, -A, -A; XPUB reads after each.

    Sockets: XPUB, XSUB over inproc.

    Source: libzmq tests/test_xsub_verbose.cpp: test_xsub_verbose_unsubscribe (first part; the
    XSUB_VERBOSE_UNSUBSCRIBE option itself is draft).
    """
    zmq = stage.zmq
    pub, sub, _ = stage.pair("inproc", zmq.XPUB, zmq.XSUB, {"XPUB_VERBOSER": 1}, settle_s=0.05)
    out = []
    for b in (b"\x00A", b"\x01A", b"\x01A", b"\x00A", b"\x00A"):
        sub.send(b)
        out.append(_notes(stage, pub))
    return {"notes": out}


@case("C422", {"plain": [[["prefix1"]], [["p2"]]], "inverted": [[["p2"]], [["prefix1"]]]})
def c422(stage):
    """PUB binds; SUB 1 (prefix1) and SUB 2 (p2) connect, settle. PUB sends prefix1, p2. Then INVERT_MATCHING=1 on all
    three; PUB sends prefix1, p2.

    Sockets: PUB, SUBx2 over inproc.

    Source: libzmq tests/test_pub_invert_matching.cpp: test.
    """
    zmq = stage.zmq
    pub = stage.socket(zmq.PUB)
    ep = stage.bind(pub, "inproc")
    s = [stage.socket(zmq.SUB, SUBSCRIBE=t) for t in (b"prefix1", b"p2")]
    for k in s:
        k.connect(ep)
    stage.settle()
    out = []
    for _ in range(2):
        pub.send(b"prefix1")
        pub.send(b"p2")
        out.append([text(stage.drain(k)) for k in s])
        for k in [pub, *s]:
            k.setsockopt(zmq.INVERT_MATCHING, 1)
    return {"plain": out[0], "inverted": out[1]}


@case("C423", {"sub": [3, 2, 0], "pub": [3, 2, 0]})
def c423(stage):
    """PUB binds, SUB connects. TOPICS_COUNT of SUB and PUB after: subscribing t1, t2, t3; unsubscribing t3;
    unsubscribing t1 and t2.

    Sockets: PUB, SUB over inproc.

    Source: libzmq tests/test_pubsub_topics_count.cpp: test_independent_topic_prefixes.
    """
    zmq = stage.zmq
    pub, sub, _ = stage.pair("inproc", zmq.PUB, zmq.SUB, settle_s=0.05)
    out = {"sub": [], "pub": []}

    def note():
        stage.settle()
        out["sub"].append(sub.getsockopt(zmq.TOPICS_COUNT))
        out["pub"].append(pub.getsockopt(zmq.TOPICS_COUNT))

    for t in (b"t1", b"t2", b"t3"):
        sub.setsockopt(zmq.SUBSCRIBE, t)
    note()
    sub.setsockopt(zmq.UNSUBSCRIBE, b"t3")
    note()
    for t in (b"t1", b"t2"):
        sub.setsockopt(zmq.UNSUBSCRIBE, t)
    note()
    return out


@case("C426", {"publications": 3, "notes": ["\\x01foo", "\\x00foo"]})
def c426(stage):
    """XPUB binds; SUB has subscription foo, not connected. Rounds: publish [foo,'this is foo!'] at the end of each.
    After 2 rounds SUB connects; after 3 more it disconnects; 3 more rounds. XPUB's messages and SUB's count.

    Sockets: XPUB, SUB over inproc.

    Source: libzmq tests/test_disconnect_inproc.cpp: test_disconnect_inproc.
    """
    zmq = stage.zmq
    pub, sub = (stage.socket(zmq.XPUB), stage.socket(zmq.SUB, SUBSCRIBE=b"foo"))
    ep = stage.bind(pub, "inproc")
    notes, got = ([], 0)
    for i in range(8):
        stage.settle(0.1)
        while pub.poll(20):
            notes.append(text(pub.recv()))
        while sub.poll(20):
            sub.recv_multipart()
            got += 1
        if i == 2:
            sub.connect(ep)
            stage.settle(0.1)
            while pub.poll(20):
                notes.append(text(pub.recv()))
        if i == 5:
            sub.disconnect(ep)
            stage.settle(0.1)
            while pub.poll(20):
                notes.append(text(pub.recv()))
        pub.send_multipart([b"foo", b"this is foo!"])
    return {"publications": got, "notes": notes}


@case("C427", {"received": [["A1"], ["A2"]]})
def c427(stage):
    """PUB binds, SUB connects, subscribes A twice, settle. PUB sends A1; SUB drains, unsubscribes A, settle. PUB
    sends A2; SUB drains, unsubscribes A, settle. PUB sends A3; SUB drains.

    Sockets: PUB, SUB over tcp.

    Source: RFC 37 'Subscribing to A and A counts as two subscriptions, and would require two CANCEL commands to
    undo'.
    """
    zmq = stage.zmq
    pub, sub, _ = stage.pair("tcp", zmq.PUB, zmq.SUB)
    sub.setsockopt(zmq.SUBSCRIBE, b"A")
    sub.setsockopt(zmq.SUBSCRIBE, b"A")
    got = []
    for m in (b"A1", b"A2", b"A3"):
        stage.settle()
        pub.send(m)
        got += text(stage.drain(sub))
        if m != b"A3":
            sub.setsockopt(zmq.UNSUBSCRIBE, b"A")
    return {"received": got}


@case("C428", {"all": [["ABC"], ["B"]], "then": [["ABC"]], "none": []})
def c428(stage):
    """PUB binds, SUB connects with A, '' and AB, settle. PUB sends ABC, B. SUB unsubscribes '', settle; PUB sends
    ABC, B. SUB unsubscribes A and AB, settle; PUB sends ABC.

    Sockets: PUB, SUB over tcp.

    Source: RFC 37 'Subscriptions SHALL be additive ... subscribing to A and "" is the same as subscribing to ""
    alone'; RFC 23 'not more than once'.
    """
    zmq = stage.zmq
    pub, sub, _ = stage.pair("tcp", zmq.PUB, zmq.SUB)
    for t in (b"A", b"", b"AB"):
        sub.setsockopt(zmq.SUBSCRIBE, t)
    stage.settle()
    out = []
    for ms, drop in (([b"ABC", b"B"], [b""]), ([b"ABC", b"B"], [b"A", b"AB"]), ([b"ABC"], [])):
        for m in ms:
            pub.send(m)
        out.append(text(stage.drain(sub)))
        for t in drop:
            sub.setsockopt(zmq.UNSUBSCRIBE, t)
        stage.settle()
    return {"all": out[0], "then": out[1], "none": out[2]}


@case("C430", {"early_sends": "ok", "received": [10, 11, 12, 13, 14]})
def c430(stage):
    """PUB binds without any subscriber and sends (blocking) 0..9; then SUB (all) connects, settle; PUB sends 10..14.

    Sockets: PUB, SUB over tcp.

    Source: RFC 29 PUB 'SHALL NOT block on sending'; libzmq tests/test_hwm_pubsub.cpp.

    A late joiner sees only what is published after its subscription has arrived.
    """
    zmq = stage.zmq
    pub = stage.socket(zmq.PUB)
    ep = stage.bind(pub)
    r = {stage.attempt(pub.send, b"%d" % i) for i in range(10)}
    sub = stage.socket(zmq.SUB, SUBSCRIBE=b"")
    sub.connect(ep)
    stage.settle()
    for i in range(10, 15):
        pub.send(b"%d" % i)
    return {"early_sends": r.pop() if len(r) == 1 else "mixed", "received": numbers(stage.drain(sub))}


@case("C432", {"received": [["\\x00\\xff\\x01"], ["a\\x00b"], ["\\x00\\xff", "", "\\x00"]]})
def c432(stage):
    r"""PUB binds; SUB with subscriptions \x00\xff and 'a\x00' connects, settle. PUB sends \x00\xff\x01, \x00,
    'a\x00b', 'ab', '\xff\x00', [\x00\xff, '', \x00].

    Sockets: PUB, SUB over tcp.

    Source: RFC 29 PUB 'binary comparison'; 'SHALL not modify outgoing messages'.
    """
    zmq = stage.zmq
    pub, sub, _ = stage.pair("tcp", zmq.PUB, zmq.SUB)
    sub.setsockopt(zmq.SUBSCRIBE, b"\x00\xff")
    sub.setsockopt(zmq.SUBSCRIBE, b"a\x00")
    stage.settle()
    for m in ([b"\x00\xff\x01"], [b"\x00"], [b"a\x00b"], [b"ab"], [b"\xff\x00"], [b"\x00\xff", b"", b"\x00"]):
        pub.send_multipart(m)
    return {"received": text(stage.drain(sub))}


@case("C434", {"order": ["p0", "q0", "p1", "q1", "p2", "q2", "p3", "q3"]})
def c434(stage):
    """SUB (all) binds; PUBs P and Q connect, settle. P sends p0..p3, then Q sends q0..q3; settle; SUB drains.

    Sockets: SUB, PUBx2 over inproc.

    Source: RFC 29 SUB 'SHALL receive incoming messages from its publishers using a fair-queuing strategy'.

    Strict alternation while both have something.
    """
    zmq = stage.zmq
    sub = stage.socket(zmq.SUB, SUBSCRIBE=b"")
    ep = stage.bind(sub, "inproc")
    p, q = (stage.socket(zmq.PUB), stage.socket(zmq.PUB))
    p.connect(ep)
    q.connect(ep)
    stage.settle()
    for i in range(4):
        p.send(b"p%d" % i)
    for i in range(4):
        q.send(b"q%d" % i)
    stage.sleep(0.1)
    return {"order": [text(m[0]) for m in stage.drain(sub)]}


@case("C436", {"received": [0, 1, 4, 5]})
def c436(stage):
    """PUB binds; SUB (all) connects, settle; PUB sends 0,1; SUB drains and disconnects, settle; PUB sends 2,3; SUB
    connects again, settle; PUB sends 4,5; SUB drains.

    Sockets: PUB, SUB over tcp.

    Source: RFC 29 PUB 'If this subscriber disconnects, the PUB socket SHALL destroy its queue and SHALL discard any
    messages it contains'.
    """
    zmq = stage.zmq
    pub, sub, ep = stage.pair("tcp", zmq.PUB, zmq.SUB, connect_options={"SUBSCRIBE": b""})
    got = []
    for i in (0, 1):
        pub.send(b"%d" % i)
    got += numbers(stage.drain(sub))
    sub.disconnect(ep)
    stage.settle()
    for i in (2, 3):
        pub.send(b"%d" % i)
    sub.connect(ep)
    stage.settle()
    for i in (4, 5):
        pub.send(b"%d" % i)
    return {"received": got + numbers(stage.drain(sub))}


@case("C437", {"received": [5, 6]}, claimed={"received": [0, 1, 2, 3, 4, 5, 6]})
def c437(stage):
    """PUB connects to a port nobody listens on, sends 0..4. SUB (all) binds the port, settle 500 ms. PUB sends 5, 6;
    SUB drains.

    Sockets: PUB, SUB over tcp.

    Source: RFC 29 PUB 'SHALL create a queue when initiating an outgoing connection to a subscriber, and SHALL
    maintain the queue whether or not the connection is established'.

    Filtering is at the publisher and no subscription has arrived, so early messages match nobody and are dropped.
    """
    zmq = stage.zmq
    ep, release = stage.free_endpoint()
    pub = stage.socket(zmq.PUB)
    pub.connect(ep)
    for i in range(5):
        pub.send(b"%d" % i)
    release()
    sub = stage.socket(zmq.SUB, SUBSCRIBE=b"")
    sub.bind(ep)
    stage.settle(0.5)
    for i in (5, 6):
        pub.send(b"%d" % i)
    return {"received": numbers(stage.drain(sub))}


@case("C439", {"received": [["A1"]]})
def c439(stage):
    r"""PUB binds, XSUB connects, sends \x01A, settle; PUB sends A1, B1. XSUB sends \x00A, settle; PUB sends A2.

    Sockets: PUB, XSUB over tcp.

    Source: RFC 29 XSUB 'SHALL accept subscription commands from its calling application'.
    """
    zmq = stage.zmq
    pub, sub, _ = stage.pair("tcp", zmq.PUB, zmq.XSUB)
    sub.send(b"\x01A")
    stage.settle()
    pub.send(b"A1")
    pub.send(b"B1")
    stage.settle()
    sub.send(b"\x00A")
    stage.settle()
    pub.send(b"A2")
    return {"received": text(stage.drain(sub))}


@case("C441", {"p": ["\\x01A", "hello"], "q": ["\\x01A", "hello"]})
def c441(stage):
    r"""Two XPUBs bind, XSUB connects to both, settle; XSUB sends \x01A and the user message hello; both XPUBs drain.

    Sockets: XSUB, XPUBx2 over tcp.

    Source: RFC 29 XSUB 'SHALL send all messages to all connected publishers'.
    """
    zmq = stage.zmq
    p, q, x = (stage.socket(zmq.XPUB), stage.socket(zmq.XPUB), stage.socket(zmq.XSUB))
    for k in (p, q):
        x.connect(stage.bind(k))
    stage.settle()
    x.send(b"\x01A")
    x.send(b"hello")
    return {"p": _notes(stage, p), "q": _notes(stage, q)}


@case(
    "C443",
    {
        "p": {"$set": ["\\x01A", "\\x01B"]},
        "q": {"$set": ["\\x01A", "\\x01B"]},
        "p_then": ["\\x00B"],
        "q_then": ["\\x00B"],
    },
)
def c443(stage):
    """SUB has subscriptions A, B, A before any connection. XPUB P binds, SUB connects, settle; P reads. XPUB Q binds,
    SUB connects to it too, settle; Q reads. SUB unsubscribes B, settle; both read.

    Sockets: XPUB, SUB, XPUB over tcp.

    Source: RFC 37 subscriptions belong to the socket and are sent on each connection.
    """
    zmq = stage.zmq
    sub = stage.socket(zmq.SUB)
    for t in (b"A", b"B", b"A"):
        sub.setsockopt(zmq.SUBSCRIBE, t)
    p, q = (stage.socket(zmq.XPUB), stage.socket(zmq.XPUB))
    sub.connect(stage.bind(p))
    stage.settle()
    a = _notes(stage, p)
    sub.connect(stage.bind(q))
    stage.settle()
    b = _notes(stage, q)
    sub.setsockopt(zmq.UNSUBSCRIBE, b"B")
    stage.settle()
    return {"p": a, "q": b, "p_then": _notes(stage, p), "q_then": _notes(stage, q)}


@case("C445", {"pub_recv": "ENOTSUP", "received": [["A1"]]})
def c445(stage):
    r"""PUB binds, XSUB connects, sends the user message hello and \x01A, settle; PUB sends A1.

    Sockets: PUB, XSUB over tcp.

    Source: RFC 29 PUB 'SHALL silently discard any messages that subscribers send it'.
    """
    zmq = stage.zmq
    pub, sub, _ = stage.pair("tcp", zmq.PUB, zmq.XSUB)
    sub.send(b"hello")
    sub.send(b"\x01A")
    stage.settle()
    a = stage.attempt(pub.recv, zmq.DONTWAIT)
    pub.send(b"A1")
    return {"pub_recv": a, "received": text(stage.drain(sub))}


@case("C447", {"p_in_order": True, "q_in_order": True, "total": 200})
def c447(stage):
    """PUBs P and Q bind, SUB (all) connects to both, settle. P sends p0..p99, Q sends q0..q99 interleaved; SUB
    drains.

    Sockets: SUB, PUBx2 over tcp.

    Source: RFC 29 SUB with several publishers; order between two peers (RFC 23).
    """
    zmq = stage.zmq
    p, q = (stage.socket(zmq.PUB), stage.socket(zmq.PUB))
    sub = stage.socket(zmq.SUB, SUBSCRIBE=b"")
    for k in (p, q):
        sub.connect(stage.bind(k))
    stage.settle()
    for i in range(100):
        p.send(b"p%d" % i)
        q.send(b"q%d" % i)
    got = [text(m[0]) for m in stage.drain(sub)]

    def f(c):
        return [x for x in got if x[0] == c] == ["%s%d" % (c, i) for i in range(100)]

    return {"p_in_order": f("p"), "q_in_order": f("q"), "total": len(got)}


def _unsub_unread(stage, transport):
    zmq = stage.zmq
    pub, sub, _ = stage.pair(transport, zmq.PUB, zmq.SUB)
    sub.setsockopt(zmq.SUBSCRIBE, b"A")
    sub.setsockopt(zmq.SUBSCRIBE, b"B")
    stage.settle()
    for m in (b"A1", b"A2", b"B1", b"A3"):
        pub.send(m)
    stage.sleep(0.3)
    sub.setsockopt(zmq.UNSUBSCRIBE, b"A")
    return {"received": text(stage.drain(sub))}


@case("C449", {"received": [["B1"]]})
def c449(stage):
    """PUB binds, SUB connects with A and B, settle. PUB sends A1, A2, B1, A3; 300 ms pass in which SUB is neither
    polled nor read, so all four wait in its queue. SUB unsubscribes A, then drains.

    Sockets: PUB, SUB over inproc.

    Source: RFC 29 SUB 'MAY, depending on the transport, filter messages according to subscriptions'.

    SUB filters again when the application receives, by the subscriptions of that moment. (Had SUB been polled before,
    one message would already have been taken out and would still be delivered.)
    """
    return _unsub_unread(stage, "inproc")


@case("C452", {"received": [["two"]]})
def c452(stage):
    """SUB (all) binds, PUB connects; for 500 ms SUB's application makes no call on it. PUB sends one. Then settle
    (SUB is polled); PUB sends two; SUB drains.

    Sockets: SUB, PUB over tcp.

    Source: pyzmq tests/test_monqueue.py (build_device: the SUB must be called once 'to ensure no dropped monitor
    messages'); RFC 37 SUBSCRIBE.

    A bound SUB hands its subscriptions to a new connection only when its application next calls into it.
    """
    zmq = stage.zmq
    sub, pub = (stage.socket(zmq.SUB, SUBSCRIBE=b""), stage.socket(zmq.PUB))
    pub.connect(stage.bind(sub))
    end_ns = stage.now_ns() + 500_000_000
    while stage.now_ns() < end_ns:
        pub.getsockopt(zmq.EVENTS)
        stage.sleep(0.05)
    pub.send(b"one")
    stage.settle()
    pub.send(b"two")
    return {"received": text(stage.drain(sub))}
