"""The packet emulator between two hosts, each with a network of its own."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.live.emulator.port import Port
from harness.live.processes import environment
from harness.shaper import Shape

from .wires import FAR, NEAR, Wire

pytestmark = [
    pytest.mark.live,
    pytest.mark.alone,
    pytest.mark.needs("emulator"),
    pytest.mark.skipif(os.geteuid() != 0, reason="these tests go from one network to another, as only root may"),
    pytest.mark.timeout(60),
]

MS = 1_000_000
DATAGRAMS = 5000
ARP = b"\xff" * 6 + b"\x02\0\0\0\0\x09" + b"\x08\x06" + bytes(46)


class Arrival(NamedTuple):
    """Of a datagram."""

    number: int
    sent_ns: int
    came_ns: int

    @property
    def took_ns(self) -> int:
        return self.came_ns - self.sent_ns


def numbered(wire: Wire, count: int, gap_s: float = 0.0001, chatter: bool = False) -> list[Arrival]:
    """Send numbered datagrams; the arrivals in their order."""
    target = wire.bound(wire.far)
    sender = wire.open(wire.near, socket.SOCK_DGRAM)
    raw = wire.open(wire.near, socket.SOCK_RAW, socket.AF_PACKET)
    raw.bind(("eth0", 0))
    got: list[Arrival] = []

    def receive() -> None:
        while True:
            number, sent_ns = struct.unpack("qq", target.recv(100)[:16])
            if number < 0:
                return
            got.append(Arrival(number, sent_ns, time.monotonic_ns()))

    receiver = threading.Thread(target=receive)
    receiver.start()
    for number in range(count):
        sender.sendto(struct.pack("qq", number, time.monotonic_ns()).ljust(100), target.getsockname())
        if chatter and not number % 100:
            raw.send(ARP)
        time.sleep(gap_s)
    time.sleep(0.1)
    wire.say("impair", up={}, down={})
    sender.sendto(struct.pack("qq", -1, 0), target.getsockname())
    receiver.join()
    return got


def until(condition: Callable[[], bool]) -> bool:
    """Whether it holds before two seconds are over."""
    deadline = time.monotonic() + 2
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return held


def test_a_seed_says_which_packets_are_lost_doubled_and_early() -> None:
    """As many as asked for, the same ones whatever arp says meanwhile, and others with another seed."""
    shape = Shape(delay_ns=5 * MS, loss=0.05, duplicate=0.02, reorder=0.03)
    fates = []
    for seed, chatter in ((7, False), (7, True), (8, False)):
        with Wire(shape, seed=seed) as wire:
            got = [arrival.number for arrival in numbered(wire, DATAGRAMS, chatter=chatter)]
            counts = wire.count()
            arrivals = Counter(got)
            lost = set(range(DATAGRAMS)) - set(arrivals)
            doubled = {number for number, times in arrivals.items() if times == 2}
            assert set(arrivals.values()) <= {1, 2}
            assert (counts["lost"], counts["doubled"], counts["traffic"]) == (len(lost), len(doubled), DATAGRAMS + 1)
            assert counts["others"] >= 50 * chatter
            assert counts["unread"] == counts["unsent"] == counts["merged"] == 0
            overtaken = sum(after > before for after, before in itertools.pairwise(got))
            assert overtaken < len(got) - 50, "some come before others that were sent earlier"
            fates.append((lost, doubled, counts["overtaking"]))
            assert wire.told == []
    assert fates[0] == fates[1] != fates[2]
    for lost, doubled, overtaking in fates:
        for found, chance, of in (
            (len(lost), shape.loss, DATAGRAMS),
            (len(doubled), shape.duplicate, DATAGRAMS - len(lost)),
            (overtaking, shape.reorder, DATAGRAMS - len(lost)),
        ):
            assert abs(found - chance * of) < 4 * (of * chance * (1 - chance)) ** 0.5


def test_delay_jitter_and_rate() -> None:
    with Wire(Shape(delay_ns=10 * MS), Shape(delay_ns=10 * MS)) as wire:
        took = sorted(arrival.took_ns for arrival in numbered(wire, 300, 0.001))
        assert took[0] >= 10 * MS
        assert took[150] < 15 * MS
        wire.say("impair", up={"delay_ns": 10 * MS, "jitter_ns": 20 * MS}, down=None)
        took = sorted(arrival.took_ns for arrival in numbered(wire, 200, 0.01))
        assert 10 * MS <= took[0] < 13 * MS
        assert 17 * MS < took[100] < 26 * MS
        # 100 packets of 142 bytes at 142 kB/s take 100 ms, and wait for one another.
        wire.say("impair", up={"rate_bytes_per_s": 142_000}, down=None)
        got = numbered(wire, 100, 0)
        assert [arrival.number for arrival in got] == list(range(100))
        assert 99 * MS < got[-1].came_ns - got[0].sent_ns < 200 * MS
        wire.say("impair", up={"rate_bytes_per_s": 142_000, "queue_bytes": 1420}, down=None)
        got = numbered(wire, 100, 0)
        assert 10 <= len(got) < 100
        assert wire.count()["no_room"] == 100 - len(got)


def test_the_real_tcp_repeats_what_is_lost() -> None:
    shape = Shape(delay_ns=10 * MS, loss=0.01, duplicate=0.01, reorder=0.01)
    sent = os.urandom(400_000)
    with Wire(shape, shape, seed=3) as wire:
        listener, near = wire.bound(wire.far, socket.SOCK_STREAM), wire.open(wire.near, socket.SOCK_STREAM)
        near.settimeout(30)
        near.connect(listener.getsockname())
        far, _ = listener.accept()
        with far:
            far.settimeout(30)
            sender = threading.Thread(target=near.sendall, args=(sent,))
            sender.start()
            got = b""
            while len(got) < len(sent):
                got += far.recv(65_536)
            sender.join()
        assert got == sent
        counts = wire.count()
        assert counts["lost"] > 0
        assert counts["traffic"] > len(sent) // 1448
        assert wire.told == []


def test_a_black_hole_one_way() -> None:
    with Wire() as wire:
        near, far = wire.bound(wire.near), wire.bound(wire.far)
        wire.say("blackhole", direction="up", on=True)
        before = time.monotonic_ns()
        answer = wire.say("blackhole", direction="up", on=True)
        assert before <= answer["monotonic_ns"] <= time.monotonic_ns()
        near.sendto(b"swallowed", far.getsockname())
        far.sendto(b"passes", near.getsockname())
        assert near.recv(100) == b"passes"
        assert wire.count("up")["silenced"] == 1
        wire.say("blackhole", direction="up", on=False)
        wire.say("blackhole", direction="down", on=True)
        near.sendto(b"passes", far.getsockname())
        assert far.recv(100) == b"passes"
        far.sendto(b"swallowed", near.getsockname())
        assert until(lambda: wire.count("down")["silenced"] == 1)
        near.settimeout(0.1)
        with pytest.raises(TimeoutError):
            near.recv(100)


def test_what_a_stall_holds_comes_when_it_is_over() -> None:
    with Wire() as wire:
        near, far = wire.bound(wire.near, socket.SOCK_DGRAM), wire.bound(wire.far, socket.SOCK_DGRAM)
        wire.say("stall", direction="up", on=True)
        for text in (b"first", b"second"):
            near.sendto(text, far.getsockname())
        far.sendto(b"passes", near.getsockname())
        assert near.recv(100) == b"passes"
        far.settimeout(0.2)
        with pytest.raises(TimeoutError):
            far.recv(100)
        wire.say("stall", direction="up", on=False)
        far.settimeout(2)
        assert [far.recv(100), far.recv(100)] == [b"first", b"second"]
        assert wire.count("up")["lost"] == wire.count("up")["no_room"] == 0


def test_connections_are_refused_either_way_and_those_that_are_there_go_on() -> None:
    with Wire(Shape(delay_ns=10 * MS), Shape(delay_ns=10 * MS)) as wire:
        listener = wire.bound(wire.far, socket.SOCK_STREAM)
        first = wire.open(wire.near, socket.SOCK_STREAM)
        first.connect(listener.getsockname())
        accepted, _ = listener.accept()
        with accepted:
            wire.say("refuse", on=True)
            began = time.monotonic()
            with pytest.raises(ConnectionRefusedError):
                wire.open(wire.near, socket.SOCK_STREAM).connect(listener.getsockname())
            assert 0.02 <= time.monotonic() - began < 1
            back = wire.bound(wire.near, socket.SOCK_STREAM)
            with pytest.raises(ConnectionRefusedError):
                wire.open(wire.far, socket.SOCK_STREAM).connect(back.getsockname())
            first.sendall(b"still there")
            assert accepted.recv(100) == b"still there"
            assert wire.count("up")["refused"] == wire.count("down")["refused"] == 1
            wire.say("refuse", on=False)
            wire.open(wire.near, socket.SOCK_STREAM).connect(listener.getsockname())
            listener.accept()[0].close()


def test_multicast_passes() -> None:
    group = "239.7.7.7"
    with Wire(Shape(delay_ns=5 * MS)) as wire:
        near, far = wire.open(wire.near, socket.SOCK_DGRAM), wire.open(wire.far, socket.SOCK_DGRAM)
        far.bind((group, 5000))
        membership = socket.inet_aton(group) + socket.inet_aton(FAR)
        far.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        near.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(NEAR))
        near.sendto(b"to all", (group, 5000))
        assert far.recv(100) == b"to all"
        assert wire.count()["traffic"] == 1, "what IGMP says is none"


def test_interfaces_that_do_not_send_packet_by_packet_are_told_of_and_no_byte_is_wrong() -> None:
    sent = os.urandom(1_000_000)
    with Wire(offloads=True) as wire:
        listener, near = wire.bound(wire.far, socket.SOCK_STREAM), wire.open(wire.near, socket.SOCK_STREAM)
        near.connect(listener.getsockname())
        far, _ = listener.accept()
        with far:
            sender = threading.Thread(target=near.sendall, args=(sent,))
            sender.start()
            got = b""
            far.settimeout(5)
            while len(got) < len(sent):
                got += far.recv(65_536)
            sender.join()
        assert got == sent
        assert wire.count()["merged"] > 0
        assert [(each["event"], each["way"]) for each in wire.told] == [("failed", "up")]


def test_frames_that_nobody_read_in_time_are_counted() -> None:
    with Wire() as wire:
        with wire.middle.inside():
            port = Port("outer")
        port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.bound(wire.far)
        numbered(wire, 100, 0)
        heard = 0
        while True:
            try:
                port.socket.recv(2000)
            except BlockingIOError:
                break
            heard += 1
        assert heard + port.dropped() >= 101
        assert port.dropped() > 50
        port.socket.close()


def test_a_cable_that_was_pulled_and_plugged_in_again_works() -> None:
    with Wire() as wire:
        near, far = wire.bound(wire.near), wire.bound(wire.far)
        near.sendto(b"before", far.getsockname())
        assert far.recv(100) == b"before"
        wire.set_cable("eth0", wire.far, up=False)
        near.sendto(b"lost", far.getsockname())
        wire.set_cable("inner", wire.middle, up=False)
        near.sendto(b"lost", far.getsockname())
        assert until(lambda: wire.count()["link_down"] == 2)
        wire.set_cable("inner", wire.middle, up=True)
        wire.set_cable("eth0", wire.far, up=True)
        near.sendto(b"after", far.getsockname())
        assert far.recv(100) == b"after"
        assert wire.told == []


ORPHAN = """
import sys, time
from tests.live.wires import Wire
with Wire() as wire:
    print(wire.emulator.pid, flush=True)
    time.sleep(60)
"""


def test_it_dies_with_its_supervisor() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True, env=environment(), start_new_session=True
    )
    assert process.stdout is not None
    with process, process.stdout:
        pid = int(process.stdout.readline())
        assert Path(f"/proc/{pid}/cmdline").read_bytes().count(b"emulator")
        process.send_signal(signal.SIGKILL)
        process.wait(5)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()
