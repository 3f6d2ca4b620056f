"""Shared by the tests of the estimators: small ones, and the columns of one table in several libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn

import ash
from data_help import mixed_columns
from fault_help import small_space

SCIKIT_LEARN = tuple(map(int, sklearn.__version__.split(".")[:2]))


def classifier(**changes: Any) -> ash.ASHClassifier:
    """A few small candidates, each run the same."""
    return ash.ASHClassifier(**{"space": small_space(), "candidates": 8, "random_state": 0, **changes})


def regressor(**changes: Any) -> ash.ASHRegressor:
    """A few small candidates, each run the same."""
    return ash.ASHRegressor(**{"space": small_space(), "candidates": 8, "random_state": 0, **changes})


def digest(estimator: Any, *data: Any, **keywords: Any) -> str:
    """Fit it and return the digest of the run."""
    result: ash.Result = estimator.fit(*data, **keywords).result_
    return result.digest


def cells(rows: int = 200) -> np.ndarray:
    """Numbers, booleans, text of few and of many levels, with gaps: an array of objects."""
    columns = mixed_columns(rows)
    table = np.empty((rows, len(columns)), object)
    for place, values in enumerate(columns.values()):
        table[:, place] = values
    return table


def framed(library: str, rows: int = 200) -> Any:
    """The same cells as a frame of a library; the test is skipped where that is not installed."""
    columns: dict[str, Any] = mixed_columns(rows)
    module = pytest.importorskip(library.split()[0])
    if library == "pandas categories":
        return module.DataFrame(columns).astype({"color": "category", "city": "category"})
    if library == "polars categories":
        return module.DataFrame(columns).cast({"color": module.Categorical, "city": module.Categorical})
    return module.table(columns) if library == "pyarrow" else module.DataFrame(columns)


LIBRARIES = ("pandas", "pandas categories", "polars", "polars categories", "pyarrow")
