"""Tests the warning about columns that are a copy of the target, or have a different text in each row."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ash

RANDOM = np.random.default_rng(0)
ROWS = 600
X = pd.DataFrame({"x": RANDOM.normal(size=ROWS), "city": RANDOM.choice(["Rome", "Oslo", "Bonn"], ROWS)})
LABELS = RANDOM.choice(["stay", "leave"], ROWS)
VALUES = RANDOM.normal(size=ROWS)
COPY = r"\(column 2 \('odd'\) is a copy of the target\)"
TEXT = r"\(column 2 \('odd'\) has a different text in each row\)"


@pytest.mark.parametrize(
    ("column", "y", "fact"),
    [
        (VALUES, VALUES, COPY),
        (np.where(LABELS == "stay", 7, 3), LABELS, COPY),
        (np.where(LABELS == "stay", "A", "B"), LABELS, COPY),
        ([f"The customer number {row} was content." for row in range(ROWS)], LABELS, TEXT),
    ],
)
def test_suspect_columns_are_told_of_once(column: Any, y: Any, fact: str) -> None:
    frame = X.assign(odd=np.asarray(column))
    estimator = ash.ASHRegressor if np.asarray(y).dtype.kind == "f" else ash.ASHClassifier
    with pytest.warns(UserWarning, match=fact) as told:
        ash.tune(frame, y, candidates=2, verbose=0, n_jobs=1, validation=0.2)
    assert sum("cannot help" in str(each.message) for each in told) == 1
    with pytest.warns(UserWarning, match=fact):
        estimator(candidates=2, n_jobs=1, random_state=0, verbose=False).fit(frame, y)
    assert [column.name for column in ash.describe(frame, y).odd] == ["odd"]


def test_useful_columns_are_not_told_of() -> None:
    nearly = np.where(np.arange(ROWS) == 7, "?", np.where(LABELS == "stay", "A", "B"))
    frame = X.assign(level=RANDOM.choice([f"level {each}" for each in range(400)], ROWS), nearly=nearly)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ash.tune(frame, LABELS, candidates=2, verbose=0, n_jobs=1, validation=0.2)
        ash.tune(frame, X["x"] ** 3, candidates=2, verbose=0, n_jobs=1, validation=0.2)
        ash.tune(
            frame[:31].assign(name=[f"n{row}" for row in range(31)]),
            LABELS[:31],
            candidates=2,
            verbose=0,
            validation=0.2,
        )


def test_a_column_is_not_taken_for_a_copy_because_rows_are_repeated_for_their_weight() -> None:
    frame = X.assign(price=RANDOM.normal(size=ROWS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = ash.ASHRegressor(candidates=2, n_jobs=1, random_state=0, verbose=False)
        estimator.fit(frame, VALUES, np.arange(ROWS) % 3 + 1)


def test_a_copy_is_told_of_although_its_rows_are_in_few_groups() -> None:
    frame = X.assign(odd=np.where(LABELS == "stay", "A", "B"))
    with pytest.warns(UserWarning, match=COPY):
        ash.tune(frame, LABELS, candidates=2, groups=np.arange(ROWS) % 3, verbose=0, n_jobs=1, validation=0.2)
