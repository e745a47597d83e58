"""A pytest plugin: tests and fixtures that are coroutines run in an event loop of their test, and results go to a file.

It does what pyzmq's suite needs of pytest-asyncio in ``auto`` mode, and lets the world choose the loop.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

RESULTS = "PYZMQ_SUITE_RESULTS"
"""Environment variable: where the results go."""

LAST = "PYZMQ_SUITE_LAST"
"""Environment variable: tests that come last, as what they leave behind may disturb others; a list in JSON."""

LIBRARY: Any = asyncio
"""The asyncio whose loops are used; the simulated world puts its own here."""

_runners: dict[str, Any] = {}
_results: dict[str, dict[str, str]] = {}


def _run(nodeid: str, coroutine: Any) -> Any:
    if nodeid not in _runners:
        _runners[nodeid] = LIBRARY.Runner()
    return _runners[nodeid].run(coroutine)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    last = set(json.loads(os.environ.get(LAST, "[]")))
    items.sort(key=lambda item: item.nodeid in last)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    _run(pyfuncitem.nodeid, pyfuncitem.obj(**arguments))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Iterator[None]:
    function, nodeid = fixturedef.func, request.node.nodeid
    if inspect.isasyncgenfunction(function):
        fixturedef.func = _generator(function, nodeid)
    elif inspect.iscoroutinefunction(function):
        fixturedef.func = lambda **arguments: _run(nodeid, function(**arguments))
    try:
        return (yield)
    finally:
        fixturedef.func = function


def _generator(function: Callable[..., Any], nodeid: str) -> Callable[..., Any]:
    async def step(generator: Any) -> Any:
        return await anext(generator, None)

    def fixture(**arguments: Any) -> Iterator[Any]:
        generator = function(**arguments)
        yield _run(nodeid, step(generator))
        _run(nodeid, step(generator))

    return fixture


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    try:
        return (yield)
    finally:
        runner = _runners.pop(item.nodeid, None)
        if runner is not None and not runner.get_loop().is_closed():
            runner.close()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    result = _results.setdefault(report.nodeid, {"outcome": "passed", "why": ""})
    if report.outcome != "passed" and result["outcome"] == "passed":
        result.update(outcome=report.outcome, why=str(report.longrepr)[-2000:])


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.outcome != "passed":
        _results[report.nodeid] = {"outcome": report.outcome, "why": str(report.longrepr)[-2000:]}


def pytest_sessionfinish() -> None:
    if RESULTS in os.environ:
        Path(os.environ[RESULTS]).write_text(json.dumps(_results, indent=1))
