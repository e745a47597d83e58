"""Peers and meters of ``measure_profile.py``: a raw ZMTP peer, paced senders, calls timed, disturbance noticed."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from zmq.utils.monitor import recv_monitor_message

STAMP = struct.Struct("<q")
SAMPLES = 200
QUANTILES = 101
SO_MEMINFO = 55
BODY_BYTES = 100
PERIOD_NS = 1_000_000
clock = time.monotonic_ns


def raw_connect(port: int, socket_type: bytes) -> socket.socket:
    """A TCP socket that has done the NULL handshake with a libzmq binder."""
    peer = socket.create_connection(("127.0.0.1", port))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
    peer.recv(64, socket.MSG_WAITALL)
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(socket_type)) + socket_type
    peer.sendall(bytes([4, len(ready)]) + ready)
    header = peer.recv(2, socket.MSG_WAITALL)
    peer.recv(header[1], socket.MSG_WAITALL)
    return peer


def fine_sleep() -> None:
    """Timer slack 1 ns for this thread (PR_SET_TIMERSLACK)."""
    ctypes.CDLL(None).prctl(29, 1, 0, 0, 0)


def paced(send: Callable[[bytes], Any]) -> None:
    """Send stamped bodies every PERIOD_NS, sleeping in between."""
    fine_sleep()
    padding = bytes(BODY_BYTES - STAMP.size)
    due = clock() + 20_000_000
    for _ in range(SAMPLES):
        time.sleep(max(0, due - clock()) / 1e9)
        send(STAMP.pack(clock()) + padding)
        due += PERIOD_NS


def stamped(receive: Callable[[], Any]) -> list[int]:
    """One-way times of what :func:`paced` sent, ns."""
    times = []
    for _ in range(SAMPLES):
        body = receive()
        times.append(clock() - STAMP.unpack_from(body)[0])
    return times


def raw_sink(port: int, zmtp: bool) -> list[int]:
    """One-way times to a raw peer that blocks in recv(2)."""
    peer = raw_connect(port, b"PULL") if zmtp else socket.create_connection(("127.0.0.1", port))
    offset = 2 if zmtp else 0
    with peer:
        return stamped(lambda: peer.recv(offset + BODY_BYTES, socket.MSG_WAITALL)[offset:])


def raw_source(port: int) -> None:
    """Paced frames from a raw peer, one write each."""
    peer = raw_connect(port, b"PUSH")
    paced(lambda body: peer.sendall(bytes([0, len(body)]) + body))
    peer.recv(1)


def raw_flood_sink(port: int, count: int, frame_bytes: int) -> None:
    """Take ``count`` frames as fast as they come, then let the binder go."""
    peer = raw_connect(port, b"PULL")
    left, buffer = count * frame_bytes, bytearray(1 << 18)
    while left > 0:
        left -= peer.recv_into(buffer)
    peer.close()


def raw_flood_source(port: int, count: int, size: int) -> None:
    """Send ``count`` frames in large writes."""
    peer = raw_connect(port, b"PUSH")
    header = bytes([0, size]) if size < 256 else b"\x02" + struct.pack(">Q", size)
    peer.sendall((header + bytes(size)) * count)
    peer.recv(1)


def zmq_sink(endpoint: str) -> list[int]:
    """One-way times to a PULL that blocks in recv."""
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        pull.connect(endpoint)
        return stamped(pull.recv)


def publisher(endpoint: str, connects: bool, seconds: float) -> None:
    """A PUB that sends its clock every 100 us; bound, or connecting again and again."""
    fine_sleep()
    with zmq.Context() as context:
        end = clock() + int(seconds * 1e9)
        while clock() < end:
            with context.socket(zmq.PUB) as pub:
                pub.linger = 0
                began = clock()
                (pub.connect if connects else pub.bind)(endpoint)
                until = began + 25_000_000 if connects else end
                due = began
                while clock() < until:
                    pub.send(STAMP.pack(began))
                    due += 100_000
                    time.sleep(max(0, due - clock()) / 1e9)


def per_call(call: Callable[..., Any], count: int, *args: Any) -> list[int]:
    """The time of one call, from a loop of ``count``."""
    call(*args)
    began = clock()
    for _ in range(count - 1):
        call(*args)
    return [(clock() - began) // (count - 1)]


def credit_reads(push: Any, pull: Any) -> list[int]:
    """The time of one recv that sends a credit, marks being 1 and 1."""
    times = []
    for _ in range(100):
        push.poll(0)  # drains the writer's mailbox, so that the next credit has to wake it
        push.send(b"")
        pull.poll(0)
        began = clock()
        pull.recv()
        times.append(clock() - began)
    return times


def refused(call: Callable[..., Any]) -> Callable[..., bool]:
    """The call as one that says whether it raised Again."""

    def attempt(*args: Any) -> bool:
        try:
            call(*args)
        except zmq.Again:
            return True
        return False

    return attempt


def handshakes(monitors: dict[str, Any]) -> dict[str, int]:
    """When each side's HANDSHAKE_SUCCEEDED came."""
    moments: dict[str, int] = {}
    poller = zmq.Poller()
    for monitor in monitors.values():
        poller.register(monitor, zmq.POLLIN)
    while len(moments) < len(monitors) and (ready := dict(poller.poll(1000))):
        now = clock()
        for side, monitor in monitors.items():
            if monitor in ready and recv_monitor_message(monitor)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                moments[side] = now
    return moments


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """A connected loopback pair without Nagle's delay."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        writer = socket.create_connection(server.getsockname())
        writer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return writer, server.accept()[0]


def processor() -> tuple[int, int, int, float]:
    """Ticks of all, idle and steal, and this process tree's own seconds."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    own = 0.0
    for pid in [os.getpid(), *(int(child) for child in children())]:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        own += (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    return sum(fields), fields[3] + fields[4], fields[7], own


def children() -> list[str]:
    """Process ids of this process's children."""
    return [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def disturbance(before: tuple[int, int, int, float], after: tuple[int, int, int, float]) -> float:
    """How far the machine was not this program's: 1 at a steal of 5 % or 20 % used by others."""
    total, idle, steal, own = (b - a for a, b in zip(before, after, strict=True))
    foreign = total - idle - steal - own * os.sysconf("SC_CLK_TCK")
    return max(steal / 0.05, foreign / 0.20) / max(1, total)


def free_port() -> int:
    """A tcp port of loopback that nobody has bound."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def kernel() -> dict[str, Any]:
    """Kernel capacities: what is charged for a write, and how much may be charged."""
    writer, reader = tcp_pair()
    with writer, reader:
        writer.send(bytes(100))
        skb_overhead = struct.unpack_from("I", reader.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[0] - 100
    sizes = [*range(64, 8256, 64), *range(8192 + 512, 65536 + 1, 512)]
    charges = [unix_charge(size) for size in sizes]
    last = [i for i in range(len(sizes)) if i + 1 == len(sizes) or charges[i + 1] != charges[i]]
    sysctl = Path("/proc/sys/net")
    return {
        "tcp_sndbuf_bytes": int((sysctl / "ipv4/tcp_wmem").read_text().split()[2]),
        "tcp_rcvbuf_bytes": int((sysctl / "ipv4/tcp_rmem").read_text().split()[1]),
        "tcp_skb_overhead_bytes": skb_overhead,
        "tcp_max_frags": int((sysctl / "core/max_skb_frags").read_text()),
        "tcp_delayed_ack_ns": 42_000_000,  # TCP_DELACK_MIN is 40 ms, on a 4 ms tick
        "tcp_probe_ns": 204_000_000,  # TCP_RTO_MIN is 200 ms, on a 4 ms tick
        "unix_sndbuf_bytes": int((sysctl / "core/wmem_default").read_text()),
        "unix_charges": [[sizes[i], charges[i]] for i in last],
    }


def unix_charge(size: int) -> int:
    """What the kernel charges an AF_UNIX sender for one unread write."""
    writer, reader = socket.socketpair()
    with writer, reader:
        writer.send(bytes(size))
        return int(struct.unpack_from("9I", writer.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[2])


def component(total: np.ndarray, others: list[np.ndarray], costs_ns: float) -> list[int]:
    """One independent part of a sum, from the sum's quantiles and those of its other parts.

    The median is the difference of medians; the spread keeps the sum's shape, made narrower so
    that the squared widths (p10 to p90) add up. At least 1 us.
    """
    middle, low, high = QUANTILES // 2, QUANTILES // 10, QUANTILES - 1 - QUANTILES // 10
    width = float(total[high] - total[low])
    rest = sum(float(other[high] - other[low]) ** 2 for other in others)
    scale = max(0.1, 1 - rest / width**2) ** 0.5
    centre = float(total[middle]) - sum(float(other[middle]) for other in others) - costs_ns
    values = np.maximum(1000, centre + (total - total[middle]) * scale)
    return [int(value) for value in np.maximum.accumulate(values)]


def line(points: list[tuple[int, float]]) -> dict[str, float]:
    """Base and slope of a cost, relative errors counting alike; neither below 0."""
    sizes, costs = np.array(points, dtype=float).T
    slope, base = np.polyfit(sizes, costs, 1, w=1 / np.maximum(costs, 1))
    if slope < 0 or base < 0:
        slope, base = max(0.0, float((costs[-1] - costs[0]) / (sizes[-1] - sizes[0]))), float(costs.min())
    return {"base_ns": max(0, round(base)), "per_byte_ns": round(float(slope), 4)}


def toml(value: Any) -> str:
    """A value of a profile as TOML has it."""
    return "{ " + ", ".join(f"{k} = {v}" for k, v in value.items()) + " }" if isinstance(value, dict) else str(value)
