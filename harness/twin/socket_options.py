"""Getting and setting options of a socket, and the values that sessions and listeners copy (F23)."""

from __future__ import annotations

import copy
import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from harness.twin.accept_filter import NAMES as FILTERS
from harness.twin.accept_filter import AcceptFilter
from harness.twin.errors import TwinError
from harness.twin.options import BY_NUMBER, NotSimulatedYet, Option
from harness.twin.security import DEFAULT, changed, value_of
from harness.twin.security import OPTIONS as SECURITY

if TYPE_CHECKING:
    from harness.twin.socket_base import SocketBase

_MAX_ROUTING_ID_BYTES: Final = 255
_WRITE_ONLY: Final = (
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "XPUB_VERBOSE",
    "XPUB_VERBOSER",
    "XPUB_NODROP",
    "XPUB_MANUAL",
    "XPUB_MANUAL_LAST_VALUE",
    "XPUB_WELCOME_MSG",
    "ONLY_FIRST_SUBSCRIBE",
    "ROUTER_MANDATORY",
    "ROUTER_HANDOVER",
    "ROUTER_RAW",
    "PROBE_ROUTER",
    "STREAM_NOTIFY",
    "CONNECT_ROUTING_ID",
    "REQ_CORRELATE",
    "REQ_RELAXED",
)


class Options:
    """Option values of one socket, by lower-case name; copied for sessions and listeners (F23)."""

    __slots__ = (
        "accept_filter",
        "affinity",
        "backlog",
        "conflate",
        "connect_timeout",
        "handshake_ivl",
        "heartbeat_ivl",
        "heartbeat_timeout",
        "heartbeat_ttl",
        "immediate",
        "invert_matching",
        "ipv6",
        "linger",
        "maxmsgsize",
        "multicast_maxtpdu",
        "rate",
        "raw_notify",
        "raw_socket",
        "rcvbuf",
        "rcvhwm",
        "rcvtimeo",
        "reconnect_ivl",
        "reconnect_ivl_max",
        "reconnect_stop",
        "recovery_ivl",
        "routing_id",
        "security",
        "sndbuf",
        "sndhwm",
        "sndtimeo",
        "tcp_keepalive",
        "tcp_keepalive_cnt",
        "tcp_keepalive_idle",
        "tcp_keepalive_intvl",
        "tcp_maxrt",
    )

    def __init__(self) -> None:
        self.sndhwm = 1000
        self.rcvhwm = 1000
        self.sndbuf = -1
        self.rcvbuf = -1
        self.sndtimeo = -1
        self.rcvtimeo = -1
        self.linger = -1
        self.backlog = 100
        self.invert_matching = 0
        self.conflate = 0
        self.raw_socket = 0
        self.raw_notify = 1
        self.reconnect_ivl = 100
        self.reconnect_ivl_max = 0
        self.reconnect_stop = 0
        self.connect_timeout = 0
        self.handshake_ivl = 30000
        self.heartbeat_ivl = 0
        self.heartbeat_timeout = -1
        self.heartbeat_ttl = 0
        self.immediate = 0
        self.maxmsgsize = -1
        self.affinity = 0
        self.accept_filter = AcceptFilter()
        self.routing_id = b""
        self.security = DEFAULT
        self.ipv6 = 0
        self.rate, self.recovery_ivl, self.multicast_maxtpdu = 100, 10_000, 1500
        self.tcp_keepalive = self.tcp_keepalive_cnt = self.tcp_keepalive_idle = self.tcp_keepalive_intvl = -1
        self.tcp_maxrt = 0

    @property
    def ipv4only(self) -> int:
        """The older name of the opposite of IPV6."""
        return int(not self.ipv6)

    @ipv4only.setter
    def ipv4only(self, value: int) -> None:
        self.ipv6 = int(not value)

    def snapshot(self) -> Options:
        """A copy as bind and connect take it."""
        return copy.copy(self)


def set_option(socket: SocketBase, number: int, value: int | bytes) -> None:
    """setsockopt. Raises TwinError (EINVAL), NotSimulatedYet."""
    socket.check_open()
    option = _checked(number, value)
    if option.kind == "flag":
        value = int(value != 0)
    if option.status == "later":
        if value != option.default:
            raise NotSimulatedYet(f"socket option {option.name}")
        return
    name = option.name.lower()
    if socket.xset(name, value) or _part_of_a_whole(socket.options, name, value):
        return
    if name in ("sndhwm", "rcvhwm"):
        setattr(socket.options, name, value)
        _update_pipes(socket)
    elif name == "routing_id":
        if not isinstance(value, bytes) or not 1 <= len(value) <= _MAX_ROUTING_ID_BYTES:
            raise TwinError(errno.EINVAL)
        socket.options.routing_id = value
    elif name == "heartbeat_ttl" and isinstance(value, int):
        socket.options.heartbeat_ttl = max(value, 0) // 100 * 100  # kept in tenths of a second
    elif hasattr(socket.options, name):
        setattr(socket.options, name, value)
    elif option.status == "kept":
        socket.extra[number] = value
    else:
        raise TwinError(errno.EINVAL)


def _checked(number: int, value: int | bytes) -> Option:
    option = BY_NUMBER.get(number)
    if option is None or not option.write:
        raise TwinError(errno.EINVAL)
    error = option.check(value)
    if error:
        raise TwinError(error)
    return option


def _part_of_a_whole(options: Options, name: str, value: int | bytes) -> bool:
    """Set what belongs to a group of options that are kept together; False when it does not."""
    if name in SECURITY:
        options.security = changed(options.security, name, value)
    elif name in FILTERS:
        options.accept_filter = options.accept_filter.with_option(name, value)
    else:
        return False
    return True


def _update_pipes(socket: SocketBase) -> None:
    # Both ends of living pipes, never those that a listener will make (F12).
    options = socket.options
    for pipe in socket.pipes:
        pipe.set_hwms(options.rcvhwm, options.sndhwm)
        pipe.peer.owner.post(pipe.peer.process_hwm, (options.sndhwm, options.rcvhwm))


_OF_THE_SOCKET: Final[dict[str, Callable[[SocketBase], int | bytes]]] = {
    "RCVMORE": lambda socket: int(socket.rcvmore),
    "TYPE": lambda socket: socket.type_number,
    "THREAD_SAFE": lambda socket: int(socket.thread_safe),
    "LAST_ENDPOINT": lambda socket: socket.last_endpoint,
    "TOPICS_COUNT": lambda socket: socket.topics_count(),
    "FD": lambda socket: socket.fd,
}
"""What is asked of the socket itself, not of its options."""


def get_option(socket: SocketBase, number: int) -> int | bytes:
    """getsockopt. Raises TwinError (EINVAL), NotSimulatedYet."""
    option = BY_NUMBER.get(number)
    if option is None or not option.read:
        raise TwinError(errno.EINVAL)
    name = option.name
    if name == "EVENTS":
        return socket.events_call()
    socket.check_open()
    if name in _OF_THE_SOCKET:
        return _OF_THE_SOCKET[name](socket)
    if name.lower() in SECURITY:
        return value_of(socket.options.security, name.lower())
    if name in _WRITE_ONLY:
        raise TwinError(errno.EINVAL)
    if hasattr(socket.options, name.lower()):
        value: int | bytes = getattr(socket.options, name.lower())
        return value
    return socket.extra.get(number, option.default)
