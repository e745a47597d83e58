"""Writes the twin's truth into the trace: every loss with its cause, every connection event."""

from __future__ import annotations

from collections.abc import Collection

from harness.node import STAMP, STAMP_BYTES, STAMP_MAGIC
from harness.relay.breaks import record_break
from harness.relay.pairs import InFlight
from harness.relay.ways import Way
from harness.run import SETTLE_NS
from harness.topology import MULTICAST, Topology
from harness.trace import CAUSES, EVENTS, NONE, Kind, Recorder
from harness.twin import Msg, Observer, SocketBase, Twin
from harness.twin.pipe import Pipe

_CAUSE = {cause: code for code, cause in enumerate(CAUSES)}
_EVENT = {event: code for code, event in enumerate(EVENTS)}


class Watcher(Observer):
    """Knows which message is owed to whom, and what became of it."""

    def __init__(self, topology: Topology, recorder: Recorder) -> None:
        self._recorder = recorder
        self._id = topology.node_id
        self._owed: list[tuple[int, ...]] = [
            tuple(topology.node_id(name) for name in flow.receivers) if flow.delivery == "all" else ()
            for flow in topology.flows
        ]
        self._onwards = _onwards(topology)
        ends = {end.name: end.transport for end in topology.endpoints}
        self._grouped = [ends.get(flow.endpoint) in MULTICAST for flow in topology.flows]
        self._present: dict[SocketBase, dict[int, int]] = {}
        self._twin: Twin | None = None
        self.violations: list[str] = []

    def watch(self, twin: Twin) -> None:
        """The world whose clock counts."""
        self._twin = twin

    def stop(self) -> None:
        """The run is over: what happens when programs and sockets are ended is not part of it."""
        self._recorder = Recorder()

    def _now(self) -> int:
        assert self._twin is not None
        return self._twin.now_ns - SETTLE_NS

    def _record(self, kind: int, flag: int, msg: Msg, peer: int) -> None:
        """What became of a message at a peer; at a broker, it became of it for all to whom it would have gone on."""
        stamp = _stamp_of(msg)
        if stamp is None:
            return
        sender, flow, seq, intended = stamp
        owed = self._owed[flow]
        nodes = self._behind(owed, peer) if owed and peer not in owed else [peer]
        if peer == NONE and self._grouped[flow]:
            # It has not left for a group, and will not, or is under way, to all of it.
            nodes = list(owed)
        for whose in nodes:
            self._recorder.append(kind, flag, flow, sender, whose, seq, self._now(), intended, len(msg.data), 0)

    def _behind(self, owed: Collection[int], node: int) -> list[int]:
        """Those of them to whom a message goes on from that node; the node itself when there is none."""
        return [one for one in owed if one in self._onwards.get(node, ())] or [node]

    # -- what is lost ----------------------------------------------------------------------------

    def lost(self, cause: str, msg: Msg, remote: SocketBase | None) -> None:
        """A LOST record."""
        self._record(Kind.LOST, _CAUSE[cause], msg, NONE if remote is None else remote.owner)

    def published(self, socket: SocketBase, msg: Msg, matching: Collection[Pipe]) -> None:
        """Whoever is owed the message and did not get a copy: no pipe, or no subscription (F65).

        Where it goes over brokers, each answers for those behind it.
        """
        stamp = _stamp_of(msg)
        if stamp is None:
            return
        sender, flow, *_ = stamp
        owed = self._owed[flow]
        if len(matching) >= len(owed) or (self._grouped[flow] and socket.owner == sender):
            return
        reached = {
            node: None
            for pipe in matching
            if pipe.remote is not None
            for node in (pipe.remote.owner, *self._onwards.get(pipe.remote.owner, ()))
        }
        present = self._present.get(socket, {})
        answers = owed if socket.owner == sender else self._behind(owed, socket.owner)
        for node in answers:
            if node not in reached:
                there = any(present.get(peer) for peer in (node, *self._towards(node)))
                cause = "not_subscribed" if there else "no_peer"
                self._record(Kind.LOST, _CAUSE[cause], msg, node)

    def _towards(self, node: int) -> list[int]:
        """The brokers from which a message may go on to that node."""
        return [broker for broker, behind in self._onwards.items() if node in behind]

    def multicast(self, msg: Msg, sockets: Collection[SocketBase]) -> None:
        """Whoever is owed the message and does not listen to its group (F218)."""
        stamp = _stamp_of(msg)
        if stamp is None:
            return
        there = [node for socket in sockets for node in (socket.owner, *self._onwards.get(socket.owner, ()))]
        for node in self._owed[stamp[1]]:
            if node not in there:
                self._record(Kind.LOST, _CAUSE["no_peer"], msg, node)

    def under_way(self, twin: Twin) -> None:
        """IN_FLIGHT records for all that is in a pipe, batch or kernel buffer at the end."""
        for msg, reader in twin.census():
            self._record(Kind.IN_FLIGHT, 0, msg, NONE if reader is None else reader.owner)

    # -- what happens ----------------------------------------------------------------------------

    def _event(self, name: str, node: int, peer: int = NONE, value: int = 0) -> None:
        node = NONE if node < 0 else node
        self._recorder.append(Kind.EVENT, _EVENT[name], NONE, node, peer, -1, self._now(), 0, 0, value)

    def event(self, socket: SocketBase, name: str, value: int = 0) -> None:
        """As a socket monitor would tell."""
        self._event(name, socket.owner, NONE, value)

    def attached(self, socket: SocketBase, pipe: Pipe) -> None:
        """A socket knows a pipe from now on."""
        peer = NONE if pipe.remote is None else pipe.remote.owner
        present = self._present.setdefault(socket, {})
        present[peer] = present.get(peer, 0) + 1
        self._event("attached", socket.owner, peer)

    def detached(self, socket: SocketBase, pipe: Pipe) -> None:
        """A pipe is gone from a socket."""
        peer = NONE if pipe.remote is None else pipe.remote.owner
        present = self._present.setdefault(socket, {})
        present[peer] = present.get(peer, 0) - 1
        self._event("detached", socket.owner, peer)

    def hwm_reached(self, pipe: Pipe) -> None:
        """A pipe refused a message. The law: what is unread in it never exceeds the mark."""
        unread = pipe.written_count - pipe.peer.read_count
        if 0 < pipe.highest_hwm < unread:
            self.violation(f"a pipe with HWM {pipe.highest_hwm} holds {unread} messages")
        remote = pipe.remote
        owner = getattr(pipe.owner, "owner", None)
        if owner is not None:
            self._event("hwm_reached", owner, NONE if remote is None else remote.owner, pipe.hwm)

    def broke(self, way: Way, there: InFlight, back: InFlight) -> None:
        """A connection over a relay has broken; what was in flight from who connected, and back."""
        record_break(self._recorder, (self._id(way.node), self._id(way.endpoint.binder)), self._now(), there, back)

    def violation(self, sentence: str) -> None:
        """A bug of the twin, shown on every run that has it."""
        if len(self.violations) < 100:
            self.violations.append(sentence)


def _stamp_of(msg: Msg) -> tuple[int, int, int, int] | None:
    """Sender, flow, number and intended time; None when it is not a message of a flow, so that nobody is owed it."""
    body = msg.data
    if len(body) < STAMP_BYTES or body[:4] != STAMP_MAGIC:
        return None
    _, sender, flow, seq, intended, _ = STAMP.unpack_from(body)
    return sender, flow, seq, intended


def _onwards(topology: Topology) -> dict[int, tuple[int, ...]]:
    """Each broker that hears what is published and publishes it again, and all to whom that may go on."""
    ids = {node.name: position for position, node in enumerate(topology.nodes)}
    to = {number: [ids[peer] for _, peer in topology.hears(name) if peer in ids] for name, number in ids.items()}
    found = {}
    for broker, targets in to.items():
        if targets and any(broker in others for others in to.values()):
            behind = list(targets)
            for node in behind:  # grows as it goes
                behind += [one for one in to[node] if one not in behind]
            found[broker] = tuple(behind)
    return found
