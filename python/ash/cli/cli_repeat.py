"""`ash-tune check` and `ash-tune repeat`: whether a model came from these rows and this code.

    check     the rows are those of the model's record, by their hashes, and the model is the one recorded: no training
    repeat    the run is done again from the record: every decision is the same, and so is the model

Exit status: 0 it is so; 1 it is not, and says what differs; 2 it cannot be told.
"""

import argparse
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.user_warnings import warn_user
from ash.cli.cli_predict import load_model
from ash.cli.cli_streams import Parser, print_whole, printable
from ash.data.files import DataTable, read_table
from ash.data.frames import Frame
from ash.data.table import Table, read_training, split
from ash.engine.repeat import repeated
from ash.engine.run import TuningRun
from ash.errors import DataError, SettingError
from ash.journal.identity import differences, version_facts
from ash.models.ensemble import Ensemble
from ash.models.model import Model
from ash.models.network import Network
from ash.run_record import COMMAND, TUNE, RunRecord
from ash.sklearn.estimators import ASHClassifier, ASHRegressor
from ash.tune import tune

TEST_SHARE = 0.2
"""Of the rows of a table: what the command holds out."""
DIFFERENT = 1
"""The exit status where something differs."""


class Target:
    """A target and its name, as `ash.tune` reads a column of a frame."""

    def __init__(self, values: NDArray[Any], name: str) -> None:
        self.values, self.name = values, name

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the values."""
        return self.values if dtype is None else self.values.astype(dtype)


def held_out(data: DataTable, task: str | None, seed: int) -> tuple[Table, Frame, NDArray[np.int64], NDArray[np.int64]]:
    """Return the table, its columns, and the rows that the command tunes on and those that it holds out."""
    whole = read_training(data.X, data.y, task)
    rest, test = split(whole, TEST_SHARE, seed)
    return whole, _with_values(data.X, rest), rest, test


def _with_values(X: Frame, rest: NDArray[np.int64]) -> Frame:
    """Return the table without columns of text that the rows to tune on leave empty: these would be of no kind."""
    kinds = [column.natural for column in X.take(rest).columns]
    kept = [place for place, column in enumerate(X.columns) if column.natural == kinds[place]]
    if len(kept) == len(X.columns):
        return X
    left_out = [column.label for place, column in enumerate(X.columns) if place not in kept]
    if not kept:
        raise DataError(f"{left_out[0]} has values in a few rows only, and there is no other column: pass more rows")
    warn_user(f"left out: {', '.join(left_out)}; every cell outside of the test part is empty")
    return _only(X, kept)


def _only(X: Frame, places: list[int]) -> Frame:
    names = None if X.names is None else tuple(X.names[place] for place in places)
    return Frame(X.rows, names, tuple(X.columns[place] for place in places), None)


def check_parser() -> argparse.ArgumentParser:
    """Return the parser of `ash-tune check`."""
    return _parser("check", "Tell by hashes whether a model came from these rows, without training.")


def repeat_parser() -> argparse.ArgumentParser:
    """Return the parser of `ash-tune repeat`."""
    parser = _parser("repeat", "Train a model again from its own record, and tell whether it is the same.")
    parser.add_argument("--threads", type=int, metavar="N", help="default: OMP_NUM_THREADS, else all CPUs allowed")
    parser.add_argument("--out", metavar="FILE", help="where to save the model that was trained again")
    return parser


def _parser(name: str, does: str) -> argparse.ArgumentParser:
    parser = Parser(prog=f"ash-tune {name}", description=does, epilog="Exit status: 0 the same, 1 different, 2 error.")
    parser.add_argument("model", metavar="MODEL", help="a file such as ash-tune-out/model.safetensors")
    parser.add_argument("data", metavar="DATA", help="the table that it was trained on: CSV (also .gz) or Parquet")
    parser.add_argument("--target", metavar="COLUMN", help="default: that of the model, 'target', or the last column")
    return parser


def check(args: argparse.Namespace) -> int:
    """Print whether rows and model are those of the record, and return the exit status."""
    model, record = _recorded(args.model)
    X, y = _rows(model, record, args)
    call, given = _call_of(record, None)
    run = TuningRun(X, y, **repeated("tune" if call is tune else "estimators", call, given, given["record"]))
    found = [f"rows: {each}" for each in differences({"data": record.data}, {"data": run.identity()["data"]})]
    if model.digest != record.model:
        found.append(f"model: its hash is {model.digest}, and {record.model} is recorded")
    there = [f"version: {each}" for each in differences({"version": record.version}, {"version": version_facts()})]
    if found:
        return _say("different", *found, *there)
    return _say("the same rows and the same model, by their hashes", repr(record), *there)


def repeat(args: argparse.Namespace) -> int:
    """Train again, print whether all is the same, and return the exit status."""
    model, record = _recorded(args.model)
    X, y = _rows(model, record, args)
    call, given = _call_of(record, args.threads)
    try:
        if call is tune:
            result = tune(X, y, **_given(given, "record", "threads"))
            again: Any = result.model
            ensemble = record.arguments.get("ensemble")
            again = again if ensemble is None else result.ensemble(ensemble)
        else:
            again = call(**_given(given, "record", "n_jobs")).fit(X, y).model_
    except DataError as error:
        return _say("different from the first decision on", str(error))
    if args.out is not None:
        again.save(args.out)
    first = record.first_difference(again.record)
    if first is not None:
        return _say(f"different from decision {first} on, of {len(record.decisions)}", _reason(record))
    if again.digest != model.digest:
        return _say(f"all {len(record.decisions)} decisions are the same, but not the model", _reason(record))
    return _say("identical", repr(record))


def _recorded(path: str) -> tuple[Network | Ensemble, RunRecord]:
    """Return the model of a file and its record, or raise SettingError where it has none."""
    model = load_model(path)
    if model.record is None:
        raise SettingError(f"{path} has no record of its run: an older ash wrote it, or it is the network of one fold")
    if model.record.missing:
        lacking = ", ".join(model.record.missing)
        raise SettingError(f"the record of {path} lacks {lacking}, which no file holds: repeat the run in Python")
    return model, model.record


def _rows(model: Model, record: RunRecord, args: argparse.Namespace) -> tuple[Frame, Any]:
    """Return the rows that the model was trained on: of its columns, without what the command has held out."""
    if model.n_outputs_ > 1:
        raise SettingError("a model of several targets cannot be repeated from a file: repeat its run in Python")
    names = model.target_names or ()
    data = read_table(args.data, args.target or (names[0] if len(names) == 1 else None))
    if record.by == COMMAND:
        _, X, rest, _ = held_out(data, str(record.settings["task"]), int(record.settings["seed"]))
        return X.take(rest), Target(data.y[rest], data.target)
    y: Any = Target(data.y, data.target) if names else data.y
    wanted, known = model.feature_names, data.X.names
    if wanted is None or known is None:
        return replace(data.X, names=None), y
    if lacking := [name for name in wanted if name not in known]:
        raise DataError(f"{args.data} lacks {len(lacking)} of the columns of the model: {', '.join(lacking)}")
    return _only(data.X, [known.index(name) for name in wanted]), y


def _call_of(record: RunRecord, threads: int | None) -> tuple[Any, dict[str, Any]]:
    """Return the entry point that repeats the run of a record, and its arguments."""
    shared = {"metric": None, "scoring": None, "validation": None, "cv": None, "config": None, "threads": threads}
    if record.by in (TUNE, COMMAND):
        return tune, {**shared, "record": replace(record, by=TUNE)}
    kind = ASHClassifier if record.settings.get("task") == "classification" else ASHRegressor
    return kind, {**shared, "record": record, "n_jobs": -1 if threads is None else threads}


def _given(given: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names}


def _reason(record: RunRecord) -> str:
    """Return the likely reason why a run on the same rows differs."""
    found = differences({"version": record.version}, {"version": version_facts()})
    if found:
        return f"the likely reason is the code: {'; '.join(found)}"
    return "rows and version are the same: please report it, with the output of ash.show_versions()"


def _say(*lines: str) -> int:
    """Print the lines and return the exit status: the first one says what it is."""
    text = "\n".join(map(printable, lines))
    print_whole(lambda stream: print(text, file=stream))
    return 0 if lines[0].startswith(("identical", "the same")) else DIFFERENT
