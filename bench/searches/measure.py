"""Measures one search in a separate process: its best score, the score on held-out rows, and its cost.

    ash                     ASHSearchCV, two jobs at a time, with its defaults
    ash in the same time    the same in 95 % of the time of "Optuna by rounds", with as many candidates as fit
    scikit-learn halving    HalvingRandomSearchCV over the same values, two processes, factor 3; rungs restart training
    Optuna                  TPE over the same values, two threads; trials train fold by fold, pruned by the median
    Optuna by rounds        the same, but a trial trains all folds in ten steps, and may be pruned after each step

All except "ash in the same time" have 64 candidates. All have the same three folds and the metric users would choose
(accuracy or root mean squared error), and finally fit the best candidate to all rows. Epochs are boosting rounds, trees
or passes over the rows, summed over the folds and divided by three. The process is bound to as many CPUs as there are
threads. OMP_NUM_THREADS would limit threads too, but joblib would not divide OpenMP threads among its processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bench.figures import timed
from bench.searches.models import MODELS, TABLES, levels, rows_for

FOLDS = 3
METRICS = {"classification": "accuracy", "regression": "neg_root_mean_squared_error"}
FIRST_ROWS = 500
Found = tuple[Any, float, float]  # the fitted estimator, its mean score over the folds, epochs per fold


def measure(
    file: str, table: str, model: str, contender: str, seed: int, candidates: int, threads: int, limit: float
) -> dict[str, Any]:
    """Return the seconds, the epochs, and the scores over the folds and on held-out rows; `limit` 0 means no limit."""
    os.environ.pop("OMP_NUM_THREADS", None)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import pandas as pd
    from sklearn.metrics import get_scorer
    from sklearn.model_selection import train_test_split

    frame = pd.read_csv(file)
    y = frame.pop("target").to_numpy()
    classifies = TABLES[table] == "classification"
    if classifies:
        y = np.unique(y, return_inverse=True)[1].astype(np.int64)
    elif model == "PyTorch module":
        y = y.astype(np.float32).reshape(-1, 1)
    x = rows_for(MODELS[model].rows, frame)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.25, random_state=seed, stratify=y if classifies else None)
    estimator = MODELS[model].make(len(np.unique(y)) if classifies else 0, x.shape[1], 1)
    scoring = METRICS[TABLES[table]]
    search = partial(of_ash, limit=limit) if limit else CONTENDERS[contender]
    search(estimator, model, x[:FIRST_ROWS], y[:FIRST_ROWS], scoring, seed, 2, threads)  # warm-up
    seconds, (best, score, epochs) = timed(lambda: search(estimator, model, x, y, scoring, seed, candidates, threads))
    test = float(get_scorer(scoring)(best, x_test, y_test))
    return {"seconds": seconds, "epochs": epochs, "score": score, "test": test}


def folds(y: Any) -> Any:
    """Return the folds that all contenders use."""
    from sklearn.model_selection import KFold, StratifiedKFold

    return (StratifiedKFold if y.dtype.kind == "i" else KFold)(FOLDS, shuffle=True, random_state=0)


def of_ash(
    estimator: Any, model: str, x: Any, y: Any, scoring: str, seed: int, candidates: int, threads: int, limit: float = 0
) -> Found:
    """Search by ash, with `candidates` candidates or, if there is a limit, as many as fit into its seconds."""
    import ash

    own = {"n_jobs": None} if "n_jobs" in estimator.get_params() else {}
    search = ash.ASHSearchCV(
        estimator.set_params(**own),
        dict(MODELS[model].space),
        candidates=None if limit else candidates,
        time_limit=limit or None,
        cv=folds(y),
        scoring=scoring,
        n_jobs=threads,
        random_state=seed,
    ).fit(x, y)
    return search.best_estimator_, search.best_score_, search.trained_


def of_halving(
    estimator: Any, model: str, x: Any, y: Any, scoring: str, seed: int, candidates: int, threads: int
) -> Found:
    """Search by scikit-learn's halving."""
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingRandomSearchCV

    counts = MODELS[model].counts
    search = HalvingRandomSearchCV(
        estimator,
        levels(MODELS[model].space),
        n_candidates=candidates,
        resource=counts,
        max_resources=estimator.get_params()[counts],
        min_resources="exhaust",
        cv=folds(y),
        scoring=scoring,
        n_jobs=threads,
        random_state=seed,
    ).fit(x, y)
    epochs = sum(n * r for n, r in zip(search.n_candidates_, search.n_resources_, strict=True))
    return search.best_estimator_, float(search.best_score_), epochs


def of_optuna(
    estimator: Any, model: str, x: Any, y: Any, scoring: str, seed: int, candidates: int, threads: int, steps: int = 0
) -> Found:
    """Search by Optuna; a trial trains fold after fold or, if `steps` is not 0, all folds in that many steps."""
    import optuna
    from sklearn.base import clone
    from sklearn.metrics import get_scorer
    from sklearn.utils import _safe_indexing

    from ash.sklearn.resumable.choose import way_of
    from ash.sklearn.resumable.protocol import Rows

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    values, splits, scorer = levels(MODELS[model].space), list(folds(y).split(x, y)), get_scorer(scoring)
    classes = np.unique(y) if y.dtype.kind == "i" else None
    rows = [Rows(_safe_indexing(x, train), y[train], {}, classes) for train, _ in splits]
    every, epochs = estimator.get_params()[MODELS[model].counts], [0.0]

    def objective(trial: Any) -> float:
        params = {name: levels[trial.suggest_int(name, 0, len(levels) - 1)] for name, levels in values.items()}
        made = clone(estimator).set_params(**params)
        under, scores = [way_of(made).begin(clone(made)) for _ in splits], {}
        for step in range(steps or FOLDS):
            now = every * (step + 1) // steps - every * step // steps if steps else every
            for fold in range(FOLDS) if steps else [step]:
                under[fold].more(rows[fold], now)
                scores[fold] = float(
                    scorer(under[fold].estimator, _safe_indexing(x, splits[fold][1]), y[splits[fold][1]])
                )
                epochs[0] += now / FOLDS
            trial.report(float(np.mean(list(scores.values()))), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(list(scores.values())))

    pruner = optuna.pruners.MedianPruner()
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner)
    study.optimize(objective, n_trials=candidates, n_jobs=threads)
    best = {name: values[name][place] for name, place in study.best_params.items()}
    own = {"n_jobs": threads} if "n_jobs" in estimator.get_params() else {}
    return clone(estimator).set_params(**best, **own).fit(x, y), float(study.best_value), epochs[0]


OURS, AS_LONG, BY_ROUNDS = "ash", "ash in the same time", "Optuna by rounds"
CONTENDERS: dict[str, Callable[..., Found]] = {
    OURS: of_ash,
    "scikit-learn halving": of_halving,
    "Optuna": of_optuna,
    BY_ROUNDS: partial(of_optuna, steps=10),
    AS_LONG: of_ash,
}
NEEDS = {"Optuna": "optuna", BY_ROUNDS: "optuna"}
