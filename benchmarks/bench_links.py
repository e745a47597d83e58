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
from bench import S, run_of, tight

from harness.live import world
from harness.run import Run
from harness.topology import Link
from harness.trace import Kind

PARTS = ("delay", "rate", "throughput", "capacity")
ROUNDS = 3
MS = 1_000_000
DELAYS_MS = (0, 1, 2, 5, 10, 20, 50, 100)
MBITS = (1, 10, 100)
SIZES = (100, 1000)
HEAD_BYTES = {False: 2, True: 9}
"""Of a ZMTP frame: short to 255 bytes, long beyond (RFC 23)."""


def through(run: Run, link: Link | None) -> Run:
    """That run over a link, or over none; what is under way at its end is not waited for."""
    links = () if link is None else (link,)
    return dataclasses.replace(run, drain_limit_ns=2 * S, topology=dataclasses.replace(run.topology, links=links))


def delay_ms(link: Link | None) -> float:
    """Median one-way latency of 250 messages a second for two seconds."""
    options = {"rate_per_s": 250, "size_bytes": 100, "subscribers": {"sub": 1}}
    records = world.execute(through(run_of("live", "pubsub", options, 2 * S), link)).records
    received = records[records["kind"] == Kind.RECEIVED]
    return float(np.median(received["time_ns"] - received["other_ns"]) / MS)


def goodput(messages: int, size_bytes: int, link: Link | None) -> float:
    """Messages a second that a PULL receives of a PUSH that sends as fast as it may; the first tenth left out."""
    records = world.execute(through(tight("live", messages, size_bytes=size_bytes), link)).records
    times = np.sort(records["time_ns"][records["kind"] == Kind.RECEIVED])[messages // 10 :]
    return float((len(times) - 1) * S / (times[-1] - times[0]))


def capacity(size_bytes: int, link: Link | None) -> int:
    """Messages that a PUSH gets rid of while its PULL works on the first: marks 100, buffers 8 KiB."""
    run = through(tight("live", 100_000, size_bytes=size_bytes), link)
    sockets: dict[str, dict[str, Any]] = {
        "ventilator": {"sndhwm": 100, "sndbuf": 8192},
        "worker": {"rcvhwm": 100, "rcvbuf": 8192},
    }
    nodes = []
    for node in run.topology.nodes:
        more = {"service": {"kind": "constant", "mean_ns": 3600 * S}} if node.name == "worker" else {}
        nodes.append(dataclasses.replace(node, options={**node.options, **more, "socket": sockets[node.name]}))
    topology = dataclasses.replace(run.topology, nodes=tuple(nodes))
    records = world.execute(dataclasses.replace(run, topology=topology)).records
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
        direct, linked = (statistics.median(values) for values in zip(*pairs, strict=True))
        print(f"throughput {size} B: {direct:,.0f} direct, {linked:,.0f} through a link, {linked / direct:.2f}")


def bench_capacity() -> None:
    """What the path takes while nobody reads."""
    for size in SIZES:
        direct, linked = capacity(size, None), capacity(size, Link(node="worker"))
        print(f"capacity {size} B, 8 KiB buffers: {direct} direct, {linked} through a link, {linked / direct - 1:+.1%}")


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
