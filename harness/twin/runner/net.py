"""Several simulated hosts, the links between them and what happens to those, as the topology file says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from harness.shaper import Shape
    from harness.twin import Twin
    from harness.twin.link import Link

LASTING: Final = ("blackhole", "stall", "down", "refuse")
"""What may happen to a link for a while."""
SUDDEN: Final = ("reset", "half_close")
"""What happens to the connections of a link at once."""


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
        kind: one of :data:`LASTING` and :data:`SUDDEN`: a verb of :class:`harness.twin.link.Link`.
        at_ns: virtual time.
        lasts_ns: until it is healed; None is for good.
        towards: the host that the direction leads to; None is both.
    """

    link: str
    kind: str
    at_ns: int
    lasts_ns: int | None
    towards: str | None


@dataclass(frozen=True, slots=True)
class Net:
    """Hosts, links and faults."""

    hosts: tuple[HostSpec, ...] = ()
    links: tuple[LinkSpec, ...] = ()
    faults: tuple[FaultSpec, ...] = ()


def build(net: Net, twin: Twin) -> None:
    """Make all of it in a world that has not begun. Raises ValueError."""
    for host in net.hosts:
        twin.host(host.name, host.address)
    links = {spec.name: twin.network.link(*spec.between, spec.shape) for spec in net.links}
    for fault in net.faults:
        _schedule(fault, links[fault.link], twin)


def _schedule(fault: FaultSpec, link: Link, twin: Twin) -> None:
    verb = getattr(link, fault.kind)
    twin.at(fault.at_ns, verb if fault.towards is None else partial(verb, fault.towards))
    if fault.lasts_ns is not None:
        twin.at(fault.at_ns + fault.lasts_ns, partial(link.heal, fault.towards))
