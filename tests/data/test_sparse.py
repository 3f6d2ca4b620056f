"""Tests that sparse matrices are read like equal dense ones, without a dense copy."""

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline

import ash
from ash.data.arrays import SparseMatrix, check_memory
from ash.data.frames import checked_numbers, read_frame
from ash.engine.core_data import prepare
from ash.errors import DataError, SettingError
from data_help import parts_from

RANDOM = np.random.default_rng(0)
ROWS, COLUMNS = 120, 12
DENSE = np.where(RANDOM.random((ROWS, COLUMNS)) < 0.8, 0.0, RANDOM.normal(size=(ROWS, COLUMNS)).round(3))
Y = (DENSE.sum(axis=1) > 0).astype(int)
RUN: dict[str, Any] = {"candidates": 4, "validation": 0.2, "random_state": 0, "n_jobs": 1, "verbose": 0}
FORMATS = ("csr", "csc", "coo", "bsr", "dok", "lil", "dia")
pytestmark = pytest.mark.filterwarnings("ignore:Constructing a DIA matrix")


def made(kind: str, table: Any = DENSE) -> Any:
    return getattr(sparse, f"{kind}_array")(table)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_model_matches_that_of_the_dense_table(kind: str) -> None:
    expected = ash.tune(DENSE, Y, **RUN)
    for matrix in (made(kind), getattr(sparse, f"{kind}_matrix")(DENSE)):
        found = ash.tune(matrix, Y, **RUN)
        assert found.digest == expected.digest and found.model.digest == expected.model.digest
        assert np.array_equal(found.model.predict_proba(matrix), expected.model.predict_proba(DENSE))
        assert np.array_equal(found.model.predict_proba(DENSE), expected.model.predict_proba(matrix))
        np.testing.assert_array_equal(found.model.encode(matrix), expected.model.encode(DENSE))


@pytest.mark.parametrize("given", [{"cv": 3}, {"validation": 0.3, "ensemble": 1}, {"time_limit": 100.0, "cv": 3}])
@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_estimators_accept_sparse_matrices(kind: str, given: dict[str, Any]) -> None:
    weights = np.arange(ROWS) % 3
    target = DENSE.sum(axis=1)
    first = ash.ASHRegressor(candidates=4, random_state=0, **given).fit(made(kind), target, sample_weight=weights)
    record = first.result_.record
    again = ash.ASHRegressor(record=record).fit(DENSE, target, sample_weight=weights)
    assert again.result_.record == record
    assert np.array_equal(first.predict(made(kind)), again.predict(DENSE))


def test_stored_cells_are_read_correctly() -> None:
    """Check that NaN is a missing cell, that cells stored twice are summed, and that the matrix is not changed."""
    data, rows, columns = [1.0, 2.0, np.nan, 0.0], [0, 0, 1, 2], [1, 1, 0, 1]
    given = sparse.coo_array((data, (rows, columns)), shape=(3, 2)).tocsr(copy=False)
    assert np.array_equal(read_frame(given).all_numbers(), [[0, 3], [np.nan, 0], [0, 0]], equal_nan=True)
    unsorted = sparse.csr_array((np.array([2.0, 1.0, 5.0]), np.array([1, 0, 1]), np.array([0, 3])), shape=(1, 2))
    before = unsorted.data.copy(), unsorted.indices.copy()
    frame = read_frame(unsorted)
    assert frame.all_numbers().tolist() == [[1, 7]]
    assert np.array_equal(unsorted.data, before[0]) and np.array_equal(unsorted.indices, before[1])
    assert [column.numbers(slice(None)).tolist() for column in frame.columns] == [[1.0], [7.0]]
    assert checked_numbers(read_frame(given))[1].tolist() == [True, False]


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.float32, ">f8"])
def test_all_dtypes_are_read(dtype: Any) -> None:
    table = (DENSE > 0).astype(dtype)
    assert np.array_equal(
        read_frame(sparse.csr_array(table.astype(np.dtype(dtype).newbyteorder("=")))).all_numbers(), table
    )


def test_rows_and_columns_can_be_taken_in_any_order() -> None:
    frame = read_frame(made("csc"))
    order = RANDOM.permutation(ROWS)[:50]
    taken = frame.take(order).take(np.arange(0, 50, 3))
    assert np.array_equal(taken.all_numbers(), DENSE[order][::3])
    for place in (0, COLUMNS - 1):
        assert np.array_equal(taken.columns[place].numbers(slice(2, 9)), DENSE[order][::3][2:9, place])
    assert isinstance(frame.matrix, SparseMatrix)
    places = np.array([3, 1])
    assert np.array_equal(frame.matrix[order[:, None], places], DENSE[order[:, None], places])


def test_infinite_numbers_are_refused_or_treated_as_missing() -> None:
    table = DENSE.copy()
    table[3, 0], table[9, 0] = np.inf, -np.inf
    with pytest.raises(DataError, match=r"infinity .* in column 0 \(2 of 120 rows, first row 3\)"):
        ash.tune(made("csr", table), Y, **RUN)
    config = ash.SearchConfig(infinite="missing")
    found = []
    for given in (table, made("csc", table)):
        with pytest.warns(UserWarning, match=r"treated as missing \(column 0: 2 of 120 rows\)"):
            found.append(ash.tune(given, Y, config=config, **RUN).digest)
    assert found[0] == found[1]


def test_rows_of_weight_zero_are_ignored() -> None:
    table, weights = DENSE.copy(), (np.arange(ROWS) % 4 > 0).astype(float)
    table[0, 0], table[4, 1], table[8, 2] = np.nan, np.inf, 1e300
    found = ash.tune(made("csr", table), Y, sample_weight=weights, **RUN)
    expected = ash.tune(DENSE[weights > 0], Y[weights > 0], **RUN)
    assert found.digest == expected.digest and not any(each.missing for each in found.model.encoding.schema.columns)


def test_invalid_sparse_input_is_refused() -> None:
    with pytest.raises(DataError, match="Complex data not supported: X has dtype complex128"):
        ash.tune(made("csr") * 1j, Y, **RUN)
    with pytest.raises(SettingError, match="categorical_features is given, but X is sparse"):
        ash.tune(made("csr"), Y, categorical_features=[0], **RUN)
    with pytest.raises(DataError, match="Sparse data was passed for y"):
        ash.tune(DENSE, sparse.csr_array(Y[:, None]), **RUN)
    model = ash.tune(made("csr"), Y, **RUN).model
    with pytest.raises(DataError, match="X has 3 features, but the network is expecting 12 features"):
        model.predict(made("csr", DENSE[:, :3]))
    with pytest.raises(DataError, match="was category"):
        ash.tune(pd.DataFrame({"a": ["x", "y"] * 60}), Y, **RUN).model.predict(made("csr", DENSE[:, :1]))
    with pytest.warns(UserWarning, match=r"integers beyond 2\*\*53"):
        read_frame(sparse.csr_array(np.array([[2**53 + 1]])))


def test_scorers_receive_the_sparse_validation_rows() -> None:
    def scorer(model: Any, X: Any, y: Any) -> float:
        assert sparse.issparse(X) and X.shape == (24, COLUMNS)
        return float(np.mean(model.predict(X) == y))

    for kind in ("csr", "csc", "coo"):
        ash.tune(made(kind), Y, scoring=scorer, **RUN)


def test_a_pipeline_over_word_counts_learns() -> None:
    words = [f"{'good' if label else 'bad'} film number {number}" for number, label in enumerate(Y)]
    model = make_pipeline(CountVectorizer(), ash.ASHClassifier(candidates=8, random_state=0)).fit(words, Y)
    assert model.score(words, Y) == 1.0


def stored_bytes(data: Any) -> int:
    """Return the bytes that the core uses for the inputs of both parts (training and validation)."""
    parts = data.__getstate__()[6:8]
    return int(sum(part[3].nbytes + sum(each.nbytes for each in part[8]) for part in parts))


def test_the_core_keeps_the_smaller_copy() -> None:
    """Check that sparse input is stored densely if that takes fewer bytes.

    If most cells of a column are not 0, its median is not 0 either, and subtracting the median leaves no zeros.
    """
    sizes = {}
    for name, densities in {
        "thin": [0.1] * 64,
        "third": [0.35] * 64,
        "mixed": [0.6] * 8 + [0.1] * 56,
        "full": [0.6] * 64,
    }.items():
        random = np.random.default_rng(0)
        columns = [np.where(random.random(400) < share, random.normal(5, 1, 400), 0.0) for share in densities]
        dense = np.stack(columns, axis=1)
        table = sparse.csr_array(dense)
        assert ash.tune(table, np.arange(400) % 2, **RUN).digest == ash.tune(dense, np.arange(400) % 2, **RUN).digest
        fold = parts_from(table, np.arange(400) % 2, validation=0.2)
        sizes[name] = stored_bytes(prepare(fold)), fold.core_bytes(400), fold.sparse_cells > 0
    whole = 400 * 64 * 4
    assert {name: is_sparse for name, (_, _, is_sparse) in sizes.items()} == {
        "thin": True,
        "third": True,
        "mixed": True,
        "full": False,
    }
    for found, foretold, is_sparse in sizes.values():
        assert found <= whole and (found < whole) == is_sparse and found == pytest.approx(foretold, rel=0.05)


def test_a_matrix_whose_dense_copy_would_not_fit_in_memory_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a matrix whose dense copy would take 373 GiB."""
    rows, columns = 1_000, 100_000_000
    wide = sparse.csr_array((np.ones(rows), (np.arange(rows), np.arange(rows))), shape=(rows, columns))
    monkeypatch.setattr("ash._utils.machine.available_bytes", lambda: 2**30)
    assert read_frame(wide).stored == rows
    with pytest.raises(DataError, match=r"X of shape \(1000, 100000000\) needs about 373 GiB for training"):
        check_memory(rows, columns, "X")


def test_full_batches_need_a_dense_table() -> None:
    space = ash.Space(batch_size=ash.choice(32, "full"), learning_rate=ash.loguniform(0.001, 0.1))
    with pytest.raises(SettingError, match=r"batch_size='full' needs a dense table: pass X\.toarray"):
        ash.tune(made("csr"), Y, space, **RUN)
    ash.tune(DENSE, Y, space, **RUN)


def test_no_dense_copy_is_made() -> None:
    """Check the peak of the memory allocated by Python and NumPy. The core's own copy of the rows is not counted."""
    rows, columns = 20_000, 1_500
    wide = sparse.random_array((rows, columns), density=0.002, rng=0, format="csc")
    y = np.asarray(wide.sum(axis=1) > 0).astype(int)
    tracemalloc.start()
    model = ash.tune(wide, y, candidates=1, n_jobs=1, verbose=0, validation=0.2).model
    model.predict(wide)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < rows * columns * 8 / 2
