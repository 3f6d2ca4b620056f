"""`cv_results_` of the estimators: what scikit-learn's searches say of their candidates, an array a column."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.history.records import Columns
from ash.result import Result
from ash.space.hyperparameters import Params


def tuning_results(result: Result) -> dict[str, Any]:
    """Return a row for each candidate, in order of number.

    Returns
    -------
    dict of arrays [candidates]
        `params` (the list of dicts), `param_<name>` (objects, masked where a candidate has none), `mean_test_score` (of
        its best job; NaN where none ended or it diverged), `split<fold>_test_score` and `std_test_score` of the same
        job, `rank_test_score` (from 1), `rungs` and `epochs` that it finished, `fit_time` (seconds of its jobs).
    """
    rows = result.candidates
    scores = np.array([row["score"] for row in rows], np.float64)
    params = [row["params"] for row in rows]
    columns: dict[str, Any] = {"params": params}
    columns |= {f"param_{name}": values_of(params, name) for name in dict.fromkeys(chain.from_iterable(params))}
    splits = _scores_of_folds(result, scores)
    columns |= {f"split{fold}_test_score": splits[:, fold] for fold in range(splits.shape[1])}
    columns |= {
        "mean_test_score": scores,
        "std_test_score": splits.std(axis=1),
        "rank_test_score": ranks_of(scores),
        "rungs": np.array([row["rungs"] for row in rows], np.int64),
        "epochs": np.array([row["epochs"] for row in rows], np.int64),
        "fit_time": seconds_of(result.columns, len(rows)),
    }
    return columns


def values_of(params: Sequence[Params], name: str) -> Any:
    """Return a hyperparameter of each candidate, masked where it has none of that name."""
    values = np.ma.MaskedArray(np.empty(len(params), object), mask=[name not in each for each in params])
    for place, each in enumerate(params):
        if name in each:
            values.data[place] = each[name]
    return values


def _scores_of_folds(result: Result, best: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores [candidates, folds] of the best job of each candidate, NaN where it has none."""
    found = result.fold_scores
    splits = np.full((len(best), found["scores"].shape[1]), np.nan)
    mean = {(job.candidate, job.rung): job.score for job in result.jobs if not job.diverged}
    for candidate, rung, scores in zip(found["candidate"], found["rung"], found["scores"], strict=True):
        if mean.get((candidate, rung)) == best[candidate]:
            splits[candidate] = scores
    return splits


def ranks_of(scores: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return 1 for the highest score; equal scores share the lower rank, NaN comes last."""
    known = np.sort(-scores[~np.isnan(scores)])
    ranks = np.searchsorted(known, -scores, side="left") + 1
    return np.where(np.isnan(scores), len(known) + 1, ranks).astype(np.int32)


def seconds_of(columns: Columns, candidates: int) -> NDArray[np.float64]:
    """Return the seconds of all jobs of each candidate."""
    seconds: NDArray[np.float64] = columns["end"] - columns["start"]
    return np.bincount(columns["candidate"], weights=seconds, minlength=candidates).astype(np.float64)
