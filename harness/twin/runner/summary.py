"""What is said at the end: who sent and received how much, what was lost, where and why, and who still waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from harness.twin.runner.book import NOWHERE
from harness.units import readable_ns

if TYPE_CHECKING:
    from harness.twin.runner.book import Book
    from harness.twin.runner.play import Ending, Play
    from harness.twin.virtual.home import Home

REASONS: Final = {
    "no_peer": ("sent while nobody was connected", "send later, or wait until the peer has said that it is there"),
    "not_subscribed": (
        "published before any subscription had come",
        "publish once subscriptions have come (an XPUB sees them), or send subscribers a snapshot",
    ),
    "hwm_sender": ("the pipe to this receiver was full", "SNDHWM here, RCVHWM there; XPUB_NODROP waits instead"),
    "hwm_router": ("the pipe to this peer was full", "SNDHWM here, RCVHWM there; ROUTER_MANDATORY waits instead"),
    "unroutable": ("nobody with this identity was connected", "ROUTER_MANDATORY makes it an error"),
    "rejected": ("refused with EAGAIN", "SNDHWM, or SNDTIMEO to wait longer"),
    "disconnect_pipe": (
        "queued for a connection that went away",
        "acknowledge, and send again what is not acknowledged",
    ),
    "disconnect_wire": (
        "on the wire when the connection broke",
        "acknowledge, and send again what is not acknowledged",
    ),
    "crash_unread": ("with the receiver when it died", "acknowledge after the work is done"),
    "crash_unsent": ("with the sender when it died", "keep what is not acknowledged where it survives"),
    "crash_state": ("received, and forgotten by a crash", "acknowledge after the work is done"),
    "linger": (
        "still queued when its socket was closed or its program ended",
        "a longer LINGER, and Context.term() before the program ends",
    ),
    "conflated": ("replaced by a newer one", "without CONFLATE all are kept"),
    "filtered": ("not wanted any more when it arrived", ""),
    "late_reply": ("a reply that REQ no longer waited for", "a longer timeout"),
    "datagram": ("a datagram was lost", "tcp sends again"),
    "subscription_lost": ("the subscription did not fit into the pipe", "SNDHWM of the subscriber"),
    "close_unread": ("not yet read when its receiver closed the socket", "acknowledge what was worked on"),
    "handover": ("queued for a peer whose identity another one took over", "an identity of its own for each peer"),
}
"""Of each cause: what happened, and what would have changed it."""


_MOST: Final = 40
"""So many lines of a kind are shown to people; --json has them all."""


class Summary:
    """The figures of a play that has ended."""

    def __init__(self, play: Play, ending: Ending, wall_s: float) -> None:
        self._homes: list[Home] = play.homes
        self._book: Book = play.book
        self._ending = ending
        self._wall_s = wall_s

    def _who(self, number: int) -> str:
        if number < 0:
            return "nobody"
        line = self._book.lines[number]
        owner = self._homes[line.owner].name if 0 <= line.owner < len(self._homes) else "?"
        return f"{owner} {line.name}"

    def document(self) -> dict[str, Any]:
        """All of it, for machines. Times in ns."""
        book = self._book
        return {
            "reason": self._ending.reason,
            "virtual_ns": self._ending.now_ns,
            "wall_ns": int(self._wall_s * 1e9),
            "programs": {
                home.name: {"exit_status": home.exit_status, "ended_ns": home.ended_ns} for home in self._homes
            },
            "sockets": [
                {
                    "program": self._homes[line.owner].name if 0 <= line.owner < len(self._homes) else None,
                    "socket": line.name,
                    "places": line.places(),
                    "sent": line.sent,
                    "received": line.received,
                }
                for line in book.lines
            ],
            "ledger": {
                "delivered": sum(book.delivered.values()),
                "lost": self._by_cause(),
                "unwanted": sum(book.unwanted.values()),
                "in_flight": sum(book.in_flight.values()),
                "unexplained": sum(book.unexplained.values()),
            },
            "losses": [
                {"cause": cause, "sender": self._who(sender), "receiver": self._who(receiver), "messages": count}
                for (cause, sender, receiver), count in book.losses.items()
            ],
            "waiting": [str(wait) for wait in self._ending.waits],
            "violations": book.violations,
        }

    def _by_cause(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for (cause, _, _), count in self._book.losses.items():
            totals[cause] = totals.get(cause, 0) + count
        return totals

    def text(self) -> str:
        """All of it, for people."""
        parts = [self._head(), *self._sockets(), *self._ledger(), *self._waits(), *self._bugs()]
        return "\n".join(parts)

    def _head(self) -> str:
        told = []
        for home in self._homes:
            state = "not ended" if home.exit_status is None else f"exit status {home.exit_status}"
            told.append(f"{home.name}: {state}")
        times = f"{readable_ns(self._ending.now_ns)} of virtual time in {self._wall_s:.2f} s"
        return f"--- {times}; {', '.join(told)}"

    def _sockets(self) -> Iterator[str]:
        rows = [
            (self._who(line.number), f"{line.sent}", f"{line.received}", ", ".join(line.places()))
            for line in self._book.lines
        ]
        if not rows:
            return
        rows.insert(0, ("socket", "sent", "received", ""))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for who, sent, received, places in rows[: _MOST + 1]:
            row = f"{who:<{widths[0]}}  {sent:>{widths[1]}}  {received:>{widths[2]}}  {places}"
            yield row.rstrip()
        yield from _more(len(rows) - 1, "sockets")

    def _ledger(self) -> Iterator[str]:
        book = self._book
        delivered, in_flight = sum(book.delivered.values()), sum(book.in_flight.values())
        lost = sum(book.losses.values())
        yield f"messages: {delivered} delivered, {lost} lost, {in_flight} under way at the end"
        for cause, way, count in self._alike(book.losses.items()):
            happened, remedy = REASONS.get(cause, (cause, ""))
            yield f"  lost {count}: {way}: {happened} ({cause})" + (f". {remedy}" if remedy else "")
        for _, way, count in self._alike((("", sender, NOWHERE), count) for sender, count in book.unwanted.items()):
            yield f"  nobody subscribes to {count}: {way}"
        for _, way, count in self._alike((("", *ends), count) for ends, count in book.in_flight.items()):
            yield f"  under way {count}: {way}"

    def _alike(self, counts: Iterable[tuple[tuple[str, int, int], int]]) -> Iterator[tuple[str, str, int]]:
        """Cause, from where to where, and how many: sockets of one type and program are put together."""
        groups: dict[tuple[str, str, str], list[tuple[int, int, int]]] = {}
        for (cause, sender, receiver), count in counts:
            key = (cause, self._who(sender).partition("#")[0], self._who(receiver).partition("#")[0])
            groups.setdefault(key, []).append((sender, receiver, count))
        for (cause, senders, receivers), members in list(groups.items())[:_MOST]:
            ends = [self._together(senders, [member[0] for member in members])]
            if members[0][1] >= 0:
                ends.append(self._together(receivers, [member[1] for member in members]))
            yield cause, " -> ".join(ends), sum(member[2] for member in members)

    def _together(self, kind: str, numbers: list[int]) -> str:
        different = len(dict.fromkeys(numbers))
        return self._who(numbers[0]) if different == 1 else f"{kind} ({different} sockets)"

    def _waits(self) -> Iterator[str]:
        head = {
            "ended": "",
            "stuck": "nothing is left to happen, and for ever wait",
            "until": "at the end of the virtual time (--until)",
            "wall": "the limit of real time was hit (--wall-limit)",
            "interrupted": "interrupted",
        }[self._ending.reason]
        if head:
            yield head + (":" if self._ending.waits else "")
        for wait in self._ending.waits[:_MOST]:
            yield f"  {wait}"
        yield from _more(len(self._ending.waits), "threads")

    def _bugs(self) -> Iterator[str]:
        for sentence in self._book.violations:
            yield f"a bug of the simulation: {sentence}"
        for sender, count in self._book.unexplained.items():
            yield f"a bug of the simulation: {count} messages of {self._who(sender)} have no fate"


def _more(count: int, what: str) -> Iterator[str]:
    if count > _MOST:
        yield f"  and {count - _MOST} more {what}"
