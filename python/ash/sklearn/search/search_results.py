"""`cv_results_` of a search: what scikit-learn's say, a row a candidate, of the job in which it had its best score."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.result import FunctionResult
from ash.sklearn.cv_results import ranks_of, seconds_of, values_of
from ash.sklearn.search.trainer import FoldInfo, JobInfo
from ash.space.hyperparameters import Params

Best = dict[int, tuple[float, int, JobInfo]]


def search_results(
    result: FunctionResult, told: Sequence[JobInfo | None], counts: str | None, error_score: float, splits: int
) -> dict[str, Any]:
    """Return a row for each candidate, in order of number.

    Parameters
    ----------
    result : FunctionResult
    told : sequence
        What each of its jobs has told.
    counts : str or None
        The parameter of the estimator that counts epochs: it stands in `params` with what the row is of.
    error_score : float
        For candidates without a score.
    splits : int
        How many folds there are.

    Returns
    -------
    dict of arrays [candidates]
        `params` (the list of dicts), `param_<name>`, `split<fold>_test_<score>`, `mean_`, `std_` and
        `rank_test_<score>` (and `train` where it was asked for), `mean_fit_time`, `std_fit_time`, `mean_score_time`,
        `std_score_time` (of a fold in that job), `rung`, `resource` (epochs in all by then), `continued`, and
        `fit_time` (of all its jobs).
    """
    best = _best_jobs(result, told)
    count = len(result.params)
    rows = [best.get(candidate) for candidate in range(count)]
    params = [_params(each, counts, row) for each, row in zip(result.params, rows, strict=True)]
    names = dict.fromkeys(chain.from_iterable(params))
    columns: dict[str, Any] = {f"param_{name}": values_of(params, name) for name in names}
    columns["params"] = params
    infos = [None if row is None else row[2] for row in rows]
    columns |= _times(infos, splits)
    for which in ("test", "train"):
        for name in _metrics(infos, which):
            columns |= _scores(infos, which, name, error_score, splits)
    columns["rung"] = np.array([-1 if row is None else row[1] for row in rows], np.int64)
    columns["resource"] = np.array([0 if info is None else info.done for info in infos], np.int64)
    columns["continued"] = np.array([info is not None and not info.why for info in infos], np.bool_)
    columns["fit_time"] = seconds_of(result.columns, count)
    return columns


def _best_jobs(result: FunctionResult, told: Sequence[JobInfo | None]) -> Best:
    """Return the score, rung and info of each candidate's best job; of equal ones the lowest."""
    best: Best = {}
    columns = result.columns
    for candidate, rung, score, diverged, info in zip(
        columns["candidate"], columns["rung"], columns["score"], columns["diverged"], told, strict=True
    ):
        if info is not None and not diverged and (candidate not in best or score > best[candidate][0]):
            best[int(candidate)] = float(score), int(rung), info
    return best


def _params(params: Params, counts: str | None, row: tuple[float, int, JobInfo] | None) -> Params:
    return dict(params) if counts is None or row is None else {**params, counts: row[2].done}


def _metrics(infos: list[JobInfo | None], which: str) -> list[str]:
    found = next((info for info in infos if info is not None), None)
    return [] if found is None else list(getattr(found.folds[0], which))


def _scores(infos: list[JobInfo | None], which: str, name: str, error: float, splits: int) -> Mapping[str, Any]:
    table = _folds(infos, splits, lambda fold: getattr(fold, which)[name], error)
    mean = table.mean(axis=1)
    columns: dict[str, Any] = {f"split{fold}_{which}_{name}": table[:, fold] for fold in range(splits)}
    columns |= {f"mean_{which}_{name}": mean, f"std_{which}_{name}": table.std(axis=1)}
    return {**columns, f"rank_{which}_{name}": ranks_of(mean)} if which == "test" else columns


def _times(infos: list[JobInfo | None], splits: int) -> Mapping[str, Any]:
    columns: dict[str, Any] = {}
    for name in ("fit", "score"):
        table = _folds(infos, splits, lambda fold, name=name: getattr(fold, f"{name}_seconds"), np.nan)
        columns |= {f"mean_{name}_time": table.mean(axis=1), f"std_{name}_time": table.std(axis=1)}
    return columns


def _folds(infos: list[JobInfo | None], splits: int, value: Any, missing: float) -> NDArray[np.float64]:
    """Return a number of each fold [candidates, folds]."""
    rows: list[list[float]] = []
    for info in infos:
        folds: tuple[FoldInfo, ...] = () if info is None else info.folds
        rows.append([float(value(fold)) for fold in folds] or [missing] * splits)
    return np.array(rows, np.float64).reshape(len(infos), splits)
