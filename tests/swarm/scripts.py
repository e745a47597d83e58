"""What a node does with its sockets, step by step."""

from __future__ import annotations

from .actor import MS
from .dice import Dice
from .plan import SocketPlan, Step

SENDERS = ("PUSH", "PUB", "XPUB", "DEALER", "PAIR", "ROUTER", "XSUB")
RECEIVERS = ("PULL", "SUB", "XSUB", "XPUB", "DEALER", "PAIR", "ROUTER")
TOPICS = (b"", b"a", b"ab", b"abc", b"b", b"ba", b"c")


def script(dice: Dice, held: list[SocketPlan]) -> tuple[Step, ...]:
    steps = [Step("open", socket.name) for socket in held]
    if dice.chance(60):
        steps.append(Step("sleep", amount=dice.one(200_000, MS, 2 * MS, 5 * MS)))
    for _ in range(dice.one(1, 2, 3, 4, 6, 9)):
        socket = held[dice.between(0, len(held) - 1)]
        if dice.chance(25):
            steps.append(Step("sleep", amount=dice.duration()))
        if dice.chance(3):
            steps.append(Step("monitor", socket.name))
        if dice.chance(8):
            steps += _life(dice, socket)
        elif dice.chance(8):
            steps.append(Step("poll", amount=dice.one(1, 5, 20, 100), size=dice.one(0, 1, 5, 30)))
        else:
            steps.append(_work(dice, socket))
    return (*steps, *_ending(dice, held))


def broker(dice: Dice, held: tuple[SocketPlan, ...]) -> tuple[Step, ...]:
    """What a node with a proxy does: nothing else, for ever."""
    front, back = (socket.name for socket in held)
    pause = [Step("sleep", amount=dice.duration())] if dice.chance(40) else []
    return (Step("open", front), Step("open", back), *pause, Step("proxy", front, label=back))


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
    if kind == "XSUB" and not socket.brokered and dice.chance(15):
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
