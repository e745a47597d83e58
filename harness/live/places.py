"""Addresses of a run's endpoints: known to all before anything starts, and used by no one else."""

from __future__ import annotations

import contextlib
import socket
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.guard import Guard
from harness.leftovers import scratch, unfinished
from harness.relay.ways import Way, ways
from harness.topology import Topology


class Places:
    """Reserves an address for each endpoint, inside ``with``.

    A TCP port is held by a socket that is bound and does not listen. libzmq sets SO_REUSEADDR as this does,
    so its listener may have the same port, and nobody else is given it. On Linux an ipc endpoint is
    an abstract name; elsewhere it is a file in a folder that the guard removes.

    Attributes:
        ways: port of the relay and port of the endpoint, for each way that passes a link.
    """

    def __init__(self, topology: Topology, token: str, guard: Guard) -> None:
        self._topology = topology
        self._token = token
        self._guard = guard
        self._stack = contextlib.ExitStack()
        self._addresses: dict[str, str] = {}
        self._detours: dict[tuple[str, str], str] = {}
        self.ways: dict[Way, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        """Reserve. Raises OSError when there is no port left."""
        with self._stack:
            for endpoint in self._topology.endpoints:
                self._addresses[endpoint.name] = self._reserve(endpoint.name, endpoint.transport)
            for way in ways(self._topology):
                detour = self._reserve(way.endpoint.name, "tcp")
                self._detours[way.node, way.endpoint.name] = detour
                self.ways[way] = _port(detour), _port(self._addresses[way.endpoint.name])
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give them back."""
        self._stack.close()

    def addresses(self, node: str) -> dict[str, str]:
        """Endpoint name to address, as that node has to use it."""
        return {name: self._detours.get((node, name), address) for name, address in self._addresses.items()}

    def _reserve(self, name: str, transport: str) -> str:
        if transport == "inproc":
            return f"inproc://{name}"
        if transport == "ipc":
            if sys.platform == "linux":
                return f"ipc://@zmq-harness-{self._token}-{name}"
            return f"ipc://{self._folder() / name}"
        holder = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{holder.getsockname()[1]}"

    def _folder(self) -> Path:
        return self._stack.enter_context(
            unfinished(scratch(Path(tempfile.gettempdir()), f"{self._token}-{len(self._addresses)}"), self._guard)
        )


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
