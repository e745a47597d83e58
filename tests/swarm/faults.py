"""What goes wrong in a plan, done to the twin."""

from __future__ import annotations

from functools import partial

from harness.twin import Twin

from .books import Books
from .plan import Fault


def inflict(twin: Twin, books: Books, fault: Fault) -> None:
    """Let it happen at its time, and end."""
    link = twin.link(*fault.targets)

    def begin() -> None:
        books.seen[f"fault {fault.kind}"] += 1
        books.tell("fault", fault.kind)
        if fault.kind in ("down", "reset"):
            getattr(link, fault.kind)()
        elif fault.kind == "impair":
            link.impair(fault.towards or None, delay_ns=30_000_000, loss=0.2)
        else:
            getattr(link, fault.kind)(fault.towards or None)

    twin.at(fault.at_ns, begin)
    twin.at(fault.at_ns + fault.lasts_ns, partial(_end, books, link.heal))


def _end(books: Books, heal: object) -> None:
    assert callable(heal)
    books.tell("healed")
    heal()
