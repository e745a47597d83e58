"""Whom a message goes to and whose is read next: load balancer, fair queue, distributor, over pipes made by hand."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw

from harness.twin import Msg
from harness.twin.dist import Distributor
from harness.twin.errors import TwinError
from harness.twin.fq import FairQueue
from harness.twin.lb import LoadBalancer
from harness.twin.pipe import Pipe, pipe_pair

from .witness import Witness


class Hub:
    """A socket with its peers in one thread: commands take effect when :meth:`process` is called."""

    def __init__(self, witness: Witness | None = None, **parts: Any) -> None:
        self.observer = witness or Witness()
        self.parts = parts
        self.commands: list[tuple[Callable[[Any], None], Any]] = []

    def post(self, command: Callable[[Any], None], argument: Any) -> None:
        self.commands.append((command, argument))

    def process(self) -> None:
        while self.commands:
            command, argument = self.commands.pop(0)
            command(argument)

    def read_activated(self, pipe: Pipe) -> None:
        if "fq" in self.parts:
            self.parts["fq"].activated(pipe)

    def write_activated(self, pipe: Pipe) -> None:
        if "lb" in self.parts:
            self.parts["lb"].activated(pipe)

    def hiccuped(self, pipe: Pipe) -> None: ...

    def pipe_terminated(self, pipe: Pipe) -> None:
        for part in self.parts.values():
            part.pipe_terminated(pipe)


class Peer(Hub):
    """The far end of one pipe."""

    def pipe_terminated(self, pipe: Pipe) -> None: ...


def connect(hub: Hub, hwm: int = 100) -> Pipe:
    """The hub's end of a new pipe."""
    near, _ = pipe_pair((hub, Peer()), (hwm, hwm))
    for part in hub.parts.values():
        part.attach(near)
    return near


def received(pipe: Pipe) -> list[bytes]:
    """What lies in the pipe for the peer, read."""
    pipe.peer.owner.process()  # type: ignore[attr-defined]
    frames = []
    while (msg := pipe.peer.read()) is not None:
        frames.append(msg.data)
    return frames


def balancer(*hwms: int) -> tuple[Hub, LoadBalancer, list[Pipe]]:
    witness = Witness()
    lb = LoadBalancer(witness)
    hub = Hub(witness, lb=lb)
    return hub, lb, [connect(hub, hwm) for hwm in hwms]


def number(value: int, more: bool = False) -> Msg:
    return Msg(b"%d" % value, more)


# -- load balancer --------------------------------------------------------------------------------


@given(peers=draw.integers(1, 6), messages=draw.integers(0, 40), frames=draw.integers(1, 3))
@settings(derandomize=True, deadline=None)
def test_whole_messages_go_round(peers: int, messages: int, frames: int) -> None:
    """F73."""
    _, lb, pipes = balancer(*[100] * peers)
    for message in range(messages):
        for frame in range(frames):
            taker = lb.send(number(message, more=frame < frames - 1))
            assert taker is pipes[message % peers]
    for position, pipe in enumerate(pipes):
        mine = [b"%d" % message for message in range(position, messages, peers) for _ in range(frames)]
        assert received(pipe) == mine


@given(draw.lists(draw.integers(1, 9), min_size=1, max_size=5))
@settings(derandomize=True, deadline=None)
def test_a_full_peer_is_passed_over_until_all_are_full(hwms: list[int]) -> None:
    """F73, F76."""
    _, lb, pipes = balancer(*hwms)
    takers = []
    while (taker := lb.send(number(len(takers)))) is not False:
        takers.append(taker)
    assert Counter(map(id, takers)) == Counter({id(pipe): hwm for pipe, hwm in zip(pipes, hwms, strict=True)})
    assert not lb.has_out()
    shared = min(hwms)
    for turn in range(shared):
        assert takers[turn * len(pipes) : (turn + 1) * len(pipes)] == pipes, "as long as none is full all take turns"


def test_a_peer_that_has_room_again_takes_part_again() -> None:
    hub, lb, (first, second) = balancer(1, 1)
    assert [lb.send(number(message)) for message in range(3)] == [first, second, False]
    assert received(second) == [b"1"]
    assert lb.send(number(3)) is False, "the credit has not been looked at"
    hub.process()
    assert lb.has_out()
    assert lb.send(number(4)) is second
    assert lb.send(number(5)) is False


def test_looking_for_room_passes_over_full_peers_too() -> None:
    _, lb, (first, second) = balancer(1, 5)
    assert [lb.send(number(message)) for message in range(2)] == [first, second]
    assert lb.has_out()
    assert lb.send(number(2)) is second


def test_without_peers_nothing_can_be_sent() -> None:
    """F76."""
    _, lb, _ = balancer()
    assert lb.send(number(0)) is False
    assert not lb.has_out()


def test_in_the_middle_of_a_message_there_is_always_room() -> None:
    _, lb, (only,) = balancer(1)
    lb.send(number(0, more=True))
    assert lb.has_out()
    lb.send(number(1))
    assert not lb.has_out()
    assert received(only) == [b"0", b"1"]


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_peer_that_goes_leaves_the_turn_with_the_others(gone: int) -> None:
    hub, lb, pipes = balancer(9, 9, 9)
    lb.send(number(0))
    leave(hub, pipes[gone])
    rest = [pipe for pipe in pipes if pipe is not pipes[gone]]
    takers = [lb.send(number(message)) for message in range(1, 9)]
    assert Counter(map(id, takers)) == Counter({id(pipe): 4 for pipe in rest})
    assert all(one is not other for one, other in itertools.pairwise(takers))


def leave(hub: Hub, pipe: Pipe) -> None:
    """The peer closes and the hub has heard of it in full."""
    pipe.set_nodelay()
    pipe.peer.terminate(False)
    while hub.commands or pipe.peer.owner.commands:  # type: ignore[attr-defined]
        hub.process()
        pipe.peer.owner.process()  # type: ignore[attr-defined]


def test_the_rest_of_a_message_whose_peer_has_gone_is_swallowed_and_told() -> None:
    """F75: never to another peer; the next message goes to those that are left."""
    hub, lb, (first, second) = balancer(9, 9)
    assert lb.send(number(0, more=True)) is first
    leave(hub, first)
    assert lb.send(number(1, more=True)) is True
    assert hub.observer.losses == []
    assert lb.send(number(2)) is True
    assert hub.observer.losses == [("disconnect_pipe", b"2")]
    assert lb.send(number(3)) is second
    assert received(second) == [b"3"]


@pytest.mark.parametrize("more", [False, True])
def test_a_peer_that_is_going_takes_no_further_frame_and_neither_does_another(more: bool) -> None:
    """F75: it is heard of in the middle of a message, before it has wholly gone."""
    hub, lb, (first, second) = balancer(9, 9)
    assert lb.send(number(0, more=True)) is first
    first.set_nodelay()
    first.peer.terminate(False)
    hub.process()
    with pytest.raises(TwinError):
        lb.send(number(1, more))
    if more:
        assert lb.send(number(2)) is True
        assert hub.observer.losses == [("disconnect_pipe", b"2")]
    assert lb.send(number(3)) is second
    assert received(second) == [b"3"]
    assert received(first) == []


# -- fair queue -----------------------------------------------------------------------------------


def queue(peers: int) -> tuple[Hub, FairQueue, list[Pipe]]:
    fq = FairQueue()
    hub = Hub(fq=fq)
    return hub, fq, [connect(hub) for _ in range(peers)]


def arrive(pipe: Pipe, *frames: bytes) -> None:
    """One message from the peer."""
    for position, frame in enumerate(frames):
        assert pipe.peer.write(Msg(frame, position < len(frames) - 1))
    pipe.peer.flush()


def take_all(fq: FairQueue) -> list[bytes]:
    frames = []
    while (msg := fq.recv()) is not None:
        frames.append(msg.data)
    return frames


@given(backlogs=draw.lists(draw.integers(0, 8), min_size=1, max_size=5), frames=draw.integers(1, 3))
@settings(derandomize=True, deadline=None)
def test_one_message_of_each_in_turn(backlogs: list[int], frames: int) -> None:
    """F77: while all have something nobody gets two turns before everybody had one; messages stay whole."""
    _, fq, pipes = queue(len(backlogs))
    for name, (pipe, backlog) in enumerate(zip(pipes, backlogs, strict=True)):
        for message in range(backlog):
            arrive(pipe, *[b"%d:%d:%d" % (name, message, frame) for frame in range(frames)])
    got = take_all(fq)
    messages = [got[at : at + frames] for at in range(0, len(got), frames)]
    assert all([one[0].rsplit(b":", 1)[0]] * frames == [each.rsplit(b":", 1)[0] for each in one] for one in messages)
    order = [tuple(map(int, one[0].split(b":")[:2])) for one in messages]
    assert sorted(order) == [(name, message) for name, backlog in enumerate(backlogs) for message in range(backlog)]
    for name, backlog in enumerate(backlogs):
        assert [message for owner, message in order if owner == name] == list(range(backlog))
    shared = min(backlogs)
    for turn in range(shared):
        assert {owner for owner, _ in order[turn * len(pipes) : (turn + 1) * len(pipes)]} == set(range(len(pipes)))


def test_who_gave_the_last_frame_is_known() -> None:
    _, fq, (first, second) = queue(2)
    arrive(first, b"a")
    arrive(second, b"b")
    for pipe in (first, second):
        assert fq.recv() is not None
        assert fq.last is pipe


def test_a_pipe_found_empty_is_asked_again_only_after_its_command() -> None:
    hub, fq, (pipe,) = queue(1)
    assert fq.recv() is None
    arrive(pipe, b"a")
    assert fq.recv() is None
    assert not fq.has_in()
    hub.process()
    assert fq.has_in()
    assert take_all(fq) == [b"a"]


def test_looking_takes_nothing_and_moves_past_the_empty_ones() -> None:
    _, fq, (_, second) = queue(2)
    arrive(second, b"x", b"y")
    assert fq.has_in()
    assert fq.recv() is not None
    assert fq.has_in(), "in the middle of a message"
    assert take_all(fq) == [b"y"]
    assert not fq.has_in()


@pytest.mark.parametrize("gone", [0, 1, 2])
@pytest.mark.parametrize("read", [0, 1, 2, 3, 4])
def test_a_sender_that_goes_leaves_the_turn_with_the_others(gone: int, read: int) -> None:
    hub, fq, pipes = queue(3)
    for name, pipe in enumerate(pipes):
        for message in range(4):
            arrive(pipe, b"%d:%d" % (name, message))
    before = [fq.recv() for _ in range(read)]
    leave(hub, pipes[gone])
    after = take_all(fq)
    assert len(before) == read
    rest = sorted(b"%d:%d" % (name, message) for name in range(3) if name != gone for message in range(4))
    seen = sorted([*after, *(msg.data for msg in before if msg is not None and not msg.data.startswith(b"%d" % gone))])
    assert seen == rest
    owners = [frame[:1] for frame in after]
    assert owners[:4] == [owners[0], owners[1]] * 2


# -- distributor ----------------------------------------------------------------------------------


def distributor(*hwms: int) -> tuple[Hub, Distributor, list[Pipe]]:
    dist = Distributor()
    hub = Hub(dist=dist)
    return hub, dist, [connect(hub, hwm) for hwm in hwms]


def test_everybody_gets_a_copy_and_who_is_full_does_not() -> None:
    """F62, F63."""
    hub, dist, (small, large) = distributor(2, 9)
    for message in range(4):
        dist.send(number(message), dist.pipes, hub.observer)
    assert hub.observer.losses == [("hwm_sender", b"2"), ("hwm_sender", b"3")]
    assert received(small) == [b"0", b"1"]
    assert received(large) == [b"0", b"1", b"2", b"3"]
    dist.send(number(4), dist.pipes, hub.observer)
    assert hub.observer.losses[-1] == ("hwm_sender", b"4"), "the credit has not been looked at"
    hub.process()
    dist.send(number(5), dist.pipes, hub.observer)
    assert received(small) == [b"5"]


@given(
    hwms=draw.lists(draw.integers(1, 4), min_size=1, max_size=4),
    messages=draw.lists(draw.integers(1, 4), max_size=12),
    reads=draw.lists(draw.integers(0, 3), max_size=12),
)
@settings(derandomize=True, max_examples=150, deadline=None)
def test_all_frames_of_a_message_or_none(hwms: list[int], messages: list[int], reads: list[int]) -> None:
    """F64: whoever took the first frame gets all, though the mark is reached in between; all others are told of."""
    hub, dist, pipes = distributor(*hwms)
    got: list[list[bytes]] = [[] for _ in pipes]
    for message, frames in enumerate(messages):
        for frame in range(frames):
            dist.send(Msg(b"%d.%d" % (message, frame), frame < frames - 1), dist.pipes, hub.observer)
        if message < len(reads):
            reader = reads[message] % len(pipes)
            got[reader] += received(pipes[reader])
            hub.process()
    for mine, pipe in zip(got, pipes, strict=True):
        mine.extend(received(pipe))
        numbers = [int(frame.split(b".")[0]) for frame in mine]
        assert mine == [
            b"%d.%d" % (message, frame) for message in sorted(set(numbers)) for frame in range(messages[message])
        ]
    taken = sum(len({frame.split(b".")[0] for frame in mine}) for mine in got)
    assert taken + len(hub.observer.losses) == len(messages) * len(pipes)


def test_who_comes_in_the_middle_of_a_message_takes_part_from_the_next_one() -> None:
    """F64."""
    hub, dist, (first,) = distributor(9)
    dist.send(number(0, more=True), dist.pipes, hub.observer)
    late = connect(hub)
    dist.send(number(1), dist.pipes, hub.observer)
    dist.send(number(2), dist.pipes, hub.observer)
    assert (received(first), received(late)) == ([b"0", b"1", b"2"], [b"2"])


def test_who_goes_in_the_middle_of_a_message_has_lost_it() -> None:
    hub, dist, (first, second) = distributor(9, 9)
    dist.send(number(0, more=True), dist.pipes, hub.observer)
    leave(hub, first)
    dist.send(number(1), dist.pipes, hub.observer)
    assert hub.observer.losses == [("disconnect_pipe", b"1")]
    assert received(second) == [b"0", b"1"]
    dist.send(number(2), dist.pipes, hub.observer)
    assert len(hub.observer.losses) == 1


def test_who_is_going_in_the_middle_of_a_message_has_lost_it() -> None:
    """It is heard of before it has wholly gone."""
    hub, dist, (first, second) = distributor(9, 9)
    dist.send(number(0, more=True), dist.pipes, hub.observer)
    first.set_nodelay()
    first.peer.terminate(False)
    hub.process()
    dist.send(number(1), dist.pipes, hub.observer)
    assert hub.observer.losses == [("disconnect_pipe", b"1")]
    assert received(second) == [b"0", b"1"]


def test_room_for_all_is_asked_of_those_that_are_not_known_to_be_full() -> None:
    """F66."""
    hub, dist, pipes = distributor(1, 2)
    assert dist.check_hwm(pipes)
    dist.send(number(0), dist.pipes, hub.observer)
    assert not dist.check_hwm(pipes)
    dist.send(number(1), dist.pipes, hub.observer)
    assert not dist.check_hwm(pipes), "the second is full now and nobody has asked it"
    dist.send(number(2), dist.pipes, hub.observer)
    assert dist.check_hwm(pipes), "both are known to be full, so neither is asked"
