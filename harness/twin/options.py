"""Socket options of the simulated library: number, type, default, range (zmq_setsockopt(3)).

Three kinds of option: those that the core of the twin obeys, those that cannot change what a
simulation shows (they are kept and given back), and those that are not simulated yet: setting one
of the last kind to anything but its default raises :class:`NotSimulatedYet`, so that no prediction
ever rests on an option that was silently ignored.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["int", "int64", "bytes", "bool", "flag"]
"""A bool takes 0 and 1; a flag any integer, and is 1 unless that was 0."""


class NotSimulatedYet(NotImplementedError):  # noqa: N818 - a statement, as libzmq's ETERM is one
    """An option, transport or socket type that the twin does not model."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not simulated yet")


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes:
        number: as in ``zmq.h``.
        default: value of a new socket.
        minimum, maximum: allowed integers, or lengths of strings; None is no limit.
        status: ``core`` (obeyed), ``kept`` (no effect on a simulation) or ``later``.
        write, read: whether setsockopt and getsockopt take it.
    """

    name: str
    number: int
    kind: Kind
    default: int | bytes
    minimum: int | None = None
    maximum: int | None = None
    status: Literal["core", "kept", "later"] = "later"
    write: bool = True
    read: bool = True

    def check(self, value: int | bytes) -> int:
        """0, or the errno that libzmq gives for this value."""
        if isinstance(value, bytes):
            return 0 if self.kind == "bytes" and len(value) >= (self.minimum or 0) else errno.EINVAL
        if self.kind == "bytes":
            return errno.EINVAL
        if self.kind == "bool" and value not in (0, 1):
            return errno.EINVAL
        if self.minimum is not None and value < self.minimum:
            return errno.EINVAL
        if self.maximum is not None and value > self.maximum:
            return errno.EINVAL
        return 0


_INT_MAX: Final = 2**31 - 1


def _core(
    name: str, number: int, kind: Kind, default: int | bytes, low: int | None = None, high: int | None = None
) -> Option:
    return Option(name, number, kind, default, low, high, "core")


def _kept(
    name: str, number: int, kind: Kind, default: int | bytes, low: int | None = None, high: int | None = None
) -> Option:
    return Option(name, number, kind, default, low, high, "kept")


def _later(
    name: str, number: int, kind: Kind, default: int | bytes, low: int | None = None, high: int | None = None
) -> Option:
    return Option(name, number, kind, default, low, high, "later")


def _read_only(name: str, number: int, kind: Kind, default: int | bytes = 0) -> Option:
    return Option(name, number, kind, default, status="core", write=False)


TABLE: Final = (
    # Obeyed. Marks: F5-F13. Buffers: F206, F207. Timeouts: F45, F49. Linger: F164-F167.
    _core("SNDHWM", 23, "int", 1000, 0),
    _core("RCVHWM", 24, "int", 1000, 0),
    _core("SNDBUF", 11, "int", -1, -1),
    _core("RCVBUF", 12, "int", -1, -1),
    _core("SNDTIMEO", 28, "int", -1, -1),
    _core("RCVTIMEO", 27, "int", -1, -1),
    _core("LINGER", 17, "int", -1, -1),
    _core("BACKLOG", 19, "int", 100, 0),
    _core("ROUTING_ID", 5, "bytes", b""),
    _core("SUBSCRIBE", 6, "bytes", b""),
    _core("UNSUBSCRIBE", 7, "bytes", b""),
    _core("ROUTER_MANDATORY", 33, "int", 0, 0),
    _core("XPUB_VERBOSE", 40, "int", 0, 0),
    _core("XPUB_VERBOSER", 78, "int", 0, 0),
    _core("XPUB_NODROP", 69, "int", 0, 0),
    _core("ROUTER_HANDOVER", 56, "int", 0, 0),
    _core("ROUTER_RAW", 41, "int", 0, 0),
    _core("STREAM_NOTIFY", 73, "int", 1, 0, 1),
    _core("PROBE_ROUTER", 51, "int", 0, 0),
    _core("CONNECT_ROUTING_ID", 61, "bytes", b""),
    _core("XPUB_MANUAL", 71, "int", 0, 0),
    _core("XPUB_MANUAL_LAST_VALUE", 98, "int", 0, 0),
    _core("XPUB_WELCOME_MSG", 72, "bytes", b""),
    _core("ONLY_FIRST_SUBSCRIBE", 108, "int", 0, 0),
    _core("INVERT_MATCHING", 74, "flag", 0),
    _core("CONFLATE", 54, "bool", 0),
    _core("REQ_CORRELATE", 52, "int", 0, 0),
    _core("REQ_RELAXED", 53, "int", 0, 0),
    _core("RECONNECT_IVL", 18, "int", 100, -1),
    _core("MAXMSGSIZE", 22, "int64", -1),
    _core("HEARTBEAT_TIMEOUT", 77, "int", -1, 0),
    _core("HEARTBEAT_TTL", 76, "int", 0, -99, 6553599),
    _core("HEARTBEAT_IVL", 75, "int", 0, 0),
    _core("HANDSHAKE_IVL", 66, "int", 30000, 0),
    _core("CONNECT_TIMEOUT", 79, "int", 0, 0),
    _core("RECONNECT_STOP", 109, "int", 0),
    _core("RECONNECT_IVL_MAX", 21, "int", 0, 0),
    _core("IMMEDIATE", 39, "bool", 0),
    _core("AFFINITY", 4, "int64", 0),
    Option("TCP_ACCEPT_FILTER", 38, "bytes", b"", 1, status="core", read=False),
    Option("IPC_FILTER_PID", 58, "int", -1, status="core", read=False),
    Option("IPC_FILTER_UID", 59, "int", -1, status="core", read=False),
    Option("IPC_FILTER_GID", 60, "int", -1, status="core", read=False),
    _read_only("RCVMORE", 13, "int"),
    _read_only("FD", 14, "int"),
    _read_only("EVENTS", 15, "int"),
    _read_only("TYPE", 16, "int"),
    _read_only("LAST_ENDPOINT", 32, "bytes", b""),
    _read_only("MECHANISM", 43, "int"),
    # The rules for their values are in harness/twin/security.py.
    _core("PLAIN_SERVER", 44, "bool", 0),
    _core("PLAIN_USERNAME", 45, "bytes", b""),
    _core("PLAIN_PASSWORD", 46, "bytes", b""),
    _core("CURVE_SERVER", 47, "bool", 0),
    _core("CURVE_PUBLICKEY", 48, "bytes", b""),
    _core("CURVE_SECRETKEY", 49, "bytes", b""),
    _core("CURVE_SERVERKEY", 50, "bytes", b""),
    _core("ZAP_DOMAIN", 55, "bytes", b""),
    _core("ZAP_ENFORCE_DOMAIN", 93, "int", 0),
    _core("METADATA", 95, "bytes", b""),
    _read_only("THREAD_SAFE", 81, "bool"),
    _read_only("TOPICS_COUNT", 116, "int"),
    # Which addresses are taken.
    _core("IPV6", 42, "bool", 0),
    _core("IPV4ONLY", 31, "bool", 1),
    # Kept: no effect on what is simulated.
    _kept("TOS", 57, "int", 0, 0),
    _kept("LOOPBACK_FASTPATH", 94, "flag", 0),
    # Silent networks: F155, F156.
    _core("TCP_KEEPALIVE", 34, "int", -1, -1, 1),
    _core("TCP_KEEPALIVE_CNT", 35, "int", -1, -1),
    _core("TCP_KEEPALIVE_IDLE", 36, "int", -1, -1),
    _core("TCP_KEEPALIVE_INTVL", 37, "int", -1, -1),
    _core("TCP_MAXRT", 80, "int", 0, 0),
    # pgm: F215, F216; the network is one LAN, and pgm never hears itself.
    _core("RATE", 8, "int", 100, 1),
    _core("RECOVERY_IVL", 9, "int", 10000, 0),
    _core("MULTICAST_MAXTPDU", 84, "int", 1500, 1),
    _kept("MULTICAST_HOPS", 25, "int", 1, 1),
    _kept("MULTICAST_LOOP", 96, "flag", 1),
    # Not simulated yet: they change loss or latency.
    _later("SOCKS_PROXY", 68, "bytes", b"", 1),
    _later("BINDTODEVICE", 92, "bytes", b"", 1),
    _later("USE_FD", 89, "int", -1, -1),
    _later("SOCKS_USERNAME", 99, "bytes", b""),
    _later("SOCKS_PASSWORD", 100, "bytes", b""),
)

BY_NUMBER: Final = {option.number: option for option in TABLE if option.number >= 0}
