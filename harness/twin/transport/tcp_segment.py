"""The piece of data that Linux keeps its books on."""

from __future__ import annotations

MSS_BYTES = 65483
"""The largest segment on the loopback interface (65536 less headers)."""


class Segment:
    """Bytes with one overhead, in the sender's queues and then in the receiver's."""

    __slots__ = ("charge", "collapsed", "end", "frags", "left")

    def __init__(self, left: int, charge: int) -> None:
        self.left = left
        self.charge = charge
        self.end = 0
        self.frags = 1
        self.collapsed = False
