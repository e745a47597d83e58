"""What the kernel is asked for that is no netlink: namespaces, mounts, and how interfaces cut data into packets."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

_NEW_USER = 0x10000000
_NEW_NET = 0x40000000
_NEW_PID = 0x20000000
_NEW_MOUNTS = 0x00020000
_NEW_NAME = 0x04000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 1 << 18
_SIOCETHTOOL = 0x8946
_OFF = {"tx checksums": 0x17, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}
"""Commands of ethtool, each for something that an interface may be told not to do."""


def become_owner() -> int | None:
    """Without root: leave for a namespace of users in which this user may make networks; its descriptor.

    None when this user may do so anyway. Identities stay as they are. Raises OSError.
    """
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        return None
    _unshare(_NEW_USER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return os.open("/proc/self/ns/user", os.O_RDONLY | os.O_CLOEXEC)


def new_network() -> int:
    """Leave for a new, empty network; its descriptor. Raises OSError."""
    _unshare(_NEW_NET)
    # What IPv6 says of itself on every cable would be traffic that nobody has asked for.
    family = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
    if family.exists():
        family.write_text("1")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def new_processes() -> None:
    """What this process forks from now on has a namespace of processes, which ends with the first. Raises OSError."""
    _unshare(_NEW_PID)


def new_host(name: str) -> None:
    """Leave for a name of this machine, and for mounts, that nobody else sees. Raises OSError."""
    _unshare(_NEW_MOUNTS | _NEW_NAME)
    socket.sethostname(name)
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)


def mount(kind: str, place: str) -> None:
    """Have a new file system of that kind in a folder. Raises OSError."""
    _mount(kind, place, kind, 0)


def show_instead(source: str, place: str) -> None:
    """Whoever opens the file ``place`` finds that of ``source``. Raises OSError."""
    _mount(source, place, None, _MS_BIND)


def unmount(place: str) -> None:
    """What was there before is there again. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.umount2(place.encode(), 0), "umount")


def one_packet_at_a_time(interface: str) -> None:
    """Have an interface of this thread's network send what a wire would carry: no packets of 64 KiB, checksums done.

    Raises OSError.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in _OFF.values():
            value = ctypes.create_string_buffer(struct.pack("=II", command, 0))
            request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
            fcntl.ioctl(any_socket, _SIOCETHTOOL, request)


def _unshare(kind: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.unshare(kind), "unshare")


def _mount(source: str | None, place: str, kind: str | None, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    words = [None if word is None else word.encode() for word in (source, place, kind)]
    _check(libc.mount(*words, ctypes.c_ulong(flags), None), f"mount on {place}")


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
