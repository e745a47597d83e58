"""Ending a connection from outside (inet_diag): the fault "reset" in a network of namespaces."""

from __future__ import annotations

import errno
import os
import socket
import struct

from harness.live.probes import _scratch

HELP = "it needs the capability netns and a kernel with CONFIG_INET_DIAG_DESTROY"

_NETLINK_SOCK_DIAG = 4
_SOCK_DESTROY = 21
_REQUEST_ACK = 0x1 | 0x4
_HEADER = struct.Struct("=IHHII")
_ERROR = struct.Struct("=i")
_TCP = struct.Struct("=BBBBI")
_ENDS = struct.Struct("=4s4x8x4s4x8xIII")
_ANY = 0xFFFFFFFF


def probe() -> str | None:
    """A connection that is destroyed is reset."""
    from pyroute2 import IPRoute

    _scratch.enter()
    with IPRoute() as routes:
        routes.link("set", index=1, state="up")
    with _scratch.connection() as (near, far):
        _destroy(near)
        try:
            far.recv(1)
        except ConnectionResetError:
            return None
    return "a destroyed connection lives on"


def _destroy(one: socket.socket) -> None:
    """SOCK_DESTROY by address and port. Raises OSError."""
    source, destination = one.getsockname(), one.getpeername()
    ports = struct.pack("!HH", source[1], destination[1])
    addresses = (socket.inet_aton(source[0]), socket.inet_aton(destination[0]))
    body = _TCP.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ANY) + ports + _ENDS.pack(*addresses, 0, _ANY, _ANY)
    header = _HEADER.pack(_HEADER.size + len(body), _SOCK_DESTROY, _REQUEST_ACK, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as netlink:
        netlink.send(header + body)
        number = -_ERROR.unpack_from(netlink.recv(4096), _HEADER.size)[0]
    if number:
        raise OSError(
            number, "the kernel cannot destroy sockets" if number == errno.EOPNOTSUPP else os.strerror(number)
        )
