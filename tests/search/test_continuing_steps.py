"""Training on inside of a Pipeline: its transformers are fitted once, unless what they give depends on that."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from ash.sklearn.resumable.choose import way_of
from ash.sklearn.resumable.protocol import Rows, TransformerCache, key_of_transformers
from continuing_help import X, Y, predicted, trained

FITS: list[Any] = []


class Scaler(StandardScaler):
    """Writes down when it is fitted, and with which weights."""

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
def test_passes_over_transformed_rows(sparse: bool) -> None:
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


def test_transformers_of_the_same_parameters_are_fitted_once_for_all() -> None:
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
    """Writes into the rows that it is given."""

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
        super().partial_fit(X, y, classes, sample_weight)
        X[:] = 0
        return self


def test_nobody_changes_the_rows_of_others() -> None:
    rows = Rows(X, Y, {}, np.unique(Y), TransformerCache())
    pipeline = make_pipeline(StandardScaler(), Spoiler(random_state=0, shuffle=False))  # else it is given a copy
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
    cache = TransformerCache()
    cache.keep("one", None, rows)
    monkeypatch.setattr("ash.sklearn.resumable.protocol.ROWS_BYTES", 1_000)
    cache.keep("two", None, rows)
    one, two = cache.find("one"), cache.find("two")
    assert one is not None and two is not None and two.rows is None and one.rows is not rows
    assert (one.rows != rows).sum() == 0
    cache.keep("three", None, rows)
    assert cache.find("one") is None and cache.find(None) is None and cache.find("three") is not None
    assert pickle.loads(pickle.dumps(cache)).find("three") is None


def test_what_cannot_be_compared_is_not_shared() -> None:
    parts = FunctionTransformer(func=lambda cells: cells)
    assert key_of_transformers(make_pipeline(parts)) is None
    scaler, other = make_pipeline(StandardScaler()), make_pipeline(StandardScaler(with_mean=False))
    assert key_of_transformers(scaler) == key_of_transformers(make_pipeline(StandardScaler()))
    assert key_of_transformers(scaler) != key_of_transformers(other)


class Apart(TransformerMixin, BaseEstimator):
    """As TargetEncoder: what it gives to the rows that it is fitted to is not what it gives to others."""

    def fit(self, X: Any, y: Any) -> Any:
        self.mean_ = np.asarray(y).mean()
        return self

    def fit_transform(self, X: Any, y: Any) -> Any:
        FITS.append(None)
        return np.column_stack([X, (self.fit(X, y).mean_ * len(y) - y) / (len(y) - 1)])

    def transform(self, X: Any) -> Any:
        return np.column_stack([X, np.full(len(X), self.mean_)])


def test_what_keeps_a_row_s_own_target_out_goes_on_doing_so() -> None:
    pipeline = make_pipeline(Apart(), RandomForestClassifier(random_state=0))
    on, alone = trained(pipeline, 3, 5), sklearn.clone(pipeline).set_params(randomforestclassifier__n_estimators=8)
    assert len(FITS) == 2
    np.testing.assert_array_equal(predicted(on), alone.fit(X, Y).predict_proba(X))


class Late(TransformerMixin, BaseEstimator):
    """What it gives to the rows that it is fitted to differs in the last bit of the last one."""

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


def test_one_bit_of_one_row_keeps_transformers_apart() -> None:
    rows = Rows(X, Y, {}, np.unique(Y), TransformerCache())
    for _ in range(2):
        under = way_of(pipeline := make_pipeline(Late(), SGDClassifier(random_state=0))).begin(sklearn.clone(pipeline))
        for _ in range(2):
            under.more(rows, 1)
    assert len(FITS) == 4, "fitted in each job of each candidate"


def test_parameters_of_fit_go_to_their_steps() -> None:
    weights = np.linspace(0.1, 1, len(Y))
    pipeline = Pipeline([("scaler", Scaler()), ("forest", RandomForestClassifier(random_state=0))])
    on = trained(pipeline, 2, 3, scaler__sample_weight=weights, forest__sample_weight=weights)
    assert [pytest.approx(weights)] == FITS
    alone = sklearn.clone(pipeline).set_params(forest__n_estimators=5)
    alone.fit(X, Y, scaler__sample_weight=weights, forest__sample_weight=weights)
    np.testing.assert_array_equal(predicted(on), alone.predict_proba(X))


def test_metadata_routing_inside_of_a_pipeline() -> None:
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


def test_without_transformers_and_within_each_other() -> None:
    forest = RandomForestClassifier(random_state=0)
    alone = RandomForestClassifier(5, random_state=0).fit(X, Y).predict_proba(X)
    for pipeline in (make_pipeline(forest), make_pipeline("passthrough", make_pipeline("passthrough", forest))):
        on = trained(pipeline, 2, 3)
        assert not on.why
        np.testing.assert_array_equal(predicted(on), alone)


def test_a_last_step_that_cannot_go_on() -> None:
    on = trained(make_pipeline(Scaler(), BaggingClassifier(oob_score=True, random_state=0, n_estimators=30)), 20, 10)
    assert on.why == "oob_score of bagging allows no warm_start" and len(on.estimator[-1].estimators_) == 30
    FITS.clear()
    on = trained(make_pipeline(Scaler(), LogisticRegression()), 100, 200)
    assert on.done == 300 and on.why == "Pipeline cannot be trained on by more rows" and len(FITS) == 2
    assert way_of(make_pipeline(Scaler(), "passthrough")).resource == "n_samples"


def test_a_pipeline_that_is_not_scikit_learn_s_is_retrained() -> None:
    class Pipeline(sklearn.pipeline.Pipeline):
        """As of a package that samples rows on the way."""

    assert way_of(Pipeline([("forest", RandomForestClassifier())])).resource == "n_samples"


def test_rows_that_cannot_be_compared_are_transformed_anew() -> None:
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
