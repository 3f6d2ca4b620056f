"""Compares numbers of virtual workers in runs of `ash.tune_function`: `python -m scripts.compare_workers [GROUP]`.

Printed is the mean error of a run's best candidate after full training, over 30 seeds, divided by that of random draws
with one worker; of several problems, the geometric mean. The group "functions" has the test functions of
`scripts.compare_samplers`. The group "networks" has curves of networks on small tables, recorded before. A budget is a
number of candidates that can be trained in full, for 40 epochs. The ladder has four rungs and eta 3.
"""

import sys
import warnings
from typing import Any

import numpy as np
from sklearn import datasets

import ash
from scripts.compare_samplers import ETA, FULL, FUNCTIONS, RUNGS, Params, Problem, function

WORKERS, BUDGETS, SEEDS = (1, 4, 8, 16, 32), (5, 15, 50), 30
NETWORKS: dict[str, Any] = {
    "hidden": [(16,), (64,), (32, 32), (64, 64)],
    "learning_rate": ash.loguniform(1e-3, 1.0, levels=8),
    "dropout": [0.0, 0.15, 0.3],
    "weight_decay": [0.0, 0.02],
    "activation": ["selu", "relu"],
}


def recorded(name: str) -> Problem:
    """Return the problem of finding the network with the lowest validation loss, from the losses of all networks."""
    x, y = (rows[:600] for rows in getattr(datasets, f"load_{name}")(return_X_y=True))
    space, config = ash.Space(**NETWORKS), ash.SearchConfig(algorithm="random", eta=ETA, max_rungs=RUNGS)
    given: dict[str, Any] = {"validation": 0.25, "verbose": 0, "n_jobs": 1, "config": config}
    result = ash.tune(x, y, space, candidates=space.size, **given)
    worst = max(job.loss for job in result.jobs if np.isfinite(job.loss))
    losses = {
        (str(sorted(result.params[job.candidate].items())), (1, 4, 13, 40)[job.rung]): job.loss
        for job in result.jobs
        if np.isfinite(job.loss)
    }

    def error(params: Params, epochs: int) -> float:
        return float(losses.get((str(sorted(params.items())), epochs), worst))

    return Problem(NETWORKS, error)


def error_of(problem: Problem, sampler: str, workers: int, budget: int, seed: int) -> float:
    """Run a search and return the error of its best candidate after full training."""

    def train(params: Params, epochs: int, done: int | None) -> tuple[float, int]:
        total = (done or 0) + epochs
        return -problem.error(params, total), total

    config = ash.SearchConfig(eta=ETA, max_rungs=RUNGS, max_total_epochs=budget * FULL, virtual_workers=workers)
    given: dict[str, Any] = {"candidates": None, "n_jobs": 1, "verbose": 0, "config": config}
    result = ash.tune_function(train, problem.space, sampler=sampler, random_state=seed, **given)
    return problem.error(result.best_params, FULL)


def main(groups: list[str]) -> None:
    """Print a row per group, budget and sampler."""
    warnings.simplefilter("ignore")
    print(f"| problems | budget | sampler | {' | '.join(map(str, WORKERS))} |\n|---|--:|---|{'--:|' * len(WORKERS)}")
    for group in groups:
        found = (
            [function(name, crossing) for crossing in (False, True) for name in FUNCTIONS]
            if group == "functions"
            else [recorded(name) for name in ("breast_cancer", "wine", "diabetes", "digits")]
        )
        for budget in BUDGETS:
            errors = {
                sampler: [
                    [np.mean([error_of(each, sampler, n, budget, seed) for seed in range(SEEDS)]) for n in WORKERS]
                    for each in found
                ]
                for sampler in ("adaptive", "random")
            }
            base = np.array(errors["random"])[:, :1]
            for sampler, rows in errors.items():
                cells = np.exp(np.log(np.array(rows) / base).mean(axis=0))
                print(f"| {group} | {budget} | {sampler} | {' | '.join(f'{x:.3f}' for x in cells)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["functions", "networks"])
