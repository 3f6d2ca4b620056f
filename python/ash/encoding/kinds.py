"""Describes the kinds of columns: each is one object with all that is particular to it, in the table KINDS.

    number      its value; statistics of the target, if its values are also levels (schema.py)
    category    one-hot encoded, or statistics of the target
    date        days since 1970-01-01, and parts of the date (date_parts.py)
    text        components of its words and characters (text_features.py)

A kind says how a column is learned, which features it has, how these are computed, how `ash.describe` explains them,
and what a model file holds. A kind that KINDS lacks is an error. How the cells of a column are read, as numbers, dates
or text, is a matter of `ash.data.columns`: free text and categories are both read as text.
"""

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ash._utils.aliases import Numbers
from ash._utils.cached import cached_property
from ash._utils.checks import is_list_of
from ash.data.columns import CellColumn, Column, DateColumn, Kind, blocks
from ash.data.dates import ANY_ZONE, DateSpelling, OwnOffsets, TimeZone, date_spelling_from_json, zone_from_json
from ash.data.sentences import is_free_text
from ash.data.spelling import NumberSpelling, Spelling, is_gap, plain_text, spelling_from_json
from ash.encoding.date_parts import LEVELS, PARTS, part_names, put_parts, varying_parts
from ash.encoding.level_codes import Codes, LevelCodes, ValueCodes
from ash.encoding.text_features import (
    COMPONENTS,
    LEARNED_ROWS,
    Arrays,
    GramCounts,
    check_text,
    count_grams,
    learn_text,
    text_block,
    text_number,
)
from ash.errors import DataError
from ash.options import Unknown

MOST_LEVELS = 2**16
ISO = DateSpelling("ymd")
ONE_HOT_LEVELS = 32
"""A category with more levels than this has target statistics, since one-hot features would be mostly zeros and would
make the first layer wide."""
Feature = tuple[str, bool]
"""The name of a feature, and whether it is scaled."""


@dataclass(frozen=True)
class ColumnSchema:
    """The properties of a column in training.

    Attributes
    ----------
    kind : str
        One of KINDS: "number", "category", "date" or "text".
    dtype : str
        The name of the column's type in the library of the table; empty in a loaded model.
    levels : tuple of str, or of float
        The levels, sorted; empty for dates, free text and most columns of numbers.
    missing : bool
        Whether any cells were missing.
    spelling : Spelling or None
        How text spells the numbers or dates of the column; None if the text has the format of Python or ISO 8601, or if
        there is no such text.
    parts : tuple of str
        The parts of a date that are features (date_parts.py).
    zone : TimeZone, OwnOffsets or None
        The time zone whose wall clock the parts come from; None if times have no zone.
    """

    kind: str
    dtype: str
    levels: tuple[str, ...] | tuple[float, ...] = ()
    missing: bool = False
    # Not in the repr, which journals hash: the spelling has no effect on a run beyond the parsed numbers.
    spelling: Spelling | None = field(default=None, repr=False)
    parts: tuple[str, ...] = field(default=(), repr=False)
    zone: TimeZone | OwnOffsets | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields, without what is computed from them."""
        return {name: value for name, value in vars(self).items() if name != "codes"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickle; a column of dates in a pickle of an earlier version has the zone `ANY_ZONE`."""
        vars(self).update({"zone": ANY_ZONE if state["kind"] == "date" else None} | state)

    @property
    def rules(self) -> "ColumnKind":
        """What is particular to the column's kind."""
        return kind_named(self.kind)

    @property
    def reads(self) -> Kind:
        """How the cells are read: as numbers, as dates, or as text like those of a category."""
        return self.rules.reads

    @cached_property
    def codes(self) -> LevelCodes | ValueCodes:
        """Numbers the levels."""
        return LevelCodes(self.levels) if self.reads == "category" else ValueCodes(self.levels)  # type: ignore[arg-type]

    @property
    def is_many_level(self) -> bool:
        """Whether the column has target statistics, since it has too many levels for one-hot encoding."""
        return len(self.levels) > ONE_HOT_LEVELS

    @property
    def has_plain_level(self) -> bool:
        """Whether a number or a boolean can be one of the column's levels."""
        return self.reads == "category" and any(plain_text(str(level)) == level for level in self.levels)

    def is_missing(self, cell: str | None) -> bool:
        """Return whether a cell of this column, which is read as text, counts as missing."""
        return cell is None or (is_gap(cell) and cell not in self.levels)

    def of(self, given: Column, name: str = "X") -> Column:
        """Return `given`, the same column of another table, with text parsed into numbers or dates as in training."""
        if self.reads == "category" or not isinstance(given, CellColumn) or not given.is_text:
            return given
        if self.spelling is not None or self.reads == "date":
            return given.spelled(self.spelling or ISO, name)
        if given.natural == "number":
            return given
        try:
            return given.spelled(NumberSpelling("."), name)
        except DataError:
            return given  # `Schema.read` reports that the column is of another kind

    def clock(self, given: Column, rows: slice, days: Numbers) -> Numbers:
        """Return the days since 1970-01-01 on the clock of this column of dates; `days` has those of the instants."""
        if isinstance(self.zone, OwnOffsets):
            return given.clock(rows) if isinstance(given, DateColumn) else days
        return days if self.zone is None else self.zone.local(days)

    def check_zone(self, given: Column, name: str) -> None:
        """Raise DataError if the times of `given` have a time zone and those of training had none, or vice versa.

        If times had different offsets in training, an offset outside of their range is refused too.
        """
        if not isinstance(given, DateColumn) or self.zone == ANY_ZONE:
            return
        where, zone = f"{name} in {given.label}", self.zone
        if (zone is None) == (given.zone is None):
            if isinstance(zone, OwnOffsets):
                least, most = given.offsets()
                if least < zone.least or most > zone.most:
                    fact = f"times with {OwnOffsets(least, most).name}, but training had {zone.name}"
                    raise DataError(f"{where} holds {fact}: give their local times")
            return
        if np.isnan(given.numbers(slice(None))).all():
            return
        if zone is None:
            todo = "drop the zone, for example by .dt.tz_localize(None), if they are on the clock of training"
            raise DataError(f"{where} holds times with a time zone, but the model was trained on times without: {todo}")
        facts = f"times without a time zone, but the model was trained on times with one ({zone.name})"
        raise DataError(f"{where} holds {facts}: give them a zone, for example by .dt.tz_localize")

    def to_json(self) -> dict[str, Any]:
        """Return the column as JSON that `column_from_json` reads."""
        told = {"kind": self.kind, "dtype": self.dtype, "levels": list(self.levels), "missing": self.missing}
        told |= self.rules.entries(self)
        return told | ({} if self.spelling is None else {"spelling": asdict(self.spelling)})


class ColumnKind(ABC):
    """All that is particular to a kind of column.

    The features of a column are those of `features`. `read` reads the cells of a block of rows, which is done once for
    all folds, and `put` computes the features from what it returned.

    Attributes
    ----------
    reads : "number", "category" or "date"
        How cells are read (ash/data/columns.py): as numbers, as text, or as days since 1970-01-01.
    unexported : str
        Why a model with such a column cannot be exported, as the end of a sentence; empty if it can.
    file_version : int
        The first version of the model file that has this kind (ash/models/file.py).
    may_be_id : bool
        Whether a column with a different cell in each row looks like an id.
    learned : tuple of str
        The names of the arrays that are learned from the training rows of each fold.
    needed, optional : frozenset of str
        The entries in JSON beyond those that each column has.
    """

    reads: ClassVar[Kind]
    unexported: ClassVar[str] = ""
    file_version: ClassVar[int] = 1
    may_be_id: ClassVar[bool] = True
    learned: ClassVar[tuple[str, ...]] = ()
    needed: ClassVar[frozenset[str]] = frozenset()
    optional: ClassVar[frozenset[str]] = frozenset({"spelling"})

    def fits(self, column: Column, counts: Mapping[str | None, int]) -> bool:
        """Return whether a training column is of this kind; `counts` has the cells of a column that is read as text.

        A column is of the last kind in KINDS that fits and that reads cells as the column's values look like.
        """
        return True

    @abstractmethod
    def learn(self, column: Column, levels: tuple[str, ...], has_gap: bool) -> dict[str, Any]:
        """Return the fields of a training column's ColumnSchema that this kind sets.

        `levels` are the most frequent distinct cells of a column that is read as text.
        """

    @abstractmethod
    def features(self, column: ColumnSchema, name: str, statistics: Sequence[str]) -> list[Feature]:
        """Return the features; `statistics` are the names of the target statistics, which come last."""

    @abstractmethod
    def read(self, column: ColumnSchema, given: Column, rows: slice, unknown: Unknown) -> Any:
        """Return what `put` needs of a block of rows."""

    @abstractmethod
    def put(
        self, block: Numbers, column: ColumnSchema, cells: Any, statistics: Numbers | None, learned: Arrays
    ) -> None:
        """Write the features of a block of rows into `block` [rows, features], which is zero."""

    @abstractmethod
    def reason(self, column: ColumnSchema) -> str:
        """Return how a column is encoded, and why."""

    def values(self, column: ColumnSchema, given: Column, rows: slice) -> NDArray[Any]:
        """Return a number for each row, equal for equal cells: by default, the number or a hash of the text."""
        if self.reads != "category":
            return given.numbers(rows)
        return np.array([-1.0 if text is None else text_number(text) for text in texts_of(given, rows)], np.float64)

    def learn_arrays(self, given: Column, training: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return the arrays named in `learned`, learned from the training rows, which are ascending."""
        return {}

    def check_arrays(self, arrays: Arrays) -> str:
        """Return what is wrong with these arrays, which come from a file that is not trusted; empty if nothing is."""
        return ""

    def entries(self, column: ColumnSchema) -> dict[str, Any]:
        """Return the JSON entries of a column beyond those that each column has, and its spelling."""
        return {}

    def check_levels(self, levels: Any) -> bool:
        """Return whether these levels of a column, which come from a file, have the right types."""
        return isinstance(levels, list) and not levels

    def is_count_allowed(self, count: int) -> bool:
        """Return whether a column can have this many levels."""
        return count == 0

    def from_json(self, data: dict[str, Any], where: str) -> dict[str, Any]:
        """Return the fields of ColumnSchema that `entries` wrote, and the spelling, or raise ValueError."""
        check_schema("spelling" not in data, f"{where} is a {data['kind']} with a spelling")
        return {}


class NumberKind(ColumnKind):
    """Numbers and booleans."""

    reads: ClassVar[Kind] = "number"

    def learn(self, column: Column, levels: tuple[str, ...], has_gap: bool) -> dict[str, Any]:
        """Return how the numbers are spelled; `with_recurring` (schema.py) adds levels."""
        return {"spelling": column.spelling}

    def features(self, column: ColumnSchema, name: str, statistics: Sequence[str]) -> list[Feature]:
        """Return the value, an indicator of missing cells, and statistics."""
        gaps = [(f"{name} is missing", False)] * column.missing
        return [(name, True), *gaps, *((each, True) for each in statistics)]

    def read(self, column: ColumnSchema, given: Column, rows: slice, unknown: Unknown) -> Numbers:
        """Return the numbers."""
        return given.numbers(rows)

    def put(
        self, block: Numbers, column: ColumnSchema, cells: Any, statistics: Numbers | None, learned: Arrays
    ) -> None:
        """Write the numbers and what is beside them."""
        block[:, 0] = cells
        self.put_beside(block, column, cells, statistics)

    def put_beside(self, block: Numbers, column: ColumnSchema, numbers: Numbers, statistics: Numbers | None) -> None:
        """Write the indicator of missing cells and the statistics, if there are any."""
        if column.missing:
            block[:, 1] = np.isnan(numbers)
        if statistics is not None and isinstance(column.codes, ValueCodes):
            block[:, block.shape[1] - statistics.shape[1] :] = statistics[column.codes.of(numbers)]

    def reason(self, column: ColumnSchema) -> str:
        """Return that the column is scaled."""
        more = f", and statistics of the target for {len(column.levels)} recurring values" if column.levels else ""
        return f"scaled{more}{_written(column)}"

    def check_levels(self, levels: Any) -> bool:
        """Return whether the levels are finite numbers."""
        return is_list_of(levels, float) and all(map(math.isfinite, levels))

    def is_count_allowed(self, count: int) -> bool:
        """Return whether there are no levels, or too many for one-hot encoding."""
        return not count or count > ONE_HOT_LEVELS

    def from_json(self, data: dict[str, Any], where: str) -> dict[str, Any]:
        """Return the spelling of the numbers."""
        return {"spelling": spelling_from_json(data["spelling"]) if "spelling" in data else None}


class CategoryKind(ColumnKind):
    """Text and categories."""

    reads = "category"

    def learn(self, column: Column, levels: tuple[str, ...], has_gap: bool) -> dict[str, Any]:
        """Return the levels."""
        return {"levels": levels}

    def features(self, column: ColumnSchema, name: str, statistics: Sequence[str]) -> list[Feature]:
        """Return statistics, or an indicator of each level and of missing cells."""
        if statistics:
            return [(each, True) for each in statistics]
        gaps = [(f"{name} is missing", False)] * column.missing
        return [*((f"{name}={level}", False) for level in column.levels), *gaps]

    def read(self, column: ColumnSchema, given: Column, rows: slice, unknown: Unknown) -> Codes:
        """Return the numbers of the levels."""
        return column.codes.read(given, rows, unknown)

    def put(
        self, block: Numbers, column: ColumnSchema, cells: Any, statistics: Numbers | None, learned: Arrays
    ) -> None:
        """Write the statistics of the levels, or a one."""
        if statistics is not None:
            block[:] = statistics[cells]
        else:
            known = np.flatnonzero(cells < len(column.levels) + column.missing)
            block[known, cells[known]] = 1.0

    def reason(self, column: ColumnSchema) -> str:
        """Return whether the column is one-hot encoded."""
        if column.is_many_level:
            return f"statistics of the target: more than {ONE_HOT_LEVELS} levels"
        return f"one-hot encoded: at most {ONE_HOT_LEVELS} levels"

    def values(self, column: ColumnSchema, given: Column, rows: slice) -> NDArray[Any]:
        """Return the numbers of the levels."""
        return column.codes.read(given, rows)

    def check_levels(self, levels: Any) -> bool:
        """Return whether the levels are texts."""
        return is_list_of(levels, str)

    def is_count_allowed(self, count: int) -> bool:
        """Return whether there are levels."""
        return count > 0


class DateKind(NumberKind):
    """Dates and times."""

    reads = "date"
    may_be_id = False
    needed = frozenset({"parts"})
    optional = frozenset({"spelling", "zone"})

    def learn(self, column: Column, levels: tuple[str, ...], has_gap: bool) -> dict[str, Any]:
        """Return how the dates are spelled, their parts and their time zone."""
        spelling = None if column.spelling == ISO else column.spelling
        if not isinstance(column, DateColumn):
            return {"spelling": spelling}
        return {"spelling": spelling, "parts": varying_parts(column.clock(slice(None))), "zone": column.full_zone}

    def features(self, column: ColumnSchema, name: str, statistics: Sequence[str]) -> list[Feature]:
        """Return the days, an indicator of missing cells, and the parts."""
        parts = [(f"{name}: {each}", part not in LEVELS) for part in column.parts for each in part_names(part)]
        return super().features(column, name, ()) + parts

    def read(self, column: ColumnSchema, given: Column, rows: slice, unknown: Unknown) -> Any:
        """Return the days of the instants, and those on the clock of the column's time zone."""
        days = given.numbers(rows)
        return days, column.clock(given, rows, days) if column.parts else days

    def put(
        self, block: Numbers, column: ColumnSchema, cells: Any, statistics: Numbers | None, learned: Arrays
    ) -> None:
        """Write the days and their parts."""
        days, clock = cells
        super().put(block, column, days, None, learned)
        if column.parts:
            put_parts(block[:, 1 + column.missing :], column.parts, clock)

    def reason(self, column: ColumnSchema) -> str:
        """Return the parts and the time zone."""
        parts = f" and {', '.join(column.parts).replace('_', ' ')}" if column.parts else ""
        zone = "" if column.zone in (None, ANY_ZONE) or not column.parts else f" in {column.zone.name}"
        return f"days since 1970{parts}{zone}{_written(column)}"

    def entries(self, column: ColumnSchema) -> dict[str, Any]:
        """Return the parts and the time zone."""
        told: dict[str, Any] = {"parts": list(column.parts)}
        return told if column.zone == ANY_ZONE else told | {"zone": column.zone.to_json() if column.zone else None}

    def is_count_allowed(self, count: int) -> bool:
        """Return whether there are no levels."""
        return not count

    def from_json(self, data: dict[str, Any], where: str) -> dict[str, Any]:
        """Return the spelling, the parts and the time zone."""
        spelling = date_spelling_from_json(data["spelling"]) if "spelling" in data else None
        parts = data["parts"]
        known = is_list_of(parts, str) and [part for part in PARTS if part in parts] == parts
        check_schema(known, f"{where} has date parts that are unknown or in the wrong order")
        zone = zone_from_json(data["zone"], where) if "zone" in data else ANY_ZONE
        return {"spelling": spelling, "parts": tuple(parts), "zone": zone}


class TextKind(ColumnKind):
    """Free text: sentences, comments, descriptions."""

    reads = "category"
    unexported = (
        "free text, whose features exports cannot compute: drop the column, or declare it in categorical_features"
    )
    file_version = 5
    may_be_id = False
    learned = ("keys", "idf", "components")

    def fits(self, column: Column, counts: Mapping[str | None, int]) -> bool:
        """Return whether the column holds sentences (ash/data/sentences.py)."""
        return is_free_text(column, counts)

    def learn(self, column: Column, levels: tuple[str, ...], has_gap: bool) -> dict[str, Any]:
        """Return no fields: what is learned from text is learned in each fold."""
        return {}

    def features(self, column: ColumnSchema, name: str, statistics: Sequence[str]) -> list[Feature]:
        """Return the components, and an indicator of missing cells."""
        gaps = [(f"{name} is missing", False)] * column.missing
        return [*((f"{name}: text {place}", True) for place in range(COMPONENTS)), *gaps]

    def read(
        self, column: ColumnSchema, given: Column, rows: slice, unknown: Unknown
    ) -> tuple[GramCounts, NDArray[Any]]:
        """Return the counts of grams, and which cells are missing."""
        texts = texts_of(given, rows)
        return count_grams(texts), np.array([text is None for text in texts])

    def put(
        self, block: Numbers, column: ColumnSchema, cells: Any, statistics: Numbers | None, learned: Arrays
    ) -> None:
        """Write the components."""
        grams, are_missing = cells
        if learned:
            block[:, :COMPONENTS] = text_block(grams, learned)
        if column.missing:
            block[:, COMPONENTS] = are_missing

    def reason(self, column: ColumnSchema) -> str:
        """Return why the column counts as text."""
        return f"{COMPONENTS} components of words and characters: most cells are different sentences"

    def learn_arrays(self, given: Column, training: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return the grams, their weights and their main directions."""
        seen = np.linspace(0, len(training) - 1, min(len(training), LEARNED_ROWS)).astype(np.int64)
        order = training[seen] if given.order is None else given.order[training[seen]]
        return learn_text(texts_of(given.with_order(order), slice(None)))

    def check_arrays(self, arrays: Arrays) -> str:
        """Return what is wrong with the arrays."""
        return check_text(arrays)


KINDS: dict[str, ColumnKind] = {
    "number": NumberKind(),
    "category": CategoryKind(),
    "date": DateKind(),
    "text": TextKind(),
}
"""The kinds of columns by name."""


def kind_named(name: str) -> ColumnKind:
    """Return the kind of this name; raise DataError if there is none."""
    if (found := KINDS.get(name)) is None:
        raise DataError(f"a column has an unknown kind: {name!r}; the kinds are {', '.join(KINDS)}")
    return found


def learn_column(column: Column, has_gap: bool, most_levels: int) -> ColumnSchema:
    """Return the schema of a training column; `has_gap` says whether numbers are missing.

    At most `most_levels` levels are kept, the most frequent ones.
    """
    counts: Counter[str | None] = Counter()
    levels: list[Any] = []
    if column.natural == "category":
        for first, stop in blocks(column.rows):
            counts.update(column.cells(slice(first, stop)))
        levels = [cell for cell in counts if not is_cell_missing(column, cell)]
        has_gap = len(levels) < len(counts)
        if len(levels) > most_levels:
            levels = sorted(levels, key=lambda text: (-counts[text], text))[:most_levels]
    fitting = (
        name for name, kind in reversed(KINDS.items()) if kind.reads == column.natural and kind.fits(column, counts)
    )
    name = next(fitting)
    own = KINDS[name].learn(column, tuple(sorted(levels)), has_gap)
    return ColumnSchema(name, column.dtype, missing=has_gap, **own)


def is_cell_missing(column: Column, cell: str | None) -> bool:
    """Return whether a cell of a training column that is read as text is missing; "?" is not in a category."""
    return cell is None or (isinstance(column, CellColumn) and column.is_text and is_gap(cell))


def column_from_json(data: Any, place: int) -> ColumnSchema:
    """Return a column from a model file, which is not trusted; raise ValueError if it is invalid."""
    where = f"column {place} of the schema"
    check_schema(isinstance(data, dict), f"{where} has missing or unexpected entries")
    name, levels = data.get("kind"), data.get("levels")
    check_schema(isinstance(name, str) and name in KINDS, f"{where} has an unknown kind: {name!r}")
    kind = KINDS[name]
    entries = {"kind", "dtype", "levels", "missing"} | kind.needed
    check_schema(entries <= data.keys() <= entries | kind.optional, f"{where} has missing or unexpected entries")
    check_schema(type(data["dtype"]) is str, f"{where} has no dtype")
    check_schema(type(data["missing"]) is bool, f"{where} does not say whether cells were missing")
    what = "texts" if kind.reads == "category" else "numbers"
    known = kind.check_levels(levels) and len(levels) <= MOST_LEVELS
    check_schema(known, f"{where} has levels that are not {what}, or too many of them")
    check_schema(kind.is_count_allowed(len(levels)), f"{where} is a {name} with {len(levels)} levels")
    check_schema(levels == sorted(set(levels)), f"{where} has levels that are not sorted and unique")
    own = kind.from_json(data, where)
    return ColumnSchema(name, data["dtype"], tuple(levels), data["missing"], **own)


def check_schema(condition: bool, wrong: str) -> None:
    """Raise ValueError, with the message `wrong`, unless the condition holds."""
    if not condition:
        raise ValueError(wrong)


def texts_of(given: Column, rows: slice) -> list[str | None]:
    """Return the cells of a block of rows, None where missing."""
    return [None if cell is None or is_gap(cell) else cell for cell in given.cells(rows)]


def _written(column: ColumnSchema) -> str:
    return "" if column.spelling is None else f"; text like {column.spelling.example!r}"
