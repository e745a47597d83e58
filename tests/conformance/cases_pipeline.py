"""Conformance cases: pipeline."""

from __future__ import annotations

from tests.both.stage import numbers, text

from .cases import case


def _round_robin(stage, transport, n=5):
    zmq = stage.zmq
    push = stage.socket(zmq.PUSH)
    ep = stage.bind(push, transport)
    pulls = []
    for _ in range(n):
        k = stage.socket(zmq.PULL)
        k.connect(ep)
        pulls.append(k)
    stage.settle()
    for word in ("ABC", "DEF"):
        for _ in range(n):
            push.send(word.encode())
    return {"each": [[text(m[0]) for m in stage.drain(k)] for k in pulls]}


@case("C101", {"each": [["ABC", "DEF"], ["ABC", "DEF"], ["ABC", "DEF"], ["ABC", "DEF"], ["ABC", "DEF"]]})
def c101(stage):
    """PUSH binds, five PULLs connect, settle. PUSH sends ABC five times, then DEF five times. All drain.

    Sockets: PUSH, PULLx5 over inproc.

    Source: libzmq tests/test_spec_pushpull.cpp: push_round_robin_out; RFC 30 PUSH 'SHALL route outgoing messages to
    available peers using a round-robin strategy'.
    """
    return _round_robin(stage, "inproc")


@case("C103", {"each": [["ABC", "DEF"], ["ABC", "DEF"], ["ABC", "DEF"], ["ABC", "DEF"], ["ABC", "DEF"]]})
def c103(stage):
    """PUSH binds, five PULLs connect, settle. PUSH sends ABC five times, then DEF five times. All drain.

    Sockets: PUSH, PULLx5 over ipc.

    Source: libzmq tests/test_spec_pushpull.cpp: push_round_robin_out; RFC 30 PUSH 'SHALL route outgoing messages to
    available peers using a round-robin strategy'.
    """
    return _round_robin(stage, "ipc")


def _fair_in(stage, transport, n=5):
    zmq = stage.zmq
    pull = stage.socket(zmq.PULL)
    ep = stage.bind(pull, transport)
    pushes = []
    for _ in range(n):
        k = stage.socket(zmq.PUSH)
        k.connect(ep)
        pushes.append(k)
    stage.settle()
    for i, k in enumerate(pushes):
        k.send(b"%d:1" % i)
        k.send(b"%d:2" % i)
    stage.settle()
    got = [text(m[0]) for m in stage.drain(pull)]
    return {"first_round": sorted(got[:n]), "second_round": sorted(got[n:])}


@case("C105", {"first_round": ["0:1", "1:1", "2:1", "3:1", "4:1"], "second_round": ["0:2", "1:2", "2:2", "3:2", "4:2"]})
def c105(stage):
    """PULL binds, five PUSHes connect, settle. Each PUSH i sends i:1 and i:2; settle; PULL drains.

    Sockets: PULL, PUSHx5 over tcp.

    Source: libzmq tests/test_spec_pushpull.cpp: pull_fair_queue_in; RFC 30 PULL 'fair-queuing strategy'.

    One from every sender before the second of any.
    """
    return _fair_in(stage, "tcp")


def _destroy_queue(stage, transport):
    zmq = stage.zmq
    a = stage.socket(zmq.PUSH, SNDHWM=1)
    ep = stage.bind(a, transport)
    b = stage.socket(zmq.PULL, RCVHWM=1)
    b.connect(ep)
    stage.settle()
    a.send(b"ABC")
    stage.settle(0.1)
    a.send(b"DEF")
    stage.settle(0.1)
    b.disconnect(ep)
    stage.settle()
    old = stage.take(b, 0.25)
    send = stage.offer(a, "x")
    b.connect(ep)
    stage.settle()
    old2 = stage.take(b, 0.25)
    e = stage.offer(a, "new")
    return {
        "old_after_disconnect": old,
        "send_without_peer": send,
        "old_after_reconnect": old2,
        "send_with_peer": e,
        "received": stage.take(b),
    }


@case(
    "C107",
    {
        "old_after_disconnect": "EAGAIN",
        "send_without_peer": "EAGAIN",
        "old_after_reconnect": "EAGAIN",
        "send_with_peer": "ok",
        "received": ["new"],
    },
)
def c107(stage):
    """PUSH (SNDHWM=1) binds, PULL (RCVHWM=1) connects. PUSH sends ABC and DEF, unread. PULL disconnects, settle. PULL
    receives; PUSH nb-sends. PULL connects again, settle, receives; PUSH nb-sends new; PULL receives.

    Sockets: PUSH, PULL over inproc.

    Source: libzmq tests/test_spec_pushpull.cpp: destroy_queue_on_disconnect (disabled there: 'until libzmq does this
    properly'); RFC 30 'If this peer disconnects ... SHALL destroy its queue and SHALL discard any messages it
    contains'.

    The reader's own disconnect() discards what it had not yet read; compare C120, where the other side closes.
    """
    return _destroy_queue(stage, "inproc")


def _atomic_drop(stage, transport, block):
    zmq = stage.zmq
    size = 4 * 1024 * 1024
    push = stage.socket(zmq.PUSH, SNDHWM=1)
    ep = stage.bind(push, transport)
    pull = stage.socket(zmq.PULL, RCVHWM=1)
    pull.connect(ep)
    stage.settle()
    push.send_multipart([b"0", b"0", b"a" * size])
    first = pull.recv_multipart()
    push.send(b"1")
    push.send_multipart([b"2", b"2", b"b" * size])
    pull.disconnect(ep)
    stage.settle()
    pull.connect(ep)

    def part(data, flags):
        return stage.attempt(push.send, data, flags)

    flags = 0 if block else zmq.DONTWAIT
    for _tries in range(3):
        r = [part(b"3", zmq.SNDMORE), part(b"3", zmq.SNDMORE), part(b"c" * size, zmq.SNDMORE | flags)]
        if r == ["ok"] * 3:
            break
    part(b"3b", 0)
    stage.settle()
    part(b"5", zmq.SNDMORE)
    part(b"5", zmq.SNDMORE)
    part(b"d" * size, 0)
    shapes = []
    for m in stage.drain(pull, 0.5):
        shapes.append("".join(chr(f[0]) if f else "-" for f in m))
    whole = all(x in ("1", "22b", "33c3", "55d") for x in shapes)
    return {"normal": [len(first), len(first[2])], "only_whole": whole, "last": shapes[-1] if shapes else None}


@case("C110", {"normal": [3, 4194304], "only_whole": True, "last": {"$in": ["33c3", "55d"]}})
def c110(stage):
    """PUSH (SNDHWM=1) binds, PULL (RCVHWM=1) connects. A 3-frame message with a 4 MiB last frame passes. Then 1 and
    [2,2,4MiB] are sent unread, PULL disconnects, settle, connects, and at once PUSH sends the 4-frame [3,3,4MiB,3b]
    frame by frame (big frame non-blocking, whole message again if refused), settle, then [5,5,4MiB]. PULL drains.

    Sockets: PUSH, PULL over inproc.

    Source: libzmq tests/test_spec_pushpull.cpp: push_multipart_atomic_drop_non_block.

    Whether message 3 survives depends on timing; a message in parts or with a frame missing must never appear. (4 MiB
    instead of the test's 16.)
    """
    return _atomic_drop(stage, "inproc", False)


@case("C112", {"normal": [3, 4194304], "only_whole": True, "last": {"$in": ["33c3", "55d"]}})
def c112(stage):
    """PUSH (SNDHWM=1) binds, PULL (RCVHWM=1) connects. A 3-frame message with a 4 MiB last frame passes. Then 1 and
    [2,2,4MiB] are sent unread, PULL disconnects, settle, connects, and at once PUSH sends the 4-frame [3,3,4MiB,3b]
    frame by frame (big frame non-blocking, whole message again if refused), settle, then [5,5,4MiB]. PULL drains.

    Sockets: PUSH, PULL over tcp.

    Source: libzmq tests/test_spec_pushpull.cpp: push_multipart_atomic_drop_non_block.

    Whether message 3 survives depends on timing; a message in parts or with a frame missing must never appear. (4 MiB
    instead of the test's 16.)
    """
    return _atomic_drop(stage, "tcp", False)


@case("C113", {"push_recv": "ENOTSUP", "pull_send": "ENOTSUP"})
def c113(stage):
    """PULL binds, PUSH connects. nb-recv on PUSH; nb-send on PULL.

    Sockets: PUSH, PULL over inproc.

    Source: RFC 30 PUSH 'SHALL only send messages', PULL 'SHALL only receive'.
    """
    zmq = stage.zmq
    pull, push, _ = stage.pair("inproc", zmq.PULL, zmq.PUSH, settle_s=0.05)
    return {
        "push_recv": stage.attempt(push.recv, zmq.DONTWAIT),
        "pull_send": stage.attempt(pull.send, b"x", zmq.DONTWAIT),
    }


@case("C115", {"p": 4, "q": 4, "r": 2})
def c115(stage):
    """PUSH binds; P, Q connect, settle. PUSH sends 4. R connects, settle. PUSH sends 6. All drain.

    Sockets: PUSH, PULLx3 over tcp.

    Source: RFC 30 'scalable in that nodes can join at any time'; round-robin clause.
    """
    zmq = stage.zmq
    push = stage.socket(zmq.PUSH)
    ep = stage.bind(push)
    ks = [stage.socket(zmq.PULL) for _ in range(3)]
    for k in ks[:2]:
        k.connect(ep)
    stage.settle()
    for _ in range(4):
        push.send(b"x")
    ks[2].connect(ep)
    stage.settle()
    for _ in range(6):
        push.send(b"y")
    return dict(zip("pqr", [len(stage.drain(k)) for k in ks], strict=False))


@case("C117", {"received": 5000, "in_order": True})
def c117(stage):
    """PULL binds, PUSH connects; PUSH sends 0..4999 (blocking) while PULL receives in another thread of control.

    Sockets: PUSH, PULL over tcp.

    Source: RFC 23 'All messages between two immediate peers SHALL be delivered in order' / 'SHALL NOT be delivered
    more than once'.
    """
    zmq = stage.zmq
    pull, push, _ = stage.pair("tcp", zmq.PULL, zmq.PUSH)
    stage.hand_over(push)

    def run():
        for i in range(5000):
            push.send(b"%d" % i)
        push.close(5000)

    task = stage.spawn(run)
    got = numbers(stage.drain(pull, 0.5))
    task.join()
    return {"received": len(got), "in_order": got == list(range(5000))}


@case("C119", {"accepted": 10, "received": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]})
def c119(stage):
    """PUSH (SNDHWM=10) connects to a port nobody listens on. fill. Then PULL binds that port; drain.

    Sockets: PUSH, PULL over tcp.

    Source: RFC 30 PUSH 'SHALL create this queue when initiating an outgoing connection ... and SHALL maintain the
    queue whether or not the connection is established'.
    """
    zmq = stage.zmq
    ep, release = stage.free_endpoint()
    push = stage.socket(zmq.PUSH, SNDHWM=10)
    push.connect(ep)
    stage.sleep(0.1)
    n = stage.fill(push)
    release()
    pull = stage.socket(zmq.PULL)
    pull.bind(ep)
    return {"accepted": n, "received": numbers(stage.drain(pull, 1.0))}


def _unread_after_close(stage, transport):
    zmq = stage.zmq
    pull, push, _ = stage.pair(transport, zmq.PULL, zmq.PUSH)
    for i in range(5):
        push.send(b"%d" % i)
    stage.settle()
    push.close()
    stage.settle()
    return {"received": numbers(stage.drain(pull))}


@case("C120", {"received": [0, 1, 2, 3, 4]}, claimed={"received": []})
def c120(stage):
    """PULL binds, PUSH connects, sends 0..4, settle (all have arrived), PUSH closes, settle. Only now PULL drains.

    Sockets: PUSH, PULL over tcp.

    Source: RFC 30 PULL 'If this peer disconnects, the PULL socket SHALL destroy its queue and SHALL discard any
    messages it contains'.

    The real library lets the reader empty the queue before it is dropped.
    """
    return _unread_after_close(stage, "tcp")


@case("C125", {"frames": ["p", "1", "q", "1", "p", "2", "q", "2"]})
def c125(stage):
    """PULL binds; P, Q connect. P sends [p,1], [p,2]; Q sends [q,1], [q,2]; settle; PULL receives frame by frame.

    Sockets: PULL, PUSHx2 over inproc.

    Source: RFC 23 atomic messages; RFC 30 fair-queuing.

    Frames of different senders never mix.
    """
    zmq = stage.zmq
    pull = stage.socket(zmq.PULL)
    ep = stage.bind(pull, "inproc")
    p, q = (stage.socket(zmq.PUSH), stage.socket(zmq.PUSH))
    p.connect(ep)
    q.connect(ep)
    stage.settle(0.1)
    for i in (b"1", b"2"):
        p.send_multipart([b"p", i])
    for i in (b"1", b"2"):
        q.send_multipart([b"q", i])
    stage.settle(0.1)
    return {"frames": [text(pull.recv()) for _ in range(8)]}


@case("C127", {"after_disconnect": ["EAGAIN", "EAGAIN"], "after_unbind": ["EAGAIN", "EAGAIN"]})
def c127(stage):
    """PUSH binds, PULL connects, one message passes. PULL disconnects; nb-send on PUSH, nb-recv on PULL. Then in a
    fresh pair: PUSH binds, PULL connects, a message passes, PULL disconnects, PUSH unbinds, PULL connects to the name
    again: nb-send, nb-recv.

    Sockets: PUSH, PULL over inproc.

    Source: pyzmq tests/test_socket.py: test_connectbind_context_managers.
    """
    zmq = stage.zmq
    out = []
    for unbind in (False, True):
        a, b, ep = stage.pair("inproc", zmq.PUSH, zmq.PULL, settle_s=0.05)
        a.send(b"hi")
        b.recv()
        b.disconnect(ep)
        stage.settle(0.1)
        if unbind:
            a.unbind(ep)
            b.connect(ep)
            stage.settle(0.1)
        out.append([stage.offer(a, "x"), stage.take(b, 0.1)])
    return {"after_disconnect": out[0], "after_unbind": out[1]}


@case("C123", {"sends": "ok", "received": [0, 1, 2, 3, 4]})
def c123(stage):
    """PULL P binds, PUSH (RECONNECT_IVL=50) connects, one message passes. P closes, settle. PUSH sends 0..4. Q (PULL)
    binds the same port; drain.

    Sockets: PUSH, PULL over tcp.

    Source: RFC 30 PUSH queue kept for an outgoing connection; RFC 23 'if the connection is broken, SHOULD reconnect
    after a suitable delay'.
    """
    zmq = stage.zmq
    p, push, ep = stage.pair("tcp", zmq.PULL, zmq.PUSH, connect_options={"RECONNECT_IVL": 50})
    push.send(b"hello")
    p.recv()
    p.close()
    stage.settle()
    sends = {stage.offer(push, "%d" % i) for i in range(5)}
    q = stage.socket(zmq.PULL)
    q.bind(ep)
    return {"sends": sends.pop() if len(sends) == 1 else "mixed", "received": numbers(stage.drain(q, 1.0))}
