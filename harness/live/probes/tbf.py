"""Token buckets of the kernel (tbf): the bandwidth of a link in a network of namespaces."""

from __future__ import annotations

from harness.live.probes import _scratch

HELP = "it needs the capability netns and a kernel with sch_tbf"


def probe() -> str | None:
    """Ten megabits a second on one end of a cable."""
    with _scratch.wire() as (routes, left, _):
        routes.tc("add", "tbf", index=left, rate=1_250_000, burst=5_000, latency="50ms", parent=0xFFFFFFFF)
    return None
