"""Tests the default source of candidates: random draws, and draws near good candidates."""

import warnings
from typing import Any

import numpy as np
import optuna
import pytest

import ash
from ash.function.sources import AdaptiveTrials
from ash.history.json_files import space_story
from ash.journal.journal import NullFunctionJournal
from ash.sampling import Adaptive
from ash.space.hyperparameters import Params
from function_help import FAILURES, run

FLAT = ash.FunctionSpace(x=ash.uniform(0, 1), rate=ash.loguniform(1e-3, 1, levels=31), kind=["a", "b", "c"], fixed=7)
NESTED = ash.FunctionSpace(
    kind=["tree", "linear", "none"],
    depth=[ash.integers(1, 9).when(kind="tree"), ash.integers(100, 300).when(kind="linear")],
    shape=ash.choice((1, 2), (3,), None).when(depth=(2, 3)),
    rate=ash.loguniform(1e-3, 1).when(kind=("tree", "linear")),
)
Places = dict[int, tuple[int, float]]


def told(space: ash.FunctionSpace, count: int, seed: int, places: Places) -> Adaptive:
    """Return an adaptive source that has drawn `count` candidates.

    Each candidate in `places` was given its rung and score immediately after its draw.
    """
    source = Adaptive([], space, count, seed)
    for number in range(count):
        assert source.more()
        if number in places:
            source.tell(number, *places[number])
    assert not source.more()
    return source


def near_by_hand(params: list[Params], number: int, seed: int, places: Places) -> Params:
    """Draw a candidate near one of the best sixteenth of all (at least two), in a simple reference implementation."""
    ranked = sorted((candidate for candidate in places if candidate < number), key=lambda each: (*places[each], -each))
    good = ranked[::-1][: max(2, len(ranked) // 16)]
    stream = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(2, number)))

    def share() -> float:
        return int(stream.random_raw()) / 2**64

    own = params[good[int(share() ** 2 * len(good))]]
    draws = {name: (share(), share(), share()) for name in FLAT.domains}
    found: Params = {}
    for name, (domain,) in FLAT.domains.items():
        kept, up, down = draws[name]
        levels = domain.levels
        if kept >= 0.75:
            found[name] = levels[int(share() * len(levels))]
        elif name in ("x", "rate"):
            place = levels.index(own[name]) + round(0.15 * (up - down) * len(levels))
            found[name] = levels[min(max(place, 0), len(levels) - 1)]
        else:
            found[name] = own[name]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_two_of_three_draws_are_near_good_candidates(seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = {number: (int(rng.integers(3)), round(float(rng.normal()), 1)) for number in range(90) if number % 7}
    source = told(FLAT, 90, seed, places)
    drawn = iter(FLAT.sample(90, seed))
    near = 0
    for number, params in enumerate(source.params):
        before = source.params[:number]
        scored = sum(candidate < number for candidate in places)
        by_hand = near_by_hand(before, number, seed, places) if scored >= 8 and number % 3 else None
        if by_hand is not None and by_hand not in before:
            assert params == by_hand
            near += 1
        else:
            assert params == next(each for each in drawn if each not in before)
    assert 40 < near < 60
    assert len({*map(str, source.params)}) == 90


def test_without_scores_all_draws_are_random() -> None:
    assert told(FLAT, 64, 3, {}).params == FLAT.sample(64, 3)
    assert told(FLAT, 64, 3, {number: (0, 0.0) for number in range(7)}).params == FLAT.sample(64, 3)


@pytest.mark.parametrize("seed", range(3))
def test_draws_satisfy_the_conditions_of_the_space(seed: int) -> None:
    places = {number: (0, float(number % 5)) for number in range(240)}
    found = told(NESTED, 200, seed, places).params
    assert all(NESTED.has(params) for params in found) and len({*map(str, found)}) == 200
    assert {params["kind"] for params in found} == {"tree", "linear", "none"}
    assert {"shape" in params for params in found} == {True, False}


def test_each_configuration_of_a_small_space_is_tried_once() -> None:
    space = {"x": [0.1, 0.2, 0.3], "depth": ash.integers(1, 4), "kind": ["a", "b"]}
    with pytest.warns(UserWarning, match="candidates=99 exceeds the 24 configurations"):
        result = ash.tune_function(
            lambda params, epochs, state: -params["x"], space, candidates=99, n_jobs=1, verbose=0
        )
    assert len({*map(str, result.params)}) == len(result.params) == 24


def test_moved_numbers_stay_in_their_domain() -> None:
    grid, many, options = ash.uniform(0, 1, levels=5), ash.loguniform(1e-3, 10), ash.choice(1, 2, 3)
    assert [grid.moved(0.5, share) for share in (-1, -0.2, 0, 0.09, 0.2, 1)] == [0, 0.25, 0.5, 0.5, 0.75, 1]
    assert grid.moved(0.6, 0) == 0.75, "a number between two levels"
    assert many.moved(0.1, -1) == 1e-3 and many.moved(0.1, 1) == 10
    assert many.moved(0.1, 0.25) == pytest.approx(1) and many.moved(0.1, -0.25) == pytest.approx(0.01)
    assert options.moved(2, 1) == 2
    whole = ash.integers(1, 10**6, log=True)
    assert whole.moved(1000, 1 / 6) == pytest.approx(1000 * 2e6 ** (1 / 6), rel=1e-3) and whole.moved(1000, 0) == 1000
    assert ash.uniform(2, 2).moved(2.0, 0.5) == 2


def test_random_search_and_synchronous_halving_draw_at_random() -> None:
    for algorithm in ("random", "sh"):
        found = run(algorithm=algorithm, n_jobs=1, max_rungs=3)
        assert found.params == run(algorithm=algorithm, n_jobs=1, max_rungs=3, sampler="random").params
        assert found.params != run(algorithm=algorithm, n_jobs=1, max_rungs=3, sampler="adaptive").params


@pytest.mark.filterwarnings(*FAILURES)
def test_failures_are_not_ranked() -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> float:
        if params["x"] > 0.4:
            raise ValueError("too large")
        return float(params["x"])

    result = run(function, candidates=90, n_jobs=1)
    late = [params["x"] for number, params in enumerate(result.params) if number > 30 and number % 3]
    assert result.failures and sum(x <= 0.4 for x in late) > 0.55 * len(late)


# Optuna trials


def valley(trial: optuna.Trial) -> float:
    x, kind = trial.suggest_float("x", 0, 1), trial.suggest_categorical("kind", [(1, 2), "b", None])
    rate = trial.suggest_float("rate", 1e-4, 1, log=True) if kind == "b" else 0.1
    value = 0.0
    for step in range(4):
        value = (x - 0.3) ** 2 + abs(np.log(rate / 0.1)) * 0.1 + 0.2 * (kind is None) + 1 / (step + 1)
        trial.report(value, step)
    return value


def trials(**changes: Any) -> ash.FunctionResult:
    given = {"candidates": 60, "direction": "minimize", "max_epochs": 4, "n_jobs": 1, "verbose": 0}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Choices for a categorical")
        # every value given to a trial is within the suggested range
        warnings.filterwarnings("error", message="first: ")
        return ash.tune_function(ash.from_optuna(valley), **{**given, **changes})


def test_optuna_trials_are_drawn_near_good_ones() -> None:
    random, found = trials(sampler="random"), trials()
    assert found.params[:8] == random.params[:8]
    assert sum(mine != other for mine, other in zip(found.params, random.params, strict=True)) > 25
    assert np.median([abs(params["x"] - 0.3) for params in found.params[20:]]) < 0.6 * np.median(
        [abs(params["x"] - 0.3) for params in random.params[20:]]
    )
    kinds = {str(params["kind"]) for params in found.params}
    assert kinds == {"(1, 2)", "b", "None"}


def test_other_samplers_are_refused_for_an_objective() -> None:
    for wrong in ("sobol", optuna.samplers.TPESampler(), 3):
        with pytest.raises(ash.SettingError, match=r"sampler must be 'adaptive' or 'random' with ash\.from_optuna"):
            trials(sampler=wrong)


def test_suggested_values_are_not_proposed_again() -> None:
    source, rng = AdaptiveTrials([], 120, 0, NullFunctionJournal()), np.random.default_rng(0)
    space: dict[str, Any] = {"kind": [*"abcdef"], "count": [*range(1, 31)]}
    facts = space_story(ash.FunctionSpace(kind=space["kind"], count=ash.integers(1, 30)))
    suggested: list[Params] = []
    proposed = 0
    while source.more():
        given = source.params[-1].get("proposed", {})
        assert len(given) < len(space) or given not in suggested
        proposed += len(given) == len(space)
        params = {name: given.get(name, options[rng.integers(len(options))]) for name, options in space.items()}
        suggested.append(params)
        score = -float(ord(params["kind"]) + params["count"])
        source.tell(len(suggested) - 1, 0, score, {"params": params, "space": facts})
    assert proposed > 0 and len(suggested) == 120
