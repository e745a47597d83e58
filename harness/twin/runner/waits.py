"""Who waits where: read off the frames of simulated threads, so that nothing has to be kept while they run."""

from __future__ import annotations

import sysconfig
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.twin import polling
from harness.twin.socket_face import Socket

if TYPE_CHECKING:
    from harness.twin.kernel import Process
    from harness.twin.runner.book import Book
    from harness.twin.virtual.home import Home

_OURS: Final = str(Path(__file__).resolve().parents[1])
_LIBRARIES: Final = tuple(
    {sysconfig.get_path(name): None for name in ("stdlib", "platstdlib", "purelib", "platlib")}  # in this order
)


_STOP: Final = "_stoppable.<locals>.stop"


@dataclass(frozen=True, slots=True)
class Wait:
    """A thread that has not ended.

    Attributes:
        program, thread: whose.
        call: what it has called, ``Socket.recv`` for one; empty when nothing of a library was called.
        sockets: those that it waits for, each with its type and places.
        place: file and line in the program, and the function there.
        since_ns: when it began to wait.
    """

    program: str
    thread: str
    call: str
    sockets: tuple[str, ...]
    place: str
    since_ns: int

    def __str__(self) -> str:
        who = f"{self.program}, {self.thread}"
        if not self.call:
            return f"{who}: at {self.place}"
        on = f" on {'; '.join(self.sockets)}" if self.sockets else ""
        return f"{who}: in {self.call}{on}, since {self.since_ns / 1e9:.6g} s, at {self.place}"


def waits_of(home: Home, book: Book) -> list[Wait]:
    """Each thread of a program that has not ended, and where it is."""
    return [
        wait_at(process.frame, home, process, book)
        for process in home.processes
        if not process.finished and process.frame is not None
    ]


def wait_at(frame: types.FrameType | None, home: Home, process: Process | None, book: Book) -> Wait:
    """The wait of a thread whose innermost frame that is."""
    frames = list(_outwards(frame))
    # Whoever was stopped while it computed has the handler of that signal on top.
    stopped = [index for index, one in enumerate(frames) if one.f_code.co_qualname == _STOP]
    frames = frames[stopped[0] + 1 :] if stopped else frames
    inner = [one for one in frames if not _of_program(one)]
    own = next((one for one in frames if _of_program(one)), None)
    # What the program has called; a thread may have been started on a function of a library.
    called = frames[: frames.index(own)] if own is not None else [one for one in frames if _of_library(one)]
    call = called[-1].f_code.co_qualname.replace("Time.", "time.") if called else ""
    thread, since_ns = "main thread", process.since_ns if process is not None else 0
    if process is not None and process is not home.processes[0]:
        thread = _thread_name(frames) or process.name
    place = f"{own.f_code.co_filename}:{own.f_lineno} in {own.f_code.co_name}" if own is not None else "its start"
    return Wait(home.name, thread, call, tuple(_sockets(inner, book)), place, since_ns)


def _outwards(frame: types.FrameType | None) -> Iterator[types.FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _of_program(frame: types.FrameType) -> bool:
    name = frame.f_code.co_filename
    return not (name.startswith((_OURS, *_LIBRARIES, "<frozen")))


def _of_library(frame: types.FrameType) -> bool:
    name = frame.f_code.co_filename
    return name.startswith(_LIBRARIES) and not name.endswith("threading.py")


def _thread_name(frames: list[types.FrameType]) -> str:
    for frame in frames:
        if frame.f_code.co_name == "_bootstrap_inner":
            return str(frame.f_locals["self"].name)
    return ""


def _sockets(frames: list[types.FrameType], book: Book) -> Iterator[str]:
    for frame in frames:
        here: dict[str, Any] = frame.f_locals
        if frame.f_code is polling.zmq_poll.__code__:
            cores = [item[1] for item in here.get("items", ())]
        elif isinstance(here.get("self"), Socket):
            cores = [here["self"]._core]
        else:
            continue
        for core in cores:
            line = book.line(core)
            if line is not None:
                alone = [] if line.peers() else ["no peer"]
                yield ", ".join([line.name, *(line.places(past=False) or ["neither bound nor connected"]), *alone])
        return
