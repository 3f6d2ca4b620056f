"""Forecasts: learning curves that follow a law are foretold, and others are left as they are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ash.sklearn.forecast import forecast
from ash.sklearn.resumable.protocol import AVERAGE, ROUNDS


def points(curve: object, *epochs: int) -> list[tuple[int, float]]:
    return [(each, curve(each)) for each in epochs]  # type: ignore[operator]


@pytest.mark.parametrize("epochs", [(1, 2), (2, 4), (2, 5), (4, 20), (7, 8)])
@pytest.mark.parametrize("share", [-0.4, 0.0, 3.0])
def test_an_average_comes_nearer_to_its_limit_by_one_in_t(epochs: tuple[int, int], share: float) -> None:
    def curve(t: int) -> float:
        return 0.9 - share / t

    assert forecast(AVERAGE, points(curve, *epochs), 100) == pytest.approx(curve(100), rel=1e-12)
    assert forecast(AVERAGE, points(curve, *epochs), 10**9) == pytest.approx(0.9, rel=1e-8)


@pytest.mark.parametrize("halves", [(1, 2), (2, 4), (2, 5), (3, 7), (10, 21)])
@pytest.mark.parametrize("rate", [0.3, 0.7, 0.9, 0.98, 0.999])
def test_first_rounds_come_nearer_by_equal_shares(halves: tuple[int, int], rate: float) -> None:
    def curve(t: int) -> float:
        return -0.5 - 0.7 * rate**t

    for after in (22, 100, 1000):
        assert forecast(ROUNDS, points(curve, 0, *halves), after) == pytest.approx(curve(after), rel=1e-6)


def test_gains_that_hardly_shrink_go_on_nearly_in_a_straight_line() -> None:
    assert forecast(ROUNDS, [(0, 0.0), (2, 0.2), (4, 0.4 - 1e-9)], 20) == pytest.approx(2.0, rel=1e-6)
    assert forecast(ROUNDS, [(0, 0.0), (2, 0.2), (4, 0.4)], 20) == 0.4, "and no further"


FLAT = [(0.5, 0.5, 0.6), (0.5, 0.51, 0.6), (0.5, 0.4, 0.6), (0.5, 0.6, 0.6), (0.5, 0.6, 0.4)]


@pytest.mark.parametrize("scores", FLAT)
def test_first_rounds_whose_gains_do_not_shrink_tell_nothing(scores: tuple[float, ...]) -> None:
    assert forecast(ROUNDS, list(zip((0, 2, 4), scores, strict=True)), 20) == scores[-1]


def test_later_rounds_bring_as_much_for_the_same_factor() -> None:
    assert forecast(ROUNDS, [(4, 0.7), (20, 0.8)], 100) == pytest.approx(0.9)
    assert forecast(ROUNDS, [(4, 0.8), (20, 0.7)], 100) == pytest.approx(0.6), "who has begun to fall goes on falling"
    assert forecast(ROUNDS, [(4, 0.7), (20, 0.8)], 40) == pytest.approx(0.8 + 0.1 * math.log(2) / math.log(5))


def test_what_is_not_known_is_the_last_score() -> None:
    for law in (AVERAGE, ROUNDS, ""):
        assert forecast(law, [(4, 0.7)], 20) == forecast(law, [(0, 0.5), (4, 0.7)], 20) == 0.7
    assert forecast("", [(0, 0.5), (2, 0.6), (4, 0.7)], 20) == 0.7


def test_it_rises_with_the_last_score_and_is_finite() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        low, half, last = np.sort(random.uniform(-1, 1, 3))
        for law, known in ((AVERAGE, [(2, half)]), (ROUNDS, [(4, half)])):
            here, there = (forecast(law, [*known, (5, last + step)], 25) for step in (0.0, 0.01))
            assert math.isfinite(here) and here < there
        share = random.uniform(0.05, 0.9)
        here, there = (
            forecast(ROUNDS, [(0, low), (2, half), (4, half + (half - low) * part)], 20)
            for part in (share, share + 0.05)
        )
        assert half < here < there
