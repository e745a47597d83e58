"""Programs for the tests of the simulated world."""

from __future__ import annotations

from types import SimpleNamespace

from harness.node import Node

MS = 1_000_000


def fails(node: Node, options: SimpleNamespace) -> None:
    """Dies in the middle of the run."""
    node.sleep_until(200 * MS)
    raise RuntimeError("the cat sat on the keyboard")


def exits(node: Node, options: SimpleNamespace) -> None:
    """Ends as scripts do."""
    raise SystemExit(getattr(options, "status", None))


def spins(node: Node, options: SimpleNamespace) -> None:
    """Never gives up the processor."""
    node.sleep_until(200 * MS)
    while True:
        pass


def spins_and_catches(node: Node, options: SimpleNamespace) -> None:
    """The same, and takes errors lightly."""
    while True:
        try:
            node.sleep_until(200 * MS)
            while True:
                pass
        except Exception:
            node.mark("nothing happened")


def spins_at_the_end(node: Node, options: SimpleNamespace) -> None:
    """Does not let itself be ended."""
    try:
        node.context.socket(node.zmq.PULL).recv()
    finally:
        while True:
            pass


def asks_for_ever(node: Node, options: SimpleNamespace) -> None:
    """Waits for time to pass, which it does only when one lets it."""
    while node.now() < 1000 * MS:
        pass


def chatters(node: Node, options: SimpleNamespace) -> None:
    """Marks without end."""
    while True:
        node.mark("again")


def stamps(node: Node, options: SimpleNamespace) -> None:
    """Marks when it was called, and what chance gives it, as the times of further marks."""
    node.mark("called")
    now = node.now()
    for draw in node.rng.integers(1, 1000, 5):
        now += int(draw) * 1000
        node.sleep_until(now)
        node.mark("draw")


def meets_globally(node: Node, options: SimpleNamespace) -> None:
    """Marks when it has heard of the other one over the global context."""
    socket = node.zmq.Context.instance().socket(node.zmq.PAIR)
    if options.binds:
        socket.bind("inproc://global")
    else:
        socket.connect("inproc://global")
    socket.send(b"here")
    socket.recv()
    node.mark("met")


def works(node: Node, options: SimpleNamespace) -> None:
    """Works ten milliseconds at a time and marks when each is done."""
    while node.now() < options.until_ns:
        node.work(10 * MS)
        node.mark("done")


def lowers_its_mark(node: Node, options: SimpleNamespace) -> None:
    """A PUSH that fills its queue and then allows itself less."""
    node.sleep_until(-400 * MS)  # so that the other side has bound
    socket = node.context.socket(node.zmq.PUSH)
    socket.sndhwm = 50
    socket.connect(node.endpoint("work"))
    while node.send(socket, flow="work", flags=node.zmq.DONTWAIT):
        pass
    socket.sndhwm = 2
    node.send(socket, flow="work", flags=node.zmq.DONTWAIT)
    node.sleep_until(600 * MS)  # by then a credit has come, though not for so much
    node.send(socket, flow="work", flags=node.zmq.DONTWAIT)


def pulls(node: Node, options: SimpleNamespace) -> None:
    """A PULL with marks of its own."""
    socket = node.context.socket(node.zmq.PULL)
    socket.rcvhwm = getattr(options, "rcvhwm", 1000)
    socket.bind(node.endpoint("work"))
    while True:
        node.recv(socket)
        node.work(options.service_ns)


def pushes(node: Node, options: SimpleNamespace) -> None:
    """Pushes at once."""
    socket = node.context.socket(node.zmq.PUSH)
    socket.connect(node.endpoint("work"))
    for _ in range(options.count):
        node.send(socket, flow="work")


def pushes_and_leaves(node: Node, options: SimpleNamespace) -> None:
    """Pushes at once, and keeps nothing open."""
    with node.context.socket(node.zmq.PUSH) as socket:
        socket.connect(node.endpoint("work"))
        for _ in range(options.count):
            node.send(socket, flow="work")
