"""What an outside observer concludes of messages that were multicast (pgm, epgm) and are missing.

There are no connections. What was sent before the first message that a receiver got came before it listened
(``no_peer``, F218). What is missing later was lost on the way (``datagram``), or did not leave the publisher because
RATE held it up until its queue was full (``hwm_sender``, F215). The publisher has one queue for the whole group, so
the latter are missing everywhere, also for who was not there yet, and that can only be while more is offered than
RATE lets pass.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.ledger.marks import DEFAULT_HWM
from harness.topology import Node
from harness.trace import CAUSES

Array = npt.NDArray[Any]

_NO_PEER = CAUSES.index("no_peer")
_HWM_SENDER = CAUSES.index("hwm_sender")
_DATAGRAM = CAUSES.index("datagram")

_RATE_KBIT_PER_S: Final = 100
_PACKET_BYTES: Final = 1500
"""RATE and MULTICAST_MAXTPDU, where nothing is set (zmq_setsockopt(3))."""

_HEADERS_BYTES: Final = 54
"""Of a packet of epgm, IP and libzmq's own included; pgm has eight fewer."""


def infer_multicast(sender: Node, sent_ns: Array, size_bytes: int, received: Array, closed: list[bool]) -> Array:
    """Positions in ``CAUSES`` of what one sender's receivers did not get; -1 elsewhere.

    Args:
        sender: for its socket options.
        sent_ns: when each message entered ``send``, shape (messages,).
        size_bytes: of a message.
        received: whether each receiver got it, shape (messages, receivers).
        closed: for each receiver whether the end of the stream may be judged.
    """
    causes = np.full(received.shape, -1, dtype=np.int8)
    somewhere = np.asarray(received.any(axis=1))
    nowhere = ~somewhere
    nowhere[: int(np.argmax(somewhere))] = False  # nobody was there
    if nowhere.any():
        nowhere &= _may_be_full(sender, sent_ns, size_bytes)
    for column, whole in enumerate(closed):
        got = received[:, column]
        if not got.any():
            causes[:, column] = _NO_PEER if whole else -1
            continue
        first = int(np.argmax(got))
        end = len(got) if whole else len(got) - int(np.argmax(got[::-1]))
        missing = ~got
        missing[end:] = False
        causes[missing, column] = np.where(nowhere[missing], _HWM_SENDER, _DATAGRAM)
        causes[:first, column] = np.where(nowhere[:first], _HWM_SENDER, _NO_PEER)
    return causes


def _may_be_full(sender: Node, sent_ns: Array, size_bytes: int) -> Array:
    """Whether the publisher's queue may have been full at each message: half its mark waits for RATE, at least.

    Below half the mark it takes messages again (F29).
    """
    options = sender.socket_options
    mark = int(options.get("sndhwm", DEFAULT_HWM))
    if mark <= 0:
        return np.zeros(len(sent_ns), dtype=bool)
    packet_bytes = int(options.get("multicast_maxtpdu", _PACKET_BYTES))
    rate = int(options.get("rate", _RATE_KBIT_PER_S)) * 125
    framed = size_bytes + (2 if size_bytes < 255 else 10)
    alone, packed = framed + _HEADERS_BYTES, framed * packet_bytes / (packet_bytes - _HEADERS_BYTES)
    # As OpenPGM counts: a second's worth at once, but a thousandth of it when that is more than a packet.
    spare = float(rate if rate // 1000 < packet_bytes else rate // 1000)
    waiting, before_ns = -spare, int(sent_ns[0])
    full = np.zeros(len(sent_ns), dtype=bool)
    for row, at_ns in enumerate(sent_ns.tolist()):
        waiting = max(-spare, waiting - rate * (at_ns - before_ns) / 1e9)
        full[row] = waiting >= mark * packed / 2
        waiting = min(waiting + (packed if waiting > 0 else alone), mark * packed)
        before_ns = at_ns
    return full
