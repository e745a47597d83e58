"""Socket types and socket options that an experiment may name, with their ranges.

What is not here is refused by name, before a run, and never passes silently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from harness.units import parse_bandwidth_bytes_per_s, parse_duration_ns, parse_size_bytes

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

PUBLISHING = ("PUB", "SUB", "XPUB", "XSUB")
"""Socket types that may use pgm and epgm (F214)."""

CANNOT_SEND = ("SUB", "PULL")
CANNOT_RECEIVE = ("PUB", "PUSH")

INT_MAX = 2**31 - 1
RATE_MAX_KBIT_PER_S = 2_000_000
"""Of RATE: libzmq counts bits a second in an int."""
PACKET_MIN_BYTES, PACKET_MAX_BYTES = 576, 1500
"""Of MULTICAST_MAXTPDU: what every network carries, and what Ethernet does in one piece."""


@dataclass(frozen=True, slots=True)
class SocketOption:
    """One socket option.

    Attributes:
        kind: how the user writes it. ``time`` becomes integer milliseconds, as libzmq takes it (-1 for
            ``forever``, or ``never`` where that reads better), an ``interval`` without these; ``size`` bytes;
            ``bandwidth`` kbit/s; ``hops`` and ``packet`` whole numbers of networks and of bytes, in their ranges.
        types: the socket types that have it; empty: all.
        multicast: whether it is for pgm and epgm alone.
    """

    kind: Literal["count", "size", "time", "flag", "name", "bandwidth", "hops", "packet", "interval"]
    types: tuple[str, ...] = ()
    multicast: bool = False


OPTIONS: dict[str, SocketOption] = {
    "sndhwm": SocketOption("count"),
    "rcvhwm": SocketOption("count"),
    "sndbuf": SocketOption("size"),
    "rcvbuf": SocketOption("size"),
    "sndtimeo": SocketOption("time"),
    "rcvtimeo": SocketOption("time"),
    "linger": SocketOption("time"),
    "rate": SocketOption("bandwidth", multicast=True),
    "recovery_ivl": SocketOption("interval", multicast=True),
    "multicast_hops": SocketOption("hops", multicast=True),
    "multicast_maxtpdu": SocketOption("packet", multicast=True),
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
    "plain_password",
    "plain_username",
    "priority",
    "reconnect_stop",
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


IDLE = {"multicast_loop": "has no effect on pgm and epgm, which never hear what their own host sends; leave it out"}
"""Socket options of pyzmq that do nothing for any transport of an experiment, and why."""


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
    if OPTIONS[name].multicast:
        return _of_multicast(kind, value)
    if kind == "flag":
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return int(value)
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= 255 or value[0] == "\0":
        raise ValueError('must be a text of 1 to 255 bytes that does not begin with NUL, such as "worker-1"')
    return value


def _of_multicast(kind: str, value: Any) -> int:
    if kind == "interval":
        if value in ("forever", "never"):
            raise ValueError('must have an end, such as "10s": so much is kept for repairs')
        return _milliseconds(value)
    if kind == "bandwidth":
        kbit_per_s, rest = divmod(8 * parse_bandwidth_bytes_per_s(value), 1000)
        if rest or not 1 <= kbit_per_s <= RATE_MAX_KBIT_PER_S:
            raise ValueError('must be whole kbit/s, as libzmq counts them, to "2Gbit/s", such as "10Mbit/s"')
        return kbit_per_s
    if kind == "packet":
        size_bytes = parse_size_bytes(value)
        if not PACKET_MIN_BYTES <= size_bytes <= PACKET_MAX_BYTES:
            raise ValueError(f'must be from "{PACKET_MIN_BYTES}B" to "{PACKET_MAX_BYTES}B", what Ethernet carries')
        return size_bytes
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 255:
        raise ValueError("must be a whole number of networks from 1 to 255, such as 1")
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
