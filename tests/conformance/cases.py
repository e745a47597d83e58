"""The registry of the conformance cases and the comparison of what was expected with what was seen.

A case is one body with the outcome that the real library shows. Where its source (a test of libzmq or pyzmq, or an
RFC) claims something else, ``claimed`` keeps the claim. A case with ``later`` runs live; in the simulation the twin
has to refuse it and to name what it lacks, and the day it does not the mark must go. The docstring of a body is the
rest of its row: the scenario, "Sockets: ... over ...", "Source: ...", and remarks. Outcomes are compared literally, but
for these one-key dicts:

* ``{"$range": [low, high]}``: a number within, ends included;
* ``{"$in": [a, b, ...]}``: any one of them;
* ``{"$set": [a, b, ...]}``: the same elements in any order.

In the scenarios "nb-send" and "nb-recv" are non-blocking calls; the words fill, drain and settle are explained in
``tests/both/stage.py``.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Body = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """One scenario.

    Attributes:
        name: its stable number, e.g. ``C001``.
        expected: what the real library shows.
        claimed: what the source says, where that differs.
        later: what the twin does not simulate yet and this case needs; ``|`` between several.
        body: plays it on a stage and returns what it saw.
        clause: the words of an RFC that it plays, where it does.

    """

    name: str
    expected: Any
    claimed: Any
    later: str | None
    body: Body
    clause: str | None = None

    @property
    def area(self) -> str:
        """The file that it stands in, e.g. ``hwm``."""
        return self.body.__module__.rpartition(".")[2].removeprefix("cases_")

    @property
    def paragraphs(self) -> list[str]:
        """Its docstring."""
        return [" ".join(paragraph.split()) for paragraph in (inspect.getdoc(self.body) or "").split("\n\n")]

    @property
    def scenario(self) -> str:
        """What is done, in words."""
        return self.paragraphs[0]

    @property
    def sockets(self) -> str:
        """Who takes part, e.g. ``PUSH, PULL over tcp``."""
        return self._named("Sockets")

    @property
    def source(self) -> str:
        """Who says so."""
        return self.clause or self._named("Source")

    @property
    def remarks(self) -> str:
        """What else there is to say."""
        return " ".join(text for text in self.paragraphs[1:] if not re.match("(Sockets|Source): ", text))

    def _named(self, name: str) -> str:
        (found,) = (text for text in self.paragraphs if text.startswith(f"{name}: "))
        return found.removeprefix(f"{name}: ").removesuffix(".")


CASES: dict[str, Case] = {}


def case(name: str, expected: Any, *, claimed: Any = None, later: str | None = None) -> Callable[[Body], Body]:
    """Register the decorated body under that name."""

    def register(body: Body) -> Body:
        assert name not in CASES, f"two cases are called {name}"
        CASES[name] = Case(name, expected, claimed, later, body)
        return body

    return register


@dataclass(frozen=True)
class Unplayed:
    """A row that cannot be played here.

    Attributes:
        name, area: its number, and the file that it stands in.
        reason: why not.
        sockets, scenario, source: as of a case.
        claimed: what the source says.

    """

    name: str
    area: str
    reason: str
    sockets: str
    scenario: str
    source: str
    claimed: Any


UNPLAYED: dict[str, Unplayed] = {}


def unplayed(name: str, area: str, reason: str, *, sockets: str, scenario: str, source: str, claimed: Any) -> None:
    """Register a row without a body."""
    assert name not in CASES, f"{name} has a body"
    UNPLAYED[name] = Unplayed(name, area, reason, sockets, scenario, source, claimed)


def clause(
    name: str, words: str, expected: Any, *, claimed: Any = None, later: str | None = None
) -> Callable[[Body], Body]:
    """Register the decorated body as the test of one clause of an RFC, e.g. ``RFC28-REQ-01``."""

    def register(body: Body) -> Body:
        assert name not in CASES, f"two clauses are called {name}"
        number, socket, _ = name.removeprefix("RFC").split("-")
        CASES[name] = Case(name, expected, claimed, later, body, f"RFC {number}, {socket}: '{words}'")
        return body

    return register


def matches(want: Any, got: Any) -> bool:
    """Whether an outcome is as expected."""
    if isinstance(want, dict) and len(want) == 1:
        ((key, value),) = want.items()
        if key == "$range":
            return isinstance(got, int | float) and value[0] <= got <= value[1]
        if key == "$in":
            return any(matches(one, got) for one in value)
        if key == "$set":
            return isinstance(got, list) and sorted(map(json.dumps, got)) == sorted(map(json.dumps, value))
    if isinstance(want, dict):
        return isinstance(got, dict) and want.keys() == got.keys() and all(matches(want[k], got[k]) for k in want)
    if isinstance(want, list | tuple):
        return isinstance(got, list | tuple) and len(want) == len(got) and all(map(matches, want, got))
    return bool(want == got)
