# Compiled from _fast.c; absent where that was not done.

from collections.abc import Callable
from typing import Any, Self

from harness.node import Message, Outlet

SOURCE: str  # SHA-256, in hexadecimal, of the source that it was compiled from
LAYOUT: tuple[int, int, int, int, int]  # bytes of a stamp and of a record, where its kind stands; SENT, REJECTED

# The calls of one node. What is shared is that of harness.live.fast.Parts; then what is made and called.
class Calls:
    def __new__(
        cls,
        mapping: Any,
        line_ns: int,
        end: list[int],
        outlets: dict[str, Outlet],
        heads: dict[int, int],
        message: type[Message],
        again: type[Exception],
        zmq_send: Callable[..., Any],
        zmq_recv: Callable[..., bytes],
        slow_send: Callable[..., bool],
        slow_recv: Callable[[Any, bytes], Message],
        slow_sleep: Callable[[int], None],
        /,
    ) -> Self: ...
    def send(self, socket: Any, **named: Any) -> bool: ...
    def recv(self, socket: Any, flags: int = 0) -> Message: ...
    def sleep_until(self, time_ns: int, /) -> None: ...
