"""Likely mistakes and messy inputs, and how ash responds to them; `python tests/helpers/mistakes.py` writes the page.

Each case is a line of Python. Its outcome is an error, or the value of its last expression, with any warnings.
"""

import contextlib
import io
import os
import re
import tempfile
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse

ROWS = 60
MOST = 230
"""Maximum number of characters shown of an outcome."""
PAGE = Path(__file__).parents[2] / "docs" / "project" / "mistakes.md"
BY_OTHERS = re.compile(r"dtype \S+|\((could not|setting|Error while|'utf-8' codec)[^)]*")
"""Words of other libraries within outcomes, which their versions may change."""


class Case(NamedTuple):
    """A mistake or a messy input: its description, and the line of Python that makes it."""

    what: str
    code: str


CASES = {
    "Shapes and types": (
        Case("`y` is shorter than `X`", "fit(X, y[:-1])"),
        Case("`X` has one dimension", "fit(X[:, 0], y)"),
        Case("One row to predict has one dimension", "fit(X, y).predict(X[0])"),
        Case("`X` has three dimensions", "fit(X[None], y)"),
        Case("`X` is None", "fit(None, y)"),
        Case("`y` is None", "fit(X, None)"),
        Case("`X` is a path", "fit('table.csv', y)"),
        Case("`X` is a dict", "fit({'a': [1] * 60}, y)"),
        Case("`X` is a generator", "fit((row for row in X), y)"),
        Case("`X` has no rows", "fit(X[:0], y[:0])"),
        Case("`X` has no columns", "fit(X[:, :0], y)"),
        Case("`X` has one row", "fit(X[:1], y[:1])"),
        Case("The rows of a list differ in length", "fit([[1, 2], [3]] * 30, y)"),
        Case("Cells are lists", "fit(pd.DataFrame({'a': [[1, 2]] * 60}), y)"),
        Case("Complex numbers", "fit(X + 1j, y)"),
        Case("A sparse matrix", "fit(sparse.csr_matrix(X), y)"),
        Case("A masked array", "fit(np.ma.masked_array(X, X > 2), y)"),
        Case("A lazy frame of polars", "fit(pl.LazyFrame(X), y)"),
        Case("A column of durations", "fit(pd.DataFrame({'a': pd.timedelta_range('1 day', periods=60)}), y)"),
        Case("A column of bytes", "fit(np.array([[b'a'], [b'b']] * 30), y)"),
        Case("All memory would not hold the table", "fit(np.broadcast_to(0.5, (2**24, 2**13)), np.zeros(2**24))"),
    ),
    "Missing, infinite and large numbers": (
        Case("NaN in `X`", "kinds(with_cell(np.nan), y)"),
        Case("NaN where `missing='error'`", "fit(with_cell(np.nan), y, config=ash.SearchConfig(missing='error'))"),
        Case("Infinity in `X`", "fit(with_cell(np.inf), y)"),
        Case(
            "Infinity where it counts as missing",
            "fit(with_cell(np.inf), y, config=ash.SearchConfig(infinite='missing')) and 'fitted'",
        ),
        Case("Infinity at prediction", "fit(X, y).predict(with_cell(-np.inf))"),
        Case("A number beyond float32", "fit(with_cell(1e300), y)"),
        Case("An integer beyond 2**53", "fit((X * 10).astype(int) + 2**60, y) and 'fitted'"),
        Case("NaN in `y`", "fit(X, np.where(np.arange(60) == 3, np.nan, y))"),
        Case("None among labels", "fit(X, np.array([None, *y[1:]], object))"),
        Case("Infinity in a numeric target", "regress(X, np.where(np.arange(60) == 3, np.inf, X[:, 0]))"),
        Case("A column without any value", "kinds(frame.assign(size=np.nan), y)"),
        Case("`decimal.Decimal` cells", "kinds(pd.DataFrame({'a': [Decimal('1.5'), Decimal('2.5'), None] * 20}), y)"),
        Case("pd.NA among integers", "kinds(pd.DataFrame({'a': pd.array([1, None, 3] * 20, dtype='Int64')}), y)"),
        Case("Cells `?` among numbers", "kinds(text('1.5', '?', '2.5'), y)"),
        Case("Cells `N/A` among numbers", "kinds(text('1.5', 'N/A', '2.5'), y)"),
        Case("An empty text among numbers", "kinds(text('1.5', '', '2.5'), y)"),
    ),
    "Numbers and dates written as text": (
        Case("Decimal commas", "kinds(text('3,5', '12,25', '0,75'), y)"),
        Case("Thousands separators", "kinds(text('1,234.50', '12.25', '99.00'), y)"),
        Case("A comma that can mean either", "kinds(text('1,234', '2,500', '7,125'), y)"),
        Case("A currency sign", "kinds(text('€ 1.200,50', '€ 99,00', '€ 12,25'), y)"),
        Case("Percent", "kinds(text('12 %', '7.5 %', '100 %'), y)"),
        Case("The code of a currency", "kinds(text('USD 1,200', 'USD 75', 'USD 12'), y)"),
        Case("One word among 60 numbers", "kinds(pd.DataFrame({'a': ['unknown', *map(str, X[1:, 0])]}), y)"),
        Case("Spaces around numbers", "kinds(text(' 1.5', '2.5 ', ' 3.5 '), y)"),
        Case("Exponents", "kinds(text('1e3', '2.5E-2', '7'), y)"),
        Case("Leading zeros, as in postcodes", "kinds(text('01067', '80331', '20095'), y)"),
        Case("Dates in ISO 8601", "kinds(text('2026-03-31', '2026-04-01', '2025-12-24'), y)"),
        Case("Dates with points", "kinds(text('31.3.2026', '1.4.2026', '24.12.2025'), y)"),
        Case("Dates that can mean either", "kinds(text('01/02/2026', '03/04/2026', '05/06/2026'), y)"),
        Case("One date that does not exist", "kinds(text('2026-03-31', '2026-02-30', '2025-12-24'), y)"),
        Case("A column of datetimes", "kinds(frame[['day', 'size']], y)"),
        Case(
            "Datetimes with a time zone",
            "kinds(frame[['day']].apply(lambda day: day.dt.tz_localize('Europe/Berlin')), y)",
        ),
        Case("Text `true` and `false`", "kinds(text('true', 'false', 'true'), y)"),
        Case(
            "Datetimes without a time zone, for a model of times with one",
            "fit(zoned, y).predict(zoned.apply(lambda day: day.dt.tz_localize(None)))",
        ),
        Case("Datetimes with and without a time zone in one column", "fit(mixed, y)"),
        Case(
            "A date is predicted that training did not have the like of",
            "fit(frame, y).predict(frame.assign(day='soon'))",
        ),
    ),
    "Categories": (
        Case("Whole numbers that are codes", "kinds(codes, y)"),
        Case("The same, declared", "kinds(codes, y, categorical_features=['code'])"),
        Case("A declared column that is not there", "fit(frame, y, categorical_features=['colour'])"),
        Case("A declared place that is not there", "fit(X, y, categorical_features=[3])"),
        Case("Too few bools", "fit(X, y, categorical_features=[True, False])"),
        Case("A declared column of dates", "fit(frame, y, categorical_features=['day'])"),
        Case("A level that training did not have", "fit(frame, y).predict(frame.assign(color='purple'))[:3]"),
        Case(
            "The same where `unknown='error'`",
            "fit(frame, y, config=ash.SearchConfig(unknown='error')).predict(frame.assign(color='purple'))",
        ),
        Case("A text of its own in each row", "kinds(frame.assign(name=[f'name {i}' for i in range(60)]), y)"),
        Case("Numbers that count the rows", "odd(frame.assign(row=range(60)), y)"),
        Case("A column of one value", "odd(frame.assign(one=1), y)"),
        Case("Two equal columns", "odd(frame.assign(twin=frame['size']), y)"),
        Case("A column that is the target", "odd(frame.assign(answer=y), y)"),
        Case("Text and numbers in one column", "kinds(pd.DataFrame({'a': ['red', 1, 2.5] * 20}), y)"),
        Case("Booleans with gaps", "kinds(pd.DataFrame({'a': [True, False, None] * 20}), y)"),
    ),
    "Columns of another table": (
        Case("A column is missing", "fit(frame, y).predict(frame.drop(columns='color'))"),
        Case("A column is missing, for the model", "fit(frame, y).model_.predict(frame.drop(columns='color'))"),
        Case("A column too many", "fit(frame, y).predict(frame.assign(id=1))"),
        Case("A column too many, for the model", "fit(frame, y).model_.predict(frame.assign(id=1))[:3]"),
        Case("Another order", "fit(frame, y).predict(frame[frame.columns[::-1]])"),
        Case("Another order, for the model", "fit(frame, y).model_.predict(frame[frame.columns[::-1]])[:3]"),
        Case("An array for a model of a frame", "fit(numbers, y).predict(numbers.to_numpy())[:3]"),
        Case("A frame for a model of an array", "fit(numbers.to_numpy(), y).predict(numbers)[:3]"),
        Case("Too few columns of an array", "fit(X, y).predict(X[:, :2])"),
        Case("Text where training had numbers", "fit(frame, y).predict(frame.assign(size='large'))"),
        Case(
            "Numbers written as text where training had numbers",
            "fit(frame, y).predict(frame.assign(size=frame['size'].map(str)))[:3]",
        ),
        Case("Decimal commas where training had numbers", "fit(frame, y).predict(frame.assign(size='1,5'))"),
        Case("Integers where training had floats", "fit(frame, y).predict(frame.assign(size=1))[:3]"),
        Case("Text `True` where training had booleans", "fit(frame, y).predict(frame.assign(sold='True'))[:3]"),
        Case("A gap where training had none", "fit(frame, y).predict(frame.assign(color=None, size=np.nan))[:3]"),
        Case("Two columns of one name", "fit(twins, y).model_.feature_names"),
        Case("Names that are text and numbers", "fit(pd.DataFrame(X, columns=['a', 'b', 2]), y)"),
        Case("Names that are all numbers", "fit(pd.DataFrame(X), y).model_.feature_names"),
    ),
    "Targets": (
        Case("Fractions for a classifier", "fit(X, X[:, 0])"),
        Case("One class", "fit(X, np.zeros(60))"),
        Case("A class of one row", "fit(X, np.array(['rare', *['a', 'b'] * 29, 'a'])).classes_"),
        Case("Whole floats for `ash.tune`", "tune(X, (y + np.arange(60) % 3).astype(float)).model.task"),
        Case(
            "Numbers written as text for a regressor",
            "regress(X, [f'{value:.2f}'.replace('.', ',') for value in X[:, 0]]) and 'fitted'",
        ),
        Case("Words for a regressor", "regress(X, np.array(['low', 'high'] * 30))"),
        Case("One-hot encoded classes", "tune(X, np.eye(2, dtype=int)[y]).model.task"),
        Case("A column vector", "fit(X, y[:, None]) and 'fitted'"),
        Case("Several columns for a classifier", "fit(X, np.column_stack([y, y]))"),
        Case("Dates as a target", "regress(X, frame['day'])"),
        Case("Labels of several types", "fit(X, np.array(['a', 1] * 30, object))"),
        Case("Bytes as labels", "fit(X, np.array([b'a', b'b'] * 30))"),
    ),
    "Weights, groups and validation": (
        Case("Negative weights", "fit(X, y, sample_weight=X[:, 0] - 9)"),
        Case("NaN among weights", "fit(X, y, sample_weight=with_cell(np.nan)[:, 1])"),
        Case("Too few weights", "fit(X, y, sample_weight=np.ones(59))"),
        Case("All weights are 0", "fit(X, y, sample_weight=np.zeros(60))"),
        Case("Weights of classes in the wrong place", "fit(X, y, sample_weight='balanced')"),
        Case("A class that is not there", "fit(X, y, class_weight={2: 3.0})"),
        Case("An unknown word", "fit(X, y, class_weight='balance')"),
        Case("All rows validate", "fit(X, y, validation=1.5)"),
        Case("A validation table of other columns", "fit(frame, y, validation=(frame[['size']], y))"),
        Case("A validation table with an unknown label", "fit(X, y, validation=(X, y + 1))"),
        Case("One fold", "fit(X, y, cv=1)"),
        Case("More folds than rows of a class", "fit(X, np.arange(60) < 3, cv=5).classes_"),
        Case("Groups that have all rows of a class", "fit(X, y, groups=y)"),
        Case("A class whose rows are all in one group", "fit(X, rare, groups=who) and 'fitted'"),
        Case("Pairs of row numbers that divide groups", "fit(X, y, groups=who, cv=[(range(30), range(28, 60))])"),
        Case("Rows in the order of a date, split at random", "fit(frame.sort_values('day'), y) and 'fitted'"),
        Case("`cv` and `validation` together", "fit(X, y, cv=3, validation=0.2)"),
    ),
    "Arguments": (
        Case("An argument of another library", "ash.tune(X, y, n_trials=10)"),
        Case("A misspelt argument", "ash.tune(X, y, time_limt=10)"),
        Case("A parameter that moved into the config", "ash.tune(X, y, eta=3)"),
        Case("A misspelt score", "fit(X, y, scoring='acuracy')"),
        Case("A score of the other task", "fit(X, y, scoring='r2')"),
        Case("F1 of labels that are text", "fit(X, np.array(['left', 'stay'])[y], scoring='f1')"),
        Case("A positive class that is not there", "fit(X, y, scoring='f1', pos_label='left')"),
        Case("No time", "fit(X, y, time_limit=0)"),
        Case("No candidates", "fit(X, y, candidates=0)"),
        Case("A run without an end", "fit(X, y, candidates=None)"),
        Case("No threads", "fit(X, y, n_jobs=0)"),
        Case("A seed that is text", "fit(X, y, random_state='seven')"),
        Case("An unknown hyperparameter", "fit(X, y, space={'learning_rat': [0.1]})"),
        Case("A hyperparameter out of range", "fit(X, y, space={'learning_rate': [-0.1]})"),
        Case("A config of the wrong kind", "fit(X, y, config={'eta': 3})"),
        Case("A field of another call", "fit(X, y, config=ash.SearchConfig(job_limit=3))"),
        Case("Prediction before `fit`", "ash.ASHClassifier().predict(X)"),
        Case("A model file that is none", "ash.load(file('a,b\\n1,2\\n'))"),
    ),
    "The command": (
        Case("No such file", "cli('nowhere.csv')"),
        Case("A misspelt target", "cli(file(CSV), '--target', 'sol')"),
        Case("A misspelt score", "cli(file(CSV), '--metric', 'acuracy')"),
        Case("A CSV file with semicolons and decimal commas", "cli(file(CSV.replace(',', ';').replace('.', ',')))"),
        Case("An Excel file", "cli(file('PK\\x03\\x04', 'a.xlsx'))"),
        Case("A file in Latin-1", "cli(file(CSV.replace('red', 'gr\\u00fcn'), encoding='latin-1'))"),
        Case("A row with a cell too many", "cli(file(CSV + '1.0,red,1,2\\n'))"),
        Case("An empty file", "cli(file(''))"),
        Case("A file without rows", "cli(file('a,b\\n'))"),
        Case("A target with gaps", "cli(file(CSV + '1.0,red,\\n'))"),
        Case("Two columns of one name", "cli(file(CSV.replace('color', 'size')))"),
        Case("A model that is there already", "cli(file(CSV)) and cli(file(CSV))"),
        Case(
            "A table to predict that lacks a column",
            "cli(file(CSV)) and cli('predict', MODEL, file('size\\n1.5\\n', 'new.csv'))",
        ),
        Case(
            "A boolean of a CSV file, for a model made in Python",
            "fit(frame[['sold']], y).model_.save(MODEL) or cli('predict', MODEL, file('sold\\nTrue\\n', 'new.csv'))",
        ),
        Case("No target in the file", "cli(file('size\\n1\\n2\\n'))"),
    ),
}

CSV = "size,color,sold\n" + "".join(
    f"{size / 7:.3f},{color},{int(size % 3 > 0)}\n"
    for size, color in zip(range(ROWS), ["red", "green"] * 30, strict=True)
)


def namespace() -> dict[str, Any]:
    """Return the namespace in which the cases are executed."""
    import ash

    def fit(X: Any, y: Any, **given: Any) -> Any:
        return _fitted(ash.ASHClassifier, X, y, given)

    def regress(X: Any, y: Any, **given: Any) -> Any:
        return _fitted(ash.ASHRegressor, X, y, given)

    def tune(X: Any, y: Any) -> Any:
        return ash.tune(X, y, candidates=4, random_state=0, n_jobs=1, verbose=0, validation=0.2)

    def kinds(X: Any, y: Any, **given: Any) -> str:
        columns = fit(X, y, **given).model_.encoding.schema.columns
        return ", ".join(f"{each.kind} of {len(each.levels)} levels" if each.levels else each.kind for each in columns)

    def odd(X: Any, y: Any) -> str:
        return "; ".join(f"{each.name}: {', '.join(each.notes)}" for each in ash.describe(X, y).odd)

    helpers = (fit, regress, tune, kinds, odd, _text, _file, _cli)
    modules = {"ash": ash, "np": np, "pd": pd, "pl": pl, "sparse": sparse, "Decimal": Decimal}
    return {**modules, **_tables(), **{each.__name__.removeprefix("_"): each for each in helpers}}


def _tables() -> dict[str, Any]:
    random = np.random.default_rng(0)
    X = random.normal(size=(ROWS, 3)).round(3)
    frame = {
        "size": X[:, 0],
        "color": ["red", "green", "blue"] * 20,
        "sold": [True, False] * 30,
        "day": pd.date_range("2026-01-01", periods=ROWS)[np.arange(ROWS) * 7 % ROWS],  # in no order
    }

    def with_cell(value: float) -> Any:
        changed = X.copy()
        changed[3, 1] = value
        return changed

    return {
        **{"X": X, "y": (X[:, 0] > 0).astype(int), "with_cell": with_cell, "frame": pd.DataFrame(frame)},
        "numbers": pd.DataFrame(X, columns=["a", "b", "c"]),
        "codes": pd.DataFrame({"code": [101, 205, 317] * 20}),
        "twins": pd.DataFrame(X, columns=["a", "a", "b"]),
        "zoned": pd.DataFrame({"day": frame["day"].tz_localize("Europe/Berlin")}),
        "mixed": pd.DataFrame({"day": [frame["day"][0].tz_localize("UTC"), *frame["day"][1:]]}, dtype=object),
        "who": np.arange(ROWS) // 6,
        "rare": np.where(np.arange(ROWS) < 6, 2, X[:, 0] > 0),
        **{"CSV": CSV, "MODEL": "ash-tune-out/model.safetensors"},
    }


def _fitted(kind: Any, X: Any, y: Any, given: dict[str, Any]) -> Any:
    rows = {name: given.pop(name) for name in ("sample_weight", "groups") if name in given}
    return kind(**{"candidates": 4, "random_state": 0, "n_jobs": 1, **given}).fit(X, y, **rows)


def _text(*cells: str) -> Any:
    return pd.DataFrame({"a": [cell for cell in cells for _ in range(ROWS // len(cells))]})


def _file(content: str, name: str = "a.csv", encoding: str = "utf-8") -> str:
    Path(name).write_text(content, encoding=encoding)
    return name


def _cli(*words: str) -> str:
    from ash.cli.command import main

    told = io.StringIO()
    training = ["--candidates", "4", "--quiet"] if words[0] != "predict" else []
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
        try:
            status = main([*words, *training])
        except SystemExit as ended:
            status = int(str(ended.code))
    return f"status {status}: {' '.join(told.getvalue().split())}"


def outcome(code: str, names: dict[str, Any]) -> str:
    """Return the outcome of a line (its warnings, and its value or error) as one line of text."""
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        warnings.catch_warnings(record=True) as said,
    ):
        os.mkdir("ash-tune-out")
        warnings.simplefilter("always")
        try:
            end = str(eval(code, dict(names)))
        except Exception as error:
            end = f"{type(error).__name__}: {error}"
    told = dict.fromkeys(str(each.message) for each in said if issubclass(each.category, UserWarning))
    line = " ".join(" | ".join([*(f"Warning: {each}" for each in told), end]).split())
    line = re.sub(r"\d+(\.\d+)?(e[-+]\d+)? (GiB|TiB|s\b)", r"... \3", line).replace(folder, "")
    line = re.sub(r"time_limit of at least [\d.]+", "time_limit of at least ...", line)  # machine-dependent
    return line if len(line) <= MOST else f"{line[: MOST - 3]}..."


def outcomes() -> dict[str, str]:
    """Return the outcome of each case, by its line of Python."""
    names = namespace()
    return {case.code: outcome(case.code, names) for cases in CASES.values() for case in cases}


def page(found: dict[str, str]) -> str:
    """Return the Markdown text of the page, with all cases."""
    lines = [
        "# Mistakes and messy tables",
        "",
        f"What ash says or does in {len(found)} cases: likely mistakes, and tables as people have them. Errors",
        "say what was given, what is allowed and what to do; long messages are cut here. The script",
        "`tests/helpers/mistakes.py` has the line of Python of each case, and writes this page.",
    ]
    for area, cases in CASES.items():
        lines += ["", f"## {area}", "", "| case | outcome |", "|---|---|"]
        lines += [f"| {case.what} | {_cell(found[case.code])} |" for case in cases]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_").replace("`", "'")


if __name__ == "__main__":
    PAGE.write_text(page(outcomes()), encoding="utf-8")
