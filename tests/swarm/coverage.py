"""What a large enough swarm has to come across; what it does not is reported."""

from __future__ import annotations

from .choices import CHOICES, SIMULATED
from .draw import LINK_FAULTS, PROCESS_FAULTS, STARS

_TYPES = sorted({kind for _, binder, connecters in STARS for kind in (binder, *connecters)})
_OPTIONS = (
    "curve_server",
    "plain_server",
    "routing_id",
    "conflate",
    "connect_routing_id",
    *(choice.name for choice in CHOICES),
)
_STEPS = (
    *("open", "close", "leave", "join", "set", "term", "send", "recv", "poll", "ask", "serve", "sleep"),
    *("subscribe", "unsubscribe", "halves", "parts", "proxy", "monitor"),
)
_CAUSES = (
    *("hwm_sender", "hwm_router", "unroutable", "disconnect_pipe", "disconnect_wire", "close_unread", "linger"),
    *("filtered", "late_reply", "subscription_lost", "conflated", "handover"),
)
_ERRORS = ("EAGAIN", "EHOSTUNREACH", "ENOENT", "EADDRINUSE", "ENOTSUP")

EXPECTED = (
    *(f"type {kind}" for kind in _TYPES),
    *(f"{verb} {transport}" for verb in ("bind", "connect") for transport in ("inproc", "ipc", "tcp")),
    *(f"option {name}" for name in _OPTIONS if name in SIMULATED),
    *(f"step {verb}" for verb in _STEPS),
    *(f"loss {cause}" for cause in _CAUSES),
    *(f"errno {name}" for name in _ERRORS),
    *(f"fault {kind}" for kind in (*LINK_FAULTS, *sorted({*PROCESS_FAULTS}))),
    "mark reached",
    "multipart messages",
)
