"""The laws of the machinery: looked at from outside, between two events, and when nothing moves any more."""

from __future__ import annotations

from typing import Any

from harness.twin import SocketBase
from harness.twin.conflate import ConflatePipe
from harness.twin.errors import TwinError
from harness.twin.kernel import NEVER_NS
from harness.twin.msg import DATA, DELIMITER, ROUTING_ID, Msg
from harness.twin.pipe import ACTIVE, WAITING_FOR_DELIMITER, Pipe, lwm

from .actor import Actor
from .books import Books

_NEVER_WRITABLE = ("PUB", "XPUB", "ROUTER", "XSUB")
"""POLLOUT says nothing there (F67, F99)."""
_DRAINED = ("PULL", "SUB", "XSUB", "DEALER")
"""Whatever comes can be received, in any state."""


def counted(queue: Any) -> int:
    """Messages of a queue that count for its mark (F5)."""
    return sum(1 for msg in queue if not msg.more and msg.kind not in (ROUTING_ID, DELIMITER))


def look(books: Books) -> None:
    """At any time: what is in a pipe, what credit says of it, and whether its reader will hear of it."""
    for reader in list(books.pipes):
        writer = reader.peer
        queue = reader.in_queue
        if isinstance(reader, ConflatePipe) or _socket_of(reader).context.closed:
            continue  # one slot, no marks (F11); or of a process that was killed
        if queue is None or writer.out_queue is not queue:
            continue  # closing, or a hiccup is under way
        name = f"the pipe from {_type_of(writer)} to {_type_of(reader)}"
        inside = counted(queue)
        # A hiccup takes back the delimiter of a pipe that is closing as if it were a message (F39).
        if writer.written_count - reader.read_count != inside and writer.state == ACTIVE:
            books.violation(
                f"{name} holds {inside} messages, {writer.written_count} were written, {reader.read_count} read"
            )
        mark = writer.highest_hwm
        if mark > 0 and inside > mark:
            books.violation(f"{name} holds {inside} messages, its mark is {mark}")
        if writer.credit > reader.read_count:
            books.violation(f"{name} has credit for {writer.credit} messages, read were {reader.read_count}")
        if queue and reader.state <= WAITING_FOR_DELIMITER:
            _will_be_heard(books, name, reader)
        if not _marks_changed(books, reader, writer):
            _credit(books, name, reader, writer)


def _will_be_heard(books: Books, name: str, reader: Pipe) -> None:
    """F4: who has found a queue empty is told when it is not any more."""
    queue = reader.in_queue
    assert queue is not None
    if not queue.awake:
        books.violation(f"{name} has something to read, and nobody has said so")
    elif not reader.in_active and (reader.process_activate_read, None) not in _mailbox(reader):
        books.violation(f"{name} has something to read, its reader believes it empty, and no command is on its way")


def _credit(books: Books, name: str, reader: Pipe, writer: Pipe) -> None:
    """F30: the last multiple of the low-water mark is announced, no other number."""
    quantum = reader.lwm
    if writer.hwm != writer.highest_hwm or quantum != lwm(writer.hwm):
        books.violation(
            f"{name} has the mark {writer.hwm} (it was {writer.highest_hwm}), its reader counts by {quantum}"
        )
        return
    if not quantum or writer.state != ACTIVE:
        return
    due = reader.read_count // quantum * quantum
    if writer.credit == due:
        return
    if (writer.process_activate_write, due) not in _mailbox(writer):
        books.violation(f"{name}: credit is {writer.credit}, {due} is due, and not on its way")


def _mailbox(pipe: Pipe) -> Any:
    owner: Any = pipe.owner
    return owner._mailbox if isinstance(owner, SocketBase) else owner.io._mailbox


def _marks_changed(books: Books, *ends: Pipe) -> bool:
    return any(_socket_of(end) in books.changed for end in ends)


def _socket_of(pipe: Pipe) -> SocketBase:
    owner: Any = pipe.owner
    return owner if isinstance(owner, SocketBase) else owner.socket


def _type_of(pipe: Pipe) -> str:
    owner: Any = pipe.owner
    return owner.type_name if isinstance(owner, SocketBase) else f"the session of {owner.socket.type_name}"


# -- at rest ---------------------------------------------------------------------------------------------


def rest(books: Books, actors: list[Actor]) -> None:
    """Nothing moves: so nothing may be able to."""
    assert books.twin is not None
    for context in books.twin._contexts:
        for io in context.io_threads:
            if (io._mailbox or io._writable or io._readable) and io._turn_ns == NEVER_NS and not io._frozen:
                books.violation("an I/O thread sleeps with work to do")
        for socket in context.sockets:
            for session in socket.sessions:
                _session_rests(books, session)
    for actor in actors:
        if actor.endless is not None and not actor.done:
            _waits_for_good_reason(books, actor, *actor.endless)


def _session_rests(books: Books, session: Any) -> None:
    """An engine that could write has nothing to write; one that could read has nothing to read."""
    engine = session.engine
    if session.io._frozen:
        return  # by a monitor that nobody reads (F234)
    if engine is None or not engine._ready or engine._session is None:
        return
    kind = session.socket.type_name
    pipe = session.pipe
    unsent = pipe is not None and pipe.in_queue and pipe.state <= WAITING_FOR_DELIMITER
    # To a peer that has closed nothing is written any more, and nothing lost that is not lost anyway (F142).
    able = engine._out.writable() and not engine._out.broken
    if (unsent or engine._out_bytes or engine._cut_bytes) and able:
        books.violation(f"the engine of {kind} rests with something to write, and the kernel would take it")
    if engine._input_stopped:
        if pipe is not None and pipe.state == ACTIVE and pipe.out_active and pipe.check_hwm():
            books.violation(f"the engine of {kind} has stopped reading, and its pipe has room")
    elif engine._in.readable_ns() >= 0 and not engine._queued:
        books.violation(f"the engine of {kind} rests with something to read")


def _waits_for_good_reason(books: Books, actor: Actor, what: str, held: Any) -> None:
    """A call that has no end of its own waits only while it can do nothing else."""
    name = actor.plan.name
    if what == "term":
        return
    if what == "proxy":
        _proxy_waits(books, actor)
        return
    waiting = list(actor.held.values()) if held is None else [held]
    for one in waiting:
        core: SocketBase = one.core
        try:
            core.process_commands()
            ready = core.xhas_out() and core.type_name not in _NEVER_WRITABLE if what == "send" else core.xhas_in()
        except TwinError as error:
            books.violation(f"{name} waits in {what} of {one.label}, where {error} is due")
            continue
        finally:
            core.kernel.lag_ns = 0
        if ready:
            books.violation(f"{name} waits in {what} of {one.label}, and could go on")


def _proxy_waits(books: Books, actor: Actor) -> None:
    """It sleeps until any of its sockets has a command, or waits for room in the one that it sends to (F223)."""
    cores = [held.core for held in actor.held.values() if held.core in books.proxies]
    sleeps = all(core._waiter is not None for core in cores)
    for source, target in (cores, cores[::-1]):
        sends = not sleeps and target._waiter is not None
        try:
            for core in cores:
                core.process_commands()
            ready = (sends or (sleeps and source.xhas_in())) and target.xhas_out() and target.type_name != "XPUB"
        except TwinError as error:
            books.violation(f"{actor.plan.name} waits in a proxy, where {error} is due")
            return
        finally:
            source.kernel.lag_ns = 0
        if ready:
            books.violation(f"{actor.plan.name} waits in a proxy, and could forward to {target.type_name}")


def drained(books: Books, actors: list[Actor]) -> None:
    """All was received that could be: nothing is left on a way that is open."""
    for actor in actors:
        for held in actor.held.values() if actor.drained else ():
            core: SocketBase = held.core
            if core.closed or core.context.terminating or core.type_name not in _DRAINED or core in books.changed:
                continue
            for pipe in core.pipes:
                _empty(books, held.label, pipe)
            for session in core.sessions:
                engine = session.engine
                if session.io._frozen or (engine is not None and engine.far._io._frozen):
                    continue
                if engine is None or engine._session is None or session.pipe is None or session.pipe.state != ACTIVE:
                    continue
                for msg in [msg for msg in engine.coming_in() if msg.kind == DATA]:
                    books.violation(f"{_shown(msg)} does not arrive at {held.label}, which has received all")
                far = engine.far._session
                if far is not None and far.pipe is not None and engine.far._ready:
                    _empty(books, held.label, far.pipe)


def _empty(books: Books, label: str, pipe: Pipe) -> None:
    for msg in (pipe.in_queue or ()) if pipe.state <= WAITING_FOR_DELIMITER else ():
        if msg.kind == DATA:
            books.violation(f"{_shown(msg)} waits in {_type_of(pipe)} on its way to {label}, which has received all")


def _shown(msg: Msg) -> str:
    return f"{msg.data[:24]!r}"
