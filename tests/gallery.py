"""Every pattern in a small size, for tests: what it builds, and what must come of it where nothing goes wrong."""

from __future__ import annotations

import importlib
from typing import Any

from harness import patterns
from harness.topology import Topology

SMALL: dict[str, dict[str, Any]] = {
    "fan": {"rate_per_s": 200, "workers": {"worker": 2}},
    "free_workers": {"rate_per_s": 200, "workers": {"worker": 2}, "credit": 2},
    "load_balancer": {"rate_per_s": 50, "clients": {"client": 2}, "workers": {"worker": 2}},
    "pipeline": {"rate_per_s": 200, "workers": {"worker": 2}},
    "proxy": {"rate_per_s": 50, "clients": {"client": 2}, "workers": {"worker": 2}, "shows": 2},
    "pubsub": {"rate_per_s": 200, "subscribers": {"sub": 2}},
    "reqrep": {"rate_per_s": 50, "clients": {"client": 2}},
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
