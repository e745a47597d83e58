"""Programs for the tests of the live world."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

from harness.node import Node


def idle(node: Node, options: SimpleNamespace) -> None:
    """Never asks the node for anything."""
    time.sleep(3600)


def fails(node: Node, options: SimpleNamespace) -> None:
    """Dies of an exception in the middle of the run."""
    node.sleep_until(200_000_000)
    raise RuntimeError("the cat sat on the keyboard")


def fails_early(node: Node, options: SimpleNamespace) -> None:
    """Dies of an exception before it is ready."""
    raise RuntimeError("no sockets today")


def tells_its_cores(node: Node, options: SimpleNamespace) -> None:
    """Fails with the cores that each of its threads may have, libzmq's included."""
    node.context.socket(node.zmq.PULL)
    threads = [int(path.name) for path in Path("/proc/self/task").iterdir()]
    raise RuntimeError(f"cores: {sorted({core for thread in threads for core in os.sched_getaffinity(thread)})}")


def exits(node: Node, options: SimpleNamespace) -> None:
    """Ends as scripts do."""
    raise SystemExit(getattr(options, "status", None))


def is_killed(node: Node, options: SimpleNamespace) -> None:
    """Marks ten moments, then gets a SIGKILL."""
    for number in range(10):
        node.sleep_until(number * 10_000_000)
        node.mark("tick")
    os.kill(os.getpid(), signal.SIGKILL)


def blocks(node: Node, options: SimpleNamespace) -> None:
    """Waits in a plain receive for ever, without the node's help."""
    socket = node.context.socket(node.zmq.PULL)
    socket.bind(node.endpoint("nowhere"))
    try:
        socket.recv()
    except SystemExit:
        node.mark("broken off")
        raise


def is_stubborn(node: Node, options: SimpleNamespace) -> None:
    """Does not let itself be ended."""
    while True:
        try:
            node.sleep_until(3_600_000_000_000)
        except SystemExit:
            continue


def works(node: Node, options: SimpleNamespace) -> None:
    """Works 20 ms at a time and marks when each is done."""
    while node.now() < options.until_ns:
        node.work(20_000_000)
        node.mark("done")


def marks_start(node: Node, options: SimpleNamespace) -> None:
    """Marks when it was called."""
    node.mark("called")


def chatters(node: Node, options: SimpleNamespace) -> None:
    """Marks without end."""
    while True:
        node.mark("again")


def pushes(node: Node, options: SimpleNamespace) -> None:
    """Sends as fast as it can, some frames in front of every third message."""
    socket = node.context.socket(node.zmq.PUSH)
    socket.connect(node.endpoint("work"))
    for number in range(options.count):
        prefix = [b"topic", b""] if number % 3 == 0 else []
        assert node.send(socket, flow="work", size_bytes=64, prefix=prefix)


def pulls(node: Node, options: SimpleNamespace) -> None:
    """Receives, with a service time."""
    socket = node.context.socket(node.zmq.PULL)
    socket.bind(node.endpoint("work"))
    while True:
        message = node.recv(socket)
        assert len(message.frames) == (3 if message.seq % 3 == 0 else 1), message.frames
        node.work(options.service_ns)


def answers(node: Node, options: SimpleNamespace) -> None:
    """A REP that answers everything."""
    socket = node.context.socket(node.zmq.REP)
    socket.bind(node.endpoint("work"))
    while True:
        request = node.recv(socket)
        node.send(socket, flow="replies", answers=request)


def asks(node: Node, options: SimpleNamespace) -> None:
    """A REQ that asks a few times."""
    socket = node.context.socket(node.zmq.REQ)
    socket.connect(node.endpoint("work"))
    for number in range(options.count):
        node.sleep_until(number * 5_000_000)
        node.send(socket, flow="requests", intended_ns=number * 5_000_000)
        assert node.recv(socket).intended_ns == number * 5_000_000


def is_refused(node: Node, options: SimpleNamespace) -> None:
    """Tries to send where nobody listens."""
    socket = node.context.socket(node.zmq.PUSH)
    socket.bind(node.endpoint("work"))
    for _ in range(3):
        assert not node.send(socket, flow="work", flags=node.zmq.DONTWAIT)


def grabs(node: Node, options: SimpleNamespace) -> None:
    """Wants a lot of memory at once."""
    node.sleep_until(100_000_000)
    memory = bytearray(options.size_bytes)
    for place in range(0, len(memory), 4096):
        memory[place] = 1
