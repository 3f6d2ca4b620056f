"""Encodes the columns of a table as features of the network: numbers, zeros and ones, and statistics.

    number                             its value, NaN if missing; an indicator of missing cells, if training had any;
                                       target statistics and log count, if its values are also levels (schema.py)
    date                               its days since 1970-01-01; an indicator of missing cells, if training had any;
                                       its parts, such as the month (date_parts.py)
    text                               components of its words and characters (text_features.py); an indicator of
                                       missing cells, if training had any
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
ARRAYS. The encodings of several folds differ only in what they learned from their training rows: target statistics and
the components of text. So only these are written for the second fold and those after it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ash._utils.cached import cached_property
from ash.data.columns import blocks
from ash.data.frames import Frame
from ash.data.table import Table
from ash.encoding.date_parts import width
from ash.encoding.kinds import Feature, check_schema
from ash.encoding.level_codes import Codes
from ash.encoding.neighbors import Neighbors, extended, learn_neighbors, neighbors_from_parts, neighbors_parts
from ash.encoding.schema import Schema, schema_from_json
from ash.encoding.target_statistics import MOST_STATISTICS, level_statistics, prepare_targets
from ash.encoding.text_features import Arrays
from ash.options import Unknown

Block: TypeAlias = NDArray[np.float64]

ARRAYS = ("statistics.", "neighbors.", "learned.")


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
    learned : dict or None
        The arrays that a column's kind has learned from the training rows (`ColumnKind.learned`), by the column's index
        and the array's name.
    plain : Encoding or None
        If the last features are the level numbers of the categories, the same encoding without them. Level numbers are
        in order of the levels from 0, then one for missing cells and one for unknown levels.
    """

    schema: Schema
    statistics: tuple[NDArray[np.float64] | None, ...]
    targets: tuple[int, ...]
    neighbors: Neighbors | None = None
    learned: Mapping[int, Arrays] | None = None
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
        names = [name for features in self._features for name, _ in features]
        if self.neighbors is not None:
            names += [*(f"neighbors: target mean{which}" for which in self._which), "neighbors: closeness"]
        if self.has_level_numbers:
            names += [f"{self._name_of(place)}: level" for place in self.categories]
        return tuple(names)

    @cached_property
    def scaled(self) -> NDArray[np.bool_]:
        """Whether to scale and clip each feature, bool [features]; false for indicators and one-hot features."""
        own = [is_scaled for features in self._features for _, is_scaled in features]
        return np.array(own + [self.neighbors is not None] * (self.features - len(own)), np.bool_)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The index of the first feature of each column."""
        return tuple(int(start) for start in np.cumsum([0, *map(len, self._features[:-1])]))

    @property
    def columns_end(self) -> int:
        """Number of features that encode single columns; neighbor features or level numbers follow them."""
        levels = len(self.categories) if self.has_level_numbers else 0
        return self.features - levels - (0 if self.neighbors is None else self.neighbors.features)

    def statistics_of(self, place: int) -> slice:
        """Return the slice of features that are statistics of a column; the slice is empty if there are none."""
        table, stop = self.statistics[place], self.starts[place] + self.width(place)
        return slice(stop - (0 if table is None else table.shape[1]), stop)

    def features_of(self, place: int) -> list[int]:
        """Return the indices of the features of a column, without neighbor features."""
        own = list(range(self.starts[place], self.starts[place] + self.width(place)))
        if self.has_level_numbers and place in self.categories:
            own.append(self.columns_end + self.categories.index(place))
        return own

    def width(self, place: int) -> int:
        """Return how many features a column has."""
        return len(self._features[place])

    def parts_of(self, place: int) -> list[tuple[str, int]]:
        """Return the parts of a date column, each with the index of its first feature."""
        column = self.schema.columns[place]
        widths = [1 + column.missing, *map(width, column.parts)]
        return [(part, self.starts[place] + sum(widths[: at + 1])) for at, part in enumerate(column.parts)]

    def block(
        self, frame: Frame, rows: slice, unknown: Unknown = "bucket", found: dict[int, Any] | None = None
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
            Is given what was read of the rows in each column whose features differ between folds.

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

    def columns_block(self, frame: Frame, rows: slice, unknown: Unknown, found: dict[int, Any]) -> Block:
        """Return the same array as `block`, except that its neighbor features are not filled."""
        if frame.matrix is not None and self.schema.is_numeric:
            is_new = not isinstance(frame.matrix, np.ndarray)
            return self._matrix_block(frame.matrix_rows(rows), found, is_new=is_new)
        block = np.zeros((len(range(*rows.indices(frame.rows))), self.features))
        for place, (given, column) in enumerate(zip(frame.columns, self.schema.columns, strict=True)):
            cells = column.rules.read(column, given, rows, unknown)
            self.put(block, place, cells)
            if self.differs_between_folds(place):
                found[place] = cells
            if self.has_level_numbers and place in self.categories:
                block[:, self.columns_end + self.categories.index(place)] = cells
        return block

    def put(self, block: Block, place: int, cells: Any) -> None:
        """Write the features of a column into `block` [rows, features]; `cells` is what its kind has read."""
        column, start = self.schema.columns[place], self.starts[place]
        own = block[:, start : start + self.width(place)]
        column.rules.put(own, column, cells, self.statistics[place], (self.learned or {}).get(place, {}))

    def differs_between_folds(self, place: int) -> bool:
        """Return whether a column has features that depend on the training rows of a fold."""
        return self.statistics[place] is not None or place in (self.learned or {})

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
        codes = self.schema.columns[place].codes
        return np.concatenate([codes.read(column, slice(*each)) for each in blocks(column.rows)])

    @cached_property
    def _wider(self) -> list[int]:
        """The positions of the columns that have more than one feature, in order."""
        ends = [*self.starts[1:], self.columns_end]
        return [place for place, (start, end) in enumerate(zip(self.starts, ends, strict=True)) if end > start + 1]

    def _matrix_block(self, rows: NDArray[Any], found: dict[int, Any], *, is_new: bool) -> Block:
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
            self.put(block, place, values[:, place])
            if self.differs_between_folds(place):
                found[place] = values[:, place]
        return block

    @property
    def _which(self) -> list[str]:
        """The part of each statistic's name that says which target the statistic describes."""
        return [f" {target}" for target in self.targets] if len(self.targets) > 1 else [""]

    def _name_of(self, place: int) -> str:
        return f"x{place}" if self.schema.names is None else self.schema.names[place]

    @cached_property
    def _features(self) -> list[list[Feature]]:
        """The features of each column."""
        features = []
        for place, column in enumerate(self.schema.columns):
            name = self._name_of(place)
            statistics = [*(f"{name}: target mean{which}" for which in self._which), f"{name}: log count"]
            features.append(column.rules.features(column, name, [] if self.statistics[place] is None else statistics))
        return features


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
        return Encoding(self.schema, self.statistics, self.targets, self.known or self.neighbors, self.learned)

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
    learned = _learn(schema, table.frame, np.sort(training))
    if not many and not schema.neighbors:
        none = bare.statistics
        return TrainingEncoding(schema, none, (), learned=learned, frame=table.frame, crossfit=none)
    targets = prepare_targets(table.y, table.classes, training, table.weights, table.groups)
    for place in many:
        codes = bare.level_codes(table.frame, place)
        tables[place], crossfit[place] = level_statistics(targets, codes, len(schema.columns[place].levels), place)
    encoding = TrainingEncoding(
        schema, tuple(tables), targets.chosen, learned=learned, frame=table.frame, crossfit=tuple(crossfit)
    )
    if not schema.neighbors:
        return encoding
    rows = training if validation is None else np.concatenate([training, np.setdiff1d(validation, training)])
    numbers = table.frame.all_numbers()
    neighbors, near = learn_neighbors(numbers, targets, table.groups)
    known = extended(neighbors, numbers, prepare_targets(table.y, table.classes, rows, table.weights))
    return replace(encoding, neighbors=neighbors, near=near, known=known)


def _learn(schema: Schema, frame: Frame, training: NDArray[np.int64]) -> dict[int, Arrays]:
    """Return the arrays that the kinds of columns learn from the training rows, by the column's index."""
    kinds = {place: column.rules for place, column in enumerate(schema.columns) if column.rules.learned}
    return {place: kind.learn_arrays(frame.columns[place], training) for place, kind in kinds.items()}


def blocks_for(encodings: Sequence[Encoding], frame: Frame, rows: slice, unknown: Unknown = "bucket") -> list[Block]:
    """Return the block of rows in each of several encodings, which differ only in what each fold learned.

    Cells are read only once. The arguments and errors are those of `Encoding.block`.
    """
    found: dict[int, Any] = {}
    first = encodings[0].block(frame, rows, unknown, found)
    several = [first, *(first.copy() for _ in encodings[1:])]
    for encoding, block in zip(encodings[1:], several[1:], strict=True):
        for place, cells in found.items():
            encoding.put(block, place, cells)
    return several


def encoding_parts(encoding: Encoding) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the parts that `encoding_from_parts` reads: a dict for JSON, and a dict of named arrays."""
    _, tables = statistics_parts(encoding)
    tables |= neighbors_parts(encoding.neighbors)
    schema = encoding.schema.without_dtypes.to_json()  # so that a file's bytes do not depend on the table's library
    return {"schema": schema, "targets": list(encoding.targets)}, tables


def statistics_parts(encoding: Encoding) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the parts in which folds differ, which `with_statistics` reads."""
    tables: dict[str, NDArray[Any]] = {
        f"statistics.{place}": table for place, table in enumerate(encoding.statistics) if table is not None
    }
    for place, arrays in (encoding.learned or {}).items():
        tables |= {f"learned.{place}.{name}": array for name, array in arrays.items()}
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
    statistics, learned = _of_fold(schema, targets, tables)
    return Encoding(schema, statistics, targets, neighbors, learned)


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
    statistics, learned = _of_fold(encoding.schema, targets, arrays)
    return replace(encoding, statistics=statistics, targets=targets, learned=learned)


def _targets(targets: Any) -> tuple[int, ...]:
    check_schema(isinstance(targets, list) and len(targets) <= MOST_STATISTICS, "the encoding has no list of targets")
    check_schema(all(type(target) is int and 0 <= target < 2**31 for target in targets), "target index out of range")
    check_schema(targets == sorted(set(targets)), "targets are not sorted and unique")
    return tuple(targets)


def _of_fold(
    schema: Schema, targets: tuple[int, ...], arrays: Mapping[str, NDArray[Any]]
) -> tuple[tuple[NDArray[np.float64] | None, ...], dict[int, Arrays]]:
    """Return the statistics and the learned arrays; there must be no others."""
    rest, found = dict(arrays), dict[int, Arrays]()
    for place, column in enumerate(schema.columns):
        if names := column.rules.learned:
            own = {name: rest.pop(f"learned.{place}.{name}", None) for name in names}
            there = {name: array for name, array in own.items() if array is not None}
            check_schema(len(there) == len(names), f"column {place} lacks arrays of {', '.join(names)}")
            wrong = column.rules.check_arrays(there)
            check_schema(not wrong, f"column {place}, {column.kind}: {wrong}")
            found[place] = there
    return _statistics(schema, targets, rest), found


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
