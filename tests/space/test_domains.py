"""Domains of hyperparameters: their levels and defaults, and what makes no sense (F34, F35)."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ash
from ash import Space
from ash.errors import SettingError
from ash.space.domains import encode


def test_levels_are_rounded_and_the_bounds_exact() -> None:
    assert ash.log(1e-4, 1e-1, levels=4).levels == (0.0001, 0.001, 0.01, 0.1)
    assert ash.log(1e-3, 1e-1, levels=5).levels == (0.001, 0.00316, 0.01, 0.0316, 0.1)
    assert ash.uniform(0.0, 1.0, levels=5).levels == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert ash.uniform(0, 1, levels=4).levels == (0.0, 0.333, 0.667, 1.0)
    assert ash.uniform(0.8, 0.99, levels=3).levels == (0.8, 0.895, 0.99)
    assert ash.uniform(1000, 1001, levels=3).levels == (1000.0, 1000.5, 1001.0)
    assert ash.log(0.123456789, 0.2, levels=2).levels == (0.123456789, 0.2)
    assert ash.integers(1, 10, step=4).levels == (1, 5, 9)


def test_usual_numbers_of_levels() -> None:
    assert ash.log(1e-4, 1e-1).levels[:4] == (0.0001, 0.000126, 0.000158, 0.0002)
    assert len(ash.log(1e-4, 1e-1).levels) == 31
    assert ash.uniform(0, 1).levels[:3] == (0.0, 0.05, 0.1)


def test_close_levels_get_more_digits() -> None:
    for domain in (ash.log(0.999, 1.0, levels=1001), ash.uniform(-1e-9, 1e-9, levels=777), ash.log(1e-300, 1e300)):
        assert all(low < high for low, high in zip(domain.levels, domain.levels[1:], strict=False))


@given(st.floats(1e-12, 1e12), st.floats(1.0, 1e6), st.integers(2, 60))
def test_log_levels_are_near_the_exact_ones(low: float, ratio: float, count: int) -> None:
    high = low * ratio
    if not high > low * (1 + 1e-9):
        assert ash.log(low, low).levels == (low,)
        return
    levels = ash.log(low, high, levels=count).levels
    assert (levels[0], levels[-1], len(levels)) == (low, high, count)
    exact = low * (high / low) ** (np.arange(count) / (count - 1))
    assert np.allclose(levels, exact, rtol=6e-3, atol=0)


def test_default_levels() -> None:
    assert ash.choice("a", "b").default == "a"
    assert ash.choice("a", "b", default="b").default == "b"
    assert ash.integers(1, 5).default == 3
    assert ash.integers(0, 10, step=5, default=np.int64(10)).default == 10
    assert ash.log(1e-4, 1e-2, levels=3).default == 1e-3
    assert ash.uniform(0, 1, levels=5).default == 0.5
    assert ash.log(1e-3, 1e-1, levels=3, default=0.02).levels == (0.001, 0.01, 0.02, 0.1)
    assert ash.uniform(0, 1, levels=2, default=1).levels == (0.0, 1.0)


def test_low_equals_high_is_one_level() -> None:
    assert ash.integers(3, 3).levels == (3,)
    assert ash.uniform(0.5, 0.5).levels == (0.5,)
    assert ash.log(0.5, 0.5).levels == (0.5,)


def test_duplicate_unhashable_and_nan_options() -> None:
    assert ash.choice(1, 2, 1, 2).levels == (1, 2)
    assert ash.choice([64, 32], (64, 32), [8]).levels == ((64, 32), (8,))
    nan = ash.choice(float("nan"), float("nan"), 1.0, default=float("nan"))
    assert len(nan.levels) == 2
    assert math.isnan(nan.default)
    assert len({encode(value) for value in (1, 1.0, True, "1", None, (1,))}) == 6
    assert encode(np.float64(0.5)) == encode(0.5)
    assert Space(hidden=ash.choice(32, (32,), [32])).size == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: ash.choice(),
        lambda: ash.choice(1, 2, default=3),
        lambda: ash.choice({"a": 1}),
        lambda: ash.choice(np.zeros(3)),
        lambda: ash.integers(5, 1),
        lambda: ash.integers(1, 5, step=5),
        lambda: ash.integers(1, 5, step=0),
        lambda: ash.integers(1.0, 5),  # type: ignore[arg-type]
        lambda: ash.integers(1, 5, default=9),
        lambda: ash.integers(0, 5, step=5, default=3),
        lambda: ash.integers(True, 5),
        lambda: ash.integers(0, 10**9),
        lambda: ash.uniform(1.0, 0.0),
        lambda: ash.uniform(0.0, float("nan")),
        lambda: ash.uniform(float("-inf"), 0.0),
        lambda: ash.uniform("0", 1),  # type: ignore[arg-type]
        lambda: ash.uniform(0, 1, levels=1),
        lambda: ash.uniform(0, 1, levels=2.5),  # type: ignore[arg-type]
        lambda: ash.uniform(0, 1, default=2),
        lambda: ash.uniform(1.0, 1.0 + 2**-50, levels=1000),
        lambda: ash.log(0.0, 1.0),
        lambda: ash.log(-1.0, 1.0),
        lambda: ash.log(1.0, 0.1),
        lambda: ash.log(0.1, float("inf")),
        lambda: ash.log(0.1, 1, levels=10**9),
        lambda: ash.log(0.1, 1, default=float("nan")),
        lambda: ash.choice(1).when(),
        lambda: ash.choice(1).when(optimizer="sgd").when(optimizer="adam"),
    ],
)
def test_domains_that_make_no_sense(make: Any) -> None:
    with pytest.raises(SettingError):
        make()


def test_a_list_of_options_is_meant_as_options() -> None:
    with pytest.raises(SettingError, match=r"choice\(\[32, 64\]\) is one option, .* as choice\(32, 64\)"):
        ash.choice([32, 64])
    assert ash.choice((32, 64)).levels == ((32, 64),), "a tuple is one"
