"""Describes the columns of a table, their encoding and anything odd about them, for `ash.describe`.

Odd columns are found on at most SEEN_ROWS evenly spaced rows. All oddities except ids are then confirmed on all rows.

    constant              one value in all rows
    id                    a different text or whole number in each row; numbers must only rise or only fall
    copy                  the same cells as an earlier column
    copy of the target    values and targets correspond one to one
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.display import format_table, html_table, printable
from ash._utils.user_warnings import warn_user
from ash.data.arrays import SparseMatrix
from ash.data.columns import Column, blocks
from ash.data.frames import Frame, at_most
from ash.data.table import Table
from ash.encoding.encoding import Encoding
from ash.encoding.kinds import MOST_LEVELS, ONE_HOT_LEVELS, ColumnSchema
from ash.encoding.schema import SEEN_ROWS, Schema

SHOWN = 40
"""The maximum number of lines that are printed; `TableSummary.columns` has all columns."""
HEADER = ("column", "kind", "dtype", "levels", "missing", "features", "why")


@dataclass(frozen=True)
class ColumnSummary:
    """The description of one column.

    Attributes
    ----------
    name : str
        The column's name, or x0, x1, ... by position.
    kind : "number", "category", "date" or "text"
    dtype : str
        The name of the column's type in its library; empty in a loaded model.
    levels : int or None
        Number of levels of a category, or of a numeric column that also has target statistics; else None.
    missing : int or bool
        Number of missing cells; for a model, whether any cells were missing in training.
    features : int
        Number of features of the column.
    why : str
        How the column is encoded, and why.
    notes : tuple of str
        What is odd about the column.
    """

    name: str
    kind: str
    dtype: str
    levels: int | None
    missing: int | bool
    features: int
    why: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class TableSummary:
    """The columns of a table, as `ash.describe` returns them; printed as a text table, or as HTML in a notebook.

    Attributes
    ----------
    columns : tuple of ColumnSummary
    rows : int
    target : str
        The task and facts about y; empty without y.

    Examples
    --------
    >>> import ash
    >>> summary = ash.describe([[1, "a"], [2, "b"], [4, "a"]])
    >>> [column.kind for column in summary.columns]
    ['number', 'category']
    """

    columns: tuple[ColumnSummary, ...]
    rows: int
    target: str = ""

    @property
    def odd(self) -> tuple[ColumnSummary, ...]:
        """The columns that have notes."""
        return tuple(column for column in self.columns if column.notes)

    def lines(self, most: int = SHOWN) -> list[str]:
        """Return the lines that `print` shows: one for all columns that differ only in their names.

        Parameters
        ----------
        most : int
            The maximum number of such lines.

        Returns
        -------
        list of str
        """
        head = f"{self.rows} rows, {len(self.columns)} columns{f'; {self.target}' if self.target else ''}"
        return [head, *table_lines(self.columns, most)]

    def __repr__(self) -> str:
        """Return the table as text."""
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return html_table(HEADER, list(map(table_row, self.columns)))


def table_lines(columns: Sequence[ColumnSummary], most: int | None = None) -> list[str]:
    """Return the lines of a table of columns, with a header and at most `most` lines below it.

    Columns that differ only in their names share a line, in the place of the first one.
    """
    alike: dict[tuple[Any, ...], list[str]] = {}
    for row in map(table_row, columns):
        alike.setdefault(row[1:], []).append(row[0])
    rows = [(_named(names), *row) for row, names in list(alike.items())[:most]]
    more = 0 if most is None else sum(map(len, list(alike.values())[most:]))
    lines = format_table(HEADER[:-1], [row[:-1] for row in rows])
    shown = [f"{line}  {why}" for line, why in zip(lines, [HEADER[-1], *(row[-1] for row in rows)], strict=True)]
    return shown + ([f"... and {more} more columns"] if more else [])


def _named(names: Sequence[str]) -> str:
    """Return the names of columns that share a line: all if there are at most two, else the first and the last."""
    return ", ".join(names) if len(names) < 3 else f"{names[0]} ... {names[-1]} ({len(names)} columns)"


def table_row(each: ColumnSummary) -> tuple[Any, ...]:
    """Return the cells of a column's row in the table of `table_lines`, in the order of HEADER."""
    missing = {True: "yes", False: "no"}[each.missing] if isinstance(each.missing, bool) else each.missing
    why = printable("; ".join([each.why, *each.notes]))
    return printable(each.name), each.kind, each.dtype or None, each.levels, missing, each.features, why


def summary_of(table: Table, schema: Schema) -> TableSummary:
    """Return the summary of a training table, with its target."""
    task = table.task
    if table.classes_ is not None:
        labels = printable(", ".join(map(str, table.classes_[:5].tolist()))) + (", ..." if table.classes > 5 else "")
        target = f"{task}, {table.classes} classes: {labels}"
    else:
        target = f"{task} of {table.y.shape[1]} target{'s' if table.y.shape[1] > 1 else ''}"
    return TableSummary(tuple(_columns(table.frame, schema, table)), table.rows, target)


def frame_summary(frame: Frame, schema: Schema) -> TableSummary:
    """Return the summary of a table without a target."""
    return TableSummary(tuple(_columns(frame, schema, None)), frame.rows)


def model_summary(encoding: Encoding) -> Iterator[ColumnSummary]:
    """Yield the summary of each column of a model, without facts that need the training table's cells."""
    for place, column in enumerate(encoding.schema.columns):
        yield _summary(encoding.schema, place, column.missing, encoding.width(place))


def _columns(frame: Frame, schema: Schema, table: Table | None) -> Iterator[ColumnSummary]:
    targets = 1 if table is None else max(1, min(table.classes - 1, 16) if table.classes else table.y.shape[1])
    statistics = tuple(np.zeros((2, targets + 1)) if column.is_many_level else None for column in schema.columns)
    encoding = Encoding(schema, statistics, tuple(range(targets)))
    notes = _notes(frame, schema, table)
    for place, given in enumerate(frame.columns):
        column = schema.columns[place]
        missing = _count_missing(given, column) if column.missing else 0
        yield _summary(schema, place, missing, encoding.width(place), notes[place])


def _summary(
    schema: Schema, place: int, missing: int | bool, features: int, notes: Sequence[str] = ()
) -> ColumnSummary:
    column = schema.columns[place]
    name = f"x{place}" if schema.names is None else schema.names[place]
    levels = len(column.levels) or None
    why = column.rules.reason(column)
    return ColumnSummary(name, column.kind, column.dtype, levels, missing, features, why, tuple(notes))


def _count_missing(given: Column, column: ColumnSchema) -> int:
    found = (column.codes.read(given, slice(*block)) == len(column.levels) for block in blocks(given.rows))
    return sum(int(missing.sum()) for missing in found)


def _notes(frame: Frame, schema: Schema, table: Table | None) -> list[list[str]]:
    """Return, for each column, a list of notes about oddities, such as "constant: tells nothing"."""
    chosen = np.linspace(0, frame.rows - 1, min(frame.rows, SEEN_ROWS)).astype(np.int64)
    rows = frame.numbers_of(chosen)
    targets = None if table is None or table.y.shape[1] > 1 else table.y[:, 0]
    groups = None if table is None else table.groups
    chosen_groups = None if groups is None else groups[chosen]
    notes: list[list[str]] = []
    first: dict[Any, int] = {}
    for place, (given, column) in enumerate(zip(frame.columns, schema.columns, strict=True)):
        cells = _cells(given.with_order(rows), column.reads)
        found = []
        if _is_constant(given, column, cells):
            found.append("constant: tells nothing")
        elif _is_id(cells, column):
            found.append("looks like an id: a different value in each row")
        twin = first.setdefault(tuple(cells) if cells.dtype.kind == "O" else cells.tobytes(), place)
        if twin != place and not found and _are_equal(frame, schema, twin, place):
            found.append(f"copy of {f'x{twin}' if schema.names is None else schema.names[twin]}")
        if targets is not None and not found and _tell(cells, targets[chosen], column.reads, chosen_groups):
            everything = _cells(given, column.reads) if len(cells) < frame.rows else cells
            if len(cells) == frame.rows or _tell(everything, targets, column.reads, groups):
                found.append("copy of the target")
        notes.append(found)
    return notes


def warn_of_suspects(table: Table, schema: Schema) -> None:
    """Warn, once, of columns of a training table that are a copy of the target, or have a different text in each row.

    Tables of fewer than ONE_HOT_LEVELS rows and sparse ones are not checked.
    """
    frame = table.frame
    if frame.rows < ONE_HOT_LEVELS or isinstance(frame.matrix, SparseMatrix):
        return
    chosen = np.linspace(0, frame.rows - 1, min(frame.rows, SEEN_ROWS)).astype(np.int64)
    rows = frame.numbers_of(chosen)
    chosen_groups = None if table.groups is None else table.groups[chosen]
    facts = []
    for given, column in zip(frame.columns, schema.columns, strict=True):
        cells = _cells(given.with_order(rows), column.reads)
        if any(_is_copy(cells, target[chosen], column.reads, chosen_groups) for target in table.y.T):
            everything = cells if len(cells) == frame.rows else _cells(given, column.reads)
            if any(_is_copy(everything, target, column.reads, table.groups) for target in table.y.T):
                facts.append(f"{given.label} is a copy of the target")
        elif column.reads == "category" and len(column.levels) in (frame.rows, MOST_LEVELS):
            facts += [f"{given.label} has a different text in each row"] * _is_id(cells, column)
    if facts:
        todo = "drop such columns, or make features of them that new rows have too"
        warn_user(f"X has columns that cannot help with new rows ({'; '.join(at_most(facts))}): {todo}")


def _is_copy(cells: NDArray[Any], targets: NDArray[np.float64], kind: str, groups: NDArray[np.int64] | None) -> bool:
    """Return whether cells equal the targets, or correspond to them one to one and each occurs twice on average."""
    if kind != "category" and np.array_equal(cells, targets):
        return True
    return _tell(cells, targets, kind, groups) and len(np.unique(targets)) <= _count_evidence(targets, groups) / 2


def _cells(column: Column, kind: str, block: tuple[int, int] | None = None) -> NDArray[Any]:
    """Return the cells of a block of rows, or of all rows, as numbers or as texts."""
    rows = slice(None) if block is None else slice(*block)
    if kind != "category":
        return column.numbers(rows) + 0.0  # turns -0.0 into 0.0
    return np.array(["\0" if cell is None else cell for cell in column.cells(rows)], object)


def _is_constant(given: Column, column: ColumnSchema, cells: NDArray[Any]) -> bool:
    if len(cells) and not np.all((cells == cells[0]) | ((cells != cells) & (cells[0] != cells[0]))):
        return False
    values = cells[:0]
    for block in blocks(given.rows):
        values = np.unique(np.concatenate([values, np.unique(_cells(given, column.reads, block))[:2]]))
        if len(values) > 1:
            return False
    return True


def _is_id(cells: NDArray[Any], column: ColumnSchema) -> bool:
    """Return whether each row has a different text or whole number; numbers must also only rise or only fall."""
    if len(cells) < ONE_HOT_LEVELS or not column.rules.may_be_id or len(np.unique(cells)) < len(cells):
        return False
    if column.reads == "category":
        return True
    steps = np.diff(cells)
    return bool(np.all(cells == np.floor(cells)) and (np.all(steps > 0) or np.all(steps < 0)))


def _are_equal(frame: Frame, schema: Schema, one: int, other: int) -> bool:
    kind = schema.reads[one]
    if kind != schema.reads[other]:
        return False
    for block in blocks(frame.rows):
        own, theirs = (_cells(frame.columns[each], kind, block) for each in (one, other))
        if not np.array_equal(own, theirs, equal_nan=kind != "category"):
            return False
    return True


def _count_evidence(targets: NDArray[np.float64], groups: NDArray[np.int64] | None) -> int:
    """Return the number of rows without those of the same group and target, which may be copies of one row."""
    return len(targets) if groups is None else len(set(zip(groups.tolist(), targets.tolist(), strict=True)))


def _tell(cells: NDArray[Any], targets: NDArray[np.float64], kind: str, groups: NDArray[np.int64] | None) -> bool:
    """Return whether values and targets correspond one to one.

    If values occur less than twice on average, a one-to-one match is no evidence by itself. In that case, the result is
    true only for numbers that always grow or always fall with the target.
    """
    there: dict[Any, float] = {}
    back: dict[float, Any] = {}
    for cell, target in zip(cells.tolist(), targets.tolist(), strict=True):
        if there.setdefault(cell, target) != target or back.setdefault(target, cell) != cell:
            return False
    if len(there) <= _count_evidence(targets, groups) / 2:
        return True
    steps = np.diff([there[cell] for cell in sorted(there)]) if kind != "category" else np.zeros(1)
    return bool(np.all(steps > 0) or np.all(steps < 0))
