"""One interface of a link, read and written through a packet socket (packet(7), Linux)."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct

from harness.live.clock import SO_TIMESTAMPNS

FOREWORD_BYTES = 10
"""Of what the kernel says before each frame (struct virtio_net_hdr), and wants to hear before each."""

_ALL_PROTOCOLS = 0x0003
_SOL_PACKET = 263
_STATISTICS, _FOREWORD, _IGNORE_OUTGOING, _PAST_QUEUES = 6, 15, 23, 20
_BUFFER_BYTES = 64 * 1024 * 1024
_BUFFERS = ((socket.SO_RCVBUF, 33), (socket.SO_SNDBUF, 32))
"""Each with the option that goes beyond the system's limit, for who may."""
_GET_MTU, _GET_FLAGS, _RUNNING = 0x8921, 0x8913, 0x40
_ETHERNET_BYTES = 14 + 4


class Port:
    """Frames of an interface.

    Before each is a foreword of the kernel's: whether its checksum is still to be made, and whether it stands for
    several packets. Handed on with the frame it keeps unfinished checksums right.

    Args:
        name: of the interface.

    Attributes:
        socket: non-blocking; gives what comes from outside, not what it sends itself.
        frame_bytes: the longest that one packet can be, foreword included; what is longer stands for several.

    Raises OSError: no such interface, no right to packet sockets.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        # Without a protocol at first: else it would hear all interfaces until it is bound.
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setblocking(False)
        for option in (_FOREWORD, _IGNORE_OUTGOING, _PAST_QUEUES):
            self.socket.setsockopt(_SOL_PACKET, option, 1)
        for option, forced in _BUFFERS:
            self.socket.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
            with contextlib.suppress(PermissionError):
                self.socket.setsockopt(socket.SOL_SOCKET, forced, _BUFFER_BYTES)
        mtu = struct.unpack_from("i", self._ask(_GET_MTU), 16)[0]
        self.frame_bytes = FOREWORD_BYTES + _ETHERNET_BYTES + mtu
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind((name, _ALL_PROTOCOLS))
        self._dropped = 0

    @property
    def has_carrier(self) -> bool:
        """Whether the interface and the other end of its cable are up."""
        flags = struct.unpack_from("H", self._ask(_GET_FLAGS), 16)[0]
        return bool(flags & _RUNNING)

    def _ask(self, what: int) -> bytes:
        return fcntl.ioctl(self.socket.fileno(), what, struct.pack("16s16x", self.name.encode()))

    def dropped(self) -> int:
        """How many frames the kernel has thrown away so far, for nobody had read those before them."""
        found = self.socket.getsockopt(_SOL_PACKET, _STATISTICS, 8)
        self._dropped += struct.unpack("II", found)[1]  # reading it sets it to 0
        return self._dropped
