"""Who lives where in a network of namespaces: addresses, neighbours, and which links need the packet emulator."""

from __future__ import annotations

import ipaddress

import pytest

from harness.live.namespaces.layout import (
    SUBNET,
    Layout,
    address,
    emulated,
    hardware_address,
    needs_emulator,
    site_of,
)
from harness.patterns import pubsub
from harness.run import FaultSpec
from harness.shaper import Shape
from harness.topology import Endpoint, Flow, Link, Node, Topology

SITES = 1000


def test_addresses_are_different_and_can_be_had() -> None:
    subnet = ipaddress.ip_network(SUBNET)
    found = [ipaddress.ip_address(address(site)) for site in range(SITES)]
    assert len(dict.fromkeys(found)) == SITES
    assert all(one in subnet for one in found)
    assert not {subnet.network_address, subnet.broadcast_address} & set(found)
    assert len({hardware_address(site) for site in range(SITES)}) == SITES
    assert [site_of(address(site)) for site in range(SITES)] == list(range(SITES))


def node(name: str) -> Node:
    return Node(name=name, group=name, program="m:f")


def end(name: str, transport: str, binder: str, *connecters: str) -> Endpoint:
    return Endpoint(
        name=name,
        transport=transport,  # type: ignore[arg-type]
        binder=binder,
        connecters=connecters,
        binder_type="PUSH",
        connecter_type="PULL",
    )


def test_nodes_of_one_process_share_a_namespace_and_only_those_that_talk_over_tcp_are_neighbours() -> None:
    topology = Topology(
        nodes=tuple(map(node, "abcd")),
        endpoints=(end("in", "inproc", "a", "b"), end("out", "tcp", "c", "a", "b"), end("by", "ipc", "d", "c")),
        flows=(Flow(name="f", senders=("a",), receivers=("b",), delivery="one", endpoint="in"),),
    )
    layout = Layout(topology)
    assert layout.sites == ((0, 1), (2,), (3,))
    assert [layout.site(name) for name in "abcd"] == [0, 0, 1, 2]
    assert layout.neighbours() == [(0, 1)]
    assert list(layout.ports) == ["out"]


@pytest.mark.parametrize(
    ("shape", "needed"),
    [
        (Shape(), False),
        (Shape(rate_bytes_per_s=1000, queue_bytes=1), False),
        (Shape(delay_ns=1), True),
        (Shape(jitter_ns=1), True),
        (Shape(loss=0.1), True),
        (Shape(reorder=0.1), True),
        (Shape(duplicate=0.1, rate_bytes_per_s=1000), True),
    ],
)
def test_a_rate_is_for_the_kernel_all_else_for_the_emulator(shape: Shape, needed: bool) -> None:
    assert needs_emulator(shape) is needed


@pytest.mark.parametrize(
    ("kind", "options", "needed"),
    [
        ("impair", {"rate_bytes_per_s": 1000}, False),
        ("impair", {"rate_bytes_per_s": 1000, "delay_ns": 1}, True),
        ("refuse", {}, True),
        ("blackhole", {"direction": "up"}, False),
        ("link_down", {}, False),
        ("reset", {"cut": "anywhere"}, False),
    ],
)
def test_a_link_needs_what_its_faults_need(kind: str, options: dict[str, object], needed: bool) -> None:
    built = pubsub.build(pubsub.Options(rate_per_s=1, subscribers={"one": 1, "other": 1}), 10**9)
    topology = Topology(
        nodes=built.nodes, endpoints=built.endpoints, flows=built.flows, links=(Link(node="one"), Link(node="other"))
    )
    fault = FaultSpec(label="f", kind=kind, options={"link": "one", "at_ns": 0, **options})
    assert emulated(topology, [fault]) == (["one"] if needed else [])
