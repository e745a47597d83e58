"""What all tests share: the seed, and the mark of tests that need real time."""

from __future__ import annotations

from pathlib import Path

import pytest

DEFAULT_SEED = 20260101
LIVE = Path(__file__).parent / "live"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=DEFAULT_SEED, help="from which tests draw all their chance")


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.getoption('seed')} (repeat with --seed)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # One forgotten mark would let a test with real sockets run beside others and fail by chance.
    for item in items:
        if item.path.is_relative_to(LIVE) and item.get_closest_marker("live") is None:
            item.add_marker("live")


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The seed of this test session, as printed in its header."""
    value = pytestconfig.getoption("seed")
    assert isinstance(value, int)
    return value
