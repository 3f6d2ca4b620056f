"""Tests that invalid input of any kind raises an ash error that names the argument, and never another exception."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.model_selection import GroupKFold, KFold

import ash
from ash.errors import AshError
from config_help import split_once
from fault_help import small_space

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.where(X[:, 0] > 0, 1, 0)


class Weird:
    """An object that raises an exception on any access."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise RuntimeError("no array")


def tune(X: Any = X, y: Any = Y, space: Any = None, **given: Any) -> object:
    return ash.tune(X, y, space or small_space(), **split_once({"candidates": 2, "n_jobs": 1, "verbose": 0, **given}))


def tune_function(train: Any = lambda params, epochs, state: params["a"], space: Any = None, **given: Any) -> object:
    return ash.tune_function(train, {"a": [1, 2]} if space is None else space, **{"verbose": 0, **given})


BAD: dict[str, list[Any]] = {
    "X": [
        3,
        [[object()] * 3] * 60,
        Weird(),
        sparse.csr_matrix(X) * 1j,
        iter([]),
    ],
    "y": [
        Y[:, None, None],
        "abc",
        [object()] * 60,
        {1: 2},
        Weird(),
        3,
        [(1, 2), (3,)] * 30,
        [10**400] * 30 + [1] * 30,
    ],
    "sample_weight": [[1, 2], -Y, "balanced", ["a"] * 60, [object()] * 60, Weird(), np.full(60, np.nan), Y * 0],
    "cv": [1, "five", 2.5, [1, 2], [], KFold, [([0, 1], [600])], [([0], [2], [3])], [(["a"], ["b"])], object(), True],
    "validation": ["a", 2.0, (X,), (X[:, :2], Y), (X, Y[:3]), (X, Y + 5), [X, Y], (None, None), np.nan, object()],
    "groups": [[1] * 60],
    "space": [3, {"a": 1}],
    "callbacks": [3, ash.Callback, [ash.Callback], {"a": 1}, "abc"],
    "executor": [3, "loky", ThreadPoolExecutor],
    "journal": [3, "", b"abc", True],
    "time_limit": ["a", -1],
    "random_state": ["a", -1, 1.5],
    "n_jobs": ["a", 0],
    "candidates": ["x", 0, 1.5],
}
NAMED = {
    "y": "y|Label|Found input",
    "sample_weight": "(?i)sample.weight",
    "validation": "validation|y ",
    "space": "space|hyperparameter",
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_bad_arguments_are_named(name: str, value: Any) -> None:
    with pytest.raises(AshError, match=NAMED.get(name, name) if name != "X" else "X|array|Sparse"):
        tune(**{name: value})


FUNCTIONS: dict[str, list[Any]] = {
    "train": [3],
    "space": [3, {}, {"a": object()}, {"a": float("nan")}, {3: [1]}],
    "first": [3, [{"b": 1}], "no.ash"],
    "sampler": [3],
    "costs": [3, lambda params, epochs: "much"],
    "executor": ["x"],
    "callbacks": [3],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in FUNCTIONS.items() for value in values])
def test_bad_arguments_of_functions_are_named(name: str, value: Any) -> None:
    with pytest.raises(AshError, match=f"{name}|a=|hyperparameter"):
        tune_function(**{"candidates": 2, name: value})


def test_invalid_groups_are_refused() -> None:
    for groups, message in (
        ([1, 2], r"groups has the shape \(2,\), but X has 60 rows: pass one group per row of X"),
        (None, "cv=GroupKFold"),
        ([None] * 60, "groups is missing in row 0: give each row a group"),
        (np.where(np.arange(60) == 7, np.nan, 1.0), "groups is missing in row 7"),
        (np.full(60, "NaT", "M8[D]"), "groups is missing in row 0"),
        ([[1]] * 60, r"groups has the shape \(60, 1\)"),
        ([{}] * 60, "groups must hold text or numbers"),
        ("person", "groups is text or a path"),
    ):
        with pytest.raises(AshError, match=message):
            tune(cv=GroupKFold(2), groups=groups)


def test_invalid_input_to_predict_and_load_is_refused() -> None:
    fitted = ash.ASHClassifier(small_space(), candidates=2, random_state=0, n_jobs=1).fit(X, Y)
    for rows in (X[:, :2], None, [["a", "b", "c"]], X[0], X[:0], Weird()):
        for predict in (fitted.predict, fitted.model_.predict):
            with pytest.raises(ash.DataError):
                predict(rows)
    with pytest.raises(ash.SettingError, match="path must be the path of a file, got 3"):
        ash.load(3)  # type: ignore[arg-type]
    with (
        tempfile.NamedTemporaryFile() as file,
        pytest.raises(ash.ModelFormatError, match="not a valid safetensors file"),
    ):
        ash.load(file.name)
