"""The relay of links: delay, jitter, bandwidth, silence, resets and refusals over loopback, without privileges."""

from __future__ import annotations

import select
import time

from harness.live.probes import _scratch
from harness.live.proxy.relay import SocketRelay
from harness.live.timer import Timer

HELP = "it needs Linux (epoll, timerfd) and a loopback interface that is up; elsewhere use --world sim"

_WAIT_NS = 5_000_000
_SLOWEST_NS = 200_000_000


def probe() -> str | None:
    """A timer wakes the loop as finely as delays need it, and a connection over loopback can be made."""
    SocketRelay(lambda _: None)
    timer = Timer()
    due_ns = Timer.now_ns() + _WAIT_NS
    timer.set(due_ns)
    if not select.select([timer.fd], [], [], 1)[0]:
        return "its timer does not wake it"
    if time.monotonic_ns() - due_ns > _SLOWEST_NS:
        return "its timer wakes it much too late"
    with _scratch.connection() as (near, far):
        near.sendall(b"x")
        return None if far.recv(1) == b"x" else "loopback does not deliver"
