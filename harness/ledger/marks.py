"""High-water marks as the experiment sets them, and what a pipe with one does: how much it holds, in which lumps."""

from __future__ import annotations

from harness.topology import Endpoint, Topology

_OURS = ("harness.patterns.", "harness.remedies.")
"""Programs that set no mark but what the experiment says."""

DEFAULT_HWM = 1000
"""``ZMQ_SNDHWM``, ``ZMQ_RCVHWM`` where nothing is set (zmq_setsockopt(3))."""

BATCH_BYTES = 8192
"""What an engine reads or writes at once (F15, F17)."""

NO_LIMIT = 1 << 31
"""Messages that fit where there is no mark."""


def low_water_mark(hwm: int) -> int:
    """Messages in one lump of credit: (hwm + 1) // 2 (F29); 0 when there is no mark (F10)."""
    return (hwm + 1) // 2


def pipe_capacity(topology: Topology, endpoint: Endpoint, sender: str, receiver: str) -> int | None:
    """Messages that the pipe between two nodes holds; 0 without limit.

    None when the socket options of either end are the program's own affair (a program of the user's, for which
    the experiment names no mark): it may have set any mark, at any time.
    """
    sender_hwm, receiver_hwm = mark(topology, sender, "sndhwm"), mark(topology, receiver, "rcvhwm")
    if endpoint.transport != "inproc":
        return sender_hwm
    if sender_hwm is None or receiver_hwm is None:
        return None
    return sender_hwm + receiver_hwm if sender_hwm and receiver_hwm else 0


def mark(topology: Topology, name: str, option: str) -> int | None:
    """The mark ``sndhwm`` or ``rcvhwm`` of a node; None when nobody but its program knows."""
    node = topology.node(name)
    given = node.socket_options
    if given.get("conflate"):
        return None
    value = given.get(option, given.get("hwm"))
    if value is None:
        return DEFAULT_HWM if node.program.startswith(_OURS) else None
    return max(0, int(value))


def room(topology: Topology, name: str, option: str, size_bytes: int) -> int:
    """Messages of that size that wait in a process for one peer at most: its mark, and a batch of its engine (F15).

    What nobody knows is taken for the default.
    """
    hwm = mark(topology, name, option)
    hwm = DEFAULT_HWM if hwm is None else hwm
    return hwm + BATCH_BYTES // max(1, size_bytes) if hwm else NO_LIMIT
