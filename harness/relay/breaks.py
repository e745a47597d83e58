"""The record of a connection that broke on its way over links."""

from __future__ import annotations

from harness.relay.pairs import InFlight
from harness.trace import EVENTS, NONE, Kind, Recorder

_FLAG = EVENTS.index("link_broke")
_MOST = 2**32 - 1


def record_break(recorder: Recorder, ends: tuple[int, int], time_ns: int, there: InFlight, back: InFlight) -> None:
    """Write down what was in flight.

    Args:
        recorder: where.
        ends: positions of the connecting node and of the binding one.
        time_ns: after the start line.
        there, back: from who connected to who bound, and the other way.
    """
    size = min(there.size_bytes + back.size_bytes, _MOST)
    to_binder, to_connecter = there.messages, back.messages
    recorder.append(Kind.EVENT, _FLAG, NONE, *ends, to_binder, time_ns, to_connecter, 0, size)
