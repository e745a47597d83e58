"""Socket types and socket options that both worlds know, with their ranges.

The twin models the core of libzmq; what it does not model is refused here by name, before a run,
and never passes silently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from harness.units import parse_duration_ns, parse_size_bytes

PEERS: dict[str, tuple[str, ...]] = {
    "REQ": ("REP", "ROUTER"),
    "REP": ("REQ", "DEALER"),
    "DEALER": ("REP", "DEALER", "ROUTER"),
    "ROUTER": ("REQ", "DEALER", "ROUTER"),
    "PUB": ("SUB", "XSUB"),
    "SUB": ("PUB", "XPUB"),
    "XPUB": ("SUB", "XSUB"),
    "XSUB": ("PUB", "XPUB"),
    "PUSH": ("PULL",),
    "PULL": ("PUSH",),
    "PAIR": ("PAIR",),
}
"""Which socket types may be connected: RFC 28 (request-reply), 29 (publish-subscribe),
30 (pipeline), 31 (exclusive pair)."""

NOT_SIMULATED = ("CLIENT", "SERVER", "RADIO", "DISH", "GATHER", "SCATTER", "DGRAM", "CHANNEL", "PEER", "STREAM")
"""Socket types of libzmq that the twin does not model yet."""

CANNOT_SEND = ("SUB", "PULL")
CANNOT_RECEIVE = ("PUB", "PUSH")

INT_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class SocketOption:
    """One socket option.

    Attributes:
        kind: how the user writes it. ``time`` becomes integer milliseconds (-1: for ever), as
            libzmq takes it; ``size`` bytes.
        types: the socket types that have it; empty: all.
    """

    kind: Literal["count", "size", "time", "flag", "name"]
    types: tuple[str, ...] = ()


OPTIONS: dict[str, SocketOption] = {
    "sndhwm": SocketOption("count"),
    "rcvhwm": SocketOption("count"),
    "sndbuf": SocketOption("size"),
    "rcvbuf": SocketOption("size"),
    "sndtimeo": SocketOption("time"),
    "rcvtimeo": SocketOption("time"),
    "linger": SocketOption("time"),
    "routing_id": SocketOption("name", ("REQ", "DEALER", "ROUTER")),
    "router_mandatory": SocketOption("flag", ("ROUTER",)),
}
"""Socket options that both worlds know, by pyzmq's names (options of libzmq-semantics F5-F13, F164, F206)."""

LATER = (
    "affinity",
    "backlog",
    "conflate",
    "connect_rid",
    "connect_timeout",
    "curve_publickey",
    "curve_secretkey",
    "curve_server",
    "curve_serverkey",
    "handshake_ivl",
    "heartbeat_ivl",
    "heartbeat_timeout",
    "heartbeat_ttl",
    "identity",
    "immediate",
    "invert_matching",
    "ipv6",
    "maxmsgsize",
    "multicast_hops",
    "plain_password",
    "plain_username",
    "priority",
    "probe_router",
    "rate",
    "reconnect_ivl",
    "reconnect_ivl_max",
    "reconnect_stop",
    "recovery_ivl",
    "req_correlate",
    "req_relaxed",
    "router_handover",
    "socks_proxy",
    "stream_notify",
    "tcp_keepalive",
    "tcp_keepalive_cnt",
    "tcp_keepalive_idle",
    "tcp_keepalive_intvl",
    "tcp_maxrt",
    "tos",
    "use_fd",
    "xpub_manual",
    "xpub_nodrop",
    "xpub_verbose",
    "xpub_verboser",
    "xpub_welcome_msg",
    "zap_domain",
)
"""Socket options of pyzmq that the twin does not model yet."""


def read_option(name: str, value: Any) -> int | str:
    """The value of a known option, as a run holds it.

    Raises ValueError, whose text says what would have been right.
    """
    kind = OPTIONS[name].kind
    if kind == "count":
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= INT_MAX:
            raise ValueError(f"must be a whole number of messages from 0 (no limit) to {INT_MAX}, such as 1000")
        return value
    if kind == "size":
        size_bytes = parse_size_bytes(value)
        if not 1 <= size_bytes <= INT_MAX:
            raise ValueError('must be from "1B" to less than "2GiB", such as "8KiB"')
        return size_bytes
    if kind == "time":
        return _milliseconds(value)
    if kind == "flag":
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return int(value)
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= 255 or value[0] == "\0":
        raise ValueError('must be a text of 1 to 255 bytes that does not begin with NUL, such as "worker-1"')
    return value


def _milliseconds(value: Any) -> int:
    if value == "forever":
        return -1
    try:
        duration_ns = parse_duration_ns(value)
    except ValueError as error:
        raise ValueError(f'{error}; or "forever"') from None
    milliseconds, rest = divmod(duration_ns, 1_000_000)
    if rest or milliseconds > INT_MAX:
        raise ValueError('must be whole milliseconds, as libzmq counts them, such as "250ms"; or "forever"')
    return milliseconds
