"""docs/conformance.md says what the registry says."""

from __future__ import annotations

from .cases import CASES
from .page import AGREES, PAGE, TITLES, live_states, render
from .registry import rows


def test_the_page_is_up_to_date() -> None:
    """Every row, its words and the state of the simulation; ``make conformance`` writes the page anew."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == render(*live_states(page)), "docs/conformance.md is not up to date: make conformance"


def test_every_row_has_its_place() -> None:
    """An area without a title would be left out."""
    assert {row.area for row in rows()} == set(TITLES)
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"\n| {row.name} | " in page for row in rows())


def test_the_live_arm_was_played_wholly() -> None:
    """What has a body was played, and agreed."""
    states, _, _ = live_states(PAGE.read_text(encoding="utf-8"))
    assert states.keys() == CASES.keys()
    assert set(states.values()) == {AGREES}


def test_an_old_page_is_found_out() -> None:
    """The comparison bites."""
    page = PAGE.read_text(encoding="utf-8")
    states, libzmq, pyzmq = live_states(page)
    assert render(states | {"C001": "differs"}, libzmq, pyzmq) != page
