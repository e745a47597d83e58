"""What a link does to bytes in time, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw

from harness.shaper import HELD, LOST, NO_ROOM, Shape, Shaper

MS = 1_000_000
SECOND = 1_000_000_000


def shaper(seed: int = 1, **shape: float) -> Shaper:
    return Shaper(Shape(**shape), np.random.default_rng(seed).random)  # type: ignore[arg-type]


def test_an_ideal_link_is_nowhere() -> None:
    link = shaper()
    assert [link.send(time, 1500) for time in (0, 0, 7)] == [0, 0, 7]


def test_delay_is_added() -> None:
    assert shaper(delay_ns=5 * MS).send(3 * MS, 100) == 8 * MS


def test_a_packet_takes_its_size_over_the_rate_and_waits_for_those_before_it() -> None:
    link = shaper(rate_bytes_per_s=1_000_000, delay_ns=MS)
    assert [link.send(0, 1000) for _ in range(3)] == [2 * MS, 3 * MS, 4 * MS]
    assert link.backlog_bytes(0) == 3000
    assert link.backlog_bytes(2 * MS) == 1000
    assert link.send(10 * MS, 500) == 11 * MS + MS // 2
    assert link.backlog_bytes(11 * MS) == 0


def test_what_the_queue_has_no_room_for_is_lost_and_takes_no_time() -> None:
    link = shaper(rate_bytes_per_s=1_000_000, queue_bytes=2500)
    assert [link.send(0, 1000) for _ in range(4)] == [MS, 2 * MS, NO_ROOM, NO_ROOM]
    assert link.send(0, 500) == 2 * MS + MS // 2
    assert link.send(MS, 1000) == 3 * MS + MS // 2


def test_without_a_bound_the_queue_takes_everything() -> None:
    link = shaper(rate_bytes_per_s=1000, queue_bytes=0)
    assert [link.send(0, 1000) for _ in range(1000)][-1] == 1000 * SECOND


def test_loss_is_as_likely_as_asked() -> None:
    link = shaper(loss=0.05, delay_ns=MS)
    fates = [link.send(0, 100) for _ in range(40_000)]
    assert 0.046 < fates.count(LOST) / len(fates) < 0.054
    assert set(fates) == {LOST, MS}


def test_loss_of_one_loses_all_and_of_none_nothing() -> None:
    assert {shaper(loss=1.0).send(0, 1) for _ in range(100)} == {LOST}
    assert {shaper(loss=0.0).send(0, 1) for _ in range(100)} == {0}


def test_jitter_is_even_when_packets_are_far_apart() -> None:
    link = shaper(delay_ns=MS, jitter_ns=MS)
    took = [link.send(number * SECOND, 100) - number * SECOND for number in range(4000)]
    assert MS <= min(took) < 1.01 * MS
    assert 1.99 * MS < max(took) < 2 * MS
    assert 1.48 * MS < sum(took) / len(took) < 1.52 * MS


def test_what_overtakes_takes_neither_delay_nor_jitter_and_keeps_nobody() -> None:
    link = shaper(delay_ns=10 * MS, jitter_ns=MS, reorder=0.1)
    took = [link.send(number * MS, 100) - number * MS for number in range(10_000)]
    assert 900 < took.count(0) < 1100
    assert link.overtakes == (took[-1] == 0)
    assert all(each == 0 or 10 * MS <= each < 12 * MS for each in took)


def test_what_overtakes_waits_for_the_narrowest_place_as_all_do() -> None:
    link = shaper(delay_ns=10 * MS, rate_bytes_per_s=1_000_000, reorder=1.0)
    assert [link.send(0, 1000) for _ in range(3)] == [MS, 2 * MS, 3 * MS]


def test_copies_are_as_many_as_asked_and_take_nothing() -> None:
    link = shaper(delay_ns=MS, rate_bytes_per_s=1_000_000, queue_bytes=0, duplicate=0.1)
    twice = 0
    for number in range(10_000):
        assert link.send(0, 1000) == (number + 2) * MS
        twice += link.twice
    assert 900 < twice < 1100
    link.reshape(Shape())
    link.send(0, 1)
    assert not link.twice


def test_a_chance_of_none_draws_nothing() -> None:
    """So that what had no copies and kept its order goes on as it did before a link could do these."""
    drawn: list[float] = []

    def chance() -> float:
        drawn.append(0.5)
        return 0.5

    link = Shaper(Shape(delay_ns=MS), chance)
    link.send(0, 1)
    assert not drawn
    for shape, draws in (
        (Shape(loss=0.1, jitter_ns=1), 2),
        (Shape(loss=0.1, duplicate=0.1, reorder=0.1, jitter_ns=1), 4),
        (Shape(loss=0.6, duplicate=0.1, reorder=0.1, jitter_ns=1), 1),
        (Shape(reorder=0.6, jitter_ns=1), 1),
    ):
        drawn.clear()
        link.reshape(shape)
        link.send(0, 1)
        assert len(drawn) == draws


SHAPES = draw.builds(
    Shape,
    delay_ns=draw.integers(0, 10 * MS),
    jitter_ns=draw.integers(0, 10 * MS),
    rate_bytes_per_s=draw.sampled_from([0, 1000, 1_000_000]),
    loss=draw.sampled_from([0.0, 0.2]),
    queue_bytes=draw.sampled_from([0, 3000]),
    duplicate=draw.sampled_from([0.0, 0.2]),
    reorder=draw.sampled_from([0.0, 0.0, 0.2]),
)


@given(
    shapes=draw.lists(SHAPES, min_size=1, max_size=3),
    packets=draw.lists(draw.tuples(draw.integers(0, 5 * MS), draw.integers(1, 1500)), max_size=60),
)
@settings(derandomize=True, max_examples=200, deadline=None)
def test_nothing_is_early_but_what_overtakes_and_that_takes_its_transmission_alone(
    shapes: list[Shape], packets: list[tuple[int, int]]
) -> None:
    """Also when the link changes under way."""
    link = Shaper(shapes[0], np.random.default_rng(7).random)
    now = last = 0
    for index, (gap, size) in enumerate(packets):
        shape = shapes[index * len(shapes) // len(packets)]
        link.reshape(shape)
        now += gap
        due = link.send(now, size)
        if due in (LOST, NO_ROOM):
            continue
        leaves = now + (size * SECOND // shape.rate_bytes_per_s if shape.rate_bytes_per_s else 0)
        assert due >= leaves
        if not shape.reorder:
            assert due >= max(last, leaves + shape.delay_ns)
            last = due


def test_a_stalled_link_holds_everything_and_lets_go_in_order() -> None:
    link = shaper(delay_ns=MS, rate_bytes_per_s=1_000_000)
    first = link.send(0, 1000)
    link.stall()
    assert [link.send(MS, 1000), link.send(2 * MS, 2000)] == [HELD, HELD]
    assert link.resume(10 * MS) == [(12 * MS, False), (14 * MS, False)]
    assert first == 2 * MS
    assert link.send(10 * MS, 1000) == 15 * MS


def test_the_same_chance_gives_the_same_link() -> None:
    one = shaper(3, loss=0.1, jitter_ns=MS)
    times = [one.send(n * MS, 100) for n in range(500)]
    again = shaper(3, loss=0.1, jitter_ns=MS)
    assert times == [again.send(n * MS, 100) for n in range(500)]
    other = shaper(4, loss=0.1, jitter_ns=MS)
    assert times != [other.send(n * MS, 100) for n in range(500)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"delay_ns": -1},
        {"jitter_ns": -1},
        {"rate_bytes_per_s": -1},
        {"queue_bytes": -1},
        {"loss": 1.1},
        {"reorder": -0.1},
        {"duplicate": 2},
    ],
)
def test_what_no_link_can_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Shape(**wrong)  # type: ignore[arg-type]
