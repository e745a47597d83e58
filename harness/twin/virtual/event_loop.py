"""asyncio in virtual time: an event loop that waits for sockets of the simulated library and for timers.

A program has a copy of Python's own asyncio; what is replaced is the one place where a loop waits. A
socket's FD is readable while commands wait in its mailbox, so ``zmq.asyncio`` works as it is: on each
such event it reads EVENTS and serves its futures (F56, F57). Timers are rounded up to a millisecond,
as epoll's are, and each turn of the loop takes what a poll takes.
"""

from __future__ import annotations

import importlib
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn

from harness.twin.kernel import NEVER_NS, Process
from harness.twin.virtual.refusals import refusal

if TYPE_CHECKING:
    from harness.twin.socket_base import SocketBase
    from harness.twin.virtual.home import Home
    from harness.twin.virtual.modules import Modules

_TICK_NS: Final = 1_000_000
"""What epoll_wait(2) rounds a timeout up to."""

_SYS: Final[Any] = importlib.import_module("sys")
_WHY_NOT: Final = "asyncio can wait for ZeroMQ sockets, timers and threads in virtual time, and for nothing else"


class Waiting:
    """What a loop calls its selector: waits for readers of FDs, for a deadline, or for a wake-up.

    Args:
        home: the program that the loop belongs to.

    Attributes:
        readers: the handle to run when that FD becomes readable.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self.readers: dict[int, tuple[SocketBase, Any]] = {}
        self._woken = False
        self._waiter: tuple[Process, int] | None = None

    def select(self, timeout: float | None) -> list[Any]:
        """Handles of the FDs that are readable, after at most ``timeout`` seconds."""
        home = self._home
        kernel = home.kernel
        kernel.spend(home.costs.poll_ns)
        deadline_ns = NEVER_NS if timeout is None else kernel.now_ns + _ticks_ns(timeout)
        while True:
            ready = [handle for core, handle in self.readers.values() if core.closed or core.has_commands()]
            if ready or self._woken or kernel.now_ns >= deadline_ns:
                break
            self._wait(deadline_ns)
        if not ready and not self._woken and timeout is not None and timeout <= 0:
            home.clock.failed()
        self._woken = False
        # The reaper's commands make the FD of a closed socket readable once more; then it is gone.
        for number in [number for number, (core, _) in self.readers.items() if core.closed]:
            del self.readers[number]
        return ready

    def _wait(self, deadline_ns: int) -> None:
        kernel = self._home.kernel
        process = kernel.running()
        for core, _ in self.readers.values():
            core.wait_on(process)
        self._waiter = (process, process.token)
        try:
            kernel.block(deadline_ns)
        finally:
            self._waiter = None
            for core, _ in self.readers.values():
                core.wait_off()

    def wake(self) -> None:
        """End the wait, from whatever thread."""
        self._woken = True
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._home.kernel.wake(*waiter, self._home.costs.app_wake())


def _ticks_ns(timeout: float) -> int:
    return -(-int(timeout * 1e9) // _TICK_NS) * _TICK_NS if timeout > 0 else 0


def give_loop(module: types.ModuleType, modules: Modules) -> None:
    """The copy of ``asyncio``: every loop that it makes is one in virtual time."""
    asyncio: Any = module
    loop = loop_class(asyncio, modules.home)
    asyncio.SelectorEventLoop = asyncio.unix_events.SelectorEventLoop = loop
    if hasattr(asyncio, "EventLoop"):
        asyncio.EventLoop = loop
    asyncio.DefaultEventLoopPolicy._loop_factory = loop


def loop_class(asyncio: Any, home: Home) -> type:
    """The class of event loops over that copy of asyncio."""
    base = asyncio.base_events.BaseEventLoop
    body = {"_home": home, "_handle_class": asyncio.events.Handle, "_base_class": base, **_REFUSED}
    return type("VirtualEventLoop", (_InVirtualTime, base), body)


class _InVirtualTime:
    # What asyncio's own BaseEventLoop leaves to its heirs.

    _home: Home
    _handle_class: Any
    _base_class: Any
    _ready: Any
    _check_closed: Any
    _asyncgen_firstiter_hook: Any
    _asyncgen_finalizer_hook: Any

    def __init__(self) -> None:
        self._base_class.__init__(self)
        self._selector = Waiting(self._home)

    def time(self) -> float:
        return self._home.kernel.now_ns / 1e9

    def close(self) -> None:
        self._base_class.close(self)
        self._selector.readers.clear()

    def _process_events(self, handles: list[Any]) -> None:
        # Another loop may have run meanwhile, and these are one for all.
        _SYS.set_asyncgen_hooks(self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook)
        self._ready.extend(handle for handle in handles if not handle._cancelled)

    def _write_to_self(self) -> None:
        self._selector.wake()

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> Any:
        self._check_closed()
        number = _number(fd)
        core = self._home.twin.descriptors.socket(number)
        if core is None:
            refusal(f"add_reader({fd!r})", _WHY_NOT)
        self.remove_reader(number)
        handle = self._handle_class(callback, args, self, None)
        self._selector.readers[number] = (core, handle)
        return handle

    def remove_reader(self, fd: Any) -> bool:
        known = self._selector.readers.pop(_number(fd), None)
        if known is not None:
            known[1].cancel()
        return known is not None

    def add_writer(self, fd: Any, callback: Callable[..., Any], *args: Any) -> NoReturn:
        refusal(f"add_writer({fd!r})", _WHY_NOT)

    def remove_writer(self, fd: Any) -> bool:
        return False

    def add_signal_handler(self, sig: int, callback: Callable[..., Any], *args: Any) -> None:
        # Signals do not come in virtual time: it would never be called.
        pass

    def remove_signal_handler(self, sig: int) -> bool:
        return False

    def _make_subprocess_transport(self, *_: Any, **__: Any) -> NoReturn:
        refusal("a subprocess of asyncio", _WHY_NOT)


def _refused(name: str) -> Any:
    async def refuse(*_: Any, **__: Any) -> NoReturn:
        refusal(f"{name}()", _WHY_NOT)

    return refuse


_REFUSED: Final = {
    name: _refused(name)
    for name in (
        *("create_connection", "create_server", "create_datagram_endpoint", "create_unix_connection"),
        *("create_unix_server", "connect_read_pipe", "connect_write_pipe", "sock_accept", "sock_connect"),
        *("sock_recv", "sock_recv_into", "sock_sendall"),
    )
}


def _number(fd: Any) -> int:
    return int(fd if isinstance(fd, int) else fd.fileno())
