"""The packet emulator: seeded loss, delay, jitter, reorder and duplicate between namespaces."""

from __future__ import annotations

import socket

from harness.live.probes import _scratch

HELP = "it needs the capability netns and a kernel with packet sockets (CONFIG_PACKET)"

_ALL_PROTOCOLS = 0x0003
_IGNORE_OUTGOING = 23
_OF_EXPERIMENTS = b"\x88\xb5"
"""The EtherType that IEEE 802 leaves to local experiments."""


def probe() -> str | None:
    """A frame that is put on one end of a cable is read on the other."""
    with _scratch.wire(), _socket("left") as near, _socket("right") as far:
        frame = b"\xff" * 6 + b"\x02\0\0\0\0\x01" + _OF_EXPERIMENTS + bytes(46)
        near.send(frame)
        for _ in range(100):  # the interfaces greet the network as well
            if far.recv(2048) == frame:
                return None
    return "frames do not come through a cable"


def _socket(interface: str) -> socket.socket:
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
    one.setsockopt(263, _IGNORE_OUTGOING, 1)
    one.bind((interface, 0))
    one.settimeout(1)
    return one
