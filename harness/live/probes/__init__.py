"""What this machine can do for live runs: one module a capability, tried out in a process of its own.

A module's name is the capability's. The first line of its docstring says what that is for, ``HELP`` what would help
where it is missing, and ``probe()`` tries it: None when it works, else the reason in a few words. What ``probe``
raises is a reason, too. A module may have ``detail()``: a few words on what works there, asked after a success.

A probe takes less than a second. It may leave the network of the machine (:mod:`harness.live.probes._scratch`) and
start processes, for it has one of its own that ends with everything it made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from harness import kinds
from harness.live.processes import environment

LIMIT_S = 10.0
"""Longer than on a busy machine any probe takes; it is ended then."""

_AT_A_TIME = 2
_COMMAND = ["-m", __name__]


@dataclass(frozen=True, slots=True)
class Finding:
    """How it stands with a capability.

    Attributes:
        name: of the capability.
        summary: what it is for, one sentence.
        reason: why it is missing; None when it is there.
        detail: a few words on what is there; may be empty.
        help: what would help; empty when it is there.
        took_ns: how long the probe took, its process included.
    """

    name: str
    summary: str
    reason: str | None
    detail: str
    help: str
    took_ns: int


def names() -> tuple[str, ...]:
    """All capabilities that are known."""
    return kinds.names(__name__)


def ask(name: str) -> Finding:
    """Try one. Raises KeyError when there is no such capability; whatever a probe does, this returns."""
    summary = kinds.summary(__name__, name)
    began_ns = time.monotonic_ns()
    answer = _answer(name)
    took_ns = time.monotonic_ns() - began_ns
    return Finding(name, summary, answer.get("reason"), answer.get("detail", ""), answer.get("help", ""), took_ns)


def ask_all(wanted: Iterable[str]) -> Iterator[Finding]:
    """Try several, a few at a time; in their order. Raises KeyError."""
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        yield from pool.map(ask, wanted)


def _answer(name: str) -> dict[str, str]:
    try:
        process = subprocess.run(
            [sys.executable, *_COMMAND, name, str(os.getpid())],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment(),
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"reason": f"the probe gave no answer in {LIMIT_S:g} s"}
    try:
        answer: dict[str, str] = json.loads(process.stdout)
    except ValueError:
        last = process.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return {"reason": f"the probe ended with status {process.returncode}: {last or 'it said nothing'}"}
    return answer
