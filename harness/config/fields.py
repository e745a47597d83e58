"""Tables of an experiment file read against the fields of an options class.

A key is the field's name without its unit: ``size_bytes`` is written ``size = "512B"``. The unit in
the name says how the text is read, the annotation the rest. What comes out is plain data, as
:func:`harness.run.decode` takes it; what is wrong is noted, never raised.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from harness.load import Arrivals, Service
from harness.node import STAMP_BYTES
from harness.problems import MISSING, Problems, did_you_mean, nearest
from harness.units import (
    MIB,
    NS_PER_S,
    Within,
    format_bandwidth,
    format_duration_ns,
    format_rate_per_s,
    format_size_bytes,
    parse_bandwidth_bytes_per_s,
    parse_duration_ns,
    parse_rate_per_s,
    parse_size_bytes,
)

DURATION_LIMIT_NS = 3600 * NS_PER_S
RATE_LIMIT_PER_S = 10e6
BANDWIDTH_LIMIT_BYTES_PER_S = 125_000_000_000
MESSAGE_LIMIT_BYTES = 64 * MIB
COUNT_LIMIT = 1_000_000
TEXT_LIMIT = 4096
NODE_LIMIT = 1000
SIGMA_LIMIT = 10.0

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?")
NAME_RULE = "a name has letters, digits and -, at most 64, such as slow-1"

INVALID: Any = object()
"""Stands for a value that was noted as a problem."""

_UNITS = ("_ns", "_bytes", "_bytes_per_s", "_per_s")
_EXAMPLES = {"_ns": '"1.5s"', "_bytes": '"512B"', "_bytes_per_s": '"10Mbit/s"', "_per_s": '"2k/s"'}


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name with unit, its type annotation, whether it must be given, and its range."""

    name: str
    hint: Any
    required: bool = True
    within: Within | None = None

    @property
    def unit(self) -> str:
        """``_ns``, ``_bytes``, ``_bytes_per_s``, ``_per_s``, or nothing."""
        return next((unit for unit in _UNITS if self.name.endswith(unit)), "")

    @property
    def key(self) -> str:
        """How the field is called in a file."""
        return self.name.removesuffix(self.unit)

    @property
    def names_groups(self) -> bool:
        """Whether its value is a table of group names and numbers of nodes."""
        return typing.get_args(self.hint) == (str, int)

    @property
    def names_nodes(self) -> bool:
        """Whether its value is a table of node names, each with a list of texts."""
        return typing.get_args(self.hint) == (str, tuple[str, ...])

    @property
    def example(self) -> str:
        """``key = value``, right at least in form."""
        if self.unit:
            return f"{self.key} = {_EXAMPLES[self.unit]}"
        if typing.get_origin(self.hint) is Literal:
            return f'{self.key} = "{typing.get_args(self.hint)[0]}"'
        examples = {
            bool: "true",
            int: "10",
            float: "2.5",
            Service: '{ constant = "1ms" }',
            Arrivals: '{ poisson = "100/s" }',
        }
        return self.key + " = " + examples.get(self.hint, '"name"')


def fields_of(cls: type[Any]) -> tuple[Field, ...]:
    """The fields of a frozen options class, units, ranges and defaults understood."""
    hints = typing.get_type_hints(cls, include_extras=True)
    found = []
    for item in dataclasses.fields(cls):
        hint, within = hints[item.name], None
        if typing.get_origin(hint) is Annotated:
            within = next((extra for extra in hint.__metadata__ if isinstance(extra, Within)), None)
            hint = hint.__origin__
        if typing.get_origin(hint) in (typing.Union, types.UnionType):
            hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        found.append(Field(item.name, hint, required, within))
    return tuple(found)


class Reader:
    """Reads values at a path of a document and notes what is wrong with them.

    Args:
        problems: where to note.
        until_ns: when a schedule of arrivals ends that does not say so itself.
    """

    def __init__(self, problems: Problems, until_ns: int) -> None:
        self.problems = problems
        self.until_ns = until_ns

    def wrong(self, path: Iterable[str], value: Any, message: str) -> Any:
        """Note a problem; gives :data:`INVALID`."""
        self.problems.add(path, value, message)
        return INVALID

    def table(self, value: Any, path: Sequence[str], example: str) -> dict[str, Any]:
        """The value when it is a table, else noted and empty."""
        if isinstance(value, dict):
            return value
        self.wrong(path, value, f"must be a table, such as {example}")
        return {}

    def fields(
        self,
        fields: Sequence[Field],
        table: Mapping[str, Any],
        path: Sequence[str],
        *,
        complete: bool = True,
        also: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Field name to plain value for every key that is right.

        Args:
            fields: those that the table may have.
            table: what the user wrote.
            path: of the table.
            complete: note required fields that are absent.
            also: keys that may stand in the table as well, for suggestions; the caller reads those.
        """
        by_key = {field.key: field for field in fields}
        plain: dict[str, Any] = {}
        meant: list[str] = []
        for key, value in table.items():
            field = by_key.get(key)
            if field is None:
                meant.append(self._unknown(fields, key, value, path, also))
                continue
            read = self.value(field, value, (*path, key))
            if read is not INVALID:
                plain[field.name] = read
        if complete:
            for field in fields:
                if field.required and field.key not in table and field.key not in meant:
                    self.wrong((*path, field.key), MISSING, f"is missing; write {field.example}")
        return plain

    def _unknown(self, fields: Sequence[Field], key: str, value: Any, path: Sequence[str], also: Sequence[str]) -> str:
        """Note it, and give the key that was probably meant."""
        for field in fields:
            if key == field.name:
                self.wrong((*path, key), value, f"the unit belongs to the value, not to the key: write {field.example}")
                return field.key
        known = [*(field.key for field in fields), *also]
        self.wrong((*path, key), value, f"unknown key; {did_you_mean(key, known)}")
        return nearest(key, known)

    def value(self, field: Field, value: Any, path: Sequence[str]) -> Any:
        """One value as plain data, or :data:`INVALID`."""
        hint = field.hint
        if field.unit:
            return self.quantity(field, value, path)
        if hint in (int, float):
            return self._number(field, value, path)
        if field.names_groups:
            return self.groups(value, path)
        if field.names_nodes:
            return self.lists(value, path)
        if typing.get_origin(hint) is Literal:
            return self.choice(value, typing.get_args(hint), path)
        if typing.get_origin(hint) is tuple:
            return self.texts(value, path, field.key)
        readers = {Service: self.service, Arrivals: self.arrivals, bool: self.flag, str: self.text}
        return readers.get(hint, self.anything)(value, path)

    def quantity(self, field: Field, value: Any, path: Sequence[str]) -> Any:
        """A duration in ns, a size in bytes or a rate per second, within limits."""
        parse, show, within = _quantity(field)
        try:
            read = parse(value)
        except ValueError as error:
            return self.wrong(path, value, str(error))
        if field.unit in ("_per_s", "_bytes_per_s") and not read:
            return self.wrong(path, value, f"is no rate; write more than 0, to {show(within.most)}")
        if not within.least <= read <= within.most:
            return self.wrong(path, value, f"is out of range; write {show(within.least)} to {show(within.most)}")
        return read

    def _number(self, field: Field, value: Any, path: Sequence[str]) -> Any:
        whole = field.hint is int
        bounds = field.within or (Within(1, COUNT_LIMIT) if whole else Within(0, math.inf))
        what = "a whole number" if whole else "a number"
        right = f"write {what} from {_digits(bounds.least)} to {_digits(bounds.most)}"
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            return self.wrong(path, value, f"is not {what}; {right}")
        if isinstance(value, float) and not math.isfinite(value):
            return self.wrong(path, value, f"is not finite; {right}")
        if not bounds.least <= value <= bounds.most:
            return self.wrong(path, value, f"is out of range; {right}")
        return value if whole else float(value)

    def flag(self, value: Any, path: Sequence[str]) -> Any:
        """True or false."""
        return value if isinstance(value, bool) else self.wrong(path, value, "must be true or false")

    def text(self, value: Any, path: Sequence[str], example: str = '"name"') -> Any:
        """A text that is not empty."""
        if isinstance(value, str) and 1 <= len(value) <= TEXT_LIMIT:
            return value
        return self.wrong(path, value, f"must be a text of 1 to {TEXT_LIMIT} characters, such as {example}")

    def anything(self, value: Any, path: Sequence[str]) -> Any:
        """Whatever can stand in a run as it is."""
        if _is_plain(value):
            return value
        message = "must be a text, a finite number of 64 bits, true or false, or a list or table of them"
        return self.wrong(path, value, message)

    def texts(self, value: Any, path: Sequence[str], example: str) -> Any:
        """A list of texts, none twice."""
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            return self.wrong(path, value, f'must be a list of texts, such as {example} = ["name"]')
        if len(dict.fromkeys(value)) != len(value):
            return self.wrong(path, value, "names one of them twice; once is right")
        return tuple(value)

    def choice(self, value: Any, known: Sequence[str], path: Sequence[str]) -> Any:
        """One of some words."""
        if isinstance(value, str) and value in known:
            return value
        word = value if isinstance(value, str) else ""
        return self.wrong(path, value, f"must be one of these words; {did_you_mean(word, known)}")

    def groups(self, value: Any, path: Sequence[str]) -> Any:
        """Group name to number of nodes."""
        if not isinstance(value, dict) or not value:
            return self.wrong(path, value, "must name one group or more, such as { fast = 1, slow = 2 }")
        before = len(self.problems)
        for name, count in value.items():
            if not NAME.fullmatch(name):
                self.wrong((*path, name), count, NAME_RULE)
            if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= NODE_LIMIT:
                self.wrong((*path, name), count, f"must be a whole number of nodes from 1 to {NODE_LIMIT}")
        return dict(value) if len(self.problems) == before else INVALID

    def lists(self, value: Any, path: Sequence[str]) -> Any:
        """Node name to texts."""
        if not isinstance(value, dict) or not value:
            return self.wrong(
                path, value, 'must name one node or more, such as { all = [""], few = ["news", "sport"] }'
            )
        before = len(self.problems)
        for name in value:
            if not NAME.fullmatch(name):
                self.wrong((*path, name), value[name], NAME_RULE)
        read = {name: self.texts(texts, (*path, name), name) for name, texts in value.items()}
        return read if len(self.problems) == before else INVALID

    def service(self, value: Any, path: Sequence[str]) -> Any:
        """How long work takes, as plain :class:`harness.load.Service`."""
        right = 'write { constant = "1ms" }, { exponential = "1ms" } or { lognormal = { mean = "1ms", sigma = 0.5 } }'
        kind = self._kind(value, ("constant", "exponential", "lognormal"), (), path, right)
        if kind is INVALID:
            return INVALID
        inner, where = value[kind], (*path, kind)
        if kind != "lognormal":
            mean = self.quantity(Field("mean_ns", int), inner, where)
            return INVALID if mean is INVALID else {"kind": kind, "mean_ns": mean, "sigma": 0.0}
        fields = (Field("mean_ns", int), Field("sigma", float, within=Within(0, SIGMA_LIMIT)))
        if not isinstance(inner, dict):
            return self.wrong(where, inner, 'must be a table, such as { mean = "1ms", sigma = 0.5 }')
        plain = self.fields(fields, inner, where)
        return {"kind": kind, **plain} if len(plain) == len(fields) else INVALID

    def arrivals(self, value: Any, path: Sequence[str]) -> Any:
        """When messages are due, as plain :class:`harness.load.Arrivals`."""
        right = 'write { constant = "1k/s" }, { poisson = "1k/s" } or { burst = { rate = "1k/s", size = 10 } }'
        within = Within(0, self.until_ns)  # no load is offered after the duration of the run
        extras = [Field(name, int, required=False, within=within) for name in ("phase_ns", "until_ns")]
        kind = self._kind(value, ("constant", "poisson", "burst"), [extra.key for extra in extras], path, right)
        if kind is INVALID:
            return INVALID
        plain = self.fields(extras, {key: item for key, item in value.items() if key != kind}, path)
        rate = Field("rate_per_s", float)
        inner, where = value[kind], (*path, kind)
        if kind == "burst":
            if not isinstance(inner, dict):
                return self.wrong(where, inner, 'must be a table, such as { rate = "1k/s", size = 10 }')
            read = self.fields((rate, Field("size", int)), inner, where)
            if len(read) < 2:
                return INVALID
            plain |= {"rate_per_s": read["rate_per_s"], "burst": read["size"]}
        else:
            plain["rate_per_s"] = self.quantity(rate, inner, where)
            if plain["rate_per_s"] is INVALID:
                return INVALID
        return {"kind": kind, "until_ns": self.until_ns, **plain}

    def _kind(self, value: Any, kinds: Sequence[str], extras: Sequence[str], path: Sequence[str], right: str) -> Any:
        if not isinstance(value, dict):
            return self.wrong(path, value, right)
        given = [key for key in value if key in kinds]
        for key in value:
            if key not in kinds and key not in extras:
                return self.wrong(
                    (*path, key), value[key], f"unknown key; {did_you_mean(key, (*kinds, *extras))}; {right}"
                )
        return given[0] if len(given) == 1 else self.wrong(path, value, f"must say exactly one kind: {right}")


def _digits(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (str, bool)) or (isinstance(value, int) and abs(value) < 2**63)


def _quantity(field: Field) -> tuple[Callable[[Any], float], Callable[[Any], str], Within]:
    """How a quantity is read and shown, and its range."""
    if field.unit == "_ns":
        return parse_duration_ns, format_duration_ns, field.within or Within(0, DURATION_LIMIT_NS)
    if field.unit == "_bytes":
        # A message carries the stamp that the ledger needs.
        least = STAMP_BYTES if field.name.endswith("size_bytes") else 0
        return parse_size_bytes, format_size_bytes, field.within or Within(least, MESSAGE_LIMIT_BYTES)
    if field.unit == "_bytes_per_s":
        return parse_bandwidth_bytes_per_s, format_bandwidth, field.within or Within(1, BANDWIDTH_LIMIT_BYTES_PER_S)
    return parse_rate_per_s, format_rate_per_s, field.within or Within(0, RATE_LIMIT_PER_S)
