"""Answers: requests that never got one, and who still waits for it.

A REQ that waits for a reply sends nothing else (F83): the request that is lost, or that a dead server had in hand, is
its last. So a loss of one message may end a client, which no share of loss shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from harness.metrics import Array, Columns, columns
from harness.run import Run
from harness.topology import Flow, Topology

_FOR_EVER_MS = -1


def measure(messages: pa.Table, run: Run) -> dict[str, Any]:
    """Requests by REQ sockets and their answers, which have the intended times of their requests.

    Returns:
        ``clients.<name>``, each with ``unanswered`` (requests due at or after the warm-up whose answer never came) and
        ``waits_since_ns`` (when it sent its last request, if that has no answer and no time ends the wait, RCVTIMEO or
        the program's own; else None). A run that was cut off in the middle leaves clients waiting that would have got
        theirs.
    """
    table, topology = columns(messages, run), run.topology
    clients: dict[str, dict[str, Any]] = {}
    for number, flow in enumerate(topology.flows):
        answers = _answers_to(topology, flow)
        if not answers:
            continue
        requests = np.flatnonzero(table.flow == number)
        arrived = np.flatnonzero(np.isin(table.flow, answers) & table.delivered)
        for name in flow.senders:
            node = topology.node_id(name)
            asked = requests[table.sender[requests] == node]
            answered = arrived[table.receiver[arrived] == node]
            open_ = ~np.isin(table.intended_ns[asked], table.intended_ns[answered])
            clients[name] = {
                "unanswered": int(np.count_nonzero(open_ & (table.intended_ns[asked] >= run.warmup_ns))),
                "waits_since_ns": _waits_since(topology, name, table, asked, open_),
            }
    return {"clients": clients}


def _answers_to(topology: Topology, requests: Flow) -> list[int]:
    """Positions of the flows that answer these requests; none when they are not a REQ's."""
    endpoint = topology.endpoint_of(requests)
    if endpoint is None or any(endpoint.socket_type(name) != "REQ" for name in requests.senders):
        return []
    return [
        number
        for number, flow in enumerate(topology.flows)
        if flow.delivery == "addressed" and set(requests.senders) & set(flow.receivers)
    ]


def _waits_since(topology: Topology, name: str, table: Columns, asked: Array, is_open: Array) -> int | None:
    node = topology.node(name)
    patience_ms = int(node.socket_options.get("rcvtimeo", _FOR_EVER_MS))
    if not len(asked) or patience_ms != _FOR_EVER_MS or "timeout_ns" in node.options:
        return None
    last = int(np.argmax(table.seq[asked]))
    return int(table.sent_ns[asked[last]]) if is_open[last] else None
