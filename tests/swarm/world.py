"""Let a plan happen, in one twin, and say which laws it broke."""

from __future__ import annotations

import gc
import signal
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.twin import InterruptedSimulation, Twin

from . import laws
from .actor import MS, Actor
from .books import Books
from .draw import ADDRESSES, MAIN
from .faults import break_link, strike
from .plan import NodePlan, Plan

_SLICE_NS = 300 * MS
"""Nothing that moved for so long moves no more: longer than a window probe of tcp, or a retry."""
_REMOTE_SLICE_NS = 3000 * MS
"""With a network between: longer than the waits between repetitions after any of the faults."""
_MOST_SLICES = 40
_RESTLESS = ("heartbeat_ivl", "heartbeat_ttl", "heartbeat_timeout", "handshake_ivl")
"""Options that may break connections for ever: of a receiver that does not read, for one (F161)."""
_RESTLESS_SLICES = 5


class TooLongError(InterruptedSimulation):
    """A seed took more real time than it may."""


@dataclass(frozen=True)
class Outcome:
    """What came of a seed."""

    seed: int
    digest: str
    broken: tuple[str, ...]
    seen: Counter[str]


def play(plan: Plan, limit_s: float = 30.0) -> Outcome:
    """Let the plan happen; ``limit_s`` is the real time that it may take."""
    books = Books()
    twin = Twin(seed=plan.seed, observer=books)
    books.twin = twin
    _watch_the_clock(twin, books)
    actors: list[Actor] = []
    collecting = gc.isenabled()
    gc.disable()  # when the collector would close a socket depends on the whole process
    try:
        with _alarm(limit_s):
            _live(plan, twin, books, actors)
            events = next(twin.kernel._eid)
        digest = books.digest(events, twin.now_ns)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        books.violation(f"the twin failed with {error!r} in {last.name}, {Path(last.filename).name}:{last.lineno}")
        digest = books.digest()
    except TooLongError:
        books.violation(f"more than {limit_s:g} s of real time at {twin.now_ns / MS} ms of virtual time")
        digest = "endless"
    finally:
        with _alarm(limit_s, quiet=True):
            twin.end()
        for actor in actors:
            _forget(actor)
        if collecting:
            gc.enable()
    return Outcome(plan.seed, digest, tuple(books.broken), books.seen)


def _watch_the_clock(twin: Twin, books: Books) -> None:
    """Nothing may be planned for a time that is over."""
    kernel = twin.kernel
    whole = kernel.call_at

    def call_at(time_ns: int, function: Any) -> Any:
        if time_ns < kernel.now_ns:
            books.violation(f"something is to happen at {time_ns / MS} ms")
        return whole(time_ns, function)

    kernel.call_at = call_at  # type: ignore[method-assign]


def _live(plan: Plan, twin: Twin, books: Books, actors: list[Actor]) -> None:
    _begin(plan, twin, books, actors)
    if _until_rest(plan, twin, books, actors):
        laws.rest(books, actors)
    laws.look(books)
    pause_ns = _REMOTE_SLICE_NS if plan.links else _SLICE_NS
    for actor in actors:
        if actor.done and actor.held:
            twin.spawn(actor.drain, pause_ns, name=f"drain of {actor.plan.name}", host=actor.plan.host)
    if _until_rest(plan, twin, books, actors):
        laws.rest(books, actors)
        laws.drained(books, actors)
    laws.look(books)
    books.close()


def _begin(plan: Plan, twin: Twin, books: Books, actors: list[Actor]) -> None:
    """Hosts, links, nodes and what goes wrong with them, all at their times."""
    for name in sorted({node.host for node in plan.nodes} - {MAIN}):
        twin.host(name, ADDRESSES[name])
    for link in plan.links:
        twin.link(link.first, link.second, **dict(link.shape))
    contexts: dict[int, Any] = {}
    sharing = Counter(node.context for node in plan.nodes)

    def start(node: NodePlan, delay_ns: int, lives: dict[str, int] | None = None) -> None:
        actor = Actor(node, twin, books, contexts, sharing[node.context] == 1, lives)
        actors.append(actor)
        actor.process = twin.spawn(actor.run, name=node.name, delay_ns=delay_ns, host=node.host)

    for node in plan.nodes:
        start(node, node.delay_ns)
    for fault in plan.faults:
        if len(fault.targets) > 1:
            break_link(twin, books, fault)
        else:
            strike(twin, books, fault, actors, lambda dead: start(dead.plan, 0, dead.lives))
    for time_ns in plan.looks_ns:
        twin.at(time_ns, lambda: laws.look(books))


def _until_rest(plan: Plan, twin: Twin, books: Books, actors: list[Actor]) -> bool:
    """Until all programs have ended or wait without an end, and no message moves; whether that came."""
    kernel = twin.kernel
    before: tuple[int, ...] = ()
    slice_ns = _REMOTE_SLICE_NS if plan.links else _SLICE_NS
    restless = any(name in _RESTLESS for socket in plan.sockets for name, _ in socket.options)
    for number in range(_MOST_SLICES):
        kernel.run_until(kernel.now_ns + slice_ns)
        for process in kernel.processes:
            if process.error is not None:
                books.violation(f"{process.name} died: {process.error_text[-400:]}")
                process.error = None
        now = books.progress()
        ended = all(actor.done or actor.endless is not None for actor in actors)
        if ended and now == before:
            return True
        if ended and restless and number > _RESTLESS_SLICES:
            books.seen["restless plans"] += 1
            return False
        before = now
    # A monitor that nobody reads stops an I/O thread, and whoever needs that thread (F234).
    stopped = any(io._frozen for context in twin._contexts for io in context.io_threads)
    if restless or stopped:
        books.seen["restless plans"] += 1
    else:
        books.violation(f"{[actor.plan.name for actor in actors if not actor.done]} do not come to rest")
    return False


def _forget(actor: Actor) -> None:
    for socket in actor.kept:
        socket._closed = True
    for context in actor._contexts.values():
        context._closed = True
    actor.kept.clear()
    actor.held.clear()


@contextmanager
def _alarm(limit_s: float, quiet: bool = False) -> Iterator[None]:
    def expired(_signum: int, _frame: Any) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, limit_s, 1.0)
    try:
        yield
    except TooLongError:
        if not quiet:
            raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
