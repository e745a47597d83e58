"""Conformance cases: proxies and devices."""

from __future__ import annotations

import sys

from tests.both.stage import SETTLE_S, text

from .cases import case


def _proxy(stage, *sockets):
    """Run ``zmq.proxy`` over sockets beside the body until their context ends"""
    for socket in sockets:
        socket.rcvtimeo = socket.sndtimeo = -1
        stage.hand_over(socket)

    def run():
        stage.attempt(stage.zmq.proxy, *sockets)
        for socket in sockets:
            socket.close(0)

    return stage.spawn(run)


@case(
    "C751",
    {"answers_per_client": [10, 10, 10], "only_own": True, "workers": [15, 15]},
)
def c751(stage):
    """A proxy joins ROUTER (binds tcp) and DEALER (binds inproc). Three DEALER clients (identities) connect to the
    front, two DEALER workers to the back; each client sends ten numbered requests; a worker answers [id, request] to
    each request it gets. All answers are collected.

    Sockets: ROUTER, DEALER, DEALERx3, DEALERx2 over tcp, inproc.

    Source: libzmq tests/test_proxy.cpp: test_proxy.
    """
    zmq = stage.zmq
    front, back = stage.socket(zmq.ROUTER), stage.socket(zmq.DEALER)
    front_endpoint, back_endpoint = stage.bind(front), stage.bind(back, "inproc")
    workers = [stage.socket(zmq.DEALER) for _ in range(2)]
    clients = [stage.socket(zmq.DEALER, ROUTING_ID=b"c%d" % i) for i in range(3)]
    _proxy(stage, front, back)
    for worker in workers:
        worker.connect(back_endpoint)
    for client in clients:
        client.connect(front_endpoint)
    stage.sleep(SETTLE_S)
    for number in range(10):
        for i, client in enumerate(clients):
            client.send(b"%d:%d" % (i, number))
    served = [0, 0]
    idle_ns = stage.now_ns() + 500_000_000
    while stage.now_ns() < idle_ns:
        for j, worker in enumerate(workers):
            while worker.poll(10):
                worker.send_multipart(worker.recv_multipart())
                served[j] += 1
                idle_ns = stage.now_ns() + 500_000_000
    got = [[text(m[0]) for m in stage.drain(client)] for client in clients]
    return {
        "answers_per_client": [len(answers) for answers in got],
        "only_own": all(answer.startswith("%d:" % i) for i, answers in enumerate(got) for answer in answers),
        "workers": sorted(served),
    }


@case(
    "C753",
    {"ended": True},
)
def c753(stage):
    """A proxy joins SUB (all, binds) and PUSH (binds, nobody connects). PUB connects, sends three messages, closes.
    The context is terminated: does the proxy end within 3 s?

    Sockets: SUB, PUSH, PUB over tcp.

    Source: libzmq tests/test_proxy_terminate.cpp.
    """
    zmq = stage.zmq
    context = stage.context()
    sub, push = stage.socket(zmq.SUB, context, SUBSCRIBE=b""), stage.socket(zmq.PUSH, context)
    endpoint = stage.bind(sub)
    stage.bind(push)
    proxy = _proxy(stage, sub, push)
    pub = stage.socket(zmq.PUB, context)
    pub.connect(endpoint)
    stage.sleep(SETTLE_S)
    for _ in range(3):
        pub.send(b"This is a test")
        stage.sleep(0.05)
    pub.close()
    ending = stage.spawn(context.term)
    return {"ended": proxy.wait(3) and ending.wait(1)}


def _notes(stage, pub, wait=0.15):
    return [text(m[0]) for m in stage.drain(pub, wait)]


@case(
    "C755",
    {"notes": [["\\x01A"], [], [], ["\\x00A"]], "sub0": [["A1"]], "sub1": [["A1"]]},
)
def c755(stage):
    """A proxy joins XSUB and XPUB, both bound. Source XPUB connects to the XSUB side; SUB 0 and SUB 1 connect to the
    XPUB side. Source reads after: 0 subscribes A; 1 subscribes A; 0 unsubscribes A; 1 closes. Before the
    unsubscription the source sends A1, B1.

    Sockets: XSUB, XPUB, XPUB, SUBx2 over tcp.

    Source: libzmq tests/test_sub_forward.cpp through a proxy; RFC 29 XPUB/XSUB 'usually used in proxies'.
    """
    zmq = stage.zmq
    front, back = stage.socket(zmq.XSUB), stage.socket(zmq.XPUB)
    front_endpoint, back_endpoint = stage.bind(front), stage.bind(back)
    source = stage.socket(zmq.XPUB)
    subs = [stage.socket(zmq.SUB), stage.socket(zmq.SUB)]
    _proxy(stage, front, back)
    source.connect(front_endpoint)
    for sub in subs:
        sub.connect(back_endpoint)
    stage.settle()
    notes = []

    def note():
        stage.settle()
        notes.append(_notes(stage, source))

    subs[0].setsockopt(zmq.SUBSCRIBE, b"A")
    note()
    subs[1].setsockopt(zmq.SUBSCRIBE, b"A")
    note()
    source.send(b"A1")
    source.send(b"B1")
    got = [text(stage.drain(sub)) for sub in subs]
    subs[0].setsockopt(zmq.UNSUBSCRIBE, b"A")
    note()
    subs[1].close()
    note()
    return {"notes": notes, "sub0": got[0], "sub1": got[1]}


@case(
    "C757",
    {"replies": [["0:r0", "0:r0", "0:r0", "0:r0"], ["1:r1", "1:r1", "1:r1", "1:r1"]]},
)
def c757(stage):
    """A proxy joins ROUTER and DEALER, both bound. Two REPs connect to the back (settled one after the other), two
    REQs to the front. In turn, four times each, the REQs send their number; REP j answers j:<body>.

    Sockets: ROUTER, DEALER, REQx2, REPx2 over tcp.

    Source: libzmq tests/test_reqrep_device.cpp through a proxy; RFC 28 DEALER round-robin.
    """
    zmq = stage.zmq
    front, back = stage.socket(zmq.ROUTER), stage.socket(zmq.DEALER)
    front_endpoint, back_endpoint = stage.bind(front), stage.bind(back)
    reps = [stage.socket(zmq.REP) for _ in range(2)]
    reqs = [stage.socket(zmq.REQ) for _ in range(2)]
    _proxy(stage, front, back)
    for rep in reps:
        rep.connect(back_endpoint)
        stage.sleep(0.2)
    for req in reqs:
        req.connect(front_endpoint)
    replies = [[], []]
    for _ in range(4):
        for i, req in enumerate(reqs):
            req.send(b"r%d" % i)
            end_ns = stage.now_ns() + 2_000_000_000
            while stage.now_ns() < end_ns:
                hit = [j for j, rep in enumerate(reps) if rep.poll(5)]
                if hit:
                    reps[hit[0]].send(b"%d:" % hit[0] + reps[hit[0]].recv())
                    break
            replies[i].append(text(req.recv()))
    return {"replies": replies}


@case(
    "C759",
    {"bob": ["hello", "bob"], "alice": ["hello", "alice"], "monitor": [["out", "hello", "alice"]]},
)
def c759(stage):
    """pyzmq's monitored queue (PAIR, PAIR, PUB, prefixes in and out) connects to alice, bob (PAIRs) and mon (SUB with
    subscription 'out'). alice sends [hello,bob], bob answers [hello,alice].

    Sockets: PAIR, PAIR, PUB, SUB over tcp.

    Source: pyzmq tests/test_monqueue.py: test_monitor_subscribe.
    """
    zmq = stage.zmq
    alice, bob, watcher = stage.socket(zmq.PAIR), stage.socket(zmq.PAIR), stage.socket(zmq.SUB, SUBSCRIBE=b"out")
    sockets = [stage.socket(kind) for kind in (zmq.PAIR, zmq.PAIR, zmq.PUB)]
    for socket, peer in zip(sockets, (alice, bob, watcher), strict=True):
        socket.rcvtimeo = socket.sndtimeo = -1
        socket.connect(stage.bind(peer))
        stage.hand_over(socket)
    monitored_queue = stage.module("zmq.devices").monitored_queue

    def run():
        stage.attempt(monitored_queue, *sockets, b"in", b"out")
        for socket in sockets:
            socket.close(0)

    stage.spawn(run)
    stage.settle(0.5)
    alice.send_multipart([b"hello", b"bob"])
    at_bob = stage.take(bob)
    bob.send_multipart([b"hello", b"alice"])
    at_alice = stage.take(alice)
    return {"bob": at_bob, "alice": at_alice, "monitor": text(stage.drain(watcher))}


@case(
    "C875",
    {
        "before": [0] * 8,
        "one_message": [1, 5, 0, 0, 0, 0, 1, 5],
        "pause_reply": [""],
        "paused": ["again"],
        "terminate_reply": [""],
        "ended": True,
    },
    claimed={
        "before": [0] * 8,
        "one_message": [1, 5, 0, 0, 0, 0, 1, 5],
        "pause_reply": "EAGAIN",
        "paused": "EAGAIN",
        "terminate_reply": "EAGAIN",
        "ended": True,
    },
)
def c875(stage):
    """A steerable proxy joins PULL and PUSH, its control is a PAIR. STATISTICS; a message of 5 bytes passes;
    STATISTICS; PAUSE, its reply; a message is sent, does it come within 500 ms? TERMINATE, its reply.

    Sockets: PULL, PUSH, PAIR over inproc.

    Source: libzmq tests/test_proxy_steerable.cpp; pyzmq tests/test_proxy_steerable.py:
    test_proxy_steerable_statistics; zmq_proxy_steerable(3) 'PAUSE: temporarily suspends any proxy activities'.

    The library that pyzmq brings does not pause, and answers each command with an empty message although its control
    is no REP.
    """
    zmq = stage.zmq
    front, back, control = stage.socket(zmq.PULL), stage.socket(zmq.PUSH), stage.socket(zmq.PAIR)
    sender, receiver, pilot = stage.socket(zmq.PUSH), stage.socket(zmq.PULL), stage.socket(zmq.PAIR)
    for bound, connected in ((front, sender), (back, receiver), (control, pilot)):
        connected.connect(stage.bind(bound, "inproc"))
        bound.rcvtimeo = bound.sndtimeo = -1
        stage.hand_over(bound)

    def run():
        stage.attempt(zmq.proxy_steerable, front, back, None, control)
        for socket in (front, back, control):
            socket.close(0)

    def command(word):
        pilot.send(word)
        return stage.take(pilot, 0.3)

    def statistics():
        pilot.send(b"STATISTICS")
        return [int.from_bytes(part, sys.byteorder) for part in pilot.recv_multipart()]

    proxy = stage.spawn(run)
    before = statistics()
    sender.send(b"hello")
    receiver.recv()
    one_message = statistics()
    pause_reply = command(b"PAUSE")
    sender.send(b"again")
    return {
        "before": before,
        "one_message": one_message,
        "pause_reply": pause_reply,
        "paused": stage.take(receiver, 0.5),
        "terminate_reply": command(b"TERMINATE"),
        "ended": proxy.wait(2),
    }
