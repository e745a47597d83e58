"""What things cost on a machine, made of a calibration profile and ready to be asked very often."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from harness.twin.flow import Flow, TcpFlow, UnixFlow
from harness.twin.kernel import Kernel
from harness.twin.profile import Cost, Draws, load
from harness.twin.transport.tcp_path import TcpPath

_MIN_SNDBUF_BYTES: Final = 4608
_MIN_RCVBUF_BYTES: Final = 2304


class StreamCosts:
    """The system calls of an engine on one transport: ``write(bytes)`` and ``read(bytes)`` in ns."""

    __slots__ = ("read", "write")

    def __init__(self, write: Cost, read: Cost) -> None:
        self.write: Final = _price(write)
        self.read: Final = _price(read)


class Costs:
    """Delays drawn and prices looked up; all times in ns.

    Args:
        profile: name or path of a profile, None for the shipped default.
        seed: each kind of delay has a stream of its own, seeded from this and its name.

    Attributes:
        app_wake: from a command in a socket's mailbox until its blocked thread runs (F49).
        io_wake: from a command in an I/O thread's mailbox until that thread runs (F61).
        readable_wake: from bytes that can be read until a sleeping I/O thread reads them (F199).
        sleep_late: how late a program wakes from a sleep.
        send, recv: the call itself, by bytes. ``send_wake_ns`` is added when it has to wake a thread.
        command_window_ns: how old the news of ``send`` may be (F43, F44).
        relay_wake, relay_late: of the relay of a link: from bytes that can be read, and from the time for which it
            has set its timer, until it runs.
        relay_lateness_ns: the median of the second: so late does it find itself, before a run, and takes that off.
    """

    def __init__(self, profile: str | Path | None, seed: int) -> None:
        measured = load("default" if profile is None else profile)
        self.profile: Final = measured
        self._seed = seed
        level = self._draws("run_level", measured.run_level_permille)() / 1000
        self.app_wake: Final = self._draws("app_wake", measured.app_wake_ns, level)
        self.io_wake: Final = self._draws("io_wake", measured.io_wake_ns, level)
        self.readable_wake: Final = self._draws("engine_wake", measured.engine_wake_ns, level)
        self.sleep_late: Final = self._draws("sleep_late", measured.spin_late_ns)
        self.send: Final = _price(measured.send)
        self.recv: Final = _price(measured.recv)
        self.encode: Final = _price(measured.encode)
        self.decode: Final = _price(measured.decode)
        self.command_window_ns: Final = measured.command_window_ns
        self.send_wake_ns: Final = measured.send_wake_ns
        self.send_full_ns: Final = measured.send_full_ns
        self.recv_empty_ns: Final = measured.recv_empty_ns
        self.poll_ns: Final = measured.poll_ns
        self.connect_ns: Final = measured.connect_ns
        self.bind_ns: Final = measured.connect_ns
        self.streams: Final = {
            "tcp": StreamCosts(measured.tcp_write, measured.tcp_read),
            "ipc": StreamCosts(measured.ipc_write, measured.ipc_read),
        }
        # The relay of a link sleeps in epoll as an I/O thread does, and until a time as any program.
        self.relay_wake: Final = self._draws("relay_wake", measured.engine_wake_ns, level)
        self.relay_late: Final = self._draws("relay_late", measured.sleep_late_ns, level)
        self.relay_read: Final = _price(measured.relay_read)
        self.relay_write: Final = _price(measured.relay_write)
        self.relay_accept_ns: Final = measured.relay_accept_ns
        self.relay_lateness_ns: Final = int(level * measured.sleep_late_ns[len(measured.sleep_late_ns) // 2])
        # An I/O thread that wakes a sleeping application writes to an eventfd: one short system call.
        self.signal_ns: Final = measured.ipc_write.base_ns
        # A packet of the TCP handshake is one pass through the loopback kernel, as a small write is.
        self.hop_ns: Final = {"tcp": measured.tcp_write.base_ns, "ipc": 0}

    def _draws(self, name: str, quantiles: tuple[int, ...], level: float = 1.0) -> Callable[[], int]:
        digest = hashlib.sha256(f"{self._seed}/{name}".encode()).digest()
        return Draws(
            [int(value * level) for value in quantiles],
            np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little"))),
        ).next

    def tcp_path(self, sndbuf: int, rcvbuf: int) -> TcpPath:
        """A direction of a tcp loopback connection; -1 for the system's default, as of :meth:`flow`."""
        profile = self.profile
        return TcpPath(
            *self.tcp_buffers(sndbuf, rcvbuf),
            overhead_bytes=profile.tcp_skb_overhead_bytes,
            max_frags=profile.tcp_max_frags,
            delayed_ack_ns=profile.tcp_delayed_ack_ns,
            probe_ns=profile.tcp_probe_ns,
            grows=rcvbuf < 0,
        )

    def flow(self, kernel: Kernel, transport: str, sndbuf: int, rcvbuf: int, maxrt_ms: int = 0) -> Flow:
        """A direction of a connection: sender's SNDBUF and TCP_MAXRT, receiver's RCVBUF, -1 for the system's default.

        Linux doubles what is asked for and has a least size (F206); ipc ignores the options (F208).
        """
        if transport == "ipc":
            profile = self.profile
            return UnixFlow(kernel, profile.unix_sndbuf_bytes, profile.unix_charge_bytes)
        return TcpFlow(kernel, self.tcp_path(sndbuf, rcvbuf), maxrt_ms)

    def tcp_buffers(self, sndbuf: int, rcvbuf: int) -> tuple[int, int]:
        """Send and receive buffer in force for these options, bytes; Linux doubles what is asked for (F206)."""
        profile = self.profile
        return (
            profile.tcp_sndbuf_bytes if sndbuf < 0 else max(2 * sndbuf, _MIN_SNDBUF_BYTES),
            profile.tcp_rcvbuf_bytes if rcvbuf < 0 else max(2 * rcvbuf, _MIN_RCVBUF_BYTES),
        )


def _price(cost: Cost) -> Callable[[int], int]:
    base, per_byte = cost.base_ns, cost.per_byte_ns
    if not per_byte:
        return lambda _size: base
    return lambda size: base + int(per_byte * size)
