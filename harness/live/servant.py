"""A process that takes orders: both ends of the channel between it and the supervisor.

An order is a line of JSON over a socket: ``number``, ``verb``, ``link``, and what the verb wants. It is answered by
``{"done": number, "monotonic_ns": when it took effect, ...}``. What happens by itself is told in between.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.guard import Guard
from harness.live.cell import die_with
from harness.live.doors import command
from harness.live.processes import environment

_ANSWER_S = 5.0
_START_S = 30.0
"""On a busy machine Python alone may take seconds to start."""
_CHUNK_BYTES = 65_536
_DESCRIPTORS = 253
"""More do not come with one message (SCM_MAX_FD)."""


class ServantError(OSError):
    """The process does not answer."""


class Servant:
    """The supervisor's end, and the process at the other one.

    Args:
        name: what people call it, with its article: "the relay of the links".
        module: what the process runs.
        guard: is told of it.
        life: as of :class:`~harness.live.processes.Processes`.
        heard: is given each message in which the process tells of itself.

    Attributes:
        descriptors: those that the process has sent; closed with it.
    """

    def __init__(
        self,
        name: str,
        module: str,
        guard: Guard,
        life: int,
        heard: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> None:
        self._name = name
        self._module = module
        self._guard = guard
        self._life = life
        self._heard = heard
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._number = 0
        self.descriptors: list[int] = []

    def start(
        self, order: Mapping[str, Any], doors: Sequence[int] = (), limit_s: float = _START_S
    ) -> Mapping[str, Any]:
        """Start the process, in the namespaces of ``doors``, and wait until it serves; what it says then.

        Raises OSError, also when that takes longer than ``limit_s``.
        """
        ours, theirs = socket.socketpair()
        self._channel = ours
        whole = {**order, "channel": theirs.fileno(), "supervisor": os.getpid(), "life": self._life}
        with theirs:
            self._process = subprocess.Popen(
                [*command(doors, self._module), json.dumps(whole)],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), self._life, *doors),
                env=environment(),
            )
        self._guard.watch_pid(self._process.pid)
        return self._await(lambda told: told.get("event") == "ready", limit_s)

    def end(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._guard.forget_pid(self._process.pid)
            self._process = None
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        while self.descriptors:
            os.close(self.descriptors.pop())

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return None if self._process is None else self._process.pid

    def listen(self) -> None:
        """Take in what the process has told of itself. Raises ServantError when it has died."""
        if self._channel is not None:
            while select.select([self._channel], [], [], 0)[0]:
                self._receive()

    def say(self, verb: str, link: str, **arguments: Any) -> Mapping[str, Any]:
        """Give an order and wait until it is done; the answer. Raises ServantError."""
        if self._channel is None:
            raise ServantError(f"{self._name} is not there")
        self._number += 1
        number = self._number
        order = {"number": number, "verb": verb, "link": link, **arguments}
        with contextlib.suppress(BrokenPipeError):  # then there is no answer either
            self._channel.sendall(json.dumps(order).encode() + b"\n")
        return self._await(lambda told: told.get("done") == number)

    def _await(self, wanted: Callable[[Mapping[str, Any]], bool], limit_s: float = _ANSWER_S) -> Mapping[str, Any]:
        deadline = time.monotonic() + limit_s
        while True:
            left = deadline - time.monotonic()
            assert self._channel is not None
            if left <= 0 or not select.select([self._channel], [], [], left)[0]:
                raise ServantError(f"{self._name} gave no answer in {limit_s:g} s")
            found = [told for told in self._receive() if wanted(told)]
            if found:
                return found[0]

    def _receive(self) -> list[Mapping[str, Any]]:
        assert self._channel is not None
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, _CHUNK_BYTES, _DESCRIPTORS)
        except ConnectionResetError:  # it has died before it had read all its orders
            data, descriptors = b"", []
        self.descriptors += descriptors
        if not data:
            raise ServantError(f"{self._name} has died")
        *lines, self._unread = (self._unread + data).split(b"\n")
        told: list[Mapping[str, Any]] = [json.loads(line) for line in lines]
        for each in told:
            if each.get("event") not in (None, "ready", "lent"):
                self._heard(each)
        return told


class Orders:
    """The other end, in the process that obeys; made, it dies with the supervisor, who alone decides about Ctrl-C.

    Args:
        order: with ``channel``, ``supervisor`` and ``life``, as :meth:`Servant.start` has added them.
    """

    def __init__(self, order: Mapping[str, Any]) -> None:
        die_with(order["supervisor"], order["life"])
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._channel = socket.socket(fileno=order["channel"])
        self._unread = b""

    @property
    def fd(self) -> int:
        """Readable when there are orders."""
        return self._channel.fileno()

    def tell(self, what: Mapping[str, Any]) -> None:
        """Tell the supervisor, with the time."""
        self._channel.sendall(json.dumps({"monotonic_ns": time.monotonic_ns(), **what}).encode() + b"\n")

    def lend(self, descriptors: Sequence[int]) -> None:
        """Let the supervisor have these as well (:attr:`Servant.descriptors`)."""
        for first in range(0, len(descriptors), _DESCRIPTORS):
            some = descriptors[first : first + _DESCRIPTORS]
            socket.send_fds(self._channel, [json.dumps({"event": "lent"}).encode() + b"\n"], some)

    def obey(self, do: Callable[..., Mapping[str, Any] | None]) -> None:
        """Wait for orders, and carry those out that have come: ``do(verb, link, **arguments)`` gives more of an answer.

        Raises SystemExit when the supervisor is gone.
        """
        data = self._channel.recv(_CHUNK_BYTES)
        if not data:
            raise SystemExit
        *lines, self._unread = (self._unread + data).split(b"\n")
        for order in map(json.loads, lines):
            number, verb, link = (order.pop(name) for name in ("number", "verb", "link"))
            answer = do(verb, link, **order)
            self.tell({"done": number, **(answer or {})})
