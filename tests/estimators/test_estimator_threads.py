"""Threads of the estimators: what n_jobs means, alone and inside joblib, and that it changes no bit."""

from __future__ import annotations

import json
import sys
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_validate

from ash._utils.cpus import allowed_cpus, resolve_threads
from ash.errors import SettingError
from estimator_help import classifier, digest, regressor
from fault_help import python, table, targets

X, Y = table(80)
XR, YR = targets(80)
CPUS = resolve_threads(None)


def threads(**changes: Any) -> int:
    return int(classifier(candidates=2, **changes).fit(X, Y).result_.threads)


@pytest.mark.parametrize(
    ("n_jobs", "expected"),
    [(None, 1), (1, 1), (2, min(2, CPUS)), (np.int64(1), 1), (-1, CPUS), (-2, max(1, CPUS - 1)), (-99, 1), (99, CPUS)],
)
def test_n_jobs_as_in_joblib(n_jobs: Any, expected: int) -> None:
    assert threads(n_jobs=n_jobs) == expected


@pytest.mark.parametrize("n_jobs", [0, 1.5, True, "all", [1]])
def test_what_is_no_n_jobs(n_jobs: Any) -> None:
    fitted = classifier(candidates=2).fit(X, Y).set_params(n_jobs=n_jobs)
    for call in (lambda: fitted.fit(X, Y), lambda: fitted.predict(X), lambda: fitted.predict_proba(X)):
        with pytest.raises(SettingError, match=r"n_jobs=.* is not allowed: a number of threads, -1 for all of them"):
            call()


def test_the_context_of_joblib_counts_where_none_is_asked_for() -> None:
    for backend in ("loky", "threading"):
        with joblib.parallel_config(backend, n_jobs=2):
            assert [threads(n_jobs=n_jobs) for n_jobs in (None, 1, -1)] == [min(2, CPUS), 1, CPUS]
    with joblib.parallel_config("sequential"):
        assert [threads(n_jobs=n_jobs) for n_jobs in (None, 1, -1)] == [1, 1, 1]


LIMITED = """
import json
import sys
from estimator_help import classifier
from fault_help import table
X, Y = table(80)
print(json.dumps([classifier(candidates=2, n_jobs=n_jobs).fit(X, Y).result_.threads for n_jobs in (None, 1, 2, -1)]))
"""


@pytest.mark.parametrize(
    ("limit", "most"), [("1", 1), ("2,1", min(2, allowed_cpus().count)), ("abc", allowed_cpus().count)]
)
def test_never_more_than_omp_num_threads(limit: str, most: int) -> None:
    done = python(LIMITED, OMP_NUM_THREADS=limit, PYTHONPATH=":".join(sys.path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [1, 1, min(2, most), most]


# No bit depends on it


@pytest.mark.parametrize("scoring", [None, "explained_variance"])
def test_any_number_of_threads_gives_the_same_digest(scoring: str | None) -> None:
    digests = {digest(regressor(n_jobs=n_jobs, scoring=scoring), XR, YR) for n_jobs in (1, 2, 3, -1)}
    assert len(digests) == 1
    for cv in (None, 3):
        assert len({digest(classifier(n_jobs=n_jobs, cv=cv), X, Y) for n_jobs in (1, 2, 3, -1)}) == 1


def test_the_order_of_the_rows_makes_no_difference() -> None:
    order = np.random.default_rng(1).permutation(80)
    weights = np.random.default_rng(2).uniform(0.5, 2, 80)
    for one in (classifier(), classifier(scoring="f1_macro"), classifier(cv=3)):
        assert digest(one, X, Y) == digest(one, X[order], Y[order])
        assert digest(one, X, Y, weights) == digest(one, X[order], Y[order], weights[order]) != digest(one, X, Y)


# Inside others


def recording(estimator: Any, X: Any, y: Any) -> float:
    """A score for others that tells how many threads the fit had."""
    return float(estimator.result_.threads)


@pytest.mark.parametrize("n_jobs", [None, -1])
def test_workers_of_joblib_share_the_processors(n_jobs: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """F81: no more threads together than processors; at least one each. (joblib hands on what the user has set.)"""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cpus = resolve_threads(None)
    found = cross_validate(classifier(candidates=2, n_jobs=n_jobs), X, Y, cv=2, n_jobs=2, scoring=recording)
    assert found["test_score"].max() <= max(1, cpus // 2)
    search = GridSearchCV(classifier(candidates=2, n_jobs=n_jobs), {"eta": [2, 3]}, n_jobs=2, cv=2, scoring=recording)
    search.fit(X, Y)
    assert search.cv_results_["mean_test_score"].max() <= max(1, cpus // 2)
    assert search.best_estimator_.result_.threads == (1 if n_jobs is None else cpus)  # the refit is alone again


def test_threads_of_joblib_fit_beside_each_other() -> None:
    """Several runs at once, and predictions of one estimator from several threads."""
    fits = joblib.Parallel(n_jobs=4, backend="threading")(
        joblib.delayed(digest)(classifier(random_state=seed % 2), X, Y) for seed in range(8)
    )
    assert fits == [digest(classifier(random_state=seed % 2), X, Y) for seed in range(8)]
    fitted = classifier().fit(X, Y)
    predicted = joblib.Parallel(n_jobs=4, backend="threading")(joblib.delayed(fitted.predict)(X) for _ in range(16))
    assert all(np.array_equal(one, fitted.predict(X)) for one in predicted)
