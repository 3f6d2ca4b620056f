"""Reads a SciPy sparse matrix as a table of numbers, and returns some of its rows or a column as a dense array.

    CSR, CSC, COO, ...  ->  SparseMatrix  --some rows, or a column-->  float64 array

Cells that are not stored are 0; NaN is a missing cell. Formats other than CSR are converted to CSR once, without a
dense copy. A second copy, in CSC format, is made when a column is first read.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.cached import cached_property
from ash._utils.user_warnings import warn_user
from ash.data.arrays import is_rounded
from ash.errors import DataError


def is_sparse(data: Any) -> bool:
    """Return whether this is a SciPy sparse matrix or array, by duck typing."""
    return hasattr(data, "tocsr") and hasattr(data, "nnz")


class SparseMatrix:
    """A sparse matrix [rows, columns]; indexing it returns new dense float64 arrays, never views.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
        float64.
    rows : scipy.sparse.csr_array
        The stored cells in CSR format, without duplicates.
    """

    dtype = np.dtype(np.float64)

    def __init__(self, rows: Any) -> None:
        self.rows, self.shape = rows, rows.shape

    def __getitem__(self, key: Any) -> NDArray[np.float64]:
        """Return the cells of the given rows in all columns, in one column, or in the columns of an index array."""
        if not isinstance(key, tuple):
            return np.asarray(self.rows[key].toarray())
        rows, columns = key
        if isinstance(columns, int):
            return self._column(columns)[rows]
        return np.asarray(self.rows[rows.ravel()][:, columns].toarray())

    def extremes(self, order: NDArray[np.int64] | None) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Return whether each column has NaN, and its largest magnitude, in the rows `order` (None for all rows)."""
        rows = self._taken(order)
        data, columns = rows.data, rows.indices
        missing, worst = np.zeros(self.shape[1], np.bool_), np.zeros(self.shape[1])
        missing[columns[np.isnan(data)]] = True
        np.fmax.at(worst, columns, np.abs(data))
        return missing, worst

    def without_infinities(self, order: NDArray[np.int64] | None) -> tuple["SparseMatrix", NDArray[np.int64]]:
        """Return a copy in which infinite numbers are NaN, and the number of infinite numbers per column.

        Only the infinite numbers in the rows `order` are counted; None counts all rows.
        """
        taken = self._taken(order)
        counts = np.bincount(taken.indices[np.isinf(taken.data)], minlength=self.shape[1])
        rows = self.rows.copy()
        rows.data[np.isinf(rows.data)] = np.nan
        return SparseMatrix(rows), counts

    @cached_property
    def standardized_cells(self) -> int:
        """The number of non-zero cells after standardization.

        All cells of a column are counted if more than half of them are stored, otherwise only its stored cells.
        """
        counts = np.bincount(self.rows.indices, minlength=self.shape[1])
        return int(np.where(2 * counts > self.shape[0], self.shape[0], counts).sum())

    def _taken(self, order: NDArray[np.int64] | None) -> Any:
        return self.rows if order is None else self.rows[order]

    def _column(self, place: int) -> NDArray[np.float64]:
        stored = slice(*self._columns.indptr[place : place + 2])
        column = np.zeros(self.shape[0])
        column[self._columns.indices[stored]] = self._columns.data[stored]
        return column

    @cached_property
    def _columns(self) -> Any:
        return self.rows.tocsc()


def read_sparse(data: Any, name: str) -> SparseMatrix:
    """Return a sparse matrix of any format as a table.

    Raises
    ------
    DataError
        The dtype is neither real numbers nor booleans, for example complex.

    Warns
    -----
    UserWarning
        There are integers beyond 2**53, which float64 rounds.
    """
    from scipy.sparse import csr_array

    if data.dtype.kind not in "fiub":
        raise DataError(f"Complex data not supported: {name} has dtype {data.dtype}; pass real numbers")
    rows = csr_array(data.tocsr())
    if is_rounded(rows.data):
        warn_user(f"{name} holds integers beyond 2**53, which are rounded to the nearest float64")
    numbers = csr_array((rows.data.astype(np.float64), rows.indices, rows.indptr), rows.shape)
    if not numbers.has_canonical_format:
        numbers = numbers.copy()  # so that the user's index arrays are not changed
        numbers.sum_duplicates()
    return SparseMatrix(numbers)
