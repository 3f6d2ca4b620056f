"""Tests the estimators in scikit-learn's meta-estimators and in joblib, with equal results on any number of threads."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingRegressor, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score, cross_validate
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from ash._utils.machine import allowed_cpus, threads_of
from ash.errors import SettingError
from config_help import set_cpus
from estimator_help import classifier, digest, framed, regressor, scikit_learn_of
from fault_help import python, table, targets

X, Y = table(120)
XR, YR = targets(120)
WEIGHTS = np.random.default_rng(0).uniform(0.1, 2, 120)


@pytest.fixture
def routing() -> Iterator[None]:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_an_estimator_works_in_a_pipeline() -> None:
    scaled = make_pipeline(StandardScaler(), classifier()).fit(X, Y)
    assert np.array_equal(
        scaled.predict(X), classifier().fit(StandardScaler().fit_transform(X), Y).predict(scaled[0].transform(X))
    )
    assert scaled.set_params(ashclassifier__candidates=3).fit(X, Y)[-1].result_.options.candidates == 3
    weighted = make_pipeline(StandardScaler(), classifier()).fit(X, Y, ashclassifier__sample_weight=WEIGHTS)
    assert weighted[-1].result_.digest == digest(classifier(), StandardScaler().fit_transform(X), Y, WEIGHTS)
    assert list(scaled.classes_) == [0, 1] and scaled.predict_proba(X).shape == (120, 2)


def test_a_pipeline_can_pass_on_a_frame() -> None:
    frame, y = framed("pandas"), np.arange(200) % 2
    encode = ColumnTransformer(
        [("one hot", OneHotEncoder(sparse_output=False), ["color"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    fitted = make_pipeline(encode, classifier()).fit(frame, y)
    assert {"color_red", "city", "size"} <= set(fitted[-1].feature_names_in_)
    assert fitted.predict(frame).shape == (200,)


def test_our_parameters_can_be_searched() -> None:
    grid = {"candidates": [2, 6], "config__eta": [2, 3]}
    search = GridSearchCV(classifier(), grid, n_jobs=2, cv=2).fit(X, Y)
    assert set(search.best_params_) == {"candidates", "config__eta"}
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
    serial = GridSearchCV(classifier(), grid, cv=2).fit(X, Y)
    assert serial.cv_results_["mean_test_score"].tolist() == search.cv_results_["mean_test_score"].tolist()
    assert serial.best_estimator_.result_.digest == search.best_estimator_.result_.digest


def test_an_invalid_setting_fails_only_its_fold() -> None:
    """F48: check that the score of the setting is NaN, or that the error is raised with `error_score="raise"`."""
    search = GridSearchCV(classifier(), {"candidates": [0, 2]}, cv=2, error_score=np.nan)
    with pytest.warns(Warning):
        search.fit(X, Y)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [True, False]
    with pytest.raises(SettingError, match="candidates must be an integer from 1"):
        GridSearchCV(classifier(), {"candidates": [0, 2]}, cv=2, error_score="raise").fit(X, Y)


def test_estimators_can_be_cross_validated() -> None:
    scores = cross_val_score(regressor(), XR, YR, cv=3, n_jobs=2, scoring="neg_mean_absolute_error")
    assert scores.shape == (3,) and (scores < 0).all()
    assert cross_val_predict(classifier(), X, Y, cv=3, method="predict_proba").shape == (120, 2)
    found = cross_validate(classifier(), X, Y, cv=2, scoring=["accuracy", "roc_auc"], return_estimator=True)
    assert all(0.5 < one.best_score_ <= 1 for one in found["estimator"])


def test_scikit_learn_ensembles_accept_our_estimators() -> None:
    members = [("one", classifier(random_state=1)), ("two", classifier(random_state=2))]
    voting = VotingClassifier(members, voting="soft").fit(X, Y)
    mean = np.mean([member.predict_proba(X) for member in voting.estimators_], axis=0)
    assert np.allclose(voting.predict_proba(X), mean, rtol=1e-12)
    assert np.array_equal(voting.predict(X), mean.argmax(axis=1))
    stacking = StackingClassifier(members, LogisticRegression(), cv=2).fit(X, Y)
    assert stacking.score(X, Y) > 0.6
    bagging = BaggingRegressor(regressor(), n_estimators=3, random_state=0).fit(XR, YR)
    assert len({one.result_.digest for one in bagging.estimators_}) == 3 and bagging.predict(XR).shape == (120,)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_an_estimator_can_be_calibrated(method: str) -> None:
    calibrated = CalibratedClassifierCV(classifier(min_epochs=8), method=method, cv=2).fit(
        X, np.array(["no", "yes"])[Y]
    )
    assert calibrated.classes_.tolist() == ["no", "yes"]
    assert np.allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    assert calibrated.score(X, np.array(["no", "yes"])[Y]) > 0.6


def test_several_targets_are_trained_together_or_one_by_one() -> None:
    y = np.column_stack([YR, -2 * YR + XR[:, 1]])
    together, apart = regressor(candidates=16).fit(XR, y), MultiOutputRegressor(regressor(candidates=16)).fit(XR, y)
    assert together.predict(XR).shape == apart.predict(XR).shape == (120, 2)
    assert np.array_equal(apart.predict(XR)[:, 0], regressor(candidates=16).fit(XR, y[:, 0]).predict(XR))
    assert together.score(XR, y) > 0.3 and apart.score(XR, y) > 0.3
    labels = np.column_stack([Y, XR[:, 1] > 0])
    assert MultiOutputClassifier(classifier()).fit(X, labels).predict(X).shape == (120, 2)


# Routed metadata


def test_weights_are_routed_through_a_pipeline_and_a_search(routing: None) -> None:
    scikit_learn_of("1.8")  # the first scikit-learn version in which Pipeline.score routes weights
    asked = classifier().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    pipeline = Pipeline([("same", FunctionTransformer()), ("network", asked)])
    assert pipeline.fit(X, Y, sample_weight=WEIGHTS)[-1].result_.digest == digest(classifier(), X, Y, WEIGHTS)
    search = GridSearchCV(pipeline, {"network__config__eta": [2, 3]}, cv=2, n_jobs=2).fit(X, Y, sample_weight=WEIGHTS)
    expected = digest(classifier(eta=search.best_params_["network__config__eta"]), X, Y, WEIGHTS)
    assert search.best_estimator_[-1].result_.digest == expected


def test_unrequested_weights_are_not_routed(routing: None) -> None:
    refusing = classifier().set_fit_request(sample_weight=False).set_score_request(sample_weight=False)
    with pytest.raises(TypeError, match="sample_weight"):
        GridSearchCV(refusing, {"config__eta": [2]}, cv=2).fit(X, Y, sample_weight=WEIGHTS)
    with pytest.raises(ValueError, match=r"sample_weight.* are passed but are not explicitly set as requested"):
        GridSearchCV(classifier(), {"config__eta": [2]}, cv=2).fit(X, Y, sample_weight=WEIGHTS)


def test_groups_are_routed_to_our_folds(routing: None) -> None:
    groups = np.arange(120) // 10
    asked = classifier(cv=GroupKFold(2)).set_fit_request(groups=True, sample_weight=False)
    found = cross_validate(
        asked, X, Y, cv=GroupKFold(3), params={"groups": groups}, return_estimator=True, return_indices=True
    )
    for one, rows in zip(found["estimator"], found["indices"]["train"], strict=True):
        direct = classifier(cv=GroupKFold(2)).fit(X[rows], Y[rows], groups=groups[rows])
        assert one.result_.digest == direct.result_.digest


def test_weights_are_routed_to_the_score(routing: None) -> None:
    asked = classifier().set_fit_request(sample_weight=False).set_score_request(sample_weight=True)
    found = cross_validate(
        asked, X, Y, cv=2, params={"sample_weight": WEIGHTS}, return_estimator=True, return_indices=True
    )
    rows = found["indices"]["test"][0]
    expected: Any = found["estimator"][0].score(X[rows], Y[rows], sample_weight=WEIGHTS[rows])
    assert found["test_score"][0] == expected != found["estimator"][0].score(X[rows], Y[rows])


# Threads: the meaning of n_jobs

CPUS = threads_of("n_jobs", None)


def threads(**changes: Any) -> int:
    return int(classifier(candidates=2, **changes).fit(X, Y).result_.threads)


@pytest.mark.parametrize(
    ("n_jobs", "expected"),
    [(None, CPUS), (1, 1), (2, min(2, CPUS)), (np.int64(1), 1), (-1, CPUS), (-2, max(1, CPUS - 1)), (-99, 1)],
)
def test_n_jobs_is_interpreted_as_in_joblib(n_jobs: Any, expected: int) -> None:
    assert threads(n_jobs=n_jobs) == expected


def test_more_n_jobs_than_cpus_are_lowered_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=f"n_jobs={CPUS + 1} exceeds the {CPUS} CPU"):
        assert threads(n_jobs=CPUS + 1) == CPUS


@pytest.mark.parametrize("n_jobs", [0, 1.5, True, "all", [1]])
def test_invalid_n_jobs_is_refused(n_jobs: Any) -> None:
    fitted = classifier(candidates=2).fit(X, Y).set_params(n_jobs=n_jobs)
    for call in (lambda: fitted.fit(X, Y), lambda: fitted.predict(X), lambda: fitted.predict_proba(X)):
        with pytest.raises(SettingError, match="n_jobs must be a positive integer, None or -1"):
            call()


def test_a_joblib_context_sets_the_threads_if_n_jobs_is_none() -> None:
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
def test_threads_never_exceed_omp_num_threads(limit: str, most: int) -> None:
    done = python(LIMITED, OMP_NUM_THREADS=limit, PYTHONPATH=":".join(sys.path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [most, 1, min(2, most), most]


# Results do not depend on the number of threads


@pytest.mark.parametrize("scoring", [None, "explained_variance"])
def test_any_number_of_threads_gives_the_same_digest(scoring: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    set_cpus(3, monkeypatch)
    digests = {digest(regressor(n_jobs=n_jobs, scoring=scoring), XR, YR) for n_jobs in (1, 2, 3, -1)}
    assert len(digests) == 1
    for cv in (None, 3):
        assert len({digest(classifier(n_jobs=n_jobs, cv=cv), X, Y) for n_jobs in (1, 2, 3, -1)}) == 1


def test_the_order_of_the_rows_makes_no_difference() -> None:
    order = np.random.default_rng(1).permutation(120)
    weights = np.random.default_rng(2).uniform(0.5, 2, 120)
    for one in (classifier(), classifier(scoring="f1_macro"), classifier(cv=3)):
        assert digest(one, X, Y) == digest(one, X[order], Y[order])
        assert digest(one, X, Y, weights) == digest(one, X[order], Y[order], weights[order]) != digest(one, X, Y)


# Inside parallel meta-estimators


def recording(estimator: Any, X: Any, y: Any) -> float:
    """Return, in place of a score, the number of threads that the fit used."""
    return float(estimator.result_.threads)


@pytest.mark.parametrize("n_jobs", [None, -1])
def test_joblib_workers_share_the_processors(n_jobs: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """F81: each worker uses at least one thread, and all together use at most one per processor."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # joblib would keep a user's setting
    cpus = threads_of("n_jobs", None)
    found = cross_validate(classifier(candidates=2, n_jobs=n_jobs), X, Y, cv=2, n_jobs=2, scoring=recording)
    assert found["test_score"].max() <= max(1, cpus // 2)
    search = GridSearchCV(
        classifier(candidates=2, n_jobs=n_jobs), {"config__eta": [2, 3]}, n_jobs=2, cv=2, scoring=recording
    )
    search.fit(X, Y)
    assert search.cv_results_["mean_test_score"].max() <= max(1, cpus // 2)
    # no other job of joblib runs during the refit, so the refit may use all CPUs
    assert search.best_estimator_.result_.threads == cpus
