"""Some more faults of data and settings (F16 to F39): sparse matrices, odd levels and columns, indices, threads."""

from __future__ import annotations

import os

import numpy as np
import pandas
import pytest
from scipy import sparse

import ash
from ash.errors import DataError
from fault_help import quick, small_space, table

X, Y = table()


def test_f16_sparse_matrices_are_refused() -> None:
    for kind in (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.csr_array):
        for integers in (np.int32, np.int64):
            matrix = kind(X)
            for name in ("indices", "indptr"):
                if hasattr(matrix, name):
                    setattr(matrix, name, getattr(matrix, name).astype(integers))
            with pytest.raises(DataError, match=r"(?i)sparse"):
                quick(matrix, Y)


def test_f24_many_levels_and_odd_names() -> None:
    rows = 100_000
    names = [f"level {number}" for number in range(rows - 4)] + ["a\0b", "\N{GRINNING FACE}", "x" * 10_000, "\u202e"]
    frame = pandas.DataFrame({"level": names, "number": np.arange(rows, dtype=float)})
    labels = np.arange(rows) % 2
    result = quick(frame, labels, candidates=1, max_rungs=1, space=small_space(batch_size=4096))
    assert len(result.model.encoding.schema.columns[0].levels) <= 2**16
    assert result.model.predict(frame[-10:]).shape == (10,)


def test_f26_columns_of_other_kinds_are_named() -> None:
    times = pandas.date_range("2026-01-01", periods=len(Y))
    odd = {
        "datetime": times,
        "timedelta": times - times[0],
        "period": times.to_period("D"),
        "list": [[1, 2]] * len(Y),
        "struct": [{"a": 1}] * len(Y),
    }
    for kind, values in odd.items():
        frame = pandas.DataFrame({"fine": X[:, 0], f"the {kind}": values})
        with pytest.raises(DataError, match=f"the {kind}"):
            quick(frame, Y)


def test_f27_an_index_is_of_no_account() -> None:
    expected = quick(X, Y).digest
    for index in ([0] * len(Y), pandas.MultiIndex.from_product([range(6), range(10)]), range(100, 40, -1)):
        assert quick(pandas.DataFrame(X, index=index), pandas.Series(Y, index=index)).digest == expected


def test_f39_threads_as_in_joblib() -> None:
    for wrong in (0, 1.5, "2"):
        with pytest.raises(ash.SettingError, match="threads"):
            quick(X, Y, threads=wrong)
    assert quick(X, Y, threads=-1).threads >= 1 and quick(X, Y, threads=-2).threads >= 1
    with pytest.warns(UserWarning, match="is more than this process may use"):
        assert quick(X, Y, threads=4096).threads <= (os.cpu_count() or 1)
