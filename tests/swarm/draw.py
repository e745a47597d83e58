"""From a seed to a plan: who talks to whom, over what, on which hosts, and what goes wrong meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .actor import MS
from .choices import SECURITY, options_of
from .dice import Dice
from .plan import End, Fault, LinkPlan, NodePlan, Plan, SocketPlan
from .scripts import TOPICS, broker, script

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

BROKERS = (
    ("ROUTER", ("REQ", "REQ", "DEALER"), "DEALER", ("REP",)),
    ("XSUB", ("PUB", "XPUB"), "XPUB", ("SUB", "SUB", "XSUB")),
    ("PULL", ("PUSH",), "PUSH", ("PULL",)),
)
"""What a proxy binds in front, who connects there, what it binds behind, and who connects to that."""

TRANSPORTS = ("tcp", "tcp", "ipc", "ipc", "inproc", "inproc")
LINK_FAULTS = ("blackhole", "stall", "down", "refuse", "reset", "half_close", "impair")
PROCESS_FAULTS = ("kill", "restart", "restart", "pause")
MAIN = "main"


@dataclass
class Cast:
    """All sockets, and what they need to have in common."""

    sockets: list[SocketPlan] = field(default_factory=list)
    threads: list[list[int]] = field(default_factory=list)
    """Sockets that meet over inproc."""
    neighbours: list[list[int]] = field(default_factory=list)
    """Sockets that meet over ipc."""
    proxies: list[tuple[int, int]] = field(default_factory=list)


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    dice = Dice(seed)
    cast = Cast()
    for number in range(dice.one(1, 1, 1, 2, 2, 3)):
        if dice.chance(12):
            _broker(dice, number, cast)
        else:
            _, binder, connecters = dice.choices(STARS, [weight for weight, _, _ in STARS])[0]
            _star(dice, str(number + 1), cast, binder, connecters)
    nodes = _share_out(dice, cast)
    contexts = _contexts(dice, cast, nodes)
    hosts = _hosts(dice, cast, nodes, contexts)
    planned = []
    for number, own in enumerate(nodes):
        held = tuple(_located(cast.sockets[position], hosts) for position in own)
        delay = 0 if dice.chance(60) else dice.duration()
        threads = 1 if contexts[number] % 4 else 3
        steps = broker(dice, held) if tuple(own) in cast.proxies else script(dice, list(held))
        planned.append(NodePlan(f"node{number + 1}", contexts[number], threads, delay, held, steps, hosts[own[0]]))
    links = _links(dice, sorted({*hosts}))
    faults = _faults(dice, links) + _blows(dice, planned)
    looks = sorted(dice.between(0, 200 * MS) for _ in range(8))
    return Plan(seed, tuple(planned), links, faults, tuple(looks))


# -- who talks to whom ----------------------------------------------------------------------------------


def _star(dice: Dice, tag: str, cast: Cast, binder: str, connecters: tuple[str, ...], far: tuple[str, ...] = ()) -> int:
    """One to two that bind, some that connect; ``far``: whom these meet in the end, with a proxy between them."""
    transport = dice.of(TRANSPORTS)
    binders = 1 if binder == "PAIR" or far or dice.chance(75) else 2
    many = dice.one(1, 1, 2, 2, 3, 4) if binder != "PAIR" else dice.one(1, 1, 1, 2)
    kinds = tuple(dice.of(connecters) for _ in range(many))
    sockets = cast.sockets
    first = len(sockets)
    addresses = [_address(transport, first + place) for place in range(binders)]
    for place, address in enumerate(addresses):
        name = f"{binder.lower()}{tag}{'xy'[place]}"
        sockets.append(_socket(dice, name, binder, kinds, (End("bind", address),), bool(far)))
    for place, kind in enumerate(kinds):
        chosen = [address for address in addresses if dice.chance(60)] or addresses[:1]
        ends = [End("connect", address) for address in chosen]
        if dice.chance(4):
            ends.append(ends[0])
        name = f"{kind.lower()}{tag}{'abcd'[place]}"
        sockets.append(_socket(dice, name, kind, far or (binder,), tuple(ends), bool(far)))
    if not far:
        _conflate(dice, sockets, first)
        _rivals(dice, sockets, first)
        _know(dice, sockets, first)
    if transport != "inproc" and dice.chance(12):
        _secure(dice, sockets, first, first + binders)
    everybody = list(range(first, len(sockets)))
    if transport == "inproc":
        cast.threads.append(everybody)
    elif transport == "ipc":
        cast.neighbours.append(everybody)
    return first


def _broker(dice: Dice, number: int, cast: Cast) -> None:
    front, clients, back, workers = BROKERS[dice.between(0, len(BROKERS) - 1)]
    one = _star(dice, f"{number + 1}f", cast, front, clients, workers)
    two = _star(dice, f"{number + 1}b", cast, back, workers, clients)
    for position in (one, two):
        socket = cast.sockets[position]
        kept = tuple(option for option in socket.options if option[0] not in _NOT_OF_A_PROXY)
        cast.sockets[position] = replace(socket, options=kept, topics=())
    cast.proxies.append((one, two))


_NOT_OF_A_PROXY = ("sndtimeo", "rcvtimeo", "router_mandatory", "xpub_manual", "xpub_manual_last_value")
"""A proxy does not answer subscriptions, and ends at the first error."""


def _know(dice: Dice, sockets: list[SocketPlan], first: int) -> None:
    """ROUTERs may know by name whom they have not heard of."""
    ids = [bytes(socket.option("routing_id", b"")) for socket in sockets[first:]]
    known = tuple(identity for identity in ids if identity)
    for position in range(first, len(sockets)):
        socket = sockets[position]
        if socket.kind == "ROUTER":
            sockets[position] = replace(socket, known=known)
            if socket.ends[0].verb == "connect" and dice.chance(30):
                named = ("connect_routing_id", b"named")
                sockets[position] = replace(socket, known=(*known, b"named"), options=(*socket.options, named))


def _rivals(dice: Dice, sockets: list[SocketPlan], first: int) -> None:
    """Peers of a ROUTER that want to have the same name (F95, F97)."""
    if sockets[first].kind != "ROUTER" or not dice.chance(15):
        return
    for position in range(first + 1, len(sockets)):
        socket = sockets[position]
        if socket.kind in ("DEALER", "REQ") and dice.chance(70):
            others = tuple(option for option in socket.options if option[0] != "routing_id")
            sockets[position] = replace(socket, options=(*others, ("routing_id", b"same")))


def _secure(dice: Dice, sockets: list[SocketPlan], first: int, clients: int) -> None:
    """PLAIN or CURVE, all of them but sometimes one; there is nobody to ask, so PLAIN lets nobody in (F135)."""
    mechanism = dice.of(("curve", "curve", "curve", "plain"))
    for position in range(first, len(sockets)):
        options = SECURITY[mechanism, "server" if position < clients else "client"]
        if not dice.chance(5):
            sockets[position] = replace(sockets[position], options=(*sockets[position].options, *options))


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


def _address(transport: str, place: int) -> str:
    # Where a socket is, so which address it has, is known later.
    return f"tcp://@{place}:{5550 + place}" if transport == "tcp" else f"{transport}://place{place}"


def _socket(
    dice: Dice, name: str, kind: str, peers: tuple[str, ...], ends: tuple[End, ...], brokered: bool
) -> SocketPlan:
    topics: tuple[bytes, ...] = ()
    if kind in ("SUB", "XSUB", "PUB", "XPUB"):
        topics = tuple(dice.sample(TOPICS, dice.one(1, 1, 2, 3, 5)))
    return SocketPlan(
        name, kind, peers, ends, options_of(dice, name, kind, peers, ends[0].transport), topics, brokered=brokered
    )


# -- where they are -------------------------------------------------------------------------------------


def _share_out(dice: Dice, cast: Cast) -> list[list[int]]:
    """Sockets to nodes: mostly one each, the two of a proxy together."""
    nodes: list[list[int]] = [list(pair) for pair in cast.proxies]
    taken = {position for pair in cast.proxies for position in pair}
    for position in range(len(cast.sockets)):
        if position in taken:
            continue
        if len(nodes) > len(cast.proxies) and dice.chance(15):
            nodes[dice.between(len(cast.proxies), len(nodes) - 1)].append(position)
        else:
            nodes.append([position])
    return nodes


def _joined(count: int, groups: list[list[int]]) -> list[int]:
    """A number for each of ``count``, the same for all of a group."""
    numbers = list(range(count))
    for group in groups:
        for member in group[1:]:
            old, new = numbers[member], numbers[group[0]]
            numbers = [new if number == old else number for number in numbers]
    return numbers


def _contexts(dice: Dice, cast: Cast, nodes: list[list[int]]) -> list[int]:
    """Nodes that meet over inproc are threads of one process, and a few others are, too."""
    home = {position: number for number, own in enumerate(nodes) for position in own}
    groups = [[home[position] for position in group] for group in cast.threads]
    groups += [[number - 1, number] for number in range(1, len(nodes)) if dice.chance(5)]
    return _joined(len(nodes), groups)


def _hosts(dice: Dice, cast: Cast, nodes: list[list[int]], contexts: list[int]) -> list[str]:
    """The host of each socket: one for all, or up to three; who shares a context or a file system shares it."""
    if not dice.chance(30):
        return [MAIN] * len(cast.sockets)
    together = [
        [position for number, own in enumerate(nodes) for position in own if contexts[number] == context]
        for context in sorted({*contexts})
    ]
    groups = _joined(len(cast.sockets), [*cast.neighbours, *together])
    names = {group: dice.of((MAIN, "east", "west")) for group in sorted({*groups})}
    return [names[group] for group in groups]


ADDRESSES = {MAIN: "127.0.0.1", "east": "10.0.0.21", "west": "10.0.0.22"}


def _located(socket: SocketPlan, hosts: list[str]) -> SocketPlan:
    """With addresses in place of places."""
    alone = len({*hosts}) == 1

    def locate(address: str) -> str:
        if "@" not in address:
            return address
        place, _, port = address.partition("@")[2].partition(":")
        host = hosts[int(place)]
        return f"tcp://{'127.0.0.1' if alone else '10.0.0.1' if host == MAIN else ADDRESSES[host]}:{port}"

    return replace(socket, ends=tuple(End(end.verb, locate(end.address)) for end in socket.ends))


# -- what goes wrong ------------------------------------------------------------------------------------


def _links(dice: Dice, hosts: list[str]) -> tuple[LinkPlan, ...]:
    links = []
    for number, first in enumerate(hosts):
        for second in hosts[number + 1 :]:
            shape = {
                "delay_ns": dice.one(0, 50_000, MS, 20 * MS),
                "jitter_ns": dice.one(0, 0, 100_000, 5 * MS),
                "rate_bytes_per_s": dice.one(0, 0, 1_000_000, 20_000_000),
                "loss": dice.one(0, 0, 0, 1, 5) / 100,
            }
            links.append(LinkPlan(first, second, tuple(item for item in shape.items() if item[1])))
    return tuple(links)


def _faults(dice: Dice, links: tuple[LinkPlan, ...]) -> tuple[Fault, ...]:
    faults = []
    for link in links:
        for _ in range(dice.one(0, 0, 1, 1, 2)):
            kind = dice.of(LINK_FAULTS)
            towards = dice.of((link.first, link.second, "")) if kind != "half_close" else link.first
            faults.append(Fault(kind, (link.first, link.second), dice.between(0, 150 * MS), dice.duration(), towards))
    return tuple(sorted(faults, key=lambda fault: fault.at_ns))


def _blows(dice: Dice, nodes: list[NodePlan]) -> tuple[Fault, ...]:
    """What happens to processes: killed for good, killed and started again, stopped for a while."""
    if not dice.chance(20):
        return ()
    blows = []
    for _ in range(dice.one(1, 1, 2)):
        node = nodes[dice.between(0, len(nodes) - 1)]
        at_ns = int(node.delay_ns + dice.between(0, 60 * MS) * dice.random())
        blows.append(Fault(dice.of(PROCESS_FAULTS), (node.name,), at_ns, dice.duration()))
    return tuple(sorted(blows, key=lambda blow: blow.at_ns))
