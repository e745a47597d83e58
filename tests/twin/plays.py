"""Processes that tests put together: a PUSH and a PULL with everything that can be said of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.twin import Twin

from .witness import MS, SECOND, Witness, watched

ENDPOINT = "tcp://127.0.0.1:5555"
TRANSPORTS = ["tcp", "ipc", "inproc"]


def endpoint_of(transport: str) -> str:
    return ENDPOINT if transport == "tcp" else f"{transport}://place"


def play(*programs: Callable[[Twin], Any], until_s: float = 5, seed: int = 0) -> tuple[list[Any], Witness, Twin]:
    """Each program in a process of its own: what they returned (None: not yet), and the witness."""
    twin, witness = watched(seed=seed)
    results: list[Any] = [None] * len(programs)

    def run(position: int, program: Callable[[Twin], Any]) -> None:
        results[position] = program(twin)

    for position, program in enumerate(programs):
        twin.spawn(run, position, program)
    twin.run(until_ns=int(until_s * SECOND))
    return results, witness, twin


def receiver(
    transport: str = "tcp",
    *,
    bind: bool = True,
    start_ms: int = 0,
    idle_ms: int = 0,
    wait_ms: int = 1000,
    close_after: int = 1 << 30,
    **options: int,
) -> Callable[[Twin], list[int]]:
    """A PULL from that time on; gives the numbers it has received until none came for a while."""

    def program(twin: Twin) -> list[int]:
        twin.sleep_ns(start_ms * MS)
        socket = twin.zmq.Context().socket(twin.zmq.PULL)
        for name, value in options.items():
            setattr(socket, name, value)
        (socket.bind if bind else socket.connect)(endpoint_of(transport))
        twin.sleep_ns(idle_ms * MS)
        got: list[int] = []
        while len(got) < close_after and socket.poll(wait_ms):
            got.append(int(socket.recv()[:8]))
        socket.close(0)
        return got

    return program


def sender(
    count: int,
    linger_ms: int,
    *,
    transport: str = "tcp",
    bind: bool = False,
    close_ms: int = 0,
    size: int = 8,
    wait_ms: int = 0,
    **options: int,
) -> Callable[[Twin], dict[str, Any]]:
    """A PUSH that sends all at once, closes, and terminates its context: when that returned."""

    def program(twin: Twin) -> dict[str, Any]:
        context = twin.zmq.Context()
        socket = context.socket(twin.zmq.PUSH)
        for name, value in options.items():
            setattr(socket, name, value)
        (socket.bind if bind else socket.connect)(endpoint_of(transport))
        twin.sleep_ns(wait_ms * MS)
        sent = 0
        for number in range(count):
            socket.send(b"%08d" % number + bytes(size - 8), twin.zmq.DONTWAIT)
            sent += 1
        twin.sleep_ns(close_ms * MS)
        began = twin.now_ns
        socket.close(linger_ms)
        context.term()
        return {"sent": sent, "took_ms": (twin.now_ns - began) / MS}

    return program
