"""Tests the pruner and the sampler for Optuna studies: their rules, and Optuna's own tests of samplers."""

import importlib.util
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import optuna
import pytest

import ash
import needs
from ash.errors import SettingError

if importlib.util.find_spec("optuna.testing.pytest_samplers") is None:
    needs.not_here("this Optuna has no tests of samplers to run")
from optuna.testing import pytest_samplers as samplers

from ash.optuna import LadderPruner, LevelSampler
from ash.space.foreign_domains import levels_of

optuna.logging.set_verbosity(optuna.logging.WARNING)


class TestLevelSampler(samplers.BasicSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], Any]:
        return LevelSampler


class TestLevelSamplerOfSeveralObjectives(samplers.MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], Any]:
        return LevelSampler


def study(scores: list[list[float]], direction: str = "maximize", **settings: Any) -> list[int]:
    """Return how many steps each trial reported before it was pruned. `scores[i]` has the scores of trial i by step."""
    reported: list[int] = []

    def objective(trial: Any) -> float:
        for step, score in enumerate(scores[trial.number], 1):
            trial.report(score, step)
            if trial.should_prune():
                reported.append(step)
                raise optuna.TrialPruned
        reported.append(len(scores[trial.number]))
        return scores[trial.number][-1]

    own = optuna.create_study(direction=direction, pruner=LadderPruner(**settings))
    own.optimize(objective, n_trials=len(scores))
    return reported


def test_the_best_half_is_not_pruned() -> None:
    flat = [[score] * 8 for score in (0.5, 0.4, 0.6, 0.3, 0.55, 0.7)]
    # The rank of each trial among those that have reported so far: 1st of 1; 2nd of 2; 1st of 3; 4th of 4; 2nd of 5 in
    # rung 0, but 2nd of 3 in rung 1; 1st of 6.
    assert study(flat) == [8, 1, 8, 1, 2, 8]
    assert study([[-score for score in one] for one in flat], "minimize") == study(flat)
    assert study(flat, min_epochs=3)[1] == 3
    assert study([[0.5] * 4] * 3) == [4, 4, 4]  # trials with equal scores continue


def test_rungs_are_at_powers_of_eta() -> None:
    best_then_worse = [[0.9] * 9, [1.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]]
    assert study(best_then_worse, eta=3) == [9, 3]
    assert study(best_then_worse, eta=2) == [9, 2]


def test_f42_a_trial_that_skips_rungs_is_scored_at_each_and_nan_ends_it() -> None:
    own = optuna.create_study(direction="maximize", pruner=LadderPruner())
    first = own.ask()
    first.report(0.5, 8)
    assert not first.should_prune()
    assert [name for name in own.trials[0].system_attrs if name.startswith("ash:rung")] == [
        f"ash:rung:{rung}" for rung in range(4)
    ]
    second = own.ask()
    assert not second.should_prune()  # nothing has been reported yet
    second.report(0.4, 3)
    assert second.should_prune()
    third = own.ask()
    third.report(math.nan, 1)
    assert third.should_prune()


def proposals(order: list[int], workers: int = 1, seed: int = 3) -> list[dict[str, Any]]:
    """Create trials, let them suggest their parameters in `order` on `workers` threads, and return the parameters."""
    own = optuna.create_study(sampler=LevelSampler(seed=seed))
    trials = [own.ask() for _ in order]

    def ask(number: int) -> None:
        trials[number].suggest_float("x", 1e-3, 1, log=True)
        trials[number].suggest_categorical("kind", ["a", "b", None])
        trials[number].suggest_int("depth", 1, 9, step=2)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(ask, order))
    return [trial.params for trial in own.trials]


def test_proposals_do_not_depend_on_the_order() -> None:
    one = proposals([*range(30)])
    assert one == proposals([*range(29, -1, -1)], workers=4) != proposals([*range(30)], seed=4)
    assert len({tuple(each.values()) for each in one}) > 20


def test_levels_match_those_of_a_space() -> None:
    of = optuna.distributions
    assert levels_of(of.FloatDistribution(1e-3, 1, log=True)) == ash.loguniform(1e-3, 1).levels
    assert levels_of(of.IntDistribution(1, 9, log=True)) == ash.integers(1, 9, log=True).drawn
    assert levels_of(of.IntDistribution(1, 9, step=4)) == (1, 5, 9)


@pytest.mark.parametrize(
    "make", [lambda: LadderPruner(eta=1), lambda: LadderPruner(min_epochs=0), lambda: LevelSampler(-1)]
)
def test_invalid_arguments_of_the_tools_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(SettingError, match=r" must be .*, got "):
        make()
