"""Encodes the columns of a table as features of the network: numbers, zeros and ones, and statistics.

    number                             its value, NaN if missing; an indicator of missing cells, if training had any;
                                       target statistics and log count, if its values are also levels (schema.py)
    date                               its days since 1970-01-01; an indicator of missing cells, if training had any;
                                       its parts, such as the month (date_parts.py)
    category with up to 32 levels      one-hot encoded; an indicator of missing cells, if training had any
    category with more levels          target statistics of its level; log(1 + weight of the level's training rows)
    table of numbers, if rows recur    the mean target of the most similar rows, and how close these are (neighbors.py)
    category, with level numbers       in addition to the features above: the number of its level

Features are in the order of the table's columns; neighbor features and level numbers come last. Only boosted trees that
split categories themselves use level numbers (`Encoding.with_level_numbers`). An unknown level is encoded as zeros, or,
in a column with target statistics, as the priors of the target and log(1) = 0. In such a column, missing cells have a
separate level.

No row may see its own target in training (`learn_encoding`). So a training row has the statistics of the other parts of
the training rows (target_statistics.py), and its neighbors are other training rows; a ``TrainingEncoding`` has these
features. All other rows have the features of `Encoding.block`. After training, neighbors come from the training and
validation rows of the table.

A model file represents an encoding by a dict for JSON, and a dict of arrays whose names start with the prefixes in
ARRAYS. The encodings of several folds differ only in their target statistics, so only these are written for the second
fold and those after it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from ash._utils.cached import cached_property
from ash.data.columns import Column, blocks
from ash.data.frames import Frame
from ash.data.spelling import is_gap, plain_text
from ash.data.table import Table
from ash.encoding.date_parts import LEVELS, part_names, put_parts, width
from ash.encoding.neighbors import Neighbors, extended, learn_neighbors, neighbors_from_parts, neighbors_parts
from ash.encoding.schema import ColumnSchema, Schema, check_schema, schema_from_json
from ash.encoding.target_statistics import MOST_STATISTICS, level_statistics, prepare_targets
from ash.errors import DataError
from ash.options import Unknown

Block: TypeAlias = NDArray[np.float64]

Codes: TypeAlias = NDArray[np.int32]

ARRAYS = ("statistics.", "neighbors.")
_SHOWN = 50  # maximum number of characters of a level that a message shows


def _plain_codes(levels: tuple[str, ...]) -> dict[str, int]:
    """Return a dict that maps the plain text of each level that is a number or boolean to the level's code.

    The levels "1" and "01" have the same plain text; it gets the code of "1". If only one of "True" and "1" is the
    plain text of a level, the other gets the same code. The same holds for "False" and "0".
    """
    codes: dict[str, int] = {}
    for code, level in enumerate(levels):
        plain = plain_text(level)
        if plain is not None and (plain == level or plain not in codes):
            codes[plain] = code
    for word, digit in (("True", "1"), ("False", "0")):
        if (word in codes) != (digit in codes):
            codes[word] = codes[digit] = codes.get(word, codes.get(digit, 0))
    return codes


class LevelCodes(dict[str | None, int]):
    """Maps each level to its number, missing cells to the number for "missing", and other text to that for "unknown".

    A number or boolean in another notation, such as "1.0" for the level "1", has the number of its level.
    """

    def __init__(self, levels: tuple[str, ...]) -> None:
        super().__init__(zip(levels, range(len(levels)), strict=True))
        self.missing = len(levels)
        self[None] = self.missing
        self._plain = _plain_codes(levels)

    def __missing__(self, level: str | None) -> int:
        assert level is not None
        if is_gap(level):
            return self.missing
        plain = plain_text(level) if self._plain else None
        return len(self) if plain is None else self._plain.get(plain, len(self))

    def read(self, column: Column, rows: slice, unknown: Unknown = "bucket") -> Codes:
        """Return the level number of each given row of a column: int32 [rows].

        Raises
        ------
        DataError
            There is an unknown level, and `unknown` is "error"; the message names the first unknown level.
        """
        cells = column.cells(rows)
        codes = np.fromiter(map(self.__getitem__, cells), np.int32, len(cells))
        if unknown == "error" and codes.max(initial=0) == len(self):
            row = int(codes.argmax())
            where = f"X in {column.label}, row {(rows.start or 0) + row}"
            level = repr(str(cells[row])[:_SHOWN])
            raise DataError(f"{where}: level {level} was not seen in training; replace it by one that was")
        return codes


class ValueCodes:
    """Maps the values of a numeric column to their level numbers."""

    def __init__(self, levels: tuple[float, ...]) -> None:
        # A sentinel at the end: a number above all levels is compared with it, and NaN equals no number.
        self._levels = np.array([*levels, np.nan])

    def read(self, column: Column, rows: slice, unknown: Unknown = "bucket") -> Codes:
        """Return the level number of each given row of a column: int32 [rows]; unseen numbers are always allowed."""
        return self.of(column.numbers(rows))

    def of(self, numbers: NDArray[np.float64]) -> Codes:
        """Return the level number of each of these numbers: int32, in the shape of `numbers`."""
        missing = len(self._levels) - 1
        places = np.searchsorted(self._levels[:-1], numbers)
        others = np.where(np.isnan(numbers), missing, missing + 1)
        return np.where(self._levels[places] == numbers, places, others).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Encoding:
    """The encoding of a table's columns as features.

    Attributes
    ----------
    schema : Schema
    statistics : tuple of (array [levels + 2, k + 1] or None)
        For each column with many levels, an array with one row per level, then one row for missing cells and one for
        unknown levels. A row has k target statistics and a log count. None for other columns.
    targets : tuple of int
        The outputs or classes that the k statistics describe.
    neighbors : Neighbors or None
    plain : Encoding or None
        If the last features are the level numbers of the categories, the same encoding without them. Level numbers are
        in order of the levels from 0, then one for missing cells and one for unknown levels.
    """

    schema: Schema
    statistics: tuple[NDArray[np.float64] | None, ...]
    targets: tuple[int, ...]
    neighbors: Neighbors | None = None
    plain: "Encoding | None" = None

    @property
    def has_level_numbers(self) -> bool:
        """Whether the last features are the level numbers of the categories."""
        return self.plain is not None

    @property
    def base(self) -> "Encoding":
        """The encoding without level numbers."""
        return self.plain or self

    @cached_property
    def with_level_numbers(self) -> "Encoding":
        """The encoding with level numbers as additional features; the encoding itself if there are no categories."""
        if self.has_level_numbers or not self.categories:
            return self
        return replace(self, plain=self)

    @cached_property
    def categories(self) -> tuple[int, ...]:
        """The indices of the columns that are categories."""
        return tuple(place for place, column in enumerate(self.schema.columns) if column.kind == "category")

    @cached_property
    def features(self) -> int:
        """Number of features."""
        return len(self.names)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the features, such as "age", "age is missing", "color=red", "city: target mean"."""
        names = [name for place in range(len(self.schema.columns)) for name in self._names_of(place)]
        if self.neighbors is not None:
            names += [*(f"neighbors: target mean{which}" for which in self._which), "neighbors: closeness"]
        if self.has_level_numbers:
            names += [f"{self._name_of(place)}: level" for place in self.categories]
        return tuple(names)

    @cached_property
    def scaled(self) -> NDArray[np.bool_]:
        """Whether to scale and clip each feature, bool [features]; false for indicators and one-hot features."""
        scaled = np.zeros(self.features, np.bool_)
        for place, column in enumerate(self.schema.columns):
            scaled[self.statistics_of(place)] = True
            if column.kind != "category":
                scaled[self.starts[place]] = True
            scaled[[first for part, first in self.parts_of(place) if part not in LEVELS]] = True
        scaled[self.columns_end :] = self.neighbors is not None
        return scaled

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The index of the first feature of each column."""
        widths = list(map(self.width, range(len(self.schema.columns))))
        return tuple(int(start) for start in np.cumsum([0, *widths[:-1]]))

    @property
    def columns_end(self) -> int:
        """Number of features that encode single columns; neighbor features or level numbers follow them."""
        levels = len(self.categories) if self.has_level_numbers else 0
        return self.features - levels - (0 if self.neighbors is None else self.neighbors.features)

    def statistics_of(self, place: int) -> slice:
        """Return the slice of features that are statistics of a column; the slice is empty if there are none."""
        column, table, start = self.schema.columns[place], self.statistics[place], self.starts[place]
        first = start + 1 + column.missing if column.kind == "number" else start
        return slice(first, first if table is None else first + table.shape[1])

    def features_of(self, place: int) -> list[int]:
        """Return the indices of the features of a column, without neighbor features."""
        own = list(range(self.starts[place], self.starts[place] + self.width(place)))
        if self.has_level_numbers and place in self.categories:
            own.append(self.columns_end + self.categories.index(place))
        return own

    def width(self, place: int) -> int:
        """Return how many features a column has."""
        return len(self._names_of(place))

    def parts_of(self, place: int) -> list[tuple[str, int]]:
        """Return the parts of a date column, each with the index of its first feature."""
        column = self.schema.columns[place]
        widths = [1 + column.missing, *map(width, column.parts)]
        return [(part, self.starts[place] + sum(widths[: at + 1])) for at, part in enumerate(column.parts)]

    def block(
        self, frame: Frame, rows: slice, unknown: Unknown = "bucket", found: dict[int, Codes] | None = None
    ) -> Block:
        """Return the features of a block of rows of a table that the schema has checked.

        Parameters
        ----------
        frame : Frame
        rows : slice
            Without a step.
        unknown : "bucket" or "error"
            Whether a level not seen in training is encoded as unknown or refused.
        found : dict, optional
            Is given the level numbers of the rows in each column with statistics.

        Returns
        -------
        array [rows, features]
            New and C-ordered; NaN for a missing number.

        Raises
        ------
        DataError
            There is a level that was not seen in training, and `unknown` is "error".
        """
        block = self.columns_block(frame, rows, unknown, {} if found is None else found)
        if self.neighbors is not None:
            block[:, self.columns_end :] = self.neighbors.of(block[:, self.starts])
        return block

    def columns_block(self, frame: Frame, rows: slice, unknown: Unknown, found: dict[int, Codes]) -> Block:
        """Return the same array as `block`, except that its neighbor features are not filled."""
        if frame.matrix is not None and self.schema.is_numeric:
            is_new = not isinstance(frame.matrix, np.ndarray)
            return self._matrix_block(frame.matrix_rows(rows), found, is_new=is_new)
        block = np.zeros((len(range(*rows.indices(frame.rows))), self.features))
        for place, (given, column) in enumerate(zip(frame.columns, self.schema.columns, strict=True)):
            if column.kind != "category":
                block[:, self.starts[place]] = numbers = given.numbers(rows)
                self._put_beside(block, place, numbers, found)
                if column.parts:
                    clock = column.clock(given, rows, numbers)
                    put_parts(block[:, self.parts_of(place)[0][1] :], column.parts, clock)
                continue
            codes, table = self._codes[place].read(given, rows, unknown), self.statistics[place]
            if table is None:
                known = np.flatnonzero(codes < len(column.levels) + column.missing)
                block[known, self.starts[place] + codes[known]] = 1.0
            else:
                block[:, self.statistics_of(place)] = table[codes]
                found[place] = codes
            if self.has_level_numbers:
                block[:, self.columns_end + self.categories.index(place)] = codes
        return block

    def _put_beside(self, block: Block, place: int, numbers: NDArray[np.float64], found: dict[int, Codes]) -> None:
        """Fill the missing indicator and the statistics of a column of numbers or dates, if it has them."""
        codes, table = self._codes[place], self.statistics[place]
        if self.schema.columns[place].missing:
            block[:, self.starts[place] + 1] = np.isnan(numbers)
        if table is not None and isinstance(codes, ValueCodes):
            found[place] = codes.of(numbers)
            block[:, self.statistics_of(place)] = table[found[place]]

    def takes_rows_as_they_are(self, frame: Frame) -> bool:
        """Return whether the core can read a table without encoding; if so, the core refuses infinite numbers."""
        if frame.matrix is None or frame.order is not None or not self.schema.is_numeric:
            return False
        if self._wider or self.neighbors is not None:
            return False
        if not isinstance(frame.matrix, np.ndarray):
            return False
        is_float = frame.matrix.dtype in (np.float32, np.float64)  # False if the byte order is not this machine's
        return is_float and frame.matrix.flags.c_contiguous and self.schema.missing == "indicator"

    def level_codes(self, frame: Frame, place: int) -> Codes:
        """Return the level number of each row of a column: int32 [rows]."""
        column = frame.columns[place]
        return np.concatenate([self._codes[place].read(column, slice(*each)) for each in blocks(column.rows)])

    @cached_property
    def _codes(self) -> tuple[LevelCodes | ValueCodes, ...]:
        return tuple(codes_of(column) for column in self.schema.columns)

    @cached_property
    def _wider(self) -> list[int]:
        """The positions of the columns that have more than one feature, in order."""
        ends = [*self.starts[1:], self.columns_end]
        return [place for place, (start, end) in enumerate(zip(self.starts, ends, strict=True)) if end > start + 1]

    def _matrix_block(self, rows: NDArray[Any], found: dict[int, Codes], *, is_new: bool) -> Block:
        """Return the features of rows of an all-numeric table, without a loop over all columns.

        `is_new` says that only the caller uses the array `rows`, so the result may share its memory.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            values = (np.asarray if is_new else np.array)(rows, np.float64, order="C")
        if not self._wider and self.neighbors is None:
            return values
        block = np.empty((len(rows), self.features))
        ends = [place + 1 for place in self._wider] + [values.shape[1]]
        for begin, end in zip([0, *ends], ends, strict=False):  # runs of columns whose values are adjacent features
            if begin < end:
                start = self.starts[begin]
                block[:, start : start + end - begin] = values[:, begin:end]
        for place in self._wider:
            self._put_beside(block, place, values[:, place], found)
        return block

    @property
    def _which(self) -> list[str]:
        """The part of each statistic's name that says which target the statistic describes."""
        return [f" {target}" for target in self.targets] if len(self.targets) > 1 else [""]

    def _name_of(self, place: int) -> str:
        return f"x{place}" if self.schema.names is None else self.schema.names[place]

    def _names_of(self, place: int) -> list[str]:
        column, name = self.schema.columns[place], self._name_of(place)
        statistics = [*(f"{name}: target mean{which}" for which in self._which), f"{name}: log count"]
        if self.statistics[place] is None:
            statistics = []
        elif column.kind == "category":
            return statistics
        names = [f"{name}={level}" for level in column.levels] if column.kind == "category" else [name]
        parts = [f"{name}: {each}" for part in column.parts for each in part_names(part)]
        return names + [f"{name} is missing"] * column.missing + parts + statistics


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingEncoding(Encoding):
    """An encoding with the table from which it was learned, and the features of its training rows.

    Attributes
    ----------
    frame : Frame
    crossfit : tuple of (array [rows, k + 1] or None)
        For each column with many levels, the statistics that each row of the table has in training; None for other
        columns.
    near : array [rows, k + 1] or None
        The neighbor features that each row of the table has in training.
    known : Neighbors or None
        The neighbors for prediction, which include validation rows.
    """

    frame: Frame
    crossfit: tuple[NDArray[np.float64] | None, ...]
    near: NDArray[np.float64] | None = None
    known: Neighbors | None = None

    @cached_property
    def predicting(self) -> Encoding:
        """The encoding for prediction, shared by all trained networks; it has no reference to the training frame."""
        return Encoding(self.schema, self.statistics, self.targets, self.known or self.neighbors)

    def fitting_block(self, rows: slice) -> Block:
        """Return the features of a block of rows for training: array [rows, features], new and C-ordered.

        A training row has cross-fitted statistics, and is not its own neighbor; every other row has the features of
        `Encoding.block`.
        """
        block = self.columns_block(self.frame, rows, "bucket", {})
        if self.near is not None:
            block[:, self.columns_end :] = self.near[rows]
        for place, statistics in enumerate(self.crossfit):
            if statistics is not None:
                block[:, self.statistics_of(place)] = statistics[rows]
        return block


def learn_encoding(
    table: Table, schema: Schema, training: NDArray[np.int64], validation: NDArray[np.int64] | None = None
) -> TrainingEncoding:
    """Return the encoding of the table from which the schema was learned.

    Rows of one of the table's groups never see each other's target in the statistics, and equal rows of one group are
    not neighbors.

    Parameters
    ----------
    training : int64 array
        Row numbers without duplicates, in the order in which they are dealt out into parts for the target statistics.
        The order should be random.
    validation : int64 array, optional
        Rows of this table that become neighbors after training.
    """
    many = [place for place, column in enumerate(schema.columns) if column.is_many_level]
    tables: list[NDArray[np.float64] | None] = [None] * len(schema.columns)
    crossfit = tables.copy()
    bare = Encoding(schema, tuple(tables), ())
    if not many and not schema.neighbors:
        return TrainingEncoding(schema, bare.statistics, (), frame=table.frame, crossfit=bare.statistics)
    targets = prepare_targets(table.y, table.classes, training, table.weights, table.groups)
    for place in many:
        codes = bare.level_codes(table.frame, place)
        tables[place], crossfit[place] = level_statistics(targets, codes, len(schema.columns[place].levels), place)
    learned = TrainingEncoding(schema, tuple(tables), targets.chosen, frame=table.frame, crossfit=tuple(crossfit))
    if not schema.neighbors:
        return learned
    rows = training if validation is None else np.concatenate([training, np.setdiff1d(validation, training)])
    numbers = table.frame.all_numbers()
    neighbors, near = learn_neighbors(numbers, targets, table.groups)
    known = extended(neighbors, numbers, prepare_targets(table.y, table.classes, rows, table.weights))
    return replace(learned, neighbors=neighbors, near=near, known=known)


def blocks_for(encodings: Sequence[Encoding], frame: Frame, rows: slice, unknown: Unknown = "bucket") -> list[Block]:
    """Return the block of rows in each of several encodings, which differ only in their statistics.

    Cells are read and levels are looked up only once. The arguments and errors are those of `Encoding.block`.
    """
    found: dict[int, Codes] = {}
    first = encodings[0].block(frame, rows, unknown, found)
    several = [first, *(first.copy() for _ in encodings[1:])]
    for encoding, block in zip(encodings[1:], several[1:], strict=True):
        for place, codes in found.items():
            block[:, encoding.statistics_of(place)] = cast(Block, encoding.statistics[place])[codes]
    return several


def codes_of(column: ColumnSchema) -> LevelCodes | ValueCodes:
    """Return the object that numbers the levels of a column."""
    if column.kind != "category":
        return ValueCodes(cast(tuple[float, ...], column.levels))
    return LevelCodes(cast(tuple[str, ...], column.levels))


def encoding_parts(encoding: Encoding) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    """Return the parts that `encoding_from_parts` reads: a dict for JSON, and a dict of named arrays."""
    _, tables = statistics_parts(encoding)
    tables |= neighbors_parts(encoding.neighbors)
    schema = encoding.schema.without_dtypes.to_json()  # so that a file's bytes do not depend on the table's library
    return {"schema": schema, "targets": list(encoding.targets)}, tables


def statistics_parts(encoding: Encoding) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    """Return the parts of the statistics alone, which `with_statistics` reads."""
    tables = {f"statistics.{place}": table for place, table in enumerate(encoding.statistics) if table is not None}
    return {"targets": list(encoding.targets)}, tables


def encoding_from_parts(data: Any, arrays: Mapping[str, NDArray[Any]]) -> Encoding:
    """Return an encoding from a model file, which is not trusted.

    Raises
    ------
    ValueError
        The parts are not what `encoding_parts` writes; the message says why.
    """
    check_schema(
        isinstance(data, dict) and data.keys() == {"schema", "targets"},
        "the encoding has missing or unexpected entries",
    )
    schema, targets = schema_from_json(data["schema"]), _targets(data["targets"])
    neighbors = neighbors_from_parts(arrays, len(schema.columns), len(targets)) if schema.neighbors else None
    tables = {name: array for name, array in arrays.items() if name not in neighbors_parts(neighbors)}
    return Encoding(schema, _statistics(schema, targets, tables), targets, neighbors)


def with_statistics(encoding: Encoding, data: Any, arrays: Mapping[str, NDArray[Any]]) -> Encoding:
    """Return an encoding with other statistics, from a model file, which is not trusted.

    Raises
    ------
    ValueError
        The parts are not what `statistics_parts` writes; the message says why.
    """
    check_schema(
        isinstance(data, dict) and data.keys() == {"targets"}, "the statistics have missing or unexpected entries"
    )
    targets = _targets(data["targets"])
    check_schema(len(targets) == len(encoding.targets), "the folds have statistics of different numbers of targets")
    return replace(encoding, statistics=_statistics(encoding.schema, targets, arrays), targets=targets)


def _targets(targets: Any) -> tuple[int, ...]:
    check_schema(isinstance(targets, list) and len(targets) <= MOST_STATISTICS, "the encoding has no list of targets")
    check_schema(all(type(target) is int and 0 <= target < 2**31 for target in targets), "target index out of range")
    check_schema(targets == sorted(set(targets)), "targets are not sorted and unique")
    return tuple(targets)


def _statistics(
    schema: Schema, targets: tuple[int, ...], arrays: Mapping[str, NDArray[Any]]
) -> tuple[NDArray[np.float64] | None, ...]:
    """Return the statistics of each column, or None for columns without them; `arrays` must have no other arrays."""
    many = {f"statistics.{place}" for place, column in enumerate(schema.columns) if column.is_many_level}
    check_schema(bool(targets) == (bool(many) or schema.neighbors), "targets do not match the columns")
    check_schema(arrays.keys() == many, f"arrays {sorted(arrays)} are not those of the columns with many levels")
    tables = [arrays.get(f"statistics.{place}") for place in range(len(schema.columns))]
    for place, (column, table) in enumerate(zip(schema.columns, tables, strict=True)):
        if table is None:
            continue
        name, shape = f"statistics.{place}", (len(column.levels) + 2, len(targets) + 1)
        is_right = table.dtype == np.float64 and table.shape == shape
        check_schema(is_right, f"{name} is {table.dtype} of shape {table.shape}")
        check_schema(bool(np.isfinite(table).all()), f"{name} holds NaN or infinity")
        check_schema(bool((table[:, -1] >= 0).all()), f"{name} holds a negative count")
    return tuple(tables)
