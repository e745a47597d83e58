"""From a seed to a plan: who talks to whom, over what, with which options, and what they do."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.twin.options import TABLE

from .actor import MS
from .plan import End, NodePlan, Plan, SocketPlan, Step, Value

STARS: tuple[tuple[int, str, tuple[str, ...]], ...] = (
    (10, "PULL", ("PUSH",)),
    (10, "PUSH", ("PULL",)),
    (10, "PUB", ("SUB", "SUB", "XSUB")),
    (4, "SUB", ("PUB", "XPUB")),
    (5, "XPUB", ("SUB", "XSUB")),
    (3, "XSUB", ("PUB", "XPUB")),
    (8, "ROUTER", ("DEALER", "DEALER", "REQ")),
    (4, "DEALER", ("ROUTER",)),
    (3, "ROUTER", ("ROUTER",)),
    (6, "REP", ("REQ", "REQ", "DEALER")),
    (4, "REQ", ("REP",)),
    (3, "DEALER", ("REP",)),
    (4, "DEALER", ("DEALER",)),
    (6, "PAIR", ("PAIR",)),
    (1, "PULL", ("SUB",)),
)
"""How often, who binds, who connects. The last are no match (F133)."""

SENDERS = ("PUSH", "PUB", "XPUB", "DEALER", "PAIR", "ROUTER", "XSUB")
RECEIVERS = ("PULL", "SUB", "XSUB", "XPUB", "DEALER", "PAIR", "ROUTER")
TOPICS = (b"", b"a", b"ab", b"abc", b"b", b"ba", b"c")
SIMULATED = {option.name.lower() for option in TABLE if option.status == "core"}


class Dice(random.Random):
    """Chance, all of it from one seed."""

    def chance(self, percent: float) -> bool:
        return self.random() * 100 < percent

    def one(self, *values: int) -> int:
        return values[int(self.random() * len(values))]

    def of(self, values: Sequence[str]) -> str:
        return values[int(self.random() * len(values))]

    def between(self, low: int, high: int) -> int:
        return low + int(self.random() * (high - low + 1))

    def mark(self) -> int:
        """A high-water mark: mostly small, where all the edges are."""
        roll = self.random() * 100
        if roll < 60:
            return self.between(1, 5)
        if roll < 80:
            return self.between(6, 20)
        return self.one(100, 100, 1000, 0)

    def size(self) -> int:
        roll = self.random() * 100
        if roll < 60:
            return self.one(0, 0, 10, 40, 100)
        if roll < 80:
            return self.one(246, 250, 300, 1000)
        if roll < 97:
            return self.one(2000, 4096, 8185, 8192, 9000, 20_000)
        return 100_000

    def duration(self) -> int:
        """ns, from a microsecond to a third of a second, small ones more often."""
        return int(1000 * 10 ** (self.random() * 5.5))

    def burst(self, size: int) -> int:
        most = 400 if size <= 1000 else 60 if size <= 20_000 else 12
        return min(most, self.one(1, 1, 2, 3, 5, 8, 13, 30, 100, 400))


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    dice = Dice(seed)
    sockets: list[SocketPlan] = []
    groups: list[list[int]] = []
    stars = dice.one(1, 1, 1, 2, 2, 3)
    for number in range(stars):
        _star(dice, number, sockets, groups)
    nodes = _share_out(dice, len(sockets))
    contexts = _contexts(dice, sockets, nodes, groups)
    planned = []
    for number, own in enumerate(nodes):
        held = [sockets[position] for position in own]
        delay = 0 if dice.chance(60) else dice.duration()
        threads = 1 if contexts[number] % 4 else 3
        planned.append(
            NodePlan(f"node{number + 1}", contexts[number], threads, delay, tuple(held), _script(dice, held))
        )
    looks = sorted(dice.between(0, 200 * MS) for _ in range(8))
    return Plan(seed, tuple(planned), looks_ns=tuple(looks))


# -- who talks to whom ----------------------------------------------------------------------------------


def _star(dice: Dice, number: int, sockets: list[SocketPlan], groups: list[list[int]]) -> None:
    """One to two that bind, some that connect."""
    weights = [weight for weight, _, _ in STARS]
    _, binder, connecters = dice.choices(STARS, weights)[0]
    transport = dice.of(("tcp", "tcp", "ipc", "ipc", "inproc", "inproc"))
    binders = 1 if binder == "PAIR" or dice.chance(75) else 2
    addresses = [_address(transport, number, place) for place in range(binders)]
    many = dice.one(1, 1, 2, 2, 3, 4) if binder != "PAIR" else dice.one(1, 1, 1, 2)
    kinds = [dice.of(connecters) for _ in range(many)]
    first = len(sockets)
    for place, address in enumerate(addresses):
        name = f"{binder.lower()}{number + 1}{'xy'[place]}"
        sockets.append(_socket(dice, name, binder, tuple(kinds), (End("bind", address),), transport))
    for place, kind in enumerate(kinds):
        chosen = [address for address in addresses if dice.chance(60)] or addresses[:1]
        ends = [End("connect", address) for address in chosen]
        if dice.chance(4):
            ends.append(ends[0])
        name = f"{kind.lower()}{number + 1}{'abcd'[place]}"
        sockets.append(_socket(dice, name, kind, (binder,), tuple(ends), transport))
    _conflate(dice, sockets, first)
    ids = [bytes(socket.option("routing_id", b"")) for socket in sockets[first:]]
    known = tuple(identity for identity in ids if identity)
    for position in range(first, len(sockets)):
        socket = sockets[position]
        if socket.kind == "ROUTER":
            sockets[position] = replace(socket, known=known)
            if socket.ends[0].verb == "connect" and dice.chance(30):
                named = ("connect_routing_id", b"named")
                sockets[position] = replace(socket, known=(*known, b"named"), options=(*socket.options, named))
    groups.append(list(range(first, len(sockets))) if transport == "inproc" else [])


def _conflate(dice: Dice, sockets: list[SocketPlan], first: int) -> None:
    """Some of a star's sockets keep the newest only; a message of several frames may come apart then (F68)."""
    able = [at for at in range(first, len(sockets)) if sockets[at].kind in ("DEALER", "PULL", "PUSH", "PUB", "SUB")]
    kinds = {socket.kind for socket in sockets[first:]}
    if not able or kinds & {"REP", "REQ"} or not dice.chance(12):
        return
    for position in range(first, len(sockets)):
        socket = sockets[position]
        if position in able and dice.chance(60):
            socket = replace(socket, options=(*socket.options, ("conflate", 1)))
        sockets[position] = replace(socket, single=True)


def _address(transport: str, number: int, place: int) -> str:
    if transport == "tcp":
        return f"tcp://127.0.0.1:{5550 + 10 * number + place}"
    return f"{transport}://place{number}{place}"


def _socket(
    dice: Dice, name: str, kind: str, peers: tuple[str, ...], ends: tuple[End, ...], transport: str
) -> SocketPlan:
    topics: tuple[bytes, ...] = ()
    if kind in ("SUB", "XSUB", "PUB", "XPUB"):
        topics = tuple(dice.sample(TOPICS, dice.one(1, 1, 2, 3, 5)))
    options = _options(dice, name, kind, peers, transport)
    kept = tuple((option, value) for option, value in options.items() if option in SIMULATED)
    return SocketPlan(name, kind, peers, ends, kept, topics)


@dataclass(frozen=True)
class Choice:
    """An option: how often it is set (percent), to what (none: a mark), on which types and transports (none: all)."""

    name: str
    percent: int
    values: tuple[Value, ...] = ()
    kinds: tuple[str, ...] = ()
    transport: str = ""


_PUBLISHERS = ("PUB", "XPUB")
CHOICES = (
    Choice("sndhwm", 85),
    Choice("rcvhwm", 85),
    Choice("sndbuf", 40, (1000, 2304, 8192, 65536), transport="tcp"),
    Choice("rcvbuf", 40, (1000, 2304, 8192, 65536), transport="tcp"),
    Choice("linger", 50, (-1, 0, 0, 1, 20, 300)),
    Choice("sndtimeo", 70, (0, 1, 5, 50)),
    Choice("rcvtimeo", 70, (0, 1, 5, 50)),
    Choice("reconnect_ivl", 50, (-1, 0, 1, 10, 10, 50, 100)),
    Choice("reconnect_ivl_max", 15, (0, 5, 50, 400)),
    Choice("reconnect_stop", 8, (1, 2, 3, 4, 7)),
    Choice("connect_timeout", 10, (1, 50), transport="tcp"),
    Choice("backlog", 10, (1, 2, 100)),
    Choice("affinity", 10, (1, 1, 1, 2, 5)),
    Choice("immediate", 15, (1,)),
    Choice("maxmsgsize", 4, (50, 5000)),
    Choice("heartbeat_ivl", 12, (5, 20, 100)),
    Choice("heartbeat_timeout", 8, (5, 50)),
    Choice("heartbeat_ttl", 8, (100, 200)),
    Choice("handshake_ivl", 8, (0, 1, 50)),
    Choice("router_mandatory", 30, (1,), ("ROUTER",)),
    Choice("router_handover", 20, (1,), ("ROUTER",)),
    Choice("probe_router", 12, (1,), ("DEALER", "REQ", "ROUTER")),
    Choice("xpub_manual", 12, (1,), ("XPUB",)),
    Choice("xpub_manual_last_value", 6, (1,), ("XPUB",)),
    Choice("xpub_welcome_msg", 12, (b"abc welcome",), _PUBLISHERS),
    Choice("only_first_subscribe", 8, (1,), ("XPUB",)),
    Choice("invert_matching", 10, (1,), ("PUB", "XPUB", "SUB")),
    Choice("xpub_nodrop", 20, (1,), _PUBLISHERS),
    Choice("xpub_verbose", 20, (1,), ("XPUB",)),
    Choice("xpub_verboser", 20, (1,), ("XPUB",)),
    Choice("req_relaxed", 40, (1,), ("REQ",)),
    Choice("req_correlate", 25, (1,), ("REQ",)),
)


def _options(dice: Dice, name: str, kind: str, peers: tuple[str, ...], transport: str) -> dict[str, Value]:
    options: dict[str, Value] = {}
    for choice in CHOICES:
        applies = (not choice.kinds or kind in choice.kinds) and choice.transport in ("", transport)
        if applies and dice.chance(choice.percent):
            values = choice.values
            options[choice.name] = values[int(dice.random() * len(values))] if values else dice.mark()
    if kind in ("DEALER", "REQ", "ROUTER", "REP") and (dice.chance(30) or (kind == "ROUTER" and "ROUTER" in peers)):
        options["routing_id"] = b"same" if dice.chance(8) else name.encode()
    return options


def _share_out(dice: Dice, count: int) -> list[list[int]]:
    """Sockets to nodes: mostly one each."""
    nodes: list[list[int]] = []
    for position in range(count):
        if nodes and dice.chance(15):
            nodes[dice.between(0, len(nodes) - 1)].append(position)
        else:
            nodes.append([position])
    return nodes


def _contexts(dice: Dice, sockets: list[SocketPlan], nodes: list[list[int]], groups: list[list[int]]) -> list[int]:
    """Nodes that meet over inproc are threads of one process, and a few others are, too."""
    contexts = list(range(len(nodes)))

    def join(first: int, second: int) -> None:
        old, new = contexts[second], contexts[first]
        for position, context in enumerate(contexts):
            if context == old:
                contexts[position] = new

    home = {position: number for number, own in enumerate(nodes) for position in own}
    for group in groups:
        for position in group[1:]:
            join(home[group[0]], home[position])
    for number in range(1, len(nodes)):
        if dice.chance(5):
            join(number - 1, number)
    return contexts


# -- what they do ----------------------------------------------------------------------------------------


def _script(dice: Dice, held: list[SocketPlan]) -> tuple[Step, ...]:
    steps = [Step("open", socket.name) for socket in held]
    if dice.chance(60):
        steps.append(Step("sleep", amount=dice.one(200_000, MS, 2 * MS, 5 * MS)))
    for _ in range(dice.one(1, 2, 3, 4, 6, 9)):
        socket = held[dice.between(0, len(held) - 1)]
        if dice.chance(25):
            steps.append(Step("sleep", amount=dice.duration()))
        if dice.chance(8):
            steps += _life(dice, socket)
        elif dice.chance(8):
            steps.append(Step("poll", amount=dice.one(1, 5, 20, 100), size=dice.one(0, 1, 5, 30)))
        else:
            steps.append(_work(dice, socket))
    return (*steps, *_ending(dice, held))


def _work(dice: Dice, socket: SocketPlan) -> Step:
    """Something that this type of socket is for."""
    kind, name = socket.kind, socket.name
    size = dice.size()
    mode = dice.of(("dontwait", "dontwait", "block", "block", "poll"))
    if dice.chance(2):
        return (
            Step(dice.of(("send", "recv")), name, 1, mode="dontwait") if kind in ("REQ", "REP") else _recv(dice, name)
        )
    if kind == "REQ":
        return Step("ask", name, dice.one(1, 2, 5, 20), size, mode if mode != "poll" else "block")
    if kind == "REP" or (kind == "ROUTER" and dice.chance(60)):
        return Step("serve", name, dice.one(1, 3, 10, 50), size)
    if kind in ("SUB", "XSUB") and dice.chance(12):
        verb = dice.of(("subscribe", "unsubscribe"))
        return Step(verb, name, value=TOPICS[dice.between(0, len(TOPICS) - 1)])
    if kind in SENDERS and kind != "XSUB" and (kind not in RECEIVERS or dice.chance(55)):
        if dice.chance(10):
            return Step("halves", name, dice.one(1, 2, 5), size, value=dice.duration())
        label = "malformed" if dice.chance(3) else ""
        return Step("send", name, dice.burst(size), size, mode, label=label)
    if kind == "XSUB" and dice.chance(15):
        return Step("send", name, dice.one(1, 3), size, "dontwait")
    return _recv(dice, name)


def _recv(dice: Dice, name: str) -> Step:
    if dice.chance(10):
        return Step("parts", name, dice.one(1, 2, 5, 20), value=dice.duration())
    return Step("recv", name, dice.one(1, 2, 5, 20, 100, 500), mode=dice.of(("dontwait", "block", "block")))


def _life(dice: Dice, socket: SocketPlan) -> list[Step]:
    """Endpoints go and come, sockets close and open again, marks change."""
    name = socket.name
    what = dice.of(("leave", "leave", "join", "reopen", "reopen", "set"))
    pause = [Step("sleep", amount=dice.duration())] if dice.chance(60) else []
    end = dice.between(0, 3)
    if what == "leave":
        return [Step("leave", name, end), *pause, *([Step("join", name, end)] if dice.chance(60) else [])]
    if what == "join":
        return [Step("join", name, end)]
    if what == "set":
        return [Step("set", name, label=dice.of(("sndhwm", "rcvhwm")), value=dice.mark())]
    return [Step("close", name, _linger(dice)), *pause, Step("open", name)]


def _linger(dice: Dice) -> int:
    return dice.one(-1, -1, 0, 0, 1, 20, 300)


def _ending(dice: Dice, held: list[SocketPlan]) -> list[Step]:
    roll = dice.random() * 100
    if roll < 30:
        return []
    if roll < 45:
        return [Step("poll", amount=1000, size=30)]
    if roll < 55:
        sockets = [socket for socket in held if socket.kind in RECEIVERS]
        # The option says how long: half of all have none, so they wait for ever.
        return [Step("recv", sockets[0].name, 1 << 20, mode="block")] if sockets else []
    if roll < 65:
        return [Step("poll", amount=1 << 20, size=-1)]
    if roll < 80:
        return [Step("close", socket.name, _linger(dice)) for socket in held]
    return [Step("term", amount=_linger(dice))]
