"""Builds `cv_results_` of estimators and searches: scikit-learn's columns, with one row per candidate or per job."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ash.history.records import Columns
from ash.result import FunctionResult, Result
from ash.space.hyperparameters import Params


class FoldInfo(NamedTuple):
    """The results of a job in one fold: its times, and its scores by name.

    `test` has the scores on test rows; it is empty if the fold failed. `train` has the scores on training rows if these
    were requested. `curve` contains the earlier points (epochs, score) of the learning curve, for a forecast. `rounds`
    is the best number of boosting rounds, or None without early stopping.
    """

    test: dict[str, float]
    train: dict[str, float]
    fit_seconds: float
    score_seconds: float
    curve: tuple[tuple[int, float], ...] = ()
    rounds: int | None = None


class JobInfo(NamedTuple):
    """The results of a job in all folds.

    `done` is the candidate's total number of epochs (with early stopping, the best number of rounds). `trained` is the
    number of epochs that this job trained. `why` says why the job trained from scratch; it is empty if the training of
    the candidate can be resumed.
    """

    done: int
    trained: int
    why: str
    folds: tuple[FoldInfo, ...]

    @property
    def rounds(self) -> int | None:
        """Return the best number of rounds, averaged over the folds, or None without early stopping."""
        found = [fold.rounds for fold in self.folds if fold.rounds is not None]
        return round(float(np.mean(found))) if found else None


class ResultRow(NamedTuple):
    """One row of a search's `cv_results_`: one candidate and one of its jobs.

    `rung` is the rung of the job, or -1 if the candidate has no score. `resource` is the candidate's total number of
    epochs after this rung. `info` has the results of the job. A job fails if one of its folds fails; `info` then has
    the results of the other folds, or is None if the job did not answer. Rows rank by `place` before their score: -1
    for failed jobs, and 0 or more for all others.
    """

    params: Params
    candidate: int
    rung: int
    resource: int
    info: JobInfo | None
    place: int


ResultTable = tuple[list[ResultRow], dict[str, Any]]
"""The rows of a search's `cv_results_`, and the columns that only this kind of search has."""


def tuning_results(result: Result) -> dict[str, Any]:
    """Return `cv_results_` of an estimator, with one row per candidate in order of candidate number.

    Returns
    -------
    dict of arrays [candidates]
        `params` (a list of dicts), `param_<name>` (objects, masked for candidates without this hyperparameter),
        `mean_test_score` (of the candidate's best job; NaN if no job has a score), `split<fold>_test_score` and
        `std_test_score` of the same job, `rank_test_score` (from 1), the finished `rungs` and `epochs`, and `fit_time`
        (seconds of all jobs of the candidate).
    """
    rows = result.candidates
    scores = np.array([row["score"] for row in rows], np.float64)
    splits = _scores_of_folds(result)
    params = [row["params"] for row in rows]
    columns = {"params": params, **_columns_of_params(params)}
    columns |= {f"split{fold}_test_score": splits[:, fold] for fold in range(splits.shape[1])}
    columns |= {"mean_test_score": scores, "std_test_score": splits.std(axis=1), "rank_test_score": _ranks_of(scores)}
    columns |= {name: _whole(row[name] for row in rows) for name in ("rungs", "epochs")}
    return {**columns, "fit_time": _seconds_of(result.columns, len(rows))}


def best_rows(result: FunctionResult, infos: Sequence[JobInfo | None], restart: bool) -> ResultTable:
    """Return one row per candidate, for its job in the highest rung, and the columns that `ASHSearchCV` adds.

    Candidates in higher rungs rank first, except that the best candidate of the result always does. `infos` has the
    results of each job. The columns are the job's `rung`, its `resource` (total epochs after the job), `continued`
    (False if training cannot be resumed, if `restart` is True, or if the candidate has no score), and `fit_time`
    (seconds of all jobs of the candidate).
    """
    found = [ResultRow(params, candidate, -1, 0, None, -1) for candidate, params in enumerate(result.params)]
    best = result.best_candidate, result.best_rung
    for candidate, rung, failed, info in zip(*_of_jobs(result), infos, strict=True):
        before = found[candidate]
        if failed and before.place < 0:
            found[candidate] = before._replace(info=info)
        elif not failed and rung > before.rung and before.place < len(result.ladder):
            assert info is not None
            place = len(result.ladder) if (candidate, rung) == best else rung
            found[candidate] = ResultRow(before.params, candidate, rung, info.done, info, place)
    continued = [not (restart or row.rung < 0 or row.info is None or row.info.why) for row in found]
    columns = {"rung": _whole(row.rung for row in found), "resource": _whole(row.resource for row in found)}
    fit_time = _seconds_of(result.columns, len(found))
    return found, {**columns, "continued": np.array(continued, np.bool_), "fit_time": fit_time}


def job_rows(result: FunctionResult, infos: Sequence[JobInfo | None], resources: Sequence[int]) -> ResultTable:
    """Return one row per job, ordered by rung and candidate, and the columns that `HalvingRandomSearchCV` adds.

    `resources` has the total epochs after each rung.
    """
    rows = [
        ResultRow(result.params[candidate], candidate, rung, resources[rung], info, -1 if failed else 0)
        for candidate, rung, failed, info in zip(*_of_jobs(result), infos, strict=True)
    ]
    rows.sort(key=lambda row: (row.rung, row.candidate))
    return rows, {"iter": _whole(row.rung for row in rows), "n_resources": _whole(row.resource for row in rows)}


def search_results(rows: Sequence[ResultRow], counts: str | None, error_score: float, splits: int) -> dict[str, Any]:
    """Return the columns of `cv_results_` that all of scikit-learn's searches have.

    Parameters
    ----------
    rows : sequence of ResultRow
    counts : str or None
        The estimator's parameter that counts epochs, or None if there is no such parameter. It is added to `params`,
        with the row's total epochs as value.
    error_score : float
        The score of failed folds. A number only stands in for a score, so rows with a failed fold rank last.
    splits : int
        Number of folds.

    Returns
    -------
    dict of arrays [rows]
        `params` (a list of dicts), `param_<name>`, `split<fold>_test_<score>`, `mean_test_<score>` and
        `std_test_<score>` (if requested, the same for `train`), `rank_test_<score>`, `mean_fit_time`, `std_fit_time`,
        `mean_score_time` and `std_score_time` (in seconds per fold, for the row's job).
    """
    params = [
        dict(row.params) if counts is None or row.rung < 0 else {**row.params, counts: row.resource} for row in rows
    ]
    columns = {**_columns_of_params(params), "params": params}
    infos = [row.info for row in rows]
    for name in ("fit", "score"):
        table = _folds(infos, splits, attrgetter(f"{name}_seconds"), np.nan)
        columns |= {f"mean_{name}_time": table.mean(axis=1), f"std_{name}_time": table.std(axis=1)}
    # If a journal was continued with another return_train_score, only some of the jobs have scores on training rows.
    folds = [fold for info in infos if info is not None for fold in info.folds]
    for which in ("test", "train"):
        for name in dict.fromkeys(chain.from_iterable(getattr(fold, which) for fold in folds)):
            columns |= _scores(rows, which, name, error_score, splits)
    return columns


def read_info(info: Any) -> JobInfo | None:
    """Convert the results of a job to JobInfo, since a journal stores them as lists."""
    if info is None:
        return None
    done, trained, why, folds = info
    return JobInfo(done, trained, why, tuple(FoldInfo(*fold) for fold in folds))


def _columns_of_params(params: Sequence[Params]) -> dict[str, Any]:
    """Return each hyperparameter's values as `param_<name>`, masked for candidates without the hyperparameter."""
    columns: dict[str, Any] = {}
    for name in dict.fromkeys(chain.from_iterable(params)):
        values = np.fromiter((each.get(name) for each in params), object, len(params))
        columns[f"param_{name}"] = np.ma.MaskedArray(values, mask=[name not in each for each in params])
    return columns


def _whole(values: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(values, np.int64)


def _scores_of_folds(result: Result) -> NDArray[np.float64]:
    """Return the fold scores [candidates, folds] of each candidate's best job; NaN for candidates without a score."""
    found = result.fold_scores
    splits = np.full((len(result.params), found["scores"].shape[1]), np.nan)
    keys = zip(found["candidate"].tolist(), found["rung"].tolist(), strict=True)
    scores = dict(zip(keys, found["scores"], strict=True))
    best: dict[int, tuple[float, float]] = {}
    for job in result.jobs:
        rank = (job.score, -job.loss)
        if not job.diverged and (job.candidate not in best or rank > best[job.candidate]):
            best[job.candidate] = rank
            splits[job.candidate] = scores[job.candidate, job.rung]
    return splits


def _ranks_of(scores: NDArray[np.float64], places: Sequence[int] | None = None) -> NDArray[np.int32]:
    """Return the rank of each score: 1 for the highest; equal scores share a rank, and NaN ranks last.

    With `places`, scores of a higher place rank first.
    """
    keys = np.column_stack([np.zeros(len(scores)) if places is None else places, scores])
    keys[np.isnan(scores)] = -np.inf
    _, group, counts = np.unique(-keys, axis=0, return_inverse=True, return_counts=True)
    return np.asarray((counts.cumsum() - counts)[group.ravel()] + 1, np.int32)


def _seconds_of(columns: Columns, candidates: int) -> NDArray[np.float64]:
    """Return the total seconds of each candidate's jobs."""
    seconds: NDArray[np.float64] = columns["end"] - columns["start"]
    return np.bincount(columns["candidate"], weights=seconds, minlength=candidates).astype(np.float64)


def _of_jobs(result: FunctionResult) -> list[list[Any]]:
    """Return three lists with one item per job: candidates, rungs, and whether the job failed."""
    return [result.columns[name].tolist() for name in ("candidate", "rung", "diverged")]


def _scores(rows: Sequence[ResultRow], which: str, name: str, error: float, splits: int) -> Mapping[str, Any]:
    def score(fold: FoldInfo) -> float:
        return float(getattr(fold, which).get(name, np.nan if fold.test else error))

    table = _folds([row.info for row in rows], splits, score, error)
    mean = table.mean(axis=1)
    columns: dict[str, Any] = {f"split{fold}_{which}_{name}": table[:, fold] for fold in range(splits)}
    columns |= {f"mean_{which}_{name}": mean, f"std_{which}_{name}": table.std(axis=1)}
    if which == "test":
        columns[f"rank_test_{name}"] = _ranks_of(mean, [row.place for row in rows])
    return columns


def _folds(infos: list[JobInfo | None], splits: int, value: Any, missing: float) -> NDArray[np.float64]:
    """Return an array [rows, folds] of ``value(fold)``; rows without results are filled with `missing`."""
    folds = [() if info is None else info.folds for info in infos]
    rows = [[float(value(fold)) for fold in own] or [missing] * splits for own in folds]
    return np.array(rows, np.float64).reshape(len(infos), splits)
