"""Implements `ash-tune check` and `ash-tune repeat`, which test whether given rows and this code produce a given model.

    check     compares the hashes of the rows and of the model with the model's record, without training
    repeat    repeats the run from the record, and compares every decision and the model

Exit status: 0 if everything is the same, 1 if something differs (which is printed), 2 if this cannot be determined.
"""

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ash._utils.aliases import Facts
from ash._utils.display import printable
from ash._utils.user_warnings import warn_user
from ash.cli.predict import load_model
from ash.cli.streams import Parser, add_format, format_of, print_whole
from ash.data.csv import CsvFormat
from ash.data.files import DataTable, Roles, read_table
from ash.data.frames import Frame
from ash.data.row_split import split
from ash.data.table import Table, read_training
from ash.encoding.equal_rows import copied_rows
from ash.encoding.schema import learn_schema
from ash.engine.repeat import OtherRowsError, differences_from, repeated
from ash.engine.run import run_table, table_identity
from ash.engine.stages import Asked
from ash.entry_points.tune import tune
from ash.errors import DataError, SettingError
from ash.journal.identity import version_facts, version_name
from ash.models.model import Model
from ash.run_record import TUNE, RunRecord
from ash.space.boosters import BOOSTERS

TEST_SHARE = 0.2
"""The share of a table's rows that the command holds out."""
AS_PANDAS = "numbers were read as pandas.read_csv reads them before pandas 3.1, with other last bits"
HELD_OUT = "the rows that were held out for the test score have no hash, so they are not compared"
"""Notes on the rows, printed below the answer."""
DIFFERENT = 1
"""The exit status if the rows, the model or the repeated run differ from the record."""


class RecordedRun(NamedTuple):
    """A recorded run on the rows of a file: its arguments, the facts that identify it, and a note on these rows."""

    asked: Asked
    rows: dict[str, Any]
    identity: Facts
    note: tuple[str, ...] = ()


class Target:
    """A target with a name, which `ash.tune` reads in the same way as a column of a data frame."""

    def __init__(self, values: NDArray[Any], name: str) -> None:
        self.values, self.name = values, name

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the values."""
        return self.values if dtype is None else self.values.astype(dtype)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A table whose rows are split: the command tunes on the rows `rest` and holds out the rows `test`.

    `table` is the whole training table; the estimator is fitted to the `rest` rows of X and y.
    """

    data: DataTable
    table: Table
    X: Frame
    y: NDArray[Any]
    rest: NDArray[np.int64]
    test: NDArray[np.int64]

    def target(self, rows: NDArray[np.int64]) -> Target:
        """Return the target of the given rows."""
        return Target(self.y[rows], self.data.target)

    def weights(self, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Return the weights of the given rows, or None if rows have no weights."""
        return None if self.data.weights is None else self.data.weights[rows]

    @property
    def groups(self) -> NDArray[Any] | None:
        """The groups of the rows to tune on, or None if rows have no groups."""
        return None if self.data.groups is None else self.data.groups[self.rest]


def held_out(data: DataTable, task: str | None, seed: int) -> HeldOut:
    """Return a table with some rows held out.

    The rows are drawn at random, for classification stratified by class. Groups are held out as a whole, and so are
    copies of a row.
    """
    table = read_training(data.X, data.y, task, groups=data.groups)
    if data.groups is None:
        frame, schema = learn_schema(table.frame, missing="indicator")
        table = replace(table, groups=copied_rows(replace(table, frame=frame), schema, tell=False))
    elif len(np.unique(data.groups)) == 1:
        raise DataError("--groups needs at least 2 groups, since whole groups are held out, but there is only 1")
    rest, test = split(table, TEST_SHARE, seed)
    # `table` has parsed a text target as numbers if it has no classes.
    y = table.y[:, 0] if table.classes_ is None and data.y.dtype.kind == "U" else data.y
    used = rest if data.weights is None else rest[data.weights[rest] > 0]  # rows of weight 0 are not trained on
    return HeldOut(data, table, _with_values(data.X, used), y, rest, test)


def _with_values(X: Frame, used: NDArray[np.int64]) -> Frame:
    """Return the table without text columns that are empty in the rows to train on, since their kind is unknown."""
    kinds = [column.natural for column in X.take(used).columns]
    kept = [place for place, column in enumerate(X.columns) if column.natural == kinds[place]]
    if len(kept) == len(X.columns):
        return X
    left_out = [column.label for place, column in enumerate(X.columns) if place not in kept]
    if not kept:
        raise DataError(f"{left_out[0]} has values in a few rows only, and there is no other column: pass more rows")
    warn_user(f"left out: {', '.join(left_out)}; every cell in the rows to train on is empty")
    return _only(X, kept)


def _only(X: Frame, places: list[int]) -> Frame:
    names = None if X.names is None else tuple(X.names[place] for place in places)
    return Frame(X.rows, names, tuple(X.columns[place] for place in places), None)


def check_parser() -> Parser:
    """Return the parser of `ash-tune check`."""
    return _parser("check", "Check by hashes whether a model was trained on these rows, without training.")


def repeat_parser() -> Parser:
    """Return the parser of `ash-tune repeat`."""
    parser = _parser("repeat", "Train a model again from its record, and check whether the new one is the same.")
    parser.option("--threads", "N", "default: OMP_NUM_THREADS, else all CPUs allowed", int)
    parser.option("--out", "FILE", "where to save the model that was trained again")
    return parser


def _parser(name: str, does: str) -> Parser:
    parser = Parser(prog=f"ash-tune {name}", description=does, epilog="Exit status: 0 the same, 1 different, 2 error.")
    parser.option("model", "MODEL", "a file such as ash-tune-out/model.safetensors")
    parser.option("data", "DATA", "the table that it was trained on: CSV (also .gz) or Parquet")
    parser.option("--target", "COLUMN", "default: the model's target, else 'target', else the last column")
    parser.option("--weight", "COLUMN", "the weights of the rows, if it was trained with them")
    parser.option("--groups", "COLUMN", "the groups of the rows, if it was trained with them")
    add_format(parser)
    return parser


def check(args: argparse.Namespace) -> int:
    """Print whether the rows and the model match the record, and return the exit status."""
    model, record = _recorded(args.model)
    run = _run_of(model, record, args, None)
    found = [f"rows: {each}" for each in _row_differences(record, run.identity)]
    found += _altered(model, record)
    there = [f"version: {each}" for each in _version_differences(record)]
    if found:
        return _say(DIFFERENT, "different", *found, *there)
    return _say(0, "the same rows and the same model, by their hashes", repr(record), *there, *run.note)


def repeat(args: argparse.Namespace) -> int:
    """Train again, print whether everything is the same, and return the exit status."""
    model, record = _recorded(args.model)
    try:
        run = _run_of(model, record, args, args.threads)
        result, again = run_table(asked=run.asked, **run.rows)
    except OtherRowsError as error:
        return _say(DIFFERENT, "different from the first decision on", str(error))
    size = record.arguments.get("ensemble")
    if record.by == TUNE and size is not None:
        again = result.ensemble(size)
    if args.out is not None:
        again.record = replace(result.record, by=record.by, model=again.digest)
        again.save(args.out)
    first = record.first_difference(result.record)
    if first is not None:
        return _say(DIFFERENT, f"different from decision {first} of {len(record.decisions)} on", _reason(record))
    if again.digest != model.digest:
        why = _altered(model, record) or [_reason(record)]
        return _say(DIFFERENT, f"all {len(record.decisions)} decisions are the same, but the model differs", *why)
    return _say(0, "identical", repr(record), *run.note)


def _altered(model: Model, record: RunRecord) -> list[str]:
    """Return a list with one line of text if a file's model does not match its record, else an empty list."""
    if model.digest == record.model:
        return []
    return [f"model: its hash is {model.digest}, but the record has {record.model}"]


def _recorded(path: str) -> tuple[Model, RunRecord]:
    """Return the model of a file and its record, or raise SettingError if the model has no usable record."""
    model = load_model(path)
    if model.record is None:
        raise SettingError(f"{path} has no record of its run: an older ash wrote it, or it is the network of one fold")
    if model.record.missing:
        lacking = ", ".join(model.record.missing)
        raise SettingError(f"the record of {path} lacks {lacking}, which a file cannot store: repeat the run in Python")
    return model, model.record


def _run_of(model: Model, record: RunRecord, args: argparse.Namespace, threads: int | None) -> RecordedRun:
    """Return the recorded run on the file's rows.

    If the rows differ, those of a CSV file are also read as `pandas.read_csv` reads them before pandas 3.1.
    """
    given = {"scoring": None, "validation": None, "cv": None, "config": None, "executor": None, "n_jobs": threads}
    asked = repeated("tune" if record.by == TUNE else "estimators", tune, given, record)

    def on_table(form: CsvFormat) -> tuple[DataTable, RecordedRun]:
        data = _table(model, args, asked.options.categorical_features, form)
        y = _named(data.y, model, data)
        return data, _on_rows(asked, X=data.X, y=y, sample_weight=data.weights, groups=data.groups)

    data, whole = on_table(format_of(args))
    if not _row_differences(record, whole.identity):
        return whole
    recorded_rows = record.data.get("training rows")
    if whole.identity["data"]["training rows"] == recorded_rows:
        if Path(args.data).is_file():  # not a pipe, which cannot be read again
            with warnings.catch_warnings(action="ignore"):  # the warnings of the first reading
                _, as_pandas = on_table(replace(format_of(args), like_pandas=True))
            if not _row_differences(record, as_pandas.identity):
                return as_pandas._replace(note=(AS_PANDAS,))
        return whole
    part = held_out(data, asked.options.task, asked.options.seed)
    y, weights = _named(part.y[part.rest], model, data), part.weights(part.rest)
    tuned = _on_rows(asked, X=part.X.take(part.rest), y=y, sample_weight=weights, groups=part.groups)
    if tuned.identity["data"]["training rows"] == recorded_rows:
        return tuned._replace(note=(HELD_OUT,))
    return whole  # neither run matches the record


def _on_rows(asked: Asked, **rows: Any) -> RecordedRun:
    return RecordedRun(asked, rows, table_identity(asked=asked, **rows))


def _table(model: Model, args: argparse.Namespace, categorical: Sequence[Any] | None, form: CsvFormat) -> DataTable:
    """Return the table of a file with only the model's columns."""
    if model.n_outputs_ > 1:
        raise SettingError("a model of several targets cannot be repeated from a file: repeat its run in Python")
    target = args.target or (model.target_names[0] if model.target_names else None)
    declared = [each for each in categorical or () if isinstance(each, str)]
    data = read_table(args.data, Roles(target, args.groups, args.weight, categorical=declared), form)
    wanted, known = model.feature_names, data.X.names
    if wanted is None or known is None:
        return replace(data, X=replace(data.X, names=None))
    if lacking := [name for name in wanted if name not in known]:
        raise DataError(f"{args.data} lacks {len(lacking)} of the columns of the model: {', '.join(lacking)}")
    return replace(data, X=_only(data.X, [known.index(name) for name in wanted]))


def _named(y: NDArray[Any], model: Model, data: DataTable) -> Any:
    """Return the target, together with its name if the model has target names."""
    return Target(y, data.target) if model.target_names else y


def _reason(record: RunRecord) -> str:
    """Return the likely reason why a repeated run on the same rows differs from its record."""
    found = _version_differences(record)
    if found:
        return f"the likely reason is a different version: {'; '.join(found)}"
    return "rows and version are the same: please report it, with the output of ash.show_versions()"


def _say(status: int, *lines: str) -> int:
    """Print the lines and return the exit status."""
    text = "\n".join(map(printable, lines))
    print_whole(lambda stream: print(text, file=stream))
    return status


def _row_differences(record: RunRecord, identity: Facts) -> list[str]:
    return differences_from(record, {"data": identity["data"]})


def _version_differences(record: RunRecord) -> list[str]:
    here = version_facts([each for each in BOOSTERS if version_name(each) in record.version])
    return differences_from(record, {"version": here})
