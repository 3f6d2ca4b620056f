"""Ways of giving a table to ash, each with labels that are independent of the columns, or that follow from them.

Each way draws columns from a hidden bit per row. A placebo has labels that are independent of this bit, so every model
is as good as chance on new rows. A signal has the bit as label, with one label in ten turned, so a model can find it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.model_selection import GroupKFold, ShuffleSplit, StratifiedKFold, TimeSeriesSplit

import ash
from ash.cli.command import main

Random = np.random.Generator
ROWS = 120
TURNED = 0.1
"""The share of labels that differ from the hidden bit in a signal."""
CANDIDATES = 6
NEW_ROWS = 1_000


@dataclass
class Given:
    """What is passed to a fit: the table, arguments of the constructor, and arguments of `fit`."""

    X: Any
    y: Any
    settings: dict[str, Any] = field(default_factory=dict)
    of_fit: dict[str, Any] = field(default_factory=dict)


Draw = Callable[[Random, bool], Given]
WAYS: dict[str, Draw] = {}


def way(name: str) -> Callable[[Draw], Draw]:
    """Register a function that draws a table and says how it is given."""

    def register(draw: Draw) -> Draw:
        WAYS[name] = draw
        return draw

    return register


def labels_of(random: Random, bits: NDArray[np.int64], *, signal: bool) -> NDArray[np.int64]:
    """Return labels that follow from the hidden bits, or that are independent of them."""
    if not signal:
        return random.integers(0, 2, len(bits))
    return np.where(random.random(len(bits)) < TURNED, 1 - bits, bits)


def numbers(random: Random, bits: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return three columns of numbers, of which the first is shifted by the hidden bits."""
    X = random.normal(size=(len(bits), 3))
    X[:, 0] += 3 * bits
    return X


def bits_of(random: Random, rows: int = ROWS) -> NDArray[np.int64]:
    """Return a hidden bit per row."""
    return random.integers(0, 2, rows)


def of_numbers(random: Random, signal: bool) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return a table of numbers and its labels."""
    bits = bits_of(random)
    return numbers(random, bits), labels_of(random, bits, signal=signal)


def simple(name: str, **settings: Any) -> None:
    """Register a way that gives a table of numbers with these arguments of the constructor."""
    WAYS[name] = lambda random, signal: Given(*of_numbers(random, signal), settings)


simple("the default split")
simple("validation as share", validation=0.25)
simple("validation as number", validation=40)
simple("cv as number", cv=4)
simple("a splitter", cv=StratifiedKFold(4, shuffle=True, random_state=0))
simple("a splitter that draws rows again", cv=ShuffleSplit(5, test_size=0.3, random_state=0))
simple("a splitter in time", cv=TimeSeriesSplit(4))
simple("one pair", cv=[(np.arange(80), np.arange(80, ROWS))])
simple("two pairs", cv=[(np.arange(60), np.arange(60, ROWS)), (np.arange(60, ROWS), np.arange(60))])
simple("class weights", class_weight="balanced")
simple("unequal class weights", class_weight={0: 1.0, 1: 4.0})
simple("a tuned decision", scoring="balanced_accuracy")
simple("boosted trees", config=ash.SearchConfig(models=["lightgbm"]))
simple("networks and boosted trees", config=ash.SearchConfig(models=["network", "lightgbm"]))
simple("one network", ensemble=1)


@way("a validation table")
def _(random: Random, signal: bool) -> Given:
    return Given(*of_numbers(random, signal), {"validation": of_numbers(random, signal)})


def persons(random: Random, signal: bool, **settings: Any) -> Given:
    """Return a table of 40 persons with 4 rows each; in a placebo, the label depends on the person only."""
    person = np.repeat(np.arange(40), 4)
    bits = bits_of(random, len(person))
    X = np.column_stack([random.normal(size=(40, 3))[person], numbers(random, bits)])
    y = labels_of(random, bits, signal=True) if signal else random.integers(0, 2, 40)[person]
    order = random.permutation(len(person))
    return Given(X[order], y[order], settings, {"groups": person[order]})


def with_groups(name: str, **settings: Any) -> None:
    """Register a way that gives groups, with these arguments of the constructor."""
    WAYS[f"groups, {name}"] = lambda random, signal: persons(random, signal, **settings)


with_groups("the default split")
with_groups("validation as share", validation=0.25)
with_groups("cv as number", cv=4)
with_groups("a splitter", cv=GroupKFold(4))


def weighted(name: str, draw: Callable[[Random, int], NDArray[np.float64]], **settings: Any) -> None:
    """Register a way that draws the weights of the rows."""

    def given(random: Random, signal: bool) -> Given:
        X, y = of_numbers(random, signal)
        return Given(X, y, settings, {"sample_weight": draw(random, len(y))})

    WAYS[name] = given


weighted("whole weights", lambda random, rows: random.integers(1, 6, rows).astype(float))
weighted("whole weights, cv as number", lambda random, rows: random.integers(1, 6, rows).astype(float), cv=4)
weighted(
    "whole weights, validation as share",
    lambda random, rows: random.integers(0, 4, rows).astype(float),
    validation=0.25,
)
weighted("real weights", lambda random, rows: random.uniform(0.5, 3, rows))


@way("weights that mark wrong labels")
def _(random: Random, signal: bool) -> Given:
    bits = bits_of(random, 300)
    is_wrong = random.random(300) < 0.4
    y = np.where(is_wrong, 1 - bits, bits) if signal else random.integers(0, 2, 300)
    return Given(numbers(random, bits), y, {}, {"sample_weight": np.where(is_wrong, 0.01, 1.0)})


@way("rows repeated by hand")
def _(random: Random, signal: bool) -> Given:
    X, y = of_numbers(random, signal)
    rows = random.permutation(np.repeat(np.arange(60), 3))
    return Given(X[rows], y[rows])


@way("rows that recur by chance")
def _(random: Random, signal: bool) -> Given:
    bits = bits_of(random)
    X = np.column_stack([bits, random.integers(0, 2, (ROWS, 2))]).astype(float)
    return Given(X, labels_of(random, bits, signal=signal))


def of_levels(count: int) -> Draw:
    """Return a way whose table has a category with this many levels, of which half belong to each hidden bit."""

    def given(random: Random, signal: bool) -> Given:
        rows = max(ROWS, 6 * min(count, 60))
        level = random.integers(0, count, rows)
        X = pd.DataFrame({"level": [f"level {each}" for each in level], "noise": random.normal(size=rows)})
        return Given(X, labels_of(random, level % 2, signal=signal))

    return given


for count in (2, 40, 400):
    WAYS[f"a category of {count} levels"] = of_levels(count)


@way("a category of 40 levels, whole weights")
def _(random: Random, signal: bool) -> Given:
    given = of_levels(40)(random, signal)
    given.of_fit["sample_weight"] = random.integers(1, 5, len(given.y)).astype(float)
    return given


@way("texts")
def _(random: Random, signal: bool) -> Given:
    bits = bits_of(random)
    texts = [f"item {number}" for number in random.permutation(ROWS)]
    return Given(
        pd.DataFrame({"text": texts, "kind": np.where(bits, "big", "small")}), labels_of(random, bits, signal=signal)
    )


@way("dates")
def _(random: Random, signal: bool) -> Given:
    bits = bits_of(random)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 100, ROWS) * 7 + 5 * bits, unit="D")
    return Given(pd.DataFrame({"day": days, "noise": random.normal(size=ROWS)}), labels_of(random, bits, signal=signal))


@way("missing cells")
def _(random: Random, signal: bool) -> Given:
    bits = bits_of(random)
    X = random.normal(size=(ROWS, 3))
    X[bits == 1, 0] = np.nan
    return Given(X, labels_of(random, bits, signal=signal))


@way("a sparse table")
def _(random: Random, signal: bool) -> Given:
    bits = bits_of(random)
    X = random.normal(size=(ROWS, 8)) * (random.random((ROWS, 8)) < 0.3)
    X[:, 0] = bits
    return Given(sparse.csr_matrix(X), labels_of(random, bits, signal=signal))


@way("neighbors")
def _(random: Random, signal: bool) -> Given:
    """Numbers that are measured coarsely, so that rows recur."""
    bits = bits_of(random, 300)
    X = np.column_stack([bits, random.integers(0, 6, (300, 2))]).astype(float)
    return Given(X, labels_of(random, bits, signal=signal))


@way("spiked numbers")
def _(random: Random, signal: bool) -> Given:
    level = random.integers(0, 50, 300)
    X = np.column_stack([level * 0.37, random.normal(size=300)])
    return Given(X, labels_of(random, level % 2, signal=signal))


def regression(outputs: int) -> Draw:
    """Return a way whose targets are numbers."""

    def given(random: Random, signal: bool) -> Given:
        bits = bits_of(random)
        y = np.column_stack(
            [labels_of(random, bits, signal=signal) + random.normal(size=ROWS) / 4 for _ in range(outputs)]
        )
        return Given(numbers(random, bits), y[:, 0] if outputs == 1 else y)

    return given


WAYS["a target of numbers"] = regression(1)
WAYS["several targets"] = regression(3)


# Entry points


@dataclass(frozen=True)
class Estimate:
    """The estimated score of a run, its standard error, and the fitted model."""

    score: float
    error: float
    model: Any


def is_regression(given: Given) -> bool:
    """Return whether the targets are numbers."""
    return np.asarray(given.y).dtype.kind == "f"


def by_estimator(given: Given, seed: int, **others: Any) -> Estimate:
    """Fit an estimator with its default settings, except for the number of candidates and the metric."""
    kind, scoring = (ash.ASHRegressor, "r2") if is_regression(given) else (ash.ASHClassifier, "roc_auc")
    settings = (
        {"candidates": CANDIDATES, "random_state": seed, "n_jobs": 1, "scoring": scoring} | given.settings | others
    )
    model = kind(**settings).fit(given.X, given.y, **given.of_fit)
    return Estimate(model.estimated_score_, model.estimated_score_std_error_, model)


def by_tune(given: Given, seed: int, **others: Any) -> Estimate:
    """Call `ash.tune`, which has no class weights and no ensemble."""
    metric = "r2" if is_regression(given) else "roc_auc"
    own = {"metric" if name == "scoring" else name: value for name, value in given.settings.items()}
    settings = {"candidates": CANDIDATES, "random_state": seed, "n_jobs": 1, "scoring": metric, "verbose": 0} | own
    result = ash.tune(given.X, given.y, **settings | given.of_fit | others)
    return Estimate(result.estimated_score, result.estimated_score_std_error, result.model)


def by_command(given: Given, seed: int, folder: Path) -> Estimate:
    """Run `ash-tune` on a CSV file, with a small test part, and read the estimate from its summary and model."""
    frame = pd.DataFrame(given.X).rename(columns=str).assign(target=np.asarray(given.y), **given.of_fit)
    frame.to_csv(folder / "table.csv", index=False)
    named = {"groups": "--groups", "sample_weight": "--weight"}
    words = [str(folder / "table.csv"), "--target", "target", "--candidates", str(CANDIDATES), "--seed", str(seed)]
    words += [word for name, option in named.items() if name in given.of_fit for word in (option, name)]
    words += [word for name, value in given.settings.items() for word in (f"--{name}", str(value))]
    words += ["--metric", "roc_auc", "--threads", "1", "--out", str(folder / "out"), "--force", "--quiet"]
    assert main([*words, "--json", str(folder / "summary.json")]) == 0
    found = json.loads((folder / "summary.json").read_text())
    return Estimate(found["estimated_score"], found["estimated_score_std_error"], None)
