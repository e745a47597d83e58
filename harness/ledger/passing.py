"""Why a message is missing that a ROUTER sent, or that was published over a broker, while all connections stood.

A ROUTER drops what has no room in the pipe to that peer, and says so only with ROUTER_MANDATORY (F92). A pipe keeps its
order and loses nothing that it has taken; so what is missing of a connection that stood all the time was never taken.
Over brokers (XSUB-XPUB) one pipe follows another, and what is true of each is true of all: what is missing between two
messages that arrived met a full one, here or there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.ledger.dealing import Owed
from harness.ledger.stays import UNTOLD, Array, stays
from harness.run import Run
from harness.topology import Endpoint
from harness.trace import CAUSES

_HWM_ROUTER = CAUSES.index("hwm_router")
_SINCE_EVER_NS = -(1 << 62)

Hearers = tuple[tuple[Endpoint, str], ...]
"""Who hears a node, and where."""

Hop = tuple[Endpoint, str, str]
"""A connection on the way: the endpoint, who publishes there, and who hears it."""


def way(hears: Callable[[str], Hearers], sender: str, receiver: str) -> tuple[Hop, ...]:
    """The connections over which what one node publishes gets to another; empty when there is no way, or several.

    ``hears``: :meth:`harness.topology.Topology.hears`, which who asks for many ways had better remember.
    """
    ways: list[tuple[Hop, ...]] = [((endpoint, sender, peer),) for endpoint, peer in hears(sender)]
    found: list[tuple[Hop, ...]] = []
    for hops in ways:  # grows as it goes
        here = hops[-1][2]
        if here == receiver:
            found.append(hops)
            if len(found) > 1:
                break
            continue
        seen = [sender, *(hop[2] for hop in hops)]
        ways += [(*hops, (endpoint, here, peer)) for endpoint, peer in hears(here) if peer not in seen]
    return found[0] if len(found) == 1 else ()


def infer_routed(run: Run, events: Array, endpoint: Endpoint, sender: str, owed: Owed, still: list[str]) -> Array:
    """Causes or UNTOLD, for what one ROUTER sent to those who are owed it.

    ``still``: nodes that were reading to the end, so that what they have not got will not come.
    """
    causes = np.full(len(owed.received), UNTOLD, dtype=np.int8)
    if run.topology.node(sender).socket_options.get("router_mandatory"):
        return causes
    for node in np.unique(owed.receiver[~owed.received & (owed.receiver >= 0)]).tolist():
        receiver = run.topology.nodes[node].name
        up_ns = _up_ns(run, events, endpoint, sender, receiver)
        if up_ns is None:
            continue
        its = owed.receiver == node
        last_ns = int(owed.sent_ns[its & owed.received].max(initial=_SINCE_EVER_NS))
        known = (owed.sent_ns > up_ns) & ((receiver in still) | (owed.sent_ns < last_ns))
        causes[its & ~owed.received & known] = _HWM_ROUTER
    return causes


def _up_ns(run: Run, events: Array, endpoint: Endpoint, sender: str, receiver: str) -> int | None:
    """Since when the two were connected, for good; None when they never were, or not all the time."""
    if not endpoint.connects(sender, receiver):
        return None
    if endpoint.transport == "inproc":
        return _SINCE_EVER_NS
    known = stays(run, events, endpoint, sender, receiver)
    return known[0].up_ns if len(known) == 1 and known[0].down_ns is None else None
