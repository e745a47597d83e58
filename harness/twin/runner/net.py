"""Makes the hosts and links of a topology file in a world, and lets happen to them what the file says."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.scripts.spec import FaultSpec, Net
    from harness.twin import Twin
    from harness.twin.link import Link


def build(net: Net, twin: Twin) -> None:
    """Make all of it in a world that has not begun. Raises ValueError."""
    for host in net.hosts:
        twin.host(host.name, host.address)
    links = {spec.name: twin.network.link(*spec.between, spec.shape) for spec in net.links}
    for fault in net.faults:
        _schedule(fault, links[fault.link], twin)


def _schedule(fault: FaultSpec, link: Link, twin: Twin) -> None:
    verb = getattr(link, fault.kind)  # the kinds are verbs of a link
    twin.at(fault.at_ns, verb if fault.towards is None else partial(verb, fault.towards))
    if fault.lasts_ns is not None:
        twin.at(fault.at_ns + fault.lasts_ns, partial(link.heal, fault.towards))
