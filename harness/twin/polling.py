"""zmq_poll in virtual time."""

from __future__ import annotations

import errno as _errno
from collections.abc import Sequence
from typing import Any, Final

from harness.twin.errors import TwinError
from harness.twin.face import raise_errno
from harness.twin.kernel import NEVER_NS, current_process
from harness.twin.options import NotSimulatedYet
from harness.twin.socket_base import POLLIN, POLLOUT, SocketBase
from harness.twin.socket_face import Socket

_INT_MAX: Final = 2**31 - 1


def zmq_poll(sockets: Sequence[tuple[Any, int]], timeout: int = -1) -> list[tuple[Any, int]]:
    """All commands of all sockets are processed; waits in virtual time (F55).

    An item is a socket, its FD, or whatever has that for ``fileno()``. Raises ZMQError, TypeError,
    and NotSimulatedYet for a descriptor of the operating system.
    """
    if not sockets:
        return []
    process = current_process()
    kernel = process.kernel
    items = [_item(kernel.world.descriptors, *pair) for pair in sockets]
    timeout = int(timeout)
    deadline = NEVER_NS if timeout < 0 else kernel.now_ns + timeout * 1_000_000
    costs = kernel.world.costs
    try:
        while True:
            kernel.lag_ns = costs.poll_ns
            ready = []
            for who, core, wanted, plain in items:
                events = (_plain_events(core) if plain else core.events()) & wanted
                if events:
                    ready.append((who, events))
            lag, kernel.lag_ns = kernel.lag_ns, 0
            kernel.spend(lag)
            if ready or kernel.now_ns >= deadline:
                return ready
            process = kernel.running()
            if not any(core.has_commands() for _, core, _, _ in items):
                for _, core, _, _ in items:
                    core.wait_on(process)
                kernel.block(deadline)
                for _, core, _, _ in items:
                    core.wait_off()
    except TwinError as error:
        raise_errno(error.errno)


def _item(descriptors: Any, what: Any, wanted: int) -> tuple[Any, SocketBase, int, bool]:
    if isinstance(what, Socket):
        if what._closed:
            # libzmq is given no socket then and polls descriptor 0, which is nobody's wish.
            raise_errno(_errno.ENOTSOCK)
        if what._core.thread_safe:
            raise_errno(_errno.EINVAL)  # only zmq_poller, a draft function, could
        return what, what._core, int(wanted), False
    if isinstance(what, int):
        number = what
    elif hasattr(what, "fileno"):
        try:
            number = int(what.fileno())
        except Exception:
            raise ValueError("fileno() must return a valid integer fd") from None
    else:
        raise TypeError(f"Socket must be a 0MQ socket, an integer fd or have a fileno() method: {what!r}")
    core: SocketBase | None = descriptors.socket(number)
    if core is None:
        raise NotSimulatedYet(f"waiting for file descriptor {number} of the operating system")
    return number, core, int(wanted), True


def _plain_events(core: SocketBase) -> int:
    # FD is an eventfd: readable while commands wait, writable always (F56).
    return POLLOUT | (POLLIN if core.has_commands() else 0)
