"""How exact the links of the live world are: delay, bandwidth, throughput, and what they hold.

Everything is measured over whole live runs, with and without a link in turns, because the machine's own noise is
larger than what a link adds. Prints a table; nothing is asserted.

    python benchmarks/bench_links.py              some minutes
    python benchmarks/bench_links.py --only delay one part: delay, rate, throughput, capacity
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.live import world
from harness.patterns import pipeline, pubsub
from harness.run import Run
from harness.topology import Link, Topology
from harness.trace import Kind

PARTS = ("delay", "rate", "throughput", "capacity")
ROUNDS = 3
MS = 1_000_000
S = 1_000_000_000
DELAYS_MS = (0, 1, 2, 5, 10, 20, 50, 100)
MBITS = (1, 10, 100)
SIZES = (100, 1000)
HEAD_BYTES = {False: 2, True: 9}
"""Of a ZMTP frame: short to 255 bytes, long beyond (RFC 23)."""


def run_of(topology: Topology, duration_ns: int, link: Link | None) -> Run:
    """A live run, with that link or without."""
    links = () if link is None else (link,)
    return Run(
        experiment="benchmark",
        variant="plain",
        world="live",
        seed=1,
        replication=0,
        duration_ns=duration_ns,
        warmup_ns=0,
        drain_limit_ns=2 * S,
        wall_limit_ns=120 * S,
        topology=dataclasses.replace(topology, links=links),
    )


def delay_ms(link: Link | None) -> float:
    """Median one-way latency of 250 messages a second for two seconds."""
    options = pubsub.Options(rate_per_s=250, size_bytes=100, subscribers={"sub": 1})
    records = world.execute(run_of(pubsub.build(options, 2 * S), 2 * S, link)).records
    received = records[records["kind"] == Kind.RECEIVED]
    return float(np.median(received["time_ns"] - received["other_ns"]) / MS)


def goodput(messages: int, size_bytes: int, link: Link | None) -> float:
    """Messages a second that a PULL receives of a PUSH that sends as fast as it may; the first tenth left out."""
    options = pipeline.Options(rate_per_s=messages, arrivals="burst", burst=messages, size_bytes=size_bytes)
    records = world.execute(run_of(pipeline.build(options, S), S, link)).records
    times = np.sort(records["time_ns"][records["kind"] == Kind.RECEIVED])[messages // 10 :]
    return float((len(times) - 1) * S / (times[-1] - times[0]))


def capacity(size_bytes: int, link: Link | None) -> int:
    """Messages that a PUSH gets rid of while its PULL works on the first: marks 100, buffers 8 KiB."""
    options = pipeline.Options(rate_per_s=100_000, arrivals="burst", burst=100_000, size_bytes=size_bytes)
    topology = pipeline.build(options, S)
    sockets: dict[str, dict[str, Any]] = {
        "ventilator": {"sndhwm": 100, "sndbuf": 8192},
        "worker": {"rcvhwm": 100, "rcvbuf": 8192},
    }
    nodes = []
    for node in topology.nodes:
        more = {"service": {"kind": "constant", "mean_ns": 3600 * S}} if node.name == "worker" else {}
        nodes.append(dataclasses.replace(node, options={**node.options, **more, "socket": sockets[node.name]}))
    records = world.execute(run_of(dataclasses.replace(topology, nodes=tuple(nodes)), S, link)).records
    return int(np.count_nonzero(records["kind"] == Kind.SENT))


def bench_delay() -> None:
    """What a link adds to its delay, once the delay of a link of 0 is known."""
    rounds = [{delay: delay_ms(Link(node="sub", delay_ns=delay * MS)) for delay in DELAYS_MS} for _ in range(ROUNDS)]
    direct = statistics.median(delay_ms(None) for _ in range(ROUNDS))
    found = {delay: statistics.median(each[delay] for each in rounds) for delay in DELAYS_MS}
    print(f"delay: without a link {direct:.3f} ms, through one of 0 ms {found[0]:.3f} ms")
    for delay in DELAYS_MS[1:]:
        print(f"delay {delay} ms: {found[delay]:.3f} ms, {found[delay] - found[0] - delay:+.3f} ms after calibration")


def bench_rate() -> None:
    """Bytes a second that pass a narrow link, by what was asked for."""
    for mbit in MBITS:
        rate = mbit * 125_000
        wire = 1000 + HEAD_BYTES[True]
        passed = statistics.median(
            goodput(max(300, 2 * rate // wire), 1000, Link(node="worker", rate_bytes_per_s=rate)) for _ in range(ROUNDS)
        )
        print(f"rate {mbit} Mbit/s: {passed * wire / rate:.3f} of it")


def bench_throughput() -> None:
    """Messages a second through a link and without, in turns."""
    for size in SIZES:
        pairs = [(goodput(200_000, size, None), goodput(200_000, size, Link(node="worker"))) for _ in range(ROUNDS)]
        direct, through = (statistics.median(values) for values in zip(*pairs, strict=True))
        print(f"throughput {size} B: {direct:,.0f} direct, {through:,.0f} through a link, {through / direct:.2f}")


def bench_capacity() -> None:
    """What the path takes while nobody reads."""
    for size in SIZES:
        direct, through = capacity(size, None), capacity(size, Link(node="worker"))
        print(
            f"capacity {size} B, 8 KiB buffers: {direct} direct, {through} through a link, {through / direct - 1:+.1%}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    given = parser.parse_args(arguments)
    parts = {"delay": bench_delay, "rate": bench_rate, "throughput": bench_throughput, "capacity": bench_capacity}
    for name in given.only or PARTS:
        parts[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
