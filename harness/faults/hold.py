"""Over a node's link the greeting of new connections, or a subscription, is held back for a while."""

from __future__ import annotations

from dataclasses import dataclass

from harness.relay.line import Held
from harness.world import World, during


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``[fault.LABEL]`` of kind ``hold`` may say.

    Attributes:
        link: whose link.
        at_ns: from when on, in ns after the start line.
        lasts_ns: for how long in ns; absent: to the end of the run.
        what: all of each new connection, so that there is no ``handshake``; or each subscription and what is behind
            it (``subscribe``).
    """

    link: str
    at_ns: int
    lasts_ns: int | None = None
    what: Held = "subscribe"


def schedule(world: World, options: Options) -> None:
    """Hold it back from ``at_ns`` on, and let it go when the time is over."""
    during(world, options, lambda: world.hold(options.link, options.what), lambda: world.let_go(options.link))
