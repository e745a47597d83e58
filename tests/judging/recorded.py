"""Recorded runs made by hand, for tests of judge and report: no world is needed to have them."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from harness.patterns import pubsub
from harness.run import FaultSpec, Run
from harness.topology import Endpoint, Flow, Node, Topology

MESSAGES = 3000
RATE_PER_S = 1500.0
DURATION_NS = 2_000_000_000
HWM = 100
LUMP = 50

_NAMES = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema(
    [
        *((name, _NAMES) for name in ("flow", "sender", "receiver", "fate", "cause", "inferred")),
        *((name, pa.int64()) for name in ("seq", "intended_ns", "sent_ns", "received_ns", "size_bytes")),
        ("duplicates", pa.int32()),
    ]
)
_EVENTS = pa.schema(
    [
        ("time_ns", pa.int64()),
        ("event", _NAMES),
        ("node", _NAMES),
        ("peer", _NAMES),
        ("value", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Recording:
    """A stored run as judge and report see it."""

    run: Run
    summary: Mapping[str, Any]
    rows: pa.Table
    happened: pa.Table = field(default_factory=_EVENTS.empty_table)

    def messages(self) -> pa.Table:
        return self.rows

    def events(self) -> pa.Table:
        return self.happened

    def environment(self) -> Mapping[str, Any]:
        return {"python": "3.11", "machine": {"cores": 2, "steal_share": 0.02}}


def rows(
    receiver: str | None,
    received_ns: Sequence[int | None],
    causes: Sequence[str | None],
    *,
    flow: str = "feed",
    sender: str = "pub",
    takers: Sequence[str | None] | None = None,
    rate_per_s: float = RATE_PER_S,
) -> pa.Table:
    """Messages of one stream; ``received_ns``: latency of each from its intended time, None when lost."""
    count = len(received_ns)
    due = [round(number * 1e9 / rate_per_s) for number in range(count)]
    fates = {None: "delivered", "in_flight": "in_flight", "unexplained": "unexplained"}
    return pa.table(
        {
            "flow": [flow] * count,
            "sender": [sender] * count,
            "receiver": list(takers) if takers is not None else [receiver] * count,
            "fate": [fates.get(cause, "lost") for cause in causes],
            "cause": [None if cause in fates else cause for cause in causes],
            "inferred": [None] * count,
            "seq": list(range(count)),
            "intended_ns": due,
            "sent_ns": due,
            "received_ns": [None if late is None else at + late for at, late in zip(due, received_ns, strict=True)],
            "size_bytes": [512] * count,
            "duplicates": [0] * count,
        },
        schema=_SCHEMA,
    )


def full_pipe(service_ns: float, count: int = MESSAGES, hwm: int = HWM) -> tuple[list[int | None], list[str | None]]:
    """Latencies and causes behind one pipe with credit in lumps, and a receiver of constant service."""
    lump = (hwm + 1) // 2
    latencies: list[int | None] = []
    causes: list[str | None] = []
    ends: list[float] = []
    for number in range(count):
        due = number * 1e9 / RATE_PER_S
        read = bisect.bisect_right(ends, due)
        if hwm and len(ends) - read // lump * lump >= hwm:
            latencies.append(None)
            causes.append("hwm_sender")
            continue
        start = max(due, ends[-1] if ends else 0.0)
        ends.append(start + service_ns)
        latencies.append(round(start - due) + 150_000)
        causes.append(None)
    return latencies, causes


def recording(
    world: str,
    replication: int,
    parts: Iterable[pa.Table],
    run: Run | None = None,
    events: Sequence[Mapping[str, Any]] = (),
    **summary: Any,
) -> Recording:
    """One run of :func:`slow_subscriber`'s topology, or of ``run``'s."""
    given = run or slow_subscriber_run(world, replication)
    laws = [{"name": name, "state": "valid", "detail": ""} for name in ("conservation", "order", "credit")]
    table = pa.concat_tables(list(parts)).unify_dictionaries()
    happened = pa.Table.from_pylist(list(events), schema=_EVENTS)
    return Recording(given, {"verdict": "valid", "checks": laws, "vacuous": [], **summary}, table, happened)


def slow_subscriber_run(world: str, replication: int, **changes: Any) -> Run:
    """A run of one PUB, ``fast`` and ``slow``, with fixed buffers, and a fault that slows ``slow``."""
    options = pubsub.Options(rate_per_s=RATE_PER_S, subscribers={"fast": 1, "slow": 1})
    topology = pubsub.build(options, DURATION_NS)
    buffers = {"sndhwm": HWM, "rcvhwm": HWM, "sndbuf": 8192, "rcvbuf": 8192}
    nodes = []
    for node in topology.nodes:
        service = {"service": {"kind": "constant", "mean_ns": 1_200_000}} if node.name == "slow" else {}
        nodes.append(
            Node(
                name=node.name,
                group=node.group,
                program=node.program,
                options={**node.options, "socket": buffers, **service},
            )
        )
    fields: dict[str, Any] = {
        "experiment": "slow-subscriber",
        "variant": "plain",
        "world": world,
        "seed": 1 + replication,
        "replication": replication,
        "duration_ns": DURATION_NS,
        "warmup_ns": 200_000_000,
        "drain_limit_ns": 10**10,
        "wall_limit_ns": 10**11,
        "topology": Topology(nodes=tuple(nodes), endpoints=topology.endpoints, flows=topology.flows),
    }
    return Run(**{**fields, **changes})


def slow_subscriber(
    world: str,
    count: int,
    rng: np.random.Generator,
    *,
    service_ns: float = 1_200_000,
    spread: float = 0.03,
    fault: bool = False,
) -> list[Recording]:
    """Runs in which ``slow`` loses messages to a full pipe, and ``fast`` none.

    The service time is constant within a run; between runs it varies by ``spread`` (standard deviation over mean).
    """
    found = []
    for replication in range(count):
        service = service_ns * (1 + spread * rng.standard_normal())
        slow, causes = full_pipe(service)
        noise = rng.exponential(20_000, MESSAGES) + 120_000 * (1 + 0.1 * rng.standard_normal())
        fast = [int(late) for late in np.maximum(noise, 1000)]
        slow = [None if late is None else late + int(extra) for late, extra in zip(slow, noise, strict=True)]
        run = slow_subscriber_run(world, replication)
        events: list[dict[str, Any]] = []
        if fault:
            spec = FaultSpec(label="busy", kind="slow", options={"node": "slow", "factor": 3.0})
            run = slow_subscriber_run(world, replication, faults=(spec,))
            events = [
                {"time_ns": time, "event": event, "node": "slow", "peer": None, "value": 0}
                for time, event in ((500_000_000, "fault_on"), (1_200_000_000, "fault_off"))
            ]
        parts = [rows("fast", fast, [None] * MESSAGES), rows("slow", slow, causes)]
        found.append(recording(world, replication, parts, run, events))
    return found


def worker_pool(world: str, count: int, rng: np.random.Generator, weights: Sequence[float]) -> list[Recording]:
    """Runs of a PUSH that deals to workers, each getting its share give or take chance."""
    names = tuple(f"worker-{number + 1}" for number in range(len(weights)))
    topology = Topology(
        nodes=(
            Node(name="push", group="push", program="harness.patterns.pipeline:ventilator"),
            *(Node(name=name, group="worker", program="harness.patterns.pipeline:worker") for name in names),
        ),
        endpoints=(
            Endpoint(
                name="work",
                transport="ipc",
                binder="push",
                connecters=names,
                binder_type="PUSH",
                connecter_type="PULL",
            ),
        ),
        flows=(Flow(name="work", senders=("push",), receivers=names, delivery="one", endpoint="work"),),
    )
    found = []
    for replication in range(count):
        takers = [str(name) for name in rng.choice(names, MESSAGES, p=weights)]
        late = [int(one) for one in rng.exponential(300_000, MESSAGES)]
        part = rows(None, late, [None] * MESSAGES, flow="work", sender="push", takers=takers)
        run = slow_subscriber_run(world, replication, experiment="worker-pool", topology=topology)
        found.append(recording(world, replication, [part], run))
    return found
