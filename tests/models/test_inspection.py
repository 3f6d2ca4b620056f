"""Compares permutation importance and partial dependence with plain Python code and with scikit-learn."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import partial_dependence
from sklearn.metrics import log_loss, mean_squared_error

import ash
from ash.errors import SettingError
from ash.models.inspection import MOST_COLUMNS, MOST_ROWS, REPEATS

pytestmark = pytest.mark.filterwarnings("ignore:the rows are in the order of the dates in")

ROWS = 300
RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "strong": RANDOM.normal(size=ROWS),
        "color": RANDOM.choice(["red", "green", "blue"], ROWS),
        "gaps": np.where(RANDOM.random(ROWS) < 0.2, np.nan, RANDOM.normal(size=ROWS)),
        "noise": RANDOM.normal(size=ROWS),
        "day": pd.date_range("2020-01-01", periods=ROWS, freq="D"),
    }
)
NUMBER = 3 * FRAME["strong"] + (FRAME["color"] == "red") + 0.1 * RANDOM.normal(size=ROWS)
LABEL = np.where(NUMBER > 0.3, "yes", "no")
RUN: dict[str, Any] = {"candidates": 8, "validation": 0.2, "random_state": 0, "n_jobs": 1, "verbose": 0}


def validated(result: ash.Result) -> tuple[pd.DataFrame, np.ndarray]:
    """Return FRAME's validation rows in the run's order, and their row numbers, which are found by the rows' dates."""
    assert result.sample is not None
    days = result.sample.frame.columns[4].numbers(slice(None))
    rows = (days - pd.Timestamp("2020-01-01").timestamp() / 86_400).astype(int)
    return FRAME.iloc[rows], rows


@pytest.mark.parametrize("given", [{}, {"validation": (FRAME[200:], NUMBER[200:])}, {"cv": 3}])
def test_importance_is_the_decrease_of_the_score(given: dict[str, Any]) -> None:
    X, y = (FRAME[:200], NUMBER[:200]) if "validation" in given else (FRAME, NUMBER)
    result = ash.tune(X, y, scoring="rmse", **{**RUN, "validation": None if "cv" in given else 0.2, **given})
    rows, places = validated(result)
    assert len(places) == {"validation": 100, "cv": 300}.get(next(iter(given), ""), 60)

    def error(frame: pd.DataFrame) -> float:
        return float(np.sqrt(mean_squared_error(NUMBER.to_numpy()[places], result.model.predict(frame))))

    random, expected = np.random.default_rng(0), dict.fromkeys(FRAME.columns, 0.0)
    for order in [random.permutation(len(places)) for _ in range(REPEATS)]:
        for name in FRAME.columns:
            shuffled = rows.assign(**{name: rows[name].to_numpy()[order]})
            expected[name] += (error(shuffled) - error(rows)) / REPEATS
    found = result.feature_importance()
    assert found == pytest.approx(expected, abs=1e-6)
    assert list(found) == sorted(found, key=lambda name: -found[name]) and next(iter(found)) == "strong"


def test_importance_with_a_scoring_function_uses_the_log_loss() -> None:
    """Compare with the log loss, in which rows have their sample weights."""
    weights = 1.0 + np.arange(ROWS) % 3

    def scorer(model: Any, X: Any, y: Any) -> float:
        return float(np.mean(model.predict(X) == y))

    result = ash.tune(FRAME, LABEL, sample_weight=weights, scoring=scorer, **RUN)
    rows, places = validated(result)
    whole = log_loss(LABEL[places], result.model.predict_proba(rows), sample_weight=weights[places])
    orders = np.random.default_rng(0)
    falls = []
    for order in [orders.permutation(len(places)) for _ in range(REPEATS)]:
        shuffled = result.model.predict_proba(rows.assign(strong=rows["strong"].to_numpy()[order]))
        falls.append(log_loss(LABEL[places], shuffled, sample_weight=weights[places]) - whole)
    assert result.feature_importance()["strong"] == pytest.approx(np.mean(falls), abs=1e-5)


def test_partial_dependence_matches_scikit_learn() -> None:
    fit = ash.ASHClassifier(candidates=8, ensemble=1, refit=False, random_state=0, validation=0.2).fit(FRAME, LABEL)
    rows, _ = validated(fit.result_)
    for name in ("strong", "gaps"):
        found = fit.result_.partial_dependence(name)
        values = np.array(found.values)
        assert len(values) == 20 and (np.diff(values) > 0).all() and np.isin(values, rows[name]).all()
        theirs = partial_dependence(fit, rows, [name], custom_values={name: values}, method="brute")
        np.testing.assert_allclose(found.predictions[:, 1], theirs["average"][0], atol=1e-6)
    found = fit.result_.partial_dependence(1)
    counts = rows["color"].value_counts()
    assert [counts[level] for level in found.values] == sorted(counts, reverse=True)
    for level, prediction in zip(found.values, found.predictions, strict=True):
        mean = fit.predict_proba(rows.assign(color=level)).mean(axis=0)
        np.testing.assert_allclose(prediction, mean, atol=1e-6)
    dates = fit.result_.partial_dependence("day").values
    assert dates == sorted(dates) and set(dates) <= set(FRAME["day"].astype(str))


def test_the_importance_of_an_estimators_model_is_computed() -> None:
    fit = ash.ASHRegressor(candidates=8, random_state=0, validation=0.2).fit(FRAME, NUMBER)
    found = fit.result_.feature_importance(fit.model_)
    assert next(iter(found)) == "strong" and found != fit.result_.feature_importance()
    alone = ash.ASHRegressor(candidates=8, random_state=0, ensemble=1, refit=False, validation=0.2).fit(FRAME, NUMBER)
    assert alone.result_.feature_importance(alone.model_) == alone.result_.feature_importance()
    values, predictions = fit.result_.partial_dependence("strong", fit.model_)
    rows, _ = validated(fit.result_)
    np.testing.assert_allclose(predictions[0, 0], fit.predict(rows.assign(strong=values[0])).mean(), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*rows are equal to other rows")
def test_importance_works_with_neighbor_features() -> None:
    """Check that rows are encoded again after a column has changed, since neighbor features depend on all columns."""
    x = RANDOM.normal(size=(ROWS, 3)).round(2)
    x = np.vstack([x, x[:60]])
    y = x[:, 0] + x[:, 1] + x[:, 2] / 20
    result = ash.tune(x, y, **RUN)
    assert result.model.encoding.neighbors is not None
    falls = result.feature_importance()
    assert list(falls)[-1] == "x2" and falls["x2"] < falls["x1"] / 4
    assert result.sample is not None
    rows = result.sample.frame.all_numbers()
    values, predictions = result.partial_dependence("x0")
    for value, prediction in zip(values, predictions[:, 0], strict=True):
        changed = np.column_stack([np.full(len(rows), value), rows[:, 1:]])
        assert prediction == pytest.approx(result.model.predict(changed).mean(), rel=1e-6)


@pytest.mark.filterwarnings("ignore:X has columns that cannot help")
def test_a_result_does_not_keep_the_table_and_can_be_pickled() -> None:
    result = ash.tune(FRAME, LABEL, **RUN)
    again = pickle.loads(pickle.dumps(result))
    assert again.feature_importance() == result.feature_importance()
    x = RANDOM.normal(size=(5_000 + MOST_ROWS, 2))
    long = ash.tune(x, x[:, 0], **{**RUN, "validation": MOST_ROWS + 500})
    assert long.sample is not None and long.sample.frame.rows == MOST_ROWS
    columns = long.sample.frame.columns
    assert not any(np.shares_memory(column.values, x) for column in columns)  # type: ignore[attr-defined]
    assert list(long.feature_importance()) == ["x0", "x1"]


def test_impossible_inspections_are_refused() -> None:
    result = ash.tune(FRAME, LABEL, **RUN)
    with pytest.raises(SettingError, match=r"column must be one of 'strong', 'color', .*, got 'size'"):
        result.partial_dependence("size")
    with pytest.raises(SettingError, match="column must be an integer from 0 to 4, got 5"):
        result.partial_dependence(5)
    wide = ash.tune(RANDOM.normal(size=(20, MOST_COLUMNS + 1)), np.arange(20) % 2, **{**RUN, "candidates": 1})
    with pytest.raises(SettingError, match=r"feature_importance needs validation rows, .* at most 200 columns"):
        wide.feature_importance()
    fit = pickle.loads(pickle.dumps(ash.ASHClassifier(candidates=2, random_state=0, validation=0.2).fit(FRAME, LABEL)))
    with pytest.raises(SettingError, match=r"which the pickle of an estimator leaves out; use sklearn\.inspection"):
        fit.result_.feature_importance()


def test_a_column_without_values_has_no_importance() -> None:
    empty = FRAME.assign(nothing=np.nan)
    result = ash.tune(empty, NUMBER, **RUN)
    assert result.feature_importance()["nothing"] == 0
    assert result.partial_dependence("nothing").values == []
