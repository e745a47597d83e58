"""An experiment file as nested plain data: read within limits, overridden, merged. Nothing is judged here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.problems import ConfigError, Problem
from harness.units import MIB

FILE_LIMIT_BYTES = MIB
DEPTH_LIMIT = 24
"""Tables within tables; an experiment needs seven."""

# tomllib takes time quadratic in the parts of a dotted key: a megabyte of "a.a.a" would cost hours.
_DOTTED = re.compile(rb"""(?:[\w"'-]{1,200}[ \t]*\.[ \t]*){%d}""" % (2 * DEPTH_LIMIT))

_CHOICES = frozenset({"constant", "exponential", "lognormal", "poisson", "burst"})
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def read(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The document in the file, with ``dotted.key=value`` overrides on top.

    Raises ConfigError when there is nothing to read, it is not TOML, or it is absurdly large or deep.
    """
    document = _parse(path, _text(path))
    for override in overrides:
        document = merge(document, _override(override))
    if _too_deep(document):
        raise ConfigError(
            path, [Problem("", None, f"has tables or lists more than {DEPTH_LIMIT} deep; at most 7 make sense")]
        )
    return document


def _text(path: Path) -> str:
    def wrong(message: str) -> ConfigError:
        return ConfigError(path, [Problem("", None, message)])

    try:
        if path.is_dir():
            raise wrong("is a folder; name an experiment file, such as experiments/slow-subscriber.toml")
        if not path.exists():
            raise wrong("there is no such file; name an experiment file, such as experiments/slow-subscriber.toml")
        if not path.is_file():  # a pipe or a device could block, or never end
            raise wrong("is not a regular file; name an experiment file, such as experiments/slow-subscriber.toml")
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise wrong(f"cannot be read: {reason}; a readable experiment file was expected") from None
    if len(content) > FILE_LIMIT_BYTES:
        raise wrong("is larger than 1MiB; an experiment file has a few kilobytes")
    if b"\0" in content:
        raise wrong("is a binary file; an experiment is a text in TOML")
    if not content.strip():
        raise wrong('is empty; an experiment has at least duration = "5s" and [pattern] with kind = "pubsub"')
    if _DOTTED.search(content):
        raise wrong("has a dotted key of absurd depth; keys have up to seven parts, such as node.slow.options.rcvhwm")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise wrong(f"line {line} is not UTF-8; save the file as UTF-8, as TOML demands") from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        message = f"has tables or lists more than {DEPTH_LIMIT} deep; at most 7 make sense"
    except ValueError as error:
        # An integer of more digits than Python reads is no TOMLDecodeError, and its text is for programmers.
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "a number has thousands of digits"
        message = f'is not TOML: {reason}; a line is key = value, such as duration = "5s", or a [section]'
    raise ConfigError(path, [Problem("", None, message)])


def _override(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(_BARE_KEY.fullmatch(part) for part in parts) or len(parts) > DEPTH_LIMIT:
        wrong = "is no override; write a dotted key, = and a value, such as node.pub.options.sndhwm=10"
        raise ConfigError(
            "--set", [Problem(text[:200], None, wrong) if not equals else Problem(key[:200], value, wrong)]
        )
    try:
        parsed = {} if "\n" in value else tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        parsed = {}
    nested: Any = parsed.get("value", value.strip())  # what is not TOML is a text: rate=2k/s needs no quotes
    for part in reversed(parts):
        nested = {part: nested}
    return dict(nested)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``over`` on top, table by table; neither is changed.

    A table that says *which kind* it is (``kind = ...``, or ``{ exponential = ... }`` for a service)
    is replaced as a whole when the kind changes: options of the old kind make no sense for the new.
    """
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and not _changes_kind(old, value):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def _changes_kind(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    if "kind" in new:
        return "kind" in old and bool(old["kind"] != new["kind"])
    old_choice, new_choice = _CHOICES.intersection(old), _CHOICES.intersection(new)
    return bool(old_choice and new_choice and old_choice != new_choice)


def _too_deep(document: Mapping[str, Any]) -> bool:
    level: list[Any] = [document]
    for _ in range(DEPTH_LIMIT):
        level = [
            item
            for value in level
            for item in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
        ]
        if not level:
            return False
    return True
