"""Reads the digits for benches: scikit-learn's digits, or the full optical digits from a given folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.machine import ROOT

Array = NDArray[np.float64]
Classes = NDArray[np.int64]
FILES = ("optdigits_train.csv.gz", "optdigits_test.csv.gz")
BESIDE = ROOT.parent / "shared" / "data"  # the default folder of larger tables, also for the tests


@dataclass(frozen=True)
class Digits:
    """The rows for tuning and the rows for testing, with 64 features and 10 classes."""

    name: str
    x: Array
    y: Classes
    x_test: Array
    y_test: Classes


def read_table(path: Path) -> tuple[Array, Classes]:
    """Return the features and integer classes of a CSV file whose last column is the target."""
    rows = np.loadtxt(path, delimiter=",", skiprows=1)
    return np.ascontiguousarray(rows[:, :-1]), rows[:, -1].astype(np.int64)


def digits(folder: Path | str | None) -> Digits:
    """Return the UCI optical digits in this folder (3,823 rows to tune on, 1,797 to test on).

    Without a folder, return scikit-learn's digits, which are the UCI test rows: 1,347 rows to tune on, and the
    remaining quarter to test on.
    """
    if folder is not None:
        (x, y), (x_test, y_test) = (read_table(Path(folder) / file) for file in FILES)
        return Digits("optdigits", x, y, x_test, y_test)
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y.astype(np.int64), test_size=0.25, random_state=0, stratify=y)
    return Digits("load_digits", x, y, x_test, y_test)


def table_file(folder: Path | str | None, file: str) -> Path:
    """Return the path of a larger table in this folder, which is ../shared/data by default."""
    return Path(folder or BESIDE) / file
