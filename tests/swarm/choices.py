"""Which options a socket gets, how often, and what they are set to."""

from __future__ import annotations

from dataclasses import dataclass

from harness.twin.options import TABLE

from .dice import Dice
from .plan import Value

SIMULATED = {option.name.lower() for option in TABLE if option.status == "core"}


@dataclass(frozen=True)
class Choice:
    """An option: how often it is set (percent), to what (none: a mark), on which types and transports (none: all)."""

    name: str
    percent: int
    values: tuple[Value, ...] = ()
    kinds: tuple[str, ...] = ()
    transport: str = ""


_PUBLISHERS = ("PUB", "XPUB")
CHOICES = (
    Choice("sndhwm", 85),
    Choice("rcvhwm", 85),
    Choice("sndbuf", 40, (1000, 2304, 8192, 65536), transport="tcp"),
    Choice("rcvbuf", 40, (1000, 2304, 8192, 65536), transport="tcp"),
    Choice("linger", 50, (-1, 0, 0, 1, 20, 300)),
    Choice("sndtimeo", 70, (0, 1, 5, 50)),
    Choice("rcvtimeo", 70, (0, 1, 5, 50)),
    Choice("reconnect_ivl", 50, (-1, 0, 1, 10, 10, 50, 100)),
    Choice("reconnect_ivl_max", 15, (0, 5, 50, 400)),
    Choice("reconnect_stop", 8, (1, 2, 3, 4, 7)),
    Choice("connect_timeout", 10, (1, 50), transport="tcp"),
    Choice("backlog", 10, (1, 2, 100)),
    Choice("affinity", 10, (1, 1, 1, 2, 5)),
    Choice("immediate", 15, (1,)),
    Choice("maxmsgsize", 4, (50, 5000)),
    Choice("heartbeat_ivl", 12, (5, 20, 100)),
    Choice("heartbeat_timeout", 8, (5, 50)),
    Choice("heartbeat_ttl", 8, (100, 200)),
    Choice("handshake_ivl", 8, (0, 1, 50)),
    Choice("router_mandatory", 30, (1,), ("ROUTER",)),
    Choice("router_handover", 20, (1,), ("ROUTER",)),
    Choice("probe_router", 12, (1,), ("DEALER", "REQ", "ROUTER")),
    Choice("xpub_manual", 12, (1,), ("XPUB",)),
    Choice("xpub_manual_last_value", 6, (1,), ("XPUB",)),
    Choice("xpub_welcome_msg", 12, (b"abc welcome",), _PUBLISHERS),
    Choice("only_first_subscribe", 8, (1,), ("XPUB",)),
    Choice("invert_matching", 10, (1,), ("PUB", "XPUB", "SUB")),
    Choice("xpub_nodrop", 20, (1,), _PUBLISHERS),
    Choice("xpub_verbose", 20, (1,), ("XPUB",)),
    Choice("xpub_verboser", 20, (1,), ("XPUB",)),
    Choice("req_relaxed", 40, (1,), ("REQ",)),
    Choice("req_correlate", 25, (1,), ("REQ",)),
)


# The pairs of keys that zmq_curve_keypair(3) shows.
_SERVER = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
_CLIENT = b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
SECURITY: dict[tuple[str, str], tuple[tuple[str, Value], ...]] = {
    ("curve", "server"): (("curve_server", 1), ("curve_secretkey", _SERVER[1])),
    ("curve", "client"): (
        ("curve_serverkey", _SERVER[0]),
        ("curve_publickey", _CLIENT[0]),
        ("curve_secretkey", _CLIENT[1]),
    ),
    ("plain", "server"): (("plain_server", 1),),
    ("plain", "client"): (("plain_username", b"name"), ("plain_password", b"word")),
}
"""What a side sets for a mechanism."""


def options_of(
    dice: Dice, name: str, kind: str, peers: tuple[str, ...], transport: str
) -> tuple[tuple[str, Value], ...]:
    """Options for a new socket; those that the twin does not obey yet are left out."""
    options: dict[str, Value] = {}
    for choice in CHOICES:
        applies = (not choice.kinds or kind in choice.kinds) and choice.transport in ("", transport)
        if applies and dice.chance(choice.percent):
            values = choice.values
            options[choice.name] = values[int(dice.random() * len(values))] if values else dice.mark()
    if kind in ("DEALER", "REQ", "ROUTER", "REP") and (dice.chance(30) or (kind == "ROUTER" and "ROUTER" in peers)):
        options["routing_id"] = b"same" if dice.chance(8) else name.encode()
    return tuple((option, value) for option, value in options.items() if option in SIMULATED)
