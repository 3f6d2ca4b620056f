"""Tables and labels of the estimators: any library gives the same run, labels come back as they were.

What is refused, and weights, are tested in tests/data and by scikit-learn's own checks.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pandas
import pytest

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


# Targets


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
