"""What the process of a link's relay takes to read a piece, to pass it on, and to accept a connection.

The relay's event loop is run here, a turn at a time, with something ready for it, so that no sleep and no other
process is in the figures.

    python benchmarks/measure_relay.py            prints the three keys of a profile
"""

from __future__ import annotations

import random
import socket
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from measure_profile_tools import line, toml

from harness.live.proxy.relay import SocketRelay
from harness.relay.line import buffers
from harness.relay.route import Link, Route
from harness.shaper import Shape

SIZES = (100, 8192)
ROUNDS = 200
CONNECTIONS = 40
HELD_NS = 300_000
clock = time.monotonic_ns


class Stand:
    """A relay with one route, in this thread, and whoever it leads to."""

    def __init__(self) -> None:
        self.relay = SocketRelay(lambda _told: None)
        self.link = Link.of("link", Shape(), lambda way: random.Random(way).random)
        self.target = socket.create_server(("127.0.0.1", 0))
        with socket.create_server(("127.0.0.1", 0)) as unused:
            self.port = unused.getsockname()[1]
        size, room = buffers(())
        self.relay.add_route(Route(self.port, self.target.getsockname()[1], self.link, None, size, room))
        self.relay.turn()

    def connect(self) -> tuple[socket.socket, socket.socket, int]:
        """A connection: both its ends, and what the relay took to accept it."""
        near = socket.create_connection(("127.0.0.1", self.port))
        began = clock()
        self.relay.turn()
        took = clock() - began
        self.relay.turn()
        far, _ = self.target.accept()
        return near, far, took

    def turn(self, near: socket.socket, size: int) -> int:
        """What a turn takes that finds so many bytes, ns."""
        near.sendall(bytes(size))
        began = clock()
        self.relay.turn()
        return clock() - began


def measure() -> dict[str, list[int]]:
    """Samples in ns: ``relay_accept``, and for each size ``relay_pass_SIZE`` (both) and ``relay_read_SIZE``."""
    found: dict[str, list[int]] = defaultdict(list)
    stand = Stand()
    for _ in range(CONNECTIONS):
        near, far, took = stand.connect()
        found["relay_accept"].append(took)
    for size in SIZES:
        for _ in range(ROUNDS):
            stand.relay.impair(stand.link, Shape(queue_bytes=0))
            found[f"relay_pass_{size}"].append(stand.turn(near, size))
            far.recv(size, socket.MSG_WAITALL)
            stand.relay.impair(stand.link, Shape(delay_ns=HELD_NS, queue_bytes=0))
            found[f"relay_read_{size}"].append(stand.turn(near, size))
            stand.relay.turn()
            far.recv(size, socket.MSG_WAITALL)
    return dict(found)


def derive(middle: Callable[[str], float]) -> dict[str, Any]:
    """The profile's fields; ``middle``: the median of the samples of that name."""
    reads = [(size, middle(f"relay_read_{size}")) for size in SIZES]
    passes = [(size, max(1.0, middle(f"relay_pass_{size}") - read)) for size, read in reads]
    return {"relay_read": line(reads), "relay_write": line(passes), "relay_accept_ns": round(middle("relay_accept"))}


def main() -> int:
    """Measure and print."""
    samples = measure()
    for key, value in derive(lambda name: statistics.median(samples[name])).items():
        print(f"{key} = {toml(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
