"""Socket types and socket options that an experiment may name, with their ranges.

What is not here is refused by name, before a run, and never passes silently.
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
        kind: how the user writes it. ``time`` becomes integer milliseconds, as libzmq takes it (-1 for
            ``forever``, or ``never`` where that reads better); ``size`` bytes.
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
    "backlog": SocketOption("count"),
    "conflate": SocketOption("flag", ("PUB", "SUB", "PUSH", "PULL", "DEALER")),
    "connect_timeout": SocketOption("time"),
    "handshake_ivl": SocketOption("time"),
    "heartbeat_ivl": SocketOption("time"),
    "heartbeat_timeout": SocketOption("time"),
    "heartbeat_ttl": SocketOption("time"),
    "immediate": SocketOption("flag"),
    "invert_matching": SocketOption("flag", ("PUB", "SUB", "XPUB", "XSUB")),
    "probe_router": SocketOption("flag", ("REQ", "DEALER", "ROUTER")),
    "reconnect_ivl": SocketOption("time"),
    "reconnect_ivl_max": SocketOption("time"),
    "req_correlate": SocketOption("flag", ("REQ",)),
    "req_relaxed": SocketOption("flag", ("REQ",)),
    "router_handover": SocketOption("flag", ("ROUTER",)),
    "router_mandatory": SocketOption("flag", ("ROUTER",)),
    "tcp_maxrt": SocketOption("time"),
    "xpub_nodrop": SocketOption("flag", ("PUB", "XPUB")),
    "xpub_verbose": SocketOption("flag", ("XPUB",)),
    "xpub_verboser": SocketOption("flag", ("XPUB",)),
}
"""Socket options that an experiment may set and both worlds obey, by pyzmq's names (libzmq-semantics, appendix A)."""

LATER = (
    "affinity",
    "connect_rid",
    "curve_publickey",
    "curve_secretkey",
    "curve_server",
    "curve_serverkey",
    "identity",
    "ipv6",
    "maxmsgsize",
    "multicast_hops",
    "plain_password",
    "plain_username",
    "priority",
    "rate",
    "reconnect_stop",
    "recovery_ivl",
    "socks_proxy",
    "stream_notify",
    "tcp_keepalive",
    "tcp_keepalive_cnt",
    "tcp_keepalive_idle",
    "tcp_keepalive_intvl",
    "tos",
    "use_fd",
    "xpub_manual",
    "xpub_welcome_msg",
    "zap_domain",
)
"""Socket options of pyzmq that an experiment cannot set; a program of one's own may, where the twin models them."""


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
    if value in ("forever", "never"):
        return -1
    try:
        duration_ns = parse_duration_ns(value)
    except ValueError as error:
        raise ValueError(f'{error}; or "forever"') from None
    milliseconds, rest = divmod(duration_ns, 1_000_000)
    if rest or milliseconds > INT_MAX:
        raise ValueError('must be whole milliseconds, as libzmq counts them, such as "250ms"; or "forever"')
    return milliseconds
