"""What a seed stands for: nodes with their sockets, what they do, and what goes wrong meanwhile. Data only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Value = int | bytes


@dataclass(frozen=True, slots=True)
class End:
    """``bind`` or ``connect``, and where."""

    verb: str
    address: str

    @property
    def transport(self) -> str:
        return self.address.partition(":")[0]


@dataclass(frozen=True, slots=True)
class SocketPlan:
    """A socket as it is opened, each time anew.

    Attributes:
        peers: socket types that it meets; what it sends is shaped for them.
        topics: what a SUB subscribes to when it opens, and a PUB chooses from.
        single: messages of several frames do not go well with CONFLATE, which somebody here has set.
        brokered: there is a proxy between it and its peers, or it is one of the proxy's own.
        known: routing ids that a ROUTER may address without having been asked.
    """

    name: str
    kind: str
    peers: tuple[str, ...]
    ends: tuple[End, ...]
    options: tuple[tuple[str, Value], ...] = ()
    topics: tuple[bytes, ...] = ()
    known: tuple[bytes, ...] = ()
    single: bool = False
    brokered: bool = False

    def option(self, name: str, default: Value) -> Value:
        return dict(self.options).get(name, default)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a node does.

    ``amount`` is a number of messages, rounds, milliseconds or nanoseconds: the verb knows.
    """

    verb: str
    socket: str = ""
    amount: int = 0
    size: int = 0
    mode: str = ""
    value: Value = 0
    label: str = ""

    def __str__(self) -> str:
        parts = [f"{self.socket}.{self.verb}" if self.socket else self.verb]
        if self.label:
            parts.append(self.label)
        if self.verb == "sleep":
            parts.append(f"{self.amount / 1e6:g} ms")
        elif self.amount or self.verb in ("close", "poll"):
            parts.append(str(self.amount))
        if self.size:
            parts.append(f"x {self.size} B")
        if self.value not in (0, b""):
            parts.append(repr(self.value))
        if self.mode:
            parts.append(self.mode)
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class NodePlan:
    """A simulated process (or thread: nodes of one ``context`` share it) with its sockets and its script."""

    name: str
    context: int
    threads: int
    delay_ns: int
    sockets: tuple[SocketPlan, ...]
    steps: tuple[Step, ...]
    host: str


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """Two hosts, and how the wire between them is."""

    first: str
    second: str
    shape: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        return f"link {self.first} - {self.second}: {', '.join(f'{name}={value}' for name, value in self.shape)}"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a node (one name) or a link (two): ``kind`` at that time, for so long."""

    kind: str
    targets: tuple[str, ...]
    at_ns: int
    lasts_ns: int = 0
    towards: str = ""

    def __str__(self) -> str:
        lasts = f" for {self.lasts_ns / 1e6:g} ms" if self.lasts_ns else ""
        towards = f" towards {self.towards}" if self.towards else ""
        return f"at {self.at_ns / 1e6:g} ms: {self.kind} {' - '.join(self.targets)}{towards}{lasts}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a seed stands for."""

    seed: int
    nodes: tuple[NodePlan, ...]
    links: tuple[LinkPlan, ...] = ()
    faults: tuple[Fault, ...] = ()
    looks_ns: tuple[int, ...] = ()

    @property
    def sockets(self) -> Iterator[SocketPlan]:
        return (socket for node in self.nodes for socket in node.sockets)

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {len(self.nodes)} nodes"]
        for node in self.nodes:
            threads = f"context {node.context}" + (f", {node.threads} I/O threads" if node.threads != 1 else "")
            threads += f" on {node.host}" if self.links else ""
            lines.append(f"  {node.name} ({threads}) from {node.delay_ns / 1e6:g} ms")
            for socket in node.sockets:
                options = ", ".join(f"{name}={value!r}" for name, value in socket.options)
                ends = ", ".join(f"{end.verb} {end.address}" for end in socket.ends)
                about = f"    {socket.name} = {socket.kind}({options}) {ends}"
                if socket.topics:
                    about += f", topics {list(socket.topics)}"
                if socket.known:
                    about += f", knows {list(socket.known)}"
                lines.append(about)
            lines += [f"      {step}" for step in node.steps]
        lines += [f"  {link}" for link in self.links]
        lines += [f"  {fault}" for fault in self.faults]
        return "\n".join(lines)
