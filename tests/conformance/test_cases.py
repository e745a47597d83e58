"""Every conformance case and every clause of the RFCs, in both worlds: ``test_case[C001-sim]``."""

from __future__ import annotations

import pytest

from harness.twin import NotSimulatedYet
from tests.both.stage import LiveStage, SimStage, Stage

from .cases import CASES, UNPLAYED, matches
from .registry import AREAS

CLAUSES = {
    "RFC28-REQ": 10,
    "RFC28-REP": 14,
    "RFC28-DEALER": 13,
    "RFC28-ROUTER": 14,
    "RFC29-PUB": 14,
    "RFC29-XPUB": 17,
    "RFC29-SUB": 11,
    "RFC29-XSUB": 17,
    "RFC30-PUSH": 11,
    "RFC30-PULL": 8,
    "RFC31-PAIR": 12,
}
"""How many clauses an RFC has for a socket type."""


@pytest.fixture
def case_stage(world: str) -> Stage:
    """The stage of that world."""
    return LiveStage() if world == "live" else SimStage()


WORLDS = (pytest.param("live", marks=pytest.mark.live), pytest.param("sim"))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("name", sorted(CASES))
def test_case(name: str, world: str, case_stage: Stage) -> None:
    """What the body saw is what the real library shows."""
    case = CASES[name]
    if world == "sim" and case.later is not None:
        with pytest.raises(NotSimulatedYet, match=f"({case.later}) is not simulated yet"):
            case_stage.play(case.body)
        return
    got = case_stage.play(case.body)
    assert matches(case.expected, got), f"{case.body.__doc__}\nexpected {case.expected}\ngot      {got}"


@pytest.mark.parametrize(
    ("want", "got"),
    [
        (1, 2),
        ([1], [1, 2]),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"$range": [1, 3]}, 4),
        ({"$in": [1, 2]}, 3),
        ({"$set": [1]}, [2]),
    ],
)
def test_comparison_bites(want: object, got: object) -> None:
    """A comparison that lets everything pass would make every case above worthless."""
    assert not matches(want, got)


def test_every_area_has_its_cases() -> None:
    """Each file adds to the one registry."""
    assert all(any(case.body.__module__ == area.__name__ for case in CASES.values()) for area in AREAS)
    assert len([name for name in (*CASES, *UNPLAYED) if name[:3] != "RFC"]) >= 212


def test_no_clause_is_left_out() -> None:
    """Clauses are numbered in the order of the text."""
    wanted = [f"{group}-{number:02}" for group, count in CLAUSES.items() for number in range(1, count + 1)]
    assert sorted(wanted) == sorted(name for name in CASES if name.startswith("RFC"))


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_case_says_who_and_whence(name: str) -> None:
    """Its docstring is its row in the table."""
    case = CASES[name]
    assert case.scenario
    assert case.sockets
    assert case.source
