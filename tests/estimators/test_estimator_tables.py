"""Tables, targets and weights of the estimators: any library gives the same run, labels come back as they were."""

from __future__ import annotations

import importlib
import re
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.exceptions import DataConversionWarning

from ash.errors import DataError
from data_help import mixed_columns, mixed_target
from estimator_help import LIBRARIES, cells, classifier, digest, framed, regressor
from fault_help import table, targets

X, Y = table(80)
XR, YR = targets(80)
MIXED = mixed_target(mixed_columns(200))
WEIGHTS = np.linspace(0.1, 2, 80)


# Libraries


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("scoring", [None, "explained_variance"])
def test_every_library_gives_the_run_of_numpy(library: str, scoring: str | None) -> None:
    """F25 for the estimators: numbers, whole numbers, booleans, text, categories, with gaps in each."""
    estimator = regressor(scoring=scoring)
    expected = digest(estimator, cells(), MIXED)
    assert digest(estimator, framed(library), MIXED) == expected
    held_out = estimator.set_params(validation=(framed(library), MIXED))
    beside = digest(held_out, framed(library), MIXED)
    assert beside == digest(estimator.set_params(validation=(cells(), MIXED)), cells(), MIXED) != expected


@pytest.mark.parametrize("fitted", LIBRARIES)
def test_predictions_of_every_library_are_equal(fitted: str) -> None:
    estimator = classifier().fit(framed(fitted), MIXED > 5)
    expected = estimator.predict_proba(framed("pandas"))
    for library in LIBRARIES:
        assert np.array_equal(estimator.predict_proba(framed(library)), expected), library


def test_what_differs_in_the_columns_is_listed() -> None:
    """F20, in the words of scikit-learn."""
    frame = framed("pandas")
    estimator = classifier(candidates=2).fit(frame, MIXED > 5)
    same = "The feature names should match those that were passed during fit.\n"
    for wrong, message in (
        (frame[list(frame.columns)[::-1]], f"{same}Feature names must be in the same order as they were in fit.\n"),
        (frame.drop(columns=["city"]), f"{same}Feature names seen at fit time, yet now missing:\n- city\n"),
        (frame.assign(z=1), f"{same}Feature names unseen at fit time:\n- z\n"),
        (
            frame.rename(columns={"size": "siz"}),
            f"{same}Feature names unseen at fit time:\n- siz\n"
            "Feature names seen at fit time, yet now missing:\n- size\n",
        ),
    ):
        for method in (estimator.predict, estimator.predict_proba):
            with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
                method(wrong)
    with pytest.raises(DataError, match="X has column names that are no text"):
        estimator.predict(frame.rename(columns={"size": 1}))


def test_names_on_one_side_only_warn_and_other_numbers_of_columns_raise() -> None:
    """F19, F20."""
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    plain, named = classifier(candidates=2).fit(X, Y), classifier(candidates=2).fit(frame, Y)
    with pytest.warns(UserWarning, match="X does not have valid feature names, but ASHClassifier was fitted with"):
        unnamed = named.predict(X)
    with pytest.warns(UserWarning, match="X has feature names, but ASHClassifier was fitted without feature names"):
        assert np.array_equal(plain.predict(frame), unnamed)
    with pytest.raises(DataError, match="X has 2 features, but ASHClassifier is expecting 3 features as input"):
        plain.predict(X[:, :2])


def test_levels_that_are_new() -> None:
    """F22: all alike, or an error that names column, row and level."""
    frame = framed("pandas")
    purple, brown = frame.assign(color="purple"), frame.assign(color="brown")
    bucket, strict = (classifier(unknown=unknown).fit(frame, MIXED > 5) for unknown in ("bucket", "error"))
    assert np.array_equal(bucket.predict_proba(purple), bucket.predict_proba(brown))
    assert not np.array_equal(bucket.predict_proba(purple), bucket.predict_proba(frame))
    with pytest.raises(DataError, match=r"X in column 3 \('color'\), row 0: level 'purple' was not seen in training"):
        strict.predict(purple)
    assert np.array_equal(strict.predict(frame), bucket.predict(frame))


@pytest.mark.parametrize(
    ("column", "value", "was"), [("color", 1.0, "category of dtype"), ("size", "x", "number of dtype")]
)
def test_columns_of_another_kind(column: str, value: Any, was: str) -> None:
    """F23."""
    frame = framed("pandas").astype({"color": object, "city": object})
    estimator = classifier(candidates=2).fit(frame, MIXED > 5)
    with pytest.raises(DataError, match=rf"\('{column}'\) has dtype .* but was {was} .*: data type doesn't match"):
        estimator.predict(frame.assign(**{column: value}))


# Targets


def test_continuous_targets_are_no_classes() -> None:
    """F09, F30."""
    with pytest.raises(DataError, match="Unknown label type: continuous"):
        classifier().fit(XR, YR)
    with pytest.raises(DataError, match="Unknown label type: y has 2 columns; classification takes one label a row"):
        classifier().fit(X, np.column_stack([Y, Y]))


@pytest.mark.parametrize("y", [np.ones(80), np.full(80, "a"), np.zeros(80, bool)], ids=["float", "text", "bool"])
def test_one_class_is_too_few(y: np.ndarray) -> None:
    """F10, and with weights that leave one."""
    with pytest.raises(DataError, match=r"y has only one class \(.*, n_samples=80\); classification needs"):
        classifier().fit(X, y)
    for weights in (Y, 0.5 * Y):
        with pytest.raises(DataError, match="y has only one class"):
            classifier().fit(X, np.array(["a", "b"])[Y], weights)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_a_class_of_one_row_keeps_its_column(weights: np.ndarray | None) -> None:
    """F11: it is trained on, and there is a warning."""
    labels = np.where(np.arange(80) == 17, "rare", np.array(["no", "yes"])[Y])
    with pytest.warns(UserWarning, match="1 classes have one row only; these rows train, and are not validated on"):
        fitted = classifier().fit(X, labels, weights)
    assert fitted.classes_.tolist() == ["no", "rare", "yes"]
    probabilities = fitted.predict_proba(X)
    assert probabilities.shape == (80, 3) and (probabilities > 0).all()
    assert np.allclose(probabilities.sum(axis=1), 1, rtol=1e-12)


def labels(kind: str) -> tuple[Any, list[Any]]:
    """Labels of a kind, and how they are to come back: sorted."""
    library, _, dtype = kind.partition(" ")
    if library == "numpy":
        pair = {
            "str": ["b", "a"], "object": ["b", "a"], "bool": [True, False], "gaps": [1000, 7], "signs": [1, -1],
            "float": [2.0, -1.0], "int8": [3, -3], "uint64": [2**63 + 2, 2**63], "swapped": [4, 2],
        }[dtype]  # fmt: skip
        type_ = {"object": "O", "int8": "i1", "uint64": "u8", "swapped": ">i4"}.get(dtype)
        return np.array(pair, type_)[Y], sorted(pair)
    module = importlib.import_module(library)
    text, numbers = np.array(["b", "a"])[Y], np.array([9, 2])[Y]
    made = {
        "pandas text": lambda: (module.Series(text), ["a", "b"]),
        "pandas categories": lambda: (module.Categorical(text, categories=["b", "a", "never"]), ["a", "b"]),
        "pandas number categories": lambda: (module.Series(module.Categorical(numbers)), [2, 9]),
        "pandas Int64": lambda: (module.Series(numbers, dtype="Int64"), [2, 9]),
        "pandas boolean": lambda: (module.Series(Y == 1, dtype="boolean"), [False, True]),
        "polars text": lambda: (module.Series(text), ["a", "b"]),
        "polars enum": lambda: (module.Series(text, dtype=module.Enum(["b", "a"])), ["a", "b"]),
        "pyarrow text": lambda: (module.array(text), ["a", "b"]),
        "pyarrow dictionary": lambda: (module.array(text).dictionary_encode(), ["a", "b"]),
    }
    return made[kind]()


@pytest.mark.parametrize(
    "kind",
    [
        *(f"numpy {one}" for one in ["str", "object", "bool", "gaps", "signs", "float", "int8", "uint64", "swapped"]),
        *(f"pandas {one}" for one in ("text", "categories", "number categories", "Int64", "boolean")),
        *("polars text", "polars enum", "pyarrow text", "pyarrow dictionary"),
    ],
)
def test_labels_come_back_as_they_were(kind: str) -> None:
    """F12: sorted in `classes_`, of the user's own type in predictions."""
    y, expected = labels(kind)
    fitted = classifier().fit(X, y)
    assert fitted.classes_.tolist() == expected
    assert [type(label) for label in fitted.classes_.tolist()] == [type(label) for label in expected]
    predicted = fitted.predict(X)
    assert predicted.dtype == fitted.classes_.dtype and set(predicted.tolist()) <= set(expected)
    if isinstance(y, np.ndarray) and y.dtype.kind != "O":
        assert fitted.classes_.dtype == y.dtype
    assert np.mean([one == other for one, other in zip(predicted.tolist(), list(np.asarray(y)), strict=True)]) > 0.6
    assert 0.6 < fitted.score(X, y) <= 1


def test_labels_of_two_types_are_none() -> None:
    with pytest.raises(DataError, match="Unknown label type: y holds objects of type int, str"):
        classifier().fit(X, np.array([1, "a"], object)[Y])


def test_a_target_of_one_column_is_flattened_with_a_warning() -> None:
    """F30."""
    for estimator, data, y in ((classifier(), X, Y), (regressor(), XR, YR)):
        with pytest.warns(DataConversionWarning, match="A column-vector y was passed when a 1d array was expected"):
            flattened = digest(estimator, data, y[:, None])
        assert estimator.predict(data).shape == (80,)
        assert flattened == digest(estimator, data, y)


def test_targets_of_several_columns() -> None:
    """F30: one network for all of them."""
    y = np.column_stack([YR, 100 * XR[:, 1], -YR])
    fitted = regressor(min_epochs=8).fit(XR, y)
    assert fitted.predict(XR).shape == (80, 3) and fitted.predict(XR).dtype == np.float64
    assert fitted.score(XR, y) > 0.3
    assert fitted.result_.model.n_outputs_ == 3


# Weights


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([1, 2], "sample_weight.shape == (2,), expected (80,)"),
        (np.ones((80, 1)), "Sample weights must be 1D array or scalar"),
        (-WEIGHTS, "Negative values in data passed to `sample_weight`"),
        (WEIGHTS * np.nan, "Input sample_weight contains NaN"),
        (WEIGHTS * np.inf, "Input sample_weight contains infinity"),
        (0 * WEIGHTS, "Sample weights must contain at least one non-zero number"),
        (["a"] * 80, "sample_weight holds what is no number"),
    ],
)
def test_what_is_no_weight(bad: Any, message: str) -> None:
    """F17."""
    for estimator, y in ((classifier(), Y), (regressor(), YR)):
        with pytest.raises(DataError, match=re.escape(message)):
            estimator.fit(X, y, sample_weight=bad)


def test_weights_of_any_container() -> None:
    """F17."""
    expected = digest(classifier(), X, Y, WEIGHTS)
    for library in ("pandas", "polars"):
        assert digest(classifier(), X, Y, importlib.import_module(library).Series(WEIGHTS)) == expected
    assert digest(classifier(), X, Y, WEIGHTS.tolist()) == expected != digest(classifier(), X, Y)


@pytest.mark.parametrize("estimator", [classifier(), regressor()], ids=["classifier", "regressor"])
def test_whole_weights_are_rows(estimator: Any) -> None:
    """F18, to the last bit."""
    counts = np.arange(80) % 4
    y = Y if hasattr(estimator, "predict_proba") else YR
    repeated = digest(estimator, np.repeat(X, counts, axis=0), np.repeat(y, counts))
    assert digest(estimator, X, y, counts) == repeated == digest(estimator, X, y, counts.astype(float))
    assert digest(estimator, X, y, 2.0) == digest(estimator, X, y)
