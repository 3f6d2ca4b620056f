"""Tests levels that are computed on demand: their order, bounds and indices, and how they are drawn."""

import copy
import math
import pickle
from collections import Counter
from decimal import localcontext
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import ash
from ash.space.domains import Domain, encode, key_of

FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(1e-300, allow_infinity=False)


def check_levels(domain: Domain, low: float, high: float) -> None:
    """Check properties of levels at both ends, around the default, and in between."""
    levels, count = domain.levels, len(domain.levels)
    assert (levels[0], levels[-1], count) == (low, high, len(domain.drawn))
    assert domain.default in levels and low <= domain.default <= high
    middle = levels.index(domain.default)
    for start in (0, middle - 5, count // 3, count - 9):
        places = range(max(start, 0), min(start + 9, count))
        values = [levels[place] for place in places]
        assert values == list(levels[places.start : places.stop])
        assert all(left < right for left, right in pairwise(values))
        assert all(type(value) is float and value in levels for value in values)
        assert [levels.index(value) for value in values] == list(places)
        between = [left + (right - left) / 2 for left, right in pairwise(values)]
        assert not any(value in levels for value in between if value not in values)


@given(FINITE, FINITE, st.none() | st.floats(0, 1))
@example(0.0, 5e-324, None)
@example(1.0, 1.0 + 2**-52, 0.5)
@example(-1e308, 1e308, 0.3)
@example(0.8, 0.99, None)
@example(-0.0, 1e-300, None)
def test_levels_of_uniform_domains_are_correct(one: float, other: float, share: float | None) -> None:
    low, high = min(one, other), max(one, other)
    default = None if share is None else min(max(low + share * (high / 2 - low / 2), low), high)
    domain = ash.uniform(low, high, default=default)
    if low == high:
        assert domain.levels == (low,)
        return
    check_levels(domain, low, high)
    assert default is None or domain.default == default


@given(POSITIVE, POSITIVE, st.none() | st.floats(0, 1))
@example(1e-300, 1e300, None)
@example(1.0, 1.0 + 2**-52, None)
@example(1.0, 1.0 + 2**-45, 0.5)
@example(0.999, 1.0, None)
def test_levels_of_log_domains_are_correct(one: float, other: float, share: float | None) -> None:
    low, high = min(one, other), max(one, other)
    default = None if share is None else min(max(low + share * (high / 2 - low / 2), low), high)
    domain = ash.loguniform(low, high, default=default)
    if low == high:
        assert domain.levels == (low,)
        return
    check_levels(domain, low, high)
    assert default is None or domain.default == default


def test_continuous_domains_have_about_a_billion_levels() -> None:
    assert len(ash.uniform(0, 1).levels) == 10**9 + 1
    assert all(10**9 < len(ash.uniform(low, low + 0.19).levels) < 10**10 for low in (-7.0, 0.0, 0.8, 1000.0))
    assert len(ash.loguniform(1e-4, 1e-1).levels) == 10**9 + 2, "and the default"
    assert ash.uniform(0, 1).levels[:3] == (0.0, 1e-9, 2e-9)
    assert ash.uniform(0, 1).levels[123_456_789] == 0.123456789


def test_levels_are_close_to_the_exact_values() -> None:
    log, even = ash.loguniform(1e-5, 10, default=10).levels, ash.uniform(-3, 5, default=5).levels
    for share in (0.1, 0.25, 0.5, 0.9):
        assert log[int(share * 10**9)] == pytest.approx(1e-5 * 10 ** (6 * share), rel=1e-8)
        assert even[int(share * len(even))] == pytest.approx(-3 + 8 * share, abs=1e-8)


def test_levels_do_not_depend_on_the_callers_decimal_context() -> None:
    def some() -> list[Any]:
        domains = (ash.loguniform(1e-4, 1e-1), ash.uniform(0, 1 / 3), ash.integers(1, 10**9, log=True))
        return [domain.drawn[place] for domain in domains for place in (12_345, 67_890_123, 987_654_321)]

    usual = some()
    with localcontext() as context:
        context.prec = 3
        assert some() == usual


def test_defaults_are_short_numbers() -> None:
    assert ash.uniform(0, 1).default == 0.5 and ash.uniform(0.8, 0.99).default == 0.895
    assert ash.uniform(1000, 1001).default == 1000.5 and ash.uniform(0, 1 / 3).default == 0.167
    assert ash.loguniform(1e-4, 1e-1).default == 0.00316 and ash.loguniform(1e-4, 1e-2).default == 1e-3
    assert ash.loguniform(0.999, 1).default == 0.9995
    assert ash.integers(1, 10**6).default == 500_000
    assert ash.integers(1, 10**6, log=True).default == 1000 and ash.integers(1, 2, log=True).default == 1
    assert ash.integers(1, 10**6, default=7).default == 7


@pytest.mark.parametrize(
    "domain", [ash.uniform(0, 1), ash.loguniform(1e-3, 1), ash.integers(1, 10**9), ash.integers(1, 99, log=True)]
)
def test_domains_are_equal_after_pickle_and_copy(domain: Domain) -> None:
    domain.drawn[5]
    for other in (pickle.loads(pickle.dumps(domain)), copy.deepcopy(domain)):
        assert other == domain and other.drawn[17] == domain.drawn[17]
    assert ash.uniform(0, 1).levels != ash.uniform(0, 1, default=0.25).levels


def test_other_values_are_not_levels() -> None:
    levels = ash.uniform(0, 1).levels
    assert not any(value in levels for value in ("0", None, (0.5,), math.nan, True, -1, 2))
    with pytest.raises(ValueError, match="is not a level"):
        levels.index(1 / 3)
    with pytest.raises(ValueError, match=r"0\.5 is not a level"):
        levels.index(0.5, 0, 1000)
    with pytest.raises(IndexError):
        levels[len(levels)]
    whole = ash.integers(0, 10**18)
    assert whole.has(10**18) and whole.has(np.int64(3)) and not any(map(whole.has, (2.5, 3.0, "3", None, True, -1)))


# Integers


def test_levels_of_integer_domains_are_correct() -> None:
    assert ash.integers(1, 10**18).levels == range(1, 10**18 + 1)
    assert ash.integers(0, 10**9, step=10).levels == range(0, 10**9 + 1, 10)
    assert ash.integers(1, 1000).levels == tuple(range(1, 1001)), "listed, as there are few"
    assert ash.integers(0, 100, levels=5).levels == (0, 25, 50, 75, 100)
    assert ash.integers(0, 100, levels=5, default=30).levels == (0, 25, 30, 50, 75, 100)
    assert ash.integers(1, 1000, levels=4, log=True).levels == (1, 10, 100, 1000)
    assert ash.integers(1, 4, levels=50, log=True).levels == (1, 2, 3, 4)
    assert ash.integers(3, 3, log=True).levels == (3,)


@pytest.mark.parametrize(("low", "high"), [(1, 3), (1, 30), (7, 20), (1, 10**18), (10**17, 10**18)])
def test_integers_are_drawn_in_proportion_to_their_weights(low: int, high: int) -> None:
    drawn = ash.integers(low, high, log=True).drawn
    assert drawn[0] == pytest.approx(low, rel=1e-7) and drawn[-1] == pytest.approx(high, rel=1e-7)
    assert type(drawn[0]) is int and drawn[0] >= low and drawn[-1] <= high
    total = math.log(2 * high + 1) - math.log(2 * low - 1)
    for number in (low, low + 1, low + 2):
        if number <= high < 10**6:
            share = (math.log(2 * number + 1) - math.log(2 * number - 1)) / total
            place = drawn.index(number)
            stop = drawn.index(number + 1) if number < high else len(drawn)
            assert (stop - place) / len(drawn) == pytest.approx(share, abs=1e-8)


def test_weighted_draws_do_not_repeat() -> None:
    space = ash.FunctionSpace(a=ash.integers(1, 400, log=True), kind=["x", "y"])
    assert space.size == 800
    found = [(params["a"], params["kind"]) for params in space.stream(1)]
    assert len(found) == len(set(found)) == 800 and found[0] == (20, "x")
    assert [params["a"] for params in space.sample(100, 1)] == [a for a, _ in found[:100]]
    assert sum(a < 20 for a, _ in found[:100]) > 2 * sum(a < 20 for a, _ in found[-100:])
    assert found != [(params["a"], params["kind"]) for params in space.stream(2)]


# Spaces with many levels


def space_of_all() -> ash.Space:
    return ash.Space(
        hidden=[(8,), (8, 4)],
        learning_rate=ash.loguniform(1e-4, 1e-1),
        optimizer=["adamw", "momentum"],
        momentum=ash.uniform(0.8, 0.99).when(optimizer="momentum"),
        batch_size=ash.integers(16, 5000),
    )


def test_draws_are_distinct_and_start_with_the_default() -> None:
    space = space_of_all()
    drawn = space.sample(3000, random_state=4)
    assert (
        drawn[0]
        == space.default
        == {
            "hidden": (8,),
            "learning_rate": 0.00316,
            "optimizer": "adamw",
            "batch_size": 2508,
        }
    )
    assert len({encode(params["learning_rate"]) for params in drawn}) == 3000
    assert drawn[:50] == space.sample(50, random_state=4) != space.sample(50, random_state=5)
    with_momentum = [params["momentum"] for params in drawn if params["optimizer"] == "momentum"]
    assert len(set(with_momentum)) > 1000 and all(0.8 <= value <= 0.99 for value in with_momentum)


def test_draws_from_many_levels_do_not_depend_on_library_versions() -> None:
    """Compare with fixed values: levels are computed in decimal arithmetic, which is the same everywhere."""
    domains = {"rate": ash.loguniform(1e-4, 1e-1), "share": ash.uniform(0, 0.9)}
    assert ash.FunctionSpace(**domains, trees=ash.integers(1, 10**9)).sample(3, random_state=2026) == [
        {"rate": 0.00316, "share": 0.45, "trees": 500000000},
        {"rate": 0.01162154425, "share": 0.8355383466, "trees": 671112814},
        {"rate": 0.0007526602649, "share": 0.2124947376, "trees": 948536842},
    ]
    assert ash.FunctionSpace(**domains, leaves=ash.integers(2, 999, log=True)).sample(4, random_state=2026) == [
        {"rate": 0.00316, "share": 0.45, "leaves": 45},
        {"rate": 0.01162154425, "share": 0.8355383466, "leaves": 118},
        {"rate": 0.0007526602649, "share": 0.2124947376, "leaves": 715},
        {"rate": 0.001173208692, "share": 0.5596546947, "leaves": 4},
    ]


def test_draws_are_even_over_the_range() -> None:
    space = ash.FunctionSpace(even=ash.uniform(-2, 3), log=ash.loguniform(1e-6, 1e2), whole=ash.integers(1, 10**12))
    drawn = space.sample(4001, random_state=3)[1:]
    shares = {
        "even": [(params["even"] + 2) / 5 for params in drawn],
        "log": [(math.log10(params["log"]) + 6) / 8 for params in drawn],
        "whole": [params["whole"] / 10**12 for params in drawn],
    }
    for values in shares.values():
        counts = np.histogram(values, 20, (0, 1))[0]
        assert sum((counts - 200) ** 2 / 200) < 43.9  # one seed in 1,000 exceeds this number (19 degrees of freedom)


def test_a_condition_on_a_continuous_domain_leaves_all_choices_equally_likely() -> None:
    space = ash.FunctionSpace(
        model=["forest", "linear", "network"],
        depth=ash.integers(1, 4).when(model="forest"),
        alpha=ash.loguniform(1e-6, 1).when(model="linear"),
        rate=[ash.loguniform(1e-4, 1e-1).when(model="network")],
        layers=ash.integers(1, 3).when(model="network"),
        other=[0, 1, 2],
    )
    drawn = [encode(tuple(params.items())) for params in space.sample(600, random_state=1)]
    assert len(set(drawn)) == 600 and sum("forest" in text for text in drawn) == 4 * 3, "all that there are"
    without = ash.FunctionSpace(
        model=["a", "b", "c", "d"],
        x=[
            ash.uniform(0, 1).when(model="a"),
            ash.integers(1, 10**6).when(model=("b", "c")),
            ash.loguniform(1, 2, levels=9999),
        ],
    )
    counts = Counter(params["model"] for params in islice(without.stream(2), 1, 1001))
    assert set(counts) == set("abcd") and sum((count - 250) ** 2 / 250 for count in counts.values()) < 16.3


def test_a_condition_on_integers_leaves_all_choices_equally_likely() -> None:
    kind, trees = ash.choice("forest", "linear"), ash.integers(1, 5000).when(kind="forest")
    space = ash.FunctionSpace(kind=kind, trees=trees, depth=ash.choice(1, 2).when(trees=1), rate=ash.uniform(0, 1))
    counts = Counter(params["kind"] for params in space.sample(1000))
    assert abs(counts["forest"] - 500) < 60


@st.composite
def mixed_spaces(draw: st.DrawFn) -> ash.FunctionSpace:
    """Return a space with all kinds of domains, some of them with conditions on earlier hyperparameters."""
    kinds = [
        ash.uniform(0, 1),
        ash.loguniform(1e-3, 2, default=0.5),
        ash.integers(1, 10**7),
        ash.integers(1, 3, log=True),
        ash.integers(2, 2000, log=True),
        ash.integers(1, 4),
        ash.choice("a", "b", "c"),
    ]
    domains: dict[str, Domain] = {}
    for name in "abcde"[: draw(st.integers(1, 5))]:
        domain = draw(st.sampled_from(kinds))
        above = draw(st.sampled_from([None, *(other for other, one in domains.items() if one.has_list)]))
        if above is not None and not domains[above].conditions:
            wanted = draw(st.lists(st.sampled_from(domains[above].levels), min_size=1, unique=True))
            domain = domain.when(**{above: tuple(wanted)})
        domains[name] = domain
    return ash.FunctionSpace(**domains)


@given(mixed_spaces(), st.integers(0, 2**70))
def test_configurations_are_unique_and_in_the_space(space: ash.FunctionSpace, seed: int) -> None:
    count = min(space.size, 60)
    drawn = space.sample(count, seed)
    assert len({key_of(params) for params in drawn}) == count and drawn[0] == space.default
    assert drawn == list(islice(space.stream(seed), count))
    assert all(space.read(params) == (params, True) for params in drawn)


def test_a_small_branch_beside_a_continuous_one_is_exhausted() -> None:
    space = ash.FunctionSpace(a=["x", "y", "z"], b=[ash.uniform(0, 1).when(a="x"), ash.choice(*range(99)).when(a="y")])
    drawn = space.sample(3000, random_state=0)
    assert len({encode(tuple(params.items())) for params in drawn}) == 3000
    assert Counter(params["a"] for params in drawn) == {"x": 2900, "y": 99, "z": 1}


def test_repr_shows_the_range() -> None:
    assert repr(space_of_all()) == (
        "<ash.Space (hidden: 2, learning_rate: 0.0001 to 0.1, optimizer: 2, momentum: 0.8 to 0.99, "
        "batch_size: 16 to 5000)>"
    )
    mixed = ash.FunctionSpace(a=["x", "y"], b=[ash.uniform(0, 1).when(a="x"), 3])
    assert repr(mixed) == "<ash.Space (a: 2, b: 0.0 to 1.0 or 1)>"


def test_given_configurations_are_read_with_values_between_levels() -> None:
    space = ash.FunctionSpace(a=ash.uniform(0, 1), n=ash.integers(1, 10**9), k=ash.integers(1, 99, log=True))
    assert space.read({"a": 0.25, "n": 5, "k": 98}) == ({"a": 0.25, "n": 5, "k": 98}, True)
    assert space.read({"a": 1 / 3, "n": 5, "k": 98})[1] is False
    for wrong in ({"a": 1.5}, {"n": 0}, {"n": 2.5}, {"k": 100}, {"a": "x"}):
        with pytest.raises(ash.SettingError, match="is not in the space, which has values from"):
            space.read({"a": 0.25, "n": 5, "k": 98, **wrong})
