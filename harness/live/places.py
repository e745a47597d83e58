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
from harness.topology import Topology


class Places:
    """Reserves an address for each endpoint, inside ``with``.

    A TCP port is held by a socket that is bound and does not listen. libzmq sets SO_REUSEADDR as this does,
    so its listener may have the same port, and nobody else is given it. On Linux an ipc endpoint is
    an abstract name; elsewhere it is a file in a folder that the guard removes.

    Attributes:
        addresses: endpoint name to address.
    """

    def __init__(self, topology: Topology, token: str, guard: Guard) -> None:
        self._topology = topology
        self._token = token
        self._guard = guard
        self._stack = contextlib.ExitStack()
        self.addresses: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Reserve. Raises OSError when there is no port left."""
        with self._stack:
            for endpoint in self._topology.endpoints:
                self.addresses[endpoint.name] = self._reserve(endpoint.name, endpoint.transport)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give them back."""
        self._stack.close()

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
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="zmq-harness-")))
        self._guard.watch_path(folder)
        self._stack.callback(self._guard.forget_path, folder)
        return folder
