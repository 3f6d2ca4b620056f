"""Describes the columns of a training table, and checks that another table has the same columns.

A category has levels: the texts seen in training, sorted. A column keeps the most frequent levels, at most MOST_LEVELS
(ties are broken in order of text). All other texts, in training or later, count as one unknown level.

Spiked columns of numbers, in which one value is so frequent that both quartiles are equal, have levels too:

    capital gain     0 0 0 0 0 0 7298 0 0 0 0 0 0 0 15024 0 ...      quartiles 0 and 0, levels 0, 594, ..., 7298, ...

The target is rarely a smooth function of such a number, and a smooth function cannot give neighboring values effects of
their own. So its values get target statistics (target_statistics.py) in addition to the number, like the levels of a
category. The levels are the values that occur at least twice. There must be more than ONE_HOT_LEVELS of them. They must
also be sparse in their range (see FILLED), as amounts of money are. Gray levels and counts fill most of their range,
and are better without levels. A table with more than MOST_SPIKED such columns is not changed: it is sparse and would
become much wider. It has not been measured whether levels help in such tables.

Quartiles are computed on at most SEEN_ROWS evenly spaced rows, and levels on all rows. A row that was repeated for its
weight (equal_rows.py) counts each time. Weights that remain weights of the loss have no effect.
"""

from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from ash._utils.cached import cached_property
from ash._utils.checks import is_list_of
from ash.data.arrays import refuse_values
from ash.data.columns import Column, Kind, blocks
from ash.data.frames import Frame, at_most, checked_numbers
from ash.encoding.kinds import (
    MOST_LEVELS,
    ONE_HOT_LEVELS,
    ColumnSchema,
    check_schema,
    column_from_json,
    is_cell_missing,
    learn_column,
)
from ash.errors import DataError
from ash.options import INFINITE, MISSING, UNKNOWN, Infinite, Missing, Unknown

Word = TypeVar("Word", bound=str)

INFINITE_TODO = "replace or drop it, or pass config=ash.SearchConfig(infinite='missing')"
INFINITE_LATER = "replace or drop it, or train with config=ash.SearchConfig(infinite='missing')"
SEEN_ROWS = 4096
"""The maximum number of rows on which the columns with equal quartiles are found."""
_SEEN_CELLS = 2**20  # cells read at a time
MOST_SPIKED = 32
"""If more columns than this have equal quartiles and more than ONE_HOT_LEVELS distinct values, none gets levels."""
FILLED = 1 / 8
"""The range of the levels is divided into steps as long as the shortest distance between two levels. At most this share
of the steps may be levels."""
_OFTEN = 2  # minimum occurrences of a value that becomes a level; a unique value says nothing about other rows


@dataclass(frozen=True)
class Schema:
    """The columns of a training table, and how to treat cells that did not occur in it.

    Attributes
    ----------
    columns : tuple of ColumnSchema
    names : tuple of str or None
    missing : "indicator" or "error"
        Whether missing cells are used in training and prediction, or refused.
    unknown : "bucket" or "error"
        Whether levels that did not occur in training are all treated as one level, or refused.
    neighbors : bool
        Whether rows have neighbor features (neighbors.py), which requires that all columns are numbers.
    infinite : "error" or "missing"
        Whether infinite numbers are refused, or treated as missing.
    """

    columns: tuple[ColumnSchema, ...]
    names: tuple[str, ...] | None = None
    missing: Missing = "indicator"
    unknown: Unknown = "bucket"
    neighbors: bool = False
    infinite: Infinite = field(default="error", repr=False)  # not in the repr, which journals hash

    @property
    def reads(self) -> list[Kind]:
        """How the cells of each column are read."""
        return [column.reads for column in self.columns]

    @property
    def without_dtypes(self) -> "Schema":
        """Return the schema without names of types, which differ between sources of the same table."""
        return replace(self, columns=tuple(replace(column, dtype="") for column in self.columns))

    @cached_property
    def is_numeric(self) -> bool:
        """Whether all columns are numbers."""
        return all(column.kind == "number" for column in self.columns)

    def read(self, frame: Frame, expecting: str = "the network", name: str = "X") -> Frame:
        """Select the schema's columns from a table, and parse text into numbers or dates as in training.

        If the table and the schema both have names, columns are matched by name, in any order and possibly among other
        columns. Otherwise they are matched by position.

        Parameters
        ----------
        expecting : str
            The object that needs these columns, for the error message about their number.

        Raises
        ------
        DataError
            Columns are missing, or are of a different kind than in training; the message lists them.
        """
        if frame.names is not None and self.names is not None:
            if not set(self.names) <= set(frame.names):
                raise DataError(names_differ(frame.names, self.names))
            frame = frame.select(self.names)
        if len(frame.columns) != len(self.columns):
            given, wanted = len(frame.columns), len(self.columns)
            raise DataError(f"{name} has {given} features, but {expecting} is expecting {wanted} features as input")
        if frame.matrix is not None and self.is_numeric:
            return frame
        pairs = list(zip(frame.columns, self.columns, strict=True))
        read = tuple(column.of(given, name) for given, column in pairs)
        differ = [
            _kinds_differ(given, column)
            for given, column in zip(read, self.columns, strict=True)
            if not given.can_be(column.reads) and not (column.has_plain_level and given.natural == "number")
        ]
        if differ:
            todo = "data type doesn't match; pass the columns with the types that they had in training"
            raise DataError(f"{name} in {'; '.join(at_most(differ))}: {todo}")
        for each, column in zip(read, self.columns, strict=True):
            if column.reads == "date":
                column.check_zone(each, name)
        return replace(frame, columns=read)

    def checked(self, frame: Frame, name: str = "X") -> Frame:
        """Return the frame with infinite numbers as missing cells, unless they are refused.

        Raises
        ------
        DataError
            Numbers are too large for float32, or there are missing cells or infinite numbers that are refused.
        """
        frame, gaps = checked_numbers(frame, self.reads, name, self.infinite, INFINITE_LATER)
        if self.missing == "indicator":
            return frame
        for given, column, gap in zip(frame.columns, self.columns, gaps.tolist(), strict=True):
            if gap or (column.reads == "category" and any(map(column.is_missing, given.cells(slice(None))))):
                _refuse_missing(frame, given, column.reads, name)
        return frame

    def to_json(self) -> dict[str, Any]:
        """Return the schema as JSON that `schema_from_json` reads."""
        columns = [column.to_json() for column in self.columns]
        names = None if self.names is None else list(self.names)
        told: dict[str, Any] = {"columns": columns, "names": names, "missing": self.missing, "unknown": self.unknown}
        told |= {"neighbors": True} if self.neighbors else {}
        return told if self.infinite == "error" else told | {"infinite": self.infinite}


def learn_schema(
    frame: Frame,
    *,
    missing: Missing,
    unknown: Unknown = "bucket",
    infinite: Infinite = "error",
    most_levels: int = MOST_LEVELS,
    name: str = "X",
) -> tuple[Frame, Schema]:
    """Return the training table and its schema; infinite numbers become missing cells unless they are refused.

    Parameters
    ----------
    missing, unknown, infinite
        As in `Schema`.
    most_levels : int
        The maximum number of levels per column; the most frequent ones are kept.

    Raises
    ------
    DataError
        Numbers are too large for float32, or there are missing cells or infinite numbers that are refused; the message
        names the column.
    """
    frame, gaps = checked_numbers(frame, None, name, infinite, INFINITE_TODO)
    columns = []
    for given, gap in zip(frame.columns, gaps.tolist(), strict=True):
        columns.append(learn_column(given, gap, most_levels))
        if columns[-1].missing and missing == "error":
            _refuse_missing(frame, given, columns[-1].reads, name)
    return frame, Schema(tuple(columns), frame.names, missing, unknown, infinite=infinite)


def with_recurring(schema: Schema, frame: Frame) -> Schema:
    """Return the schema of the training table, with recurring values as levels of the numeric columns that qualify."""
    places = _with_equal_quartiles(schema, frame)
    if len(places) > MOST_SPIKED:
        return schema
    columns = list(schema.columns)
    for place in places:
        values = frame.columns[place].numbers(slice(None))
        found, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        often = np.flatnonzero(counts >= _OFTEN)
        kept = often[np.argsort(-counts[often], kind="stable")[:MOST_LEVELS]]
        levels = found[np.sort(kept)] + 0.0  # turns -0.0 into 0.0
        smaller = levels / levels.size  # avoids overflow in differences
        if levels.size > ONE_HOT_LEVELS and levels.size * np.diff(smaller).min() <= FILLED * np.ptp(smaller):
            columns[place] = replace(columns[place], levels=tuple(levels.tolist()))
    return replace(schema, columns=tuple(columns))


def _with_equal_quartiles(schema: Schema, frame: Frame) -> list[int]:
    """Return the positions of numeric columns with equal quartiles and more than ONE_HOT_LEVELS distinct values."""
    numbers = [place for place, column in enumerate(schema.columns) if column.kind == "number"]
    rows = np.linspace(0, frame.rows - 1, min(frame.rows, SEEN_ROWS)).astype(np.int64)
    found: list[int] = []
    for first, stop in blocks(len(numbers), max(1, _SEEN_CELLS // len(rows))):
        places = numbers[first:stop]
        seen = np.sort(frame.numbers_at(rows, places), axis=1)  # missing cells come last
        there = len(rows) - np.isnan(seen).sum(axis=1)
        column = np.arange(len(places))
        equal = seen[column, there // 4] == seen[column, 3 * there // 4]  # False for NaN
        distinct = 1 + (np.diff(seen, axis=1) > 0).sum(axis=1)
        found += np.array(places)[equal & (distinct > ONE_HOT_LEVELS)].tolist()
    return found


def schema_from_json(data: Any) -> Schema:
    """Return a schema from a model file, which is not trusted.

    Raises
    ------
    ValueError
        `data` is not what `Schema.to_json` writes; the message says why.
    """
    entries = {"columns", "names", "missing", "unknown"}
    is_known = isinstance(data, dict) and entries <= data.keys() <= entries | {"neighbors", "infinite"}
    check_schema(is_known, "the schema has missing or unexpected entries")
    missing = read_word(data["missing"], MISSING, "missing cells")
    unknown = read_word(data["unknown"], UNKNOWN, "unknown levels")
    infinite = read_word(data.get("infinite", "error"), INFINITE, "infinite numbers")
    saved, names = data["columns"], data["names"]
    check_schema(isinstance(saved, list) and len(saved) > 0, "the schema has no list of columns")
    columns = tuple(column_from_json(column, place) for place, column in enumerate(saved))
    neighbors = data.get("neighbors", False)
    check_schema(type(neighbors) is bool, "the schema does not say whether rows have neighbors")
    check_schema(
        not neighbors or all(column.kind == "number" for column in columns),
        "the schema has neighbors and a column that is not numeric",
    )
    if names is None:
        return Schema(columns, None, missing, unknown, neighbors, infinite)
    check_schema(is_list_of(names, str) and len(names) == len(columns), "the schema has no name for each column")
    check_schema(len(set(names)) == len(names), "the schema has a name twice")
    return Schema(columns, tuple(names), missing, unknown, neighbors, infinite)


def read_word(word: Any, allowed: tuple[Word, ...], what: str) -> Word:
    """Return `word` if it is one of the texts in `allowed`, or raise ValueError with a message about `what`."""
    if (found := next((each for each in allowed if type(word) is str and each == word), None)) is None:
        raise ValueError(f"the schema does not say how to treat {what}")
    return found


def _refuse_missing(frame: Frame, column: Column, kind: Kind, name: str) -> None:
    if kind == "category":
        gaps = [is_cell_missing(column, cell) for cell in column.cells(slice(None))]
        values = np.where(gaps, np.nan, 0.0)
    else:
        values = column.numbers(slice(None))
    refuse_values(values, column.label, name, frame.order)


def _kinds_differ(given: Column, trained: ColumnSchema) -> str:
    was = f"was {trained.kind}{f' of dtype {trained.dtype}' if trained.dtype else ''} in training"
    return f"{given.label} has dtype {given.dtype} ({given.natural}), but {was}"


def names_differ(given: tuple[str, ...], trained: tuple[str, ...]) -> str:
    """Return scikit-learn's exact message about feature names that differ from those in training."""
    text = "The feature names should match those that were passed during fit.\n"
    unseen, gone = sorted(set(given) - set(trained)), sorted(set(trained) - set(given))
    for heading, names in (("unseen at fit time", unseen), ("seen at fit time, yet now missing", gone)):
        if names:
            text += f"Feature names {heading}:\n" + "".join(f"- {name}\n" for name in at_most(names))
    if not unseen and not gone:
        text += "Feature names must be in the same order as they were in fit.\n"
    return text
