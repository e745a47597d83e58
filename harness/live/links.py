"""The links of a run, live: the relay process, what it is told, and what it tells."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.guard import Guard
from harness.live.processes import environment
from harness.live.proxy.route import buffers
from harness.run import Run
from harness.shaper import Shape
from harness.topology import Endpoint, Topology
from harness.world import Cut, Direction

_ANSWER_S = 5.0
_BUFFER_OPTIONS = ("sndbuf", "rcvbuf")


class RelayError(OSError):
    """The relay does not answer."""


@dataclass(frozen=True, slots=True)
class Way:
    """How one node reaches one endpoint over links.

    Attributes:
        node, endpoint: names.
        near, far: whose links are on the way: the connecting node's and the binding node's, as far as they have one.
    """

    node: str
    endpoint: Endpoint
    near: str | None
    far: str | None


def ways(topology: Topology) -> tuple[Way, ...]:
    """All that pass a link."""
    linked = {link.node for link in topology.links}
    found = (
        Way(node, end, node if node in linked else None, end.binder if end.binder in linked else None)
        for end in topology.endpoints
        if end.transport == "tcp"
        for node in end.connecters
    )
    return tuple(way for way in found if way.near or way.far)


class Links:
    """The link verbs of :class:`harness.world.World`.

    Args:
        run: its topology has the links.
        guard: is told of the relay's process.
        life: as of :class:`~harness.live.processes.Processes`.
        report: is told of each connection that was accepted or broke: event, way, time (CLOCK_MONOTONIC), bytes in
            flight.
    """

    def __init__(self, run: Run, guard: Guard, life: int, report: Callable[[str, Way, int, int], None]) -> None:
        self._run = run
        self._guard = guard
        self._life = life
        self._report = report
        self._shapes = {link.node: link.shape for link in run.topology.links}
        self._by_port: dict[int, Way] = {}
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._number = 0

    def start(self, ports: Mapping[Way, tuple[int, int]], aware: bool) -> None:
        """Start the relay and wait until it serves; ``ports``: its own and the endpoint's. Raises OSError."""
        self._by_port = {own: way for way, (own, _) in ports.items()}
        ours, theirs = socket.socketpair()
        self._channel = ours
        order = {
            "links": {name: {"up": _plain(shape), "down": _plain(shape)} for name, shape in self._shapes.items()},
            "routes": [self._route(way, own, target, aware) for way, (own, target) in ports.items()],
            "seed": self._run.seed,
            "channel": theirs.fileno(),
            "supervisor": os.getpid(),
            "life": self._life,
        }
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "harness.live.proxy.serve", json.dumps(order)],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), self._life),
                env=environment(),
            )
        self._guard.watch_pid(self._process.pid)
        self._await(lambda told: told.get("event") == "ready")

    def _route(self, way: Way, own: int, target: int, aware: bool) -> dict[str, Any]:
        topology = self._run.topology
        given = [topology.node(name).socket_options for name in (way.node, way.endpoint.binder)]
        sizes = [int(options[name]) for options in given for name in _BUFFER_OPTIONS if name in options]
        buffer_bytes, room_bytes = buffers(sizes)
        return {
            "port": own,
            "target": target,
            "near": way.near,
            "far": way.far,
            "buffer_bytes": buffer_bytes,
            "room_bytes": room_bytes,
            "aware": aware,
        }

    def end(self) -> None:
        """End the relay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._guard.forget_pid(self._process.pid)
            self._process = None
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    # -- verbs ---------------------------------------------------------------------------------------

    def impair(self, link: str, shape: Shape) -> None:
        """See :class:`harness.world.World`, as for all that follow. Raises RelayError."""
        self._say("impair", link, up=_plain(shape), down=_plain(shape))

    def heal(self, link: str) -> None:
        """As the experiment made it."""
        self.impair(link, self._shapes[link])

    def blackhole(self, link: str, direction: Direction) -> None:
        """Nothing passes; unlike on a real wire it goes on at once when that ends, for nobody counts timeouts here."""
        self._say("stall", link, up=direction != "down", down=direction != "up")

    def unsilence(self, link: str) -> None:
        """Let everything pass again."""
        self._say("stall", link, up=False, down=False)

    def link_down(self, link: str) -> None:
        """Nothing passes, and new connections are refused."""
        self._say("set_down", link, down=True)

    def link_up(self, link: str) -> None:
        """As before."""
        self._say("set_down", link, down=False)

    def reset(self, link: str, cut: Cut) -> None:
        """RST to both ends of all connections."""
        self._say("reset", link, cut="" if cut == "anywhere" else cut)

    def refuse(self, link: str) -> None:
        """Close the listeners."""
        self._say("refuse", link, refuses=True)

    def accept(self, link: str) -> None:
        """Open them."""
        self._say("refuse", link, refuses=False)

    def half_close(self, link: str, direction: Direction) -> None:
        """FIN that way."""
        for up in (True, False):
            if direction in ("both", "up" if up else "down"):
                self._say("half_close", link, up=up)

    # -- the channel ---------------------------------------------------------------------------------

    def listen(self) -> None:
        """Take in what the relay has told of itself."""
        if self._channel is not None:
            while select.select([self._channel], [], [], 0)[0]:
                self._receive()

    def _say(self, verb: str, link: str, **arguments: Any) -> None:
        if self._channel is None:
            raise RelayError("there is no relay")
        self._number += 1
        number = self._number
        order = {"number": number, "verb": verb, "link": link, **arguments}
        with contextlib.suppress(BrokenPipeError):  # then there is no answer either
            self._channel.sendall(json.dumps(order).encode() + b"\n")
        self._await(lambda told: told.get("done") == number)

    def _await(self, wanted: Callable[[Mapping[str, Any]], bool]) -> None:
        deadline = time.monotonic() + _ANSWER_S
        while True:
            left = deadline - time.monotonic()
            assert self._channel is not None
            if left <= 0 or not select.select([self._channel], [], [], left)[0]:
                raise RelayError(f"the relay of the links gave no answer in {_ANSWER_S:g} s")
            if any(wanted(told) for told in self._receive()):
                return

    def _receive(self) -> list[Mapping[str, Any]]:
        assert self._channel is not None
        data = self._channel.recv(65_536)
        if not data:
            raise RelayError("the relay of the links has died")
        *lines, self._unread = (self._unread + data).split(b"\n")
        told = [json.loads(line) for line in lines]
        for each in told:
            if "route" in each:
                in_flight = each.get("there_bytes", 0) + each.get("back_bytes", 0)
                self._report(each["event"], self._by_port[each["route"]], each["monotonic_ns"], in_flight)
        return told


def _plain(shape: Shape) -> dict[str, int]:
    """What a relay can do; its queue is bounded by not reading, which loses nothing."""
    return {
        "delay_ns": shape.delay_ns,
        "jitter_ns": shape.jitter_ns,
        "rate_bytes_per_s": shape.rate_bytes_per_s,
        "queue_bytes": 0,
    }
