"""Reads any table-like object as a ``Frame``: columns of numbers, dates or text, read in blocks of rows without a copy.

    NumPy array, list of lists, __array__       one array: a matrix of numbers, or columns of objects or text
    pandas                                      columns by position, so the index and odd names do not matter
    polars, pyarrow, others known to narwhals   columns that narwhals reads
    sparse matrices                             a matrix of numbers that is read in blocks (arrays.py)
    other frames                                converted to an array

Unusable columns are refused with scikit-learn's wording; the message names the column and says what to do. The missing
values of all libraries (None, NaN, null, pd.NA, NaT) become NaN in numbers and None in text. `checked_numbers` reads
all numbers once. It finds missing cells, refuses numbers that are too large for the core, and either refuses infinite
numbers or makes them missing.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ash._utils.checks import near_names
from ash._utils.user_warnings import warn_user
from ash.data.arrays import (
    FLOAT32_MAX,
    SparseMatrix,
    as_array,
    check_table,
    column_label,
    column_names,
    is_frame,
    is_rounded,
    is_sparse,
    read_sparse,
    refuse_type,
    refuse_values,
)
from ash.data.columns import (
    ArrayColumn,
    CellColumn,
    Column,
    Kind,
    Order,
    array_column,
    as_category,
    blocks,
    copied,
    pandas_column,
    refuse_dtype,
    series_column,
)
from ash.data.dates import date_text, learn_dates
from ash.data.spelling import NEARLY, NumberSpelling, learn_spelling
from ash.errors import DataError, SettingError
from ash.options import Infinite

_SCANNED_CELLS = 2**17  # cells scanned at a time: 1 MiB of float64
_LISTED = 5  # maximum number of columns that a message names


def at_most(facts: Sequence[str]) -> list[str]:
    """Return the facts; if there are more than five, the first five and "..."."""
    return [*facts[:_LISTED], *["..."] * (len(facts) > _LISTED)]


class _MatrixColumns(Sequence[Column]):
    """The columns of a matrix, created lazily, since a prediction for one row needs none of them."""

    def __init__(
        self, matrix: NDArray[Any] | SparseMatrix, names: tuple[str, ...] | None, order: Order | None = None
    ) -> None:
        self._matrix, self._names, self._order = matrix, names, order

    def __len__(self) -> int:
        return int(self._matrix.shape[1])

    @overload
    def __getitem__(self, place: int) -> Column: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Column, ...]: ...
    def __getitem__(self, place: int | slice) -> Column | tuple[Column, ...]:
        if isinstance(place, slice):
            return tuple(self[one] for one in range(len(self))[place])
        one = range(len(self))[place]
        column = ArrayColumn(column_label(one, self._names), str(self._matrix.dtype), self._matrix[:, one])
        return column if self._order is None else column.with_order(self._order)


@dataclass(frozen=True, eq=False)
class Frame:
    """A table with at least one row and one column; it refers to the user's data instead of copying it.

    Attributes
    ----------
    rows : int
        Number of rows.
    names : tuple of str or None
        Column names, if the input had any.
    columns : sequence of Column
    matrix : array [rows, columns], SparseMatrix or None
        The user's table if it is a sparse matrix, or one array of real numbers or booleans (of any dtype, byte order
        and stride); else None.
    order : int64 array [rows] or None
        The index of each row in the user's table; None if the frame has all rows in their original order.
    """

    rows: int
    names: tuple[str, ...] | None
    columns: Sequence[Column]
    matrix: NDArray[Any] | SparseMatrix | None
    order: Order | None = None

    @property
    def stored(self) -> int | None:
        """Return the approximate number of cells that the core stores for a sparse matrix; None for other tables."""
        if not isinstance(self.matrix, SparseMatrix):
            return None
        return int(self.matrix.standardized_cells * self.rows / self.matrix.shape[0])

    def take(self, rows: Order) -> "Frame":
        """Return the frame with these rows, in this order, without copying the table."""
        order = self.numbers_of(rows)
        columns: Sequence[Column]
        if self.matrix is None:
            columns = tuple(column.with_order(order) for column in self.columns)
        else:
            columns = _MatrixColumns(self.matrix, self.names, order)
        return Frame(len(order), self.names, columns, self.matrix, order)

    def select(self, names: tuple[str, ...]) -> "Frame":
        """Return the frame with only these columns, in this order; a frame without names is returned unchanged.

        If the frame has names, these columns must be among them.
        """
        if names == self.names or self.names is None:
            return self
        places = {name: place for place, name in enumerate(self.names)}
        return Frame(self.rows, names, tuple(self.columns[places[name]] for name in names), None, self.order)

    def copied(self, kinds: Sequence[Kind]) -> "Frame":
        """Return a copy that does not refer to the user's table, with each column read as the given kind."""
        columns = tuple(copied(column, kind) for column, kind in zip(self.columns, kinds, strict=True))
        return Frame(self.rows, self.names, columns, None)

    def with_column(self, place: int, column: Column) -> "Frame":
        """Return the frame with a column replaced."""
        columns = (*self.columns[:place], column, *self.columns[place + 1 :])
        return replace(self, columns=columns, matrix=None)

    def numbers_of(self, rows: Order) -> Order:
        """Return the indices (int64) that these rows of the frame have in the user's table."""
        return rows if self.order is None else self.order[rows]

    def matrix_rows(self, rows: slice) -> NDArray[Any]:
        """Return rows of the matrix as a dense array, which is a view if the matrix is dense and `order` is None."""
        assert self.matrix is not None
        return self.matrix[rows if self.order is None else self.order[rows]]

    def all_numbers(self) -> NDArray[np.float64]:
        """Return the cells of a numeric table as a new array [rows, columns], NaN where missing."""
        if self.matrix is None:
            return np.stack([column.numbers(slice(None)) for column in self.columns], axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.array(self.matrix_rows(slice(None)), np.float64)

    def numbers_at(self, rows: Order, places: Sequence[int]) -> NDArray[np.float64]:
        """Return the cells of some rows of numeric columns as a new array [places, rows], NaN where missing."""
        order = self.numbers_of(rows)
        if self.matrix is None:
            return np.stack([self.columns[place].with_order(order).numbers(slice(None)) for place in places])
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(self.matrix[order[:, None], np.array(places)]).T.astype(np.float64)


def read_frame(X: Any, name: str = "X", wanted: Collection[str] | None = None) -> Frame:
    """Return a table as a frame.

    Parameters
    ----------
    X : array-like [rows, columns]
        Numbers, booleans, dates, text and categories, in a NumPy array of any dtype and order, a list of lists, a
        pandas or polars frame, a pyarrow table or a sparse matrix. A Frame is returned unchanged.
    name : str
        The table's name in messages.
    wanted : collection of str, optional
        The names of the columns to read. If X lacks one of them, all columns are read.

    Raises
    ------
    DataError
        X is not a two-dimensional table, is empty or too large for memory, or a column has neither numbers, dates nor
        text.
    """
    if isinstance(X, Frame):
        return X
    if is_sparse(X):
        check_table(X.shape, name, X.nnz)
        matrix = read_sparse(X, name)
        return Frame(X.shape[0], None, _MatrixColumns(matrix, None), matrix)
    refuse_type(X, name)
    for method in ("collect", "compute"):
        if hasattr(type(X), method) and (method == "collect" or is_frame(X)):
            raise DataError(f"{name} is lazy ({type(X).__name__}): collect it first, by {name}.{method}()")
    names = column_names(X, name)
    if names is not None and hasattr(type(X), "rename_columns"):  # pyarrow; narwhals refuses duplicate names
        X = X.rename_columns(list(names))
    if is_frame(X):
        check_table(X.shape, name)
        places: Sequence[int] = range(X.shape[1])
        if names is not None and wanted is not None and set(wanted) < set(names):
            places = [place for place, each in enumerate(names) if each in wanted]
        if (columns := _frame_columns(X, names, name, places)) is not None:
            kept = None if names is None else tuple(names[place] for place in places)
            return Frame(X.shape[0], kept, columns, _one_block(X, columns))
    return _read_array(X, names, name)


def _read_array(X: Any, names: tuple[str, ...] | None, name: str) -> Frame:
    array = as_array(X, name)
    check_table(array.shape, name)
    refuse_dtype(array.dtype, name)
    if array.dtype.kind in "fiub":
        return Frame(array.shape[0], names, _MatrixColumns(array, names), array)
    dtype = str(array.dtype)
    columns = tuple(
        array_column(array[:, place], column_label(place, names), dtype, name) for place in range(array.shape[1])
    )
    return Frame(array.shape[0], names, columns, None)


def _frame_columns(
    X: Any, names: tuple[str, ...] | None, name: str, places: Sequence[int]
) -> tuple[Column, ...] | None:
    """Return the columns of a frame at `places`, or None if narwhals does not support the frame's library."""
    if hasattr(type(X), "iloc"):
        return tuple(pandas_column(X.iloc[:, place], column_label(place, names), name) for place in places)
    import narwhals as nw

    try:
        frame = nw.from_native(X, eager_only=True)
    except TypeError:
        return None
    return tuple(
        series_column(series, column_label(place, names), name)
        for place, series in enumerate(frame.iter_columns())
        if place in places
    )


def _one_block(X: Any, columns: tuple[Column, ...]) -> NDArray[Any] | None:
    """Return the array behind a pandas frame whose columns are in one block, or None if there is no such array."""
    arrays = [column.values for column in columns if isinstance(column, ArrayColumn)]
    if (
        not hasattr(type(X), "iloc")
        or len(columns) < X.shape[1]
        or len(arrays) < len(columns)
        or len({array.dtype for array in arrays}) > 1
    ):
        return None
    places = [array.__array_interface__["data"][0] for array in arrays]
    if len({after - before for before, after in pairwise(places)}) > 1:
        return None  # the columns are not in one block, so `to_numpy` would copy the whole table
    matrix: NDArray[Any] = X.to_numpy()
    return matrix if np.may_share_memory(matrix, arrays[0]) else None


def checked_numbers(
    frame: Frame,
    kinds: Sequence[Kind] | None = None,
    name: str = "X",
    infinite: Infinite = "error",
    todo: str = "replace or drop it",
) -> tuple[Frame, NDArray[np.bool_]]:
    """Check all numbers; return the checked frame, and whether each column has missing cells.

    Parameters
    ----------
    kinds : sequence of "number", "category" or "date", optional
        How each column is read; by default, as the kind that its values look like.
    infinite : "error" or "missing"
        Whether infinite numbers are refused or become missing cells.
    todo : str
        The advice in the message if an infinite number is refused.

    Returns
    -------
    Frame
        The same frame, or a new one in which infinite numbers are missing cells.
    bool array [columns]
        Whether each column has missing cells; False for categories.

    Raises
    ------
    DataError
        A number is too large for float32, or is infinite while `infinite` is "error". The message names the first
        column with such a number.

    Warns
    -----
    UserWarning
        Infinite numbers become missing cells, or there are integers beyond 2**53, which float64 rounds.
    """
    if kinds is None and frame.matrix is not None:
        kinds = ["number"] * len(frame.columns)
    kinds = kinds or [column.natural for column in frame.columns]
    places = [place for place, kind in enumerate(kinds) if kind != "category"]
    gaps, worst = _scan(frame, places)
    if infinite == "missing" and np.isinf(worst).any():
        frame = _without_infinities(frame, np.flatnonzero(np.isinf(worst)).tolist(), name)
        gaps, worst = _scan(frame, places)
    if not np.all(worst <= FLOAT32_MAX):
        column = frame.columns[int(np.flatnonzero(~(worst <= FLOAT32_MAX))[0])]
        values = column.numbers(slice(None))
        values[np.isnan(values)] = 0.0
        refuse_values(values, column.label, name, frame.order, todo)
    if _is_any_rounded(frame, places):
        warn_user(f"{name} holds integers beyond 2**53, which are rounded to the nearest float64")
    return frame, gaps


_INFINITE = "{} holds infinite numbers, which are treated as missing ({})"


def _without_infinities(frame: Frame, places: Sequence[int], name: str) -> Frame:
    """Return a frame in which the infinite numbers of these columns are missing cells; warn about these numbers."""
    if isinstance(frame.matrix, SparseMatrix):
        matrix, counts = frame.matrix.without_infinities(frame.order)
        facts = [f"column {place}: {counts[place]} of {frame.rows} rows" for place in places]
        warn_user(_INFINITE.format(name, "; ".join(at_most(facts))))
        return replace(frame, columns=_MatrixColumns(matrix, frame.names, frame.order), matrix=matrix)
    columns, said = list(frame.columns), []
    for place in places:
        column = columns[place]
        numbers = column.numbers(slice(None))
        infinite = np.isinf(numbers)
        numbers[infinite] = np.nan
        columns[place] = column.with_numbers(numbers, spelling=column.spelling)
        said.append(f"{column.label}: {int(infinite.sum())} of {frame.rows} rows")
    warn_user(_INFINITE.format(name, "; ".join(at_most(said))))
    return replace(frame, columns=tuple(columns), matrix=None)


def spelled_frame(
    frame: Frame,
    name: str = "X",
    decimal: str | None = None,
    categorical: Sequence[str | int | bool] | None = None,
) -> Frame:
    """Convert text columns that spell numbers or dates to columns of numbers or dates; see spelling.py and dates.py.

    Parameters
    ----------
    decimal : "." or ",", optional
        The decimal point, if it is known.
    categorical : sequence of names, of positions or of one bool per column, optional
        Columns that become categories instead.

    Raises
    ------
    SettingError
        There is no column as in `categorical`.

    Warns
    -----
    UserWarning
        Each of these cases has its own warning, which names up to five columns: text read as numbers, or as dates; text
        that can be read as different numbers, or dates; text with leading zeros read as numbers; and other text among
        numbers or dates.
    """
    if categorical is not None:
        frame = _declared(frame, categorical, name)
    if frame.matrix is not None:
        return frame
    columns = list(frame.columns)
    said: dict[str, list[str]] = {}
    for place, column in enumerate(columns):
        if not isinstance(column, CellColumn) or not (texts := column.texts()):
            continue
        if column.natural == "number" and decimal != ",":
            if (code := next((text for text in sorted(texts) if _LEADING_ZERO.fullmatch(text)), None)) is not None:
                said.setdefault(_CODES, []).append(f"{column.label}: {code!r} is {int(code)}")
            continue
        guesses = learn_spelling(texts, decimal), learn_dates(texts)
        learned = max(guesses, key=lambda each: each.share if each.spelling is None else 1.0)
        if learned.spelling is not None:
            columns[place] = column.spelled(learned.spelling, name)
            if learned.example and decimal is None:
                fact = _OPEN if learned.is_open else _READ
                number, is_date = learned.spelling.number(learned.example), learned.spelling.kind == "date"
                meaning = "missing" if number != number else date_text(number) if is_date else f"{number:.12g}"
                about = f"{column.label}: {learned.example!r} is {meaning}"
                said.setdefault(fact.format(learned.spelling.kind), []).append(about)
        elif learned.share >= NEARLY:
            said.setdefault(_ODD, []).append(f"{column.label}: {learned.example!r}")
        elif column.share_of_numbers() >= NEARLY:
            word = min((text for text in texts if not _PLAIN.reads(text)), default=None)
            if word is not None:
                said.setdefault(_ODD, []).append(f"{column.label}: {word!r}")
    for fact, cells in said.items():
        what, todo = fact.split(": ")
        warn_user(f"{name} holds {what} ({'; '.join(at_most(cells))}): {todo}")
    return replace(frame, columns=tuple(columns))


_READ = "text that is read as {0}s: make a column a category to keep its text"
_OPEN = "text that can be read as different {0}s: if another {0} is meant, pass {0}s instead of text"
_CODES = "text with leading zeros that is read as numbers: if it is a code, declare it in categorical_features"
_PLAIN = NumberSpelling(".")
_LEADING_ZERO = re.compile(r"0\d{1,99}")  # no code is longer; int() refuses text of more than 4,300 digits
_ODD = "columns of numbers or dates with other text: they are categories; to change that, make such cells missing"


def _declared(frame: Frame, categorical: Sequence[str | int | bool], name: str) -> Frame:
    """Return the frame with the given columns (names, positions or one bool per column) as categories."""
    count, what = len(frame.columns), "categorical_features"
    if isinstance(frame.matrix, SparseMatrix):
        raise SettingError(f"{what} is given, but {name} is sparse: all its columns are numbers; leave {what} out")
    if isinstance(categorical[0], str):
        if frame.names is None:
            raise SettingError(f"{what} has names, but {name} has none: give column positions, starting at 0")
        for each in categorical:
            if each not in frame.names:
                near = " or ".join(map(repr, near_names(str(each), frame.names)))
                hint = f"did you mean {near}?" if near else f"its columns are {', '.join(at_most(frame.names))}"
                raise SettingError(f"{what} has {each!r}, which is not a column of {name}; {hint}")
        places = {frame.names.index(str(each)) for each in categorical}
    elif isinstance(categorical[0], bool):
        if len(categorical) != count:
            raise SettingError(
                f"{what} has {len(categorical)} bools, but {name} has {count} columns: give one for each"
            )
        places = {place for place, each in enumerate(categorical) if each}
    else:
        for each in categorical:
            if not -count <= int(each) < count:
                raise SettingError(f"{what} has {each}, but {name} has columns 0 to {count - 1}")
        places = {int(each) % count for each in categorical}
    columns = (as_category(column) if place in places else column for place, column in enumerate(frame.columns))
    return replace(frame, columns=tuple(columns), matrix=None)


def _is_any_rounded(frame: Frame, places: Sequence[int]) -> bool:
    if frame.matrix is not None and frame.matrix.dtype.kind == "f":
        return False
    if isinstance(frame.matrix, np.ndarray) and frame.order is None and len(places) == len(frame.columns):
        return is_rounded(frame.matrix)
    return any(frame.columns[place].is_rounded() for place in places)


def _scan(frame: Frame, places: Sequence[int]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return whether each column has NaN, and its largest magnitude; False and 0 for columns not in `places`."""
    if frame.matrix is not None and len(places) == len(frame.columns):
        return _scan_matrix(frame)
    missing, worst = np.zeros(len(frame.columns), np.bool_), np.zeros(len(frame.columns))
    for place in places:
        column = frame.columns[place]
        for first, stop in blocks(column.rows):
            sizes = np.abs(column.numbers(slice(first, stop)))
            missing[place] |= np.isnan(sizes).any()
            worst[place] = np.fmax.reduce(sizes, initial=worst[place])
    return missing, worst


def _scan_matrix(frame: Frame) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return whether each column of the matrix has NaN, and its largest magnitude."""
    if isinstance(frame.matrix, SparseMatrix):
        return frame.matrix.extremes(frame.order)
    columns = len(frame.columns)
    missing, worst = np.zeros(columns, np.bool_), np.zeros(columns)
    if frame.matrix_rows(slice(0)).dtype.kind != "f":
        return missing, worst
    with np.errstate(over="ignore", invalid="ignore"):
        for first, stop in blocks(frame.rows, max(1, _SCANNED_CELLS // columns)):
            sizes = np.abs(frame.matrix_rows(slice(first, stop)))
            most = sizes.max(axis=0)  # NaN for columns that have NaN
            if np.isnan(most).any():
                missing |= np.isnan(most)
                most = np.fmax.reduce(sizes, axis=0, initial=0.0)
            worst = np.maximum(worst, most.astype(np.float64))
    return missing, worst
