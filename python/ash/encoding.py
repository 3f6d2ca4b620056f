"""Columns of a table become the features of the network: numbers, zeros and ones, statistics.

    number                             its value, NaN where missing; then 1 where missing, if cells were in training
    category of at most 32 levels      a 1 for its level, a 0 for the others; then 1 where missing, if cells were
    category of more levels            its target statistics; log(1 + weight of its training rows)

Features come column by column in the order of the table. An unknown level has zeros only, or the priors of the target
and log(1) = 0. With many levels, missing is a level of its own.

Training rows have other statistics in training (target_statistics.py), which only a ``TrainingEncoding`` knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ash.columns import Column, blocks
from ash.frames import Frame
from ash.levels import LevelCodes, put_ones
from ash.schema import ColumnSchema, Schema, Unknown, require, schema_from_json
from ash.target_statistics import (
    MOST_STATISTICS,
    choose_targets,
    ordered_statistics,
    prepare_targets,
    total_statistics,
)

ONE_HOT_LEVELS = 32
"""A category of more levels has statistics: as many ones and zeros would be mostly zeros, in a wide first layer."""
Block: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Encoding:
    """How the columns of a table become features.

    Attributes
    ----------
    schema : Schema
    statistics : tuple of (array [levels + 2, k + 1] or None)
        One a column: for a category of many levels k target statistics and a log count of each level, of missing and
        of unknown levels; else None.
    targets : tuple of int
        Which outputs, or which classes, the k statistics are of.
    """

    schema: Schema
    statistics: tuple[NDArray[np.float64] | None, ...]
    targets: tuple[int, ...]

    @cached_property
    def features(self) -> int:
        """Number of features."""
        return len(self.names)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the features, such as "age", "age is missing", "color=red", "city: target mean"."""
        return tuple(name for place in range(len(self.schema.columns)) for name in self._names_of(place))

    @cached_property
    def scaled(self) -> NDArray[np.bool_]:
        """Which features are to be scaled and clipped: numbers and statistics, not zeros and ones; bool [features]."""
        scaled = np.zeros(self.features, np.bool_)
        for column, table, start in zip(self.schema.columns, self.statistics, self.starts, strict=True):
            if table is not None:
                scaled[start : start + table.shape[1]] = True
            elif column.kind == "number":
                scaled[start] = True
        return scaled

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The first feature of each column."""
        widths = [len(self._names_of(place)) for place in range(len(self.schema.columns))]
        return tuple(int(start) for start in np.cumsum([0, *widths[:-1]]))

    def block(self, frame: Frame, rows: slice, unknown: Unknown = "bucket") -> Block:
        """Return the features of a block of rows of a table that the schema has checked.

        Parameters
        ----------
        frame : Frame
        rows : slice
            Without a step.
        unknown : "bucket" or "error"
            Whether a level that was not seen in training is encoded as unknown or refused.

        Returns
        -------
        array [rows, features]
            New and C-ordered; NaN for a missing number.

        Raises
        ------
        DataError
            A level that was not seen in training, if it is refused.
        """
        if frame.matrix is not None and self.schema.is_numeric:
            return self._matrix_block(frame.matrix_rows(rows))
        block = np.zeros((len(range(*rows.indices(frame.rows))), self.features))
        for place, (given, column) in enumerate(zip(frame.columns, self.schema.columns, strict=True)):
            start, table = self.starts[place], self.statistics[place]
            if column.kind == "number":
                block[:, start] = given.numbers(rows)
                if column.missing:
                    block[:, start + 1] = np.isnan(block[:, start])
                continue
            codes = self.codes[place].read(given, rows, unknown)
            if table is None:
                put_ones(block[:, start:], codes, len(column.levels) + column.missing)
            else:
                block[:, start : start + table.shape[1]] = table[codes]
        return block

    def takes_rows_as_they_are(self, frame: Frame) -> bool:
        """Whether the rows of a table are the features, in a form that the core reads: it then checks them as well."""
        if frame.matrix is None or frame.order is not None or not self.schema.is_numeric or self._with_gaps:
            return False
        is_float = frame.matrix.dtype in (np.float32, np.float64)  # of this machine's byte order
        return is_float and frame.matrix.flags.c_contiguous and self.schema.missing == "indicator"

    def put_values(self, frame: Frame, rows: slice, values: Block) -> None:
        """Put some rows of each column into one of `values` [rows, at least columns]: numbers, or numbers of levels."""
        for place, (given, column) in enumerate(zip(frame.columns, self.schema.columns, strict=True)):
            is_number = column.kind == "number"
            values[:, place] = given.numbers(rows) if is_number else self.codes[place].read(given, rows)

    @cached_property
    def codes(self) -> tuple[LevelCodes, ...]:
        """The numbers of the levels of each column."""
        return tuple(LevelCodes(column.levels) for column in self.schema.columns)

    @cached_property
    def _with_gaps(self) -> list[int]:
        return [place for place, column in enumerate(self.schema.columns) if column.missing]

    def _matrix_block(self, rows: NDArray[Any]) -> Block:
        """Return a block of a table of numbers only, without a step for each column."""
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.array(rows, np.float64, order="C")
        if not self._with_gaps:
            return values
        block, begin = np.empty((len(rows), self.features)), 0
        for indicators, end in enumerate([*(place + 1 for place in self._with_gaps), values.shape[1]]):
            block[:, begin + indicators : end + indicators] = values[:, begin:end]
            begin = end
        block[:, [self.starts[place] + 1 for place in self._with_gaps]] = np.isnan(values[:, self._with_gaps])
        return block

    def _names_of(self, place: int) -> list[str]:
        column, name = self.schema.columns[place], f"x{place}"
        if self.schema.names is not None:
            name = self.schema.names[place]
        if self.statistics[place] is not None:
            which = [f" {target}" for target in self.targets] if len(self.targets) > 1 else [""]
            return [f"{name}: target mean{target}" for target in which] + [f"{name}: log count"]
        names = [name] if column.kind == "number" else [f"{name}={level}" for level in column.levels]
        return [*names, f"{name} is missing"] if column.missing else names


@dataclass(frozen=True, eq=False)
class TrainingEncoding:
    """An encoding, and the table that it was learned from with the statistics to train with.

    Attributes
    ----------
    encoding : Encoding
    frame : Frame
    ordered : tuple of (array [rows, k] or None)
        One a column: for a category of many levels the statistics of each row in training.
    """

    encoding: Encoding
    frame: Frame
    ordered: tuple[NDArray[np.float64] | None, ...]

    def fitting_block(self, rows: slice) -> Block:
        """Return the features of a block of rows to fit with: array [rows, features], new and C-ordered.

        A training row has the statistics of the training rows before it; every other row those of `Encoding.block`.
        """
        block = self.encoding.block(self.frame, rows)
        for start, statistics in zip(self.encoding.starts, self.ordered, strict=True):
            if statistics is not None:
                block[:, start : start + statistics.shape[1]] = statistics[rows]
        return block


def learn_encoding(
    schema: Schema,
    frame: Frame,
    *,
    targets: NDArray[np.float64],
    classes: int,
    training: NDArray[np.int64],
    weights: NDArray[np.float64] | None = None,
) -> TrainingEncoding:
    """Return the encoding of a table that the schema was learned from.

    Parameters
    ----------
    targets : array [rows, outputs]
        Class numbers in the first column for classification.
    classes : int
        0 for regression.
    training : int64 array
        Row numbers without repetition, in the order of the statistics, which should be random.
    weights : array [rows], optional
        At least 0; 1 each if not given.
    """
    many = [is_many_level(column) for column in schema.columns]
    if not any(many):
        nothing = (None,) * len(many)
        return TrainingEncoding(Encoding(schema, nothing, ()), frame, nothing)
    chosen = choose_targets(targets, classes, training, weights)
    prepared = prepare_targets(targets, classes, chosen, training, weights)
    bare = Encoding(schema, (None,) * len(many), chosen)
    tables: list[NDArray[np.float64] | None] = [None] * len(many)
    ordered = tables.copy()
    for place in np.flatnonzero(many).tolist():
        codes = _all_codes(bare.codes[place], frame.columns[place])
        table = total_statistics(prepared, codes, len(schema.columns[place].levels))
        tables[place], ordered[place] = table, ordered_statistics(prepared, codes, table)
    return TrainingEncoding(Encoding(schema, tuple(tables), chosen), frame, tuple(ordered))


def is_many_level(column: ColumnSchema) -> bool:
    """Whether a column becomes statistics instead of zeros and ones."""
    return len(column.levels) > ONE_HOT_LEVELS


def encoding_parts(encoding: Encoding) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    """Return what `encoding_from_parts` reads: a table for JSON, and arrays by name."""
    tables = {f"statistics.{place}": table for place, table in enumerate(encoding.statistics) if table is not None}
    return {"schema": encoding.schema.to_json(), "targets": list(encoding.targets)}, tables


def encoding_from_parts(data: Any, arrays: Mapping[str, NDArray[Any]]) -> Encoding:
    """Return an encoding out of a model file, which may come from anybody.

    Raises
    ------
    ValueError
        It is not what `encoding_parts` writes; says why.
    """
    require(isinstance(data, dict) and data.keys() == {"schema", "targets"}, "the encoding has other entries")
    schema, targets = schema_from_json(data["schema"]), data["targets"]
    require(isinstance(targets, list) and len(targets) <= MOST_STATISTICS, "the encoding has no list of targets")
    require(all(type(target) is int and 0 <= target < 2**31 for target in targets), "a target is no number of one")
    require(targets == sorted(set(targets)), "targets are not sorted and unique")
    many = {f"statistics.{place}" for place, column in enumerate(schema.columns) if is_many_level(column)}
    require(bool(targets) == bool(many), "targets do not fit the columns")
    require(arrays.keys() == many, f"arrays {sorted(arrays)} are not those of the columns with many levels")
    tables = [arrays.get(f"statistics.{place}") for place in range(len(schema.columns))]
    for place, (column, table) in enumerate(zip(schema.columns, tables, strict=True)):
        if table is not None:
            _check_table(table, (len(column.levels) + 2, len(targets) + 1), f"statistics.{place}")
    return Encoding(schema, tuple(tables), tuple(targets))


def _check_table(table: NDArray[Any], shape: tuple[int, int], name: str) -> None:
    require(table.dtype == np.float64 and table.shape == shape, f"{name} is {table.dtype} of shape {table.shape}")
    require(bool(np.isfinite(table).all()), f"{name} holds NaN or infinity")
    require(bool((table[:, -1] >= 0).all()), f"{name} holds a negative count")


def _all_codes(codes: LevelCodes, column: Column) -> NDArray[np.int32]:
    return np.concatenate([codes.read(column, slice(first, stop)) for first, stop in blocks(column.rows)])
