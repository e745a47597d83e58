"""Measure the delays, costs and kernel capacities of this machine and write them as a twin profile.

    python benchmarks/measure_profile.py PROFILE.toml

Under two minutes. Every quantity is taken in short blocks, all kinds once a round, so that a disturbance hits all
alike; rounds in which the hypervisor or other programs took the processor are left out; quantiles are medians over
blocks. A raw ZMTP peer (NULL, RFC 23) separates the steps that libzmq's ends show only as a sum.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import measure_relay
import numpy as np
import zmq
from measure_profile_tools import (
    PERIOD_NS,
    QUANTILES,
    SAMPLES,
    STAMP,
    clock,
    component,
    credit_reads,
    disturbance,
    fine_sleep,
    free_port,
    handshakes,
    kernel,
    line,
    paced,
    per_call,
    processor,
    publisher,
    raw_flood_sink,
    raw_flood_source,
    raw_sink,
    raw_source,
    refused,
    stamped,
    tcp_pair,
    toml,
    zmq_sink,
)

CALL_SIZES = (100, 1000, 8000, 65536)
ENGINE_SIZES = ((32, 20_000), (200, 20_000), (2000, 5_000))


class Bench:
    """The measuring process: its context, its worker, what was sampled so far."""

    def __init__(self, worker: ProcessPoolExecutor) -> None:
        self.context = zmq.Context()
        self.worker = worker
        self.blocks: dict[str, list[tuple[float, np.ndarray]]] = defaultdict(list)
        self.folder = tempfile.mkdtemp()

    @contextmanager
    def bound(self, socket_type: int) -> Iterator[tuple[Any, int]]:
        """A socket bound to a free tcp port, marks unlimited."""
        with self.context.socket(socket_type) as binder:
            binder.hwm, binder.linger = 0, 0
            yield binder, binder.bind_to_random_port("tcp://127.0.0.1")

    def io_cpu_ns(self) -> int:
        """Processor time used by the I/O threads of this process."""
        total = 0
        for task in Path("/proc/self/task").iterdir():
            if "ZMQbg/IO" in (task / "comm").read_text():
                total += int((task / "schedstat").read_text().split()[0])
        return total

    def wake_inproc(self) -> dict[str, list[int]]:
        """app_wake + recv: one-way between two threads."""
        with self.context.socket(zmq.PULL) as pull, self.context.socket(zmq.PUSH) as push:
            pull.bind("inproc://wake")
            push.connect("inproc://wake")
            sender = threading.Thread(target=paced, args=(push.send,))
            sender.start()
            times = stamped(pull.recv)
            sender.join()
        return {"one_way_inproc": times}

    def one_way(self) -> dict[str, list[int]]:
        """Libzmq on both sides, tcp and ipc."""
        result = {}
        for name, endpoint in (("one_way_tcp", "tcp://127.0.0.1:*"), ("one_way_ipc", f"ipc://{self.folder}/socket")):
            with self.context.socket(zmq.PUSH) as push:
                push.bind(endpoint)
                future = self.worker.submit(zmq_sink, push.last_endpoint.decode())
                push.poll(1000, zmq.POLLOUT)
                paced(push.send)
                result[name] = future.result(10)
        return result

    def to_raw(self) -> dict[str, list[int]]:
        """io_wake + encode + write + wake of the raw peer, the call of send, and the raw baseline."""
        calls: list[int] = []

        def send(body: bytes) -> None:
            push.send(body)
            calls.append(clock() - STAMP.unpack_from(body)[0])

        with self.bound(zmq.PUSH) as (push, port):
            future = self.worker.submit(raw_sink, port, True)
            push.poll(1000, zmq.POLLOUT)
            paced(send)
            zmtp = future.result(10)
        with socket.create_server(("127.0.0.1", 0)) as server:
            future = self.worker.submit(raw_sink, server.getsockname()[1], False)
            peer = server.accept()[0]
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with peer:
                paced(peer.sendall)
                plain = future.result(10)
        return {"to_raw": zmtp, "raw_to_raw": plain, "send_waking": calls}

    def from_raw(self) -> dict[str, list[int]]:
        """Write + engine_wake + read + decode + app_wake + recv."""
        with self.bound(zmq.PULL) as (pull, port):
            future = self.worker.submit(raw_source, port)
            times = stamped(pull.recv)
        future.result(10)
        return {"from_raw": times}

    def calls(self) -> dict[str, list[int]]:
        """Send and recv that wake nobody, by size; refused and empty calls; poll(0)."""
        result: dict[str, list[int]] = {}
        with self.context.socket(zmq.PUSH) as push, self.context.socket(zmq.PULL) as pull:
            push.hwm = pull.hwm = 0
            pull.bind("inproc://calls")
            push.connect("inproc://calls")
            for size in CALL_SIZES:
                body, count = bytes(size), 300 if size < 10_000 else 30
                result[f"send_{size}"] = per_call(push.send, count, body)
                result[f"recv_{size}"] = per_call(pull.recv, count)
            result["poll"] = per_call(pull.poll, 300, 0)
            result["recv_empty"] = per_call(refused(pull.recv), 300, zmq.DONTWAIT)
        with self.context.socket(zmq.PUSH) as push:
            result["send_full"] = per_call(refused(push.send), 300, b"", zmq.DONTWAIT)
            result["connect"] = per_call(push.connect, 20, "tcp://127.0.0.1:9")
        with self.context.socket(zmq.PUSH) as push, self.context.socket(zmq.PULL) as pull:
            push.hwm = pull.hwm = 1  # mark 2, credit after every message
            pull.bind("inproc://credit")
            push.connect("inproc://credit")
            result["credit"] = credit_reads(push, pull)
        result["clock"] = per_call(clock, 300)
        return result

    def engine(self) -> dict[str, list[int]]:
        """Processor time of the I/O thread a message, encoding and decoding, system calls included."""
        result: dict[str, list[int]] = {}
        for size, count in ENGINE_SIZES:
            frame = size + (2 if size < 256 else 9)
            with self.bound(zmq.PUSH) as (push, port):
                body = bytes(size)
                future = self.worker.submit(raw_flood_sink, port, count, frame)
                push.poll(1000, zmq.POLLOUT)
                before = self.io_cpu_ns()
                for _ in range(count):
                    push.send(body)
                future.result(20)
                result[f"encode_{size}"] = [(self.io_cpu_ns() - before) // count]
            with self.bound(zmq.PULL) as (pull, port):
                before = self.io_cpu_ns()
                future = self.worker.submit(raw_flood_source, port, count, size)
                for _ in range(count):
                    pull.recv()
                result[f"decode_{size}"] = [(self.io_cpu_ns() - before) // count]
            future.result(20)
        return result

    def system_calls(self) -> dict[str, list[int]]:
        """One write and one read, by transport and size, nobody waiting on the other side."""
        result: dict[str, list[int]] = {}
        for name, (writer, reader) in (("tcp", tcp_pair()), ("ipc", socket.socketpair())):
            with writer, reader:
                for size in (100, 8192):
                    body = bytes(size)
                    writes, reads = [], []
                    for _ in range(100):
                        began = clock()
                        writer.send(body)
                        wrote = clock()
                        reader.recv(8192)
                        reads.append(clock() - wrote)
                        writes.append(wrote - began)
                    result[f"{name}_write_{size}"], result[f"{name}_read_{size}"] = writes, reads
        return result

    def window(self) -> dict[str, list[int]]:
        """How long a refused sender that looks at nothing else stays blind to its credit (F46)."""
        seen: list[int] = []
        with self.context.socket(zmq.PUSH) as push, self.context.socket(zmq.PULL) as pull:
            push.hwm = pull.hwm = 1
            pull.bind("inproc://window")
            push.connect("inproc://window")
            last = 0
            for _ in range(100):
                while refused(push.send)(b"", zmq.DONTWAIT):
                    pass
                last, before = clock(), last
                seen.append(last - before)
                while not refused(push.send)(b"", zmq.DONTWAIT):
                    pass
                while not refused(pull.recv)(zmq.DONTWAIT):
                    pass
        return {"window": seen[5:]}

    def joins(self) -> dict[str, list[int]]:
        """Connect to HANDSHAKE_SUCCEEDED on both sides, and to the first message, both directions."""
        result: dict[str, list[int]] = defaultdict(list)
        for _ in range(15):
            with self.bound(zmq.PUB) as (pub, port), self.context.socket(zmq.SUB) as sub:
                monitors = {"binder": pub.get_monitor_socket(), "connecter": sub.get_monitor_socket()}
                began = clock()
                sub.connect(f"tcp://127.0.0.1:{port}")
                for side, moment in handshakes(monitors).items():
                    result[f"handshake_{side}"].append(moment - began)
                for each in (pub, sub):
                    each.disable_monitor()
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        future = self.worker.submit(publisher, endpoint, False, 0.5)
        time.sleep(0.15)
        for _ in range(12):
            with self.context.socket(zmq.SUB) as sub:
                sub.subscribe(b"")
                began = clock()
                sub.connect(endpoint)
                if sub.poll(300):
                    result["join_sub_connects"].append(clock() - began)
        future.result(10)
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        with self.context.socket(zmq.SUB) as sub:
            sub.subscribe(b"")
            sub.bind(endpoint)
            future = self.worker.submit(publisher, endpoint, True, 0.4)
            last = 0
            while not future.done():
                if sub.poll(50) and (began := STAMP.unpack(sub.recv())[0]) != last:
                    result["join_pub_connects"].append(clock() - began)
                    last = began
        return dict(result)

    def sleeps(self) -> dict[str, list[int]]:
        """Lateness of 1 ms waits: plain sleep, and sleep until 150 us before and spin."""
        fine_sleep()
        result: dict[str, list[int]] = {"sleep_late": [], "spin_late": []}
        for early_ns, times in ((0, result["sleep_late"]), (150_000, result["spin_late"])):
            for _ in range(SAMPLES):
                due = clock() + PERIOD_NS
                time.sleep((PERIOD_NS - early_ns) / 1e9)
                while (now := clock()) < due:
                    pass
                times.append(now - due)
        return result

    def run(self, seconds: float) -> None:
        """Rounds of all blocks for that long; at least two."""
        kinds = [self.wake_inproc, self.to_raw, self.from_raw, self.one_way, self.calls, self.engine]
        kinds += [self.system_calls, self.window, self.joins, self.sleeps, measure_relay.measure]
        end, rounds = time.monotonic() + seconds, 0
        while rounds < 2 or time.monotonic() < end:
            rounds += 1
            before, taken = processor(), {}
            for kind in kinds:
                taken.update(kind())
            noise = disturbance(before, processor())
            for name, samples in taken.items():
                points = np.quantile(samples, (np.arange(QUANTILES) + 0.5) / QUANTILES)
                self.blocks[name].append((noise, points))
            left = max(0, int(end - time.monotonic()))
            print(
                f"round {rounds}, disturbance {noise:.1f} (1 is the limit), {left} s left", file=sys.stderr, flush=True
            )

    def quiet(self, name: str) -> list[np.ndarray]:
        """The blocks of rounds that were not disturbed; when those are fewer than five, the least disturbed."""
        blocks = sorted(self.blocks[name], key=lambda block: block[0])
        return [points for rank, (noise, points) in enumerate(blocks) if noise <= 1 or rank < 5]

    def quantiles(self, name: str) -> np.ndarray:
        """Median over the blocks, quantile by quantile."""
        return np.maximum.accumulate(np.median(self.quiet(name), axis=0))

    def median(self, name: str) -> float:
        """Median of the block medians."""
        return float(statistics.median(points[QUANTILES // 2] for points in self.quiet(name)))


def run_levels(bench: Bench) -> list[int]:
    """How the one-way time of each round lies to the median of all, in thousandths, ascending."""
    rounds = [points[QUANTILES // 2] for points in bench.quiet("from_raw")]
    rounds = [a + b[QUANTILES // 2] for a, b in zip(rounds, bench.quiet("to_raw"), strict=True)]
    middle = statistics.median(rounds)
    return sorted(round(1000 * value / middle) for value in rounds)


def derive(bench: Bench) -> dict[str, Any]:
    """The profile's fields from what was sampled."""
    m, q = bench.median, bench.quantiles
    tick, send, recv = m("clock"), m("send_100"), m("recv_100")
    encode, decode = [], []
    for size, _ in ENGINE_SIZES:
        batches = (size + (2 if size < 256 else 9)) / 8192
        encode.append((size, max(50.0, m(f"encode_{size}") - batches * m("tcp_write_8192"))))
        decode.append((size, max(50.0, m(f"decode_{size}") - batches * m("tcp_read_8192"))))
    app_wake = component(q("one_way_inproc"), [], send + recv)
    app_wake_q = np.array(app_wake, dtype=float)
    io_wake = component(q("to_raw"), [q("raw_to_raw")], send + encode[0][1])
    reading = m("tcp_write_100") + m("tcp_read_100") + decode[0][1] + recv
    ns: dict[str, Any] = {
        "app_wake_ns": app_wake,
        "io_wake_ns": io_wake,
        "engine_wake_ns": component(q("from_raw"), [app_wake_q], reading),
        "run_level_permille": run_levels(bench),
        "send": line([(size, m(f"send_{size}")) for size in CALL_SIZES]),
        "recv": line([(size, m(f"recv_{size}")) for size in CALL_SIZES]),
        "send_wake_ns": max(0, round(m("send_waking") - send - tick)),
        "read_credit_ns": max(0, round(m("credit") - recv)),
        "encode": line(encode),
        "decode": line(decode),
        "command_window_ns": round(m("window")),
    }
    for call in ("recv_empty", "send_full", "poll", "connect"):
        ns[f"{call}_ns"] = round(m(call))
    for call in ("tcp_write", "tcp_read", "ipc_write", "ipc_read"):
        ns[call] = line([(size, max(1.0, m(f"{call}_{size}") - tick)) for size in (100, 8192)])
    whole = "sleep_late spin_late handshake_connecter handshake_binder join_sub_connects join_pub_connects"
    for name in f"{whole} one_way_inproc one_way_tcp one_way_ipc".split():
        ns[f"{name}_ns"] = [int(value) for value in q(name)]
    return ns | measure_relay.derive(m)


def one_way_tcp_sum_ns(values: dict[str, Any]) -> int:
    """The median one-way time over tcp that the parts add up to: how well they were separated."""
    wakes = sum(values[key][QUANTILES // 2] for key in ("app_wake_ns", "io_wake_ns", "engine_wake_ns"))
    costs = sum(values[key]["base_ns"] for key in ("send", "encode", "tcp_write", "tcp_read", "decode", "recv"))
    return int(wakes + costs)


def write(path: Path, values: dict[str, Any], blocks: str) -> None:
    """The profile as TOML, with what it was measured on."""
    cpu = next(row for row in Path("/proc/cpuinfo").read_text().splitlines() if row.startswith("model name"))
    control = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    source = (
        f"{cpu.split(':')[1].strip()}, {os.cpu_count()} processors, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, pyzmq {zmq.__version__}, libzmq {zmq.zmq_version()}, "
        f"tcp {control}, {datetime.now(UTC).date()}, benchmarks/measure_profile.py"
    )
    lines = [
        "# Delays (ns, equally spaced quantiles), costs and kernel capacities for the twin.",
        "# Written by benchmarks/measure_profile.py; harness/twin/profile.py says what each one means.",
        f"# {blocks}",
        f'source = "{source}"',
    ]
    for key, value in values.items():
        lines.append(f"{key} = {toml(value)}")
    partial = path.with_suffix(".partial")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(path)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", type=Path, help="the file to write")
    parser.add_argument("--seconds", type=float, default=90.0, help="how long to measure (default 90)")
    arguments = parser.parse_args()
    if sys.platform != "linux":
        parser.exit(2, "measure_profile: needs Linux (reads /proc and socket accounting)\n")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as worker:
        bench = Bench(worker)
        bench.run(arguments.seconds)
        shutil.rmtree(bench.folder)
    values = derive(bench) | kernel()
    kept, taken = len(bench.quiet("one_way_tcp")), len(bench.blocks["one_way_tcp"])
    worst = max(noise for noise, _ in sorted(bench.blocks["one_way_tcp"], key=lambda block: block[0])[:kept])
    calm = "all undisturbed" if worst <= 1 else f"disturbed up to {worst:.1f} times the limit"
    parts, whole = one_way_tcp_sum_ns(values), values["one_way_tcp_ns"][QUANTILES // 2]
    check = f"Median one-way tcp: {parts} as the sum of its parts, {whole} measured."
    write(arguments.profile, values, f"{taken} rounds, {kept} used, {calm}. {check}")
    print(check, file=sys.stderr)
    for key in ("app_wake_ns", "io_wake_ns", "engine_wake_ns", "one_way_tcp_ns", "one_way_ipc_ns", "spin_late_ns"):
        low, middle, high = (values[key][round(p * (QUANTILES - 1))] for p in (0.1, 0.5, 0.99))
        print(f"{key}: p10 {low}, p50 {middle}, p99 {high}", file=sys.stderr)


if __name__ == "__main__":
    main()
