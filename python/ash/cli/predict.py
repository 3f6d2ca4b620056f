"""Implements `ash-tune predict`, which writes a model's prediction for each row of a table as CSV or Parquet.

If the model has column names, columns are found by name, in any order, and other columns are ignored; otherwise they
are found by position. If the table also contains the target, the score is printed to stderr.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.display import counted, show
from ash._utils.user_warnings import warn_user
from ash.cli.streams import Parser, add_format, format_of, print_whole, say
from ash.data.columns import blocks
from ash.data.csv import CsvFormat
from ash.data.files import FileTable, is_parquet, read_file
from ash.data.frames import Frame
from ash.data.targets import read_target
from ash.errors import DataError, SettingError
from ash.metrics import METRICS
from ash.models.ensemble import Ensemble
from ash.models.load import load
from ash.models.model import Model, Outputs, normalized
from ash.models.network import Network
from ash.models.trees import Trees

MODEL = "MODEL must be a file that ash-tune or the `save` of a model wrote"
LISTED = 10  # the maximum number of missing columns that an error lists


def predict_parser() -> Parser:
    """Return the parser of `ash-tune predict`."""
    parser = Parser(prog="ash-tune predict", description="Predict the rows of a table with a model of ash-tune.")
    parser.option("model", "MODEL", "a file such as ash-tune-out/model.safetensors")
    parser.option("data", "DATA", "a CSV (also .gz) or Parquet file with the columns of the model")
    parser.option("--out", "FILE", "a CSV or .parquet file to write (default: CSV on stdout)")
    add_format(parser)
    parser.add_argument("--proba", action="store_true", help="also write a column per class with its probability")
    return parser


def predict(args: argparse.Namespace) -> None:
    """Write a prediction for each row, and the score if the table contains the target."""
    model = load_model(args.model)
    if args.out is not None and args.out.lower().endswith((".xlsx", ".xls", ".json", ".feather")):
        raise SettingError(f"--out must be a CSV or .parquet file, got {args.out}")
    if args.proba and model.classes_ is None:
        raise SettingError("--proba needs classes, which a regression model does not have: leave it out")
    table = _read_table(model, args.data, format_of(args))
    names = model.feature_names
    frame = replace(table.frame(table.names), names=None) if names is None else table.frame(names)
    outputs = model.predict_frame(frame)
    if args.out is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # output must not depend on the locale
        print_whole(lambda stream: _write(stream, model, outputs, args.proba))
    elif is_parquet(args.out):
        _write_parquet(Path(args.out), model, outputs, args.proba)
    else:
        with Path(args.out).open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            _write(file, model, outputs, args.proba)
    _say_score(model, table, frame)


def load_model(path: str, allowed: str = MODEL) -> Network | Trees | Ensemble:
    """Return the model in a file. If there is no such file, raise SettingError, whose message contains `allowed`."""
    if Path(path).is_dir():
        raise SettingError(f"{path} is a folder: give the model in it, such as {Path(path) / 'model.safetensors'}")
    try:
        return load(path)
    except FileNotFoundError as error:
        raise SettingError(f"{path}: no such file; {allowed}") from error


def _read_table(model: Model, name: str, form: CsvFormat) -> FileTable:
    """Read the columns that the model needs and, if the table has it, the target."""
    schema = model.encoding.schema
    as_text = [column.spelling is not None or column.reads == "category" for column in schema.columns]

    def choose(names: Sequence[str]) -> dict[str, bool]:
        if schema.names is None:
            rest = [False] * max(0, len(names) - len(as_text))  # for these surplus columns the model raises an error
            return dict(zip(names, [*as_text, *rest], strict=False))
        _check_columns(schema.names, names, name)
        text_labels = model.classes_ is not None and model.classes_.dtype.kind in "UO"
        wanted = dict.fromkeys(_target_names(model), text_labels)
        wanted |= dict(zip(schema.names, as_text, strict=True))
        return {column: wanted[column] for column in names if column in wanted}

    return read_file(name, choose, form)


def _check_columns(wanted: Sequence[str], names: Sequence[str], where: str) -> None:
    lacking = [repr(column) for column in wanted if column not in set(names)]
    if lacking:
        listed = ", ".join(lacking[:LISTED]) + (", ..." if len(lacking) > LISTED else "")
        raise DataError(f"{where} lacks {len(lacking)} of the {len(wanted)} columns of the model: add {listed}")


def _target_names(model: Model) -> tuple[str, ...]:
    """Return the target names that are not also feature names."""
    return tuple(name for name in model.target_names or () if name not in (model.feature_names or ()))


def _write(stream: IO[str], model: Model, outputs: Outputs, proba: bool) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_header(model, proba))
    for first, stop in blocks(len(outputs)):
        writer.writerows(_rows(model, outputs[first:stop], proba))


def _write_parquet(path: Path, model: Model, outputs: Outputs, proba: bool) -> None:
    import pyarrow
    from pyarrow import parquet

    columns = list(model.decide(outputs).reshape(len(outputs), -1).T)
    if proba:
        columns += list(normalized(outputs).T)
    with path.open("wb") as file:
        parquet.write_table(pyarrow.Table.from_arrays(list(map(pyarrow.array, columns)), _header(model, proba)), file)


def _header(model: Model, proba: bool) -> list[str]:
    names = model.target_names
    if names is None:
        several = model.n_outputs_ > 1
        names = tuple(f"prediction_{place}" for place in range(model.n_outputs_)) if several else ("prediction",)
    classes = model.classes_ if proba and model.classes_ is not None else ()
    return [*names, *(f"probability_{label}" for label in classes)]


def _rows(model: Model, outputs: Outputs, proba: bool) -> Iterator[list[Any]]:
    decided = model.decide(outputs).reshape(len(outputs), -1).tolist()
    if not proba:
        return iter(decided)
    return (label + shares for label, shares in zip(decided, normalized(outputs).tolist(), strict=True))


def _say_score(model: Model, table: FileTable, frame: Frame) -> None:
    """Print the score on rows with a known target; invalid targets cause a warning, not an error."""
    targets = _target_names(model)
    if not targets or not set(targets) <= set(table.names) or len(targets) < model.n_outputs_:
        return
    try:
        rows, y = _known(model, table, targets)
        if not len(rows):
            return
        metric = model.metric if model.metric in METRICS[model.task] else METRICS[model.task][0]
        score = model.score(frame.take(rows), y, metric)
    except (DataError, SettingError) as error:
        warn_user(f"no score: {error}")
        return
    say(f"{metric} {show(score)} on {counted(len(rows), 'row')}")


def _known(model: Model, table: FileTable, targets: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the rows without a missing target, and their targets."""
    labels = [table.labels(name) for name in targets]
    rows = labels[0].rows
    for more in labels[1:]:
        rows = np.intersect1d(rows, more.rows)
    values = [one.values[np.searchsorted(one.rows, rows)] for one in labels]
    if model.classes_ is not None:
        return rows, _like(values[0], model.classes_)
    return rows, read_target(np.column_stack(values) if len(values) > 1 else values[0], len(rows), "regression").y


def _like(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
    """Return labels converted to the type of `classes`, the model's classes: to text, or from text to booleans."""
    if classes.dtype.kind in "UO":
        return labels.astype(str)
    if classes.dtype.kind == "b" and labels.dtype.kind == "U":
        words = [label.lower() for label in labels.tolist()]
        if unknown := {*words} - {"true", "false"}:
            raise DataError(f"the model's classes are True and False, but the target contains {min(unknown)!r}")
        return np.array([word == "true" for word in words])
    return labels
