"""Scenarios that no forward simulation can predict, named with the reason.

A comparison in such a scenario says nothing about the model, so its verdict is unknown. What is
ruled out was measured before there was any model of ours: live runs of the same configuration
differ among themselves by more than any prediction could be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.ledger.inference import PUBLISHERS
from harness.ledger.observed import Stream
from harness.run import Run
from harness.topology import Endpoint, Flow

MAX_UTILISATION = 0.95
"""Above it live runs of one configuration vary by 100 %."""

OVERLOAD_UTILISATION = 1.05
"""From here on a pipe that drops is full for good: its marks decide, not the luck of the queue."""

TIGHT_LOOP_NS = 17_000
"""A paced send costs this much, waking included: a sender that is due more often never sleeps."""


def ruled_out(run: Run, stream: Stream, *, lossy: bool) -> str | None:
    """Why the figures of this stream cannot be predicted; None when they can.

    Args:
        run: any of the runs compared: topology and load are the same in all.
        stream: the stream in that run.
        lossy: whether a full pipe cost messages of this stream in any run of either world.
    """
    return _tight_loop(run, stream) or _saturated(run, stream) or _autotuned(run, stream, lossy)


def _tight_loop(run: Run, stream: Stream) -> str | None:
    for sender in _senders(run, stream):
        rate = _rate_per_s(run.topology.node(sender).options)
        if rate is not None and rate * TIGHT_LOOP_NS >= 1e9:
            return (
                f"{sender} is due every {1e6 / rate:.3g} us and never sleeps: with as many busy threads as cores "
                "the scheduler decides what is lost"
            )
    return None


def _saturated(run: Run, stream: Stream) -> str | None:
    flow, endpoint = run.topology.flow(stream.flow), _endpoint(run, stream)
    publishing = endpoint is not None and all(endpoint.socket_type(name) in PUBLISHERS for name in flow.senders)
    drops = stream.delivery == "all" and publishing
    found = list(utilisations(run, flow, stream.takers if stream.receiver is None else (stream.receiver,)))
    for other in run.topology.flows:
        # A reply waits where its request waited.
        if stream.delivery == "addressed" and any(name in flow.senders for name in other.receivers):
            found += utilisations(run, other, other.receivers)
    for utilisation in found:
        if utilisation <= MAX_UTILISATION or (drops and utilisation >= OVERLOAD_UTILISATION):
            continue
        return f"utilisation is {utilisation:.2f}, above {MAX_UTILISATION}: live runs vary by as much as they measure"
    return None


def _autotuned(run: Run, stream: Stream, lossy: bool) -> str | None:
    endpoint = _endpoint(run, stream)
    if not lossy or stream.receiver is None or endpoint is None or endpoint.transport != "tcp":
        return None
    missing = [f"SNDBUF of {name}" for name in _senders(run, stream) if not _fixed(run, name, "sndbuf")]
    if not _fixed(run, stream.receiver, "rcvbuf"):
        missing.append(f"RCVBUF of {stream.receiver}")
    if not missing:
        return None
    return f"{' and '.join(missing)} not fixed: autotuned tcp takes 4 to 12 MB depending on its history"


def _fixed(run: Run, node: str, option: str) -> bool:
    value = run.topology.node(node).socket_options.get(option, -1)
    return isinstance(value, (int, float)) and value > 0


def utilisations(run: Run, flow: Flow, receivers: Sequence[str]) -> Iterator[float]:
    """Offered load over capacity, in each phase that a ``slow`` fault makes; nothing when open-ended.

    Senders without a rate are closed loops: what they offer follows the service, and no ratio exists.
    """
    rates = [_rate_per_s(run.topology.node(sender).options) for sender in flow.senders]
    if not rates or None in rates:
        return
    offered = sum(rate for rate in rates if rate is not None)
    slow = [{str(fault.options.get("node")): _factor(fault.options)} for fault in run.faults if fault.kind == "slow"]
    for factors in ({}, *slow):
        services = [_service_ns(run.topology.node(name).options) * factors.get(name, 1.0) for name in receivers]
        if not services or min(services) <= 0:
            yield 0.0
            continue
        yield offered / sum(1e9 / service for service in services)


def _factor(options: Mapping[str, Any]) -> float:
    value = options.get("factor", 1.0)
    return float(value) if isinstance(value, (int, float)) else 1.0


def _senders(run: Run, stream: Stream) -> tuple[str, ...]:
    return run.topology.flow(stream.flow).senders


def _endpoint(run: Run, stream: Stream) -> Endpoint | None:
    return run.topology.endpoint_of(run.topology.flow(stream.flow))


def _rate_per_s(options: Mapping[str, Any]) -> float | None:
    arrivals = options.get("arrivals")
    rate = arrivals.get("rate_per_s") if isinstance(arrivals, Mapping) else None
    return float(rate) if isinstance(rate, (int, float)) else None


def _service_ns(options: Mapping[str, Any]) -> float:
    service = options.get("service")
    mean = service.get("mean_ns", 0) if isinstance(service, Mapping) else 0
    return float(mean) if isinstance(mean, (int, float)) else 0.0
