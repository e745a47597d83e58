from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import faults
from harness.run import FaultSpec


class Diary:
    """A world that writes down what it is asked to do."""

    def __init__(self) -> None:
        self.due: list[tuple[int, Callable[[], None]]] = []
        self.done: list[tuple[int, str, float]] = []
        self.now = 0

    def at(self, time_ns: int, action: Callable[[], None]) -> None:
        self.due.append((time_ns, action))

    def slow(self, node: str, factor: float) -> None:
        self.done.append((self.now, node, factor))

    def live_on(self) -> None:
        for time_ns, action in sorted(self.due, key=lambda entry: entry[0]):
            self.now = time_ns
            action()


def test_slow_begins_and_ends() -> None:
    world = Diary()
    options = {"node": "slow", "at_ns": 100, "lasts_ns": 50, "factor": 4.0}
    faults.schedule(world, FaultSpec(label="x", kind="slow", options=options))
    assert world.done == [], "nothing happens before its time"
    world.live_on()
    assert world.done == [(100, "slow", 4.0), (150, "slow", 1.0)]


def test_slow_without_end_lasts() -> None:
    world = Diary()
    faults.schedule(world, FaultSpec(label="x", kind="slow", options={"node": "slow", "at_ns": 7, "factor": 2.0}))
    world.live_on()
    assert world.done == [(7, "slow", 2.0)]


def test_kinds_are_the_files() -> None:
    assert "slow" in faults.names()
    assert all(not name.startswith("_") for name in faults.names())


@pytest.mark.parametrize("kind", ["", "nosuch", "slow.Options", "..config", "os"])
def test_an_unknown_kind_is_refused(kind: str) -> None:
    with pytest.raises(KeyError):
        faults.schedule(Diary(), FaultSpec(label="x", kind=kind, options={}))


def test_an_unknown_option_is_refused() -> None:
    options = {"node": "slow", "at_ns": 0, "factor": 2.0, "depth": 1}
    with pytest.raises(TypeError, match="depth"):
        faults.schedule(Diary(), FaultSpec(label="x", kind="slow", options=options))
