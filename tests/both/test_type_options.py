"""Which socket type takes which of the options that belong to types, and which of them can be read."""

from __future__ import annotations

from typing import Any

import pytest

from .stage import Stage

pytestmark = pytest.mark.timeout(30)

ERRORS = (
    ("ROUTER", "ROUTER_HANDOVER", -1, "EINVAL"),
    ("ROUTER", "ROUTER_HANDOVER", 2, "ok"),
    ("ROUTER", "PROBE_ROUTER", -1, "EINVAL"),
    ("DEALER", "ROUTER_HANDOVER", 1, "EINVAL"),
    ("DEALER", "CONNECT_ROUTING_ID", b"name", "EINVAL"),
    ("DEALER", "PROBE_ROUTER", 1, "ok"),
    ("REQ", "PROBE_ROUTER", 1, "ok"),
    ("REP", "ROUTER_HANDOVER", 1, "ok"),
    ("REP", "ROUTER_MANDATORY", 1, "ok"),
    ("REP", "PROBE_ROUTER", 1, "ok"),
    ("PUSH", "PROBE_ROUTER", 1, "EINVAL"),
    ("PAIR", "REQ_RELAXED", 1, "EINVAL"),
    ("ROUTER", "ROUTER_NOTIFY", 1, "EINVAL"),
    ("XSUB", 115, 1, "EINVAL"),
    ("XPUB", "SUBSCRIBE", b"A", "EINVAL"),
    ("SUB", "ONLY_FIRST_SUBSCRIBE", 1, "EINVAL"),
    ("XSUB", "ONLY_FIRST_SUBSCRIBE", 1, "ok"),
    ("PUB", "XPUB_MANUAL", 1, "ok"),
    ("PUB", "XPUB_WELCOME_MSG", b"W", "ok"),
    ("SUB", "XPUB_VERBOSE", 1, "EINVAL"),
    ("PULL", "INVERT_MATCHING", 1, "ok"),
)


def set_it(stage: Stage, kind: str, option: str | int, value: Any) -> str:
    number = getattr(stage.zmq, option) if isinstance(option, str) else option
    return stage.attempt(stage.socket(getattr(stage.zmq, kind)).setsockopt, number, value)


@pytest.mark.parametrize(("kind", "option", "value", "expected"), ERRORS)
def test_which_type_takes_which_option(stage: Stage, kind: str, option: str | int, value: Any, expected: str) -> None:
    """A type takes what its ancestors take: REQ what DEALER, REP what ROUTER, PUB what XPUB; drafts are unknown."""
    assert stage.play(set_it, kind, option, value) == expected


def read_it(stage: Stage, kind: str, option: str) -> str:
    return stage.attempt(stage.socket(getattr(stage.zmq, kind)).getsockopt, getattr(stage.zmq, option))


@pytest.mark.parametrize(
    ("kind", "option", "expected"),
    [
        ("ROUTER", "ROUTER_HANDOVER", "EINVAL"),
        ("ROUTER", "CONNECT_ROUTING_ID", "EINVAL"),
        ("DEALER", "PROBE_ROUTER", "EINVAL"),
        ("XPUB", "XPUB_MANUAL", "EINVAL"),
        ("XPUB", "XPUB_WELCOME_MSG", "EINVAL"),
        ("XPUB", "INVERT_MATCHING", "ok"),
        ("XPUB", "TOPICS_COUNT", "ok"),
        ("PULL", "TOPICS_COUNT", "EINVAL"),
    ],
)
def test_options_of_a_type_cannot_be_read(stage: Stage, kind: str, option: str, expected: str) -> None:
    """Only what all types share, and TOPICS_COUNT, can be read."""
    assert stage.play(read_it, kind, option) == expected
