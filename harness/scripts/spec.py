"""Programs, several hosts, the links between them and what happens to those, as a topology file says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.shaper import Shape

MAIN_HOST: Final = "main"
"""The host of all programs that nobody has put elsewhere."""
LASTING: Final = ("blackhole", "stall", "down", "refuse")
"""What may happen to a link for a while."""
SUDDEN: Final = ("reset", "half_close")
"""What happens to the connections of a link at once."""


@dataclass(frozen=True, slots=True)
class Program:
    """What shall be run.

    Attributes:
        script: a Python file.
        arguments: its command line.
        name: for people; different for each program of a world.
        host: that it runs on.
        start_ns: when it is started.
        signals: which come when, (number, time in ns).
    """

    script: Path
    arguments: tuple[str, ...] = ()
    name: str = ""
    host: str = MAIN_HOST
    start_ns: int = 0
    signals: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class HostSpec:
    """A host; its address is given to it unless it has one."""

    name: str
    address: str | None


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A link and how it treats what passes, the same in both directions."""

    name: str
    between: tuple[str, str]
    shape: Shape


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """Something that happens to a link.

    Attributes:
        name: of the fault, as the file has it.
        kind: one of :data:`LASTING` and :data:`SUDDEN`.
        at_ns: time since the beginning.
        lasts_ns: until it is healed; None is for good.
        towards: the host that the direction leads to; None is both.
    """

    name: str
    link: str
    kind: str
    at_ns: int
    lasts_ns: int | None
    towards: str | None


@dataclass(frozen=True, slots=True)
class Net:
    """Hosts, links and faults. Hosts that no link joins see one another over an ideal wire."""

    hosts: tuple[HostSpec, ...] = ()
    links: tuple[LinkSpec, ...] = ()
    faults: tuple[FaultSpec, ...] = ()
