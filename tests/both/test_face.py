"""What pyzmq's front end shows of sockets, contexts and frames, apart from messages: the same over both libraries."""

from __future__ import annotations

import copy
import gc
from typing import Any

import pytest

from .stage import Stage

pytestmark = pytest.mark.timeout(60)


def told(call: Any, *arguments: Any, **named: Any) -> Any:
    """What a call gives, or the name of its error."""
    try:
        return call(*arguments, **named)
    except Exception as error:
        number = getattr(error, "errno", None)
        return type(error).__name__ if number is None else f"{type(error).__name__} {number}"


def done(stage: Stage, tracker: Any, limit_s: float = 1.0) -> bool:
    """Whether a tracker is done, at once or after a while."""
    for turn in range(20):
        if turn in (0, 19):  # it takes long in a process of many tests
            gc.collect()
        if tracker.done:
            return True
        stage.sleep(limit_s / 20)
    return False


def frees_when_written(stage: Stage) -> list[Any]:
    """A frame that nobody can take yet keeps its data; written to the kernel it is free, read or not."""
    zmq = stage.zmq
    push, pull = stage.socket(zmq.PUSH), stage.socket(zmq.PULL)
    address, release = stage.free_endpoint()
    push.connect(address)
    small = push.send(b"x", copy=False, track=True)
    push.copy_threshold = 0
    waiting = push.send(b"x" * 100, copy=False, track=True)
    untracked = push.send(b"y", copy=False)
    found = [small.done, waiting.done, untracked]
    release()
    pull.bind(address)
    return [*found, done(stage, waiting)]


def frees_when_read(stage: Stage) -> list[Any]:
    """Over inproc the data go to the reader: they are free when the reader has let go of its frame."""
    zmq = stage.zmq
    push, pull, _ = stage.pair("inproc", zmq.PUSH, zmq.PULL)
    push.copy_threshold = 0
    sent = push.send(b"x" * 100, copy=False, track=True)
    found = [done(stage, sent, 0.1)]
    frame = pull.recv(copy=False)
    found += [frame.bytes == b"x" * 100, done(stage, sent, 0.1)]
    del frame
    return [*found, done(stage, sent)]


def frees_when_all_have_read(stage: Stage) -> list[Any]:
    """A publisher's data are shared by all subscribers."""
    zmq = stage.zmq
    publisher = stage.socket(zmq.PUB)
    subscribers = [stage.socket(zmq.SUB, SUBSCRIBE=b"") for _ in range(2)]
    address = stage.bind(publisher, "inproc")
    for subscriber in subscribers:
        subscriber.connect(address)
    stage.settle(0.05)
    publisher.copy_threshold = 0
    sent = publisher.send(b"x" * 100, copy=False, track=True)
    subscribers[0].recv()
    found = [done(stage, sent, 0.1)]
    subscribers[1].recv()
    return [*found, done(stage, sent)]


def frames_and_trackers(stage: Stage) -> list[Any]:
    """zmq.Frame by itself."""
    zmq = stage.zmq
    data = b"x" * 40
    copied, shared = zmq.Frame(data, track=True), zmq.Frame(data, copy=False, track=True)
    both = zmq.MessageTracker(copied, shared)
    found = [copied.tracker.done, shared.tracker.done, both.done, told(both.wait, 0.01)]
    tracker = shared.tracker
    other = copy.copy(shared)
    del shared
    found += [done(stage, tracker, 0.05), other.tracker is tracker]
    del other
    found += [done(stage, tracker), both.done]
    view = memoryview(copied)
    found += [view.readonly, view.format, bytes(view) == data, len(copied), copied == zmq.Frame(data)]
    return [*found, told(zmq.Frame, "text"), told(zmq.Frame, 5), told(zmq.Frame, memoryview(bytearray(9))[::2])]


def properties(stage: Stage) -> list[Any]:
    """zmq_msg_get and zmq_msg_gets."""
    zmq = stage.zmq
    names = ("Socket-Type", "Identity", "Routing-Id", "Peer-Address", "User-Id", b"Socket-Type", 1, 3, 77, 1.5)
    found: list[Any] = []
    router, dealer, _ = stage.pair("tcp", zmq.ROUTER, zmq.DEALER, connect_options={"ROUTING_ID": b"me"})
    dealer.send_multipart([b"x", b"y"])
    found += [[told(frame.get, name) for name in names] for frame in router.recv_multipart(copy=False)]
    pull, push, _ = stage.pair("inproc", zmq.PULL, zmq.PUSH)
    push.send(b"x")
    own = zmq.Frame(b"x")
    found += [[told(frame.get, name) for name in names] for frame in (pull.recv(copy=False), own)]
    return [*found, told(own.set, 1, 1), told(own.set, "x", 1)]


def receives_into_a_buffer(stage: Stage) -> list[Any]:
    """Socket.recv_into: the size of the message, what fits of it, and bad buffers."""
    zmq = stage.zmq
    pull, push, _ = stage.pair("inproc", zmq.PULL, zmq.PUSH)
    found: list[Any] = []
    for room, limit in ((10, 0), (3, 0), (10, 3), (0, 0), (10, 11), (10, -1)):
        push.send(b"abcdef")
        buffer = bytearray(room)
        found.append((told(pull.recv_into, buffer, nbytes=limit), bytes(buffer)))
    for bad in (b"readonly", memoryview(bytearray(9))[::2], "text", 7):
        found.append(told(pull.recv_into, bad))
    stage.drain(pull, 0.05)
    return [*found, told(pull.recv_into, bytearray(3), flags=zmq.DONTWAIT)]


def the_descriptor(stage: Stage) -> list[Any]:
    """FD tells of commands, not of messages (F56): it is readable until EVENTS is read, whatever is left to receive."""
    zmq = stage.zmq
    pull, push, _ = stage.pair("tcp", zmq.PULL, zmq.PUSH)
    descriptor = pull.get(zmq.FD)

    def readable() -> bool:
        return bool(zmq.zmq_poll([(descriptor, zmq.POLLIN)], 100))

    found = [isinstance(descriptor, int), pull.get(zmq.EVENTS), readable()]
    push.send_multipart([b"1"])
    found += [readable(), readable(), pull.get(zmq.EVENTS), readable(), pull.get(zmq.EVENTS)]
    push.send(b"2")
    stage.settle(0.1)
    found += [readable(), pull.recv(), pull.recv(), readable()]
    push.send(b"3")
    ready = zmq.zmq_poll([(descriptor, zmq.POLLIN | zmq.POLLOUT), (pull, zmq.POLLOUT)], 0)
    return [*found, [events for _, events in ready], ready[0][0] == descriptor]


def polls_and_their_errors(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    pull = stage.socket(zmq.PULL)
    began = stage.now_ns()
    found = [told(zmq.zmq_poll, [], 1000), told(zmq.zmq_poll, [(pull, zmq.POLLIN)], 50), told(pull.poll, 50)]
    found += [90 <= (stage.now_ns() - began) / 1e6 <= 900]
    found += [told(zmq.zmq_poll, [("x", zmq.POLLIN)], 0), told(zmq.select, [pull], [pull], [], 0)]
    pull.close()
    return [*found, told(pull.poll, 0)]


def closed_and_terminated(stage: Stage) -> list[Any]:
    """Sockets, contexts and their shadows after the end."""
    zmq = stage.zmq
    context = zmq.Context()
    socket = context.socket(zmq.PULL)
    shadow, other = zmq.Context.shadow(context), zmq.Socket.shadow(socket)
    found = [shadow.underlying == context.underlying, other.underlying == socket.underlying, socket.closed]
    socket.close()
    found += [socket.closed, other.closed, socket.underlying]
    calls = (
        (socket.get, zmq.TYPE), (socket.set, zmq.LINGER, 1), (socket.recv,), (socket.send, b""), (socket.close,),
        (socket.bind, "inproc://z"), (socket.connect, "inproc://z"), (socket.unbind, "inproc://z"), (socket.poll, 0),
    )  # fmt: skip
    found += [told(*call) for call in calls]
    context.term()
    found += [context.closed, context.underlying, shadow.closed]
    found += [
        told(context.socket, zmq.PULL),
        told(shadow.socket, zmq.PULL),
        told(context.get, 1),
        told(context.set, 1, 1),
    ]
    with zmq.Context() as last, last.socket(zmq.PUSH) as pushing:
        last.destroy()
        found += [last.closed, pushing.closed]
    return [*found, told(zmq.Context, -1), told(zmq.Socket), told(zmq.Socket, zmq.Context.instance(), 99)]


def while_it_terminates(stage: Stage) -> list[Any]:
    """A socket learns that its context is being terminated when it processes commands; then nothing works but close."""
    zmq = stage.zmq
    context = zmq.Context()
    socket = context.socket(zmq.PULL)
    ending = stage.spawn(context.term)
    stage.sleep(0.1)
    found = [ending.done, told(socket.get, zmq.EVENTS), told(socket.get, zmq.TYPE), told(socket.set, zmq.LINGER, 0)]
    found += [told(socket.recv), told(socket.bind, "inproc://x"), told(socket.poll, 0), socket.closed]
    found += [told(zmq.Context.shadow(context).socket, zmq.PULL)]
    socket.close()
    ending.join(5)
    return [*found, context.closed]


def options_of_a_context(stage: Stage) -> list[Any]:
    zmq = stage.zmq
    found: list[Any] = []
    with zmq.Context() as context:
        found += [told(context.get, number) for number in (*range(1, 13), 42, 70, 80)]
        for number in (1, 2, 3, 6, 7, 8, 10, 42, 70, 4, 9):
            # What -1 gives for the last two depends on the errno of some earlier call.
            for value in (-1, 0, 1, 2, 70000, 2**31, 1.5)[number in (4, 9) :]:
                found.append(f"{number} {value}: {told(context.set, number, value)} {told(context.get, number)}")
    with zmq.Context() as context:
        context.set(zmq.IO_THREADS, 0)
        with context.socket(zmq.PUSH) as push:
            found += [told(push.connect, "tcp://127.0.0.1:5555"), told(context.set, zmq.IO_THREADS, 2)]
            found += [told(push.connect, "tcp://127.0.0.1:5555"), context.get(zmq.IO_THREADS)]
    with zmq.Context() as context:
        context.set(zmq.BLOCKY, 0)
        context.set(zmq.IPV6, 1)
        with context.socket(zmq.PUSH) as push:
            found += [push.linger, push.ipv6]
        context.max_sockets = 1
        with context.socket(zmq.PUSH):
            found.append(str(told(context.socket, zmq.PUSH))[:10])
    return found


def what_a_socket_takes(stage: Stage) -> list[Any]:
    """Types of arguments."""
    zmq = stage.zmq
    with zmq.Context() as context, context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
        calls = (
            (pull.bind, 5), (pull.set, zmq.LINGER, 2**31), (pull.set, zmq.LINGER, 1.0), (pull.set, zmq.LINGER, True),
            (pull.set, zmq.AFFINITY, 2**63), (pull.set, zmq.ROUTING_ID, 1), (pull.set, zmq.ROUTING_ID, "x"),
            (pull.set, "x", 1), (pull.get, "x"), (pull.get, 9999), (pull.set, 9999, 1), (pull.connect, None),
            (push.send, "text"), (push.send, 5), (push.send, memoryview(bytearray(9))[::2]), (pull.send, b"x"),
            (push.recv,), (push.send, zmq.Frame(b"x"), zmq.DONTWAIT, True, True), (push.send, b"x", zmq.DONTWAIT),
            (pull.disconnect, "tcp://127.0.0.1:1"), (pull.unbind, "nonsense"), (pull.bind, b"inproc://bytes"),
        )  # fmt: skip
        return [str(told(*call)).partition("(")[0] for call in calls]


# fmt: off
BODIES: dict[Any, list[Any]] = {
    frees_when_written: [
        True, False, None, True,
    ],
    frees_when_read: [
        False, True, False, True,
    ],
    frees_when_all_have_read: [
        False, True,
    ],
    frames_and_trackers: [
        True, False, False, "NotDone", False, True, True, True, False, "B", True, 40, False, "TypeError",
        "TypeError", "BufferError",
    ],
    properties: [
        ["DEALER", "me", "ZMQError 22", "127.0.0.1", "ZMQError 22", "DEALER", 1, 0, "ZMQError 22",
         "TypeError"],
        ["DEALER", "me", "ZMQError 22", "127.0.0.1", "ZMQError 22", "DEALER", 1, 0, "ZMQError 22",
         "TypeError"],
        ["DEALER", "me", "ZMQError 22", "127.0.0.1", "ZMQError 22", "DEALER", 0, 0, "ZMQError 22",
         "TypeError"],
        ["ZMQError 22", "ZMQError 22", "ZMQError 22", "ZMQError 22", "ZMQError 22", "ZMQError 22", 0, 0,
         "ZMQError 22", "TypeError"],
        ["ZMQError 22", "ZMQError 22", "ZMQError 22", "ZMQError 22", "ZMQError 22", "ZMQError 22", 0, 0,
         "ZMQError 22", "TypeError"],
        "ZMQError 22", "TypeError",
    ],
    receives_into_a_buffer: [
        (6, b"abcdef\x00\x00\x00\x00"), (6, b"abc"), (6, b"abc\x00\x00\x00\x00\x00\x00\x00"), (6, b""),
        ("ValueError", b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
        ("ValueError", b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "BufferError", "BufferError", "TypeError",
        "TypeError", "Again 11",
    ],
    the_descriptor: [
        True, 0, False, True, True, 1, False, 1, False, b"1", b"2", False, [2], True,
    ],
    polls_and_their_errors: [
        [], [], 0, True, "TypeError", ([], [], []), "ZMQError 95",
    ],
    closed_and_terminated: [
        True, True, False, True, True, 0, "ZMQError 88", "ZMQError 88", "ZMQError 88", "ZMQError 88", None,
        "ZMQError 88", "ZMQError 88", "ZMQError 88", "ZMQError 95", True, 0, False, "ZMQError 95",
        "ZMQError 14", "RuntimeError", "RuntimeError", True, True, "ZMQError 22", "TypeError", "ZMQError 22",
    ],
    while_it_terminates: [
        False, "ContextTerminated 156384765", "ContextTerminated 156384765", "ContextTerminated 156384765",
        "ContextTerminated 156384765", "ContextTerminated 156384765", "ContextTerminated 156384765", False,
        "ZMQError 156384765", True,
    ],
    options_of_a_context: [
        1, 1023, 65535, -1, 2147483647, 64, "ZMQError 22", "ZMQError 22", 0, 1, "ZMQError 22", "ZMQError 22",
        0, 1, "ZMQError 22", "1 -1: ZMQError 22 1", "1 0: None 0", "1 1: None 1", "1 2: None 2",
        "1 70000: None 70000", "1 2147483648: OverflowError 70000", "1 1.5: TypeError 70000",
        "2 -1: ZMQError 22 1023", "2 0: ZMQError 22 1023", "2 1: None 1", "2 2: None 2", "2 70000: None 70000",
        "2 2147483648: OverflowError 70000", "2 1.5: TypeError 70000", "3 -1: ZMQError 22 65535",
        "3 0: None 65535", "3 1: None 65535", "3 2: None 65535", "3 70000: None 65535",
        "3 2147483648: OverflowError 65535", "3 1.5: TypeError 65535", "6 -1: ZMQError 22 64",
        "6 0: ZMQError 22 64", "6 1: ZMQError 22 64", "6 2: ZMQError 22 64", "6 70000: ZMQError 22 64",
        "6 2147483648: OverflowError 64", "6 1.5: TypeError 64", "7 -1: ZMQError 22 ZMQError 22",
        "7 0: None ZMQError 22", "7 1: None ZMQError 22", "7 2: None ZMQError 22", "7 70000: None ZMQError 22",
        "7 2147483648: OverflowError ZMQError 22", "7 1.5: TypeError ZMQError 22",
        "8 -1: ZMQError 22 ZMQError 22", "8 0: None ZMQError 22", "8 1: None ZMQError 22",
        "8 2: None ZMQError 22", "8 70000: None ZMQError 22", "8 2147483648: OverflowError ZMQError 22",
        "8 1.5: TypeError ZMQError 22", "10 -1: ZMQError 22 1", "10 0: None 0", "10 1: None 1", "10 2: None 1",
        "10 70000: None 1", "10 2147483648: OverflowError 1", "10 1.5: TypeError 1", "42 -1: ZMQError 22 0",
        "42 0: None 0", "42 1: None 1", "42 2: None 1", "42 70000: None 1", "42 2147483648: OverflowError 1",
        "42 1.5: TypeError 1", "70 -1: ZMQError 22 1", "70 0: None 0", "70 1: None 1", "70 2: None 1",
        "70 70000: None 1", "70 2147483648: OverflowError 1", "70 1.5: TypeError 1", "4 0: None 0",
        "4 1: None 1", "4 2: None 2", "4 70000: None 70000", "4 2147483648: OverflowError 70000",
        "4 1.5: TypeError 70000", "9 0: None 0", "9 1: None 1", "9 2: None 2", "9 70000: None 70000",
        "9 2147483648: OverflowError 70000", "9 1.5: TypeError 70000", "ZMQError 156384766", None,
        "ZMQError 156384766", 2, 0, 1, "<zmq.Socke",
    ],
    what_a_socket_takes: [
        "TypeError", "OverflowError", "TypeError", "None", "OverflowError", "TypeError", "TypeError",
        "TypeError", "TypeError", "ZMQError 22", "ZMQError 22", "TypeError", "TypeError", "TypeError",
        "BufferError", "ZMQError 95", "ZMQError 95", "ValueError", "Again 11", "ZMQError 2", "ZMQError 22",
        "<SocketContext",
    ],
}
# fmt: on


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_the_face(stage: Stage, body: Any) -> None:
    assert stage.play(body) == BODIES[body]
