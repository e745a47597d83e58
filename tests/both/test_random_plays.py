"""Random plays have the same outcome in both worlds, step by step."""

from __future__ import annotations

import pytest

from .plays import draw, perform
from .stage import LiveStage, SimStage

ATTEMPTS = 3
"""A live play is disturbed now and then by a machine that does something else for a while."""


@pytest.mark.live
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("transport", "seed"), [*(("inproc", seed) for seed in range(12)), *(("tcp", seed) for seed in range(6))]
)
def test_a_play(transport: str, seed: int) -> None:
    """What each call gave, and EVENTS after it."""
    simulated = SimStage().play(perform, seed, transport)
    for _ in range(ATTEMPTS):
        live = LiveStage().play(perform, seed, transport)
        if live == simulated:
            return
    steps = draw(seed, transport)
    first = next(number for number, (one, other) in enumerate(zip(live, simulated, strict=True)) if one != other)
    told = "\n".join(f"{step} {gave}" for step, gave in zip(steps[:first], live, strict=False))
    pytest.fail(f"{told}\n{steps[first]}\nlive      {live[first]}\nsimulated {simulated[first]}")


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
def test_plays_are_not_empty(transport: str) -> None:
    """Messages arrive, calls fail for many reasons, and a simulated play is the same when it is played again."""
    outcomes = [SimStage().play(perform, seed, transport) for seed in range(40)]
    assert SimStage().play(perform, 7, transport) == outcomes[7]
    gave = [step[0] for outcome in outcomes for step in outcome if step is not None]
    assert sum(isinstance(given, list) for given in gave) > 60
    assert {"ok", "EAGAIN", "EFSM", "EHOSTUNREACH", "ENOTSUP", "ENOENT", "EINVAL"} <= {
        g for g in gave if isinstance(g, str)
    }
