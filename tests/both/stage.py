"""The stage that a body plays on: the same few verbs over real pyzmq and over the twin.

A body is a function ``body(stage, ...)`` in plain pyzmq, ``stage.zmq`` being pyzmq of its world. Live it runs in
the main thread and ``spawn`` starts threads; simulated it runs inside a simulated process and ``spawn`` starts
others. Conventions of the bodies:

* non-blocking: before it the caller lets the socket process its commands (as a poll does), so that an outcome is
  not an artefact of the send throttle;
* fill: send until the first EAGAIN; drain: receive until nothing has come for a while;
* settle: time passes while every socket of the body is polled, so that connections, subscriptions and
  disconnections are complete and processed on both sides;
* LINGER is 0 and a blocking call gives up after 2 s, all other options have their defaults.
"""

from __future__ import annotations

import errno
import importlib
import itertools
import os
import socket as kernel
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

SETTLE_S = 0.3
BLOCK_LIMIT_MS = 2000
SIM_LIMIT_NS = 600_000_000_000
JOIN_LIMIT_S = 30.0

_ERRORS = (
    "EAGAIN",
    "EINVAL",
    "ENOENT",
    "EHOSTUNREACH",
    "EADDRINUSE",
    "ENOTSOCK",
    "ENOTSUP",
    "EPROTONOSUPPORT",
    "EMFILE",
    "ENODEV",
    "EADDRNOTAVAIL",
    "ENAMETOOLONG",
)
_ZMQ_ERRORS = ("EFSM", "ETERM", "ENOCOMPATPROTO", "EMTHREAD")


def text(frames: Any) -> Any:
    r"""Bytes, or any nesting of lists of them, as text; unprintable bytes as ``\xNN``."""
    if isinstance(frames, list | tuple):
        return [text(frame) for frame in frames]
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02x}" for byte in frames)


def numbers(messages: Sequence[Sequence[bytes]]) -> list[int]:
    """The first frames as integers."""
    return [int(message[0]) for message in messages]


class Task(ABC):
    """Something that runs beside the body.

    Attributes:
        done: whether it has ended, by returning or by an exception.
        result: what it returned.

    """

    done: bool = False
    joined: bool = False
    result: Any = None
    error: BaseException | None = None

    def _run(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            self.result = function(*args)
        except BaseException as error:
            self.error = error
        finally:
            self.done = True

    @abstractmethod
    def wait(self, limit_s: float) -> bool:
        """Wait for the end; whether it came in time."""

    def join(self, limit_s: float = JOIN_LIMIT_S) -> Any:
        """Wait for the end and give the result; raises what the task raised, and when it does not end."""
        self.joined = True
        assert self.wait(limit_s), f"a task was still running after {limit_s} s"
        if self.error is not None:
            raise self.error
        return self.result


class Stage(ABC):
    """Sockets, endpoints, clock and clean-up of one body.

    Attributes:
        world: "live" or "sim".
        zmq: pyzmq of this world.

    """

    world: str
    zmq: Any

    def __init__(self) -> None:
        self._contexts: list[Any] = []
        self._sockets: list[Any] = []
        self._tasks: list[Task] = []
        self._count = itertools.count(1)

    @abstractmethod
    def play(self, body: Callable[..., Any], *args: Any) -> Any:
        """Run ``body(stage, *args)``, clean up, and give what it returned."""

    def spawn(self, function: Callable[..., Any], *args: Any) -> Task:
        """Start ``function(*args)`` beside the body."""
        self._tasks.append(self._start(function, args))
        return self._tasks[-1]

    @abstractmethod
    def _start(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Task: ...

    def _perform(self, body: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Run the body; a task that died unseen explains whatever came of it."""
        try:
            return body(self, *args)
        finally:
            for task in self._tasks:
                if task.error is not None and not task.joined:
                    raise task.error

    @abstractmethod
    def sleep(self, duration_s: float) -> None:
        """Let time pass without any call on any socket."""

    @abstractmethod
    def now_ns(self) -> int:
        """This world's clock."""

    @abstractmethod
    def endpoint(self, transport: str) -> str:
        """An address to bind: ``tcp`` with a wildcard port, ``inproc``, ``ipc``."""

    @abstractmethod
    def free_endpoint(self) -> tuple[str, Callable[[], None]]:
        """A tcp address nobody listens on, and a call that lets it be bound."""

    @abstractmethod
    def credentials(self) -> tuple[int, int, int]:
        """User, group and process number of whoever runs here."""

    @abstractmethod
    def module(self, name: str) -> Any:
        """A module of pyzmq in this world, e.g. ``zmq.devices``."""

    @abstractmethod
    def _terminate(self, context: Any) -> None: ...

    def context(self) -> Any:
        """One more context."""
        context = self.zmq.Context()
        self._contexts.append(context)
        return context

    def socket(self, kind: int, context: Any = None, **options: Any) -> Any:
        """A socket of the stage's own context unless told, with options by their C names."""
        if context is None:
            context = self._contexts[0] if self._contexts else self.context()
        made = context.socket(kind)
        self._sockets.append(made)
        made.linger = 0
        made.rcvtimeo = made.sndtimeo = BLOCK_LIMIT_MS
        for name, value in options.items():
            made.setsockopt(getattr(self.zmq, name), value)
        return made

    def adopt(self, socket: Any) -> None:
        """A socket that the body made by itself is settled and cleaned up like the others."""
        self._sockets.append(socket)

    def hand_over(self, socket: Any) -> None:
        """The socket now belongs to a task: settle leaves it alone."""
        self._sockets.remove(socket)

    def bind(self, socket: Any, transport: str = "tcp") -> str:
        """Bind to a fresh endpoint and give the one to connect to."""
        socket.bind(self.endpoint(transport))
        return self.last_endpoint(socket)

    def last_endpoint(self, socket: Any) -> str:
        """LAST_ENDPOINT as text."""
        return socket.getsockopt(self.zmq.LAST_ENDPOINT).rstrip(b"\0").decode()

    def pair(
        self,
        transport: str,
        bind_kind: int,
        connect_kind: int,
        bind_options: dict[str, Any] | None = None,
        connect_options: dict[str, Any] | None = None,
        settle_s: float | None = None,
    ) -> tuple[Any, Any, str]:
        """(binder, connecter, endpoint): bound first, then connected, then settled (inproc has no handshake)."""
        binder = self.socket(bind_kind, **bind_options or {})
        connecter = self.socket(connect_kind, **connect_options or {})
        endpoint = self.bind(binder, transport)
        connecter.connect(endpoint)
        if settle_s is None:
            settle_s = 0.05 if transport == "inproc" else SETTLE_S
        self.settle(settle_s)
        return binder, connecter, endpoint

    def settle(self, duration_s: float = SETTLE_S) -> None:
        """Let time pass while every socket of the body is polled every 50 ms."""
        end_ns = self.now_ns() + int(duration_s * 1e9)
        while True:
            for socket in self._sockets:
                if not socket.closed:
                    self.attempt(socket.getsockopt, self.zmq.EVENTS)
            left_ns = end_ns - self.now_ns()
            if left_ns <= 0:
                return
            self.sleep(min(left_ns / 1e9, 0.05))

    def error_name(self, error: Any) -> str:
        """EAGAIN, EFSM, ... of a ZMQError."""
        names = {getattr(errno, name): name for name in _ERRORS}
        names.update({int(getattr(self.zmq, name)): name for name in _ZMQ_ERRORS})
        return names.get(error.errno, f"errno {error.errno}")

    def attempt(self, function: Callable[..., Any], *args: Any) -> str:
        """'ok', or the name of the error."""
        try:
            function(*args)
        except self.zmq.ZMQError as error:
            return self.error_name(error)
        return "ok"

    def offer(self, socket: Any, *frames: str | bytes) -> str:
        """Non-blocking send of one message: 'ok' or the name of the error."""
        coded = [frame.encode() if isinstance(frame, str) else frame for frame in frames]
        try:
            socket.getsockopt(self.zmq.EVENTS)
            socket.send_multipart(coded, self.zmq.DONTWAIT)
        except self.zmq.ZMQError as error:
            return self.error_name(error)
        return "ok"

    def fill(self, socket: Any, limit: int = 10_000, frames: Callable[[int], list[bytes]] | None = None) -> int:
        """Send numbered messages until the first EAGAIN; how many were accepted."""
        count = 0
        while count < limit:
            try:
                socket.send_multipart([b"%d" % count] if frames is None else frames(count), self.zmq.DONTWAIT)
            except self.zmq.Again:
                break
            count += 1
        return count

    def stuff(self, socket: Any, size_bytes: int, limit: int = 5000, patience_s: float = 0.3) -> int:
        """Offer messages of that size until none has been accepted for a while; how many were."""
        body = bytes(size_bytes)
        count, last_ns = 0, self.now_ns()
        while count < limit and self.now_ns() - last_ns < patience_s * 1e9:
            if self.offer(socket, body) == "ok":
                count, last_ns = count + 1, self.now_ns()
            else:
                self.sleep(0.01)
        return count

    def drain(self, socket: Any, idle_s: float = 0.2, limit: int = 100_000) -> list[list[bytes]]:
        """All messages until nothing has come for ``idle_s``."""
        messages: list[list[bytes]] = []
        while len(messages) < limit and socket.poll(int(idle_s * 1000)):
            try:
                messages.append(socket.recv_multipart(self.zmq.DONTWAIT))
            except self.zmq.Again:
                idle_s /= 2
        return messages

    def take(self, socket: Any, limit_s: float = 2.0) -> Any:
        """One message as text frames, or the name of the error ('EAGAIN' when none comes)."""
        end_ns = self.now_ns() + int(limit_s * 1e9)
        while True:
            left_ns = end_ns - self.now_ns()
            try:
                if left_ns <= 0 or not socket.poll(max(1, left_ns // 1_000_000)):
                    return "EAGAIN"
                return text(socket.recv_multipart(self.zmq.DONTWAIT))
            except self.zmq.Again:
                self.sleep(0.001)
            except self.zmq.ZMQError as error:
                return self.error_name(error)

    def _clean_up(self) -> None:
        for socket in self._sockets:
            socket.close(0)
        for context in self._contexts:
            self._terminate(context)


class _Thread(Task):
    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._thread = threading.Thread(target=self._run, args=(function, args), daemon=True)
        self._thread.start()

    def wait(self, limit_s: float) -> bool:
        self._thread.join(limit_s)
        return not self._thread.is_alive()


class LiveStage(Stage):
    """Real pyzmq over 127.0.0.1, inproc and ipc; clock and sleep are the machine's."""

    world = "live"

    def __init__(self) -> None:
        import zmq

        super().__init__()
        self.zmq = zmq
        self._held: list[kernel.socket] = []
        self._folder = tempfile.TemporaryDirectory(prefix="zh")

    def play(self, body: Callable[..., Any], *args: Any) -> Any:
        try:
            return self._perform(body, args)
        finally:
            self._clean_up()
            for held in self._held:
                held.close()
            self._folder.cleanup()

    def _start(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Task:
        return _Thread(function, args)

    def sleep(self, duration_s: float) -> None:
        time.sleep(duration_s)

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def endpoint(self, transport: str) -> str:
        if transport == "tcp":
            return "tcp://127.0.0.1:*"
        number = next(self._count)
        return f"ipc://{self._folder.name}/e{number}" if transport == "ipc" else f"{transport}://e{number}"

    def free_endpoint(self) -> tuple[str, Callable[[], None]]:
        # Bound but not listening: connections are refused and nobody else is given the port.
        holder = kernel.socket()
        holder.setsockopt(kernel.SOL_SOCKET, kernel.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        self._held.append(holder)
        return f"tcp://127.0.0.1:{holder.getsockname()[1]}", holder.close

    def credentials(self) -> tuple[int, int, int]:
        return os.getuid(), os.getgid(), os.getpid()

    def module(self, name: str) -> Any:
        return importlib.import_module(name)

    def _terminate(self, context: Any) -> None:
        # In a thread: a socket that a body left open would otherwise block for ever.
        _Thread(context.term, ()).join(5.0)


class _Process(Task):
    def __init__(self, twin: Any, name: str, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._twin = twin
        twin.spawn(self._run, function, args, name=name)

    def wait(self, limit_s: float) -> bool:
        end_ns = self._twin.now_ns + int(limit_s * 1e9)
        while not self.done and self._twin.now_ns < end_ns:
            self._twin.sleep_ns(min(1_000_000, end_ns - self._twin.now_ns))
        return self.done


class SimStage(Stage):
    """The twin: everything in virtual time, from a seed."""

    world = "sim"

    def __init__(self, seed: int = 0) -> None:
        from harness.twin import Twin

        super().__init__()
        self.twin = Twin(seed=seed)
        self.zmq = self.twin.zmq

    def play(self, body: Callable[..., Any], *args: Any) -> Any:
        played = _Process(self.twin, "body", self._perform, (body, args))
        cleaned = _Process(self.twin, "clean-up", self._after, (played,))
        self.twin.run(until_ns=SIM_LIMIT_NS)
        assert played.done, f"the body was still blocked after {SIM_LIMIT_NS / 1e9:.0f} s of virtual time"
        if played.error is not None:
            raise played.error
        assert cleaned.done, "the contexts did not terminate although every socket is closed with LINGER 0"
        if cleaned.error is not None:
            raise cleaned.error
        return played.result

    def _after(self, played: Task) -> None:
        played.wait(SIM_LIMIT_NS / 1e9)
        self._clean_up()

    def _start(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Task:
        return _Process(self.twin, f"task-{next(self._count)}", function, args)

    def sleep(self, duration_s: float) -> None:
        self.twin.sleep_ns(round(duration_s * 1e9))

    def now_ns(self) -> int:
        now_ns: int = self.twin.now_ns
        return now_ns

    def endpoint(self, transport: str) -> str:
        return "tcp://127.0.0.1:*" if transport == "tcp" else f"{transport}://e{next(self._count)}"

    def free_endpoint(self) -> tuple[str, Callable[[], None]]:
        return f"tcp://127.0.0.1:{7000 + next(self._count)}", lambda: None

    def credentials(self) -> tuple[int, int, int]:
        from harness.twin.accept_filter import NOBODY

        return NOBODY

    def module(self, name: str) -> Any:
        from harness.twin.front_end import front_end

        return front_end().load(name)

    def _terminate(self, context: Any) -> None:
        context.term()
