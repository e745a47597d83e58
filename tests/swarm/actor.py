"""A node at work: it does the steps of its plan through pyzmq, and holds every call against the laws of its type.

The laws here are those that a program can see: who may call what in which state, how long a call may take, whom a
reply goes to, what a subscriber may be given.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from typing import Any

from harness.twin import Process, Twin

from .books import Books, body, name_of, shown
from .plan import NodePlan, SocketPlan, Step

MS = 1_000_000
SLACK_NS = 5 * MS
"""What a call may take longer than it was asked to: waking up, and the work itself."""
_NS_PER_BYTE = 5

EFSM, ETERM, EMTHREAD = 156384763, 156384765, 156384766
_EVENTS = {1 << bit for bit in range(16)}
_LOCKSTEP = ("REQ", "REP")
_PUBLISHERS = ("PUB", "XPUB")
_DEAF = ("PUSH", "PUB")
_POLLIN_PROMISES = ("PULL", "SUB", "XSUB", "DEALER", "ROUTER", "XPUB")
"""Where poll says readable a message can be received; REQ may find that it is not the reply."""


class ContextTermination(Exception):  # noqa: N818 - what it is, as ETERM is one
    """Somebody terminates the context: time to close all sockets and go."""


class Held:
    """A socket, from open to close, and what its owner knows of it."""

    def __init__(self, plan: SocketPlan, life: int, socket: Any) -> None:
        self.plan = plan
        self.label = plan.name + "abcdefghijklmnopqrstuvwxyz"[life % 26]
        self.socket = socket
        self.core = socket._core
        self.sent = 0
        self.turn = "recv" if plan.kind == "REP" else "send"
        self.topics: dict[bytes, int] = {}
        self.relaxed = bool(plan.option("req_relaxed", 0))
        self.unanswered = False
        self.monitor: Any = None
        self.askers: list[tuple[list[bytes], bytes]] = []
        """Envelopes of what was received, with whose it was, the latest last."""

    @property
    def may_give_up(self) -> bool:
        """Whether a connecting side may end by itself (F130, F131, F133)."""
        stops = self.plan.option("reconnect_stop", 0) or int(self.plan.option("reconnect_ivl", 100)) <= 0
        breaks = self.plan.option("maxmsgsize", 0) or self.plan.kind == "REQ" or "PULL" in self.plan.peers
        return bool(stops or breaks)

    @property
    def may_send(self) -> bool:
        """Whether a send is in turn (F83, F86, F88)."""
        return self.plan.kind not in _LOCKSTEP or self.turn == "send" or (self.plan.kind == "REQ" and self.relaxed)

    @property
    def topic(self) -> bytes:
        """Of the next message."""
        topics = self.plan.topics if self.plan.kind in _PUBLISHERS else ()
        return topics[self.sent % len(topics)] if topics else b""

    def timeout_ms(self, which: str) -> int:
        return int(self.plan.option(which, -1))


class Actor:
    """One node. ``endless`` names the call that it is in, if that has no end of its own."""

    def __init__(
        self,
        plan: NodePlan,
        twin: Twin,
        books: Books,
        contexts: dict[int, Any],
        alone: bool,
        lives: dict[str, int] | None = None,
    ) -> None:
        self.plan = plan
        self.alone = alone
        self.done = False
        self.endless: tuple[str, Any] | None = None
        self.call = ""
        self.dead = False
        self.drained = False
        self.holds_frames = False
        """Whether it has received the first frames of a message, and not the last."""
        self.process: Process | None = None
        self.sending: bytes | None = None
        """The message whose send has not returned."""
        self.stopped = False
        """Whether it was ever stopped from outside: then its calls take as long as they take."""
        self.kept: list[Any] = []
        self._twin = twin
        self._zmq = twin.zmq
        self._books = books
        self._contexts = contexts
        self.lives: dict[str, int] = {} if lives is None else lives
        self._linger_ms = 0
        self.held: dict[str, Held] = {}

    def run(self) -> None:
        try:
            if self.plan.context not in self._contexts:
                self._contexts[self.plan.context] = self._zmq.Context(self.plan.threads)
            for step in self.plan.steps:
                self._step(step)
        except (ContextTermination, self._zmq.ContextTerminated):
            self._tell("told to go")
            for held in list(self.held.values()):
                self._close(held, None)
        self.done = True
        self._tell("done")

    def die(self) -> None:
        """It was killed: what it was about to do with a message nobody knows."""
        self.dead = self.done = True
        self.endless = None
        if self.sending is not None:
            self._books.uncertain[self.sending] = None
        if self.call or self.holds_frames:
            self._books.in_hand += 1
        self.held.clear()
        self._contexts.pop(self.plan.context, None)

    def _tell(self, *what: Any) -> None:
        self._books.tell(self.plan.name, *what)

    def _broken(self, sentence: str) -> None:
        self._books.violation(f"{self.plan.name}: {sentence}")

    def _step(self, step: Step) -> None:
        held = self.held.get(step.socket)
        if held is None and step.socket and step.verb != "open":
            return  # closed meanwhile
        self._books.seen[f"step {step.verb}"] += 1
        getattr(self, f"_do_{step.verb}")(step, held)

    # -- calls -----------------------------------------------------------------------------------

    def _call(
        self, what: str, held: Held | None, limit_ms: int, size: int, function: Callable[..., Any], *args: Any
    ) -> tuple[Any, int]:
        """What the call gave, and its errno, 0 for none; ``limit_ms``: -1 for one that may last for ever."""
        now_ns = self._books.now_ns
        error = 0
        result = None
        if limit_ms < 0:
            self.endless = (what, held)
        self.call = what
        try:
            result = function(*args)
        except self._zmq.ZMQError as failure:
            error = failure.errno
        self.endless = None
        self.call = ""
        took_ns = self._books.now_ns - now_ns
        self._tell(what, "" if held is None else held.label, int(error), took_ns)
        self._books.seen[f"errno {errno.errorcode.get(error, error)}"] += 1
        if limit_ms >= 0:
            most_ns = limit_ms * MS + SLACK_NS + _NS_PER_BYTE * size
            if took_ns > most_ns and not self.stopped:
                self._broken(f"{what} took {took_ns / MS} ms, asked was for {limit_ms} ms")
            if error == errno.EAGAIN and took_ns < limit_ms * MS:
                self._broken(f"{what} gave up after {took_ns / MS} ms, asked was for {limit_ms} ms")
        if error == ETERM:
            raise ContextTermination
        return result, error

    def _expect(self, what: str, held: Held, error: int, *allowed: int) -> bool:
        """Whether it went well; an error that has no business there breaks a law."""
        if error and error not in allowed:
            self._broken(f"{held.label}.{what} failed with {errno.errorcode.get(error, error)}")
        return error == 0

    # -- life ------------------------------------------------------------------------------------

    def _do_sleep(self, step: Step, _: Held | None) -> None:
        self._twin.sleep_ns(step.amount)

    def _do_open(self, step: Step, held: Held | None) -> None:
        if held is not None:
            return
        plan = next(socket for socket in self.plan.sockets if socket.name == step.socket)
        zmq = self._zmq
        context = self._contexts[self.plan.context]
        kind = getattr(zmq, plan.kind)
        socket, error = self._call("socket", None, 0, 0, context.socket, kind)
        if error == errno.ENOTSUP:  # a thread of the same process has terminated the context
            raise ContextTermination
        if error or socket is None:
            self._broken(f"socket({plan.kind}) failed with {error}")
            return
        self.kept.append(socket)
        life = self.lives[plan.name] = self.lives.get(plan.name, -1) + 1
        held = self.held[plan.name] = Held(plan, life, socket)
        self._books.kinds[held.label.encode()] = plan.kind
        if plan.brokered:
            self._books.brokered[held.label.encode()] = None
        self._books.seen[f"type {plan.kind}"] += 1
        for name, value in plan.options:
            self._books.seen[f"option {name}"] += 1
            socket.setsockopt(getattr(zmq, name.upper()), value)
        for topic in plan.topics:
            if plan.kind in ("SUB", "XSUB"):
                self._subscribe(held, topic)
        for end in plan.ends:
            self._books.seen[f"{end.verb} {end.transport}"] += 1
            _, error = self._call(end.verb, held, 0, 0, getattr(socket, end.verb), end.address)
            self._expect(end.verb, held, error, EMTHREAD, *((errno.EADDRINUSE,) if end.verb == "bind" else ()))

    def _do_close(self, step: Step, held: Held | None) -> None:
        assert held is not None
        self._close(held, step.amount)

    def _lingers(self, linger_ms: int) -> None:
        self._linger_ms = -1 if -1 in (linger_ms, self._linger_ms) else max(linger_ms, self._linger_ms)

    def _close(self, held: Held, linger_ms: int | None) -> None:
        if held.may_give_up:
            # An endpoint that is given up lingers from then on, as long as the option says then: what is queued for
            # it makes term wait, whatever is given to close (F130, F131; measured).
            self._lingers(held.core.options.linger)
        self._lingers(held.core.options.linger if linger_ms is None else linger_ms)
        if held.monitor is not None:
            self._lingers(-1)  # it may have stopped the I/O thread that lingers (F234)
            with contextlib.suppress(self._zmq.ContextTerminated):
                held.socket.disable_monitor()
            held.monitor.close(0)
        self._call("close", held, 0, 0, held.socket.close, linger_ms)
        del self.held[held.plan.name]

    def _do_term(self, step: Step, _: Held | None) -> None:
        """Close all, then wait for what lingers: never longer than the longest LINGER (F167, F171)."""
        for held in list(self.held.values()):
            self._close(held, step.amount)
        limit = self._linger_ms if self.alone else -1
        self._call("term", None, limit, 0, self._contexts[self.plan.context].term)

    def _do_leave(self, step: Step, held: Held | None) -> None:
        """unbind or disconnect."""
        assert held is not None
        end = held.plan.ends[step.amount % len(held.plan.ends)]
        method = held.socket.unbind if end.verb == "bind" else held.socket.disconnect
        self._lingers(held.core.options.linger)
        _, error = self._call("leave", held, 0, 0, method, end.address)
        self._expect("leave", held, error, errno.ENOENT)

    def _do_join(self, step: Step, held: Held | None) -> None:
        """bind or connect once more."""
        assert held is not None
        end = held.plan.ends[step.amount % len(held.plan.ends)]
        _, error = self._call("join", held, 0, 0, getattr(held.socket, end.verb), end.address)
        self._expect("join", held, error, errno.EADDRINUSE, EMTHREAD)

    def _do_set(self, step: Step, held: Held | None) -> None:
        assert held is not None
        self._books.changed[held.core] = None
        held.socket.setsockopt(getattr(self._zmq, step.label.upper()), step.value)

    # -- subscriptions ---------------------------------------------------------------------------

    def _do_subscribe(self, step: Step, held: Held | None) -> None:
        assert held is not None
        assert isinstance(step.value, bytes)
        self._subscribe(held, step.value)

    def _subscribe(self, held: Held, topic: bytes) -> None:
        held.topics[topic] = held.topics.get(topic, 0) + 1
        if held.plan.kind == "SUB":
            held.socket.subscribe(topic)
        else:
            self._call("subscribe", held, 0, 0, held.socket.send, b"\x01" + topic)

    def _do_unsubscribe(self, step: Step, held: Held | None) -> None:
        assert held is not None
        topic = step.value
        assert isinstance(topic, bytes)
        if held.topics.get(topic, 0) > 1:
            held.topics[topic] -= 1
        else:
            held.topics.pop(topic, None)
        if held.plan.kind == "SUB":
            held.socket.unsubscribe(topic)
        else:
            self._call("unsubscribe", held, 0, 0, held.socket.send, b"\x00" + topic)

    # -- sending ---------------------------------------------------------------------------------

    def _do_send(self, step: Step, held: Held | None) -> None:
        assert held is not None
        for number in range(step.amount):
            if held.plan.kind not in _PUBLISHERS and step.mode == "poll" and not self._writable(held):
                return
            # Without the empty frame REP throws it away (F89); it has to be one frame, else one of them may be empty.
            if step.label == "malformed" and held.sent % 3 == 1:
                held.sent += 1
            if not self._send(held, *self._envelope(held, step, number), step.size, step.mode):
                return

    def _writable(self, held: Held) -> bool:
        events, _ = self._call("poll", held, 2, 0, held.socket.poll, 2, self._zmq.POLLOUT)
        return bool(events)

    def _envelope(self, held: Held, step: Step, number: int) -> tuple[list[bytes], bytes]:
        """Frames before the payload, and whom it goes to, if it is an answer."""
        kind, peers = held.plan.kind, held.plan.peers
        if kind == "ROUTER":
            known = held.plan.known
            if held.askers and (number % 2 or not known):
                return held.askers[-1]
            return [known[number % len(known)]] if known else [b"nobody"], b""
        if kind == "DEALER" and "REP" in peers and step.label != "malformed":
            return [b""] if number % 3 else [b"part", b""], b""
        return [], b""

    def _payload(self, held: Held, asker: bytes, size: int) -> list[bytes]:
        topic = held.topic
        held.sent += 1
        name = b"%s.%d" % (held.label.encode(), held.sent)
        last = body(topic, name, b"to " + asker + b";" if asker else b"", size)
        if held.sent % 3 == 2 and not held.plan.single:
            self._books.seen["multipart messages"] += 1
            return [topic + b"first", b"", last] if held.sent % 2 else [topic + b"1", last]
        return [last]

    def _send(self, held: Held, envelope: list[bytes], asker: bytes, size: int, mode: str) -> bool:
        payload = self._payload(held, asker, size)
        self._books.offer(payload)
        flags, limit = (0, held.timeout_ms("sndtimeo")) if mode in ("", "block") else (self._zmq.DONTWAIT, 0)
        frames = [*envelope, *payload]
        length = sum(map(len, frames))
        in_turn = held.may_send
        if not in_turn or (held.plan.kind in _PUBLISHERS and not held.plan.option("xpub_nodrop", 0)):
            limit = 0  # it never blocks
        self.sending = name_of(payload[-1])
        _, error = self._call("send", held, limit, length, held.socket.send_multipart, frames, flags)
        return self._sent(held, payload, in_turn, error)

    def _sent(self, held: Held, payload: list[bytes], in_turn: bool, error: int) -> bool:
        """What a send that ended so means; whether it went well."""
        self.sending = None
        kind = held.plan.kind
        if kind == "REQ" and not (held.core._message_begins or held.core._receiving_reply):
            # Its pipe ended between two frames of a request: it says that all is well when it blocks, keeps its turn,
            # and sends its next request without the empty frame in front (req.cpp: xsend; lb.cpp: sendpipe).
            self._books.seen["half requests"] += 1
            if not error:
                self._books.take(name_of(payload[-1]), 1)
            self._close(held, 0)
            return False
        allowed: tuple[int, ...] = (errno.EAGAIN,)
        if kind == "REP" or (kind in _PUBLISHERS and not held.plan.option("xpub_nodrop", 0)):
            allowed = ()
        if kind == "ROUTER":
            allowed = (errno.EAGAIN, errno.EHOSTUNREACH) if held.plan.option("router_mandatory", 0) else ()
        if not in_turn:
            if error != EFSM:
                self._broken(f"{held.label}.send out of turn gave {errno.errorcode.get(error, error)}")
            return False
        if not self._expect("send", held, error, *allowed):
            if kind == "REQ":
                held.turn = "send"  # with RELAXED the old request is given up even so
            return False
        if kind in _LOCKSTEP:
            held.turn = "recv"
        if kind not in _PUBLISHERS:
            self._books.take(name_of(payload[-1]), len(held.core._dist.pipes) if kind == "XSUB" else 1)
        return True

    def _do_halves(self, step: Step, held: Held | None) -> None:
        """A message of two frames with a pause between them (F64, F75)."""
        assert held is not None
        assert isinstance(step.value, int)
        for number in range(0 if held.plan.single else step.amount):
            envelope, asker = self._envelope(held, step, number)
            payload = [
                b"half" if held.plan.kind not in _PUBLISHERS else held.topic,
                self._payload(held, asker, step.size)[-1],
            ]
            self._books.offer(payload)
            flags = self._zmq.DONTWAIT | self._zmq.SNDMORE
            first = [*envelope, payload[0]]
            in_turn = held.may_send
            for frame in first:
                _, error = self._call("send", held, 0, len(frame), held.socket.send, frame, flags)
                if error:
                    self._sent(held, payload, in_turn, error)
                    return
            self._twin.sleep_ns(step.value)
            self.sending = name_of(payload[-1])
            _, error = self._call("send", held, 0, step.size, held.socket.send, payload[-1], self._zmq.DONTWAIT)
            if not self._sent(held, payload, in_turn, error):
                return

    # -- receiving -------------------------------------------------------------------------------

    def _do_recv(self, step: Step, held: Held | None) -> None:
        assert held is not None
        for _ in range(step.amount):
            if not self._recv(held, step.mode):
                return

    def _recv(self, held: Held, mode: str) -> bool:
        """Receive one message, whole, and keep its envelope; whether there was one."""
        kind = held.plan.kind
        flags, limit = (0, held.timeout_ms("rcvtimeo")) if mode in ("", "block") else (self._zmq.DONTWAIT, 0)
        in_turn = kind not in _LOCKSTEP or held.turn == "recv"
        frames, error = self._call("recv", held, limit if in_turn else 0, 1 << 20, held.socket.recv_multipart, flags)
        return self._received(held, frames, in_turn, error)

    def _received(self, held: Held, frames: list[bytes] | None, in_turn: bool, error: int) -> bool:
        """What a receive that ended so means; whether there was a message."""
        kind = held.plan.kind
        if not in_turn:
            if error != EFSM:
                self._broken(f"{held.label}.recv out of turn gave {errno.errorcode.get(error, error)}")
            return False
        if kind in _DEAF:
            if error != errno.ENOTSUP:
                self._broken(f"{held.label}.recv gave {errno.errorcode.get(error, error)}")
            return False
        if not self._expect("recv", held, error, errno.EAGAIN) or frames is None:
            return False
        if kind in _LOCKSTEP:
            held.turn = "send"
        self._tell(held.label, "got", frames[-1][:40], len(frames), len(frames[-1]))
        envelope = self._books.receive(held.label, held.core, frames)
        self._check_message(held, frames, envelope)
        return True

    def _do_parts(self, step: Step, held: Held | None) -> None:
        """Receive frame by frame, with pauses: the rest of a message is there when its first frame is (F3)."""
        assert held is not None
        assert isinstance(step.value, int)
        for _ in range(step.amount):
            in_turn = held.plan.kind not in _LOCKSTEP or held.turn == "recv"
            frames: list[bytes] = []
            error = 0
            while not frames or held.core.rcvmore:
                frame, error = self._call("recv", held, 0, 1 << 20, held.socket.recv, self._zmq.DONTWAIT)
                if error:
                    if frames:
                        self._broken(
                            f"{held.label} received {shown(frames)} and then {errno.errorcode.get(error, error)}"
                        )
                    break
                frames.append(frame)
                self.holds_frames = True
                self._twin.sleep_ns(step.value)
            self.holds_frames = False
            if not self._received(held, frames, in_turn, error):
                return

    def _check_message(self, held: Held, frames: list[bytes], envelope: int) -> None:
        kind = held.plan.kind
        if envelope < 0:
            if self._is_told_by_the_library(held, frames):
                return
            # No handshake over inproc: a SUB subscribes at whatever there is.
            if kind != "XPUB" and not (kind == "PULL" and "SUB" in held.plan.peers):
                self._broken(f"{held.label} received {shown(frames)}, no message at all")
            return
        if kind in ("ROUTER", "REP"):
            held.askers = [*held.askers[-3:], (frames[:envelope], (name_of(frames[-1]) or b"").rpartition(b".")[0])]
        if kind == "ROUTER":
            if envelope < 1:
                self._broken(f"{held.label} received {shown(frames)} without a routing id")
        elif envelope and not (kind == "DEALER" and ("REP" in held.plan.peers or "ROUTER" in held.plan.peers)):
            self._broken(f"{held.label} received {shown(frames)} with {envelope} frames too many")
        wanted = any(frames[0].startswith(topic) for topic in held.topics)
        if kind == "SUB" and wanted == bool(held.plan.option("invert_matching", 0)):
            self._broken(f"{held.label} received {shown(frames)}, subscribed are {list(held.topics)}")
        rest = frames[-1].split(b"|", 2)[2]
        held.unanswered = not rest.startswith(b"to ")
        if rest.startswith(b"to "):
            asker = rest[3:].split(b";", 1)[0].decode()
            shares_its_name = held.plan.option("routing_id", b"") == b"same"
            if asker[:-1] != held.plan.name and not shares_its_name:
                self._broken(f"{held.label} received a reply to {asker}")

    def _is_told_by_the_library(self, held: Held, frames: list[bytes]) -> bool:
        """A probe (F90), a welcome (F107), or a subscription; a manual XPUB has to say yes to it (F106)."""
        kind, last = held.plan.kind, frames[-1]
        if kind == "XPUB" and held.plan.option("xpub_manual", 0) and last[:1] in (b"\0", b"\1"):
            number = self._zmq.SUBSCRIBE if last[:1] == b"\1" else self._zmq.UNSUBSCRIBE
            held.socket.setsockopt(number, last[1:])
        return last in (b"", b"abc welcome") or kind == "XPUB"

    # -- both ------------------------------------------------------------------------------------

    def _do_ask(self, step: Step, held: Held | None) -> None:
        """Request, reply; when there is none in time ask again, as long as the socket lets us."""
        assert held is not None
        for _ in range(step.amount):
            asked = self._send(held, *self._envelope(held, step, 1), step.size, step.mode)
            if not asked and held.turn == "send":
                return
            events, _ = self._call("poll", held, 20, 0, held.socket.poll, 20)
            if events:
                self._recv(held, "dontwait")

    def _do_serve(self, step: Step, held: Held | None) -> None:
        """Wait for something, answer it, if there is an answer."""
        assert held is not None
        for _ in range(step.amount):
            events, _ = self._call("poll", held, 30, 0, held.socket.poll, 30)
            if not events:
                return
            self._take_and_answer(held, step.size)

    def _take_and_answer(self, held: Held, size: int) -> None:
        kind = held.plan.kind
        if not self._recv(held, "dontwait"):
            if kind in _POLLIN_PROMISES:
                self._broken(f"{held.label}: poll said readable, and there was nothing to receive")
            return
        if kind == "REP" or (kind == "ROUTER" and held.unanswered and held.askers):
            envelope, asker = held.askers[-1]
            self._send(held, [] if kind == "REP" else envelope, asker, size, "dontwait")

    def _do_poll(self, step: Step, _one: Held | None) -> None:
        """A loop over all sockets of the node."""
        zmq = self._zmq
        for _ in range(step.amount):
            by_socket = {held.socket: held for held in self.held.values()}
            if not by_socket:
                return
            poller = zmq.Poller()
            for socket in by_socket:
                poller.register(socket, zmq.POLLIN)
            timeout = step.size
            ready, _error = self._call("poll", None, timeout, 0, poller.poll, timeout if timeout >= 0 else None)
            if not ready:
                return
            for socket, _events in ready:
                self._take_and_answer(by_socket[socket], 0)

    def _do_proxy(self, step: Step, held: Held | None) -> None:
        """Forward until the context is terminated."""
        assert held is not None
        back = self.held[step.label]
        for one in (held, back):
            self._books.proxies[one.core] = None
        _, error = self._call("proxy", held, -1, 0, self._zmq.proxy, held.socket, back.socket)
        self._broken(f"the proxy ended with {errno.errorcode.get(error, error)}")

    def _do_monitor(self, _step: Step, held: Held | None) -> None:
        """Have a monitor, or read what it has to tell."""
        assert held is not None
        if held.monitor is None:
            held.monitor, _ = self._call("get_monitor_socket", held, 0, 0, held.socket.get_monitor_socket)
            self.kept.append(held.monitor)
        while True:
            frames, error = self._call("monitor", held, 0, 0, held.monitor.recv_multipart, self._zmq.DONTWAIT)
            if error:
                return
            event = int.from_bytes(frames[0][:2], "little")
            self._tell(held.label, "event", event, frames[1])
            if event not in _EVENTS:
                self._broken(f"{held.label}: its monitor tells of event {event}")

    # -- afterwards ------------------------------------------------------------------------------

    def drain(self, pause_ns: int) -> None:
        """Receive all that can still come; the sockets stay open."""
        self.done = False
        with contextlib.suppress(ContextTermination, self._zmq.ContextTerminated):
            quiet = 0
            while quiet < 2:
                before = self._read_so_far()
                for held in list(self.held.values()):
                    while held.plan.kind not in ("PUSH", "PUB", *_LOCKSTEP) and self._recv(held, "dontwait"):
                        pass
                quiet = 0 if self._read_so_far() != before else quiet + 1
                self._twin.sleep_ns(pause_ns if quiet else 2 * MS)
        self.done = self.drained = True

    def _read_so_far(self) -> int:
        return sum(pipe.read_count for held in self.held.values() for pipe in held.core.pipes)
