"""Nodes without a run: no process of their own, a mapping that nobody else sees."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from harness.live.control import Control
from harness.live.node import LiveNode
from harness.node import Node
from harness.trace import RECORD_BYTES, Recorder, read_records


def live_node(control: Control, position: int, context: Any, records: int = 1000, cls: Any = LiveNode) -> Any:
    return cls(
        node_id=position,
        name=f"node-{position}",
        flow_ids={"one": 0, "two": 1},
        recorder=Recorder(mmap.mmap(-1, records * RECORD_BYTES)),
        control=control,
        context=context,
        addresses={},
        rng=np.random.default_rng(1),
        alone=True,
    )


def records_of(node: Node) -> Any:
    return read_records(node._recorder.buffer)
