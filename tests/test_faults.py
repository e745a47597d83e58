from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness import faults
from harness.run import FaultSpec
from harness.shaper import Shape


class Diary:
    """A world that writes down what it is asked to do."""

    def __init__(self) -> None:
        self.due: list[tuple[int, Callable[[], None]]] = []
        self.done: list[tuple[Any, ...]] = []
        self.now = 0

    def at(self, time_ns: int, action: Callable[[], None]) -> None:
        self.due.append((time_ns, action))

    def __getattr__(self, verb: str) -> Callable[..., None]:
        return lambda *arguments: self.done.append((self.now, verb, *arguments))

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
    assert world.done == [(100, "slow", "slow", 4.0), (150, "slow", "slow", 1.0)]


def test_slow_without_end_lasts() -> None:
    world = Diary()
    faults.schedule(world, FaultSpec(label="x", kind="slow", options={"node": "slow", "at_ns": 7, "factor": 2.0}))
    world.live_on()
    assert world.done == [(7, "slow", "slow", 2.0)]


DELAYED = Shape(delay_ns=5)
LASTING = [
    ("pause", "node", {}, ("pause", "n"), ("resume", "n")),
    ("crash", "node", {}, ("kill", "n"), ("start", "n")),
    ("blackhole", "link", {}, ("blackhole", "n", "both"), ("unsilence", "n")),
    ("blackhole", "link", {"direction": "up"}, ("blackhole", "n", "up"), ("unsilence", "n")),
    ("link_down", "link", {}, ("link_down", "n"), ("link_up", "n")),
    ("refuse", "link", {}, ("refuse", "n"), ("accept", "n")),
    ("limit_data", "link", {"size_bytes": 9}, ("limit_data", "n", 9), ("limit_data", "n", 0)),
    ("slow_close", "link", {"delay_ns": 9}, ("slow_close", "n", 9), ("slow_close", "n", 0)),
    ("hold", "link", {"what": "handshake"}, ("hold", "n", "handshake"), ("let_go", "n")),
    ("impair", "link", {"delay_ns": 5}, ("impair", "n", DELAYED), ("heal", "n")),
]


@pytest.mark.parametrize(("kind", "whom", "options", "on", "off"), LASTING)
def test_what_lasts_begins_and_ends(kind: str, whom: str, options: Any, on: Any, off: Any) -> None:
    for lasts, expected in (({"lasts_ns": 50}, [(100, *on), (150, *off)]), ({}, [(100, *on)])):
        world = Diary()
        faults.schedule(world, FaultSpec(label="x", kind=kind, options={whom: "n", "at_ns": 100, **lasts, **options}))
        world.live_on()
        assert world.done == expected


@pytest.mark.parametrize(
    ("kind", "options", "verb"),
    [
        ("reset", {}, ("reset", "n", "anywhere")),
        ("reset", {"cut": "inside"}, ("reset", "n", "inside")),
        ("half_close", {}, ("half_close", "n", "down")),
    ],
)
def test_what_happens_at_once(kind: str, options: Any, verb: Any) -> None:
    world = Diary()
    faults.schedule(world, FaultSpec(label="x", kind=kind, options={"link": "n", "at_ns": 100, **options}))
    world.live_on()
    assert world.done == [(100, *verb)]


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
