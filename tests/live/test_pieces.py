"""The parts of the live world, one by one."""

from __future__ import annotations

import dataclasses
import itertools
import mmap
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import zmq

from harness.guard import Guard
from harness.live import node as node_module
from harness.live.clock import wait_until
from harness.live.control import Control, State, shared_file
from harness.live.environment import lateness
from harness.live.node import LiveNode
from harness.live.places import Places
from harness.node import Node
from harness.topology import Endpoint, Link, Topology
from harness.trace import NONE, RECORD_BYTES, RECORD_DTYPE, Kind, Recorder, TraceFullError, count_records, read_records

from .runs import MS, node, pushing

pytestmark = [pytest.mark.live, pytest.mark.timeout(30)]


@pytest.fixture
def control() -> Iterator[Control]:
    descriptor = shared_file("test", Control.size(2))
    made = Control(descriptor, 2)
    os.close(descriptor)
    yield made
    made.close()


def live_node(control: Control, position: int, context: Any, records: int = 1000) -> LiveNode:
    mapping = mmap.mmap(-1, records * RECORD_BYTES)
    return LiveNode(
        node_id=position,
        name=f"node-{position}",
        flow_ids={"one": 0, "two": 1},
        recorder=Recorder(mapping),
        control=control,
        context=context,
        addresses={},
        rng=np.random.default_rng(1),
        alone=True,
    )


def records_of(node: Node) -> Any:
    return read_records(node._recorder.buffer)


@pytest.fixture
def pair() -> Iterator[tuple[Any, Any]]:
    with zmq.Context() as context, context.socket(zmq.PAIR) as left, context.socket(zmq.PAIR) as right:
        left.bind("inproc://pair")
        right.connect("inproc://pair")
        yield left, right


def exchange(sender: Any, receiver: Any, pair: tuple[Any, Any]) -> list[tuple[Any, ...]]:
    """Every way to send and to receive; what the programs see of it."""
    left, right = pair
    seen = []
    for size in (32, 100, 100, 32, 5000):
        for flow in ("one", "two", "one"):
            sender.send(left, flow=flow, size_bytes=size)
            sender.send(left, flow=flow, size_bytes=size, intended_ns=-5)
            sender.send(left, flow=flow, size_bytes=size, prefix=[b"topic", b""])
    for unstamped in ([b""], [b"short"], [bytes(40)], [b"a", b"", bytes(100)]):
        left.send_multipart(unstamped)
    while right.poll(0):
        message = receiver.recv(right)
        seen.append((message.frames, message.sender, message.flow, message.seq, message.intended_ns, message.sent_ns))
        if message.sender >= 0:
            receiver.send(right, flow="two", size_bytes=64, answers=message)
            sender.recv(left)
    right.setsockopt(zmq.SNDTIMEO, 0)
    with pytest.raises(zmq.Again):
        receiver.recv(right, zmq.DONTWAIT)
    return seen


class Slow(LiveNode):
    """Without the fast calls."""

    def _await_line(self) -> int:
        line_ns = super()._await_line()
        del self.__dict__["send"], self.__dict__["recv"]
        return line_ns


def test_the_fast_calls_do_what_the_slow_ones_do(
    control: Control, pair: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def act(cls: type[LiveNode]) -> tuple[Any, ...]:
        ticks = itertools.count(1_000_000, 7)
        monkeypatch.setattr(time, "monotonic_ns", ticks.__next__)
        monkeypatch.setattr(node_module, "_monotonic_ns", ticks.__next__)
        nodes = [live_node(control, position, None) for position in (0, 1)]
        for made in nodes:
            made.__class__ = cls
            made.started()
            made.now()
            assert ("send" in made.__dict__) == (cls is LiveNode)
        seen = exchange(*nodes, pair)
        return seen, [records_of(made).tolist() for made in nodes]

    control.set_line(500_000)
    fast, slow = act(LiveNode), act(Slow)
    assert fast == slow
    seen, (sent, received) = fast
    assert len(seen) == 5 * 9 + 4
    assert len(sent) == 1 + 2 * 45
    assert len(received) == 1 + 2 * 45 + 4


@pytest.mark.parametrize("cls", [LiveNode, Slow])
def test_a_refused_send_is_settled_as_rejected(cls: type[LiveNode], control: Control) -> None:
    control.set_line(time.monotonic_ns())
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        sender = live_node(control, 0, context)
        sender.__class__ = cls
        for _ in range(2):
            assert sender.send(push, flow="one", flags=zmq.DONTWAIT) is False
    assert records_of(sender)["kind"].tolist() == [Kind.EVENT, Kind.REJECTED, Kind.REJECTED]


@pytest.mark.parametrize("cls", [LiveNode, Slow])
def test_no_record_is_written_beyond_the_limit(cls: type[LiveNode], control: Control, pair: tuple[Any, Any]) -> None:
    control.set_line(time.monotonic_ns())
    left, right = pair
    sender, receiver = live_node(control, 0, None, records=9), live_node(control, 1, None, records=5)
    for made in (sender, receiver):
        made.__class__ = cls
    for _ in range(8):
        sender.send(left, flow="one")
    with pytest.raises(TraceFullError):
        sender.send(left, flow="one")
    for _ in range(4):
        receiver.recv(right)
    with pytest.raises(TraceFullError):
        receiver.recv(right)
    assert len(records_of(sender)) == 9
    assert len(records_of(receiver)) == 5


def test_a_mapping_that_nobody_recorded_to_is_empty() -> None:
    mapping = mmap.mmap(-1, 4096)
    assert count_records(mapping) == 0
    assert len(read_records(mapping)) == 0
    Recorder(mapping)
    assert count_records(mapping) == 0


def test_a_node_says_that_it_is_ready_and_waits_for_the_line(control: Control) -> None:
    first = live_node(control, 1, None)
    first.started()
    assert control.state(1) is State.RUNNING
    control.set_line(time.monotonic_ns() + 20 * MS)
    assert first.now() < 0
    assert control.state(1) is State.READY
    assert control.state(0) is State.NEW
    first.sleep_until(30 * MS)
    assert 30 * MS <= first.now() < 60 * MS


def test_work_takes_its_time_times_the_factor(control: Control) -> None:
    control.set_line(time.monotonic_ns())
    worker = live_node(control, 0, None)
    began = worker.now()
    worker.work(10 * MS)
    assert 10 * MS <= worker.now() - began < 40 * MS
    control.set_slow_factor(0, 3.0)
    began = worker.now()
    worker.work(10 * MS)
    assert 30 * MS <= worker.now() - began < 60 * MS
    worker.work(0)
    worker.work(-5)


def test_a_long_error_keeps_its_end(control: Control) -> None:
    control.set_error(0, "x" * 10_000 + "the end")
    assert control.error(0).endswith("xthe end")
    assert control.error(1) == ""


def test_waiting_never_ends_early() -> None:
    for wait_ns in (0, 50_000, 300_000, 2 * MS):
        for spin in (True, False):
            deadline = time.monotonic_ns() + wait_ns
            wait_until(deadline, spin)
            assert time.monotonic_ns() >= deadline
    wait_until(0)


def endpoint(name: str, transport: Any, binder: str, *connecters: str) -> Endpoint:
    return Endpoint(
        name=name,
        transport=transport,
        binder=binder,
        connecters=connecters,
        binder_type="PUB",
        connecter_type="SUB",
    )


def test_inproc_endpoints_decide_who_shares_a_process() -> None:
    nodes = tuple(node(name, "idle") for name in "abcdef")
    endpoints = (
        endpoint("one", "inproc", "e", "c"),
        endpoint("two", "tcp", "a", "b", "c"),
        endpoint("three", "inproc", "c", "a"),
        endpoint("four", "inproc", "f", "d"),
    )
    assert Topology(nodes=nodes, endpoints=endpoints, flows=()).together() == ((0, 2, 4), (1,), (3, 5))


def test_addresses_are_reserved_for_this_run() -> None:
    topology = pushing(count=0)
    with Guard() as guard, Places(topology, "a", guard) as one, Places(topology, "b", guard) as two:
        address = one.addresses("push")["work"]
        assert one.addresses("pull")["work"] == address != two.addresses("pull")["work"]
        assert one.ways == {}
        port = int(address.rpartition(":")[2])
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        with zmq.Context() as context, context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
            push.connect(address)
            pull.bind(address)
            push.send(b"x")
            assert pull.recv() == b"x"


def test_who_has_a_link_reaches_others_through_the_relay() -> None:
    topology = dataclasses.replace(pushing(count=0), links=(Link(node="push", delay_ns=1),))
    with Guard() as guard, Places(topology, "a", guard) as places:
        detour, address = places.addresses("push")["work"], places.addresses("pull")["work"]
        assert detour != address
        ((way, ports),) = places.ways.items()
        assert (way.node, way.near, way.far) == ("push", "push", None)
        assert ports == tuple(int(each.rpartition(":")[2]) for each in (detour, address))


def test_lateness_leaves_answers_out() -> None:
    records = np.zeros(4, RECORD_DTYPE)
    records["kind"] = [Kind.SENT, Kind.ATTEMPT, Kind.RECEIVED, Kind.SENT]
    records["peer"] = [NONE, NONE, 0, 1]
    records["time_ns"] = [10, 25, 1000, 5000]
    assert lateness(records) == {"sends": 2, "late_ns_p50": 17, "late_ns_p99": 24, "late_ns_max": 25}
    assert lateness(records[:0]) == {"sends": 0}
