from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0s", 0),
        ("1ns", 1),
        ("250us", 250_000),
        ("250µs", 250_000),
        ("1.5s", 1_500_000_000),
        (" 10 ms ", 10_000_000),
        ("2min", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        ("0.1s", 100_000_000),  # exact, though no binary fraction
        ("0.000000001s", 1),
    ],
)
def test_durations(text: str, expected: int) -> None:
    assert units.parse_duration_ns(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("512B", 512), ("8KiB", 8192), ("8kB", 8000), ("1.5KiB", 1536), ("2MiB", 2 * 1024**2), ("1GB", 10**9)],
)
def test_sizes(text: str, expected: int) -> None:
    assert units.parse_size_bytes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("500/s", 500.0), ("2k/s", 2000.0), ("1.5M/s", 1.5e6), ("30/min", 0.5), ("37.5/s", 37.5)]
)
def test_rates(text: str, expected: float) -> None:
    assert units.parse_rate_per_s(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("8bit/s", 1), ("64kbit/s", 8000), ("100Mbit/s", 12_500_000), ("1Gbit/s", 125_000_000), ("1.5kB/s", 1500)],
)
def test_bandwidths(text: str, expected: int) -> None:
    assert units.parse_bandwidth_bytes_per_s(text) == expected


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (units.parse_bandwidth_bytes_per_s, "10Mbit", ["'Mbit'", '"100Mbit/s"']),
        (units.parse_bandwidth_bytes_per_s, "1bit/s", ["less than a byte a second"]),
        (units.parse_duration_ns, "10", ["no unit", '"10ms"']),
        (units.parse_duration_ns, 10, ["text with its unit", '"250us"']),
        (units.parse_duration_ns, True, ["text with its unit"]),
        (units.parse_duration_ns, None, ["text with its unit"]),
        (units.parse_duration_ns, "10 parsecs", ["'parsecs'", "ns, us, ms, s, min, h"]),
        (units.parse_duration_ns, "10 MS", ["did you mean 'ms'?"]),
        (units.parse_duration_ns, "-1s", ["negative", "0 or more"]),
        (units.parse_duration_ns, "0.5ns", ["finer than 1ns"]),
        (units.parse_duration_ns, "", ["is no duration", '"1.5s"']),
        (units.parse_duration_ns, "1e3ms", ["is no duration"]),
        (units.parse_duration_ns, "nan", ["is no duration"]),
        (units.parse_duration_ns, "٣s", ["is no duration"]),
        (units.parse_duration_ns, "9" * 100_000 + "s", ["is no duration"]),
        (units.parse_size_bytes, "8kb", ["did you mean 'kB'?", "KiB"]),
        (units.parse_size_bytes, "0.5B", ["whole number of bytes"]),
        (units.parse_size_bytes, "8ms", ["'ms'", "no unit of a size"]),
        (units.parse_rate_per_s, "2k", ["'k'", '"2k/s"']),
        (units.parse_rate_per_s, "2s", ["no unit of a rate"]),
        (units.parse_rate_per_s, 2000, ["a rate is a text with its unit"]),
    ],
)
def test_what_is_refused_says_what_is_right(parse, text, words) -> None:  # type: ignore[no-untyped-def]
    for word in words:
        with pytest.raises(ValueError, match=re.escape(word)):
            parse(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0s"), (1, "1ns"), (1500, "1.5us"), (1_500_000_000, "1.5s"), (90 * 10**9, "90s"), (-1_000_000, "-1ms")],
)
def test_durations_are_written_short(value: int, text: str) -> None:
    assert units.format_duration_ns(value) == text


@given(st.integers(0, 10**18))
def test_durations_round_trip(value: int) -> None:
    assert units.parse_duration_ns(units.format_duration_ns(value)) == value


@given(st.integers(0, 10**15))
def test_sizes_round_trip(value: int) -> None:
    assert units.parse_size_bytes(units.format_size_bytes(value)) == value


@given(st.integers(1, 999_999))
def test_rates_round_trip(value: int) -> None:
    assert units.parse_rate_per_s(units.format_rate_per_s(value)) == value


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (units.parse_duration_ns, units.parse_size_bytes, units.parse_rate_per_s):
        with contextlib.suppress(ValueError):  # and nothing else
            assert parse(text) >= 0
