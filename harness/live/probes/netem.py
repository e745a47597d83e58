"""The kernel's own network emulator (netem); the harness has one of its own for kernels without."""

from __future__ import annotations

from pyroute2.netlink.exceptions import NetlinkError

from harness.live.probes import _scratch

HELP = "it needs the capability netns and a kernel with sch_netem (often a package of further kernel modules)"


def probe() -> str | None:
    """A millisecond of delay on one end of a cable."""
    with _scratch.wire() as (routes, left, _):
        try:
            routes.tc("add", "netem", index=left, delay=1_000)
        except NetlinkError as error:
            return f"the kernel has no netem ({error.args[1]})"
    return None
