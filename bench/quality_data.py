"""The tables of the bench `quality`: larger ones out of files, small ones that scikit-learn bundles.

A split is by seed, a quarter of the rows to test on, of each class alike. Classes are numbered in the order of their
labels, so that everybody's probabilities have the same columns. Cells of text stay text, or become pandas' categories
for those who take these only.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.datasets import table_file
from bench.machine import ROOT

TEST_SHARE = 0.25


@dataclass(frozen=True)
class Source:
    """Where a table is from: a file, or a function of `sklearn.datasets`."""

    classes: bool
    file: str | None = None
    loader: str | None = None

    def missing(self, folder: Path | None) -> str | None:
        """Return what is not there, in a few words."""
        if self.file is None:
            return None
        if importlib.util.find_spec("pandas") is None:
            return "pandas is not installed"
        path = table_file(folder, self.file)
        return None if path.is_file() else f"no file {os.path.relpath(path, ROOT)}"


TABLES = {
    "optdigits": Source(True, "optdigits_train.csv.gz"),
    "letter": Source(True, "letter.csv.gz"),
    "winequality_white": Source(False, "winequality_white.csv.gz"),
    "california": Source(False, "california.csv.gz"),
    "adult": Source(True, "adult.csv.gz"),
    "digits": Source(True, loader="load_digits"),
    "breast_cancer": Source(True, loader="load_breast_cancer"),
    "wine": Source(True, loader="load_wine"),
    "diabetes": Source(False, loader="load_diabetes"),
}
LARGER = tuple(name for name, source in TABLES.items() if source.file is not None)
SMALL = tuple(name for name in TABLES if name not in LARGER)


@dataclass(frozen=True)
class Split:
    """Rows to fit and rows to test on; classes: how many there are, 0 where the target is a number."""

    x: Any
    y: NDArray[Any]
    x_test: Any
    y_test: NDArray[Any]
    classes: int


def split(name: str, folder: Path | None, seed: int, categories: bool) -> Split:
    """Return a table split by the seed; categories: of pandas, for columns of text."""
    from sklearn.model_selection import train_test_split

    source = TABLES[name]
    x, target = _bundled(source) if source.file is None else _read(table_file(folder, source.file), categories)
    labels, numbers = np.unique(target, return_inverse=True)
    y = numbers if source.classes else np.asarray(target, dtype=np.float64)
    stratify = y if source.classes else None
    x, x_test, y, y_test = train_test_split(x, y, test_size=TEST_SHARE, random_state=seed, stratify=stratify)
    return Split(x, y, x_test, y_test, len(labels) if source.classes else 0)


def _bundled(source: Source) -> tuple[Any, NDArray[Any]]:
    """Return features and target of a table of scikit-learn, as arrays: they are all numbers."""
    from sklearn import datasets

    x, y = getattr(datasets, str(source.loader))(return_X_y=True)
    return x, y


def _read(path: Path, categories: bool) -> tuple[Any, NDArray[Any]]:
    import pandas as pd

    table = pd.read_csv(path)
    y = table.pop("target").to_numpy()
    if categories:
        table = table.astype(dict.fromkeys(table.select_dtypes(exclude="number"), "category"))
    return table, y
