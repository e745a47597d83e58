"""Random plays: a few sockets of a family, and what is done to them one step after the other, drawn from a seed.

Performed in both worlds with time to settle after each step, a play has one outcome: what each call gave, and
EVENTS after it. Generated routing ids are numbered in the order in which they are seen, and the ids that
REQ_CORRELATE adds are left out, since every process counts them from another start.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

from .stage import Stage, text

FAMILIES = (
    ("XPUB", "PUB", "XSUB", "SUB"),
    ("XPUB", "XSUB"),
    ("ROUTER", "DEALER", "REQ", "REP"),
    ("ROUTER", "DEALER"),
    ("PUSH", "PULL"),
    ("PAIR",),
    ("STREAM", "DEALER"),
    ("STREAM",),
)
OPTIONS = {
    "ROUTER": ("ROUTER_MANDATORY", "ROUTER_HANDOVER", "PROBE_ROUTER"),
    "DEALER": ("PROBE_ROUTER",),
    "REQ": ("REQ_RELAXED", "REQ_CORRELATE", "PROBE_ROUTER"),
    "XPUB": (
        "XPUB_VERBOSE",
        "XPUB_VERBOSER",
        "XPUB_MANUAL",
        "XPUB_MANUAL_LAST_VALUE",
        "XPUB_NODROP",
        "ONLY_FIRST_SUBSCRIBE",
        "INVERT_MATCHING",
    ),
    "PUB": ("XPUB_NODROP", "INVERT_MATCHING"),
    "XSUB": ("ONLY_FIRST_SUBSCRIBE",),
    "SUB": ("INVERT_MATCHING",),
}
PEERS = {
    "XPUB": ("SUB", "XSUB"),
    "PUB": ("SUB", "XSUB"),
    "SUB": ("XPUB", "PUB"),
    "XSUB": ("XPUB", "PUB"),
    "REQ": ("REP", "ROUTER"),
    "REP": ("REQ", "DEALER"),
    "ROUTER": ("DEALER", "REQ", "ROUTER"),
    "DEALER": ("ROUTER", "REP", "DEALER"),
    "PUSH": ("PULL",),
    "PULL": ("PUSH",),
    "PAIR": ("PAIR",),
    "STREAM": ("STREAM", "DEALER"),
}
SILENT = ("SUB", "PULL")
DEAF = ("PUB", "PUSH")
TOPICS = (b"A", b"AB", b"B", b"")
BODIES = (*TOPICS, b"\x01A", b"\x00A", b"\x01", b"\x01AB", b"\x00AB")
NAMES = (b"A", b"B", b"Z", 0, 1, 2)
"""Whom a ROUTER or STREAM writes to: that name, or the so-manieth of the generated ones that it has seen."""

_GENERATED_BYTES = 5
_REQUEST_ID_BYTES = 4


class Step(NamedTuple):
    """What is done to which socket: ``new``, ``bind``, ``connect``, ``send``, ``recv``, ``set``, ``close``, ..."""

    verb: str
    who: int
    what: Any = None
    value: Any = None


def draw(seed: int, transport: str) -> list[Step]:
    """The play of that seed."""
    dice = Random(seed)
    kinds = dice.choice(FAMILIES[:6] if transport == "inproc" else FAMILIES)
    cast = [kinds[number] if number < len(kinds) else dice.choice(kinds) for number in range(dice.randint(3, 5))]
    dice.shuffle(cast)
    marks = transport == "inproc"  # over tcp what fits depends on the kernel's buffers too
    steps: list[Step] = []
    for who, kind in enumerate(cast):
        steps.append(Step("new", who, kind, _given(dice, kind, marks)))
        if dice.random() < 0.6:
            steps.append(Step("bind", who, who))
        steps += [Step("connect", who, _other(dice, who, cast)) for _ in range(dice.randint(0, 2))]
    steps += [_step(dice, cast, marks) for _ in range(dice.randint(30, 80))]
    return steps


def _other(dice: Random, who: int, cast: list[str]) -> int:
    others = [other for other in range(len(cast)) if other != who]
    fitting = [other for other in others if cast[other] in PEERS[cast[who]]]
    return dice.choice(fitting if fitting and dice.random() < 0.85 else others)


def _one(dice: Random, cast: list[str], unlikely: tuple[str, ...]) -> int:
    likely = [who for who, kind in enumerate(cast) if kind not in unlikely]
    return dice.choice(likely) if likely and dice.random() < 0.95 else dice.randrange(len(cast))


def _given(dice: Random, kind: str, marks: bool) -> dict[str, Any]:
    given: dict[str, Any] = {"RECONNECT_IVL": 20}
    if marks:
        given |= {mark: dice.choice((1, 2, 3)) for mark in ("SNDHWM", "RCVHWM") if dice.random() < 0.5}
    if kind in ("ROUTER", "DEALER", "REQ") and dice.random() < 0.5:
        given["ROUTING_ID"] = dice.choice((b"A", b"B"))
    given |= {option: 1 for option in OPTIONS.get(kind, ()) if dice.random() < 0.3}
    if kind == "SUB" and dice.random() < 0.7:
        given["SUBSCRIBE"] = dice.choice(TOPICS)
    if kind in ("PUB", "XPUB") and dice.random() < 0.2:
        given["XPUB_WELCOME_MSG"] = dice.choice((b"AB", b"B"))
    return given


def _step(dice: Random, cast: list[str], marks: bool) -> Step:
    chance = dice.random()
    who = _one(dice, cast, SILENT if chance < 0.42 else DEAF if chance < 0.8 else ())
    kind = cast[who]
    if chance < 0.42:
        frames: list[Any] = [dice.choice(BODIES) for _ in range(dice.choice((1, 1, 1, 2, 2, 3)))]
        named = kind in ("ROUTER", "STREAM")
        return Step("send", who, dice.choice(NAMES) if named else None, frames)
    if chance < 0.8:
        return Step("recv", who)
    if chance < 0.84:
        return Step("connect", who, _other(dice, who, cast))
    if chance < 0.9 and kind in OPTIONS:
        return Step("set", who, dice.choice(OPTIONS[kind]), dice.choice((0, 1)))
    if chance < 0.95 and kind in ("SUB", "XPUB"):
        return Step("set", who, dice.choice(("SUBSCRIBE", "UNSUBSCRIBE")), dice.choice(TOPICS))
    if chance < 0.96 and marks:
        return Step("set", who, dice.choice(("SNDHWM", "RCVHWM")), dice.choice((0, 1, 2, 3)))
    if chance < 0.975:
        return Step("close", who)
    return Step(*dice.choice((("disconnect", who, dice.randrange(len(cast))), ("unbind", who, who))))


class Player:
    """Performs a play on a stage."""

    def __init__(self, stage: Stage, transport: str) -> None:
        self._stage = stage
        self._zmq = stage.zmq
        self._context = stage.context()
        self._sockets: dict[int, Any] = {}
        self._numbers: dict[bytes, int] = {}
        self._seen: dict[int, list[bytes]] = {}
        places = [stage.free_endpoint() for _ in range(5)] if transport == "tcp" else []
        self._places = [place for place, _ in places] or [stage.endpoint(transport) for _ in range(5)]
        self._releases = [release for _, release in places]
        self._pause_s = {False: 0.006, True: 0.04} if transport == "tcp" else {False: 0.0012, True: 0.0012}

    def perform(self, steps: list[Step]) -> list[Any]:
        """What each step gave, and the socket's EVENTS when all had settled."""
        outcome: list[Any] = []
        for step in steps:
            socket = self._sockets.get(step.who)
            if step.verb != "new" and (socket is None or socket.closed):
                outcome.append(None)
                continue
            try:
                gave = getattr(self, f"_{step.verb}")(step, socket)
            except self._zmq.ZMQError as error:
                gave = self._stage.error_name(error)
            self._settle(step.verb in ("bind", "unbind", "connect", "disconnect", "close"))
            socket = self._sockets[step.who]
            outcome.append([gave, None if socket.closed else int(socket.getsockopt(self._zmq.EVENTS))])
        return outcome

    def _settle(self, connections: bool) -> None:
        for _ in range(7 if connections else 3):
            for socket in self._sockets.values():
                if not socket.closed:
                    socket.getsockopt(self._zmq.EVENTS)
            self._stage.sleep(self._pause_s[connections])

    def _new(self, step: Step, _: Any) -> str:
        made = self._stage.socket(getattr(self._zmq, step.what), self._context)
        self._sockets[step.who] = made
        return " ".join(
            self._stage.attempt(made.setsockopt, getattr(self._zmq, name), value) for name, value in step.value.items()
        )

    def _bind(self, step: Step, socket: Any) -> None:
        if self._releases:
            self._releases[step.what]()
        socket.bind(self._places[step.what])

    def _connect(self, step: Step, socket: Any) -> None:
        socket.connect(self._places[step.what])

    def _disconnect(self, step: Step, socket: Any) -> None:
        socket.disconnect(self._places[step.what])

    def _unbind(self, step: Step, socket: Any) -> None:
        socket.unbind(self._places[step.what])

    def _set(self, step: Step, socket: Any) -> None:
        socket.setsockopt(getattr(self._zmq, step.what), step.value)

    def _close(self, _: Step, socket: Any) -> None:
        socket.close(0)

    def _send(self, step: Step, socket: Any) -> str:
        frames = list(step.value)
        if step.what is not None:
            seen = self._seen.get(step.who) or [b"Z"]
            frames.insert(0, seen[step.what % len(seen)] if isinstance(step.what, int) else step.what)
        gave = "ok"
        while frames and gave == "ok":
            frame = frames.pop(0)
            flags = self._zmq.DONTWAIT | (self._zmq.SNDMORE if frames else 0)
            gave = self._stage.attempt(socket.send, frame, flags)
        return gave

    def _recv(self, step: Step, socket: Any) -> list[str]:
        return [self._shown(step.who, frame) for frame in socket.recv_multipart(self._zmq.DONTWAIT)]

    def _shown(self, who: int, frame: bytes) -> str:
        if len(frame) == _REQUEST_ID_BYTES:
            return "request id"
        if len(frame) != _GENERATED_BYTES or frame[:1] != b"\0":
            return str(text(frame))
        number = self._numbers.setdefault(frame, len(self._numbers))
        seen = self._seen.setdefault(who, [])
        if frame not in seen:
            seen.append(frame)
        return f"peer {number}"


def perform(stage: Stage, seed: int, transport: str) -> list[Any]:
    """Draw and perform a play."""
    return Player(stage, transport).perform(draw(seed, transport))
