"""Profiles: the shipped one, what is refused and how, and that draws follow what was measured."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from harness.twin import Twin
from harness.twin.costs import Costs
from harness.twin.profile import PROFILES, Cost, Draws, Profile, ProfileError, from_plain, load


def plain() -> dict[str, Any]:
    """The default profile as plain data."""
    return {"name": "default", **tomllib.loads((PROFILES / "default.toml").read_text())}


def test_the_default_is_shipped_and_names_its_source() -> None:
    profile = load()
    assert profile.name == "default"
    assert "libzmq 4.3.5" in profile.source
    assert profile == load("default") == load(PROFILES / "default.toml")


def test_a_profile_may_be_a_file_of_the_users(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    content = plain()
    del content["name"]
    path.write_text(tomli_w.dumps({**content, "poll_ns": 7}))
    profile = load(path)
    assert (profile.name, profile.poll_ns) == ("mine", 7)
    twin = Twin(profile=str(path))
    assert twin.costs.poll_ns == 7


@pytest.mark.parametrize("field", dataclasses.fields(Profile), ids=lambda field: field.name)
def test_a_missing_key_is_named(field: dataclasses.Field[Any]) -> None:
    content = plain()
    del content[field.name]
    with pytest.raises(ProfileError, match=rf"{field.name}: missing"):
        from_plain(content)


WRONG: dict[str, tuple[Any, ...]] = {
    "str": (1, None, ["a"]),
    "int": (-1, 1.5, "1", True, None, [1]),
    "Cost": (5, {}, {"per_byte_ns": 1.0}, {"base_ns": -1}, {"base_ns": 1, "more": 2}, {"base_ns": "1"}, [1, 2],
             {"base_ns": 1, "per_byte_ns": float("nan")}),
    "tuple[int, ...]": ([], [1], 5, "12", [2, 1], [-1, 2], [1, "2"], [1, float("inf")], [True, 2], None),
    "tuple[tuple[int, int], ...]": ([], 5, [[1]], [[1, 2, 3]], [[2, 1], [1, 1]], [["a", 1]], [1, 2], [[1, -2]]),
}  # fmt: skip


@pytest.mark.parametrize("field", dataclasses.fields(Profile), ids=lambda field: field.name)
def test_a_wrong_value_is_named_and_what_would_have_been_right(field: dataclasses.Field[Any]) -> None:
    for value in WRONG[str(field.type)]:
        with pytest.raises(ProfileError, match=rf"{field.name}: must be ") as caught:
            from_plain({**plain(), field.name: value})
        others = [other.name for other in dataclasses.fields(Profile) if f"{other.name}: " in str(caught.value)]
        assert others == [field.name]


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(ProfileError, match="app_wake: unknown"):
        from_plain({**plain(), "app_wake": [1, 2]})


def test_all_problems_are_told_at_once() -> None:
    content = {**plain(), "poll_ns": -1, "send": 5, "nonsense": 1}
    del content["source"]
    with pytest.raises(ProfileError) as caught:
        from_plain(content, "mine.toml")
    text = str(caught.value)
    assert text.startswith("mine.toml: ")
    assert all(f"{key}: " in text for key in ("poll_ns", "send", "nonsense", "source"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"app_wake_ns = [1, 2", "not a TOML file"),
        (b"\xff\xfe\x00", "not a TOML file"),
        (b"", "app_wake_ns: missing"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(ProfileError, match=rf"broken\.toml.*{said}"):
        load(path)


@pytest.mark.parametrize("name", ["nonsense", "no/such/file.toml", ".."])
def test_a_profile_that_is_not_there_is_named_with_those_that_are(name: str) -> None:
    with pytest.raises(ProfileError, match=rf"{name}.*shipped profiles: .*default"):
        load(name)


def test_a_folder_is_no_profile(tmp_path: Path) -> None:
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    with pytest.raises(ProfileError, match="folder"):
        load(folder)


def test_the_units_of_the_shipped_profile_are_plausible() -> None:
    """A figure in microseconds among nanoseconds would make a prediction wrong by a thousand."""
    profile = load()
    for name in ("app_wake_ns", "io_wake_ns", "engine_wake_ns", "sleep_late_ns"):
        values = getattr(profile, name)
        assert 1_000 < values[len(values) // 2] < 1_000_000, name
    for cost in (profile.send, profile.recv, profile.encode, profile.decode, profile.tcp_write, profile.tcp_read):
        assert 10 < cost.base_ns < 50_000
        assert cost.per_byte_ns < 5
    assert 100_000 < profile.command_window_ns < 10_000_000


# -- draws and prices -----------------------------------------------------------------------------


def test_draws_follow_the_quantiles() -> None:
    quantiles = [100, 200, 400, 1000, 5000]
    draws = Draws(quantiles, np.random.default_rng(1))
    values = [draws.next() for _ in range(40_000)]
    assert all(isinstance(value, int) for value in values[:10])
    assert min(values) >= 100
    assert max(values) <= 5000
    # Between the first and the last, so that quantile i of 5 is at i / 4.
    for position, quantile in enumerate(quantiles[1:-1], 1):
        assert np.quantile(values, position / 4) == pytest.approx(quantile, rel=0.05)
    assert np.quantile(values, 0.875) == pytest.approx(3000, rel=0.1), "linear between two of them"


def test_what_does_not_vary_is_drawn_as_it_is() -> None:
    draws = Draws([77, 77], np.random.default_rng(1))
    assert {draws.next() for _ in range(5000)} == {77}


def drawn(seed: int, name: str = "app_wake", count: int = 5000) -> list[int]:
    costs = Costs(None, seed)
    return [getattr(costs, name)() for _ in range(count)]


def test_draws_depend_on_the_seed_and_their_kind_only() -> None:
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    mixed = Costs(None, 1)
    values = []
    for _ in range(5000):
        mixed.io_wake()
        values.append(mixed.app_wake())
        mixed.sleep_late()
    assert values == drawn(1)


def test_kinds_of_delay_have_streams_of_their_own() -> None:
    """The same numbers behind two kinds would make them rise and fall together."""
    app = np.argsort(np.argsort(drawn(1, "app_wake")))
    io = np.argsort(np.argsort(drawn(1, "io_wake")))
    assert abs(np.corrcoef(app, io)[0, 1]) < 0.1


def test_a_price_grows_with_the_bytes() -> None:
    cost = Cost(100, 0.5)
    assert [cost.at(size) for size in (0, 1, 2, 1000)] == [100, 100, 101, 600]
    profile = load()
    costs = Costs(None, 1)
    for size in (0, 100, 8192):
        assert costs.send(size) == profile.send.at(size)
        assert costs.streams["tcp"].write(size) == profile.tcp_write.at(size)
