"""Plants faults in the splits, weights and encodings of ash, and checks that the tests of test_placebo.py find them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ash.data import row_split, table
from ash.encoding import data_split
from ash.engine import run
from ash.models import estimated_score
from placebo_help import WAYS, by_estimator
from test_placebo import LEAST_OF_SIGNAL, MOST, RUNS, mean_deviation, score_on

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]
FAULTS: dict[str, tuple[Plant, str]] = {}
"""For each fault, the function that plants it, and the way of giving a table by which it is found."""


def fault(name: str, way: str) -> Callable[[Plant], Plant]:
    """Register a function that plants a fault."""

    def register(plant: Plant) -> Plant:
        FAULTS[name] = plant, way
        return plant

    return register


def wrap(patch: Patch, place: Any, name: str, change: Callable[..., Any]) -> None:
    """Let `change` see the result and the arguments of a function, and return another result."""
    original = getattr(place, name)
    patch.setattr(place, name, lambda *args, **named: change(original(*args, **named), *args))


@fault("groups are ignored", "groups, cv as number")
def _(patch: Patch) -> None:
    patch.setattr(table, "read_groups", lambda groups, rows: None)


@fault("the only split ignores groups", "groups, validation as share")
def _(patch: Patch) -> None:
    original = row_split.split_rows
    patch.setattr(
        row_split, "split_rows", lambda labels, rows, share, seed, groups: original(labels, rows, share, seed)
    )


@fault("copies of a row for its weight are on both sides", "whole weights")
def _(patch: Patch) -> None:
    wrap(patch, data_split, "sort_rows", lambda found, *_: replace(found, groups=None))


@fault("copies of a row by hand are on both sides", "rows repeated by hand")
def _(patch: Patch) -> None:
    patch.setattr(data_split, "copied_rows", lambda *_, **__: None)


@fault("statistics of levels see the target of their own row", "a category of 40 levels")
def _(patch: Patch) -> None:
    original = data_split._learn_encoding

    def learn(table: Any, schema: Any, training: Any, seed: int, *_: Any) -> Any:
        found = original(table, schema, np.arange(table.rows), seed)
        return replace(found, crossfit=(None,) * len(schema.columns))

    patch.setattr(data_split, "_learn_encoding", learn)


@fault("validation rows take part in the training of their fold", "cv as number")
def _(patch: Patch) -> None:
    def change(found: Any, table: Any, *_: Any) -> Any:
        return replace(found, training=np.arange(table.rows))

    wrap(patch, data_split, "_fold", change)


@fault("validation rows of the only split take part in training", "validation as share")
def _(patch: Patch) -> None:
    wrap(patch, data_split, "split", lambda found, *_: (np.sort(np.concatenate(found)), found[1]))


@fault("the estimate is the score of the best candidate", "the default split")
def _(patch: Patch) -> None:
    def best(kept: Any, size: int, *others: Any) -> Any:
        found = estimated_score.estimate(kept, size, *others)
        return found._replace(score=kept.networks[0].validation_score)

    patch.setattr(run, "estimate", best)


@fault("the decision is tuned on the rows that are scored", "a tuned decision")
def _(patch: Patch) -> None:
    original = estimated_score.predicted
    patch.setattr(estimated_score, "predicted", lambda selected, held_out, counts: original(held_out, held_out, counts))


@fault("weights belong to other rows", "weights that mark wrong labels")
def _(patch: Patch) -> None:
    wrap(patch, data_split, "sort_rows", lambda found, *_: replace(found, weights=np.roll(found.weights, 7)))


@fault("targets belong to other rows", "the default split")
def _(patch: Patch) -> None:
    wrap(patch, data_split, "sort_rows", lambda found, *_: replace(found, y=np.roll(found.y, 7, axis=0)))


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str, monkeypatch: Patch) -> None:
    plant, way = FAULTS[name]
    plant(monkeypatch)
    random = np.random.default_rng(len(way))
    found = by_estimator(WAYS[way](random, True), 0, candidates=16)
    is_missed = found.score < LEAST_OF_SIGNAL or score_on(found.model, WAYS[way](random, True)) < LEAST_OF_SIGNAL
    assert is_missed or abs(mean_deviation(way, by_estimator, RUNS)) > MOST
