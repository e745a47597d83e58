"""The piece of data that Linux keeps its books on."""

from __future__ import annotations

MSS_BYTES = 65483
"""The largest segment on the loopback interface (65536 less headers)."""


NEVER_NS = 1 << 62
"""No timer runs."""

PATH_FIELDS = (
    "_ack_at",
    "_ack_state",
    "_acked",
    "_alone_bytes",
    "_ato",
    "_clamp",
    "_congestion_window",
    "_delayed_ack_ns",
    "_grows",
    "_interactive",
    "_last_arrival",
    "_last_small",
    "_light_limit_bytes",
    "_max_frags",
    "_now",
    "_overhead",
    "_probe_after_ns",
    "_probe_at",
    "_probes",
    "_pushing",
    "_quick",
    "_quiet",
    "_ratio",
    "_rcv_acked",
    "_rcv_next",
    "_rcvbuf",
    "_received",
    "_rmem",
    "_scale",
    "_segment_estimate",
    "_snd_next",
    "_sndbuf",
    "_ssthresh",
    "_tail_probe_at",
    "_unacked",
    "_unsent",
    "_warm",
    "_window",
    "_window_end",
    "_window_max",
    "_wmem",
)
"""What a path keeps; slots, since a simulation may hold thousands of paths."""


class Segment:
    """Bytes with one overhead, in the sender's queues and then in the receiver's."""

    __slots__ = ("charge", "collapsed", "end", "frags", "left")

    def __init__(self, left: int, charge: int) -> None:
        self.left = left
        self.charge = charge
        self.end = 0
        self.frags = 1
        self.collapsed = False
