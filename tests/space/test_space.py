"""Tests domains and spaces of hyperparameters: levels, conditions, sizes, and how candidates are drawn (F33-F35)."""

import math
from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import Ridge

import ash
from ash import Space
from ash.errors import SettingError
from ash.sklearn.param_distributions import drawn_candidates
from ash.space.defaults import default_space
from ash.space.domains import encode
from ash.space.hyperparameters import check_params, to_settings


def test_levels_are_rounded_but_the_bounds_are_exact() -> None:
    assert ash.loguniform(1e-4, 1e-1, levels=4).levels == (0.0001, 0.001, 0.01, 0.1)
    assert ash.loguniform(1e-3, 1e-1, levels=5).levels == (0.001, 0.00316, 0.01, 0.0316, 0.1)
    assert ash.uniform(0.0, 1.0, levels=5).levels == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert ash.uniform(0, 1, levels=4).levels == (0.0, 0.333, 0.667, 1.0)
    assert ash.uniform(0.8, 0.99, levels=3).levels == (0.8, 0.895, 0.99)
    assert ash.uniform(1000, 1001, levels=3).levels == (1000.0, 1000.5, 1001.0)
    assert ash.loguniform(0.123456789, 0.2, levels=2).levels == (0.123456789, 0.2)
    assert ash.integers(1, 10, step=4).levels == (1, 5, 9)


def test_close_levels_get_more_digits() -> None:
    for domain in (ash.loguniform(0.999, 1.0, levels=1001), ash.uniform(-1e-9, 1e-9, levels=777)):
        assert all(low < high for low, high in zip(domain.levels, domain.levels[1:], strict=False))


@given(st.floats(1e-12, 1e12), st.floats(1.0, 1e6), st.integers(2, 60))
def test_log_levels_are_close_to_the_exact_values(low: float, ratio: float, count: int) -> None:
    high = low * ratio
    if not high > low * (1 + 1e-9):
        assert ash.loguniform(low, low).levels == (low,)
        return
    levels = ash.loguniform(low, high, levels=count).levels
    assert (levels[0], levels[-1], len(levels)) == (low, high, count)
    exact = low * (high / low) ** (np.arange(count) / (count - 1))
    assert np.allclose(levels, exact, rtol=6e-3, atol=0)


def test_the_default_level_is_in_the_middle_unless_given() -> None:
    assert ash.choice("a", "b").default == "a"
    assert ash.choice("a", "b", default="b").default == "b"
    assert ash.integers(1, 5).default == 3
    assert ash.integers(0, 10, step=5, default=np.int64(10)).default == 10
    assert ash.loguniform(1e-4, 1e-2, levels=3).default == 1e-3
    assert ash.uniform(0, 1, levels=5).default == 0.5
    assert ash.loguniform(1e-3, 1e-1, levels=3, default=0.02).levels == (0.001, 0.01, 0.02, 0.1)
    assert ash.uniform(0, 1, levels=2, default=1).levels == (0.0, 1.0)


def test_low_equals_high_is_one_level() -> None:
    assert ash.integers(3, 3).levels == (3,)
    assert ash.uniform(0.5, 0.5).levels == (0.5,)
    assert ash.loguniform(0.5, 0.5).levels == (0.5,)


def test_duplicate_options_are_merged() -> None:
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
        lambda: ash.integers(True, 5),
        lambda: ash.integers(0, 10**18 + 1),
        lambda: ash.integers(0, 9, log=True),
        lambda: ash.integers(1, 9, step=2, levels=3),
        lambda: ash.integers(1, 9, levels=1),
        lambda: ash.uniform(1.0, 0.0),
        lambda: ash.uniform(0.0, float("nan")),
        lambda: ash.uniform("0", 1),  # type: ignore[arg-type]
        lambda: ash.uniform(0, 1, levels=1),
        lambda: ash.uniform(0, 1, default=2),
        lambda: ash.uniform(1.0, 1.0 + 2**-50, levels=1000),
        lambda: ash.loguniform(0.0, 1.0),
        lambda: ash.loguniform(1.0, 0.1),
        lambda: ash.loguniform(1e-301, 1.0),
        lambda: ash.loguniform(0.1, 1, levels=10**9),
        lambda: ash.choice(1).when(),
        lambda: ash.choice(1).when(optimizer="sgd").when(optimizer="adam"),
    ],
)
def test_invalid_domains_are_refused(make: Any) -> None:
    with pytest.raises(SettingError):
        make()


def test_a_list_of_options_must_be_unpacked() -> None:
    with pytest.raises(SettingError, match=r"choice\(\[32, 64\]\) is one option, .* as choice\(32, 64\)"):
        ash.choice([32, 64])
    assert ash.choice((32, 64)).levels == ((32, 64),), "a tuple is one"


def test_integers_of_numpy_are_bounds() -> None:
    assert ash.integers(np.int8(-100), np.int8(100), step=np.int8(50)).levels == (-100, -50, 0, 50, 100)


# Spaces


def key(params: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, encode(value)) for name, value in params.items()))


LARGE = default_space(4000, 64, 1, 10, numbers=64, metric="accuracy")


def momentum_space() -> Space:
    return Space(
        learning_rate=ash.loguniform(1e-4, 1e-1, levels=4),
        optimizer=ash.choice("sgd", "momentum", "nesterov"),
        momentum=ash.choice(0.8, 0.9, 0.95).when(optimizer=("momentum", "nesterov")),
        batch_size=64,
    )


# Validation of a space


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Space(learning_rat=0.1), "did you mean learning_rate"),
        (lambda: Space(epochs=ash.choice(1, 2)), "'epochs' is part of the budget"),
        (lambda: Space(activation="reluu"), "activation must be one of relu, .*, got 'reluu'"),
        (lambda: Space(hidden=ash.choice((8,), (8, 0))), "hidden must be a tuple of widths from 1 to 16384"),
        (lambda: Space(learning_rate=(0.001, 0.1)), r"got \(0.001, 0.1\); .* give a list, or a domain such as"),
        (lambda: Space(dropout=ash.uniform(0, 1.5)), "dropout must be .*, got 1.5"),
        (lambda: Space(learning_rate=float("nan")), "learning_rate must be .*, got nan"),
        (lambda: Space(batch_size=ash.uniform(1, 9)), "batch_size must be .*, got 1.0"),
        (lambda: Space(hidden=[]), r"hidden=\[\]: it is empty; give at least one value"),
        (lambda: Space(hidden=ash.integers(8, 64, log=True)), "hidden cannot have a domain of all integers"),
        (
            lambda: Space(learning_rate=ash.loguniform(1e-3, 1), momentum=ash.choice(0.9).when(learning_rate=0.1)),
            "condition on learning_rate, which may be anything from 0.001 to 1.0: give learning_rate levels=",
        ),
        (lambda: Space(momentum=ash.choice(0.9).when(optimizer="sgd")), "which is not in the space"),
        (lambda: Space(momentum=ash.choice(0.9).when(optimiser="sgd")), "did you mean optimizer"),
        (
            lambda: Space(optimizer=ash.choice("sgd", "adam"), momentum=ash.choice(0.9).when(optimizer="momentum")),
            "not a level of optimizer: there are 'sgd', 'adam'",
        ),
        (
            lambda: Space(optimizer=ash.choice("sgd", "adam"), momentum=ash.choice(0.9).when(optimizer=())),
            "which never holds",
        ),
        (lambda: Space(dropout=ash.choice(0.1).when(dropout=0.1)), "cycle: dropout -> dropout"),
        (
            lambda: Space(dropout=ash.choice(0.1).when(l2=0.1), l2=ash.choice(0.1).when(dropout=0.1)),
            "conditions form a cycle",
        ),
        (
            lambda: Space(
                optimizer=ash.choice("sgd", "adam", "momentum"),
                momentum=ash.choice(0.8, 0.9).when(optimizer="momentum"),
                beta1=ash.choice(0.9).when(optimizer="adam", momentum=0.8),
            ),
            "beta1: domain 1 of 1 is never used",
        ),
        (
            lambda: Space(
                optimizer="sgd", learning_rate=[ash.loguniform(0.1, 1), ash.loguniform(1, 2).when(optimizer="sgd")]
            ),
            "domain 2 of 2 is never used, .* or an earlier domain always applies",
        ),
        (
            lambda: Space(optimizer=ash.choice("adam", "sgd"), weight_decay=ash.choice(0.0, 0.1)),
            "takes no weight_decay=0.1",
        ),
        (lambda: Space(hidden=(8, 8), activation=ash.choice("relu", ("relu",))), "names 1 layers"),
        (lambda: Space(activation=("relu",)), "names 1 layers, but hidden=\\(64, 64\\) has 2"),
        (
            lambda: ash.FunctionSpace(features=ash.choice(1, 1.0), depth=ash.choice(5, 6).when(features=1.0)),
            "depth has the condition features=1.0, but several levels of features are equal to it: 1, 1.0; give",
        ),
    ],
)
def test_invalid_spaces_are_refused(make: Any, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        make()


def test_conditions_separate_incompatible_levels() -> None:
    space = Space(
        optimizer=ash.choice("adam", "adamw"),
        weight_decay=ash.choice(0.01, 0.1).when(optimizer="adamw"),
        hidden=ash.choice((8,), (8, 4)),
        activation=[ash.choice("relu", ("tanh",)).when(hidden=(8,)), ash.choice("relu", ("relu", "tanh"))],
    )
    assert space.size == (1 + 2) * (2 + 2)
    for params in space.sample(space.size):
        to_settings(params)


# Conditions and size


def test_inactive_hyperparameters_are_absent_and_do_not_count() -> None:
    space = momentum_space()
    assert space.size == 4 * (1 + 2 * 3)
    drawn = space.sample(space.size)
    assert all(("momentum" in params) == (params["optimizer"] != "sgd") for params in drawn)
    assert all(list(params)[:2] == ["learning_rate", "optimizer"] for params in drawn)


def test_several_conditions_and_chains_are_counted() -> None:
    space = Space(
        optimizer=ash.choice("sgd", "momentum", "adam"),
        batch_size=ash.choice(16, 32),
        momentum=ash.choice(0.8, 0.9).when(optimizer="momentum").when(batch_size=16),
        dropout=ash.choice(0.1, 0.2, 0.3).when(momentum=0.9),
    )
    assert space.size == 2 + 2 + 1 + (1 + 3)


def test_the_first_domain_whose_conditions_hold_applies() -> None:
    space = Space(
        optimizer=ash.choice("adam", "sgd", "nesterov"),
        learning_rate=[ash.choice(0.5, 0.6).when(optimizer="sgd"), ash.choice(0.1, 0.2, 0.3)],
    )
    assert space.size == 3 + 2 + 3
    assert space.default == {"optimizer": "adam", "learning_rate": 0.1}
    for params in space.sample(8):
        assert (params["learning_rate"] >= 0.5) == (params["optimizer"] == "sgd")


def test_equal_options_of_several_types_are_told_apart() -> None:
    space = ash.FunctionSpace(features=ash.choice(1, 1.0, True, default=1.0), depth=ash.choice(5, 6))
    drawn = space.sample(6)
    assert repr(drawn[0]) == repr(space.default) == "{'features': 1.0, 'depth': 5}"
    assert len({key(params) for params in drawn}) == space.size == 6


def test_a_whole_number_is_read_as_a_level_of_fractions() -> None:
    space = ash.FunctionSpace(x=ash.uniform(0, 2, levels=3), n=ash.integers(0, 2), either=ash.choice(1, 1.0))
    params, is_level = space.read({"x": 1, "n": 1, "either": 1})
    assert repr(params) == "{'x': 1.0, 'n': 1, 'either': 1}" and is_level
    assert key(params) in {key(each) for each in space.sample(18)}


def test_conditions_can_refer_to_tuples() -> None:
    space = Space(
        hidden=ash.choice((64,), (64, 32), (32,)),
        dropout=ash.choice(0.1, 0.2).when(hidden=(64, 32)),
        l2=ash.choice(0.1, 0.2).when(hidden=((64,), (32,))),
    )
    drawn = space.sample(6)
    assert space.size == 6
    assert all(("dropout" in params) == (params["hidden"] == (64, 32)) for params in drawn)
    assert all(("l2" in params) == (len(params["hidden"]) == 1) for params in drawn)


def test_levels_that_conditions_do_not_distinguish_are_counted_together() -> None:
    space = Space(
        batch_size=ash.integers(1, 50_000),
        dropout=ash.choice(0.1, 0.2).when(batch_size=7),
        l2=ash.choice(0.1, 0.2).when(batch_size=(7, 9)),
    )
    assert space.size == 49_998 + 4 + 2


@st.composite
def spaces(draw: st.DrawFn) -> tuple[Space, dict[str, tuple[list[Any], list[tuple[str, list[Any]]]]]]:
    """Return a random space with at most five hyperparameters, and its levels and conditions in plain lists."""
    names = draw(st.permutations(["dropout", "l2", "momentum", "beta1", "label_smoothing"]))
    plain: dict[str, tuple[list[Any], list[tuple[str, list[Any]]]]] = {}
    for name in names[: draw(st.integers(1, 5))]:
        levels = draw(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=4, unique=True))
        above = draw(st.sampled_from([None, *plain]))
        conditions = []
        if above is not None and not plain[above][1]:
            wanted = draw(st.lists(st.sampled_from(plain[above][0]), min_size=1, unique=True))
            conditions = [(above, wanted)]
        plain[name] = (levels, conditions)
    shown = draw(st.permutations(list(plain)))
    domains = {}
    for name in shown:
        domain = ash.choice(*plain[name][0])
        for other, wanted in plain[name][1]:
            domain = domain.when(**{other: tuple(wanted)})
        domains[name] = domain
    return Space(**domains), plain


def every_configuration(plain: dict[str, tuple[list[Any], list[tuple[str, list[Any]]]]]) -> set[Any]:
    """Return all configurations by brute force: every assignment of levels, reduced to its active hyperparameters."""
    found = set()
    for values in product(*(levels for levels, _ in plain.values())):
        params: dict[str, Any] = {}
        for (name, (_, conditions)), value in zip(plain.items(), values, strict=True):
            if all(params.get(other) in wanted for other, wanted in conditions):
                params[name] = value
        found.add(key(params))
    return found


@given(spaces(), st.integers(0, 2**70))
def test_the_grid_contains_exactly_all_configurations(pair: Any, seed: int) -> None:
    space, plain = pair
    drawn = [key(params) for params in space.sample(space.size, seed)]
    assert len(drawn) == len(set(drawn)) == space.size
    assert set(drawn) == every_configuration(plain)
    assert drawn[0] == key(space.default)


# The default space


@pytest.mark.parametrize("rows", [20, 4_000, 1_000_000])
@pytest.mark.parametrize(("features", "outputs", "classes"), [(1, 1, 2), (64, 1, 10), (5000, 1, 0), (8, 300, 0)])
def test_the_default_space_is_valid_everywhere(rows: int, features: int, outputs: int, classes: int) -> None:
    metric = "accuracy" if classes else "r2"
    space = default_space(rows, features, outputs, classes, numbers=features, metric=metric)
    assert space.size > 40_000
    assert ("label_smoothing" in space.domains) == (classes > 0)
    for params in space.sample(200):
        to_settings(params)
    full = check_params(space.default)
    assert (full["optimizer"], full["parametrization"], full["input_scaling"]) == ("adamw", "ntk", True)
    assert (full["activation"], full["learning_rate"]) == (("selu", 0.08) if classes else ("mish", 0.16))
    assert len(full["hidden"]) == 3
    assert {len(level) for level in space.domains["hidden"][0].levels} == {0, 1, 2, 3, 5}


def test_the_default_space_grows_with_the_table() -> None:
    def widest(rows: int, features: int, classes: int) -> int:
        space = default_space(rows, features, 1, classes, numbers=features, metric="accuracy")
        return max(max(level, default=0) for level in space.domains["hidden"][0].levels)

    assert [widest(rows, 64, 10) for rows in (500, 4_000, 20_000, 10**6)] == [128, 512, 512, 512]
    assert widest(500, 1_600, 2) == 512
    assert widest(4_000, 64, 400) == 512


@pytest.mark.parametrize(
    ("rows", "numbers", "classes", "embedding"),
    [(6000, 8, 2, "periodic"), (500, 8, 2, "none"), (500, 8, 0, "periodic"), (6000, 0, 2, None), (6000, 201, 2, None)],
)
def test_the_default_embedding_depends_on_rows_numbers_and_task(
    rows: int, numbers: int, classes: int, embedding: str | None
) -> None:
    space = default_space(rows, 250, 1, classes, numbers=numbers, metric="accuracy" if classes else "r2")
    assert space.default.get("embedding") == embedding
    assert ("embedding_frequency" in space.domains) == (embedding is not None)
    if embedding == "periodic":
        assert space.default["embedding_frequency"] == (0.1 if classes else 0.4)


@pytest.mark.parametrize(
    ("classes", "metric", "default"), [(2, "accuracy", 0.1), (2, "roc_auc", 0.0), (3, "neg_log_loss", 0.1)]
)
def test_label_smoothing_depends_on_classes_and_metric(classes: int, metric: str, default: float) -> None:
    (smoothing,) = default_space(6000, 8, 1, classes, numbers=8, metric=metric).domains["label_smoothing"]
    assert smoothing.default == default and smoothing.levels == (0.0, 0.03, 0.1)
    assert "label_smoothing" not in default_space(6000, 8, 1, 0, numbers=8, metric="r2").domains


# Draws: the default comes first, then uniform draws without repetition, the same on every machine


def test_seeds_are_integers_of_any_size() -> None:
    assert LARGE.sample(50, random_state=1) == LARGE.sample(50, random_state=np.int64(1))
    assert LARGE.sample(50, random_state=1) != LARGE.sample(50, random_state=2)
    assert len(LARGE.sample(5, random_state=2**200)) == 5
    for seed in (-1, 0.5, "1", True, None):
        with pytest.raises(SettingError, match=r"random_state must be an integer of at least 0, got "):
            LARGE.sample(5, random_state=seed)  # type: ignore[arg-type]
    for n in (0, -1, 2.0, True):
        with pytest.raises(SettingError, match="candidates must be an integer of at least 1, got "):
            LARGE.sample(n)  # type: ignore[arg-type]


def test_draws_do_not_depend_on_library_versions() -> None:
    """Compare with fixed values, since PCG64's raw words and the levels are the same everywhere."""
    fixed = [
        {"learning_rate": 0.00316, "hidden": (64,), "momentum": 0.45},
        {"learning_rate": 0.000398, "hidden": (64,), "momentum": 0.63},
        {"learning_rate": 0.00398, "hidden": (128, 64), "momentum": 0.855},
        {"learning_rate": 0.0158, "hidden": (128, 64), "momentum": 0.855},
        {"learning_rate": 0.0158, "hidden": (64,), "momentum": 0.135},
    ]
    space = Space(
        learning_rate=ash.loguniform(1e-4, 1e-1, levels=31),
        hidden=ash.choice((64,), (128, 64)),
        momentum=ash.uniform(0, 0.9, levels=21),
    )
    assert space.sample(5, random_state=2026) == fixed


def test_draws_are_uniform() -> None:
    space = momentum_space()
    counts = Counter(key(space.sample(2, seed)[1]) for seed in range(2700))
    assert len(counts) == space.size - 1
    chi_square = sum((count - 100) ** 2 / 100 for count in counts.values())
    assert chi_square < 60  # one seed in 6,000 exceeds this number (26 degrees of freedom)


def test_requesting_more_than_the_space_gives_all_of_it_with_a_warning() -> None:
    space = momentum_space()
    with pytest.warns(UserWarning, match="candidates=29 exceeds the 28 configurations"):
        drawn = space.sample(29, random_state=4)
    assert len({key(params) for params in drawn}) == 28
    assert drawn == space.sample(28, random_state=4)


def test_a_stream_starts_like_every_sample_and_ends_with_the_space() -> None:
    space = momentum_space()
    for seed in (0, 7, 2**90):
        whole = list(space.stream(seed))
        assert len({key(params) for params in whole}) == len(whole) == space.size
        for n in (1, 2, 28):
            assert space.sample(n, seed) == whole[:n]
    assert list(Space().stream()) == [{}]
    with pytest.raises(SettingError, match=r"random_state must be an integer of at least 0, got "):
        space.stream(-1)  # raised before anything is drawn


def test_every_order_of_a_small_space_is_equally_likely() -> None:
    """Check that the default comes first and that the six orders of the other configurations are equally frequent."""
    space = Space(dropout=ash.choice(0.0, 0.1, 0.2, 0.3))
    counts = Counter(tuple(params["dropout"] for params in space.stream(seed)) for seed in range(1200))
    assert len(counts) == 6 and all(order[0] == 0.0 for order in counts)
    # one seed in 1,000 exceeds this number (5 degrees of freedom)
    assert sum((count - 200) ** 2 / 200 for count in counts.values()) < 20.5


def test_a_space_without_choices_has_one_configuration() -> None:
    assert Space().size == 1
    assert Space().sample(1) == [{}]
    assert Space(batch_size="full", hidden=(4, 2)).sample(1) == [{"batch_size": "full", "hidden": (4, 2)}]


def test_a_list_is_a_choice_and_a_tuple_is_a_value() -> None:
    assert Space(hidden=[4, 2]).domains["hidden"][0].levels == ((4,), (2,))
    assert Space(hidden=[[4, 2], (8,)]).domains["hidden"][0].levels == ((4, 2), (8,))
    assert Space(hidden=(4, 2)).size == 1
    several = Space(optimizer=["sgd", "adam"], dropout=[ash.choice(0.5).when(optimizer="sgd"), [0.1, 0.2]])
    assert several.size == 1 + 2


def test_a_grid_beyond_64_bits_is_drawn_from() -> None:
    names = ("learning_rate", "epsilon", "l2", "weight_decay", "momentum", "beta1", "beta2")
    space = Space(**{name: ash.loguniform(1e-9, 0.9, levels=1000) for name in names})
    assert space.size == 1000**7 > 2**64
    drawn = space.sample(500, random_state=1)
    assert len({key(params) for params in drawn}) == 500
    assert 0.4 < np.mean([params["l2"] > 3e-5 for params in drawn]) < 0.6


def test_changing_a_sample_does_not_change_the_space() -> None:
    space = momentum_space()
    space.sample(3)[0]["optimizer"] = "changed"
    space.default["optimizer"] = "changed"
    assert space.sample(1)[0]["optimizer"] == "sgd"
    assert space.default["optimizer"] == "sgd"
    with pytest.raises(TypeError):
        space.domains["optimizer"] = ()  # type: ignore[index]


def test_repr_shows_the_number_of_configurations() -> None:
    assert repr(momentum_space()).startswith("<ash.Space of 28 configurations (learning_rate: 4, optimizer: 3")


def test_more_candidates_than_memory_are_refused_before_they_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ash._utils.machine.available_bytes", lambda: 1 << 30)
    space, words = (
        Space(learning_rate=ash.loguniform(1e-4, 1e-1)),
        r"candidates=100000000 needs at least \d+.* GiB of memory",
    )
    advice = "but only 1 GiB are left: lower candidates, or give None, which draws them as they are needed"
    with pytest.raises(SettingError, match=f"{words}, {advice}"):
        space.sample(10**8)
    X, y = np.arange(40.0)[:, None], np.arange(40) % 2
    with pytest.raises(SettingError, match=words):
        ash.tune(X, y, space, candidates=10**8, verbose=0)
    with pytest.raises(SettingError, match=words):
        ash.tune_function(lambda params, epochs, state: 0.0, {"x": ash.uniform(0, 1)}, candidates=10**8, verbose=0)
    with pytest.raises(SettingError, match="n_" + words):
        drawn_candidates({"alpha": stats.uniform(0, 1)}, 10**8, 0, Ridge(), warns=False)
    _, two = drawn_candidates({"alpha": [1, 2]}, 10**8, 0, Ridge(), warns=False)
    assert len(momentum_space().sample(28)) == len(two) + 26
