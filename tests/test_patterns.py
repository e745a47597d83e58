"""The patterns' topologies, and their programs on sockets that only take notes."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness import kinds, patterns
from harness.config.sockets import PEERS
from harness.load import Arrivals
from harness.node import Message, Node
from harness.patterns import pipeline, pubsub, reqrep
from harness.run import decode, load_program, program_options
from harness.topology import Topology, members
from harness.trace import NONE, Kind, Recorder

S = 1_000_000_000

BUILT = {
    "pubsub": pubsub.build(pubsub.Options(rate_per_s=1000, subscribers={"fast": 1, "slow": 2}), S),
    "pipeline": pipeline.build(pipeline.Options(rate_per_s=1000, workers={"fast": 1, "slow": 2}), S),
    "reqrep": reqrep.build(reqrep.Options(rate_per_s=10, clients={"client": 4}), S),
}


class ExhaustedError(Exception):
    """Ends a program that would go on for ever."""


class NotedSocket:
    """Notes what is called, and gives what is in the inbox; socket options are attributes, as in pyzmq."""

    def __init__(self, calls: list[Any], inbox: Iterator[bytes]) -> None:
        self.__dict__.update(calls=calls, inbox=inbox)

    def __setattr__(self, name: str, value: Any) -> None:
        self.calls.append((name, value))

    def bind(self, address: str) -> None:
        self.calls.append(("bind", address))

    def connect(self, address: str) -> None:
        self.calls.append(("connect", address))

    def subscribe(self, topic: bytes) -> None:
        self.calls.append(("subscribe", topic))

    def send(self, body: bytes, *_flags: Any) -> None:
        self.calls.append(("send", body))

    def recv(self, *_flags: Any) -> bytes:
        for body in self.inbox:
            return bytes(body)
        raise ExhaustedError

    def getsockopt(self, _option: int) -> int:
        return 0


class Notes(Node):
    """A node in a world without sockets: time passes only by sleep and work."""

    def __init__(self, topology: Topology, name: str, inbox: Sequence[bytes] = ()) -> None:
        flow_ids = {flow.name: number for number, flow in enumerate(topology.flows)}
        super().__init__(topology.node_id(name), flow_ids, Recorder())
        self.name = name
        self.rng = np.random.Generator(np.random.PCG64(1))
        self.zmq = SimpleNamespace(Again=BlockingIOError, RCVMORE=13, **{kind: kind for kind in PEERS})
        self.context = SimpleNamespace(socket=self._socket)
        self.calls: list[Any] = []
        self.inbox = iter(inbox)
        self.clock = 0

    def _socket(self, kind: str) -> NotedSocket:
        self.calls.append(kind)
        return NotedSocket(self.calls, self.inbox)

    def endpoint(self, name: str) -> str:
        return f"inproc://{name}"

    def now(self) -> int:
        return self.clock

    def sleep_until(self, time_ns: int) -> None:
        self.clock = max(self.clock, time_ns)

    def work(self, duration_ns: int) -> None:
        self.calls.append(("work", duration_ns))
        self.clock += duration_ns

    def play(self, topology: Topology, **options: Any) -> None:
        """Run the node's own program with its own options, some of them changed."""
        spec = topology.nodes[topology.node_id(self.name)]
        function, cls = load_program(spec.program)
        try:
            function(self, program_options(cls, {**spec.options, **options}))
        except ExhaustedError:
            self.calls.append("stopped")

    def sent(self) -> list[Message]:
        return [Message([call[1]]) for call in self.calls if call[0] == "send"]


def test_kinds_are_the_files() -> None:
    assert set(BUILT) <= set(patterns.names())
    for kind in patterns.names():
        assert kinds.summary("harness.patterns", kind)


@pytest.mark.parametrize("kind", BUILT)
def test_a_topology_holds_together(kind: str) -> None:
    topology = BUILT[kind]
    names = [node.name for node in topology.nodes]
    assert len(names) == len(dict.fromkeys(names))
    for endpoint in topology.endpoints:
        assert endpoint.connecter_type in PEERS[endpoint.binder_type]
        assert endpoint.binder in names
        assert set(endpoint.connecters) <= set(names)
    for flow in topology.flows:
        assert flow.endpoint in [endpoint.name for endpoint in topology.endpoints]
        assert {*flow.senders, *flow.receivers} <= set(names)


@pytest.mark.parametrize("kind", BUILT)
def test_every_program_takes_the_options_that_the_pattern_gives_it(kind: str) -> None:
    for node in BUILT[kind].nodes:
        function, cls = load_program(node.program)
        assert cls is not None
        assert decode(cls, node.options)
        assert function.__doc__


def test_groups_name_their_nodes() -> None:
    assert members({"fast": 1, "slow": 2}) == (("fast", "fast"), ("slow", "slow-1"), ("slow", "slow-2"))
    assert [(node.group, node.name) for node in BUILT["pipeline"].nodes] == [
        ("ventilator", "ventilator"),
        ("fast", "fast"),
        ("slow", "slow-1"),
        ("slow", "slow-2"),
    ]


def test_who_is_owed_what() -> None:
    (feed,) = BUILT["pubsub"].flows
    assert (feed.delivery, feed.senders, feed.receivers) == ("all", ("pub",), ("fast", "slow-1", "slow-2"))
    (work,) = BUILT["pipeline"].flows
    assert (work.delivery, work.senders, work.receivers) == ("one", ("ventilator",), ("fast", "slow-1", "slow-2"))
    request, reply = BUILT["reqrep"].flows
    clients = ("client-1", "client-2", "client-3", "client-4")
    assert (request.delivery, request.senders, request.receivers) == ("one", clients, ("server",))
    assert (reply.delivery, reply.senders, reply.receivers) == ("addressed", ("server",), clients)


def test_clients_of_regular_spacing_take_turns() -> None:
    topology = reqrep.build(reqrep.Options(rate_per_s=10, clients={"client": 4}, arrivals="constant"), S)
    rng = np.random.default_rng(1)
    times = [
        list(decode(Arrivals, node.options["arrivals"]).times(rng)) for node in topology.nodes if node.group == "client"
    ]
    assert [schedule[0] for schedule in times] == [0, 25_000_000, 50_000_000, 75_000_000]
    assert all(len(schedule) == 10 for schedule in times)
    everything = sorted(itertools.chain(*times))
    assert len(everything) == len(dict.fromkeys(everything))


@pytest.mark.parametrize(("kind", "name", "socket"), [("pubsub", "pub", "PUB"), ("pipeline", "ventilator", "PUSH")])
def test_a_sender_binds_and_sends_when_due(kind: str, name: str, socket: str) -> None:
    node = Notes(BUILT[kind], name)
    node.play(BUILT[kind], socket={"sndhwm": 7})
    assert node.calls[:2] == [socket, ("sndhwm", 7)], "options first: a listener copies them at bind"
    assert node.calls[2][0] == "bind"
    messages = node.sent()
    assert [message.seq for message in messages] == list(range(1000))
    assert [message.intended_ns for message in messages] == [number * 1_000_000 for number in range(1000)]
    assert all(len(message.frames[0]) == 512 for message in messages)


@pytest.mark.parametrize(("kind", "name", "socket"), [("pubsub", "fast", "SUB"), ("pipeline", "slow-2", "PULL")])
def test_a_receiver_connects_and_works_on_each_message(kind: str, name: str, socket: str) -> None:
    topology = BUILT[kind]
    sender = Notes(topology, topology.flows[0].senders[0])
    sender.play(topology)
    inbox = [message.frames[0] for message in sender.sent()[:3]]
    node = Notes(topology, name, inbox)
    node.play(topology, service={"kind": "constant", "mean_ns": 5}, socket={"rcvhwm": 7})
    assert node.calls[:2] == [socket, ("rcvhwm", 7)]
    assert ("connect", f"inproc://{topology.endpoints[0].name}") in node.calls
    assert node.calls[-4:] == [("work", 5)] * 3 + ["stopped"]
    records = node._recorder.records()
    assert records["kind"].tolist() == [Kind.RECEIVED] * 3
    assert records["seq"].tolist() == [0, 1, 2]


def test_a_subscriber_subscribes_before_it_connects() -> None:
    node = Notes(BUILT["pubsub"], "fast")
    node.play(BUILT["pubsub"])
    assert node.calls[:3] == ["SUB", ("subscribe", b""), ("connect", "inproc://feed")]


def test_a_request_is_answered_to_whom_it_came_from_and_keeps_its_intended_time() -> None:
    topology = BUILT["reqrep"]
    client = Notes(topology, "client-3", inbox=[bytes(512)] * 1000)
    client.play(topology)
    requests = client.sent()
    assert len(requests) > 2, "ten a second, on average"
    server = Notes(topology, "server", inbox=[request.frames[0] for request in requests])
    server.clock = 3 * S
    server.play(topology, service={"kind": "constant", "mean_ns": 5})
    replies = server.sent()
    assert [reply.intended_ns for reply in replies] == [request.intended_ns for request in requests]
    records = server._recorder.records()
    sent = records[records["kind"] == Kind.SENT]
    assert sent["peer"].tolist() == [topology.node_id("client-3")] * len(requests)
    assert sent["flow"].tolist() == [topology.flow_id("reply")] * len(requests)
    order = [call[0] for call in server.calls if call[0] in ("work", "send")]
    assert order == ["work", "send"] * len(requests), "work first, then the reply"


def test_a_client_that_got_no_reply_in_time_goes_on_to_its_next_request() -> None:
    topology = reqrep.build(reqrep.Options(rate_per_s=10, clients={"client": 1}, arrivals="constant"), S)

    class NoServer(Notes):
        def recv(self, socket: Any, flags: int = 0) -> Message:
            self.clock += 250_000_000  # RCVTIMEO
            raise BlockingIOError

    node = NoServer(topology, "client")
    node.play(topology)
    assert [message.sent_ns for message in node.sent()] == [number * 250_000_000 for number in range(10)]


def test_a_client_is_in_lockstep_but_its_schedule_is_not() -> None:
    topology = reqrep.build(reqrep.Options(rate_per_s=10, clients={"client": 1}, arrivals="constant"), S)

    class SlowServer(Notes):
        def recv(self, socket: Any, flags: int = 0) -> Message:
            self.clock += 300_000_000  # three intervals
            self.calls.append(("received", self.clock))
            return Message([bytes(64)])

    node = SlowServer(topology, "client")
    node.play(topology)
    order = [call[0] for call in node.calls if call[0] in ("send", "received")]
    assert order == ["send", "received"] * 10
    messages = node.sent()
    assert [message.intended_ns for message in messages] == [number * 100_000_000 for number in range(10)]
    assert [message.sent_ns for message in messages] == [number * 300_000_000 for number in range(10)]


def test_a_request_that_was_rejected_awaits_no_reply() -> None:
    topology = reqrep.build(reqrep.Options(rate_per_s=10, clients={"client": 1}, arrivals="constant"), S)

    class Full(Notes):
        def send(self, socket: Any, **_options: Any) -> bool:  # type: ignore[override]
            self.calls.append("rejected")
            return False

    node = Full(topology, "client")
    node.play(topology)
    assert node.calls.count("rejected") == 10
    assert "stopped" not in node.calls


def test_unstamped_messages_are_recorded_as_nobodys() -> None:
    node = Notes(BUILT["pipeline"], "fast", inbox=[b"hello"])
    node.play(BUILT["pipeline"])
    (record,) = node._recorder.records()
    assert (record["node"], record["peer"], record["seq"]) == (1, NONE, -1)


@pytest.mark.parametrize("kind", BUILT)
def test_modules_say_where_the_pattern_comes_from(kind: str) -> None:
    assert "RFC" in (importlib.import_module(f"harness.patterns.{kind}").__doc__ or "")
