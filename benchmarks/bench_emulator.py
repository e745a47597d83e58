"""How exact the packet emulator is, and how much it can move: chance, delay, capacity, rate.

Datagrams of 100 bytes go from one network namespace through the emulator to another; a process sends, another one
receives. Times are the sender's and the receiving kernel's own, so that what the receiving program does is not counted.
Needs root. Prints a table; nothing is asserted.

    python benchmarks/bench_emulator.py              about two minutes
    python benchmarks/bench_emulator.py --only delay one part: chance, delay, capacity, rate
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.live.clock import set_timer_slack
from harness.shaper import Shape
from tests.live.wires import Wire

PARTS = ("chance", "delay", "capacity", "rate")
ROUNDS = 3
MS, S = 1_000_000, 1_000_000_000
PAYLOAD_BYTES = 100
HEADER_BYTES = 42
"""Of Ethernet, IP and UDP."""
STAMP = struct.Struct("<qq")
SO_TIMESTAMPNS = 35
SILENCE_S = 1.0
FORK = multiprocessing.get_context("fork")

Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Passed:
    """What came of datagrams.

    Attributes:
        arrivals: number, time of sending and of arrival (CLOCK_REALTIME, ns) of each, in the order of arrival.
        sent_s: how long the sending took.
        counts: the emulator's.
        cpu_ns: what the emulator took of a processor.
    """

    arrivals: Times
    sent_s: float
    counts: dict[str, Any]
    cpu_ns: int


def send(sender: socket.socket, target: tuple[str, int], count: int, rate_per_s: int, size_bytes: int) -> None:
    """Datagrams at an even rate (0: as fast as it goes), each with its number and the time."""
    set_timer_slack()
    gap_ns = S // rate_per_s if rate_per_s else 0
    fill = bytes(size_bytes - STAMP.size)
    start = time.monotonic_ns()
    for number in range(count):
        wait_ns = start + number * gap_ns - time.monotonic_ns()
        if wait_ns > 0:
            time.sleep(wait_ns / S)
        sender.sendto(STAMP.pack(number, time.time_ns()) + fill, target)


def receive(receiver: socket.socket, answer: Any) -> None:
    """Until nothing has come for a while."""
    receiver.settimeout(SILENCE_S)
    rows = []
    while True:
        try:
            data, extra, _, _ = receiver.recvmsg(2048, 64)
        except TimeoutError:
            break
        seconds, ns = struct.unpack("qq", extra[0][2])
        rows.append((*STAMP.unpack_from(data), seconds * S + ns))
    answer.send(np.array(rows, np.int64).reshape(-1, 3))


def through(
    shape: Shape, count: int, rate_per_s: int, *, seed: int = 1, size_bytes: int = PAYLOAD_BYTES, settle_s: float = 0.2
) -> Passed:
    """Send so many datagrams through a link of that shape."""
    with Wire(shape, seed=seed) as wire:
        target = wire.bound(wire.far)
        target.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sender = wire.open(wire.near, socket.SOCK_DGRAM)
        ours, theirs = FORK.Pipe()
        receiving = FORK.Process(target=receive, args=(target, theirs), daemon=True)
        receiving.start()
        time.sleep(settle_s)
        cpu_ns = on_cpu_ns(wire.emulator.pid)
        began = time.monotonic()
        sending = FORK.Process(target=send, args=(sender, target.getsockname(), count, rate_per_s, size_bytes))
        sending.start()
        sending.join()
        took = time.monotonic() - began
        arrivals = ours.recv()
        receiving.join()
        return Passed(arrivals, took, dict(wire.say("count")), on_cpu_ns(wire.emulator.pid) - cpu_ns)


def on_cpu_ns(pid: int | None) -> int:
    """How long the main thread of a process has run."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def errors_ms(passed: Passed, delay_ns: int) -> Times:
    """How much longer than asked for each was under way, ms."""
    found: Times = (passed.arrivals[:, 2] - passed.arrivals[:, 1] - delay_ns) / MS
    return found


def bench_chance() -> None:
    """Loss, copies and overtaking over 50,000 datagrams, twice with one seed and once with another."""
    shape = Shape(delay_ns=5 * MS, loss=0.05, duplicate=0.02, reorder=0.03)
    count = 50_000
    fates = []
    for seed in (1, 1, 2):
        passed = through(shape, count, 10_000, seed=seed)
        up = passed.counts["up"]
        times = np.bincount(passed.arrivals[:, 0], minlength=count)
        fates.append(times)
        kept = count - up["lost"]
        print(
            f"chance, seed {seed}: lost {100 * np.count_nonzero(times == 0) / count:.2f} % (asked 5), "
            f"doubled {100 * np.count_nonzero(times == 2) / kept:.2f} % (2), "
            f"overtaking {100 * up['overtaking'] / kept:.2f} % (3); {up['lost']}/{up['doubled']}/{up['overtaking']}"
        )
    same = bool(np.array_equal(fates[0], fates[1]))
    print(
        f"chance: the same datagrams with the same seed {same}, with another {bool(np.array_equal(fates[0], fates[2]))}"
    )


def bench_delay() -> None:
    """At 1,000 and 20,000 datagrams a second, rounds in turns."""
    for rate, count in ((1000, 2000), (20_000, 60_000)):
        for _ in range(ROUNDS):
            for delay_ms in (0, 10):
                passed = through(Shape(delay_ns=delay_ms * MS), count, rate)
                print(f"delay {delay_ms:2} ms at {rate}/s: {_said(passed, count, delay_ms * MS)}")


def bench_capacity() -> None:
    """What comes through at rising rates, delay 1 ms."""
    for rate in (10_000, 20_000, 30_000, 40_000, 50_000, 0):
        count = 2 * (rate or 50_000)
        passed = through(Shape(delay_ns=MS), count, rate)
        came = (len(passed.arrivals) - 1) * S / (passed.arrivals[-1, 2] - passed.arrivals[0, 2])
        sent = count / passed.sent_s
        print(f"capacity: sent {sent:,.0f}/s, came {came:,.0f}/s; {_said(passed, count, MS)}")


def _said(passed: Passed, count: int, delay_ns: int) -> str:
    error, up = errors_ms(passed, delay_ns), passed.counts["up"]
    cpu_us = passed.cpu_ns / 1000 / max(1, up["traffic"])
    p50, p90, p99 = np.percentile(error, (50, 90, 99))
    return (
        f"{100 * len(error) / count:.2f} % came, p50 {p50:+.3f} p90 {p90:+.3f} p99 {p99:+.3f} ms; own lateness "
        f"{passed.counts['late_mean_ns'] / MS:.3f} ms, unread {up['unread']}, unsent {up['unsent']}, "
        f"{cpu_us:.1f} us of a processor each"
    )


def bench_rate() -> None:
    """Goodput of a flood, frames with their headers, against the rate; for the full queue the delay it makes."""
    for mbit in (1, 10, 100):
        size, rate = 1400, mbit * 1_000_000 // 8
        shape = Shape(rate_bytes_per_s=rate, queue_bytes=65_536)
        for _ in range(ROUNDS):
            packets = 3 * rate // (size + HEADER_BYTES)
            passed = through(shape, packets, int(1.3 * packets / 3), size_bytes=size)
            came, sent = passed.arrivals[:, 2], passed.arrivals[:, 1]
            goodput = (len(came) - 1) * (size + HEADER_BYTES) * S / (came[-1] - came[0])
            waited = np.max(came - sent) / MS
            print(
                f"rate {mbit:3} Mbit/s: {goodput / rate:.4f} of it, full queue {waited:.1f} ms "
                f"(theory {65_536 * 1000 / rate:.1f}), no room {passed.counts['up']['no_room']}, "
                f"unread {passed.counts['up']['unread']}"
            )


def main(arguments: Sequence[str]) -> int:
    """Measure; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, help="one part")
    given = parser.parse_args(arguments)
    for part in PARTS:
        if given.only in (None, part):
            globals()[f"bench_{part}"]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
