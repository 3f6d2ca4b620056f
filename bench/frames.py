"""The border of the data: what it takes to read a table, to predict for a large one, and to fit one of raw columns.

A million rows of 100 numbers, and the 30,162 adults of the UCI with their six numbers and eight text columns. Every
case has a process of its own, with OMP_NUM_THREADS set to the threads that it may use, and checks its answer before it
takes a time.

    prepare   from the user's table to what the core trains on, against `StandardScaler().fit_transform` on that table;
              once as `ash.tune` reads it and once in the order of its hashes, as the estimators do; and its memory
    predict   `Network.predict_proba`, as a share of the FMA peak of all threads
    adult     `ASHClassifier` on the columns as they are, beside LightGBM and scikit-learn's histogram boosting

What a time holds, and whom that favours: ours reads y and splits the rows besides, and fills float32 whatever the
table has; the scaler keeps the type of the table, so it writes twice as much for float64. The scaler takes mean and
deviation of all rows and no more; ours takes median and quartiles of the training rows, of a sample where these are
many, and clips. All fits are at their defaults: the trees grow one model, ASHClassifier searches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench import frames_adult, frames_predict, frames_prepare
from bench.sections import Section
from bench.suite import Bench, Options

SUBJECTS = {"prepare": frames_prepare, "predict": frames_predict, "adult": frames_adult}


def bench(options: Options) -> Bench:
    """Return the cases of all subjects; each checks its own answers, in the process that then measures."""
    cases = [case for subject in SUBJECTS.values() for case in subject.cases(options)]
    return Bench(cases, sections, packages=("scikit-learn", "pandas", "polars", "lightgbm"))


def sections(results: Mapping[str, Any]) -> list[Section]:
    """Return the tables of each subject, whose name its cases begin with."""
    shown: list[Section] = []
    for name, subject in SUBJECTS.items():
        shown += subject.sections([value for key, value in results.items() if key.startswith(f"{name}, ")])
    return shown
