"""Whatever happens to a link: every message sent has arrived once, is lost with a cause, or is under way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .test_links import Play
from .witness import MS, SECOND


class Dice:
    """Choices that a seed makes."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def pick(self, *choices: Any) -> Any:
        return choices[int(self._rng.integers(len(choices)))]

    def ms(self, most: int) -> int:
        return int(self._rng.integers(most)) * MS


def drawn(dice: Dice, seed: int) -> Play:
    """PUSH and PULL with drawn options over a drawn link to which drawn things happen."""
    play = Play(
        seed=seed,
        delay_ns=dice.pick(0, MS, 20 * MS),
        jitter_ns=dice.pick(0, 0, 5 * MS),
        loss=dice.pick(0.0, 0.0, 0.02, 0.2),
        rate_bytes_per_s=dice.pick(0, 0, 125_000),
        reorder=dice.pick(0.0, 0.0, 0.1),
        duplicate=dice.pick(0.0, 0.0, 0.1),
    )
    link = play.link
    for _ in range(dice.pick(0, 2, 4, 6)):
        towards = dice.pick("a", "b")
        happens = dice.pick(
            link.blackhole,
            lambda towards=towards: link.blackhole(towards=towards),
            link.heal,
            link.heal,
            link.down,
            link.up,
            link.stall,
            link.refuse,
            link.reset,
            lambda towards=towards: link.half_close(towards=towards),
            lambda: link.impair(loss=0.3),
        )
        play.twin.at(dice.ms(8000), happens)
    receiver = {
        "rcvhwm": dice.pick(1, 10, 1000),
        "heartbeat_ivl": dice.pick(0, 0, 300),
        "rcvbuf": dice.pick(-1, 4096),
    }
    sender = {
        "sndhwm": dice.pick(1, 10, 1000),
        "heartbeat_ivl": dice.pick(0, 0, 300),
        "tcp_maxrt": dice.pick(0, 0, 2000),
        "sndbuf": dice.pick(-1, 4096),
        "tcp_keepalive": dice.pick(-1, 1),
        "tcp_keepalive_idle": 1,
        "tcp_keepalive_intvl": 1,
        "tcp_keepalive_cnt": 2,
    }
    play.twin.spawn(lambda: play.receive(**receiver), host="b", delay_ns=dice.pick(0, 2 * SECOND))
    size, gap_ns, start_ns = dice.pick(8, 100, 5000, 100_000), dice.pick(0, MS, 10 * MS), dice.pick(0, SECOND)
    play.twin.spawn(play.send, dice.pick(50, 300), size, gap_ns, start_ns, sender, host="a")
    return play


@pytest.mark.parametrize("first", range(0, 40, 20))
def test_nothing_vanishes_and_nothing_comes_twice(first: int) -> None:
    for seed in range(first, first + 20):
        dice = Dice(seed)
        play = drawn(dice, seed)
        for stop_ns in (500 * MS + dice.ms(8500), 40 * SECOND):
            play.twin.run(until_ns=stop_ns)
            accounted = len(play.got) + len(play.witness.losses) + len(list(play.twin.census()))
            sent = len(play.sent)
            # The last one may be in a send that blocks.
            assert sent - 1 <= accounted <= sent, f"seed {seed}, {stop_ns / SECOND} s: {play.witness.causes}"
            assert play.arrivals == len(play.got)
            assert play.witness.violations == []
