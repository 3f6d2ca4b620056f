"""The learning curves of candidates in a process of its own, and halving that is played on them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.searches_models import MODELS, levels, rows_for
from bench.searches_run import METRICS, folds

FAMILIES = ("random forest", "LightGBM", "XGBoost")
ROWS, THREADS = 4_000, 2
ETA, RUNGS, TOP = 4, 3, 100
DRAWN, DRAWS = 2 / 3, 1_000

Numbers = NDArray[np.float64]


def measure(file: str, classifies: bool, model: str, candidates: int) -> dict[str, Any]:
    """Return regrets and rank correlations by score and by forecast."""
    began = time.perf_counter()
    trainer = _trainer(file, classifies, model)
    with ThreadPoolExecutor(THREADS) as pool:
        curves = np.array(list(pool.map(lambda params: curve_of(trainer, params), drawn(model, candidates))))
    scores, forecasts = curves[:, 0], curves[:, 1]  # [candidates, rungs]
    top = scores[:, -1]
    best, regret = played(top, {"score": scores, "forecast": forecasts})
    ranks = [
        {"score": rank(scores[:, rung], top), "forecast": rank(forecasts[:, rung], top)}
        for rung in range(scores.shape[1] - 1)
    ]
    return {"best": best, "regret": regret, "ranks": ranks, "seconds": time.perf_counter() - began}


def _trainer(file: str, classifies: bool, model: str) -> Any:
    import pandas as pd

    import ash

    frame = pd.read_csv(file).sample(frac=1, random_state=0)[:ROWS]
    y = frame.pop(frame.columns[-1]).to_numpy()
    y = np.unique(y, return_inverse=True)[1].astype(np.int64) if classifies else y
    x = rows_for(MODELS[model].rows, frame.reset_index(drop=True))
    estimator = MODELS[model].make(classifies, x.shape[1], 1)
    search = ash.ASHSearchCV(
        estimator,
        dict(MODELS[model].space),
        candidates=ETA**RUNGS,
        eta=ETA,
        max_epochs=TOP,
        max_rungs=RUNGS,
        cv=folds(y),
        scoring=METRICS["classification" if classifies else "regression"],
        n_jobs=THREADS,
        random_state=0,
    )
    return search._prepared(x, y, {})[0]


def drawn(model: str, candidates: int) -> list[dict[str, Any]]:
    """Return hyperparameters, drawn with a seed; the same for all tables."""
    values, random = levels(MODELS[model].space), np.random.default_rng(0)
    return [{name: each[random.integers(len(each))] for name, each in values.items()} for _ in range(candidates)]


def curve_of(trainer: Any, params: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Return the scores of a candidate after each rung, and what its jobs were ranked by."""
    state, scores, forecasts = None, [], []
    for rung in range(trainer.rungs.max_rungs):
        told = trainer(params, trainer.rungs.min_epochs * trainer.eta**rung, state)
        state = told.state
        scores.append(told.score)
        forecasts.append(told.score if told.forecast is None else told.forecast)
    return scores, forecasts


def played(top: Numbers, ways: dict[str, Numbers]) -> tuple[float, dict[str, float]]:
    """Return the best score, the mean over draws, and for each way of ranking the mean regret in percent of it."""
    random, count = np.random.default_rng(0), max(2, round(len(top) * DRAWN))
    draws = [random.permutation(len(top))[:count] for _ in range(DRAWS)]
    best = float(np.mean([top[draw].max() for draw in draws]))
    lost = {
        name: np.mean([top[draw].max() - top[halved(keys, draw)].max() for draw in draws])
        for name, keys in ways.items()
    }
    return best, {name: float(100 * each / abs(best)) for name, each in lost.items()}


def halved(keys: Numbers, draw: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return who is in the top rung, of a barrier behind each: the best quarter by what ranks, [candidates, rungs]."""
    for rung in range(keys.shape[1] - 1):
        best_first = draw[np.argsort(-keys[draw, rung], kind="stable")]
        draw = best_first[: max(1, len(draw) // ETA)]
    return draw


def rank(these: Numbers, those: Numbers) -> float:
    """Return Spearman's correlation."""
    from scipy.stats import spearmanr

    return float(spearmanr(these, those).statistic)
