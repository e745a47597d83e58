"""zmq_proxy, its steerable kind and the monitored queue: bursts, back-pressure, capture, steering, and how they end."""

from __future__ import annotations

from typing import Any

import pytest

from .stage import Stage, Task, text

pytestmark = pytest.mark.timeout(60)


def device(stage: Stage, function: str, *sockets: Any, **options: int) -> Task:
    """Run it over sockets of the stage until it ends: 0, or the name of the error."""
    taken = [socket for socket in sockets if isinstance(socket, stage.zmq.Socket) and not socket.closed]
    for socket in taken:
        socket.rcvtimeo = socket.sndtimeo = -1
        for name, value in options.items():
            setattr(socket, name, value)
        stage.hand_over(socket)

    def run() -> Any:
        try:
            return getattr(stage.zmq.backend, function)(*sockets)
        except stage.zmq.ZMQError as error:
            return stage.error_name(error)
        finally:
            for socket in taken:
                socket.close(0)

    return stage.spawn(run)


def ends_of(stage: Stage, context: Any, front: int, back: int) -> tuple[Any, Any, str, str]:
    sockets = stage.socket(front, context, RCVHWM=10, SNDHWM=10), stage.socket(back, context, RCVHWM=10, SNDHWM=10)
    return (*sockets, *(stage.bind(socket, "inproc") for socket in sockets))


def nobody_takes(stage: Stage) -> dict[str, Any]:
    zmq = stage.zmq
    context = stage.context()
    pull, push, entry, exit_ = ends_of(stage, context, zmq.PULL, zmq.PUSH)
    running = device(stage, "proxy", pull, push)
    source = stage.socket(zmq.PUSH, context, SNDHWM=10)
    source.connect(entry)
    stage.sleep(0.05)
    before = stage.fill(source, 100)
    stage.sleep(0.1)
    refill = stage.fill(source, 100)
    sink = stage.socket(zmq.PULL, context, RCVHWM=10)
    sink.connect(exit_)
    got = stage.drain(sink)
    stage.hand_over(source)
    source.close()
    stage.hand_over(sink)
    sink.close()
    context.term()
    return {"before": before, "refill": refill, "got": len(got), "ended": running.join(3)}


def test_input_waits_in_its_queue_while_the_other_side_is_full(stage: Stage) -> None:
    """Nothing is read from the front before the back can be written to (F224, F226); term ends it all."""
    assert stage.play(nobody_takes) == {"before": 20, "refill": 0, "got": 20, "ended": "ETERM"}


def full_in_the_middle_of_a_burst(stage: Stage) -> dict[str, Any]:
    zmq = stage.zmq
    context = stage.context()
    front, back, entry, exit_ = ends_of(stage, context, zmq.DEALER, zmq.DEALER)
    client = stage.socket(zmq.DEALER, context, SNDHWM=100)
    worker = stage.socket(zmq.DEALER, context, RCVHWM=1, SNDHWM=100)
    client.connect(entry)
    worker.connect(exit_)
    stage.settle(0.05)
    for number in range(60):
        client.send(b"request %d" % number)
    device(stage, "proxy", front, back)
    stage.sleep(0.2)
    worker.send(b"a reply that nobody fetches")
    stuck = stage.take(client, 0.3)
    taken = len(stage.drain(worker, 0.1))
    freed = stage.take(client, 0.3)
    for socket in (client, worker):
        stage.hand_over(socket)
        socket.close()
    return {"while full": stuck, "taken": taken, "then": freed}


def test_a_target_that_fills_within_a_burst_stops_both_directions(stage: Stage) -> None:
    """The send of a burst blocks (F223)."""
    assert stage.play(full_in_the_middle_of_a_burst) == {
        "while full": "EAGAIN",
        "taken": 60,
        "then": ["a reply that nobody fetches"],
    }


def captured(stage: Stage, kind: str, listen: bool) -> dict[str, Any]:
    zmq = stage.zmq
    context = stage.context()
    pull, push, entry, exit_ = ends_of(stage, context, zmq.PULL, zmq.PUSH)
    capture = stage.socket(getattr(zmq, kind), context)
    aside = stage.bind(capture, "inproc")
    listener = stage.socket(zmq.SUB if kind == "PUB" else zmq.PULL, context)
    if kind == "PUB":
        listener.subscribe(b"")
    if listen:
        listener.connect(aside)
    source, sink = stage.socket(zmq.PUSH, context), stage.socket(zmq.PULL, context)
    source.connect(entry)
    sink.connect(exit_)
    stage.settle(0.05)
    device(stage, "proxy", pull, push, capture)
    for number in range(3):
        source.send_multipart([b"m", b"%d" % number])
    got, heard = text(stage.drain(sink)), text(stage.drain(listener, 0.05))
    for socket in (source, sink, listener):
        stage.hand_over(socket)
        socket.close()
    return {"got": got, "heard": heard}


_ALL = [["m", "0"], ["m", "1"], ["m", "2"]]


@pytest.mark.parametrize(
    ("kind", "listen", "got", "heard"),
    [("PUB", True, _ALL, _ALL), ("PUB", False, _ALL, []), ("PUSH", True, _ALL, _ALL), ("PUSH", False, [], [])],
)
def test_capture(stage: Stage, kind: str, listen: bool, got: list[Any], heard: list[Any]) -> None:
    """Each frame goes to the capture socket first, in a send that blocks (F227)."""
    assert stage.play(captured, kind, listen) == {"got": got, "heard": heard}


def one_socket_on_both_sides(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    context = stage.context()
    router = stage.socket(zmq.ROUTER, context)
    entry = stage.bind(router, "inproc")
    stage.hand_over(router)

    def run() -> None:
        try:
            zmq.proxy(router, router)
        except zmq.ZMQError:
            router.close(0)

    router.rcvtimeo = router.sndtimeo = -1
    stage.spawn(run)
    client = stage.socket(zmq.DEALER, context)
    client.connect(entry)
    client.send_multipart([b"echo", b"me"])
    got = stage.take(client)
    stage.hand_over(client)
    client.close()
    return got


def test_a_socket_may_be_both_sides(stage: Stage) -> None:
    """Then it is an echo, and POLLOUT is not asked for (F221)."""
    assert stage.play(one_socket_on_both_sides) == ["echo", "me"]


def ends_by_timeout(stage: Stage) -> Any:
    zmq = stage.zmq
    context = stage.context()
    front, back, entry, _ = ends_of(stage, context, zmq.PULL, zmq.PUSH)
    capture = stage.socket(zmq.PUSH, context)
    sink = stage.socket(zmq.PULL, context)
    sink.bind(f"{entry}-sink")
    back.connect(f"{entry}-sink")
    running = device(stage, "proxy", front, back, capture, sndtimeo=100)
    source = stage.socket(zmq.PUSH, context)
    source.connect(entry)
    source.send(b"m")
    ended = running.join(3)
    for socket in (source, sink):
        stage.hand_over(socket)
        socket.close()
    return ended


def test_a_send_that_times_out_ends_the_proxy(stage: Stage) -> None:
    """Whatever call fails, the proxy gives its error."""
    assert stage.play(ends_by_timeout) == "EAGAIN"


def steered(stage: Stage, control: str, steer: str, commands: list[bytes]) -> list[Any]:
    zmq = stage.zmq
    context = stage.context()
    pull, push, entry, exit_ = ends_of(stage, context, zmq.PULL, zmq.PUSH)
    controlled = stage.socket(getattr(zmq, control), context)
    if control == "SUB":
        controlled.subscribe(b"")
    helm = stage.socket(getattr(zmq, steer), context)
    helm.connect(stage.bind(controlled, "inproc"))
    source, sink = stage.socket(zmq.PUSH, context), stage.socket(zmq.PULL, context)
    source.connect(entry)
    sink.connect(exit_)
    stage.settle(0.05)
    running = device(stage, "proxy_steerable", pull, push, None, controlled)
    seen: list[Any] = []
    for command in commands:
        helm.send(command)
        reply = stage.take(helm, 0.5) if steer in ("PAIR", "REQ") else "none"
        stage.sleep(0.1)
        stage.offer(source, "x")
        stage.sleep(0.1)
        seen.append([reply, len(stage.drain(sink, 0.05))])
    stage.sleep(0.1)
    seen.append(running.result if running.done else "runs")
    for socket in (source, sink, helm):
        stage.hand_over(socket)
        socket.close(0)
    return seen


@pytest.mark.parametrize(
    ("control", "steer", "commands", "expected"),
    [
        ("PAIR", "PAIR", [b"PAUSE", b"TERMINATE"], [[[""], 1], [[""], 0], 0]),
        ("PAIR", "PAIR", [b"RESUME", b"junk", b"PAUSE"], [[[""], 0], [[""], 0], [[""], 3], "runs"]),
        ("REP", "REQ", [b"RESUME", b"five.", b"RESUME", b"TERMINATE"], [[[""], 0], [[""], 2], [[""], 0], [[""], 0], 0]),
        ("SUB", "PUB", [b"PAUSE"], [["none", 0], "ENOTSUP"]),
        ("PULL", "PUSH", [b"TERMINATE"], [["none", 0], "ENOTSUP"]),
    ],
)
def test_steering(stage: Stage, control: str, steer: str, commands: list[bytes], expected: list[Any]) -> None:
    """In 4.3.5 RESUME pauses, five bytes of anything resume, and every command is answered or ends it (F228)."""
    assert stage.play(steered, control, steer, commands) == expected


def statistics_of_frames(stage: Stage) -> list[int]:
    zmq = stage.zmq
    context = stage.context()
    front, back, entry, exit_ = ends_of(stage, context, zmq.ROUTER, zmq.DEALER)
    controlled = stage.socket(zmq.PAIR, context)
    helm = stage.socket(zmq.PAIR, context)
    helm.connect(stage.bind(controlled, "inproc"))
    client, server = stage.socket(zmq.REQ, context, ROUTING_ID=b"me"), stage.socket(zmq.REP, context)
    client.connect(entry)
    server.connect(exit_)
    stage.settle(0.05)
    running = device(stage, "proxy_steerable", front, back, None, controlled)
    client.send(b"12345")
    server.send(server.recv() + b"678")
    client.recv()
    helm.send(b"STATISTICS")
    counters = [int.from_bytes(frame, "little") for frame in helm.recv_multipart()]
    helm.send(b"TERMINATE")
    running.join(3)
    for socket in (client, server, helm):
        stage.hand_over(socket)
        socket.close(0)
    return counters


def test_statistics_count_frames(stage: Stage) -> None:
    """Envelopes included: three frames a message, identity, delimiter, body."""
    assert stage.play(statistics_of_frames) == [3, 7, 3, 10, 3, 10, 3, 7]


def between_two_routers(stage: Stage) -> dict[str, Any]:
    zmq = stage.zmq
    context = stage.context()
    left, right = stage.socket(zmq.ROUTER, context), stage.socket(zmq.ROUTER, context)
    monitor = stage.socket(zmq.PUB, context)
    watcher = stage.socket(zmq.SUB, context, SUBSCRIBE=b"")
    watcher.connect(stage.bind(monitor, "inproc"))
    peers = []
    for router, name in ((left, b"L"), (right, b"R")):
        peer = stage.socket(zmq.DEALER, context, ROUTING_ID=name)
        peer.connect(stage.bind(router, "inproc"))
        peers.append(peer)
    stage.settle(0.05)
    device(stage, "monitored_queue", left, right, monitor, b"from left", b"from right")
    peers[0].send_multipart([b"R", b"to the right"])
    there = stage.take(peers[1])
    peers[1].send_multipart([b"L", b"to the left"])
    back = stage.take(peers[0])
    heard = text(stage.drain(watcher, 0.05))
    for socket in (*peers, watcher):
        stage.hand_over(socket)
        socket.close(0)
    return {"there": there, "back": back, "heard": heard}


def test_a_monitored_queue_joins_two_routers(stage: Stage) -> None:
    """Identities are exchanged, and the monitor hears all behind a prefix (pyzmq: monitored_queue)."""
    assert stage.play(between_two_routers) == {
        "there": ["L", "to the right"],
        "back": ["R", "to the left"],
        "heard": [["from left", "R", "L", "to the right"], ["from right", "L", "R", "to the left"]],
    }


def wrong_arguments(stage: Stage) -> list[str]:
    zmq = stage.zmq
    pull = stage.socket(zmq.PULL)
    seen = []
    for arguments in ((None, pull), (pull, "push"), (pull, object())):
        try:
            zmq.proxy(*arguments)
        except TypeError as error:
            seen.append(str(error).split(" (", maxsplit=1)[0])
    return seen


def test_what_is_no_socket(stage: Stage) -> None:
    """A TypeError of pyzmq that names the argument."""
    incorrect = "Argument {} has incorrect type"
    assert stage.play(wrong_arguments) == [incorrect.format(f"'{name}'") for name in ("frontend", "backend", "backend")]


def closed_sockets(stage: Stage) -> Any:
    zmq = stage.zmq
    closed, open_ = stage.socket(zmq.PULL), stage.socket(zmq.PUSH)
    closed.close()
    seen = [stage.attempt(zmq.proxy, closed, open_), stage.attempt(zmq.proxy, open_, closed)]
    context = stage.context()
    pull, push, entry, exit_ = ends_of(stage, context, zmq.PULL, zmq.PUSH)
    device(stage, "proxy", pull, push, closed)
    source, sink = stage.socket(zmq.PUSH, context), stage.socket(zmq.PULL, context)
    source.connect(entry)
    sink.connect(exit_)
    source.send(b"m")
    return [*seen, stage.take(sink)]


def test_closed_sockets(stage: Stage) -> None:
    """EFAULT for a side; a closed capture socket is none."""
    assert stage.play(closed_sockets) == ["errno 14", "errno 14", ["m"]]


def a_device_of_pyzmq(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    context = stage.context()
    forwarder = stage.module("zmq.devices").Proxy(zmq.PULL, zmq.PUSH, zmq.PUB)
    forwarder.context_factory = lambda: context
    places = {name: stage.endpoint("inproc") for name in ("in", "out", "mon")}
    for name, place in places.items():
        getattr(forwarder, f"bind_{name}")(place)
    running = stage.spawn(forwarder.start)
    stage.sleep(0.1)
    source, sink = stage.socket(zmq.PUSH, context), stage.socket(zmq.PULL, context)
    source.connect(places["in"])
    sink.connect(places["out"])
    source.send(b"through")
    got = stage.take(sink)
    for socket in (source, sink):
        stage.hand_over(socket)
        socket.close(0)
    context.term()
    return [got, running.wait(3), forwarder.done]


def test_devices_of_pyzmq(stage: Stage) -> None:
    """zmq.devices is pyzmq's own, over these functions; the end of the context ends it."""
    assert stage.play(a_device_of_pyzmq) == [["through"], True, True]
