"""What roles have in common, whether a pattern or a remedy brings their program: options, and how one is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.load import Arrivals, Service
from harness.node import STAMP_BYTES, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderOptions:
    """Of a role that sends when due. ``socket``: socket options by pyzmq's names."""

    arrivals: Arrivals
    size_bytes: int = STAMP_BYTES
    socket: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverOptions:
    """Of a role that works on what it receives. ``service``: how long on each message."""

    service: Service = field(default_factory=Service)
    socket: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Of a role that answers. ``service``: how long it works on each request; ``size_bytes``: of a reply."""

    service: Service = field(default_factory=Service)
    size_bytes: int = STAMP_BYTES
    socket: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOptions:
    """Of a role that passes messages on. ``socket``: options of both its sockets, as far as each has them."""

    socket: Mapping[str, Any] = field(default_factory=dict)


class Program(Protocol):
    """A role's function: ``program(node, options)``."""

    __module__: str
    __name__: str

    def __call__(self, node: Node, options: Any, /) -> None:
        """Run, in either world."""


def reference(program: Program) -> str:
    """How a node of a topology names its program."""
    return f"{program.__module__}:{program.__name__}"
