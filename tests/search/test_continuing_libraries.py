"""Tests training further in pipelines, whose transformers are fitted only once, and in other libraries."""

import pickle
import threading
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from scipy.special import softmax
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

import ash
import needs
from ash._utils.machine import threads_of
from ash.sklearn.resumable.choose import way_of
from ash.sklearn.resumable.protocol import Rows, TransformerCache, key_of_transformers
from search_help import X, Y, catboost, fitted, lightgbm, predicted, rows_for, search, trained, xgboost

FITS: list[Any] = []


class Scaler(StandardScaler):
    """A scaler that records each of its fits and the sample weights."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        FITS.append(sample_weight)
        return super().fit(X, y, sample_weight)


@pytest.fixture(autouse=True)
def nothing_fitted() -> None:
    FITS.clear()


def test_transformers_are_fitted_once() -> None:
    pipeline = make_pipeline(Scaler(), RandomForestClassifier(random_state=0))
    way = way_of(pipeline)
    assert (way.resource, way.usual) == ("randomforestclassifier__n_estimators", 100)
    on = trained(pipeline, 2, 3, 4)
    assert len(FITS) == 1 and on.done == 9 and not on.why
    assert type(on.estimator) is Pipeline and len(on.estimator[-1].estimators_) == 9
    alone = make_pipeline(StandardScaler(), RandomForestClassifier(9, random_state=0)).fit(X, Y)
    np.testing.assert_array_equal(predicted(on), alone.predict_proba(X))


@pytest.mark.parametrize("sparse", [False, True])
def test_passes_use_transformed_rows(sparse: bool) -> None:
    first = OneHotEncoder(handle_unknown="ignore", sparse_output=sparse)
    pipeline = make_pipeline(first, SGDClassifier(random_state=0, loss="log_loss"))
    assert way_of(pipeline).resource == "epochs"
    cells = Rows(np.round(X), Y, {}, np.unique(Y))
    found = []
    for jobs in ((5,), (2, 3)):
        under = way_of(pipeline).begin(sklearn.clone(pipeline))
        for epochs in jobs:
            under.more(cells, epochs)
        found.append(under.estimator.predict_proba(cells.X))
    np.testing.assert_array_equal(*found)


def test_equal_transformers_are_fitted_once_for_all_candidates() -> None:
    cache, rows = TransformerCache(), Rows(X, Y, {}, np.unique(Y))
    common = replace(rows, cache=cache)
    found = []
    for with_std, leaf in ((True, 1), (True, 3), (False, 1), (True, 5)):
        pipeline = make_pipeline(Scaler(with_std=with_std), RandomForestClassifier(4, random_state=0))
        pipeline.set_params(randomforestclassifier__min_samples_leaf=leaf)
        under, alone = (way_of(pipeline).begin(sklearn.clone(pipeline)) for _ in range(2))
        for epochs in (2, 3):
            under.more(common, epochs)
            alone.more(rows, epochs)
        np.testing.assert_array_equal(predicted(under), predicted(alone))
        found.append(under.estimator[0])
    assert len(FITS) == 2 + 4 and found[0] is found[1] is found[3] and found[2] is not found[0]
    cache.clear()
    assert cache.find(key_of_transformers(pipeline[:-1])) is None


class Spoiler(SGDClassifier):
    """An estimator that overwrites the rows that it receives."""

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
        super().partial_fit(X, y, classes, sample_weight)
        X[:] = 0
        return self


def test_a_candidate_cannot_change_the_rows_of_another() -> None:
    rows = Rows(X, Y, {}, np.unique(Y), TransformerCache())
    # with shuffle=True, the last step would receive a copy of the rows
    pipeline = make_pipeline(StandardScaler(), Spoiler(random_state=0, shuffle=False))
    found = []
    for _ in range(3):
        under = way_of(pipeline).begin(sklearn.clone(pipeline))
        for epochs in (1, 1):
            under.more(rows, epochs)
        found.append(under.estimator[-1].coef_)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("dense", [True, False])
def test_only_rows_that_are_not_too_large_are_kept(dense: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = OneHotEncoder(sparse_output=not dense).fit_transform(np.round(X))
    heads = TransformerCache()
    heads.keep("one", None, rows)
    monkeypatch.setattr("ash.sklearn.resumable.protocol.ROWS_BYTES", 1_000)
    heads.keep("two", None, rows)
    one, two = heads.find("one"), heads.find("two")
    assert one is not None and two is not None and two.rows is None and one.rows is not rows
    assert (one.rows != rows).sum() == 0
    heads.keep("three", None, rows)
    assert heads.find("one") is None and heads.find(None) is None and heads.find("three") is not None
    assert pickle.loads(pickle.dumps(heads)).find("three") is None


def test_transformers_that_cannot_be_compared_are_not_shared() -> None:
    parts = FunctionTransformer(func=lambda cells: cells)
    assert key_of_transformers(make_pipeline(parts)) is None
    assert key_of_transformers(make_pipeline(StandardScaler())) == key_of_transformers(make_pipeline(StandardScaler()))
    assert key_of_transformers(make_pipeline(StandardScaler())) != key_of_transformers(
        make_pipeline(StandardScaler(with_mean=False))
    )


class Apart(TransformerMixin, BaseEstimator):
    """Transforms the rows of its fit differently from later rows, like TargetEncoder."""

    def fit(self, X: Any, y: Any) -> Any:
        self.mean_ = np.asarray(y).mean()
        return self

    def fit_transform(self, X: Any, y: Any) -> Any:
        FITS.append(None)
        return np.column_stack([X, (self.fit(X, y).mean_ * len(y) - y) / (len(y) - 1)])

    def transform(self, X: Any) -> Any:
        return np.column_stack([X, np.full(len(X), self.mean_)])


def test_transformers_that_exclude_a_rows_own_target_are_refitted() -> None:
    pipeline = make_pipeline(Apart(), RandomForestClassifier(random_state=0))
    on, alone = trained(pipeline, 3, 5), sklearn.clone(pipeline).set_params(randomforestclassifier__n_estimators=8)
    assert len(FITS) == 2
    np.testing.assert_array_equal(predicted(on), alone.fit(X, Y).predict_proba(X))


class Late(TransformerMixin, BaseEstimator):
    """Transforms the rows of its fit like later rows, except for the last bit of the last row."""

    def fit(self, X: Any, y: Any = None) -> Any:
        self.fitted_ = True
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        FITS.append(None)
        made = self.fit(X).transform(X)
        made[-1, -1:] = np.nextafter(made[-1, -1], np.inf)
        return made

    def transform(self, X: Any) -> Any:
        return X + 1


def test_a_difference_of_one_bit_prevents_sharing_of_transformers() -> None:
    rows = Rows(X, Y, {}, np.unique(Y), TransformerCache())
    for _ in range(2):
        under = way_of(pipeline := make_pipeline(Late(), SGDClassifier(random_state=0))).begin(sklearn.clone(pipeline))
        for _ in range(2):
            under.more(rows, 1)
    assert len(FITS) == 4, "fitted in each job of each candidate"


def test_fit_parameters_are_passed_to_their_steps() -> None:
    weights = np.linspace(0.1, 1, len(Y))
    pipeline = Pipeline([("scaler", Scaler()), ("forest", RandomForestClassifier(random_state=0))])
    on = trained(pipeline, 2, 3, scaler__sample_weight=weights, forest__sample_weight=weights)
    assert [pytest.approx(weights)] == FITS
    alone = sklearn.clone(pipeline).set_params(forest__n_estimators=5)
    alone.fit(X, Y, scaler__sample_weight=weights, forest__sample_weight=weights)
    np.testing.assert_array_equal(predicted(on), alone.predict_proba(X))


def test_metadata_is_routed_inside_a_pipeline() -> None:
    weights = np.linspace(0.1, 1, len(Y))
    with sklearn.config_context(enable_metadata_routing=True):
        forest = RandomForestClassifier(random_state=0).set_fit_request(sample_weight=True)
        pipeline = make_pipeline(Scaler().set_fit_request(sample_weight=False), forest)
        on = trained(pipeline, 2, 3, sample_weight=weights)
        assert FITS == [None]
        alone = (
            sklearn.clone(pipeline).set_params(randomforestclassifier__n_estimators=5).fit(X, Y, sample_weight=weights)
        )
        np.testing.assert_array_equal(predicted(on), alone.predict_proba(X))


def test_pipelines_without_transformers_and_nested_pipelines_are_trained_further() -> None:
    forest = RandomForestClassifier(random_state=0)
    alone = RandomForestClassifier(5, random_state=0).fit(X, Y).predict_proba(X)
    for pipeline in (make_pipeline(forest), make_pipeline("passthrough", make_pipeline("passthrough", forest))):
        on = trained(pipeline, 2, 3)
        assert not on.why
        np.testing.assert_array_equal(predicted(on), alone)


def test_a_last_step_that_cannot_be_trained_further_is_retrained() -> None:
    on = trained(make_pipeline(Scaler(), BaggingClassifier(oob_score=True, random_state=0, n_estimators=30)), 20, 10)
    assert on.why == "bagging with oob_score does not support warm_start" and len(on.estimator[-1].estimators_) == 30
    FITS.clear()
    on = trained(make_pipeline(Scaler(), LogisticRegression()), 100, 200)
    assert on.done == 300 and on.why == "Pipeline cannot be trained further with more rows" and len(FITS) == 2
    assert way_of(make_pipeline(Scaler(), "passthrough")).resource == "n_samples"


def test_pipelines_of_other_packages_are_retrained() -> None:
    class Pipeline(sklearn.pipeline.Pipeline):
        """A pipeline class like that of packages whose pipelines resample rows."""

    assert way_of(Pipeline([("forest", RandomForestClassifier())])).resource == "n_samples"


def test_transformed_rows_that_cannot_be_compared_are_not_shared() -> None:
    class Odd(TransformerMixin, BaseEstimator):
        def fit(self, X: Any, y: Any = None) -> Any:
            FITS.append(None)
            self.fitted_ = True
            return self

        def fit_transform(self, X: Any, y: Any = None) -> Any:
            return self.fit(X).transform(X) and X

        def transform(self, X: Any) -> Any:
            return [[each] for each in X.tolist()]

    assert trained(make_pipeline(Odd(), RandomForestClassifier()), 1, 1).done == 2
    assert len(FITS) == 2


# Other libraries

LIGHTGBM = ("LGBMClassifier", "LGBMRegressor")
XGBOOST = ("XGBClassifier", "XGBRegressor")
CATBOOST = ("CatBoostClassifier", "CatBoostRegressor")
PLAIN = {"learning_rate": 0.1, "bootstrap_type": "No", "random_strength": 0}
"""Settings without random sampling, with which CatBoost's resumed training equals one long training."""


@pytest.mark.parametrize(
    ("make", "kind", "params", "rounds"),
    [
        *((lightgbm, kind, {}, lambda each: each.booster_.current_iteration()) for kind in LIGHTGBM),
        *((xgboost, kind, {}, lambda each: each.get_booster().num_boosted_rounds()) for kind in XGBOOST),
        *((catboost, kind, PLAIN, lambda each: each.tree_count_) for kind in CATBOOST),
    ],
)
def test_boosting_is_trained_further(make: Any, kind: str, params: dict[str, Any], rounds: Any) -> None:
    estimator = make(kind, random_state=0, **params)
    at_once, on = trained(estimator, 20), trained(estimator, 4, 6, 10)
    assert not on.why and on.done == rounds(on.estimator) == 20
    assert make is catboost or on.estimator.get_params() == at_once.estimator.get_params()
    np.testing.assert_allclose(predicted(on), predicted(at_once), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Found 'num_iterations' in params")
@pytest.mark.parametrize(("make", "name"), [(lightgbm, "num_iterations"), (catboost, "n_estimators")])
def test_rounds_may_be_given_by_another_name(make: Any, name: str) -> None:
    estimator = make(random_state=0, learning_rate=0.1, **{name: 20})
    assert (way_of(estimator).resource, way_of(estimator).usual) == (name, 20)
    on = trained(estimator, 4, 6)
    rounds = on.estimator.tree_count_ if make is catboost else on.estimator.booster_.current_iteration()
    assert not on.why and on.done == rounds == 10


def test_lightgbm_keeps_its_trees_and_draws_other_columns() -> None:
    estimator = lightgbm(random_state=0, subsample=0.5, subsample_freq=1, colsample_bytree=0.4)
    trees = trained(estimator, 6, 6).estimator.booster_.dump_model()["tree_info"]
    assert trained(estimator, 6).estimator.booster_.dump_model()["tree_info"] == trees[: len(trees) // 2]
    columns = [tree["tree_structure"].get("split_feature") for tree in trees]
    assert columns[: len(columns) // 2] != columns[len(columns) // 2 :]


def test_a_numpy_integer_is_a_seed_like_any_other() -> None:
    sampled = {"subsample": 0.5, "subsample_freq": 1}
    one, other = (trained(lightgbm(random_state=seed, **sampled), 6, 6) for seed in (3, np.int64(3)))
    np.testing.assert_array_equal(predicted(one), predicted(other))


def test_some_kinds_of_lightgbm_are_retrained() -> None:
    for kind, more in (("dart", {}), ("rf", {"subsample": 0.5, "subsample_freq": 1})):
        estimator = lightgbm(boosting_type=kind, random_state=0, **more)
        on = trained(estimator, 3, 7)
        assert on.why == f"LightGBM's {kind} reweights earlier trees"
        np.testing.assert_array_equal(predicted(on), predicted(trained(estimator, 10)))


def test_some_kinds_of_xgboost_are_retrained() -> None:
    for kind, params, why in (
        ("XGBClassifier", {"booster": "dart"}, "XGBoost's dart reweights earlier trees"),
        ("XGBRFClassifier", {}, "the trees of XGBoost's random forests are not boosting rounds"),
    ):
        assert trained(xgboost(kind, **params), 2, 3).why == why


def test_catboost_without_a_learning_rate_is_retrained() -> None:
    on = trained(catboost(), 3, 5)
    assert on.why.startswith("CatBoost derives the learning rate") and on.estimator.tree_count_ == 8


def test_catboost_is_retrained_if_it_refuses_to_continue(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = catboost(learning_rate=0.1)
    under = trained(estimator, 3)
    fit = type(estimator).fit

    def refuse(self: Any, *given: Any, init_model: Any = None, **params: Any) -> Any:
        if init_model is not None:
            import catboost

            raise catboost.CatBoostError("no training on")
        return fit(self, *given, **params)

    monkeypatch.setattr(type(estimator), "fit", refuse)
    under.more(rows_for(estimator), 4)
    under.more(rows_for(estimator), 4)
    assert under.why == "CatBoost says: no training on"
    assert under.done == 11 and under.estimator.tree_count_ == 11


@pytest.mark.parametrize(("package", "kind"), [("lightgbm", "LGBMClassifier"), ("catboost", "CatBoostClassifier")])
def test_libraries_print_nothing_in_jobs(
    package: str, kind: str, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    estimator = getattr(needs.package(package), kind)(learning_rate=0.1)
    trained(estimator, 2, 2)
    assert estimator.get_params().get("verbose") is None
    assert capfd.readouterr() == ("", "") and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("package", "kind", "params", "resource"),
    [
        ("lightgbm", "LGBMClassifier", {"boosting_type": "dart"}, "auto"),
        ("lightgbm", "LGBMRegressor", {}, "n_samples"),
        ("catboost", "CatBoostClassifier", {}, "auto"),
        ("catboost", "CatBoostClassifier", {"learning_rate": 0.1}, "n_samples"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_libraries_print_nothing_in_jobs_that_train_from_scratch(
    package: str,
    kind: str,
    params: dict[str, Any],
    resource: str,
    inside: bool,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if package == "lightgbm":  # a fit without `verbose` uses the verbosity of the previous fit
        lightgbm(n_estimators=1).set_params(verbose=1).fit(X, Y)
    capfd.readouterr()
    count = "iterations" if package == "catboost" else "n_estimators"
    boosting = getattr(needs.package(package), kind)(**{count: 5}, **params)
    estimator = make_pipeline(StandardScaler(), boosting) if inside else boosting
    on = trained(estimator, 40, 80, resource=resource)
    assert on.why
    assert capfd.readouterr() == ("", "") and list(tmp_path.iterdir()) == []


def test_a_given_verbosity_is_kept_in_jobs_that_train_from_scratch(capfd: pytest.CaptureFixture[str]) -> None:
    boosting = lightgbm(boosting_type="dart").set_params(verbose=1)
    trained(boosting, 2, 2)
    assert "[LightGBM]" in capfd.readouterr().out


STOPPING: list[tuple[Any, dict[str, Any]]] = [
    (lightgbm, {"early_stopping_round": 5, "learning_rate": 0.4}),
    (xgboost, {"early_stopping_rounds": 5, "learning_rate": 0.4}),
    (catboost, {"early_stopping_rounds": 5, "learning_rate": 0.4, **{"bootstrap_type": "No", "random_strength": 0}}),
]
HALVES = np.arange(200), np.arange(200, 300)
STOPS = np.arange(180), np.arange(180, 200)
"""The first of HALVES, divided as a search divides it for early stopping: the test rows follow the training rows."""


def stopped_alone(estimator: Any, rounds: str, halves: tuple[Any, Any] = HALVES) -> tuple[Any, int]:
    """Fit an estimator in one call, with early stopping on held-out rows. Return the estimator and its best round."""
    (train, test), limits = halves, {rounds: 400}
    given = {"eval_set": [(X[test], Y[test])]} | ({} if "LGBM" in type(estimator).__name__ else {"verbose": False})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The argument 'eval_set' is deprecated")
        made = sklearn.clone(estimator).set_params(**limits).fit(X[train], Y[train], **given)
    best = {"LGBMClassifier": "best_iteration_", "XGBClassifier": "best_iteration"}.get(type(estimator).__name__)
    if best is None:
        return made, made.get_best_iteration() + 1
    return made, getattr(made, best) + (best == "best_iteration")


@pytest.mark.parametrize(("make", "params"), STOPPING)
def test_boosting_stops_early_at_the_best_round(make: Any, params: dict[str, Any]) -> None:
    estimator = make(random_state=0, **params)
    rounds = way_of(estimator).resource
    alone, best = stopped_alone(estimator, rounds, STOPS)
    assert 5 < best < 100
    settings = {"cv": [HALVES], "scoring": "neg_log_loss", "candidates": 1, "max_epochs": 400, "max_rungs": 1}
    ours = fitted(estimator, {"random_state": [0]}, **settings)
    assert ours.best_epochs_ == best == ours.best_params_[rounds]
    assert ours.trained_ == best + 5
    expected = -log_loss(Y[HALVES[1]], alone.predict_proba(X[HALVES[1]]))
    np.testing.assert_allclose(ours.best_score_, expected, rtol=1e-6)
    kept = ours.best_estimator_.get_params()
    assert kept[rounds] == best and not any(kept.get(name) for name in params if "stopping" in name)
    without = {name: value for name, value in params.items() if "stopping" not in name}
    whole = make(random_state=0, **without, **{rounds: best}).fit(X, Y)
    np.testing.assert_allclose(ours.predict_proba(X), whole.predict_proba(X), rtol=1e-6)


@pytest.mark.parametrize(("make", "params"), STOPPING)
def test_early_stopping_works_across_rungs(make: Any, params: dict[str, Any]) -> None:
    estimator = make(random_state=0, **params)
    rounds = way_of(estimator).resource
    under = way_of(estimator).begin(sklearn.clone(estimator))
    rows = replace(rows_for(estimator).at(HALVES[0]), held=rows_for(estimator).at(HALVES[1]))
    losses, done = {}, []
    for epochs in (4, 4, 100, 100):
        under.more(rows, epochs)
        losses[under.kept] = log_loss(Y[HALVES[1]], under.predictor.predict_proba(X[HALVES[1]]))
        done.append(under.done)
    assert done[:2] == [4, 8] and done[2] == done[3] < 108 and under.stopped  # a stopped fit is not trained further
    assert losses[under.kept] == min(losses.values()) and under.kept < under.done
    alone, best = stopped_alone(estimator, rounds)
    assert make is lightgbm or under.kept == best
    np.testing.assert_allclose(losses[under.kept], log_loss(Y[HALVES[1]], alone.predict_proba(X[HALVES[1]])), rtol=0.05)


def test_early_stopping_works_in_a_pipeline_and_with_retraining() -> None:
    settings = {"cv": [HALVES], "scoring": "neg_log_loss", "candidates": 1, "max_epochs": 60, "max_rungs": 1}
    estimator = xgboost(random_state=0, early_stopping_rounds=5, learning_rate=0.4)
    alone = fitted(estimator, {"max_depth": [3]}, **settings)
    pipeline = Pipeline([("same", FunctionTransformer()), ("last", estimator)])
    within = fitted(pipeline, {"last__max_depth": [3]}, **settings)
    assert within.best_epochs_ == alone.best_epochs_ < 60 and within.best_score_ == alone.best_score_
    assert within.best_estimator_[-1].early_stopping_rounds is None
    nested = fitted(Pipeline([("outer", pipeline)]), {"outer__last__max_depth": [3]}, **settings)
    assert nested.best_epochs_ == alone.best_epochs_ and nested.best_score_ == alone.best_score_
    assert nested.best_estimator_[-1][-1].early_stopping_rounds is None
    anew = fitted(estimator.set_params(booster="dart", rate_drop=0.0), {"max_depth": [3]}, **settings)
    assert not anew.continued_ and anew.best_epochs_ == alone.best_epochs_
    np.testing.assert_allclose(anew.best_score_, alone.best_score_, rtol=1e-6)


def test_validation_rows_passed_by_the_user_decide_early_stopping() -> None:
    estimator = xgboost(random_state=0, early_stopping_rounds=5, learning_rate=0.4)
    settings = {"cv": [HALVES], "candidates": 1, "max_epochs": 400, "max_rungs": 1}
    train = HALVES[0]
    # early stopping never ends this fit, since the loss on its own training rows keeps improving
    given = {"eval_set": [(X[train][:50], Y[train][:50])], "verbose": False}
    assert search(estimator, {"max_depth": [3]}, **settings).fit(X, Y, **given).trained_ == 400


@pytest.mark.parametrize("labels", [("b", "a", "c"), (1, 2, 3)], ids=str)
@pytest.mark.parametrize(("make", "params"), [STOPPING[0], STOPPING[2]])
def test_early_stopping_accepts_labels_of_any_kind(make: Any, params: dict[str, Any], labels: tuple[Any, ...]) -> None:
    settings = {"cv": [HALVES], "scoring": "neg_log_loss", "candidates": 1, "max_epochs": 200, "max_rungs": 1}
    order = np.array(sorted(labels))
    plain = search(make(random_state=0, **params), {"random_state": [0]}, **settings).fit(X, Y)
    named = search(make(random_state=0, **params), {"random_state": [0]}, **settings).fit(X, order[Y])
    assert named.best_epochs_ == plain.best_epochs_ > 5 and named.best_score_ == plain.best_score_


@pytest.mark.parametrize(("make", "params"), STOPPING)
def test_early_stopping_ignores_rows_whose_label_is_unknown_in_training(make: Any, params: dict[str, Any]) -> None:
    train, test = (rows[Y[rows] < 2] for rows in HALVES)
    unknown = np.flatnonzero(Y == 2)
    found = []
    for held in (test, np.concatenate([test, unknown]), unknown):
        under = way_of(make()).begin(make(random_state=0, **params))
        under.more(replace(rows_for(make()).at(train), held=rows_for(make()).at(held)), 60)
        found.append(under.kept)
    # In the third fit all held-out labels are unknown, so no row can stop it early, and it has all rounds.
    assert found[0] == found[1] < 60 == found[2]


def test_the_best_round_is_chosen_by_one_metric_in_all_jobs() -> None:
    """Check that the user's metric chooses the round if LightGBM stops by its own metric, or if a job has one round."""
    binary = (Y > 0).astype(int)
    for make, metric, jobs in ((lightgbm, {}, (6, 30, 30)), (xgboost, {"eval_metric": "auc"}, (1, 1, 1, 1, 1, 20))):
        stops = {"early_stopping_round" if make is lightgbm else "early_stopping_rounds": 8}
        given = {"eval_metric": "auc"} if make is lightgbm else {}
        rows = replace(Rows(X[:200], binary[:200], given, np.array([0, 1])), held=Rows(X[200:], binary[200:]))
        under = way_of(make()).begin(make(random_state=0, learning_rate=0.3, **stops, **metric))
        best: dict[int, float] = {}
        for epochs in jobs:
            under.more(rows, epochs)
            for rounds in range(len(best) + 1, under.done + 1):
                stage = under.at(rounds)
                best[rounds] = roc_auc_score(binary[200:], stage.predict_proba(X[200:])[:, 1])
            # LightGBM deletes the trees after its best round
            trees = under.estimator.n_iter_ if make is lightgbm else under.done
            left = {rounds: score for rounds, score in best.items() if rounds <= trees}
            assert best[under.kept] == pytest.approx(max(left.values()), abs=1e-6)


def test_folds_that_stop_at_different_rounds_are_trained_independently() -> None:
    """Use a first fold with few rows, which stops in the first rung; the other fold is trained for all epochs."""
    few, many = (np.arange(40), HALVES[1]), HALVES
    estimator = xgboost(random_state=0, early_stopping_rounds=10, learning_rate=0.02)
    space = {"max_depth": [2, 3, 4, 6]}
    ours = fitted(estimator, space, cv=[few, many], max_epochs=60, max_rungs=2, candidates=4, scoring="neg_log_loss")
    assert [rung["epochs"] for rung in ours.result_.rungs] == [20, 40]
    jobs = list(zip(ours.result_.jobs, ours.result_.infos, strict=True))
    stopped = {job.candidate for job, info in jobs if job.rung == 0 and info.trained < 20}
    further = [info for job, info in jobs if job.rung == 1 and job.candidate in stopped]
    assert further and all(info.trained == (0 + 40) / 2 for info in further)
    assert all(info.folds[0].rounds < 20 < info.folds[1].rounds for info in further)


def test_boosting_stops_early_even_if_rows_are_the_resource() -> None:
    stopping = lightgbm(random_state=0, early_stopping_round=5, learning_rate=0.3, n_estimators=80)
    settings = {"scoring": "neg_log_loss", "cv": 2, "candidates": 2, "algorithm": "random", "max_rungs": 1}
    alone = fitted(stopping, {"random_state": [0]}, **{**settings, "candidates": 1, "max_epochs": 80})
    pipeline = Pipeline([("same", FunctionTransformer()), ("model", LogisticRegression())])
    both = fitted(pipeline, {"model": [stopping, LogisticRegression(max_iter=500)]}, **settings)
    assert both.resource_ == "n_samples"
    kinds = [type(params["model"]) for params in both.cv_results_["params"]]
    score = both.cv_results_["mean_test_score"][kinds.index(type(stopping))]
    assert score == pytest.approx(alone.best_score_, abs=0.15)
    halving = ash.HalvingRandomSearchCV(
        stopping, {"num_leaves": [4, 8, 31]}, cv=2, random_state=0, scoring="neg_log_loss"
    )
    best = halving.fit(X, Y).best_estimator_
    assert best.n_estimators < 80 and not best.early_stopping_round


def test_boosting_stops_early_even_if_the_resource_is_not_its_rounds() -> None:
    stopping = lightgbm(random_state=0, early_stopping_round=5, n_estimators=80)
    settings = {"scoring": "neg_log_loss", "cv": 2, "candidates": 4, "min_epochs": 2, "max_rungs": 2}
    found = fitted(stopping, {"learning_rate": [0.2, 0.3, 0.4, 0.5]}, **settings, resource="max_depth")
    assert set(found.cv_results_["resource"]) <= {2, 2 + 4}
    assert found.best_estimator_.max_depth == found.best_epochs_ <= 6
    assert found.best_estimator_.n_estimators < 80 and not found.best_estimator_.early_stopping_round
    pipeline = Pipeline([("same", FunctionTransformer()), ("last", stopping)])
    within = fitted(pipeline, {"last__learning_rate": [0.2, 0.3, 0.4, 0.5]}, **settings, resource="last__max_depth")
    assert within.best_estimator_[-1].max_depth == within.best_epochs_ and within.best_score_ == found.best_score_
    nested, space = Pipeline([("outer", pipeline)]), {"outer__last__learning_rate": [0.2, 0.3, 0.4, 0.5]}
    inside = fitted(nested, space, **settings, resource="outer__last__max_depth")
    assert inside.best_epochs_ == within.best_epochs_ and inside.best_score_ == within.best_score_


def test_halving_refits_with_the_best_number_of_rounds() -> None:
    estimator = xgboost(random_state=0, early_stopping_rounds=4, learning_rate=0.4)
    settings = {"resource": "n_estimators", "max_resources": 90, "min_resources": 30, "n_candidates": 3, "cv": 2}
    ours = ash.HalvingRandomSearchCV(estimator, {"max_depth": [2, 3, 6]}, random_state=0, **settings).fit(X, Y)
    assert ours.best_estimator_.n_estimators < ours.n_resources_[-1]
    assert ours.best_estimator_.early_stopping_rounds is None


def test_catboost_stops_early_with_user_rows_and_with_its_default_rate() -> None:
    train = HALVES[0]
    given = {"eval_set": [(X[HALVES[1]], Y[HALVES[1]])]}
    estimator = catboost(random_state=0, early_stopping_rounds=5, learning_rate=0.4)
    ours = search(estimator, {"depth": [2, 3, 4, 5]}, cv=[HALVES], max_epochs=60, max_rungs=2, candidates=4)
    ours.fit(X, Y, **given)
    assert ours.best_estimator_.tree_count_ == ours.best_epochs_ and len(train) == 200
    anew = fitted(
        catboost(random_state=0, early_stopping_rounds=3),
        {"depth": [2, 3, 4, 5]},
        cv=[HALVES],
        max_epochs=60,
        max_rungs=2,
        candidates=4,
    )
    assert not anew.continued_ and anew.trained_ < 4 * 20 + 2 * 60  # candidates that have stopped are not fitted again


def test_weights_of_the_held_out_rows_are_used_in_early_stopping() -> None:
    weights = np.where((np.arange(300) < 190) | (np.arange(300) >= 200), 1.0, 1e-6)
    for make, params in STOPPING:
        settings = {"cv": [HALVES], "candidates": 1, "max_epochs": 200, "max_rungs": 1}
        estimator = make(random_state=0, **params)
        ours = search(estimator, {"random_state": [0]}, **settings).fit(X, Y, sample_weight=weights)
        _, best = stopped_alone(estimator, way_of(estimator).resource, (STOPS[0], STOPS[1][:10]))
        assert ours.best_epochs_ == best


def test_no_test_row_decides_early_stopping() -> None:
    """Shuffle the labels of all test rows: the rounds must stay, although the scores change."""
    training, test = next(KFold(3, shuffle=True, random_state=0).split(X))
    other = Y.copy()
    other[test] = np.random.default_rng(0).permutation(Y[test])
    for make, params in STOPPING:
        settings = {"cv": [(training, test)], "candidates": 1, "max_epochs": 200, "max_rungs": 1}
        ours, shuffled = (
            search(make(random_state=0, **params), {"random_state": [0]}, refit=False, **settings).fit(X, labels)
            for labels in (Y, other)
        )
        assert ours.best_epochs_ == shuffled.best_epochs_ < 200 and ours.best_score_ > shuffled.best_score_


def test_a_tenth_of_the_training_rows_is_held_out_for_early_stopping() -> None:
    def split(X: Any, Y: Any, groups: Any = None, **settings: Any) -> tuple[Any, Any, Any]:
        trainer, _ = search(lightgbm(early_stopping_round=5), {"num_leaves": [4, 8]}, **settings)._prepared(
            *(X, Y, {} if groups is None else {"groups": groups})
        )
        fold = trainer.table.splits[-1][0]
        kept, held = trainer._stopping_split(fold)
        assert sorted([*kept, *held]) == sorted(fold) and len(held) == pytest.approx(len(fold) / 10, abs=4)
        again = trainer._stopping_split(fold)
        assert np.array_equal(kept, again[0]) and np.array_equal(held, again[1])
        return trainer, kept, held

    rare = np.where(np.arange(300) % 20 < 2, 1, 0)  # a tenth of the rows, as of those held out
    _, _, held = split(X, rare)
    assert rare[held].sum() in (1, 2) and len(held) == 15
    groups = np.arange(300) // 4
    _, kept, held = split(X, Y, groups)
    assert not set(groups[kept]) & set(groups[held])
    trainer, kept, held = split(X, Y, cv=TimeSeriesSplit(3))
    assert kept.max() < held.min() and held.max() < trainer.table.splits[-1][1].min()
    _, kept, held = split(X, Y, np.arange(300) // 150, cv=GroupKFold(2))  # one group trains, so it is divided
    assert len(held) == 15


def test_scorers_may_pass_arguments_to_predictions_at_the_best_round() -> None:
    def raw(estimator: Any, X: Any, y: Any) -> float:
        values = estimator.predict(X, raw_score=True)
        return -log_loss(y, softmax(values, axis=1))

    settings = {"cv": [HALVES], "candidates": 1, "max_epochs": 200, "max_rungs": 1}
    estimator = lightgbm(random_state=0, **STOPPING[0][1])
    ours = fitted(estimator, {"random_state": [0]}, scoring=raw, **settings)
    usual = fitted(estimator, {"random_state": [0]}, scoring="neg_log_loss", **settings)
    assert ours.best_score_ == pytest.approx(usual.best_score_, rel=1e-9)
    logs = fitted(
        catboost(random_state=0, **STOPPING[2][1]),
        {"random_state": [0]},
        scoring=lambda estimator, X, y: float(estimator.predict_log_proba(X)[np.arange(len(y)), y].mean()),
        **settings,
    )
    assert np.isfinite(logs.best_score_)


def net(**params: Any) -> Any:
    torch, skorch = needs.package("torch"), needs.package("skorch")

    class Module(torch.nn.Module):
        def __init__(self, width: int = 8) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(
                torch.nn.Linear(10, width), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(width, 3)
            )

        def forward(self, X: Any) -> Any:
            return self.layers(X)

    given = {"criterion": torch.nn.CrossEntropyLoss, "optimizer": torch.optim.Adam, "iterator_train__shuffle": True}
    return skorch.NeuralNetClassifier(Module, **{**given, "train_split": None, "verbose": 0, **params})


def test_a_pytorch_module_is_trained_further_with_its_optimizer_state() -> None:
    way, rows = way_of(net()), Rows(X.astype(np.float32), Y, {}, np.unique(Y))
    at_once, on = way.begin(net(), 5), way.begin(net(), 5)
    at_once.more(rows, 6)
    for epochs in (1, 2, 3):
        on.more(rows, epochs)
        on.rest()
    assert way.resource == "max_epochs" and on.estimator.max_epochs == 6 and not on.why
    assert [line["epoch"] for line in on.estimator.history] == [1, 2, 3, 4, 5, 6]
    for name, weight in at_once.estimator.module_.state_dict().items():
        assert (weight == on.estimator.module_.state_dict()[name]).all(), name
    assert all(weight.grad is None for weight in on.estimator.module_.parameters())


def test_modules_trained_in_processes_match_those_trained_here() -> None:
    rows = (X.astype(np.float32), Y)
    space = {"lr": [1e-3, 1e-2], "module__width": [4, 8]}
    one, two = (
        ash.ASHSearchCV(net(max_epochs=3), space, candidates=4, cv=2, n_jobs=jobs, random_state=0).fit(*rows)
        for jobs in (1, 2)
    )
    assert one.result_.digest == two.result_.digest and two.continued_
    assert way_of(net()).wants_process(net()) and not way_of(net()).wants_process(net(device="cuda"))


class FakeGPU:
    """Stands in for a GPU, with memory of the CPU: skorch moves nothing, and `torch.cuda` has this generator.

    It shows which random states are saved and restored, and how many nets are trained at a time. It does not show that
    a real GPU returns equal numbers.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        torch, net_module = needs.package("torch"), needs.package("skorch.net")
        self.generator = torch.Generator()
        self.running, self.most = 0, 0
        self._lock = threading.Lock()
        monkeypatch.setattr("torch.cuda.get_rng_state", lambda device: self.generator.get_state())
        monkeypatch.setattr("torch.cuda.set_rng_state", lambda state, device: self.generator.set_state(state))
        monkeypatch.setattr("torch.cuda.manual_seed_all", self.generator.manual_seed)
        to_tensor = net_module.to_tensor
        monkeypatch.setattr("skorch.net.to_device", lambda value, device: value)
        monkeypatch.setattr("skorch.net.to_tensor", lambda value, device, **more: to_tensor(value, "cpu", **more))

    def net(self, **params: Any) -> Any:
        """Return a net on this GPU, whose dropout draws from the GPU's generator."""
        torch, gpu, usual = needs.package("torch"), self, net(device="cuda", **params)

        class Module(usual.module):  # type: ignore[misc, name-defined]
            def forward(self, X: Any) -> Any:
                dropped = torch.bernoulli(torch.full(X.shape, 0.8), generator=gpu.generator) if self.training else 1
                return super().forward(X * dropped)

        class Net(type(usual)):  # type: ignore[misc]
            def partial_fit(self, *rows: Any, **params: Any) -> Any:
                with gpu._lock:
                    gpu.running += 1
                    gpu.most = max(gpu.most, gpu.running)
                try:
                    return super().partial_fit(*rows, **params)
                finally:
                    with gpu._lock:
                        gpu.running -= 1

        return Net(**{**usual.get_params(deep=False), "module": Module})


def test_the_random_state_of_a_gpu_is_resumed_and_that_of_the_caller_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, rows = FakeGPU(monkeypatch), Rows(X.astype(np.float32), Y, {}, np.unique(Y))
    way = way_of(gpu.net())
    at_once, on, other = (way.begin(gpu.net(), 5) for _ in range(3))
    gpu.generator.manual_seed(7)
    before = gpu.generator.get_state()
    at_once.more(rows, 6)
    assert (gpu.generator.get_state() == before).all()
    for epochs in (1, 2, 3):
        on.more(rows, epochs)
        other.more(rows, 1)  # draws from the GPU, too
    for name, weight in at_once.estimator.module_.state_dict().items():
        assert (weight == on.estimator.module_.state_dict()[name]).all(), name


@pytest.mark.parametrize("jobs", [{}, {"n_jobs": None}, {"n_jobs": -2}, {"n_jobs": 2}], ids=str)
def test_one_net_at_a_time_is_trained_on_a_gpu_unless_n_jobs_is_positive(
    jobs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu, space = FakeGPU(monkeypatch), {"lr": [1e-3, 1e-2], "module__width": [4, 8]}
    found = ash.ASHSearchCV(gpu.net(max_epochs=3), space, candidates=4, cv=2, random_state=0, refit=False, **jobs)
    found.fit(X.astype(np.float32), Y)
    is_told = jobs.get("n_jobs") == 2
    assert found.result_.options.threads == (threads_of("n_jobs", 2) if is_told else 1) and (is_told or gpu.most == 1)
    pipeline = make_pipeline(StandardScaler(), gpu.net())
    assert way_of(pipeline).is_on_gpu(pipeline) and not way_of(net()).is_on_gpu(net())


def test_the_state_of_a_module_is_its_weights_and_optimizer_state() -> None:
    import cloudpickle

    way, rows = way_of(net()), Rows(X.astype(np.float32), Y, {}, np.unique(Y))
    under = way.begin(net(module__width=400), 5)
    under.more(rows, 2)
    under.rest()
    packed = cloudpickle.dumps(under)
    weights = sum(each.numel() * 4 for each in under.estimator.module_.parameters())
    assert 3 * weights < len(packed) < 3 * weights + 20_000  # the weights and Adam's two moments are all stored
    again = pickle.loads(packed)
    for each in (again, under):
        each.more(rows, 2)
    np.testing.assert_array_equal(again.estimator.predict_proba(rows.X), under.estimator.predict_proba(rows.X))
