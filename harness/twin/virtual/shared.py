"""What simulated processes of one family share: the locks, queues and pipes of ``multiprocessing``.

Each belongs to the program that made it and is known to the others by reference; what goes through a
queue or a pipe is pickled on the way in and unpickled among the modules of whoever takes it out.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from harness.twin.virtual.home import Home
    from harness.twin.virtual.modules import Modules

_PIPE_NS: Final = 10_000
"""What it takes to write a small object into a pipe of the system."""

_END: Final = b""
"""In place of a pickled object: the other end was closed."""


class Shared:
    """An object that a child gets as it is, and not as a copy."""


class Parcel:
    """A pickled object, and the shared ones in it."""

    def __init__(self, data: bytes, shared: list[Any]) -> None:
        self.data = data
        self.shared = shared


def pack(modules: Modules, value: Any) -> Parcel:
    """Pickle among the modules of one program. Raises pickle's errors."""
    pickle = modules.load("pickle")
    shared: list[Any] = []

    class Packer(pickle.Pickler):  # type: ignore[name-defined,misc]
        def persistent_id(self, item: Any) -> int | None:
            if not isinstance(item, Shared):
                return None
            shared.append(item)
            return len(shared) - 1

    out = io.BytesIO()
    Packer(out, pickle.HIGHEST_PROTOCOL).dump(value)
    return Parcel(out.getvalue(), shared)


def unpack(modules: Modules, parcel: Parcel) -> Any:
    """Unpickle among the modules of another one. Raises whatever that raises."""
    pickle = modules.load("pickle")

    class Unpacker(pickle.Unpickler):  # type: ignore[name-defined,misc]
        def persistent_load(self, number: int) -> Any:
            return parcel.shared[number]

    return Unpacker(io.BytesIO(parcel.data)).load()


def _here(maker: Home) -> Home:
    """The program of the running thread."""
    home: Home = maker.kernel.running().program
    return home


class Queue(Shared):
    """``multiprocessing.Queue``, ``JoinableQueue`` and ``SimpleQueue``."""

    def __init__(self, home: Home, maxsize: int = 0) -> None:
        self._home = home
        self._module = home.modules.load("queue")
        self._queue = self._module.Queue(maxsize)

    def _call(self, function: Any, *args: Any) -> Any:
        # Whoever waits here catches the errors of its own module.
        try:
            return function(*args)
        except (self._module.Empty, self._module.Full) as error:
            own = _here(self._home).modules.load("queue")
            raise getattr(own, type(error).__name__) from None

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """As in Python."""
        self._call(self._queue.put, pack(_here(self._home).modules, obj), block, timeout)
        self._home.kernel.spend(_PIPE_NS)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """As in Python."""
        return unpack(_here(self._home).modules, self._call(self._queue.get, block, timeout))

    def put_nowait(self, obj: Any) -> None:
        """As in Python."""
        self.put(obj, False)

    def get_nowait(self) -> Any:
        """As in Python."""
        return self.get(False)

    def qsize(self) -> int:
        """Objects in it."""
        return int(self._queue.qsize())

    def empty(self) -> bool:
        """Whether there are none."""
        return bool(self._queue.empty())

    def full(self) -> bool:
        """Whether there is no room."""
        return bool(self._queue.full())

    def task_done(self) -> None:
        """As in Python."""
        self._queue.task_done()

    def join(self) -> None:
        """As in Python."""
        self._queue.join()

    def close(self) -> None:
        """Nothing has to be closed."""

    join_thread = cancel_join_thread = close


class Connection(Shared):
    """One end of ``multiprocessing.Pipe``."""

    def __init__(self, home: Home, incoming: Any, outgoing: Any) -> None:
        self._home = home
        self._incoming = incoming
        self._outgoing = outgoing
        self.closed = False

    def _open(self, queue: Any) -> Any:
        if self.closed:
            raise OSError("handle is closed")
        if queue is None:
            raise OSError("connection is one way")
        return queue

    def send(self, obj: Any) -> None:
        """As in Python. Raises OSError."""
        self._open(self._outgoing).put(pack(_here(self._home).modules, obj))
        self._home.kernel.spend(_PIPE_NS)

    def recv(self) -> Any:
        """As in Python. Raises EOFError, OSError."""
        parcel = self._open(self._incoming).get()
        if parcel is _END:
            self._incoming.put(_END)
            raise EOFError
        return unpack(_here(self._home).modules, parcel)

    send_bytes, recv_bytes = send, recv

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Whether there is something to receive, at once or within the timeout."""
        queue = self._open(self._incoming)
        with queue.not_empty:
            if not queue.queue and timeout != 0:
                queue.not_empty.wait_for(lambda: queue.queue, timeout)
        return not queue.empty()

    def close(self) -> None:
        """The other end reads what is there, then the end."""
        if not self.closed and self._outgoing is not None:
            self._outgoing.put(_END)
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def pipe(home: Home, duplex: bool = True) -> tuple[Connection, Connection]:
    """``multiprocessing.Pipe``."""
    make = home.modules.load("queue").Queue
    there, back = make(), make() if duplex else None
    return Connection(home, there, back), Connection(home, back, there)


def locks(modules: Modules) -> dict[str, Any]:
    """Locks and their kin: those of ``threading``, shared."""
    threading = modules.load("threading")
    names = ("Event", "Condition", "Semaphore", "BoundedSemaphore", "Barrier")
    made: dict[str, Any] = {name: type(name, (getattr(threading, name), Shared), {}) for name in names}
    made["Lock"] = type("Lock", (modules.load("_thread").lock, Shared), {})
    made["RLock"] = type("RLock", (threading._PyRLock, Shared), {})
    return made
