"""What goes wrong in a plan, done to the twin."""

from __future__ import annotations

from collections.abc import Callable

from harness.twin import Twin

from .actor import Actor
from .books import Books
from .plan import Fault

Start = Callable[[Actor], None]


def break_link(twin: Twin, books: Books, fault: Fault) -> None:
    """Let it happen to a link at its time, and end."""
    link = twin.link(*fault.targets)

    def begin() -> None:
        _told(books, fault)
        if fault.kind in ("down", "reset"):
            getattr(link, fault.kind)()
        elif fault.kind == "impair":
            link.impair(fault.towards or None, delay_ns=30_000_000, loss=0.2)
        else:
            getattr(link, fault.kind)(fault.towards or None)

    def end() -> None:
        books.tell("healed")
        link.heal()

    twin.at(fault.at_ns, begin)
    twin.at(fault.at_ns + fault.lasts_ns, end)


def strike(twin: Twin, books: Books, fault: Fault, actors: list[Actor], again: Start) -> None:
    """Let it happen to all threads of a process at its time; ``again`` starts one of them anew."""
    struck: list[Actor] = []

    def begin() -> None:
        (name,) = fault.targets
        context = next(actor.plan.context for actor in actors if actor.plan.name == name)
        struck.extend(actor for actor in actors if actor.plan.context == context and not actor.dead)
        if struck:
            _told(books, fault)
        for actor in struck:
            assert actor.process is not None
            if fault.kind == "pause":
                actor.stopped = True
                twin.pause(actor.process)
            else:
                twin.kill(actor.process)
                actor.die()

    def end() -> None:
        for actor in struck:
            assert actor.process is not None
            if fault.kind == "restart":
                again(actor)
            elif fault.kind == "pause" and not actor.dead:
                books.tell("resumed")
                twin.resume(actor.process)

    twin.at(fault.at_ns, begin)
    twin.at(fault.at_ns + fault.lasts_ns, end)


def _told(books: Books, fault: Fault) -> None:
    books.seen[f"fault {fault.kind}"] += 1
    books.tell("fault", fault.kind)
