"""What lies outside the twin's core says so: the real library takes it, the twin names it and refuses.

An option that was silently ignored would give a prediction that rests on nothing. When the twin learns one of these,
its row moves from here to a test of what it does.
"""

from __future__ import annotations

from typing import Any

import pytest

from .stage import SimStage, Stage

pytestmark = pytest.mark.timeout(30)

# (socket type, option, a value that would change what is lost or when)
OPTIONS = (("DEALER", "SOCKS_PROXY", b"127.0.0.1:1080"),)


def set_option(stage: Stage, kind: str, option: str, value: Any) -> None:
    stage.socket(getattr(stage.zmq, kind)).setsockopt(getattr(stage.zmq, option), value)


def check_refused(stage: Stage, named: str, body: Any, *args: Any) -> None:
    """Live it works; simulated it is refused and named."""
    if stage.world == "live":
        stage.play(body, *args)
        return
    from harness.twin import NotSimulatedYet

    with pytest.raises(NotSimulatedYet, match=f"(?i){named}.*not simulated yet"):
        stage.play(body, *args)


@pytest.mark.parametrize(
    ("kind", "option", "value"), OPTIONS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_option_outside_the_core(stage: Stage, kind: str, option: str, value: Any) -> None:
    """zmq_setsockopt(3)."""
    check_refused(stage, option, set_option, kind, option, value)


DEFAULTS = (("USE_FD", -1),)


@pytest.mark.parametrize(("option", "value"), DEFAULTS)
def test_the_default_of_such_an_option_is_welcome(stage: Stage, option: str, value: int) -> None:
    """A program that sets what holds anyway is predicted rightly."""
    stage.play(set_option, "PUSH", option, value)


def test_an_unknown_option_is_wrong_not_missing() -> None:
    """What libzmq itself does not know is EINVAL, not something to wait for."""

    def body(stage: Stage) -> str:
        return stage.attempt(stage.socket(stage.zmq.PUSH).setsockopt, 9999, 1)

    assert SimStage().play(body) == "EINVAL"
