"""How fast the harness is: the simulation in messages a second, the live world against a bare loop.

Every figure is measured in a fresh process; what is compared is measured in one go, in turns, and
given as a ratio, because the absolute figures of a shared machine drift. Prints a table and writes
``results/benchmarks.json``. Nothing is asserted: what is slow today is read here, not in a test.

    python benchmarks/bench.py              all of it, some minutes
    python benchmarks/bench.py --quick      a tenth of the messages
    python benchmarks/bench.py --only sim   one part: sim, memory, fan-out, live
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import platform
import resource
import statistics
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

# Neither NumPy nor Arrow up here: Linux counts what a parent had in memory as its children's peak.

PARTS = ("sim", "memory", "fan-out", "live")
ROUNDS = 3
LIVE_ROUNDS = 5
FAN_OUT = (1, 10, 100, 1000)
LIVE_SIZES = {512: 200_000, 2000: 150_000, 4096: 100_000, 32_768: 40_000}
"""Bytes of a message, and how many."""
STAMP = struct.Struct("<qq")
S = 1_000_000_000

Row = dict[str, Any]


def paced_pubsub(messages: int) -> Any:
    """One PUB, one SUB, tcp, 100 bytes every 100 us."""
    return run_of("sim", "pubsub", {"rate_per_s": 10_000, "size_bytes": 100}, messages * S // 10_000)


def tight_pipeline(messages: int) -> Any:
    """PUSH sends as fast as it may, PULL receives, inproc, 100 bytes."""
    return tight("sim", messages, size_bytes=100, transport="inproc")


def four_requesters(messages: int) -> Any:
    """Four REQ in lockstep with one REP, tcp, 100 bytes each way; a request and its reply are two messages."""
    options = {"rate_per_s": 500, "size_bytes": 100, "reply_size_bytes": 100, "clients": {"client": 4}}
    return run_of("sim", "reqrep", options, messages // 2 * S // 2000)


SIMULATED: Mapping[str, tuple[str, Callable[[int], Any]]] = {
    "paced_pubsub_tcp": ("paced PUB-SUB, tcp", paced_pubsub),
    "tight_push_pull_inproc": ("tight PUSH-PULL, inproc", tight_pipeline),
    "req_rep_4": ("4 x REQ-REP, tcp", four_requesters),
}


def tight(world: str, messages: int, **options: Any) -> Any:
    """All messages due at time 0, so that the sender never sleeps."""
    options = {"rate_per_s": messages, "arrivals": "burst", "burst": messages, **options}
    return run_of(world, "pipeline", options, S)


def run_of(world: str, pattern: str, options: Mapping[str, Any], duration_ns: int) -> Any:
    """A run of that pattern in that world."""
    from harness.run import Run

    module = importlib.import_module(f"harness.patterns.{pattern}")
    return Run(
        experiment="benchmark",
        variant="plain",
        world=world,
        seed=1,
        replication=0,
        duration_ns=duration_ns,
        warmup_ns=0,
        drain_limit_ns=60 * S,
        wall_limit_ns=900 * S,
        topology=module.build(module.Options(**options), duration_ns),
    )


def simulate(case: str, messages: int) -> Row:
    """Execute and settle one case; run in a process of its own."""
    return _measure(SIMULATED[case][1](messages))


def _measure(run: Any) -> Row:
    from harness import ledger
    from harness.sim import world

    began = time.perf_counter()
    trace = world.execute(run)
    executed = time.perf_counter()
    settled = ledger.settle(run, trace)
    ended = time.perf_counter()
    if trace.errors or trace.limits_hit or not settled.delivered:
        raise RuntimeError(f"the run is not what is to be measured: {dict(trace.errors)} {trace.limits_hit}")
    return {
        "messages": settled.expected,
        "delivered": settled.delivered,
        "records": len(trace.records),
        "execute_s": executed - began,
        "ledger_s": ended - executed,
        "messages_per_s": settled.expected / (executed - began),
        "messages_per_s_with_ledger": settled.expected / (ended - began),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def fan_out(subscribers: int, deliveries: int) -> float:
    """Nanoseconds that one more delivery costs: a long run less a short one, so that building the nodes cancels out."""
    from harness.sim import world

    def timed(messages: int) -> float:
        # At most what one I/O thread can write one by one: batches would flatter the large fan-outs.
        rate = min(1000, 100_000 // subscribers)
        options = {"rate_per_s": rate, "size_bytes": 100, "subscribers": {"sub": subscribers}}
        run = run_of("sim", "pubsub", options, messages * S // rate)
        began = time.perf_counter()
        world.execute(run)
        return time.perf_counter() - began

    messages = max(10, deliveries // subscribers)
    timed(1)
    short, long = timed(messages // 4), timed(messages + messages // 4)
    return (long - short) * S / messages / subscribers


def harness_live(messages: int, size_bytes: int) -> float:
    """Messages a second that a PULL node receives in the live world, trace and all."""
    from harness.live import world
    from harness.trace import Kind

    trace = world.execute(tight("live", messages, size_bytes=size_bytes))
    if trace.errors or trace.limits_hit:
        raise RuntimeError(f"the run is not what is to be measured: {dict(trace.errors)} {trace.limits_hit}")
    records = trace.records
    times = records["time_ns"][records["kind"] == Kind.RECEIVED]
    return float((len(times) - 1) * S / (times.max() - times.min()))


def python_live(messages: int, size_bytes: int) -> float:
    """The same with the nodes' calls in Python, though they may be there compiled."""
    os.environ["HARNESS_RECORDER"] = "python"
    return harness_live(messages, size_bytes)


def recorder() -> str:
    """Whose calls :func:`harness_live` measures: ``compiled`` or ``python``."""
    from harness.live import fast

    return fast.recorder()


def bare_live(messages: int, size_bytes: int) -> float:
    """The same over pyzmq and nothing else: two processes, ``send`` in a loop, ``recv`` in a loop."""
    return _by_hand(messages, size_bytes, stamped=False)


def stamped_live(messages: int, size_bytes: int) -> float:
    """The bare loop of somebody who wants to know what was lost and how late the rest was.

    Each message carries its number and the time; the receiver keeps number, time sent and time received.
    """
    return _by_hand(messages, size_bytes, stamped=True)


def _by_hand(messages: int, size_bytes: int, *, stamped: bool) -> float:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    sender = context.Process(target=_sender, args=(theirs, messages, size_bytes, stamped))
    sender.start()
    import zmq

    with zmq.Context() as zmq_context, zmq_context.socket(zmq.PULL) as pull:
        pull.connect(ours.recv())
        ours.send("ready")
        pull.recv()
        began = time.monotonic_ns()
        if stamped:
            kept = []
            for _ in range(messages - 1):
                number, sent_ns = STAMP.unpack_from(pull.recv())
                kept.append((number, sent_ns, time.monotonic_ns()))
        else:
            for _ in range(messages - 1):
                pull.recv()
        ended = time.monotonic_ns()
    sender.join()
    return (messages - 1) * S / (ended - began)


def _sender(pipe: Any, messages: int, size_bytes: int, stamped: bool) -> None:
    import zmq

    with zmq.Context() as zmq_context, zmq_context.socket(zmq.PUSH) as push:
        push.bind("tcp://127.0.0.1:*")
        pipe.send(push.last_endpoint.decode())
        pipe.recv()
        if stamped:
            rest = bytes(size_bytes - STAMP.size)
            for number in range(messages):
                push.send(STAMP.pack(number, time.monotonic_ns()) + rest)
        else:
            body = bytes(size_bytes)
            for _ in range(messages):
                push.send(body)


LIVE = {"bare": bare_live, "stamped": stamped_live, "harness in Python": python_live, "harness": harness_live}


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's result, from a process that has done nothing else."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def bench_simulated(scale: float) -> Row:
    """Messages a second of each case, in turns; the median of the rounds."""
    messages = int(100_000 * scale)
    rounds: dict[str, list[Row]] = {case: [] for case in SIMULATED}
    for _ in range(ROUNDS):
        for case, rows in rounds.items():
            rows.append(in_fresh_process(simulate, case, messages))
    return {case: sorted(rows, key=lambda row: row["messages_per_s"])[ROUNDS // 2] for case, rows in rounds.items()}


def bench_memory(scale: float) -> Row:
    """One long run: memory at its peak, trace and ledger included."""
    return dict(in_fresh_process(simulate, "paced_pubsub_tcp", int(1_000_000 * scale)))


def bench_fan_out(scale: float) -> Row:
    """Nanoseconds of computing for each delivery, by the number of subscribers; ratios to the cheapest."""
    deliveries = int(100_000 * scale)
    rounds: dict[int, list[float]] = {count: [] for count in FAN_OUT}
    for _ in range(ROUNDS):
        for count, costs in rounds.items():
            costs.append(in_fresh_process(fan_out, count, deliveries))
    cost = {count: statistics.median(costs) for count, costs in rounds.items()}
    return {
        "ns_per_delivery": {str(count): value for count, value in cost.items()},
        "ratio_to_one": {str(count): value / cost[1] for count, value in cost.items()},
        "ratio_worst_to_best": max(cost.values()) / min(cost.values()),
    }


def bench_live(scale: float) -> Row:
    """Harness and loops by hand in turns, for each size; ratios of the medians to that of the bare loop."""
    found: Row = {"recorder": in_fresh_process(recorder)}
    for size_bytes, messages in LIVE_SIZES.items():
        speeds: dict[str, list[float]] = {name: [] for name in LIVE}
        for _ in range(LIVE_ROUNDS):
            for name, function in LIVE.items():
                speeds[name].append(in_fresh_process(function, max(10_000, int(messages * scale)), size_bytes))
        medians = {name: statistics.median(values) for name, values in speeds.items()}
        found[str(size_bytes)] = {
            "messages_per_s": speeds,
            "median_messages_per_s": medians,
            "ratio_to_bare": {name: value / medians["bare"] for name, value in medians.items()},
        }
    return found


def rows_of(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The table: what, and how much of it."""
    rows = []
    for case, row in results.get("sim", {}).items():
        speed, settled = row["messages_per_s"], row["messages_per_s_with_ledger"]
        rows.append((f"simulated {SIMULATED[case][0]}", f"{speed:,.0f} messages/s ({settled:,.0f} with the ledger)"))
    if memory := results.get("memory"):
        text = f"{memory['peak_rss_bytes'] / 1e6:,.0f} MB for {memory['delivered']:,} deliveries"
        rows.append(("peak memory, trace and ledger", f"{text}, {memory['messages_per_s']:,.0f} messages/s"))
    if costs := results.get("fan-out"):
        for count, cost in costs["ns_per_delivery"].items():
            ratio = costs["ratio_to_one"][count]
            rows.append(
                (f"simulated fan-out to {count}", f"{cost / 1e3:,.1f} us a delivery, {ratio:.2f} of that to one")
            )
        rows.append(("fan-out, dearest to cheapest", f"{costs['ratio_worst_to_best']:.2f}"))
    sizes = dict(results.get("live", {}))
    if sizes:
        rows.append(("live harness: calls of a message", sizes.pop("recorder")))
    for size_bytes, live in sizes.items():
        for name, speed in live["median_messages_per_s"].items():
            ratio = live["ratio_to_bare"][name]
            rows.append((f"live PUSH-PULL, {size_bytes} B, {name}", f"{speed:,.0f} messages/s, {ratio:.2f} of bare"))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks.json"), help="where the figures go")
    given = parser.parse_args(arguments)
    scale = 0.1 if given.quick else 1.0
    parts = {"sim": bench_simulated, "memory": bench_memory, "fan-out": bench_fan_out, "live": bench_live}
    results: Row = {
        "machine": {"cores": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()},
        "scale": scale,
    }
    for name in given.only or PARTS:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        results[name] = parts[name](scale)
    for label, value in rows_of(results):
        print(f"{label:<44}{value}")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"written: {given.out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
