"""The draw of candidates from a space: the default first, no repetition, uniform, the same bits everywhere."""

import time
from collections import Counter
from typing import Any

import numpy as np
import pytest

import ash
from ash import Space
from ash.errors import SettingError
from ash.space.defaults import default_space
from ash.space.domains import encode


def key(params: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, encode(value)) for name, value in params.items()))


def momentum_space() -> Space:
    return Space(
        learning_rate=ash.log(1e-4, 1e-1, levels=4),
        optimizer=ash.choice("sgd", "momentum", "nesterov"),
        momentum=ash.choice(0.8, 0.9, 0.95).when(optimizer=("momentum", "nesterov")),
        batch_size=64,
    )


def test_candidate_0_is_the_default_and_nothing_repeats() -> None:
    space = default_space(4000, 64, 1, 10, numbers=64, metric="accuracy")
    drawn = space.sample(2000, seed=3)
    assert drawn[0] == space.default
    assert len({key(params) for params in drawn}) == 2000


def test_the_first_k_of_n_are_the_draw_of_k() -> None:
    space = default_space(4000, 64, 1, 10, numbers=64, metric="accuracy")
    whole = space.sample(300, seed=5)
    for k in (1, 2, 17, 299):
        assert space.sample(k, seed=5) == whole[:k]


def test_seeds() -> None:
    space = default_space(4000, 64, 1, 10, numbers=64, metric="accuracy")
    assert space.sample(50, seed=1) == space.sample(50, seed=np.int64(1))
    assert space.sample(50, seed=1) != space.sample(50, seed=2)
    assert len(space.sample(5, seed=2**200)) == 5
    for seed in (-1, 0.5, "1", True, None):
        with pytest.raises(SettingError, match="seed="):
            space.sample(5, seed=seed)  # type: ignore[arg-type]
    for n in (0, -1, 2.0, True):
        with pytest.raises(SettingError, match="candidates="):
            space.sample(n)  # type: ignore[arg-type]


def test_the_draw_does_not_depend_on_the_versions() -> None:
    """Fixed once: PCG64's raw words and the levels are the same everywhere."""
    space = Space(learning_rate=ash.log(1e-4, 1e-1), hidden=ash.choice((64,), (128, 64)), momentum=ash.uniform(0, 0.9))
    assert space.sample(5, seed=2026) == FIXED


FIXED = [
    {"learning_rate": 0.00316, "hidden": (64,), "momentum": 0.45},
    {"learning_rate": 0.000398, "hidden": (64,), "momentum": 0.63},
    {"learning_rate": 0.00398, "hidden": (128, 64), "momentum": 0.855},
    {"learning_rate": 0.0158, "hidden": (128, 64), "momentum": 0.855},
    {"learning_rate": 0.0158, "hidden": (64,), "momentum": 0.135},
]


def test_the_draw_is_uniform() -> None:
    space = momentum_space()
    counts = Counter(key(space.sample(2, seed)[1]) for seed in range(2700))
    assert len(counts) == space.size - 1
    chi_square = sum((count - 100) ** 2 / 100 for count in counts.values())
    assert chi_square < 60  # 26 degrees of freedom: exceeded once in 6,000 seeds' choices


def test_more_than_the_space_gives_all_of_it_with_a_warning() -> None:
    space = momentum_space()
    with pytest.warns(UserWarning, match="candidates=29 is more than the 28 configurations"):
        drawn = space.sample(29, seed=4)
    assert len({key(params) for params in drawn}) == 28
    assert drawn == space.sample(28, seed=4)


def test_a_stream_begins_as_every_sample_and_ends_with_the_space() -> None:
    space = momentum_space()
    for seed in (0, 7, 2**90):
        whole = list(space.stream(seed))
        assert len({key(params) for params in whole}) == len(whole) == space.size
        for n in (1, 2, 28):
            assert space.sample(n, seed) == whole[:n]
    assert list(Space().stream()) == [{}]
    with pytest.raises(SettingError, match="seed="):
        space.stream(-1)  # before anything is drawn


def test_every_order_of_a_small_space_is_equally_likely() -> None:
    """All six orders of what comes after the default: the shuffle is right to its end."""
    space = Space(dropout=ash.choice(0.0, 0.1, 0.2, 0.3))
    counts = Counter(tuple(params["dropout"] for params in space.stream(seed)) for seed in range(1200))
    assert len(counts) == 6 and all(order[0] == 0.0 for order in counts)
    assert sum((count - 200) ** 2 / 200 for count in counts.values()) < 20.5  # 5 degrees of freedom: once in 1,000


def test_a_stream_stays_quick_to_the_end_of_its_space() -> None:
    space = Space(dropout=ash.uniform(0, 0.9, levels=200), momentum=ash.uniform(0, 0.9, levels=200))
    start = time.process_time()
    assert sum(1 for _ in space.stream(3)) == 40_000
    assert time.process_time() - start < 4.0  # 0.15 s on one core of 2026; drawing until a new one comes takes longer


def test_a_space_without_choice() -> None:
    assert Space().size == 1
    assert Space().sample(1) == [{}]
    assert Space(batch_size="full", hidden=[4, 2]).sample(1) == [{"batch_size": "full", "hidden": (4, 2)}]


def test_a_grid_beyond_64_bits() -> None:
    names = ("learning_rate", "epsilon", "l2", "weight_decay", "momentum", "beta1", "beta2")
    space = Space(**{name: ash.log(1e-9, 0.9, levels=1000) for name in names})
    assert space.size == 1000**7 > 2**64
    drawn = space.sample(500, seed=1)
    assert len({key(params) for params in drawn}) == 500
    assert 0.4 < np.mean([params["l2"] > 3e-5 for params in drawn]) < 0.6


def test_16384_candidates_are_quick() -> None:
    space = default_space(4000, 64, 1, 10, numbers=64, metric="accuracy")
    start = time.process_time()
    space.sample(16_384)
    assert time.process_time() - start < 2.0  # 0.2 s on one core of 2026; a slow algorithm takes minutes


def test_a_sample_is_the_callers_own() -> None:
    space = momentum_space()
    space.sample(3)[0]["optimizer"] = "changed"
    space.default["optimizer"] = "changed"
    assert space.sample(1)[0]["optimizer"] == "sgd"
    assert space.default["optimizer"] == "sgd"
    with pytest.raises(TypeError):
        space.domains["optimizer"] = ()  # type: ignore[index]


def test_repr_says_how_much_there_is() -> None:
    assert repr(momentum_space()).startswith("<ash.Space of 28 configurations (learning_rate: 4, optimizer: 3")
