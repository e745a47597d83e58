"""Which capabilities of a machine a live run needs, and which of them are missing here.

What a capability is, and how it is tried, is for the modules of :mod:`harness.live.probes` to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.live import probes
from harness.live.namespaces.layout import emulated
from harness.problems import MISSING, Problem
from harness.run import Run
from harness.topology import MULTICAST
from harness.units import format_size_bytes

_OF_PROCESSES = ("crash", "pause")
"""Faults that hit a process, whatever the network is."""


@dataclass(frozen=True, slots=True)
class Need:
    """What makes a run need a capability.

    Attributes:
        capability: its name.
        key, value: of the experiment file; a whole section has no value.
    """

    capability: str
    key: str
    value: Any = MISSING


def needs(run: Run) -> tuple[Need, ...]:
    """All that a run needs of the machine beyond processes and sockets; a simulated one needs nothing."""
    return tuple(_needs(run)) if run.world == "live" else ()


def _needs(run: Run) -> Iterator[Need]:
    for end in run.topology.endpoints:
        if end.transport in MULTICAST:
            yield Need("pgm", f"endpoint.{end.name}.transport", end.transport)
    if run.live.network == "namespaces":
        yield from _of_namespaces(run)
    else:
        for link in run.topology.links:
            yield Need("proxy", f"link.{link.node}")
    if run.live.cpu == "one":
        yield Need("pinning", "live.cpu", run.live.cpu)
    for node in run.topology.nodes:
        if node.memory_limit_bytes is not None:
            yield Need("memory_limit", f"node.{node.name}.memory", format_size_bytes(node.memory_limit_bytes))
    for fault in run.faults:
        if fault.kind in _OF_PROCESSES:
            yield Need("signals", f"fault.{fault.label}.kind", fault.kind)


def _of_namespaces(run: Run) -> Iterator[Need]:
    yield Need("netns", "live.network", run.live.network)
    by_emulator = emulated(run.topology, run.faults)
    for link in run.topology.links:
        if link.node in by_emulator:
            yield Need("emulator", f"link.{link.node}")
        elif link.rate_bytes_per_s:
            yield Need("tbf", f"link.{link.node}.rate")
    for fault in run.faults:
        if fault.kind == "reset":
            yield Need("socket_destroy", f"fault.{fault.label}.kind", fault.kind)
        if fault.options.get("rate_bytes_per_s") and fault.options["link"] not in by_emulator:
            yield Need("tbf", f"fault.{fault.label}.rate")


def missing(runs: Iterable[Run]) -> list[Problem]:
    """What the live ones among these runs need and this machine has not: each capability once, with the reason."""
    wanted: dict[str, Need] = {}
    for run in runs:
        for need in needs(run):
            wanted.setdefault(need.capability, need)
    return [
        Problem(wanted[found.name].key, wanted[found.name].value, _sentence(found))
        for found in probes.ask_all(wanted)
        if found.reason is not None
    ]


def _sentence(found: probes.Finding) -> str:
    return (
        f'needs the capability "{found.name}", which this machine does not have: {found.reason}. {found.help}; '
        "or use --world sim. `harness doctor` says what works here"
    )
