"""Every pattern in a small size, for tests: what it builds, and what must come of it where nothing goes wrong."""

from __future__ import annotations

import importlib
from typing import Any

from harness import patterns
from harness.topology import Topology

SMALL: dict[str, dict[str, Any]] = {
    "async_server": {"rate_per_s": 50, "clients": {"client": 2}},
    "dealer_to_routers": {"rate_per_s": 100, "servers": {"server": 2}},
    "fan": {"rate_per_s": 200, "workers": {"worker": 2}},
    "forwarder": {"rate_per_s": 50, "publishers": {"pub": 2}, "subscribers": {"sub": 2}},
    "free_workers": {"rate_per_s": 200, "workers": {"worker": 2}, "credit": 2},
    "load_balancer": {"rate_per_s": 50, "clients": {"client": 2}, "workers": {"worker": 2}},
    "pair": {"rate_per_s": 200},
    "pipeline": {"rate_per_s": 200, "workers": {"worker": 2}},
    "proxy": {"rate_per_s": 50, "clients": {"client": 2}, "workers": {"worker": 2}, "shows": 2},
    "pubsub": {"rate_per_s": 200, "subscribers": {"sub": 2}},
    "reqrep": {"rate_per_s": 50, "clients": {"client": 2}},
    "synchronised": {"rate_per_s": 200, "subscribers": {"sub": 2}},
    "topics": {"rate_per_s": 200, "topics": ("a-1", "a-2"), "subscribers": {"all": ("",), "few": ("a-2", "b")}},
}
"""Options of each kind of pattern."""

KINDS = tuple(SMALL)


def build(kind: str, duration_ns: int, **options: Any) -> Topology:
    """The topology of a small pattern of that kind."""
    module: Any = importlib.import_module(f"{patterns.__name__}.{kind}")
    topology: Topology = module.build(module.Options(**{**SMALL[kind], **options}), duration_ns)
    return topology


def transports(kind: str) -> tuple[str, ...]:
    """Those that the pattern lets one choose."""
    module: Any = importlib.import_module(f"{patterns.__name__}.{kind}")
    hint: Any = module.Options.__dataclass_fields__["transport"].type
    return tuple(name for name in ("tcp", "ipc", "inproc") if name in str(hint))
