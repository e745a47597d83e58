"""Conformance cases: hwm."""

from __future__ import annotations

from tests.both.stage import numbers, text

from .cases import case


@case("C001", {"accepted": 2000, "received": 2000})
def c001(stage):
    """PULL binds, PUSH connects, all default (SNDHWM=RCVHWM=1000). fill PUSH while nobody reads; then drain PULL.

    Sockets: PUSH, PULL over inproc.

    Source: libzmq tests/test_hwm.cpp: test_defaults.
    """
    zmq = stage.zmq
    pull, push, _ = stage.pair("inproc", zmq.PULL, zmq.PUSH, settle_s=0.1)
    n = stage.fill(push)
    return {"accepted": n, "received": len(stage.drain(pull))}


def _hwm_count(stage, snd, rcv, bind_first):
    zmq = stage.zmq
    push = stage.socket(zmq.PUSH, SNDHWM=snd)
    pull = stage.socket(zmq.PULL, RCVHWM=rcv)
    ep = stage.endpoint("inproc")
    if bind_first:
        pull.bind(ep)
        push.connect(ep)
        stage.settle(0.1)
    else:
        push.connect(ep)
        pull.bind(ep)
        stage.settle(0.1)
    sent = stage.fill(push)
    got = len(stage.drain(pull))
    more = stage.offer(push, "x")
    return {"accepted": sent, "received": got, "send_after_drain": more}


@case("C003", {"accepted": 10000, "received": 10000, "send_after_drain": "ok"})
def c003(stage):
    """PUSH SNDHWM=0, PULL RCVHWM=0 (0 = no limit). PUSH connects, then PULL binds (both before any send). fill PUSH,
    at most 10000 messages, nobody reads; drain PULL; then one more nb-send.

    Sockets: PUSH, PULL over inproc.

    Source: libzmq tests/test_hwm.cpp: test_infinite_both_inproc_connect_first.
    """
    return _hwm_count(stage, 0, 0, False)


@case("C005", {"accepted": 10000, "received": 10000, "send_after_drain": "ok"})
def c005(stage):
    """PUSH SNDHWM=1, PULL RCVHWM=0 (0 = no limit). PUSH connects, then PULL binds (both before any send). fill PUSH,
    at most 10000 messages, nobody reads; drain PULL; then one more nb-send.

    Sockets: PUSH, PULL over inproc.

    Source: libzmq tests/test_hwm.cpp: test_infinite_receive_inproc_connect_first.
    """
    return _hwm_count(stage, 1, 0, False)


@case("C007", {"accepted": 10000, "received": 10000, "send_after_drain": "ok"})
def c007(stage):
    """PUSH SNDHWM=0, PULL RCVHWM=1 (0 = no limit). PUSH connects, then PULL binds (both before any send). fill PUSH,
    at most 10000 messages, nobody reads; drain PULL; then one more nb-send.

    Sockets: PUSH, PULL over inproc.

    Source: libzmq tests/test_hwm.cpp: test_infinite_send_inproc_connect_first.
    """
    return _hwm_count(stage, 0, 1, False)


@case("C009", {"accepted": 2, "received": 2, "send_after_drain": "ok"})
def c009(stage):
    """PUSH SNDHWM=1, PULL RCVHWM=1 (0 = no limit). PUSH connects, then PULL binds (both before any send). fill PUSH,
    at most 10000 messages, nobody reads; drain PULL; then one more nb-send.

    Sockets: PUSH, PULL over inproc.

    Source: libzmq tests/test_hwm.cpp: test_finite_both_connect_first.
    """
    return _hwm_count(stage, 1, 1, False)


@case("C011", {"accepted": 0, "received": 0})
def c011(stage):
    """PUSH (SNDHWM=1) binds, no peer; fill; close PUSH. Then PULL connects to the name and drains.

    Sockets: PUSH, PULL over inproc.

    Source: libzmq tests/test_hwm.cpp: test_inproc_bind_and_close_first.

    The test's comment wonders whether 1 should be queued; RFC 30 says a queue exists only per peer, so 0 is right.
    """
    zmq = stage.zmq
    push = stage.socket(zmq.PUSH, SNDHWM=1, LINGER=-1)
    ep = stage.bind(push, "inproc")
    n = stage.fill(push)
    push.close()
    pull = stage.socket(zmq.PULL)
    pull.connect(ep)
    return {"accepted": n, "received": len(stage.drain(pull))}


@case("C013", {"sndhwm": 5, "accepted": 6})
def c013(stage):
    """PULL (RCVHWM=1) connects, PUSH (SNDHWM=1) binds. With the connection up, PUSH sets SNDHWM=5; then fill; nobody
    reads.

    Sockets: PUSH, PULL over inproc.

    Source: libzmq tests/test_sockopt_hwm.cpp: test_change_after_connected.

    A change of SNDHWM reaches existing connections.
    """
    zmq = stage.zmq
    push = stage.socket(zmq.PUSH, SNDHWM=1)
    pull = stage.socket(zmq.PULL, RCVHWM=1)
    ep = stage.endpoint("inproc")
    pull.connect(ep)
    push.bind(ep)
    push.sndhwm = 5
    return {"sndhwm": push.sndhwm, "accepted": stage.fill(push)}


@case(
    "C014",
    {"first_fill": {"$range": [11, 101]}, "received_all": True, "in_order": True, "second_fill": {"$range": [8, 71]}},
)
def c014(stage):
    """PUSH (SNDHWM=100) binds, PULL (RCVHWM=1) connects. fill with numbered messages; set SNDHWM=70; drain PULL;
    settle; fill again.

    Sockets: PUSH, PULL over inproc.

    Source: libzmq tests/test_sockopt_hwm.cpp: test_decrease_when_full.

    Lowering the limit never drops what is already queued.
    """
    zmq = stage.zmq
    push, pull, _ = stage.pair("inproc", zmq.PUSH, zmq.PULL, {"SNDHWM": 100}, {"RCVHWM": 1})
    n = stage.fill(push)
    push.sndhwm = 70
    stage.settle()
    got = numbers(stage.drain(pull))
    stage.settle()
    return {
        "first_fill": n,
        "received_all": len(got) == n,
        "in_order": got == list(range(n)),
        "second_fill": stage.fill(push),
    }


@case("C016", {"a_accepted": 4, "b_accepted": 4})
def c016(stage):
    """A (DEALER, SNDHWM=RCVHWM=2) binds, B (same) connects. fill A; then fill B; nobody reads.

    Sockets: DEALER, DEALER over inproc.

    Source: RFC 28 DEALER 'SHALL maintain a double queue ... independently'.
    """
    zmq = stage.zmq
    o = {"SNDHWM": 2, "RCVHWM": 2}
    a, b, _ = stage.pair("inproc", zmq.DEALER, zmq.DEALER, o, o)
    return {"a_accepted": stage.fill(a), "b_accepted": stage.fill(b)}


@case("C018", {"accepted": 10, "received": ["m0", "m1"]})
def c018(stage):
    """ROUTER (SNDHWM=1, not mandatory) binds, DEALER 'X' (RCVHWM=1) connects and says hello, ROUTER reads it. ROUTER
    nb-sends m0..m9 to X without X reading; then X drains.

    Sockets: ROUTER, DEALER over inproc.

    Source: RFC 28 ROUTER 'SHALL either silently drop the message, or return an error, depending on configuration, if
    the queue ... is full'.
    """
    zmq = stage.zmq
    r, d, _ = stage.pair(
        "inproc", zmq.ROUTER, zmq.DEALER, {"SNDHWM": 1}, {"RCVHWM": 1, "ROUTING_ID": b"X"}, settle_s=0.1
    )
    d.send(b"hello")
    r.recv_multipart()
    ok = sum(stage.offer(r, "X", "m%d" % i) == "ok" for i in range(10))
    return {"accepted": ok, "received": [text(m[0]) for m in stage.drain(d)]}


@case("C021", {"accepted": 100, "received": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]})
def c021(stage):
    """PUB (SNDHWM=5) binds, SUB (RCVHWM=5, subscribed to all) connects, settle. PUB nb-sends 0..99, SUB not reading;
    then SUB drains.

    Sockets: PUB, SUB over inproc.

    Source: RFC 29 PUB 'SHALL silently drop the message if the queue for a subscriber is full' / 'SHALL NOT block on
    sending'.

    The oldest are kept, the newest dropped.
    """
    zmq = stage.zmq
    pub, sub, _ = stage.pair("inproc", zmq.PUB, zmq.SUB, {"SNDHWM": 5}, {"RCVHWM": 5, "SUBSCRIBE": b""})
    n = stage.fill(pub, 100)
    return {"accepted": n, "received": numbers(stage.drain(sub))}


def _xpub_default(stage, transport, hwm):
    zmq = stage.zmq
    pub = stage.socket(zmq.XPUB)
    ep = stage.bind(pub, transport)
    sub = stage.socket(zmq.SUB)
    sub.connect(ep)
    pub.sndhwm = hwm
    sub.setsockopt(zmq.SUBSCRIBE, b"")
    note = stage.take(pub)
    n = stage.fill(pub, hwm, lambda i: [b"test message"])
    stage.settle()
    return {"subscription": note, "accepted": n, "received": len(stage.drain(sub))}


@case("C023", {"subscription": ["\\x01"], "accepted": 100, "received": 100})
def c023(stage):
    """XPUB binds, SUB connects, XPUB then sets SNDHWM=100, SUB subscribes to all, XPUB reads the subscription. XPUB
    nb-sends 100 messages, SUB reads only afterwards.

    Sockets: XPUB, SUB over tcp.

    Source: libzmq tests/test_hwm_pubsub.cpp: test_defaults_small_tcp.

    A publisher that stays within SNDHWM loses nothing.
    """
    return _xpub_default(stage, "tcp", 100)


@case("C025", {"subscription": ["\\x01"], "accepted": 100, "received": 100})
def c025(stage):
    """XPUB binds, SUB connects, XPUB then sets SNDHWM=100, SUB subscribes to all, XPUB reads the subscription. XPUB
    nb-sends 100 messages, SUB reads only afterwards.

    Sockets: XPUB, SUB over inproc.

    Source: libzmq tests/test_hwm_pubsub.cpp: test_defaults_small_inproc.

    A publisher that stays within SNDHWM loses nothing.
    """
    return _xpub_default(stage, "inproc", 100)


def _xpub_blocking(stage, transport, hwm=2000, total=6000):
    zmq = stage.zmq
    pub = stage.socket(zmq.XPUB)
    ep = stage.bind(pub, transport)
    sub = stage.socket(zmq.SUB)
    sub.connect(ep)
    pub.sndhwm = hwm
    pub.setsockopt(zmq.XPUB_NODROP, 1)
    sub.setsockopt(zmq.SUBSCRIBE, b"")
    stage.take(pub)
    sent = got = blocked = 0
    order = True

    def read(idle):
        nonlocal got, order
        for m in stage.drain(sub, idle):
            order = order and int(m[0]) == got
            got += 1

    end_ns = stage.now_ns() + 20_000_000_000
    while sent < total and stage.now_ns() < end_ns:
        try:
            pub.send(b"%d" % sent, zmq.DONTWAIT)
            sent += 1
        except zmq.Again:
            blocked += 1
            read(0.01)
    read(0.5)
    return {"sent": sent, "received": got, "in_order": order, "blocked_at_least_once": blocked > 0}


@case("C027", {"sent": 6000, "received": 6000, "in_order": True, "blocked_at_least_once": True})
def c027(stage):
    """XPUB binds, SUB connects, XPUB sets SNDHWM=2000 and XPUB_NODROP=1, SUB subscribes to all. XPUB nb-sends
    0..5999; at each EAGAIN the SUB reads all it can (10 ms patience) and the send is tried again.

    Sockets: XPUB, SUB over tcp.

    Source: libzmq tests/test_hwm_pubsub.cpp: test_blocking_tcp.

    That the sender sees EAGAIN at all depends on how fast the I/O thread moves messages to the other side; no loss
    and order are exact.
    """
    return _xpub_blocking(stage, "tcp")


@case("C028", {"sent": 6000, "received": 6000, "in_order": True, "blocked_at_least_once": True})
def c028(stage):
    """XPUB binds, SUB connects, XPUB sets SNDHWM=2000 and XPUB_NODROP=1, SUB subscribes to all. XPUB nb-sends
    0..5999; at each EAGAIN the SUB reads all it can (10 ms patience) and the send is tried again.

    Sockets: XPUB, SUB over inproc.

    Source: libzmq tests/test_hwm_pubsub.cpp: test_blocking_inproc.
    """
    return _xpub_blocking(stage, "inproc")


@case("C031", {"first_sent": 1999, "first_received": 1999, "second_sent": {"$range": [2000, 3000]}, "second_lost": 0})
def c031(stage):
    """XPUB (SNDHWM=2000, NODROP=1) binds, SUB (default RCVHWM) connects, subscribes to all, XPUB reads the
    subscription. XPUB sends 1999, SUB drains. Then fill XPUB, SUB drains.

    Sockets: XPUB, SUB over inproc.

    Source: libzmq tests/test_xpub_nodrop.cpp: test.
    """
    zmq = stage.zmq
    pub = stage.socket(zmq.XPUB, SNDHWM=2000, XPUB_NODROP=1)
    ep = stage.bind(pub, "inproc")
    sub = stage.socket(zmq.SUB)
    sub.connect(ep)
    sub.setsockopt(zmq.SUBSCRIBE, b"")
    stage.take(pub)
    a = stage.fill(pub, 1999)
    ga = len(stage.drain(sub))
    stage.settle(0.05)
    b = stage.fill(pub)
    gb = len(stage.drain(sub))
    return {"first_sent": a, "first_received": ga, "second_sent": b, "second_lost": b - gb}


@case(
    "C032",
    {
        "accepted": 4,
        "fast_got": 4,
        "with_slow_full": "EAGAIN",
        "slow_got": 4,
        "after_slow_drained": "ok",
        "fast_then": 1,
    },
)
def c032(stage):
    """XPUB (SNDHWM=2, NODROP=1) binds; slow SUB (RCVHWM=2) and fast SUB (RCVHWM=0, no limit) connect, both take all.
    fill XPUB while neither reads; fast drains; nb-send; slow drains; nb-send.

    Sockets: XPUB, SUB, SUB over inproc.

    Source: libzmq tests/test_xpub_nodrop.cpp (with two subscribers).

    With NODROP one full subscriber stops the publisher for all, and a refused message reaches nobody.
    """
    zmq = stage.zmq
    pub = stage.socket(zmq.XPUB, SNDHWM=2, XPUB_NODROP=1)
    ep = stage.bind(pub, "inproc")
    slow = stage.socket(zmq.SUB, RCVHWM=2, SUBSCRIBE=b"")
    fast = stage.socket(zmq.SUB, RCVHWM=0, SUBSCRIBE=b"")
    slow.connect(ep)
    fast.connect(ep)
    stage.settle(0.1)
    while pub.poll(100):
        pub.recv()
    n = stage.fill(pub)
    f = len(stage.drain(fast))
    a = stage.offer(pub, "x")
    s = len(stage.drain(slow))
    stage.settle(0.05)
    b = stage.offer(pub, "y")
    return {
        "accepted": n,
        "fast_got": f,
        "with_slow_full": a,
        "slow_got": s,
        "after_slow_drained": b,
        "fast_then": len(stage.drain(fast)),
    }


@case("C034", {"first_frame": "EAGAIN", "drained": 2, "then": ["x", "y", "z"]})
def c034(stage):
    """PULL (RCVHWM=1) binds, PUSH (SNDHWM=1) connects. fill (2). nb-send a 3-frame message frame by frame: the first
    frame's result. Drain PULL, then send [x,y,z] whole; PULL receives.

    Sockets: PUSH, PULL over inproc.

    Source: RFC 30 PUSH 'SHALL NOT discard messages that it cannot queue'; RFC 23 atomic messages.

    A refused multipart message is refused at its first frame.
    """
    zmq = stage.zmq
    pull, push, _ = stage.pair("inproc", zmq.PULL, zmq.PUSH, {"RCVHWM": 1}, {"SNDHWM": 1})
    stage.fill(push)
    e = stage.attempt(push.send, b"a", zmq.DONTWAIT | zmq.SNDMORE)
    n = len(stage.drain(pull))
    stage.settle(0.05)
    stage.offer(push, "x", "y", "z")
    return {"first_frame": e, "drained": n, "then": stage.take(pull)}


@case("C036", {"default": [1000, 1000], "after": [100, 100]})
def c036(stage):
    """Read SNDHWM and RCVHWM of fresh sockets; set both to 100, read again.

    Sockets: PUB, ROUTER, SUB, REQ, DEALER.

    Source: pyzmq tests/test_socket.py: test_int_sockopts, test_hwm.
    """
    zmq = stage.zmq
    d, a = (set(), set())
    for t in (zmq.PUB, zmq.ROUTER, zmq.SUB, zmq.REQ, zmq.DEALER):
        k = stage.socket(t)
        d.add((k.getsockopt(zmq.SNDHWM), k.getsockopt(zmq.RCVHWM)))
        k.hwm = 100
        a.add((k.getsockopt(zmq.SNDHWM), k.getsockopt(zmq.RCVHWM)))
    return {
        "default": list(next(iter(d))) if len(d) == 1 else "mixed",
        "after": list(next(iter(a))) if len(a) == 1 else "mixed",
    }


@case("C038", {"accepted": {"$range": [20, 400]}, "lost": 0, "in_order": True})
def c038(stage):
    """PULL (RCVHWM=10) binds, PUSH (SNDHWM=10) connects, settle. Messages of 64 KiB, nobody reads: nb-send, on EAGAIN
    wait 10 ms, until nothing was accepted for 500 ms; then PULL drains.

    Sockets: PUSH, PULL over tcp.

    Source: libzmq tests/test_hwm_pubsub.cpp, test_monitor.cpp: test_monitor_versioned_stats (what a TCP path can
    hold).

    Both limits plus what kernel buffers and the two I/O engines hold.
    """
    zmq = stage.zmq
    pull, push, _ = stage.pair("tcp", zmq.PULL, zmq.PUSH, {"RCVHWM": 10}, {"SNDHWM": 10})
    body = bytes(65536 - 8)
    n, last_ns = 0, stage.now_ns()
    while stage.now_ns() - last_ns < 500_000_000 and n < 2000:
        if stage.offer(push, b"%08d" % n + body) == "ok":
            n, last_ns = n + 1, stage.now_ns()
        else:
            stage.sleep(0.01)
    got = [int(m[0][:8]) for m in stage.drain(pull, 0.4)]
    return {"accepted": n, "lost": n - len(got), "in_order": got == list(range(n))}
