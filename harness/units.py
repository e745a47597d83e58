"""Quantities as users write them: ``"250us"``, ``"64KiB"``, ``"2k/s"`` to integers and back.

Inside the harness time is an integer of nanoseconds, size of bytes, and a rate is a float a second.
Outside each quantity has its unit. Reading is exact (no binary fractions): what is finer than a
nanosecond or a byte is refused, not rounded. Every ValueError says what would have been right.
What is only for people, ``readable_ns`` and ``readable_percent``, is rounded.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
KIB = 1024
MIB = 1024 * 1024

_DURATIONS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "min": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
}
_SIZES = {"B": 1, "kB": 1000, "KiB": KIB, "MB": 1_000_000, "MiB": MIB, "GB": 10**9, "GiB": 1024 * MIB}
_BANDWIDTHS = {
    "bit/s": Fraction(1, 8),
    "kbit/s": Fraction(125),
    "Mbit/s": Fraction(125_000),
    "Gbit/s": Fraction(125_000_000),
    "B/s": Fraction(1),
    "kB/s": Fraction(1000),
    "MB/s": Fraction(10**6),
}
_RATES = {"/s": Fraction(1), "k/s": Fraction(1000), "M/s": Fraction(10**6), "/min": Fraction(1, 60)}

# Thirty digits hold every quantity that makes sense, and keep a number of a million digits from
# costing seconds.
_QUANTITY = re.compile(r"\s*([+-]?)([0-9]{1,30})(?:\.([0-9]{1,30}))?\s*([^\s0-9.+-][^\s0-9]{0,9})?\s*")


@dataclass(frozen=True, slots=True)
class Within:
    """Least and most that a number may be, both allowed; for ``Annotated[float, Within(1, 10)]``."""

    least: float
    most: float


def parse_duration_ns(text: object) -> int:
    """``"250us"``, ``"1.5s"``, ``"2min"`` in ns. Raises ValueError."""
    value = _parse(text, _DURATIONS, "duration", '"250us", "10ms" or "1.5s"')
    if value.denominator != 1:
        raise ValueError("is finer than 1ns: write a whole number of nanoseconds")
    return int(value)


def parse_size_bytes(text: object) -> int:
    """``"512B"``, ``"8KiB"``, ``"1MB"`` in bytes; kB is 1000, KiB 1024. Raises ValueError."""
    value = _parse(text, _SIZES, "size", '"512B", "8KiB" or "1MB"')
    if value.denominator != 1:
        raise ValueError("is not a whole number of bytes")
    return int(value)


def parse_rate_per_s(text: object) -> float:
    """``"500/s"``, ``"2k/s"``, ``"1.5M/s"`` a second. Raises ValueError."""
    return float(_parse(text, _RATES, "rate", '"500/s" or "2k/s"'))


def parse_bandwidth_bytes_per_s(text: object) -> int:
    """``"100Mbit/s"``, ``"64kbit/s"``, ``"2MB/s"`` in bytes a second, more than nothing. Raises ValueError."""
    value = _parse(text, _BANDWIDTHS, "bandwidth", '"100Mbit/s" or "2MB/s"')
    if value < 1:
        raise ValueError("is less than a byte a second")
    return int(value)


def _parse(text: object, units: Mapping[str, int] | Mapping[str, Fraction], what: str, examples: str) -> Fraction:
    if not isinstance(text, str):
        # One class of error for all that a user may write, whatever its type.
        raise ValueError(f"a {what} is a text with its unit, such as {examples}")  # noqa: TRY004
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"is no {what}: write a number and its unit, such as {examples}")
    sign, whole, fraction, unit = match.groups()
    if unit is None:
        raise ValueError(f"has no unit: a {what} is written such as {examples}")
    if unit not in units:
        raise ValueError(f"has the unit {unit!r}, which is no unit of a {what}{_suggest(unit, units, examples)}")
    if sign == "-":
        raise ValueError(f"is negative: a {what} is 0 or more, such as {examples}")
    digits = fraction or ""
    return Fraction(int(whole + digits), 10 ** len(digits)) * units[unit]


def _suggest(unit: str, units: Mapping[str, object], examples: str) -> str:
    known = ", ".join(name for name in units if name != "µs")
    folded = {name.casefold(): name for name in units}
    near = difflib.get_close_matches(unit.casefold(), list(folded), n=1, cutoff=0.5)
    hint = f"; did you mean {folded[near[0]]!r}?" if near else "."
    return f"{hint} Units are {known}; write it such as {examples}"


def format_duration_ns(duration_ns: int) -> str:
    """The shortest exact text that :func:`parse_duration_ns` reads back, e.g. ``"1.5s"``."""
    if duration_ns < 0:
        return "-" + format_duration_ns(-duration_ns)
    for unit in ("h", "min"):
        if duration_ns and duration_ns % _DURATIONS[unit] == 0:
            return f"{duration_ns // _DURATIONS[unit]}{unit}"
    for unit in ("s", "ms", "us"):
        if duration_ns >= _DURATIONS[unit]:
            return _decimal(duration_ns, _DURATIONS[unit]) + unit
    return f"{duration_ns}ns" if duration_ns else "0s"


def format_size_bytes(size_bytes: int) -> str:
    """The shortest exact text that :func:`parse_size_bytes` reads back, e.g. ``"8KiB"``."""
    for unit in ("GiB", "MiB", "KiB"):
        if size_bytes and size_bytes % _SIZES[unit] == 0:
            return f"{size_bytes // _SIZES[unit]}{unit}"
    return f"{size_bytes}B"


def format_rate_per_s(rate_per_s: float) -> str:
    """A short text, six significant digits, e.g. ``"2k/s"``."""
    for unit, scale in (("M/s", 1e6), ("k/s", 1e3)):
        if rate_per_s >= scale:
            return f"{rate_per_s / scale:.6g}{unit}"
    return f"{rate_per_s:.6g}/s"


def format_bandwidth(bytes_per_s: float) -> str:
    """A text in bits a second, six significant digits, e.g. ``"100Mbit/s"``."""
    bits = 8 * bytes_per_s
    for unit, scale in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if bits >= scale:
            return f"{bits / scale:.6g}{unit}"
    return f"{bits:.6g}bit/s"


def readable_ns(duration_ns: float) -> str:
    """Three significant digits and the fitting unit, for people: ``"412 ms"``."""
    if duration_ns == 0:
        return "0 s"
    for scale, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if abs(duration_ns) >= 0.9995 * scale:
            return f"{float(f'{duration_ns / scale:.3g}'):g} {unit}"
    return f"{duration_ns:.0f} ns"


def readable_percent(points: float) -> str:
    """One decimal, for people: ``"41.2 %"``; two significant digits of what is small, and never 0 for what is not."""
    if points == 0 or points >= 0.1:
        return f"{points:.1f} %" if points else "0 %"
    return f"{points:.2g} %"


def _decimal(value: int, scale: int) -> str:
    whole, rest = divmod(value, scale)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).zfill(len(str(scale)) - 1).rstrip('0')}"
