"""Compares samplers of candidates in runs of `ash.tune_function`.

    python -m scripts.compare_samplers [SEEDS]    # prints a table; 8 seeds take half an hour on one core

    random     random draws without repetition
    adaptive   the default: two in three draws are near good candidates
    Sobol      points that fill the space evenly
    TPE        optuna.samplers.TPESampler, which is told the ranks of all candidates; "multivariate" models parameters
               jointly
    forest     points that a forest of extra trees ranks best; one point in five is drawn at random

The test functions are Branin, Ackley, Rosenbrock, Levy and Hartmann 6 (Surjanovic and Bingham, Virtual Library of
Simulation Experiments). Two hyperparameters are added: a rate, and a choice among four shifts of the value. The error
after t epochs is the value plus a learning curve that falls with t, and the score is the negated error. In "steady"
problems all curves fall at the same pace. In "crossing" problems, curves with a higher rate fall faster, but end at a
higher error. In the group "tables", LightGBM is tuned on scikit-learn's data, with a quarter of the rows held out.

All samplers get the same number of epochs, enough to train 15 or 50 candidates completely. The ladder has four rungs
and eta 3. The error is that of a run's best candidate after full training. The sampler's own time is not counted.
"""

import math
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
from sklearn.ensemble import ExtraTreesRegressor

import ash

RUNGS, ETA, FULL = 4, 3, 40  # 1 + 3 + 9 + 27 epochs
BUDGETS = (15, 50)
Params = Mapping[str, Any]


class Problem:
    """A tuning problem: a space, and a function that returns the error of a configuration after some epochs."""

    def __init__(self, space: dict[str, Any], error: Callable[[Params, int], float]) -> None:
        self.space, self.error = space, error

    def run(self, sampler: Any, seed: int, budget: int) -> float:
        """Run a search and return the error of its best candidate after full training."""

        def train(params: Params, epochs: int, done: int | None) -> tuple[float, int]:
            total = (done or 0) + epochs
            return -self.error(params, total), total

        config = ash.SearchConfig(eta=ETA, max_rungs=RUNGS, max_total_epochs=budget * FULL, virtual_workers=4)
        result = ash.tune_function(
            *(train, self.space),
            candidates=None,
            costs=lambda params, epochs: epochs,
            sampler=sampler,
            random_state=seed,
            n_jobs=1,
            verbose=0,
            config=config,
        )
        return self.error(result.best_params, FULL)


def branin(x: Sequence[float]) -> float:
    """Return the function's height above its minimum, divided by 100, at a point of the unit square."""
    a, b = 15 * x[0] - 5, 15 * x[1]
    wave = 10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10
    return ((b - 5.1 / (4 * math.pi**2) * a * a + 5 / math.pi * a - 6) ** 2 + wave - 0.397887) / 100


def ackley(x: Sequence[float]) -> float:
    """Return the function's value, divided by 12, at a point of the unit cube, scaled to the range -3 to 5."""
    z = 8 * np.array(x) - 3
    root, waves = np.sqrt(np.mean(z**2)), np.mean(np.cos(2 * np.pi * z))
    return float(20 - 20 * np.exp(-0.2 * root) - np.exp(waves) + np.e) / 12


def rosenbrock(x: Sequence[float]) -> float:
    """Return the function's value, divided by 300, at a point of the unit cube, scaled to the range -1 to 2."""
    z = 3 * np.array(x) - 1
    return float(np.sum(100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2)) / 300


def levy(x: Sequence[float]) -> float:
    """Return the function's value, divided by 20, at a point of the unit cube, scaled to the range -6 to 6."""
    w = 1 + (12 * np.array(x) - 7) / 4
    middle = (w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)
    end = (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2)
    return float(np.sin(np.pi * w[0]) ** 2 + np.sum(middle) + end) / 20


def hartmann6(x: Sequence[float]) -> float:
    """Return the function's height above its minimum, divided by 3.3, at a point of the unit cube."""
    weights = np.array([1, 1.2, 3, 3.2])
    a = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    p = [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
    squares = (np.array(a) * (np.array(x) - 1e-4 * np.array(p)) ** 2).sum(axis=1)
    return float(3.32237 - weights @ np.exp(-squares)) / 3.3


FUNCTIONS = {"Branin": (branin, 2), "Ackley": (ackley, 4), "Rosenbrock": (rosenbrock, 4)}
FUNCTIONS |= {"Levy": (levy, 5), "Hartmann 6": (hartmann6, 6)}
SHIFTS = {"a": 0.3, "b": 0.0, "c": 0.1, "d": 0.2}


def function(name: str, crossing: bool) -> Problem:
    """Return a tuning problem: a test function with an added learning curve."""
    value, dimensions = FUNCTIONS[name]
    names = [f"x{number}" for number in range(dimensions)]

    def error(params: Params, epochs: int) -> float:
        base: float = value([params[each] for each in names]) + SHIFTS[params["kind"]]
        rate = math.log10(params["rate"]) + 1.5
        if not crossing:
            return base + 0.05 * rate**2 + epochs**-0.7
        return base + 0.15 * max(0.0, rate + 0.5) + 1.5 * math.exp(-(10 ** (0.6 * rate)) * epochs / 4)

    space = {each: ash.uniform(0, 1) for each in names} | {"rate": ash.loguniform(1e-3, 1), "kind": list(SHIFTS)}
    return Problem(space, error)


@cache
def rows_of(name: str) -> tuple[Any, ...]:
    """Return a scikit-learn table, split into rows to fit and rows to test on."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return tuple(train_test_split(x, y, test_size=0.25, random_state=0))


def table(name: str) -> Problem:
    """Return the problem of tuning LightGBM on a table; an epoch is two boosting rounds."""
    import lightgbm
    from sklearn.metrics import log_loss, root_mean_squared_error

    x, x_held, y, y_held = rows_of(name)
    regresses = name == "diabetes"

    def error(params: Params, epochs: int) -> float:
        kind = lightgbm.LGBMRegressor if regresses else lightgbm.LGBMClassifier
        made = kind(n_estimators=2 * epochs, n_jobs=1, verbose=-1, random_state=0, subsample_freq=1, **params).fit(x, y)
        found = (made.predict if regresses else made.predict_proba)(x_held)
        return float(root_mean_squared_error(y_held, found) / y_held.std() if regresses else log_loss(y_held, found))

    space = {
        "learning_rate": ash.loguniform(0.01, 0.5),
        "num_leaves": ash.integers(3, 63, log=True),
        "min_child_samples": ash.integers(2, 60, log=True),
        "reg_lambda": ash.loguniform(1e-3, 30),
        "subsample": ash.uniform(0.4, 1.0),
        "colsample_bytree": ash.uniform(0.3, 1.0),
    }
    return Problem(space, error)


class Forest(optuna.samplers.BaseSampler):  # type: ignore[misc]
    """Draws 200 points and proposes the one for which extra trees predict the highest mean plus half the spread."""

    def __init__(self, seed: int) -> None:
        self._draws, self._rng = optuna.samplers.RandomSampler(seed=seed), np.random.default_rng(seed)
        self._rows, self._forest = 0, ExtraTreesRegressor(50, min_samples_leaf=2, random_state=0)

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        """Return the search space of all parameters."""
        return dict(optuna.search_space.intersection_search_space(study.get_trials(deepcopy=False)))

    def sample_relative(self, study: Any, trial: Any, search_space: dict[str, Any]) -> dict[str, Any]:
        """Return the proposed point; {} requests a random point: for the first ten, and for one in five later ones."""
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(done) < 10 or self._rng.random() < 0.2 or not search_space:
            return {}
        points = [
            {name: self._draws.sample_independent(study, trial, name, each) for name, each in search_space.items()}
            for _ in range(200)
        ]
        if len(done) > 1.1 * self._rows:  # fit a new forest whenever the number of results has grown by a tenth
            self._rows, self._forest = len(done), ExtraTreesRegressor(50, min_samples_leaf=2, random_state=0)
            self._forest.fit([self._cells(each.params, search_space) for each in done], [each.value for each in done])
        cells = np.array([self._cells(each, search_space) for each in points], np.float32)
        found = np.stack([tree.predict(cells) for tree in self._forest.estimators_])
        return points[int(np.argmax(found.mean(axis=0) + 0.5 * found.std(axis=0)))]

    def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
        """Return a random value of one parameter."""
        return self._draws.sample_independent(study, trial, name, distribution)

    @staticmethod
    def _cells(params: Params, space: Mapping[str, Any]) -> list[float]:
        logs = {name for name, each in space.items() if getattr(each, "log", False)}
        values = {name: each.to_internal_repr(params[name]) for name, each in space.items()}
        return [math.log(value) if name in logs else value for name, value in values.items()]


def samplers(seed: int) -> dict[str, Any]:
    """Return the compared samplers by name."""
    tpe = optuna.samplers.TPESampler
    return {
        "random": "random",
        "adaptive": "adaptive",
        "Sobol": "sobol",
        "TPE": tpe(seed=seed, multivariate=False),
        "TPE, multivariate": tpe(seed=seed, multivariate=True),
        "forest": Forest(seed),
    }


def problems() -> dict[str, dict[str, Problem]]:
    """Return the problems of each group by name."""
    return {
        "steady": {name: function(name, crossing=False) for name in FUNCTIONS},
        "crossing": {name: function(name, crossing=True) for name in FUNCTIONS},
        "tables": {name: table(name) for name in ("breast_cancer", "wine", "diabetes", "iris")},
    }


def main(seeds: int) -> None:
    """Print the ratio of each sampler's errors to those of random draws, for each group and budget.

    The number in parentheses counts the problems on which the sampler has lower errors than random draws.
    """
    warnings.simplefilter("ignore")
    began = time.time()
    names = list(samplers(0))
    print(f"| problems | candidates in full | {' | '.join(names[1:])} |\n|---|--:|{'--:|' * (len(names) - 1)}")
    for group, found in problems().items():
        for budget in BUDGETS:
            errors = {
                (name, kind): [problem.run(samplers(seed)[kind], seed, budget) for seed in range(seeds)]
                for name, problem in found.items()
                for kind in names
            }
            cells = []
            for kind in names[1:]:
                pairs = ((np.mean(errors[name, kind]), np.mean(errors[name, names[0]])) for name in found)
                ratios = [float(own / drawn) for own, drawn in pairs]
                mean = math.exp(np.mean(np.log(ratios)))
                cells.append(f"{mean:.3f} ({sum(ratio < 1 for ratio in ratios)} of {len(ratios)})")
            print(f"| {group} | {budget} | {' | '.join(cells)} |", flush=True)
    print(f"\n{seeds} seeds, {time.time() - began:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
