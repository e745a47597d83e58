"""Many seeds, each twice, on all processors; in processes that differ in all that must not matter.

Each seed is played by two workers. They hash strings differently (``PYTHONHASHSEED``), have played other seeds before
and hold other objects at other addresses: a digest that depends on any of these is not the same twice.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .draw import draw
from .world import Outcome, play

ROOT = Path(__file__).resolve().parents[2]
_MOST = 25
"""Seeds that a worker gets at a time."""
_WORKER = [sys.executable, "-m", "tests.swarm", "--worker"]


@dataclass
class Report:
    """What came of all seeds.

    Attributes:
        digests: of each seed that was played at least once.
        broken: by seed, the sentences.
        seeds_with: how many seeds came across a thing.
        twice: seeds that were played twice.
    """

    digests: dict[int, str] = field(default_factory=dict)
    broken: dict[int, list[str]] = field(default_factory=dict)
    seeds_with: Counter[str] = field(default_factory=Counter)
    twice: int = 0
    took_s: float = 0.0
    slowest: tuple[float, int] = (0.0, -1)

    def add(self, seed: int, digest: str, broken: Sequence[str], seen: Iterable[str], took_s: float) -> None:
        """One play of a seed."""
        self.slowest = max(self.slowest, (took_s, seed))
        if broken:
            self.broken.setdefault(seed, list(broken))
        if seed not in self.digests:
            self.digests[seed] = digest
            self.seeds_with.update(seen)
            return
        self.twice += 1
        if self.digests[seed] != digest:
            self.broken.setdefault(seed, []).append(f"two runs differ: {self.digests[seed]} and {digest}")


def work() -> None:
    """A worker: seeds come as lines of JSON, outcomes go as lines of JSON."""
    for line in sys.stdin:
        for seed in json.loads(line):
            began = time.perf_counter()
            outcome = play(draw(seed))
            print(json.dumps(_as_line(outcome, time.perf_counter() - began)), flush=True)


def _as_line(outcome: Outcome, took_s: float) -> list[Any]:
    return [outcome.seed, outcome.digest, outcome.broken, list(outcome.seen), round(took_s, 4)]


class _Worker:
    """A process that plays seeds; what it says goes to ``heard``, None when it has died."""

    def __init__(self, number: int, heard: queue.SimpleQueue[tuple[_Worker, str]]) -> None:
        environment = {**os.environ, "PYTHONHASHSEED": str(1000 + number)}
        self.number = number
        self.left = 0
        self.process = subprocess.Popen(
            _WORKER, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._listen, args=(heard,), daemon=True).start()

    def _listen(self, heard: queue.SimpleQueue[tuple[_Worker, str]]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            heard.put((self, line))
        heard.put((self, ""))

    def give(self, seeds: list[int]) -> None:
        assert self.process.stdin is not None
        self.left += len(seeds)
        self.process.stdin.write(json.dumps(seeds) + "\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class _Work:
    """Who plays what: a second run goes to a worker that did not do the first; one that is alone does both."""

    def __init__(self, seeds: Sequence[int], workers: int) -> None:
        chunk = max(1, min(_MOST, len(seeds) // (4 * workers)))
        self._first = [list(seeds[start : start + chunk]) for start in range(0, len(seeds), chunk)][::-1]
        self._again: list[tuple[int, list[int]]] = []
        self._alone = workers == 1

    def give(self, worker: _Worker) -> None:
        """The next seeds for an idle worker, if there are any for it."""
        for position, (by, seeds) in enumerate(self._again):
            if by != worker.number or (self._alone and not self._first):
                del self._again[position]
                worker.give(seeds)
                return
        if self._first:
            seeds = self._first.pop()
            self._again.append((worker.number, seeds))
            worker.give(seeds)


def run(seeds: Sequence[int], jobs: int, within_s: float, said: Callable[[Report], None] = lambda _: None) -> Report:
    """Play all seeds twice, or as many as there is time for. Raises RuntimeError when a worker dies."""
    began = time.monotonic()
    report = Report()
    heard: queue.SimpleQueue[tuple[_Worker, str]] = queue.SimpleQueue()
    workers = [_Worker(number, heard) for number in range(max(1, jobs))]
    work_left = _Work(seeds, len(workers))
    try:
        while time.monotonic() - began < within_s:
            for worker in workers:
                if not worker.left:
                    work_left.give(worker)
            if not any(worker.left for worker in workers):
                break
            worker, line = heard.get(timeout=max(1.0, within_s))
            if not line:
                raise RuntimeError(f"a worker died with status {worker.process.wait()}")
            worker.left -= 1
            report.add(*json.loads(line))
            report.took_s = time.monotonic() - began
            said(report)
    except queue.Empty:
        pass  # out of time
    finally:
        for worker in workers:
            worker.end()
    return report
