"""How exact the links of the live world are: delay, bandwidth, throughput, and what they hold, each against its bar.

Everything is measured over whole live runs. In each round every case is run once, with and without a link in turns;
a figure is the median over rounds of what the round gave, because the machine's own noise is larger than what a link
adds and drifts from minute to minute. The relay takes its own lateness off by itself, so nothing is subtracted here.

    python benchmarks/bench_links.py                     some minutes; the status is 1 when a bar is missed
    python benchmarks/bench_links.py --only delay        one part: delay, rate, throughput, capacity
    python benchmarks/bench_links.py --rounds 9          more rounds, for a machine that does other work
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from bench import S, run_of, tight

from harness.live import world
from harness.run import Run
from harness.topology import Link
from harness.trace import Kind, Trace

PARTS = ("delay", "rate", "throughput", "capacity")
ROUNDS = 5
MS = 1_000_000
DELAYS_MS = (1, 5, 20, 50, 100)
MBITS = (1, 10, 100)
SIZES = (100, 1000)
HEAD_BYTES = {False: 2, True: 9}
"""Of a ZMTP frame: short to 255 bytes, long beyond (RFC 23)."""
MARKS = (100, 2)
FILL_NS = 3 * S
"""So long the buffers of a path may take to fill: the last of it goes by probes of tcp, five a second."""
RATE_S = 2
"""So long a link with a rate is kept busy."""
MOST_DELAY_ERROR_MS = 0.3
MOST_RATE_ERROR = 0.03
LEAST_THROUGHPUT = 0.6
MOST_CAPACITY_ERROR = 0.1

Case = Callable[[], float]


class Bench:
    """Runs cases in rounds, and judges.

    Attributes:
        missed: how many bars were missed.
    """

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._foreign: list[float] = []
        self.missed = 0

    def rounds(self, cases: dict[str, Case]) -> list[dict[str, float]]:
        """What each case gave, round by round; every other round backwards."""
        found = []
        for number in range(self._rounds):
            names = list(cases) if number % 2 == 0 else list(reversed(cases))
            found.append({name: cases[name]() for name in names})
        return found

    def execute(self, run: Run, link: Link | None) -> Trace:
        """That run over a link, or over none; what is under way at its end is not waited for."""
        links = () if link is None else (link,)
        topology = dataclasses.replace(run.topology, links=links)
        trace = world.execute(dataclasses.replace(run, drain_limit_ns=2 * S, topology=topology))
        self._foreign.append(trace.environment.get("foreign_share") or 0.0)
        return trace

    def judge(self, what: str, values: list[float], unit: str, *, holds: Callable[[float], bool], bar: str) -> None:
        """A line: the median over rounds, their span, the bar and whether it is kept."""
        middle = statistics.median(values)
        kept = holds(middle)
        self.missed += not kept
        span = f"{min(values):+.3f} to {max(values):+.3f}"
        print(f"{'kept  ' if kept else 'MISSED'} {what}: {middle:+.3f} {unit} ({span}); bar: {bar}", flush=True)

    def machine(self) -> None:
        """How much of the machine others took meanwhile."""
        print(f"others took {statistics.median(self._foreign):.0%} of the processors (median over runs)", flush=True)

    # -- what is measured ----------------------------------------------------------------------------

    def delay_ms(self, link: Link | None) -> float:
        """Median one-way latency of 250 messages a second for two seconds."""
        options = {"rate_per_s": 250, "size_bytes": 100, "subscribers": {"sub": 1}}
        records = self.execute(run_of("live", "pubsub", options, 2 * S), link).records
        received = records[records["kind"] == Kind.RECEIVED]
        return float(np.median(received["time_ns"] - received["other_ns"]) / MS)

    def goodput(self, messages: int, size_bytes: int, link: Link | None) -> float:
        """Messages a second that a PULL gets of a PUSH that sends as fast as it may; the first tenth left out."""
        records = self.execute(tight("live", messages, size_bytes=size_bytes), link).records
        times = np.sort(records["time_ns"][records["kind"] == Kind.RECEIVED])[messages // 10 :]
        return float((len(times) - 1) * S / (times[-1] - times[0]))

    def capacity(self, size_bytes: int, mark: int, link: Link | None) -> float:
        """Messages that a PUSH gets rid of while its PULL works on the first: high-water marks, buffers of 8 KiB."""
        run = dataclasses.replace(tight("live", 100_000, size_bytes=size_bytes), duration_ns=FILL_NS)
        sockets: dict[str, dict[str, Any]] = {
            "ventilator": {"sndhwm": mark, "sndbuf": 8192},
            "worker": {"rcvhwm": mark, "rcvbuf": 8192},
        }
        nodes = []
        for node in run.topology.nodes:
            more = {"service": {"kind": "constant", "mean_ns": 3600 * S}} if node.name == "worker" else {}
            nodes.append(dataclasses.replace(node, options={**node.options, **more, "socket": sockets[node.name]}))
        topology = dataclasses.replace(run.topology, nodes=tuple(nodes))
        records = self.execute(dataclasses.replace(run, topology=topology), link).records
        return float(np.count_nonzero(records["kind"] == Kind.SENT))

    # -- the parts -----------------------------------------------------------------------------------

    def delay(self) -> None:
        """What a link of a delay adds to the latency without one, besides that delay."""
        cases: dict[str, Case] = {"direct": partial(self.delay_ms, None)}
        for delay in (0, *DELAYS_MS):
            cases[str(delay)] = partial(self.delay_ms, Link(node="sub", delay_ns=delay * MS))
        found = self.rounds(cases)
        added = {name: [each[name] - each["direct"] for each in found] for name in cases}
        direct = statistics.median(each["direct"] for each in found)
        print(f"       without a link {direct:.3f} ms; one of no delay adds {statistics.median(added['0']):.3f} ms")
        for delay in DELAYS_MS:
            errors = [value - delay for value in added[str(delay)]]
            bar = f"within {MOST_DELAY_ERROR_MS} ms"
            what = f"added by a delay of {delay} ms, besides it"
            self.judge(what, errors, "ms", holds=lambda error: abs(error) <= MOST_DELAY_ERROR_MS, bar=bar)

    def rate(self) -> None:
        """Bytes a second that pass a narrow link, by what was asked for."""
        wire = 1000 + HEAD_BYTES[True]
        cases: dict[str, Case] = {}
        for mbit in MBITS:
            rate = mbit * 125_000
            link = Link(node="worker", rate_bytes_per_s=rate)
            count = max(300, RATE_S * rate // wire)
            cases[str(mbit)] = partial(self.goodput, count, 1000, link)
        found = self.rounds(cases)
        for mbit in MBITS:
            errors = [each[str(mbit)] * wire / (mbit * 125_000) - 1 for each in found]
            bar = f"within {MOST_RATE_ERROR:.0%}"
            what = f"error of a rate of {mbit} Mbit/s"
            self.judge(what, errors, "of it", holds=lambda error: abs(error) <= MOST_RATE_ERROR, bar=bar)

    def throughput(self) -> None:
        """Messages a second through a link, by those without."""
        cases: dict[str, Case] = {}
        for size in SIZES:
            cases[f"direct {size}"] = partial(self.goodput, 200_000, size, None)
            cases[f"linked {size}"] = partial(self.goodput, 200_000, size, Link(node="worker"))
        found = self.rounds(cases)
        for size in SIZES:
            shares = [each[f"linked {size}"] / each[f"direct {size}"] for each in found]
            what = f"throughput of {size} B through a link"
            bar = f"at least {LEAST_THROUGHPUT}"
            self.judge(what, shares, "of direct", holds=lambda share: share >= LEAST_THROUGHPUT, bar=bar)

    def path_capacity(self) -> None:
        """What the path takes while nobody reads, by what it takes without a link.

        Credit comes back in halves of a mark, so that marks of 100 show steps of 50 messages. With marks of 2 it is the
        buffers alone that are seen, message by message; these lines have no bar.
        """
        cases: dict[str, Case] = {}
        for size in SIZES:
            for mark in MARKS:
                for name, link in (("direct", None), ("linked", Link(node="worker"))):
                    cases[f"{name} {size} {mark}"] = partial(self.capacity, size, mark, link)
        found = self.rounds(cases)
        for size in SIZES:
            for mark in MARKS:
                direct, linked = (
                    statistics.median(each[f"{name} {size} {mark}"] for each in found) for name in ("direct", "linked")
                )
                what = f"more held by a path with a link, {size} B, marks of {mark}, 8 KiB buffers"
                if mark == MARKS[0]:
                    bar = f"within {MOST_CAPACITY_ERROR:.0%}"
                    error = linked / direct - 1
                    self.judge(
                        what, [error], "of direct", holds=lambda error: abs(error) <= MOST_CAPACITY_ERROR, bar=bar
                    )
                else:
                    print(
                        f"       {what}: {linked / direct - 1:+.3f} of direct ({direct:.0f} and {linked:.0f} messages)"
                    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each case is run (default {ROUNDS})")
    given = parser.parse_args(arguments)
    bench = Bench(given.rounds)
    parts = dict(zip(PARTS, (bench.delay, bench.rate, bench.throughput, bench.path_capacity), strict=True))
    for name in given.only or PARTS:
        parts[name]()
    bench.machine()
    return 1 if bench.missed else 0


if __name__ == "__main__":
    sys.exit(main())
