"""An observer that writes down all it is told, to hold it against what programs saw."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from harness.twin import Msg, Observer, SocketBase, Twin
from harness.twin.pipe import Pipe

MS = 1_000_000
SECOND = 1_000 * MS


@dataclass
class Witness(Observer):
    """Losses and events in the order in which they were told."""

    losses: list[tuple[str, bytes]] = field(default_factory=list)
    events: list[tuple[int, str, int]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    twin: Twin | None = None

    def lost(self, cause: str, msg: Msg, remote: SocketBase | None) -> None:
        self.losses.append((cause, msg.data))

    def event(self, socket: SocketBase, name: str, value: int = 0) -> None:
        assert self.twin is not None
        self.events.append((self.twin.now_ns + self.twin.kernel.lag_ns, f"{socket.type_name} {name}", value))

    def hwm_reached(self, pipe: Pipe) -> None:
        assert pipe.highest_hwm == 0 or pipe.written_count - pipe.peer.read_count <= pipe.highest_hwm

    def violation(self, sentence: str) -> None:
        self.violations.append(sentence)

    @property
    def causes(self) -> dict[str, int]:
        """How many messages were lost by each cause."""
        return dict(Counter(cause for cause, _ in self.losses))

    def times(self, name: str) -> list[int]:
        """When an event (``"PULL accepted"``) happened, ns."""
        return [time for time, event, _ in self.events if event == name]


def watched(**arguments: Any) -> tuple[Twin, Witness]:
    """A world and its witness."""
    witness = Witness()
    twin = Twin(observer=witness, **arguments)
    witness.twin = twin
    return twin, witness
