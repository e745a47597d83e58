"""Traces made by hand, or by a pipe of thirty lines, to judge the stages that read traces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.run import Run
from harness.topology import Endpoint, Flow, Node, Topology
from harness.trace import CAUSES, EVENTS, NONE, Kind, Recorder, Trace

MS = 1_000_000


def pubsub(
    receivers: Sequence[str] = ("fast", "slow"),
    transport: Any = "tcp",
    sndhwm: int = 1000,
    rcvhwm: int = 1000,
    program: str = "harness.patterns.pubsub",
) -> Topology:
    """One PUB and its subscribers."""
    pub = Node(name="pub", group="pub", program=f"{program}:publisher", options={"socket": {"sndhwm": sndhwm}})
    subs = [
        Node(name=name, group=name, program=f"{program}:subscriber", options={"socket": {"rcvhwm": rcvhwm}})
        for name in receivers
    ]
    endpoint = Endpoint(
        name="feed",
        transport=transport,
        binder="pub",
        connecters=tuple(receivers),
        binder_type="PUB",
        connecter_type="SUB",
    )
    flow = Flow(name="feed", senders=("pub",), receivers=tuple(receivers), delivery="all", endpoint="feed")
    return Topology(nodes=(pub, *subs), endpoints=(endpoint,), flows=(flow,))


def simple(delivery: Any, senders: Sequence[str], receivers: Sequence[str]) -> Topology:
    """One flow ``f`` over one endpoint that the first sender binds."""
    names = dict.fromkeys((*senders, *receivers))
    others = tuple(name for name in names if name != senders[0])
    return Topology(
        nodes=tuple(Node(name=name, group=name, program="harness.patterns.any:role") for name in names),
        endpoints=(
            Endpoint(
                name="e",
                transport="tcp",
                binder=senders[0],
                connecters=others,
                binder_type="PUSH",
                connecter_type="PULL",
            ),
        ),
        flows=(Flow(name="f", senders=tuple(senders), receivers=tuple(receivers), delivery=delivery, endpoint="e"),),
    )


def make_run(topology: Topology, **changes: Any) -> Run:
    """A run of a second, simulated, no warm-up, unless said otherwise."""
    fields: dict[str, Any] = {
        "experiment": "synthetic",
        "variant": "plain",
        "world": "sim",
        "seed": 1,
        "replication": 0,
        "duration_ns": 1000 * MS,
        "warmup_ns": 0,
        "drain_limit_ns": 1000 * MS,
        "wall_limit_ns": 60_000 * MS,
    }
    return Run(topology=topology, **{**fields, **changes})


@dataclass
class Journal:
    """Writes records by names; ``trace()`` gives them with the run that they are of."""

    run: Run
    recorder: Recorder = field(default_factory=Recorder)

    def __post_init__(self) -> None:
        self._node = {node.name: number for number, node in enumerate(self.run.topology.nodes)}
        self._node["?"] = NONE
        self._flow = {flow.name: number for number, flow in enumerate(self.run.topology.flows)}
        self._flow["?"] = NONE

    def sent(
        self,
        sender: str,
        seq: int,
        at: int,
        *,
        kind: Kind = Kind.SENT,
        to: str = "?",
        flow: str = "",
        intended: int | None = None,
        size: int = 512,
    ) -> None:
        due = at if intended is None else intended
        self._append(kind, 0, flow, sender, to, seq, at, due, size)

    def received(
        self, receiver: str, sender: str, seq: int, at: int, *, flow: str = "", stamp: int | None = None
    ) -> None:
        self._append(Kind.RECEIVED, 0, flow, receiver, sender, seq, at, at if stamp is None else stamp, 512)

    def lost(self, sender: str, seq: int, receiver: str, cause: str, at: int, *, flow: str = "") -> None:
        self._append(Kind.LOST, CAUSES.index(cause), flow, sender, receiver, seq, at, 0, 512)

    def in_flight(self, sender: str, seq: int, receiver: str, at: int, *, flow: str = "") -> None:
        self._append(Kind.IN_FLIGHT, 0, flow, sender, receiver, seq, at, 0, 512)

    def event(self, event: str, node: str, at: int, peer: str = "?", value: int = 0) -> None:
        self.recorder.append(
            Kind.EVENT, EVENTS.index(event), NONE, self._node[node], self._node[peer], -1, at, 0, 0, value
        )

    def _append(self, kind: Kind, flag: int, flow: str, node: str, peer: str, seq: int, *numbers: int) -> None:
        flow_id = self._flow[flow or self.run.topology.flows[0].name]
        time_ns, other_ns, size = numbers
        self.recorder.append(kind, flag, flow_id, self._node[node], self._node[peer], seq, time_ns, other_ns, size, 0)

    def trace(self, **changes: Any) -> Trace:
        fields: dict[str, Any] = {
            "run_id": self.run.id,
            "world": self.run.world,
            "nodes": tuple(node.name for node in self.run.topology.nodes),
            "flows": tuple(flow.name for flow in self.run.topology.flows),
            "records": self.recorder.records(),
            "end_ns": self.run.duration_ns,
        }
        return Trace(**{**fields, **changes})


@dataclass
class Pipe:
    """One subscriber: its pipe, and how fast it reads.

    Attributes:
        hwm, quantum: of the pipe; correct is quantum = (hwm + 1) // 2.
        service_ns: between two reads.
        joins_ns: when the subscription arrives.
    """

    name: str
    hwm: int
    quantum: int
    service_ns: int
    joins_ns: int = 0

    def __post_init__(self) -> None:
        self.queue: list[int] = []
        self.written = self.read = self.credit = 0
        self.next_read_ns = self.joins_ns

    def offer(self, seq: int, now_ns: int) -> str:
        """The cause of loss, or nothing when the pipe has taken the message."""
        if now_ns < self.joins_ns:
            return "not_subscribed"
        if self.written - self.credit >= self.hwm:
            return "hwm_sender"
        self.written += 1
        if not self.queue:
            self.next_read_ns = max(self.next_read_ns, now_ns + 1)
        self.queue.append(seq)
        return ""

    def take(self) -> tuple[int, int]:
        """Time and seq of the next read."""
        at, seq = self.next_read_ns, self.queue.pop(0)
        self.next_read_ns += self.service_ns
        self.read += 1
        if self.read % self.quantum == 0:
            self.credit = self.read
        return at, seq


def publish(
    run: Run, pipes: Iterable[Pipe], messages: int, spacing_ns: int = MS, witness: bool = True, drain: bool = True
) -> Trace:
    """A PUB that offers ``messages`` to each pipe; ``witness``: write LOST and IN_FLIGHT records."""
    pipes = list(pipes)
    journal = Journal(run)

    def read_until(end_ns: float) -> None:
        while ready := [pipe for pipe in pipes if pipe.queue and pipe.next_read_ns < end_ns]:
            pipe = min(ready, key=lambda one: one.next_read_ns)
            at, seq = pipe.take()
            journal.received(pipe.name, "pub", seq, at, stamp=seq * spacing_ns)

    for seq in range(messages):
        now = seq * spacing_ns
        read_until(now)
        journal.sent("pub", seq, now)
        for pipe in pipes:
            cause = pipe.offer(seq, now)
            if cause and witness:
                journal.lost("pub", seq, pipe.name, cause, now)
    end = messages * spacing_ns
    read_until(float("inf") if drain else end)
    for pipe in pipes:
        for seq in pipe.queue:
            if witness:
                journal.in_flight("pub", seq, pipe.name, end)
    return journal.trace(end_ns=end)
