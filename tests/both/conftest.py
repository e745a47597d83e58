"""Every test that takes ``stage`` runs once a world; the live arm carries the mark ``live``."""

from __future__ import annotations

import pytest

from .stage import LiveStage, SimStage, Stage


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark here too, so that this folder runs on its own."""
    config.addinivalue_line("markers", "live: uses real sockets")


@pytest.fixture(params=[pytest.param("live", marks=pytest.mark.live), "sim"])
def stage(request: pytest.FixtureRequest) -> Stage:
    """The stage of one world."""
    return LiveStage() if request.param == "live" else SimStage()
