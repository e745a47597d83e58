"""The answer of an experiment in plain numbers: lost, where, why, since when, and how late the rest was."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.ledger.observed import WORLDS, Recorded, Stream, streams, titles
from harness.units import readable_ns, readable_percent

MAX_SENTENCES = 4


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause of loss in words: where and why, and what would have changed it."""

    where: str
    remedy: str


CAUSES: dict[str, Cause] = {
    "hwm_sender": Cause(
        "at the sender, whose pipe to that receiver was full",
        "A larger SNDHWM delays the first loss and outlasts a burst; a receiver that stays slower than the load needs "
        "a lower rate, more receivers or a conflated feed.",
    ),
    "no_peer": Cause(
        "at the sender, which had no connected peer at that moment",
        "Start the load when the peers are there, agreed over a second socket pair; a PUB keeps nothing for later.",
    ),
    "not_subscribed": Cause(
        "at the publisher, which had not seen the subscription yet",
        "Let the subscriber confirm over a second socket pair before the load starts, or use XPUB and wait for the "
        "subscription; give late joiners a snapshot.",
    ),
    "hwm_router": Cause(
        "at a ROUTER, whose pipe to that peer was full",
        "Raise SNDHWM of the ROUTER, or set ROUTER_MANDATORY so that send says so instead.",
    ),
    "unroutable": Cause(
        "at a ROUTER, which knew no peer of that identity",
        "Set ROUTER_MANDATORY so that send fails, or wait for the peer's first message.",
    ),
    "rejected": Cause(
        "at the sender, to which send gave EAGAIN",
        "Allow a longer SNDTIMEO, or keep the message and try again.",
    ),
    "disconnect_pipe": Cause(
        "at the binding side (or with IMMEDIATE), whose queue goes with the connection",
        "Bind at the side that may restart, connect at the side that holds messages; or confirm and repeat.",
    ),
    "disconnect_wire": Cause(
        "on the way, in codec, kernel or wire, when the connection broke",
        "Only an acknowledgement above ZeroMQ recovers these.",
    ),
    "crash_unread": Cause(
        "at the receiver, which died before it read them",
        "Lower RCVHWM and RCVBUF so that less lies there, and confirm what was processed.",
    ),
    "crash_unsent": Cause(
        "at the sender, which died before they had left",
        "Keep them somewhere that survives until they are confirmed; SNDHWM bounds how many can wait.",
    ),
    "close_unread": Cause(
        "at the receiver, which closed its socket before it read them",
        "Drain the socket before closing it, and confirm what was processed.",
    ),
    "handover": Cause(
        "at a ROUTER with ROUTER_HANDOVER, unread when another peer took the identity of its sender",
        "Give each client an identity of its own, and confirm what was processed.",
    ),
    "crash_state": Cause(
        "at the receiver, which had read them and forgot them in a crash",
        "Confirm after processing, not after reception.",
    ),
    "linger": Cause(
        "at the sender, which closed before they had left (LINGER)",
        "Raise LINGER, or wait for a confirmation before closing.",
    ),
    "conflated": Cause(
        "by CONFLATE, which keeps the last message only",
        "That is its purpose; without CONFLATE the high-water mark decides.",
    ),
    "filtered": Cause("by the filter of a subscription", "Subscribe to the topics that are wanted."),
    "late_reply": Cause(
        "at a REQ, which had given up that request",
        "Allow more time before a retry, or match replies by identity on a DEALER.",
    ),
    "datagram": Cause("in the network, which owes datagrams to nobody", "Lower the rate, or use a stream transport."),
    "subscription_lost": Cause(
        "at the publisher, to which a reconnecting peer had not sent its subscriptions again",
        "Confirm subscriptions after each reconnection.",
    ),
    "in_flight": Cause(
        "nowhere: they were still under way when the run ended",
        "Allow a longer drain; a backlog that grows to the end means that the load is above capacity.",
    ),
    "unexplained": Cause(
        "where no rule applies",
        "What both ends saw does not tell the cause; in the simulation this breaks the ledger.",
    ),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One receiver (or flow) in one world; times and shares as text, ``""`` where there is nothing.

    Attributes:
        owed: messages owed in a run, mean.
        loss, loss_range: mean over runs; least and most.
        causes: with their shares of the loss, the largest first.
        first_loss: median over the runs that lost anything, of when the first lost message was due, warm-up included.
        last_loss: likewise of the last.
        p50_ns, p99_ns: medians over runs of the latency from the intended time; NaN when nothing arrived.
        shares: of a flow that deals out to several receivers: each with its share of the deliveries.
        group: what the experiment calls nodes of this kind.
    """

    name: str
    group: str
    world: str
    runs: int
    owed: float
    loss_points: float
    loss: str
    loss_range: str
    causes: tuple[tuple[str, str], ...]
    first_loss: str
    last_loss: str
    p50_ns: float
    p99_ns: float
    shares: tuple[tuple[str, str], ...]

    @property
    def p50(self) -> str:
        """As text, ``""`` when nothing arrived."""
        return "" if math.isnan(self.p50_ns) else readable_ns(self.p50_ns)

    @property
    def p99(self) -> str:
        """As text, ``""`` when nothing arrived."""
        return "" if math.isnan(self.p99_ns) else readable_ns(self.p99_ns)


def lines(results: Sequence[Recorded]) -> list[Line]:
    """One line a receiver and world, receivers in the order of the topology, live first."""
    observed = [(result.run.world, streams(result)) for result in results]
    if not observed:
        return []
    found = []
    groups = {node.name: node.group for node in results[0].run.topology.nodes}
    for number, (name, first) in enumerate(zip(titles(observed[0][1]), observed[0][1], strict=True)):
        for world in WORLDS:
            column = [every[number] for of, every in observed if of == world]
            if column:
                found.append(_line(name, groups.get(first.label, first.label), world, column))
    return found


def _line(name: str, group: str, world: str, column: Sequence[Stream]) -> Line:
    losses = np.array([stream.loss_points for stream in column])
    counts: dict[str, int] = {}
    for stream in column:
        for cause, count in stream.lost_by_cause().items():
            counts[cause] = counts.get(cause, 0) + count
    total = sum(counts.values())
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    low, high = readable_percent(float(losses.min())), readable_percent(float(losses.max()))
    return Line(
        name=name,
        group=group,
        world=world,
        runs=len(column),
        owed=float(np.mean([stream.owed for stream in column])),
        loss_points=float(np.mean(losses)),
        loss=readable_percent(float(np.mean(losses))),
        loss_range=f"{low} to {high}" if len(column) > 1 and low != high else "",
        causes=tuple((cause, readable_percent(100.0 * count / total)) for cause, count in ranked),
        first_loss=_text_ns(_median_ns(column, lambda stream: _edge_ns(stream, first=True))),
        last_loss=_text_ns(_median_ns(column, lambda stream: _edge_ns(stream, first=False))),
        p50_ns=_median_ns(column, lambda stream: _quantile_ns(stream, 0.5)),
        p99_ns=_median_ns(column, lambda stream: _quantile_ns(stream, 0.99)),
        shares=_shares(column),
    )


def _shares(column: Sequence[Stream]) -> tuple[tuple[str, str], ...]:
    takers = column[0].takers
    if column[0].delivery != "one" or len(takers) < 2 or not any(stream.delivered.any() for stream in column):
        return ()
    means = np.mean([stream.shares_points() for stream in column], axis=0)
    return tuple((taker, readable_percent(float(mean))) for taker, mean in zip(takers, means, strict=True))


def _text_ns(value_ns: float) -> str:
    return "" if math.isnan(value_ns) else readable_ns(value_ns)


def _median_ns(column: Sequence[Stream], value: Callable[[Stream], float | None]) -> float:
    values = [one for one in map(value, column) if one is not None]
    return float(np.median(values)) if values else math.nan


def _edge_ns(stream: Stream, *, first: bool) -> float | None:
    lost = stream.intended_ns[~stream.delivered]
    if not lost.size:
        return None
    return float(lost.min() if first else lost.max())


def _quantile_ns(stream: Stream, level: float) -> float | None:
    latency = stream.latency_ns()
    return float(np.quantile(latency, level)) if latency.size else None


def sentences(found: Sequence[Line]) -> list[str]:
    """The paragraph: a few sentences a receiver, those with the most loss first, those of one kind together."""
    names = list(dict.fromkeys(line.name for line in found))
    by_name = {name: [line for line in found if line.name == name] for name in names}
    kinds: dict[tuple[str, str], list[str]] = {}
    for name, of_name in by_name.items():
        # Who lost something speaks for itself; of the others those of one group speak together.
        lossy = any(line.causes for line in of_name)
        kinds.setdefault((of_name[0].group, name if lossy else ""), []).append(name)
    ranked = sorted(kinds.values(), key=lambda of_kind: -max(line.loss_points for line in by_name[of_kind[0]]))
    text = []
    for of_kind in ranked[:MAX_SENTENCES]:
        members = [by_name[name] for name in of_kind]
        text += _about(members[0]) if len(members) == 1 else _about_kind(members)
    rest = [name for of_kind in ranked[MAX_SENTENCES:] for name in of_kind]
    if rest:
        lossy = any(line.loss_points for name in rest for line in by_name[name])
        text.append(f"{len(rest)} more receivers lost {'no more than these' if lossy else 'nothing'}.")
    return text


def _about_kind(members: Sequence[Sequence[Line]]) -> list[str]:
    """Several receivers of one group that lost nothing."""
    first = members[0]
    where = "in either world" if len(first) > 1 else f"({WORLDS[first[0].world]})"
    text = [f"The {len(members)} nodes {first[0].name} to {members[-1][0].name} lost nothing {where}."]
    parts = []
    for number, line in enumerate(first):
        column = [one[number] for one in members if number < len(one) and one[number].p50]
        if column:
            p50, p99 = (_range_ns([getattr(one, name) for one in column]) for name in ("p50_ns", "p99_ns"))
            parts.append(f"{p50} (p50) and {p99} (p99) {WORLDS[line.world]}")
    return [*text, f"What reached them took {' and '.join(parts)}."] if parts else text


def _range_ns(values_ns: Sequence[float]) -> str:
    low, high = readable_ns(min(values_ns)), readable_ns(max(values_ns))
    return low if low == high else f"{low} to {high}"


def _about(of_name: Sequence[Line]) -> list[str]:
    name = of_name[0].name
    text = []
    if any(line.causes for line in of_name):
        parts = " and ".join(_loss_text(line) for line in of_name)
        text.append(f"{name} lost {parts}.")
        text += _why(of_name)
    elif any(line.owed for line in of_name):
        where = "in either world" if len(of_name) > 1 else f"({WORLDS[of_name[0].world]})"
        text.append(f"{name} lost nothing {where}.")
    timed = [line for line in of_name if line.p50]
    if timed:
        parts = " and ".join(f"{line.p50} (p50) and {line.p99} (p99) {WORLDS[line.world]}" for line in timed)
        text.append(f"What reached {name} took {parts}.")
        text += _dealt(timed)
    elif any(line.owed for line in of_name):
        text.append(f"Nothing reached {name}.")
    return text


def _dealt(of_name: Sequence[Line]) -> list[str]:
    """Who got which share of a flow that is dealt out."""
    texts = []
    for line in of_name:
        shares = ", ".join(f"{taker} {share}" for taker, share in line.shares)
        texts.append((shares.replace(" ", " got ", 1), line.world))
    return [f"Of what arrived of {of_name[0].name}, {_in_worlds(texts)}."] if of_name[0].shares else []


def _loss_text(line: Line) -> str:
    spread = f", {line.loss_range}" if line.loss_range else ""
    runs = f"{line.runs} run{'s' if line.runs > 1 else ''}"
    return f"{line.loss if line.causes else 'none'} of {line.owed:,.0f} messages {WORLDS[line.world]} ({runs}{spread})"


def _why(of_name: Sequence[Line]) -> list[str]:
    lossy = [line for line in of_name if line.causes]
    main = list(dict.fromkeys(line.causes[0][0] for line in lossy))
    reasons = " or ".join(f"{CAUSES[cause].where} ({cause})" if cause in CAUSES else cause for cause in main)
    since = _in_worlds([(line.first_loss, line.world) for line in lossy])
    until = _in_worlds([(line.last_loss, line.world) for line in lossy])
    share = "" if all(len(line.causes) == 1 for line in lossy) else "mostly "
    return [f"They were lost {share}{reasons}, the first due after {since}, the last after {until}."]


def _in_worlds(texts: Sequence[tuple[str, str]]) -> str:
    """``"1.2 s live and 1.3 s simulated"``, or ``"2 s in both worlds"``."""
    if len(texts) > 1 and len({text for text, _ in texts}) == 1:
        return f"{texts[0][0]} in both worlds"
    return " and ".join(f"{text} {WORLDS[world]}" for text, world in texts)
