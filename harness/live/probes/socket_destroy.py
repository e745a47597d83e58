"""Ending a connection from outside (inet_diag): the fault "reset" in a network of namespaces."""

from __future__ import annotations

from harness.live.namespaces import connections
from harness.live.probes import _scratch

HELP = "it needs the capability netns and a kernel with CONFIG_INET_DIAG_DESTROY"


def probe() -> str | None:
    """A connection that is destroyed is reset."""
    from pyroute2 import IPRoute

    _scratch.enter()
    with IPRoute() as routes:
        routes.link("set", index=1, state="up")
    with _scratch.connection() as (_, far), connections.open_channel() as channel:
        for one in connections.connections(channel):
            connections.destroy(channel, one)
        try:
            far.recv(1)
        except TimeoutError:
            pass
        except OSError:  # reset, or aborted by whoever destroyed it
            return None
    return "a destroyed connection lives on"
