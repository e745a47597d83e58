"""What lies between the nodes of a live run: the seam between the run and the two networks that there are."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from harness.guard import Guard
from harness.live.links import Links, Report
from harness.live.namespaces.network import Namespaces
from harness.live.places import Places
from harness.run import Run
from harness.world import LinkVerbs


class Network(Protocol):
    """The network of one run.

    Attributes:
        links: what may happen to it, once it is made.
    """

    @property
    def links(self) -> LinkVerbs:
        """The verbs."""

    def start(self) -> None:
        """Make it. Raises OSError."""

    def end(self) -> None:
        """Take it away, also when it was not made, or not wholly."""

    def listen(self) -> None:
        """Take in what has happened by itself. Raises OSError when the network is gone."""

    def repeats(self) -> bool:
        """Whether tcp waits to repeat what it has sent, and nothing hinders it. Raises OSError as above."""

    def addresses(self, node: str) -> Mapping[str, str]:
        """Endpoint name to address, as that node has to use it."""

    def doors(self, nodes: tuple[int, ...]) -> Sequence[int]:
        """Descriptors of the namespaces that the process of these nodes enters, in this order."""

    def describe(self) -> Mapping[str, Any]:
        """Plain data on it for ``Trace.environment``."""


def network_of(run: Run, guard: Guard, life: int, report: Report, complain: Callable[[str], None]) -> Network:
    """The network that the run asks for, not yet made.

    Args:
        run: with topology and faults.
        guard: is told of processes and paths.
        life: from :func:`~harness.live.processes.lifeline`.
        report: is told what happens to connections.
        complain: is told, by the end, in a sentence what the network did and ought not to have done.
    """
    if run.live.network == "namespaces":
        return Namespaces(run, guard, life, report, complain)
    return Loopback(run, guard, life, report)


class Loopback:
    """The loopback interface of the machine, with a relay in all ways that pass a link; see :func:`network_of`."""

    def __init__(self, run: Run, guard: Guard, life: int, report: Report) -> None:
        self._stack = contextlib.ExitStack()
        self._places = Places(run.topology, secrets.token_hex(6), guard)
        self.links = Links(run, guard, life, report)

    def start(self) -> None:
        """Reserve addresses and start the relay, if it has anything to do."""
        self._stack.enter_context(self._places)
        if self._places.ways:
            self.links.start(self._places.ways)

    def end(self) -> None:
        """End the relay, give the addresses back."""
        self.links.end()
        self._stack.close()

    def listen(self) -> None:
        """Take in what the relay has told."""
        self.links.listen()

    def repeats(self) -> bool:
        """Never: nothing is lost on the loopback interface."""
        return False

    def addresses(self, node: str) -> Mapping[str, str]:
        """Ports of the loopback interface, those of the relay where the way passes a link."""
        return self._places.addresses(node)

    def doors(self, nodes: tuple[int, ...]) -> Sequence[int]:  # noqa: ARG002
        """None: every process is where this one is."""
        return ()

    def describe(self) -> Mapping[str, Any]:
        """Its name, and how late its relay wakes, which it takes off what it holds."""
        return {"network": "proxy", **({"relay_bias_ns": self.links.bias_ns} if self._places.ways else {})}
