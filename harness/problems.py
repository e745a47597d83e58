"""What is wrong with a user's input, said once, all of it, with what would have been right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_SHOWN = 60
MISSING = object()
"""The value of a problem whose key is absent."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        key: dotted path in the file, ``""`` for the file as a whole.
        value: what stands there; :data:`MISSING` when nothing does.
        message: why that is wrong and what would have been right.
    """

    key: str
    value: Any
    message: str

    def __str__(self) -> str:
        if not self.key:
            return self.message
        if self.value is MISSING:
            return f"{self.key}: {self.message}"
        return f"{self.key} = {show(self.value)}: {self.message}"


class ConfigError(Exception):
    """The user's input is wrong (exit status 2).

    Attributes:
        path: the file, as the user named it.
        problems: all that was found, in the order of the file's sections.
    """

    def __init__(self, path: object, problems: Iterable[Problem]) -> None:
        self.path = str(path)
        self.problems = tuple(problems)
        super().__init__(self.path, self.problems)

    def __str__(self) -> str:
        return "\n".join(f"{self.path}: {problem}" for problem in self.problems)


class Problems:
    """Collects problems while a document is read; equal ones are kept once."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, path: Iterable[str], value: Any, message: str) -> None:
        """Note that the value at ``path`` is wrong."""
        problem = Problem(".".join(path), value, message)
        if all((old.key, old.message) != (problem.key, problem.message) for old in self._found):
            self._found.append(problem)

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Any:
        return iter(self._found)


def show(value: Any) -> str:
    """A value on one short line, as TOML writes it where that matters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        keys = list(value)
        inner = ", ".join(str(key) for key in keys[:4])
        return f"{{{inner}{', ...' if len(keys) > 4 else ''}}}"
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, str):
        text = '"' + value[: _SHOWN + 1].encode("unicode_escape").decode("ascii") + '"'
    elif isinstance(value, list):
        text = "[" + ", ".join(show(item) for item in value[:8]) + (", ...]" if len(value) > 8 else "]")
    else:
        text = str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def nearest(word: str, known: Sequence[str]) -> str:
    """The known word that was probably meant, or an empty text."""
    return next(iter(difflib.get_close_matches(word[:100], known, n=1, cutoff=0.6)), "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean "slow"? Known: fast, slow``; at most 20 known ones are listed."""
    names = list(known)
    near = nearest(word, names)
    hint = f'did you mean "{near}"? ' if near else ""
    if not names:
        return "there is none to choose from"
    listed = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"{hint}Known here: {listed}"
