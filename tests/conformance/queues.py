"""What the RFCs say of several socket types in the same words: one scenario each, for any pair of types.

``sender`` and ``receiver`` are types by name. Where a type speaks or listens only in turn or by address it is not
played here.
"""

from __future__ import annotations

from typing import Any

from tests.both.stage import Stage, numbers, text

SHAPES = ([b"a"], [b""], [b"\x00\x01\xff"], [b"x" * 300], [b"a", b"", b"b"], [b"", b""])
"""Messages that a socket might be tempted to change."""


def make(stage: Stage, kind: str, **options: Any) -> Any:
    """A socket by the name of its type; one that subscribes takes all."""
    socket = stage.socket(getattr(stage.zmq, kind), **options)
    if kind == "SUB":
        socket.setsockopt(stage.zmq.SUBSCRIBE, b"")
    if kind == "XSUB":
        socket.send(b"\x01")
    return socket


def join(stage: Stage, binder: Any, connecter: Any, transport: str = "inproc", settle_s: float = 0.05) -> str:
    """Bind, connect, settle; the endpoint."""
    endpoint = stage.bind(binder, transport)
    connecter.connect(endpoint)
    stage.settle(settle_s if transport == "inproc" else 0.2)
    _quieten(stage, binder, connecter)
    return endpoint


def _quieten(stage: Stage, *sockets: Any) -> None:
    # An XPUB would tell of subscriptions first.
    for socket in sockets:
        if socket.type == stage.zmq.XPUB:
            stage.drain(socket, 0.02)


def unchanged(stage: Stage, sender: str, receiver: str) -> dict[str, Any]:
    """Whether every shape of message arrives as it was sent."""
    out, into = make(stage, sender), make(stage, receiver)
    join(stage, into, out)
    for frames in SHAPES:
        out.send_multipart(frames)
    return {"unchanged": stage.drain(into, 0.05) == list(SHAPES)}


def shared_out(stage: Stage, sender: str, receiver: str, peers: int = 3, rounds: int = 2) -> dict[str, Any]:
    """What each of several peers, connected one after the other, gets of consecutive numbers."""
    out = make(stage, sender)
    endpoint = stage.bind(out, "inproc")
    readers = [make(stage, receiver) for _ in range(peers)]
    for reader in readers:
        reader.connect(endpoint)
        stage.settle(0.02)
    for number in range(peers * rounds):
        out.send(b"%d" % number)
    return {"each": [numbers(stage.drain(reader, 0.05)) for reader in readers]}


def taken_in_turn(stage: Stage, sender: str, receiver: str, peers: int = 3) -> dict[str, Any]:
    """In which order the messages of several senders, two of each, are received."""
    into = make(stage, receiver)
    endpoint = stage.bind(into, "inproc")
    senders = [make(stage, sender) for _ in range(peers)]
    for out in senders:
        out.connect(endpoint)
        stage.settle(0.02)
    _quieten(stage, into)
    for i, out in enumerate(senders):
        out.send(b"%d:1" % i)
        out.send(b"%d:2" % i)
    stage.sleep(0.02)
    return {"order": [text(message[-1]) for message in stage.drain(into, 0.05)]}


def queued_before_connection(stage: Stage, sender: str, receiver: str) -> dict[str, Any]:
    """A sender connects where nobody listens, sends; then the receiver binds there."""
    endpoint, release = stage.free_endpoint()
    out, into = make(stage, sender, RECONNECT_IVL=50), make(stage, receiver)
    out.connect(endpoint)
    results = [stage.offer(out, "%d" % number) for number in range(3)]
    release()
    into.bind(endpoint)
    return {"sends": results, "received": numbers(stage.drain(into, 0.4))}


def kept_between_connections(stage: Stage, sender: str, receiver: str) -> dict[str, Any]:
    """A receiver connects; its peer sends and closes; another binds the endpoint and sends; then it is read."""
    into, first = make(stage, receiver, RECONNECT_IVL=50), make(stage, sender)
    endpoint = join(stage, first, into, "tcp")
    for number in range(3):
        first.send(b"%d" % number)
    stage.sleep(0.1)
    first.close()
    stage.sleep(0.1)
    second = make(stage, sender)
    second.bind(endpoint)
    stage.settle(0.3)
    _quieten(stage, second)
    second.send(b"3")
    return {"received": numbers(stage.drain(into, 0.2))}


def dropped_with_the_peer(stage: Stage, sender: str, receiver: str) -> dict[str, Any]:
    """A sender binds and fills the queue of a peer that disconnects unread; what does the next peer get?"""
    out, into = make(stage, sender), make(stage, receiver)
    endpoint = join(stage, out, into)
    for number in range(3):
        out.send(b"%d" % number)
    into.disconnect(endpoint)
    stage.settle(0.1)
    _quieten(stage, out)
    again = make(stage, receiver)
    again.connect(endpoint)
    stage.settle(0.1)
    _quieten(stage, out)
    out.send(b"3")
    return {"old_peer": numbers(stage.drain(into, 0.05)), "next_peer": numbers(stage.drain(again, 0.05))}


def unread_when_the_peer_leaves(stage: Stage, sender: str, receiver: str) -> dict[str, Any]:
    """A peer connects, sends three messages and closes; are they received after that?"""
    into, out = make(stage, receiver), make(stage, sender)
    join(stage, into, out, "tcp")
    for number in range(3):
        out.send(b"%d" % number)
    stage.sleep(0.1)
    out.close()
    stage.sleep(0.2)
    return {"received": [int(message[-1]) for message in stage.drain(into, 0.1)]}


def limit(stage: Stage, sender: str, receiver: str) -> dict[str, Any]:
    """How many messages wait, for two pairs of limits; what is received of them."""
    out = {}
    for sndhwm, rcvhwm in ((2, 3), (20, 10)):
        giver, taker = make(stage, sender, SNDHWM=sndhwm), make(stage, receiver, RCVHWM=rcvhwm)
        join(stage, taker, giver)
        stage.fill(giver, 100)
        out[f"{sndhwm}+{rcvhwm}"] = len(stage.drain(taker, 0.05))
    return out


def both_ways(stage: Stage, one: str, other: str) -> dict[str, Any]:
    """Fill one direction; does the other still take a message, and bring it?"""
    a, b = make(stage, one, SNDHWM=2, RCVHWM=2), make(stage, other, SNDHWM=2, RCVHWM=2)
    join(stage, a, b)
    filled = stage.fill(a, 100)
    sent = stage.offer(b, "back")
    return {"filled": filled, "other_way": sent, "arrives": stage.take(a, 0.2)}


def only_available_peers(stage: Stage, sender: str, receiver: str) -> dict[str, Any]:
    """One peer's queue is full, the other's is not: where do further messages go?"""
    out = make(stage, sender, SNDHWM=1)
    endpoint = stage.bind(out, "inproc")
    full, free = make(stage, receiver, RCVHWM=1), make(stage, receiver, RCVHWM=100)
    full.connect(endpoint)
    stage.settle(0.02)
    filled = stage.fill(out, 100)
    free.connect(endpoint)
    stage.settle(0.02)
    results = {stage.offer(out, "%d" % number) for number in range(10, 20)}
    return {
        "filled": filled,
        "then": sorted(results),
        "free_got": numbers(stage.drain(free, 0.05)),
        "full_got": numbers(stage.drain(full, 0.05)),
    }


def no_peer(stage: Stage, sender: str) -> dict[str, Any]:
    """Sending without any peer, not waiting and with a limit of 50 ms."""
    out = make(stage, sender, SNDTIMEO=50)
    return {"not_waiting": stage.offer(out, "x"), "waiting": stage.attempt(out.send, b"x")}


def nothing_more_when_full(stage: Stage, sender: str, receiver: str) -> dict[str, Any]:
    """A send that is refused; what was accepted before arrives, the refused does not; then there is room again."""
    out, into = make(stage, sender, SNDHWM=2), make(stage, receiver, RCVHWM=2)
    join(stage, into, out)
    filled = stage.fill(out, 100)
    refused = stage.offer(out, "99")
    got = numbers(stage.drain(into, 0.05))
    stage.settle(0.05)
    return {"filled": filled, "refused": refused, "received": got, "then": stage.offer(out, "x")}


def many_peers(stage: Stage, kind: str, peers: list[str]) -> dict[str, Any]:
    """One socket bound and connected at once, to peers of all these types: does a message pass with each?"""
    hub = make(stage, kind)
    endpoint = stage.bind(hub, "inproc")
    passed = []
    for place, peer_kind in enumerate(peers):
        peer = make(stage, peer_kind)
        if place % 2:
            hub.connect(stage.bind(peer, "inproc"))
        else:
            peer.connect(endpoint)
        stage.settle(0.02)
        _quieten(stage, hub, peer)
        giver, taker = (hub, peer) if kind in ("PUSH", "PUB", "XPUB") else (peer, hub)
        giver.send(b"%d" % place)
        passed.append([text(message[-1]) for message in stage.drain(taker, 0.05)] == ["%d" % place])
        if giver is hub:
            peer.close()
            stage.settle(0.02)
            _quieten(stage, hub)
    return {"passed": passed}
