"""Helpers for tests of the estimators: small estimators, copies, and a table as frames of several libraries."""

import copy
import importlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pytest
import sklearn
from sklearn.utils.estimator_checks import estimator_checks_generator

import ash
import needs
from config_help import configured, split_once
from data_help import mixed_columns
from fault_help import small_space


def classifier(**changes: Any) -> ash.ASHClassifier:
    """Return a classifier that searches a few small candidates, and finds the same result each time."""
    given = {"space": small_space(), "candidates": 8, "random_state": 0, **changes}
    return ash.ASHClassifier(**configured(split_once(given)))


def regressor(**changes: Any) -> ash.ASHRegressor:
    """Return a regressor that searches a few small candidates, and finds the same result each time."""
    given = {"space": small_space(), "candidates": 8, "random_state": 0, **changes}
    return ash.ASHRegressor(**configured(split_once(given)))


def digest(estimator: Any, *data: Any, **keywords: Any) -> str:
    """Fit an estimator and return the digest of its run."""
    result: ash.Result = estimator.fit(*data, **keywords).result_
    return result.digest


def by_joblib(value: Any, folder: Path) -> Any:
    joblib.dump(value, folder / "value.joblib")
    return joblib.load(folder / "value.joblib")


COPIES: dict[str, Callable[[Any, Path], Any]] = {
    "copy": lambda value, _: copy.copy(value),
    "deepcopy": lambda value, _: copy.deepcopy(value),
    "pickle": lambda value, _: pickle.loads(pickle.dumps(value)),
    "cloudpickle": lambda value, _: pickle.loads(cloudpickle.dumps(value)),
    "joblib": by_joblib,
}
"""Functions of an estimator or a model, and a folder, that return a copy."""


def scikit_learn_of(version: str) -> None:
    """Skip the test if scikit-learn is older than this version, such as "1.9"."""
    installed, wanted = (tuple(map(int, each.split(".")[:2])) for each in (sklearn.__version__, version))
    if installed < wanted:
        needs.not_here(f"scikit-learn is older than {version}")


def cells(rows: int = 200) -> np.ndarray:
    """Return an object array with columns of numbers, booleans and text (few and many levels), with missing cells."""
    columns = mixed_columns(rows)
    table = np.empty((rows, len(columns)), object)
    for place, values in enumerate(columns.values()):
        table[:, place] = values
    return table


def framed(library: str, rows: int = 200) -> Any:
    """Return the table of `cells` as a frame of a library."""
    columns: dict[str, Any] = mixed_columns(rows)
    module = importlib.import_module(library.split()[0])
    if library == "pandas categories":
        return module.DataFrame(columns).astype({"color": "category", "city": "category"})
    if library == "polars categories":
        return module.DataFrame(columns).cast({"color": module.Categorical, "city": module.Categorical})
    return module.table(columns) if library == "pyarrow" else module.DataFrame(columns)


LIBRARIES = ("pandas", "pandas categories", "polars", "polars categories", "pyarrow")


ARRAY_API = "check_array_api_input"
"""Name of the check that scikit-learn skips unless SCIPY_ARRAY_API is set before the import."""


WITH_ARRAY_API = os.environ.get("SCIPY_ARRAY_API") == "1"


def all_switched_on(*, array_api: bool = True) -> Any:
    """Return a context with metadata routing and array API dispatch, or with neither if WITH_ARRAY_API is false.

    If `array_api` is false, only metadata routing is enabled.
    """
    dispatch = array_api and WITH_ARRAY_API
    return sklearn.config_context(enable_metadata_routing=WITH_ARRAY_API, array_api_dispatch=dispatch)


def scikit_learn_checks(*estimators: Any) -> pytest.MarkDecorator:
    """Parametrize a test by scikit-learn's checks of these estimators, except checks that scikit-learn would skip."""
    pairs = [
        (estimator, check)
        for estimator, check in (pair for each in estimators for pair in estimator_checks_generator(each))
        if check.func.__name__ != ARRAY_API or WITH_ARRAY_API
    ]
    names = [f"{type(estimator).__name__}-{check.func.__name__}" for estimator, check in pairs]
    return pytest.mark.parametrize(("estimator", "check"), pairs, ids=names)
