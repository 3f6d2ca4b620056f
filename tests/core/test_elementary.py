"""Compares exp, log, tanh and sigmoid of the kernels with NumPy in extended precision, for each instruction set.

One unit in the last place (ulp) of an exact value is the gap between its nearest float32 and the float32 of the next
larger magnitude. Below the smallest normal number, it is the gap above that number.
"""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from ash import _core

pytestmark = pytest.mark.core

Floats = NDArray[np.float32]
TINY = np.finfo(np.float32).tiny  # the smallest normal number


def exact_sigmoid(x: NDArray[np.longdouble]) -> NDArray[np.longdouble]:
    return np.asarray(1 / (1 + np.exp(-x)))


EXACT: dict[str, Callable[[NDArray[np.longdouble]], NDArray[np.longdouble]]] = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": exact_sigmoid,
}
BOUNDS = {"exp": 1.25, "log": 1.0, "tanh": 2.5, "sigmoid": 2.5}  # observed maxima: 1.03, 0.80, 2.23 and 2.14
RANGES = {"exp": (-87.3, 88.7), "log": (1e-37, 3e38), "tanh": (-20.0, 20.0), "sigmoid": (-87.3, 87.3)}
SETS = _core.instruction_sets()


def errors_in_ulp(function: str, x: Floats, instruction_set: str) -> NDArray[np.float64]:
    got = _core.evaluate_elementary(function, x, instruction_set)
    assert got.dtype == np.float32 and got.shape == x.shape
    exact = EXACT[function](x.astype(np.longdouble))
    gap = np.spacing(np.maximum(np.abs(exact.astype(np.float32)), TINY)).astype(np.longdouble)
    return np.asarray(np.abs(got.astype(np.longdouble) - exact) / gap, dtype=np.float64)


def samples(function: str) -> Floats:
    """Return arguments: a dense grid, uniform random numbers, random numbers of any magnitude, and difficult points."""
    low, high = RANGES[function]
    random = np.random.default_rng(0)
    magnitudes = 10.0 ** random.uniform(-37, np.log10(high), 300_000)
    parts = [
        np.linspace(low, high, 500_001),
        random.uniform(low, high, 300_000),
        magnitudes if function == "log" else np.concatenate([magnitudes, -magnitudes]),
    ]
    if function == "log":
        ones = np.arange(-200_000, 200_001)
        parts += [(np.float32(1).view(np.int32) + ones).astype(np.int32).view(np.float32), np.linspace(0.5, 2, 300_001)]
    else:
        parts += [np.linspace(-1, 1, 400_001), np.arange(-127, 128) * np.log(2)]
    x = np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])
    return x[(x >= np.float32(low)) & (x <= np.float32(high))]


@pytest.mark.parametrize("instruction_set", SETS)
@pytest.mark.parametrize("function", sorted(EXACT))
def test_error_is_within_its_bound(function: str, instruction_set: str) -> None:
    x = samples(function)
    errors = errors_in_ulp(function, x, instruction_set)
    worst = int(errors.argmax())
    assert errors[worst] <= BOUNDS[function], f"{errors[worst]:.2f} ulp at {x[worst]!r}"


@pytest.mark.parametrize("function", sorted(EXACT))
def test_instruction_sets_with_fma_agree_bit_for_bit(function: str) -> None:
    x = samples(function)[::7].copy()
    results = [_core.evaluate_elementary(function, x, name).tobytes() for name in SETS if name != "baseline"]
    assert len(set(results)) <= 1


@pytest.mark.parametrize("instruction_set", SETS)
def test_a_value_does_not_depend_on_its_place(instruction_set: str) -> None:
    x = np.linspace(0.1, 3, 40, dtype=np.float32)
    for function in EXACT:
        whole = _core.evaluate_elementary(function, x, instruction_set)
        for start, length in itertools.product((0, 1, 5), (0, 1, 7, 8, 9, 15, 16, 17, 33)):
            part = _core.evaluate_elementary(function, x[start : start + length].copy(), instruction_set)
            assert part.tobytes() == whole[start : start + length].tobytes()


INF, NAN = np.inf, np.nan
SPECIAL: dict[str, tuple[list[float], list[float]]] = {  # arguments and exact values
    "exp": ([0, -0.0, INF, -INF, NAN, 89, 1e30, -1e30, -150, 1e-40], [1, 1, INF, 0, NAN, INF, INF, 0, 0, 1]),
    "log": ([1, 0, -0.0, INF, NAN, -1, -INF, -1e-40], [0, -INF, -INF, INF, NAN, NAN, NAN, NAN]),
    "tanh": ([0, -0.0, INF, -INF, NAN, 100, -100, 1e30, -1e30], [0, -0.0, 1, -1, NAN, 1, -1, 1, -1]),
    "sigmoid": ([0, -0.0, INF, -INF, NAN, 100, 1e30, -1e30, -150], [0.5, 0.5, 1, 0, NAN, 1, 1, 0, 0]),
}


@pytest.mark.parametrize("instruction_set", SETS)
@pytest.mark.parametrize("function", sorted(SPECIAL))
def test_special_values(function: str, instruction_set: str) -> None:
    x, expected = (np.array(values, dtype=np.float32) for values in SPECIAL[function])
    found = _core.evaluate_elementary(function, x, instruction_set)
    np.testing.assert_array_equal(found, expected)
    assert (np.signbit(found) == np.signbit(expected))[~np.isnan(expected)].all(), "the sign of zero"


@pytest.mark.parametrize("instruction_set", SETS)
def test_denormal_arguments_and_results(instruction_set: str) -> None:
    """Allow errors up to the smallest normal number, since smaller results may be flushed to zero."""
    tiny = np.array([1e-45, 1e-40, 1.1e-38, -1e-40], dtype=np.float32)
    np.testing.assert_allclose(_core.evaluate_elementary("tanh", tiny, instruction_set), tiny, atol=float(TINY))
    np.testing.assert_array_equal(_core.evaluate_elementary("sigmoid", tiny, instruction_set), np.float32(0.5))
    logarithms = _core.evaluate_elementary("log", tiny[:3], instruction_set)
    np.testing.assert_allclose(logarithms, np.log(tiny[:3].astype(np.float64)), rtol=3e-7)
    falling = np.linspace(-87.3, -110, 5000, dtype=np.float32)
    for function in ("exp", "sigmoid"):
        got = _core.evaluate_elementary(function, falling, instruction_set)
        assert (np.abs(got - np.exp(falling.astype(np.float64))) <= TINY).all() and (got >= 0).all()


@pytest.mark.parametrize("instruction_set", SETS)
@pytest.mark.parametrize("function", sorted(EXACT))
def test_monotone_to_within_the_bound(function: str, instruction_set: str) -> None:
    """Check that an increasing function never decreases by more than its error bound, and stays in its range."""
    x = np.sort(samples(function))
    got = _core.evaluate_elementary(function, x, instruction_set).astype(np.float64)
    falls = np.maximum.accumulate(got) - got
    assert (falls <= 2 * BOUNDS[function] * np.spacing(np.abs(got).astype(np.float32))).all()
    if function in ("tanh", "sigmoid"):
        assert got.max() <= 1 and got.min() >= (-1 if function == "tanh" else 0)
    if function == "exp":
        assert got.min() >= 0
