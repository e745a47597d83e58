"""What all tests share: the seed, and the marks of tests that need real time, or more than a machine may have."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from harness.live import probes

DEFAULT_SEED = 20260101
ROOT = Path(__file__).resolve().parent.parent
LIVE = Path(__file__).parent / "live"

DEMANDED = "HARNESS_NEEDS"
"""Variable with the capabilities, comma between them, whose absence is a failure here and no reason to skip a test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=DEFAULT_SEED, help="from which tests draw all their chance")


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.getoption('seed')} (repeat with --seed)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # One forgotten mark would let a test with real sockets run beside others and fail by chance.
    for item in items:
        if item.path.is_relative_to(LIVE) and item.get_closest_marker("live") is None:
            item.add_marker("live")
        for name in needed(item):
            if name not in probes.names():
                raise pytest.UsageError(f"{item.nodeid} needs {name!r}; known are {', '.join(probes.names())}")


def needed(item: pytest.Item) -> list[str]:
    """The capabilities that the marks of a test name."""
    return [name for mark in item.iter_markers("needs") for name in mark.args]


def demanded() -> list[str]:
    """The capabilities that are demanded of this machine."""
    return [name for name in os.environ.get(DEMANDED, "").split(",") if name]


@functools.cache
def finding(name: str) -> probes.Finding:
    """How it stands with that capability; tried once a process."""
    return probes.ask(name)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name in needed(item):
        reason = finding(name).reason
        if reason is not None and name in demanded():
            pytest.fail(f"{DEMANDED} demands {name} of this machine: {reason}", pytrace=False)
        if reason is not None:
            pytest.skip(f"needs {name}: {reason}")


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """One more try for a test that runs on real sockets beside others; a warning says which had it.

    These tests wait for fixed times, and libzmq has races of its own; what is wrong fails twice.
    """
    if item.get_closest_marker("live") is None or item.get_closest_marker("alone") is not None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(report.failed for report in reports):
        item.warn(pytest.PytestWarning(f"tried again: {item.nodeid}"))
        item._initrequest()  # type: ignore[attr-defined]
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The seed of this test session, as printed in its header."""
    value = pytestconfig.getoption("seed")
    assert isinstance(value, int)
    return value
