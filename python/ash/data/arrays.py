"""Reads array-likes (tables, targets and weights) as arrays, and refuses unusable ones.

    array, list, __array__  ->  as_array     ->  NumPy array  ->  finite_numbers  ->  float64 array
    CSR, CSC, COO, ...      ->  read_sparse  ->  SparseMatrix  --some rows, or a column-->  float64 array

The input may be a NumPy array of any dtype, order and stride, a list of lists, or an object with ``__array__``. Frames
are recognized by duck typing, so no library is imported. Error messages use scikit-learn's wording, name the column and
say what to do. The input is never changed.

Cells of a sparse matrix that are not stored are 0; NaN is a missing cell. Formats other than CSR are converted to CSR
once, without a dense copy. A second copy, in CSC format, is made when a column is first read.
"""

from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ash._utils import machine
from ash._utils.cached import cached_property
from ash._utils.user_warnings import warn_user
from ash.errors import DataError

Matrix: TypeAlias = NDArray[np.float64]

FLOAT32_MAX = float(np.finfo(np.float32).max)
EXACT = 2**53  # larger integers may not be exact in float64
_LINE_CELLS, _LINE_BYTES = 16, 64  # float32 cells and bytes per cache line; the core pads its rows to whole lines
_SPARSE_CELL, _SPARSE_ROW = 8, 12  # bytes per stored cell and per row in the core's copy of a sparse table
_ALWAYS_FITS = 2**20  # bytes; smaller tables are not checked, since reading the free memory would slow down predictions


def refuse_type(data: Any, name: str) -> None:
    """Raise DataError for None, text, a path, a sparse matrix, a generator, a dict, a set or a masked array."""
    if data is None:
        raise DataError(f"{name} is None: pass an array of numbers")
    if isinstance(data, (str, bytes, PathLike)):
        raise DataError(f"{name} is text or a path ({data!r}): read the file first, for example by pandas.read_csv")
    if hasattr(data, "toarray") and hasattr(data, "nnz"):
        raise DataError(
            f"Sparse data was passed for {name}, but dense data is required. Use '.toarray()' to convert it"
        )
    if isinstance(data, (Iterator, dict, set, frozenset)):
        raise DataError(f"{name} is a {type(data).__name__}, which has no rows and columns: pass a list or an array")
    if isinstance(data, np.ma.MaskedArray):
        raise DataError(f"{name} is a masked array: fill the masked cells first, for example by {name}.filled(0)")


def column_names(X: Any, name: str) -> tuple[str, ...] | None:
    """Return the column names of a frame, made unique; None if X is not a frame or its names are not text.

    Raises
    ------
    DataError
        Some names are text and some are not.

    Warns
    -----
    UserWarning
        Names are repeated; see `unique_names`.
    """
    if not is_frame(X):
        return None
    columns = list(X.column_names if hasattr(type(X), "column_names") else X.columns)  # pyarrow's `columns` are arrays
    text = [isinstance(column, str) for column in columns]
    if any(text) and not all(text):
        odd = [column for column, is_text in zip(columns, text, strict=True) if not is_text]
        raise DataError(f"{name} has column names that are not text ({odd[:5]}): rename them, X.columns.astype(str)")
    return unique_names(columns, name) if columns and all(text) else None


def unique_names(names: Sequence[str], where: str) -> tuple[str, ...]:
    """Return the names, with a suffix .1, .2, ... added to duplicates, as in pandas.read_csv.

    Warns
    -----
    UserWarning
        There are duplicates. The message begins with `where`, the table or file that has these names.
    """
    known, numbers, found = set(names), dict[str, int](), list[str]()
    for name in names:
        new = name
        while new in numbers or (new != name and new in known):
            numbers[name] = numbers.get(name, 0) + 1
            new = f"{name}.{numbers[name]}"
        numbers.setdefault(new, 0)
        found.append(new)
    if renamed := [f"{new!r}" for name, new in zip(names, found, strict=True) if new != name]:
        listed = ", ".join(renamed[:5]) + ", ..." * (len(renamed) > 5)
        warn_user(f"{where} has repeated column names: later columns are renamed {listed}")
    return tuple(found)


def is_frame(data: Any) -> bool:
    """Return whether this is a data frame: two-dimensional with columns, as in pandas or polars."""
    return hasattr(data, "columns") and hasattr(data, "__getitem__") and len(getattr(data, "shape", ())) == 2


def as_array(data: Any, name: str) -> NDArray[Any]:
    """Return the data as an array, without a copy if possible.

    Lists with text become arrays of objects. Ragged lists, complex numbers and what `refuse_type` refuses raise a
    DataError.
    """
    refuse_type(data, name)
    try:
        array = np.asarray(data)
    except (ValueError, TypeError) as error:
        raise DataError(f"{name} cannot be read as an array ({error}): its rows must have equal lengths") from None
    except MemoryError:
        raise
    except Exception as error:  # raised by an object's own __array__
        raise DataError(f"{name} cannot be read as an array ({type(error).__name__}: {error})") from error
    if array.dtype.kind == "U" and isinstance(data, (list, tuple)):
        array = np.asarray(data, dtype=object)  # in lists with text, NumPy turns numbers and None into text
    if array.dtype.kind == "c":
        raise DataError(f"Complex data not supported: {name} has dtype {array.dtype}; pass real numbers")
    if array.dtype.kind == "O" and array.ndim == 2 and any(isinstance(cell, complex) for cell in array[:1].flat):
        raise DataError(f"Complex data not supported: {name} holds complex numbers; pass real numbers")
    return array


def finite_numbers(array: NDArray[Any], name: str, names: Sequence[str] | None) -> Matrix:
    """Return the array as a new C-ordered float64 array [rows, columns]; text that spells numbers is converted.

    Raises
    ------
    DataError
        A column does not hold numbers, or a number is NaN, infinite or too large for float32; the message names the
        first such column.
    """
    if array.dtype.kind in "mMV":
        raise DataError(f"{name} has dtype {array.dtype}: turn it into numbers first, for example seconds or days")
    if is_rounded(array):
        warn_user(f"{name} holds integers beyond 2**53, which are rounded to the nearest float64")
    matrix = np.empty(array.shape, np.float64, order="C")
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            matrix[...] = array
    except (ValueError, TypeError, OverflowError):
        for column in range(array.shape[1]):
            where = f"{name} in {column_label(column, names)}"
            matrix[:, column] = [_cell_to_float(cell, row, where) for row, cell in enumerate(array[:, column])]
    worst = np.abs(matrix).max(axis=0, initial=0.0)  # NaN for columns that have NaN
    if not np.all(worst <= FLOAT32_MAX):
        column = int(np.flatnonzero(~(worst <= FLOAT32_MAX))[0])
        refuse_values(matrix[:, column], column_label(column, names), name)
    return matrix


def refuse_values(
    values: NDArray[np.float64],
    where: str,
    name: str,
    numbers: NDArray[np.int64] | None = None,
    infinite_todo: str = "replace or drop it",
) -> NoReturn:
    """Raise the DataError for a column with a value that is NaN, infinite or too large for float32.

    Parameters
    ----------
    numbers : array, optional
        The row number of each value in the user's table; None if the column has all rows of the table.
    infinite_todo : str
        The advice in the message if a value is infinite.
    """
    if np.isnan(values).any():
        bad = np.isnan(values)
        fact, todo = "NaN", "fill or drop the missing values first, for example by sklearn.impute.SimpleImputer"
    elif np.isinf(values).any():
        bad = np.isinf(values)
        fact, todo = "infinity or a value too large for dtype('float64')", infinite_todo
    else:
        bad = np.abs(values) > FLOAT32_MAX
        fact, todo = "a value too large for dtype('float32')", "rescale the column, for example by its logarithm"
    row = int(np.flatnonzero(bad)[0])
    first = row if numbers is None else int(numbers[row])
    rows = f"{int(bad.sum())} of {len(values)} rows, first row {first}"
    raise DataError(f"Input {name} contains {fact} in {where} ({rows}): {todo}")


def table_bytes(rows: int, columns: int, stored: int | None = None) -> int:
    """Return the approximate bytes of the core's copy of a table.

    `stored` is the number of stored cells of a sparse table; it is None for a dense table.
    """
    dense = int(rows) * -(-int(columns) // _LINE_CELLS) * _LINE_BYTES
    return dense if stored is None else min(dense, int(rows) * _SPARSE_ROW + int(stored) * _SPARSE_CELL)


def check_memory(rows: int, columns: int, name: str, stored: int | None = None) -> None:
    """Raise DataError if the core's copy of a table exceeds the free memory, unless the free memory is unknown."""
    needed = table_bytes(rows, columns, stored)
    if needed < _ALWAYS_FITS:
        return
    left = machine.available_bytes()
    if left is not None and needed > left:
        raise DataError(
            f"{name} of shape ({rows}, {columns}) needs about {needed / 2**30:.3g} GiB for training, but only "
            f"{left / 2**30:.3g} GiB are left: pass fewer rows or columns"
        )


def check_table(shape: tuple[int, ...], name: str, stored: int | None = None) -> None:
    """Raise DataError unless a table has two dimensions, a row and a column, and fits into the free memory.

    `stored` is as for `table_bytes`.
    """
    if len(shape) < 2:
        given = "1D array" if shape else "scalar array"
        raise DataError(
            f"Expected 2D array, got {given} instead. Reshape your data: {name}.reshape(-1, 1) if it has a single "
            f"feature, {name}.reshape(1, -1) if it is a single sample"
        )
    if len(shape) > 2:
        raise DataError(f"Found array with dim {len(shape)}, while dim <= 2 is required: reshape {name}")
    for count, what in zip(shape, ("sample(s)", "feature(s)"), strict=True):
        if count == 0:
            raise DataError(f"Found array with 0 {what} (shape={shape}) while a minimum of 1 is required in {name}")
    check_memory(shape[0], shape[1], name, stored)


def is_rounded(values: NDArray[Any]) -> bool:
    """Return whether an array holds integers beyond 2**53, which float64 may round."""
    if values.dtype.kind not in "iu" or values.itemsize < 8 or not values.size:
        return False
    return int(values.max()) > EXACT or int(values.min()) < -EXACT


def column_label(place: int, names: Sequence[str] | None) -> str:
    """Return the label of a column for messages: "column 3" or "column 3 ('age')"."""
    return f"column {place}" if names is None else f"column {place} ({names[place]!r})"


def _cell_to_float(cell: Any, row: int, where: str) -> float:
    if is_missing(cell):
        return float("nan")
    if isinstance(cell, complex):
        raise DataError(f"Complex data not supported: {where} holds {cell!r} in row {row}; pass real numbers")
    try:
        return float(cell)
    except OverflowError:
        return float("inf")
    except ValueError:
        reason = f"could not convert string to float: {str(cell)!r}"
    except TypeError:
        reason = f"argument must be a string or a real number, not {type(cell).__name__!r}"
    todo = "encode text as numbers first, for example by sklearn.preprocessing.OneHotEncoder"
    raise DataError(f"{where}, row {row}: {reason}; {todo}")


def is_missing(cell: Any) -> bool:
    """Return whether a cell of an object array is missing: None, NaN, or pandas's NA or NaT."""
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or (isinstance(cell, float) and cell != cell)


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
